//! Is it our daemon that listens? Asked before a byte is sent to it, so that nobody else's program
//! is ever handed a password or a value.
//!
//! The attacker is another user who squats the socket's place before the daemon starts: in a
//! directory that others may write to, through a symbolic link, or with a socket of their own. The
//! directory and the socket are judged first, since that names the cause; what the kernel says
//! about whoever listens (`SO_PEERCRED`) is judged after the connection and settles it.
//!
//! Our installed programs ask for more: another program of the same user could listen there. To them
//! a daemon is known by its stamp ([`Stamp`]), which only the installed one can have.

use std::io;
use std::os::fd::BorrowedFd;
use std::path::{Path, PathBuf};

use glassdome_sys::{Creds, Stamp};
use rustix::fs::{FileType, Stat, lstat};
use rustix::process::geteuid;

/// Why whoever listens there is not trusted.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Distrust {
    /// The directory, or the one above it, is a symbolic link that anybody could have made.
    #[error("{} is a symbolic link: not connecting to what lies behind it", .0.display())]
    Link(PathBuf),
    /// Not a directory.
    #[error("{} is not a directory", .0.display())]
    NotDirectory(PathBuf),
    /// Not a socket.
    #[error("{} is not a socket: move it away", .0.display())]
    NotSocket(PathBuf),
    /// It belongs to somebody else.
    #[error("{} belongs to user {uid}, not to you: not connecting", path.display())]
    Owner {
        /// What.
        path: PathBuf,
        /// To whom.
        uid: u32,
    },
    /// Others may write there.
    #[error("others may write to {}: not connecting; make it private with `chmod 700`", .0.display())]
    Writable(PathBuf),
    /// Another user's process listens.
    #[error("the socket is served by user {uid}, not by you: not connecting")]
    Peer {
        /// Whose.
        uid: u32,
    },
    /// Asked by an installed program: another one than the installed daemon listens.
    #[error(
        "process {pid}, which listens at the socket, is not the daemon that was installed with this \
         program: end it (`kill {pid}`), then run glassdome_start"
    )]
    Unstamped {
        /// Which, as it was when it began to listen.
        pid: i32,
    },
}

/// What stands at the socket's place.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// A socket that can be connected to.
    Socket,
    /// Nothing.
    Nothing,
}

/// Judges the socket and the two directories above it.
///
/// # Errors
/// `Ok(Err)` when they cannot be trusted; `Err` when they cannot be looked at.
pub(crate) fn judge_place(socket: &Path) -> io::Result<Result<Found, Distrust>> {
    let own = geteuid().as_raw();
    let directory = socket.parent().unwrap_or(Path::new("/"));
    let above = directory.parent().unwrap_or(Path::new("/"));
    for (path, judge) in [
        (above, judge_above as fn(&Path, &Stat, u32) -> Result<(), Distrust>),
        (directory, judge_directory),
        (socket, judge_socket),
    ] {
        let stat = match lstat(path) {
            Ok(stat) => stat,
            Err(rustix::io::Errno::NOENT) => return Ok(Ok(Found::Nothing)),
            Err(error) => return Err(error.into()),
        };
        if let Err(distrust) = judge(path, &stat, own) {
            return Ok(Err(distrust));
        }
    }
    Ok(Ok(Found::Socket))
}

/// Judges who listens at the other end of `socket`; `stamp` is this program's own.
///
/// # Errors
/// `Ok(Err)` when it is another user, or has not the same stamp; `Err` when the kernel does not say.
pub(crate) fn judge_peer(socket: BorrowedFd<'_>, stamp: Option<Stamp>) -> io::Result<Result<(), Distrust>> {
    let peer = glassdome_sys::peer_creds(socket)?;
    Ok(judge_creds(peer, geteuid().as_raw(), stamp.map(Stamp::gid)))
}

fn judge_creds(peer: Creds, own: u32, stamp: Option<u32>) -> Result<(), Distrust> {
    if peer.uid != own {
        return Err(Distrust::Peer { uid: peer.uid });
    }
    match stamp {
        Some(gid) if peer.gid != gid => Err(Distrust::Unstamped { pid: peer.pid }),
        _ => Ok(()),
    }
}

const GROUP_AND_OTHERS_WRITE: u32 = 0o022;
const STICKY: u32 = 0o1000;

/// The runtime or temporary directory: root's or ours, and nobody else can exchange what is in it.
fn judge_above(path: &Path, stat: &Stat, own: u32) -> Result<(), Distrust> {
    if kind(stat) == FileType::Symlink {
        return if stat.st_uid == 0 { Ok(()) } else { Err(Distrust::Link(path.into())) };
    }
    if stat.st_uid != 0 && stat.st_uid != own {
        return Err(Distrust::Owner { path: path.into(), uid: stat.st_uid });
    }
    if stat.st_mode & GROUP_AND_OTHERS_WRITE != 0 && stat.st_mode & STICKY == 0 {
        return Err(Distrust::Writable(path.into()));
    }
    Ok(())
}

/// The directory of the socket: ours alone.
fn judge_directory(path: &Path, stat: &Stat, own: u32) -> Result<(), Distrust> {
    match kind(stat) {
        FileType::Directory => {}
        FileType::Symlink => return Err(Distrust::Link(path.into())),
        _ => return Err(Distrust::NotDirectory(path.into())),
    }
    if stat.st_uid != own {
        return Err(Distrust::Owner { path: path.into(), uid: stat.st_uid });
    }
    if stat.st_mode & GROUP_AND_OTHERS_WRITE != 0 {
        return Err(Distrust::Writable(path.into()));
    }
    Ok(())
}

