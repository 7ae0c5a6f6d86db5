//! In a copy of this very test program that is installed as ours are: setgid, run by an ordinary user.

use super::{Ids, Stamp};
use crate::testing::{STAMP, USER, alone, alone_with_stamp};
use crate::{harden_process, peer_creds, spawn_detached};
use rustix::net::{AddressFamily, SocketAddrUnix, SocketType, bind, listen, socket};
use rustix::process::{DumpableBehavior, dumpable_behavior};
use std::io::Read;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::process::{Command, Stdio};

fn ids() -> (u32, u32, u32) {
    let Ids { real, effective, saved } = Ids::of_this_thread().unwrap();
    (real, effective, saved)
}

/// Real, effective, saved and file system group of a process (proc_pid_status(5)).
fn told(status: &str) -> Vec<u32> {
    let line = status.lines().find_map(|line| line.strip_prefix("Gid:")).unwrap();
    line.split_whitespace().map(|id| id.parse().unwrap()).collect()
}

fn bound(path: &Path) -> OwnedFd {
    let bound = socket(AddressFamily::UNIX, SocketType::STREAM, None).unwrap();
    bind(&bound, &SocketAddrUnix::new(path).unwrap()).unwrap();
    bound
}

#[test]
fn an_ordinary_process_has_none() {
    alone("stamp::tests::an_ordinary_process_has_none", || {
        assert_eq!(Stamp::taken(), None);
        let before = ids();
        assert_eq!(Stamp::take().unwrap(), None);
        assert_eq!((Stamp::taken(), ids()), (None, before));
        assert!(!Stamp::withheld().unwrap(), "its file has none to give");
        assert_eq!(dumpable_behavior().unwrap(), DumpableBehavior::Dumpable, "left as it is");
    });
}

#[test]
fn taken_it_is_not_on_files() {
    alone_with_stamp("stamp::tests::taken_it_is_not_on_files", || {
        assert_eq!(ids(), (USER, STAMP, STAMP), "control: the kernel gave it");
        assert!(Stamp::withheld().unwrap(), "a file like this, and nothing in hand");
        let stamp = Stamp::take().unwrap().unwrap();
        assert!(!Stamp::withheld().unwrap());
        assert_eq!((stamp.gid(), ids()), (STAMP, (USER, USER, STAMP)));
        assert_eq!((Stamp::taken(), Stamp::take().unwrap()), (Some(stamp), Some(stamp)));
        let file = tempfile::NamedTempFile::new().unwrap();
        assert_eq!(file.as_file().metadata().unwrap().gid(), USER);
        let worn = stamp.worn(|| tempfile::NamedTempFile::new().unwrap()).unwrap();
        assert_eq!(worn.as_file().metadata().unwrap().gid(), STAMP, "control");
    });
}

#[test]
fn both_ends_of_a_socket_see_it_and_keep_seeing_it() {
    alone_with_stamp("stamp::tests::both_ends_of_a_socket_see_it_and_keep_seeing_it", || {
        let stamp = Stamp::take().unwrap().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("stamped");
        let socket = bound(&path);
        stamp.worn(|| listen(&socket, 8)).unwrap().unwrap();
        let stamped = UnixListener::from(socket);
        let gid = |socket: &UnixStream| peer_creds(socket.as_fd()).unwrap().gid;

        let client = stamp.worn(|| UnixStream::connect(&path).unwrap()).unwrap();
        let server = stamped.accept().unwrap().0;
        let bare = UnixStream::connect(&path).unwrap();
        let other = stamped.accept().unwrap().0;
        stamp.give_up().unwrap();
        assert_eq!((gid(&client), gid(&server)), (STAMP, STAMP));
        assert_eq!((gid(&bare), gid(&other)), (STAMP, USER), "control: shown only where it was worn");

        let path = folder.path().join("ordinary");
        let _ordinary = UnixListener::bind(&path).unwrap();
        assert_eq!(gid(&UnixStream::connect(&path).unwrap()), USER, "control");
    });
}

#[test]
fn it_comes_off_when_the_wearer_panics() {
    alone_with_stamp("stamp::tests::it_comes_off_when_the_wearer_panics", || {
        let stamp = Stamp::take().unwrap().unwrap();
        let panicked = std::panic::catch_unwind(|| {
            stamp.worn(|| {
                assert_eq!(ids(), (USER, STAMP, STAMP), "control: it is on");
                panic!("on purpose");
            })
        });
        assert!(panicked.is_err());
        assert_eq!(ids(), (USER, USER, STAMP));
    });
}

#[test]
fn given_up_it_does_not_come_back_in_any_thread() {
    alone_with_stamp("stamp::tests::given_up_it_does_not_come_back_in_any_thread", || {
        let stamp = Stamp::take().unwrap().unwrap();
        let (tell, asked) = std::sync::mpsc::channel::<()>();
        let other = std::thread::spawn(move || {
            let before = ids();
            asked.recv().unwrap_err();
            (before, ids())
        });
        // The other thread has begun when it has looked; it looks before it waits.
        std::thread::sleep(std::time::Duration::from_millis(100));
        stamp.give_up().unwrap();
        drop(tell);
        assert_eq!(other.join().unwrap(), ((USER, USER, STAMP), (USER, USER, USER)));
        assert_eq!(ids(), (USER, USER, USER));
        let refused = stamp.worn(|| panic!("not called")).unwrap_err();
        assert_eq!(refused.raw_os_error(), Some(libc::EPERM));
        assert_eq!(ids(), (USER, USER, USER));
    });
}

#[test]
fn no_child_inherits_it() {
    alone_with_stamp("stamp::tests::no_child_inherits_it", || {
        let stamp = Stamp::take().unwrap().unwrap();
        let look = || {
            let mut command = Command::new("cat");
            command.arg("/proc/self/status").stdin(Stdio::null()).stdout(Stdio::piped());
            command
        };
        let output = stamp.worn(|| look().output().unwrap()).unwrap();
        let worn = String::from_utf8(output.stdout).unwrap();
        assert_eq!(told(&worn), [USER, STAMP, STAMP, STAMP], "control: who wears it hands it on");
        let ordinary = String::from_utf8(look().output().unwrap().stdout).unwrap();
        assert_eq!(told(&ordinary), [USER; 4]);

        // Before its exec, as well as after it.
        let mut detached = Command::new("sh");
        detached.args(["-c", "cat /proc/self/status"]).stdin(Stdio::null()).stdout(Stdio::piped());
        let mut child = stamp.worn(|| spawn_detached(detached).unwrap()).unwrap();
        let mut status = String::new();
        child.stdout.take().unwrap().read_to_string(&mut status).unwrap();
        child.wait().unwrap();
        assert_eq!(told(&status), [USER; 4], "even from one who wears it");
    });
}

#[test]
fn the_process_stays_closed_to_its_neighbours() {
    alone_with_stamp("stamp::tests::the_process_stays_closed_to_its_neighbours", || {
        harden_process().unwrap();
        let closed = || dumpable_behavior().unwrap() == DumpableBehavior::NotDumpable;
        let stamp = Stamp::take().unwrap().unwrap();
        assert!(closed());
        assert!(stamp.worn(closed).unwrap() && closed());
        stamp.give_up().unwrap();
        assert!(closed());
    });
}
