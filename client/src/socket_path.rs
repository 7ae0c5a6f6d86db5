//! Finds the daemon's socket: reads the environment and the file system once, and leaves the rule
//! itself to `glassdome_proto::socket`, where the daemon has it from too.

use std::env;
use std::path::{Path, PathBuf};

use glassdome_proto::socket::Place;
use rustix::fs::{FileType, lstat};
use rustix::process::geteuid;

use crate::error::Error;

/// Where the daemon listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SocketPath {
    /// The socket.
    pub path: PathBuf,
    /// Whether it is the one that holds when `GLASSDOME_SOCKET` is not set.
    pub default: bool,
    /// The directory in which it lies then: of this user alone, and gone with what runs for them.
    pub directory: PathBuf,
}

impl SocketPath {
    /// Reads `GLASSDOME_SOCKET`, `XDG_RUNTIME_DIR` and whether `/run/user/UID` is ours.
    ///
    /// # Errors
    /// [`Error::Usage`] when `GLASSDOME_SOCKET` is not an absolute path: it would mean another place
    /// in each directory.
    pub fn find() -> Result<Self, Error> {
        let set = |name| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        let uid = geteuid().as_raw();
        let named = set("GLASSDOME_SOCKET");
        let runtime_dir = set("XDG_RUNTIME_DIR");
        if named.as_deref().is_some_and(Path::is_relative) {
            return Err(Error::Usage("GLASSDOME_SOCKET must be an absolute path".into()));
        }
        let run_user = PathBuf::from(format!("/run/user/{uid}"));
        let place = Place {
            named: named.as_deref(),
            runtime_dir: runtime_dir.as_deref(),
            run_user: is_own_directory(&run_user, uid).then_some(&run_user),
            uid,
        };
        let path = place.socket();
        let usual = place.default_socket();
        let default = path == usual;
        let directory = usual.parent().expect("it lies in a directory of ours").to_owned();
        Ok(Self { path, default, directory })
    }
}

fn is_own_directory(path: &Path, uid: u32) -> bool {
    lstat(path)
        .is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode) == FileType::Directory && stat.st_uid == uid)
}
