//! Where the daemon's socket is. Both sides must agree, so the rule stands here, as a pure function
//! of what the caller read from the system.

use std::path::{Path, PathBuf};

/// Name of the directory that is ours alone.
pub const DIR: &str = "glassdome";
/// Name of the socket in it.
pub const FILE: &str = "daemon.sock";

/// Below it there is a directory of ours where there is none for run-time files. Not `TMPDIR`: set-id
/// programs are started without it (ld.so(8), secure-execution mode), and all must find one place.
const TEMP: &str = "/tmp";

/// What decides where the socket is.
#[derive(Debug, Clone)]
pub struct Place<'a> {
    /// `GLASSDOME_SOCKET`: another socket altogether.
    pub named: Option<&'a Path>,
    /// `XDG_RUNTIME_DIR`.
    pub runtime_dir: Option<&'a Path>,
    /// `/run/user/UID`, if it is there.
    pub run_user: Option<&'a Path>,
    /// The owner.
    pub uid: u32,
}

impl Place<'_> {
    /// The socket's path. Relative paths in the environment are ignored, as the XDG base directory
    /// specification asks.
    pub fn socket(&self) -> PathBuf {
        if let Some(named) = self.named {
            return named.to_owned();
        }
        self.default_socket()
    }

    /// The path that holds when no other socket is named.
    pub fn default_socket(&self) -> PathBuf {
        let runtime = self.runtime_dir.filter(|dir| dir.is_absolute()).or(self.run_user);
        match runtime {
            Some(dir) => dir.join(DIR).join(FILE),
            None => Path::new(TEMP).join(format!("{DIR}-{}", self.uid)).join(FILE),
        }
    }
}
