//! Two real processes at one socket, and descriptors that must not get in.

use super::{Creds, recv, recv_with_fd, send_with_fd, try_recv_with_fd};
use crate::testing::alone;
use crate::{pass_credentials, stream_pair};
use rustix::io::{FdFlags, fcntl_getfd};
use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::fs::File;
use std::io::{ErrorKind, IoSlice, Write};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

fn us() -> Creds {
    Creds {
        pid: std::process::id() as i32,
        uid: rustix::process::geteuid().as_raw(),
        gid: rustix::process::getegid().as_raw(),
    }
}

fn null() -> File {
    File::open("/dev/null").unwrap()
}

fn send_many(sock: BorrowedFd<'_>, bytes: &[u8], descriptors: &[BorrowedFd<'_>]) {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(8))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    assert!(control.push(SendAncillaryMessage::ScmRights(descriptors)));
    sendmsg(sock, &[IoSlice::new(bytes)], &mut control, SendFlags::NOSIGNAL).unwrap();
}

fn open_descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").unwrap().count()
}

#[test]
fn every_message_names_its_sender() {
    let (ours, theirs) = stream_pair().unwrap();
    pass_credentials(ours.as_fd()).unwrap();
    let mut theirs = UnixStream::from(theirs);
    let mut buf = [0; 64];
    for text in [&b"one"[..], b"two"] {
        theirs.write_all(text).unwrap();
        let received = recv(ours.as_fd(), &mut buf).unwrap();
        assert_eq!(&buf[..received.len], text);
        assert_eq!(received.creds, Some(us()));
        assert!(!received.truncated_control);
    }
    drop(theirs);
    assert_eq!(recv(ours.as_fd(), &mut buf).unwrap().len, 0);
}

#[test]
fn bytes_of_two_senders_are_never_joined() {
    let (ours, theirs) = stream_pair().unwrap();
    pass_credentials(ours.as_fd()).unwrap();
    let mut writer = UnixStream::from(theirs);
    writer.write_all(b"mine").unwrap();
    let theirs = OwnedFd::from(writer.try_clone().unwrap());
    let mut other = Command::new("printf").arg("yours").stdout(Stdio::from(theirs)).spawn().unwrap();
    let other_pid = other.id() as i32;
    assert!(other.wait().unwrap().success());
    writer.write_all(b"mine again").unwrap();

    let mut buf = [0; 64];
    for (text, pid) in [(&b"mine"[..], us().pid), (b"yours", other_pid), (b"mine again", us().pid)] {
        let received = recv(ours.as_fd(), &mut buf).unwrap();
        assert_eq!(&buf[..received.len], text);
        assert_eq!(received.creds.unwrap().pid, pid);
    }
}

#[test]
fn a_sender_of_another_user_is_named() {
    if !rustix::process::geteuid().is_root() {
        eprintln!("not root: cannot send as another user, nothing was tested");
        return;
    }
    let (ours, theirs) = stream_pair().unwrap();
    pass_credentials(ours.as_fd()).unwrap();
    let mut other =
        Command::new("printf").arg("x").stdout(Stdio::from(theirs)).uid(54321).gid(12345).spawn().unwrap();
    let pid = other.id() as i32;
    assert!(other.wait().unwrap().success());
    let received = recv(ours.as_fd(), &mut [0; 8]).unwrap();
    assert_eq!(received.creds, Some(Creds { pid, uid: 54321, gid: 12345 }));
}

#[test]
fn a_sender_outside_our_pid_namespace_has_pid_zero() {
    if !rustix::process::geteuid().is_root() {
        eprintln!("not root: cannot make a pid namespace, nothing was tested");
        return;
    }
    let (ours, theirs) = stream_pair().unwrap();
    pass_credentials(ours.as_fd()).unwrap();
    UnixStream::from(theirs).write_all(b"from outside").unwrap();
    let output = Command::new("unshare")
        .args(["--pid", "--fork"])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "message::tests::receives_in_a_namespace", "--ignored"])
        .env("SYS_TEST_RECEIVE", "1")
        .stdin(Stdio::from(ours))
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && text.contains("1 passed"), "{text}");
}

#[test]
#[ignore = "the second process of `a_sender_outside_our_pid_namespace_has_pid_zero`"]
fn receives_in_a_namespace() {
    if std::env::var_os("SYS_TEST_RECEIVE").is_none() {
        return;
    }
    let stdin = std::io::stdin();
    let received = recv(stdin.as_fd(), &mut [0; 64]).unwrap();
    assert_eq!(received.len, 12);
    assert_eq!(received.creds, Some(Creds { pid: 0, ..us() }));
    assert_eq!(crate::peer_creds(stdin.as_fd()).unwrap(), Creds { pid: 0, ..us() });
}

