//! Who is at the other end of a socket, in the kernel's words.
//!
//! rustix has the same calls, but its process id cannot be zero, and the kernel does say zero: of a peer that the
//! reader's pid namespace does not show.

use crate::socket::option;
use std::io;
use std::os::fd::BorrowedFd;

/// What the kernel says of a sender or a peer (unix(7), `struct ucred`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Creds {
    /// The process id in *our* pid namespace; 0 if that namespace does not show the process.
    pub pid: i32,
    /// The effective user id in our user namespace; 65534 if that namespace does not map it.
    pub uid: u32,
    /// The effective group id, likewise.
    pub gid: u32,
}

impl From<libc::ucred> for Creds {
    fn from(ucred: libc::ucred) -> Self {
        Self { pid: ucred.pid, uid: ucred.uid, gid: ucred.gid }
    }
}

/// Who called `connect(2)`, `listen(2)` or `socketpair(2)` at the other end, as it was at that moment (`SO_PEERCRED`).
///
/// # Errors
/// What getsockopt(2) says: `ENOTSOCK`, and such.
pub fn peer_creds(sock: BorrowedFd<'_>) -> io::Result<Creds> {
    // Not what the kernel could answer, so that a short answer is no user id.
    let nobody = libc::ucred { pid: 0, uid: u32::MAX, gid: u32::MAX };
    let creds: Creds = option(sock, libc::SO_PEERCRED, nobody)?.into();
    // A socket without a peer is answered with ids of -1.
    if creds.uid == u32::MAX { Err(io::ErrorKind::NotConnected.into()) } else { Ok(creds) }
}

#[cfg(test)]
mod tests {
    use super::{Creds, peer_creds};
    use std::os::fd::AsFd;
    use std::os::unix::net::{UnixListener, UnixStream};
    use std::os::unix::process::CommandExt;
    use std::process::Command;

    #[test]
    fn a_connected_peer_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("socket");
        let listener = UnixListener::bind(&path).unwrap();
        let client = UnixStream::connect(&path).unwrap();
        let (server, _) = listener.accept().unwrap();
        let us = Creds {
            pid: std::process::id() as i32,
            uid: rustix::process::geteuid().as_raw(),
            gid: rustix::process::getegid().as_raw(),
        };
        assert_eq!(peer_creds(server.as_fd()).unwrap(), us);
        assert_eq!(peer_creds(client.as_fd()).unwrap(), us);
    }

    #[test]
    fn another_user_is_told_apart() {
        if !rustix::process::geteuid().is_root() {
            eprintln!("not root: cannot connect as another user, nothing was tested");
            return;
        }
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("socket");
        let listener = UnixListener::bind(&path).unwrap();
        for place in [folder.path(), &path] {
            std::fs::set_permissions(place, std::os::unix::fs::PermissionsExt::from_mode(0o777)).unwrap();
        }
        // A copy of this test that only connects: no other program is sure to be there.
        let mut child = Command::new("/proc/self/exe")
            .args(["--exact", "creds::tests::connects_for_another_test", "--ignored"])
            .env("SYS_TEST_CONNECT", &path)
            .gid(12345)
            .uid(54321)
            .spawn()
            .unwrap();
        let (server, _) = listener.accept().unwrap();
        let creds = peer_creds(server.as_fd()).unwrap();
        assert_eq!(creds, Creds { pid: child.id() as i32, uid: 54321, gid: 12345 });
        drop(server);
        assert!(child.wait().unwrap().success());
    }

    #[test]
    #[ignore = "the second process of `another_user_is_told_apart`"]
    fn connects_for_another_test() {
        use std::io::Read;
        if let Some(path) = std::env::var_os("SYS_TEST_CONNECT") {
            assert_eq!(UnixStream::connect(path).unwrap().read(&mut [0]).unwrap(), 0);
        }
    }

    #[test]
    fn a_listener_has_no_peer_and_a_file_is_no_socket() {
        let folder = tempfile::tempdir().unwrap();
        let file = std::fs::File::open(folder.path()).unwrap();
        assert_eq!(peer_creds(file.as_fd()).unwrap_err().raw_os_error(), Some(libc::ENOTSOCK));
        let (_, unconnected) = (
            folder,
            rustix::net::socket(rustix::net::AddressFamily::UNIX, rustix::net::SocketType::STREAM, None)
                .unwrap(),
        );
        assert_eq!(peer_creds(unconnected.as_fd()).unwrap_err().kind(), std::io::ErrorKind::NotConnected);
    }
}
