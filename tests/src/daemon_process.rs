//! The daemon of a home as a process. It is found by the lock that it holds on the vault's
//! directory, which says so also when it answers nobody.

use std::fs;
use std::io::Read;
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::Duration;

use rustix::process::{Pid, PidfdFlags, Signal, kill_process, pidfd_open};

use crate::wait::wait_until;

/// All locks, in as few reads as there can be: for each, the kernel goes through them anew.
fn locks() -> String {
    let (mut locks, mut some) = (Vec::new(), vec![0; 1 << 16]);
    let mut file = fs::File::open("/proc/locks").expect("/proc is mounted");
    loop {
        match file.read(&mut some).expect("it can be read") {
            0 => return String::from_utf8(locks).expect("it is text"),
            len => locks.extend_from_slice(&some[..len]),
        }
    }
}

/// A daemon.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DaemonProcess {
    pid: Pid,
}

impl DaemonProcess {
    /// The process that holds a lock (flock(2)) on `directory`, as `/proc/locks` (proc_locks(5))
    /// lists it.
    pub(crate) fn holding(directory: &Path) -> Option<Self> {
        let found = fs::metadata(directory).ok()?;
        let (major, minor) = (rustix::fs::major(found.dev()), rustix::fs::minor(found.dev()));
        let file = format!("{major:02x}:{minor:02x}:{}", found.ino());
        // 1: FLOCK  ADVISORY  WRITE 4711 fe:00:262145 0 EOF
        let holder = |locks: String| {
            locks.lines().find_map(|line| {
                let words: Vec<&str> = line.split_whitespace().collect();
                (words.get(1) == Some(&"FLOCK") && words.get(5) == Some(&&*file)).then(|| words[4].to_owned())
            })
        };
        // Where the list has more than a read gives, one that went away meanwhile may have hidden another.
        let pid = holder(locks()).or_else(|| holder(locks()))?;
        Some(Self { pid: Pid::from_raw(pid.parse().ok()?)? })
    }

    /// Its process id.
    pub fn pid(self) -> i32 {
        self.pid.as_raw_nonzero().get()
    }

    /// Sends it a signal.
    pub fn signal(self, signal: Signal) {
        kill_process(self.pid, signal).expect("the daemon lives");
    }

    /// Kills it without warning, and waits until it is gone.
    pub fn kill(self) {
        self.signal(Signal::KILL);
        self.wait_for_end();
    }

    /// Waits until it is gone.
    #[track_caller]
    pub fn wait_for_end(self) {
        assert!(wait_until(|| !self.lives(), Duration::from_secs(20)), "the daemon does not end");
    }

    /// Whether it runs. One that has ended and that nobody has waited for does not. Asked of a pidfd, which waits for the
    /// last of its threads: while the first has ended, another may hold the socket still.
    pub fn lives(self) -> bool {
        let pidfd = pidfd_open(self.pid, PidfdFlags::empty());
        pidfd.is_ok_and(|pidfd| glassdome_sys::pidfd_alive(pidfd.as_fd()))
    }
}