#[test]
fn recv_lets_no_descriptor_in_and_says_so() {
    alone("message::tests::recv_lets_no_descriptor_in_and_says_so", || {
        let (ours, theirs) = stream_pair().unwrap();
        let (_kept, passed) = stream_pair().unwrap();
        let mut buf = [0; 64];
        for with_credentials in [false, true] {
            if with_credentials {
                pass_credentials(ours.as_fd()).unwrap();
            }
            let before = open_descriptors();
            send_many(theirs.as_fd(), b"x", &[passed.as_fd(); 5]);
            let received = recv(ours.as_fd(), &mut buf).unwrap();
            assert_eq!((received.len, received.truncated_control), (1, true));
            assert_eq!(received.creds.is_some(), with_credentials);
            assert_eq!(open_descriptors(), before);
        }
    });
}

#[test]
fn recv_does_not_wait_on_an_empty_non_blocking_socket() {
    let (ours, _theirs) = stream_pair().unwrap();
    rustix::io::ioctl_fionbio(&ours, true).unwrap();
    assert_eq!(recv(ours.as_fd(), &mut [0; 8]).unwrap_err().kind(), ErrorKind::WouldBlock);
}

#[test]
fn a_descriptor_travels_and_is_closed_on_exec() {
    let (ours, theirs) = stream_pair().unwrap();
    let sent = null();
    assert_eq!(send_with_fd(theirs.as_fd(), b"challenge", sent.as_fd()).unwrap(), 9);
    let mut buf = [0; 64];
    let (len, descriptor) = recv_with_fd(ours.as_fd(), &mut buf).unwrap();
    assert_eq!(&buf[..len], b"challenge");
    let got = File::from(descriptor.expect("one was sent"));
    assert!(fcntl_getfd(&got).unwrap().contains(FdFlags::CLOEXEC));
    assert_eq!(got.metadata().unwrap().rdev(), sent.metadata().unwrap().rdev());

    UnixStream::from(theirs).write_all(b"without").unwrap();
    let (len, descriptor) = recv_with_fd(ours.as_fd(), &mut buf).unwrap();
    assert_eq!((&buf[..len], descriptor.is_none()), (&b"without"[..], true));
}

#[test]
fn a_descriptor_that_there_is_no_number_for_is_an_error() {
    alone("message::tests::a_descriptor_that_there_is_no_number_for_is_an_error", || {
        let (ours, theirs) = stream_pair().unwrap();
        let null = null();
        let send = || send_with_fd(theirs.as_fd(), b"here", null.as_fd()).unwrap();
        send();
        let (len, descriptor) = try_recv_with_fd(ours.as_fd(), &mut [0; 8]).unwrap();
        assert!(len == 4 && descriptor.is_some(), "control: with a number to be had it comes");
        drop(descriptor);
        send();
        // The lowest that is free is the first that may not be given.
        let next = u64::try_from(rustix::io::dup(&null).unwrap().as_raw_fd()).unwrap();
        let limit = getrlimit(Resource::Nofile);
        setrlimit(Resource::Nofile, Rlimit { current: Some(next), ..limit }).unwrap();
        let refused = try_recv_with_fd(ours.as_fd(), &mut [0; 8]).unwrap_err();
        assert_eq!(refused.raw_os_error(), Some(libc::EMFILE));
    });
}

#[test]
fn further_descriptors_are_closed() {
    alone("message::tests::further_descriptors_are_closed", || {
        let (ours, theirs) = stream_pair().unwrap();
        let sent = null();
        for (many, with_credentials) in [(2, false), (8, false), (2, true), (8, true)] {
            if with_credentials {
                pass_credentials(ours.as_fd()).unwrap();
            }
            let before = open_descriptors();
            send_many(theirs.as_fd(), b"x", &vec![sent.as_fd(); many]);
            let (len, descriptor) = recv_with_fd(ours.as_fd(), &mut [0; 8]).unwrap();
            assert_eq!((len, descriptor.is_some()), (1, true));
            assert_eq!(open_descriptors(), before + 1);
            drop(descriptor);
            assert_eq!(open_descriptors(), before);
        }
    });
}

#[test]
fn a_pidfd_that_comes_unasked_is_closed() {
    alone("message::tests::a_pidfd_that_comes_unasked_is_closed", || {
        let (ours, theirs) = stream_pair().unwrap();
        pass_credentials(ours.as_fd()).unwrap();
        // SO_PASSPIDFD, asm-generic/socket.h: whoever made an inherited socket may have asked for it.
        crate::socket::set_option(ours.as_fd(), 76, 1).unwrap();
        let before = open_descriptors();
        let mut theirs = UnixStream::from(theirs);
        theirs.write_all(b"12").unwrap();
        assert_eq!(recv(ours.as_fd(), &mut [0; 1]).unwrap().creds, Some(us()));
        let (len, descriptor) = recv_with_fd(ours.as_fd(), &mut [0; 1]).unwrap();
        assert_eq!((len, descriptor.is_none()), (1, true));
        assert_eq!(open_descriptors(), before);
    });
}

#[test]
fn sending_to_nobody_is_an_error_and_no_signal() {
    let (ours, theirs) = stream_pair().unwrap();
    drop(ours);
    let error = send_with_fd(theirs.as_fd(), b"x", null().as_fd()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::BrokenPipe);
    let (_ours, theirs) = stream_pair().unwrap();
    let error = send_with_fd(theirs.as_fd(), b"", null().as_fd()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
}
