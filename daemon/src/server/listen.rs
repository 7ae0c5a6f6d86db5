//! The listening socket: private from birth, ours alone, and never taken from a living daemon.
//!
//! Its directory is 0700 and ours. A lock file beside it says whether a daemon lives; the socket of
//! a dead one is replaced, anything else in its place is left and refused. Only the moment at which
//! it begins to listen wears the stamp: clients see it, and no file has its group.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

use glassdome_sys::{DirError, Stamp, private_dir, refuse_descriptors};
use rustix::fs::{FlockOperation, Mode, fchmod, flock};
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, SocketAddrUnix, SocketFlags, SocketType, bind, connect, listen, socket_with,
};

/// Connections that wait to be accepted.
const BACKLOG: i32 = 128;

/// Why there is no socket.
#[derive(Debug, thiserror::Error)]
pub enum Unbindable {
    /// Another daemon listens there.
    #[error("a daemon is running already at {}. Stop it: ctl stop", path.display())]
    Running {
        /// The socket.
        path: PathBuf,
    },
    /// Its directory is not ours alone.
    #[error(transparent)]
    Directory(#[from] DirError),
    /// Something is in its place that is not a dead daemon's socket.
    #[error("{} is in the way: {what}. Look what it is, and remove it", path.display())]
    InTheWay {
        /// The socket's path.
        path: PathBuf,
        /// What is there.
        what: &'static str,
    },
    /// The path is too long for a socket, or has no directory.
    #[error("{} cannot be a socket's path: at most 107 bytes, in a directory", path.display())]
    BadPath {
        /// The path.
        path: PathBuf,
    },
    /// The system refused.
    #[error("cannot listen at {}", path.display())]
    Io {
        /// The socket's path.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
}

/// A listening socket. Removed when dropped, with its lock.
#[derive(Debug)]
pub struct Listener {
    socket: OwnedFd,
    path: PathBuf,
    refuses_descriptors: bool,
    _alive: File,
}

impl Listener {
    /// Listens at `path`, and shows the stamp to whoever connects.
    ///
    /// # Errors
    /// [`Unbindable`]; what was there is untouched.
    pub fn bind(path: &Path, stamp: Option<Stamp>) -> Result<Self, Unbindable> {
        let bad = || Unbindable::BadPath { path: path.to_owned() };
        let dir = path.parent().ok_or_else(bad)?;
        let address = SocketAddrUnix::new(path).map_err(|_| bad())?;
        private_dir(dir)?;
        let io = |source: io::Error| Unbindable::Io { path: path.to_owned(), source };
        let alive = lock(&path.with_extension("lock")).map_err(io)?;
        let alive = alive.ok_or_else(|| Unbindable::Running { path: path.to_owned() })?;
        clear(path, &address)?;

        let flags = SocketFlags::CLOEXEC;
        let system = |error: Errno| io(error.into());
        let socket = socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None).map_err(system)?;
        // Before `bind`: there is no moment at which the socket's file is open to others.
        fchmod(&socket, Mode::RUSR | Mode::WUSR).map_err(system)?;
        let refuses_descriptors = refuse_descriptors(socket.as_fd()).map_err(io)?;
        bind(&socket, &address).map_err(system)?;
        match stamp {
            Some(stamp) => stamp.worn(|| listen(&socket, BACKLOG)).map_err(io)?.map_err(system)?,
            None => listen(&socket, BACKLOG).map_err(system)?,
        }
        Ok(Self { socket, path: path.to_owned(), refuses_descriptors, _alive: alive })
    }

    /// The socket to accept on.
    ///
    /// # Errors
    /// When the system has no descriptor left for it.
    pub fn socket(&self) -> io::Result<UnixListener> {
        Ok(self.socket.try_clone()?.into())
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether the kernel keeps peers from passing descriptors (`SO_PASSRIGHTS`, Linux 6.16).
    pub fn refuses_descriptors(&self) -> bool {
        self.refuses_descriptors
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        // Whoever starts next replaces a socket that could not be removed. The lock is still ours,
        // so it is no other daemon's.
        let _ = std::fs::remove_file(&self.path);
    }
}

/// The lock that a living daemon holds; `None` if one does.
fn lock(path: &Path) -> io::Result<Option<File>> {
    let nofollow = rustix::fs::OFlags::NOFOLLOW.bits().cast_signed();
    let file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .custom_flags(nofollow)
        .open(path)?;
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(Some(file)),
        Err(Errno::WOULDBLOCK) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Makes room for our socket, if what is there is the socket of a dead daemon of ours.
fn clear(path: &Path, address: &SocketAddrUnix) -> Result<(), Unbindable> {
    let in_the_way = |what| Unbindable::InTheWay { path: path.to_owned(), what };
    let io = |source: io::Error| Unbindable::Io { path: path.to_owned(), source };
    let there = match std::fs::symlink_metadata(path) {
        Ok(there) => there,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(io(error)),
    };
    if there.uid() != rustix::process::geteuid().as_raw() {
        return Err(in_the_way("it belongs to another user"));
    }
    if !there.file_type().is_socket() {
        return Err(in_the_way("it is not a socket"));
    }
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let probe =
        socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None).map_err(|e| io(e.into()))?;
    match connect(&probe, address) {
        Err(Errno::CONNREFUSED) => std::fs::remove_file(path).map_err(io),
        // Alive, or so busy that it cannot answer: either way not ours to remove.
        Ok(()) | Err(Errno::AGAIN) => {
            Err(in_the_way("another program listens there, which is no glassdomed"))
        }
        Err(error) => Err(io(error.into())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn place() -> (tempfile::TempDir, PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("glassdome").join("daemon.sock");
        (dir, path)
    }

    #[test]
    fn it_is_private_from_birth_and_gone_at_the_end() {
        let (_dir, path) = place();
        let listener = Listener::bind(&path, None).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        drop(listener);
        assert!(!path.exists());
    }

    #[test]
    fn a_second_daemon_is_refused_and_the_first_goes_on() {
        let (_dir, path) = place();
        let _first = Listener::bind(&path, None).unwrap();
        assert!(matches!(Listener::bind(&path, None), Err(Unbindable::Running { .. })));
        std::os::unix::net::UnixStream::connect(&path).unwrap();
    }

    #[test]
    fn a_dead_socket_is_replaced() {
        let (_dir, path) = place();
        private_dir(path.parent().unwrap()).unwrap();
        drop(UnixListener::bind(&path).unwrap());
        assert!(path.exists());
        Listener::bind(&path, None).unwrap();
    }

    #[test]
    fn a_living_squatter_a_file_and_an_open_directory_are_refused() {
        let (_dir, path) = place();
        private_dir(path.parent().unwrap()).unwrap();
        let squatter = UnixListener::bind(&path).unwrap();
        assert!(matches!(Listener::bind(&path, None), Err(Unbindable::InTheWay { .. })));
        drop(squatter);
        std::fs::remove_file(&path).unwrap();
        std::fs::write(&path, "mine").unwrap();
        assert!(matches!(Listener::bind(&path, None), Err(Unbindable::InTheWay { .. })));
        assert_eq!(std::fs::read(&path).unwrap(), b"mine");
        let open = std::fs::Permissions::from_mode(0o777);
        std::fs::set_permissions(path.parent().unwrap(), open).unwrap();
        assert!(matches!(Listener::bind(&path, None), Err(Unbindable::Directory(_))));
    }

    #[test]
    fn an_overlong_path_is_refused() {
        let path = PathBuf::from(format!("/tmp/{}/daemon.sock", "x".repeat(120)));
        assert!(matches!(Listener::bind(&path, None), Err(Unbindable::BadPath { .. })));
    }
}
