//! Bytes over a Unix socket together with what the kernel says beside them: the sender's credentials, a descriptor.
//!
//! The control messages are read here rather than by rustix, whose process id cannot be the zero that the kernel
//! gives for a sender outside our pid namespace.

use crate::creds::Creds;
use std::ffi::c_int;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

/// `SCM_PIDFD` (linux/socket.h, Linux 6.5); libc does not have it yet.
const SCM_PIDFD: c_int = 4;

/// One `recvmsg(2)`: all its bytes come from one sender, since the kernel never joins what different senders sent when
/// credentials are passed (unix(7)).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Received {
    /// How many bytes were received; 0 is the end of the stream.
    pub len: usize,
    /// Who sent them; `None` unless [`pass_credentials`](crate::pass_credentials) was asked for, or at the end.
    pub creds: Option<Creds>,
    /// Something came along that there was no room for: somebody passed descriptors. The kernel has closed them.
    pub truncated_control: bool,
}

/// Receives bytes and their sender. No descriptor ever enters this process: there is no room for one. Allocates nothing.
///
/// # Errors
/// What recvmsg(2) says: `WouldBlock` on an empty non-blocking socket, and such. `Interrupted` is retried.
pub fn recv(sock: BorrowedFd<'_>, buf: &mut [u8]) -> io::Result<Received> {
    let message = receive(sock, buf, CREDS_SPACE, 0)?;
    let Message { len, creds, truncated_control, .. } = message;
    Ok(Received { len, creds, truncated_control })
}

/// Receives bytes and the one descriptor that came with them, if any, closed on exec. Further ones are closed.
///
/// # Errors
/// As [`recv`].
pub fn recv_with_fd(sock: BorrowedFd<'_>, buf: &mut [u8]) -> io::Result<(usize, Option<OwnedFd>)> {
    let message = receive(sock, buf, CREDS_SPACE + RIGHTS_LEN, 0)?;
    Ok((message.len, message.descriptor))
}

/// As [`recv_with_fd`], of what is there already, also from a socket that blocks.
///
/// # Errors
/// As [`recv`]; `WouldBlock` if nothing is there. `EMFILE` if this process may open no more files (`RLIMIT_NOFILE`): the
/// kernel then drops a descriptor that comes, and the bytes beside it are lost.
pub fn try_recv_with_fd(sock: BorrowedFd<'_>, buf: &mut [u8]) -> io::Result<(usize, Option<OwnedFd>)> {
    let message = receive(sock, buf, CREDS_SPACE + RIGHTS_LEN, libc::MSG_DONTWAIT)?;
    // There was room for one: what had none is none that a peer of ours sends.
    if message.truncated_control && message.descriptor.is_none() {
        return Err(io::Error::from_raw_os_error(libc::EMFILE));
    }
    Ok((message.len, message.descriptor))
}

/// Sends bytes with a descriptor (`SCM_RIGHTS`); both stay with us too. A closed peer is an error, not a signal.
///
/// Says how many bytes went; the descriptor goes with the first of them.
///
/// # Errors
/// `InvalidInput` for no bytes, since a stream carries no descriptor alone; else what sendmsg(2) says: `EPIPE`, `EPERM`
/// from a peer that [refuses descriptors](crate::refuse_descriptors). `Interrupted` is retried.
pub fn send_with_fd(sock: BorrowedFd<'_>, bytes: &[u8], fd: BorrowedFd<'_>) -> io::Result<usize> {
    use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};
    if bytes.is_empty() {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    let descriptors = [fd];
    let fits = control.push(SendAncillaryMessage::ScmRights(&descriptors));
    assert!(fits, "the space was measured for one descriptor");
    let parts = [io::IoSlice::new(bytes)];
    Ok(rustix::io::retry_on_intr(|| sendmsg(sock, &parts, &mut control, SendFlags::NOSIGNAL))?)
}

/// What one `ucred` takes among control messages.
// SAFETY: arithmetic on a size.
const CREDS_SPACE: usize = unsafe { libc::CMSG_SPACE(size_of::<libc::ucred>() as u32) } as usize;