fn judge_socket(path: &Path, stat: &Stat, own: u32) -> Result<(), Distrust> {
    match kind(stat) {
        FileType::Socket if stat.st_uid == own => Ok(()),
        FileType::Socket => Err(Distrust::Owner { path: path.into(), uid: stat.st_uid }),
        _ => Err(Distrust::NotSocket(path.into())),
    }
}

fn kind(stat: &Stat) -> FileType {
    FileType::from_raw_mode(stat.st_mode)
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::fd::AsFd;
    use std::os::unix::fs::{PermissionsExt, symlink};
    use std::os::unix::net::{UnixListener, UnixStream};

    use super::*;

    /// A private directory with a socket in it: each test spoils one thing.
    fn place() -> (tempfile::TempDir, PathBuf, UnixListener) {
        let above = tempfile::tempdir().unwrap();
        let directory = above.path().join("glassdome");
        fs::create_dir(&directory).unwrap();
        fs::set_permissions(&directory, Permissions::from_mode(0o700)).unwrap();
        let socket = directory.join("daemon.sock");
        let listener = UnixListener::bind(&socket).unwrap();
        (above, socket, listener)
    }

    fn judged(socket: &Path) -> Result<Found, Distrust> {
        judge_place(socket).unwrap()
    }

    #[test]
    fn a_private_place_is_trusted() {
        let (_above, socket, _listener) = place();
        assert_eq!(judged(&socket), Ok(Found::Socket));
        fs::remove_file(&socket).unwrap();
        assert_eq!(judged(&socket), Ok(Found::Nothing));
        fs::remove_dir(socket.parent().unwrap()).unwrap();
        assert_eq!(judged(&socket), Ok(Found::Nothing));
    }

    #[test]
    fn a_directory_that_others_may_write_to_is_refused() {
        for mode in [0o770, 0o702, 0o777, 0o1777] {
            let (_above, socket, _listener) = place();
            let directory = socket.parent().unwrap();
            fs::set_permissions(directory, Permissions::from_mode(mode)).unwrap();
            assert_eq!(judged(&socket), Err(Distrust::Writable(directory.into())), "{mode:o}");
        }
    }

    #[test]
    fn a_runtime_directory_that_others_may_write_to_is_refused_unless_it_is_sticky() {
        let (above, socket, _listener) = place();
        fs::set_permissions(above.path(), Permissions::from_mode(0o777)).unwrap();
        assert_eq!(judged(&socket), Err(Distrust::Writable(above.path().into())));
        fs::set_permissions(above.path(), Permissions::from_mode(0o1777)).unwrap();
        assert_eq!(judged(&socket), Ok(Found::Socket));
    }

    #[test]
    fn symbolic_links_are_refused() {
        let (above, socket, _listener) = place();
        let link = above.path().join("link");
        symlink(socket.parent().unwrap(), &link).unwrap();
        assert_eq!(judged(&link.join("daemon.sock")), Err(Distrust::Link(link)));
        let link = socket.with_file_name("other.sock");
        symlink(&socket, &link).unwrap();
        assert_eq!(judged(&link), Err(Distrust::NotSocket(link)));
    }

    #[test]
    fn what_is_no_socket_is_refused() {
        let (_above, socket, _listener) = place();
        fs::remove_file(&socket).unwrap();
        fs::write(&socket, "").unwrap();
        assert_eq!(judged(&socket), Err(Distrust::NotSocket(socket)));
    }

    #[test]
    fn what_belongs_to_another_user_is_refused() {
        let (_above, socket, _listener) = place();
        let stranger = geteuid().as_raw() + 1;
        let stat = lstat(&socket).unwrap();
        let uid = geteuid().as_raw();
        assert_eq!(
            judge_socket(&socket, &stat, stranger),
            Err(Distrust::Owner { path: socket.clone(), uid })
        );
        let directory = socket.parent().unwrap();
        let stat = lstat(directory).unwrap();
        assert_eq!(
            judge_directory(directory, &stat, stranger),
            Err(Distrust::Owner { path: directory.into(), uid })
        );
        assert_eq!(judge_directory(directory, &stat, uid), Ok(()));
    }

    #[test]
    fn a_listener_of_ours_is_trusted() {
        let (_above, socket, _listener) = place();
        let stream = UnixStream::connect(&socket).unwrap();
        assert_eq!(judge_peer(stream.as_fd(), None).unwrap(), Ok(()));
    }

    #[test]
    fn who_has_a_stamp_trusts_a_listener_with_the_same_one_only() {
        let peer = |gid| Creds { pid: 7, uid: 1000, gid };
        assert_eq!(judge_creds(peer(990), 1000, Some(990)), Ok(()));
        assert_eq!(judge_creds(peer(1000), 1000, Some(990)), Err(Distrust::Unstamped { pid: 7 }));
        assert_eq!(judge_creds(peer(990), 1001, Some(990)), Err(Distrust::Peer { uid: 1000 }));
        assert_eq!(judge_creds(peer(1000), 1000, None), Ok(()), "who has none asks for none");
        assert_eq!(judge_creds(peer(990), 1000, None), Ok(()));
    }
}
