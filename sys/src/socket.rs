//! Options of Unix sockets, and the pair that a conversation runs on.

use rustix::net::{AddressFamily, SocketFlags, SocketType};
use std::ffi::{c_int, c_void};
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};

/// `SO_PASSRIGHTS` (asm-generic/socket.h, Linux 6.16); libc does not have it yet.
const SO_PASSRIGHTS: c_int = 83;

/// Has the kernel put the sender's credentials beside whatever is received from now on (`SO_PASSCRED`).
///
/// To be set before the peer can send: bytes that were sent earlier may carry none.
///
/// # Errors
/// What setsockopt(2) says.
pub fn pass_credentials(sock: BorrowedFd<'_>) -> io::Result<()> {
    Ok(rustix::net::sockopt::set_socket_passcred(sock, true)?)
}

/// Has the kernel refuse, at the sender, every descriptor that somebody tries to pass to this socket or, set on a
/// listener, to the sockets it accepts (`SO_PASSRIGHTS` = 0). A passed socket that lingers on close would block
/// whoever receives it, even one who made no room for it.
///
/// `Ok(false)` if this kernel does not know the option (before Linux 6.16).
///
/// # Errors
/// What setsockopt(2) says besides.
pub fn refuse_descriptors(listener: BorrowedFd<'_>) -> io::Result<bool> {
    match set_option(listener, SO_PASSRIGHTS, 0) {
        Ok(()) => Ok(true),
        Err(error) if error.raw_os_error() == Some(libc::ENOPROTOOPT) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Two connected Unix stream sockets, closed on exec.
///
/// # Errors
/// What socketpair(2) says: `EMFILE`, and such.
pub fn stream_pair() -> io::Result<(OwnedFd, OwnedFd)> {
    Ok(rustix::net::socketpair(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None)?)
}

/// A socket option's value. `T` must be a plain C type that is valid whatever bytes the kernel writes.
pub(crate) fn option<T: Plain>(sock: BorrowedFd<'_>, name: c_int, mut value: T) -> io::Result<T> {
    let mut len = size_of::<T>() as libc::socklen_t;
    let place = (&raw mut value).cast::<c_void>();
    // SAFETY: the kernel writes at most `len` bytes, the size of `value`, which any bytes are valid for.
    let result = unsafe { libc::getsockopt(sock.as_raw_fd(), libc::SOL_SOCKET, name, place, &mut len) };
    if result != 0 {
        return Err(io::Error::last_os_error());
    }
    if len as usize != size_of::<T>() {
        return Err(io::ErrorKind::InvalidData.into());
    }
    Ok(value)
}

/// C types without invalid values.
pub(crate) trait Plain: Copy {}
impl Plain for c_int {}
impl Plain for libc::ucred {}

/// Sets a socket option that is an integer.
pub(crate) fn set_option(sock: BorrowedFd<'_>, name: c_int, value: c_int) -> io::Result<()> {
    let place = (&raw const value).cast::<c_void>();
    let len = size_of::<c_int>() as libc::socklen_t;
    // SAFETY: the kernel reads `len` bytes, the size of `value`.
    let result = unsafe { libc::setsockopt(sock.as_raw_fd(), libc::SOL_SOCKET, name, place, len) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

#[cfg(test)]
mod tests {
    use super::{refuse_descriptors, stream_pair};
    use crate::{pass_credentials, recv_with_fd, send_with_fd};
    use rustix::io::{FdFlags, fcntl_getfd};
    use std::io::{Read, Write};
    use std::os::fd::AsFd;
    use std::os::unix::net::{UnixListener, UnixStream};

    #[test]
    fn a_pair_is_connected_and_closed_on_exec() {
        let (a, b) = stream_pair().unwrap();
        assert!(fcntl_getfd(&a).unwrap().contains(FdFlags::CLOEXEC));
        assert!(fcntl_getfd(&b).unwrap().contains(FdFlags::CLOEXEC));
        let (mut a, mut b) = (UnixStream::from(a), UnixStream::from(b));
        a.write_all(b"both").unwrap();
        let mut seen = [0; 4];
        b.read_exact(&mut seen).unwrap();
        assert_eq!(&seen, b"both");
    }

    #[test]
    fn credentials_are_on_after_asking() {
        let (a, _b) = stream_pair().unwrap();
        assert!(!rustix::net::sockopt::socket_passcred(&a).unwrap());
        pass_credentials(a.as_fd()).unwrap();
        assert!(rustix::net::sockopt::socket_passcred(&a).unwrap());
    }

    #[test]
    fn an_accepted_socket_refuses_descriptors_at_the_sender() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("socket");
        let listener = UnixListener::bind(&path).unwrap();
        let null = std::fs::File::open("/dev/null").unwrap();

        let before = UnixStream::connect(&path).unwrap();
        let (receiver, _) = listener.accept().unwrap();
        send_with_fd(before.as_fd(), b"x", null.as_fd()).unwrap();
        let (_, descriptor) = recv_with_fd(receiver.as_fd(), &mut [0; 8]).unwrap();
        assert!(descriptor.is_some(), "control: an ordinary listener lets descriptors in");

        let known = refuse_descriptors(listener.as_fd()).unwrap();
        if !known {
            eprintln!("this kernel has no SO_PASSRIGHTS: refusing was not tested");
            return;
        }
        let sender = UnixStream::connect(&path).unwrap();
        let (receiver, _) = listener.accept().unwrap();
        let refused = send_with_fd(sender.as_fd(), b"x", null.as_fd()).unwrap_err();
        assert_eq!(refused.raw_os_error(), Some(libc::EPERM));
        receiver.set_nonblocking(true).unwrap();
        let nothing = recv_with_fd(receiver.as_fd(), &mut [0; 8]).unwrap_err();
        assert_eq!(nothing.kind(), std::io::ErrorKind::WouldBlock);
    }

    #[test]
    fn a_file_is_no_socket() {
        let null = std::fs::File::open("/dev/null").unwrap();
        assert!(refuse_descriptors(null.as_fd()).is_err());
        assert!(pass_credentials(null.as_fd()).is_err());
    }
}