/// What one descriptor takes, without the padding that a second would fit into.
// SAFETY: arithmetic on a size.
const RIGHTS_LEN: usize = unsafe { libc::CMSG_LEN(size_of::<c_int>() as u32) } as usize;

struct Message {
    len: usize,
    creds: Option<Creds>,
    descriptor: Option<OwnedFd>,
    truncated_control: bool,
}

/// Room for control messages, aligned for their headers.
#[repr(C, align(8))]
struct Control([u8; CREDS_SPACE + RIGHTS_LEN]);

fn receive(sock: BorrowedFd<'_>, buf: &mut [u8], room: usize, flags: c_int) -> io::Result<Message> {
    let mut control = Control([0; CREDS_SPACE + RIGHTS_LEN]);
    let mut part = libc::iovec { iov_base: buf.as_mut_ptr().cast(), iov_len: buf.len() };
    // SAFETY: `msghdr` is a plain C struct, for which all zeros is valid (padding on some targets makes it unnameable).
    let mut header: libc::msghdr = unsafe { std::mem::zeroed() };
    header.msg_iov = &mut part;
    header.msg_iovlen = 1;
    let len = loop {
        header.msg_control = control.0[..room].as_mut_ptr().cast();
        header.msg_controllen = room as _;
        // SAFETY: the header points to `buf` and `control`, which live here and are as long as it says.
        let len = unsafe { libc::recvmsg(sock.as_raw_fd(), &mut header, libc::MSG_CMSG_CLOEXEC | flags) };
        match usize::try_from(len) {
            Ok(len) => break len,
            Err(_) => match io::Error::last_os_error() {
                error if error.kind() == io::ErrorKind::Interrupted => {}
                error => return Err(error),
            },
        }
    };
    let truncated_control = header.msg_flags & libc::MSG_CTRUNC != 0;
    let mut message = Message { len, creds: None, descriptor: None, truncated_control };
    // SAFETY: the kernel has filled the header's control buffer and set its length; both still live.
    let mut next = unsafe { libc::CMSG_FIRSTHDR(&header) };
    while !next.is_null() {
        // SAFETY: `next` is a whole, aligned header within the control buffer.
        take(unsafe { &*next }, &mut message);
        // SAFETY: as above.
        next = unsafe { libc::CMSG_NXTHDR(&header, next) };
    }
    Ok(message)
}

/// Takes over what one control message carries: all of its descriptors, of which one is kept.
fn take(control: &libc::cmsghdr, message: &mut Message) {
    // SAFETY: arithmetic on a size.
    let header_len = unsafe { libc::CMSG_LEN(0) } as usize;
    // The kernel shortens `cmsg_len` to what it wrote.
    let payload_len = control.cmsg_len.saturating_sub(header_len);
    // SAFETY: the payload lies behind its header.
    let payload = unsafe { libc::CMSG_DATA(control) };
    match (control.cmsg_level, control.cmsg_type) {
        (libc::SOL_SOCKET, libc::SCM_CREDENTIALS) if payload_len >= size_of::<libc::ucred>() => {
            // SAFETY: the payload is as long as a `ucred`, a plain C struct, and the kernel wrote it.
            let ucred = unsafe { payload.cast::<libc::ucred>().read_unaligned() };
            message.creds = Some(ucred.into());
        }
        (libc::SOL_SOCKET, kind @ (libc::SCM_RIGHTS | SCM_PIDFD)) => {
            for index in 0..payload_len / size_of::<c_int>() {
                // SAFETY: the payload holds so many descriptors.
                let raw = unsafe { payload.cast::<c_int>().add(index).read_unaligned() };
                if raw < 0 {
                    continue; // SCM_PIDFD of a sender that has been reaped
                }
                // SAFETY: the kernel has just made this descriptor for us, and nobody else knows of it.
                let descriptor = unsafe { OwnedFd::from_raw_fd(raw) };
                if kind == libc::SCM_RIGHTS && message.descriptor.is_none() {
                    message.descriptor = Some(descriptor);
                }
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests;
