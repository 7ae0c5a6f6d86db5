//! Who a program runs as. Tests that run as root start everything as an ordinary user, since root
//! may do what the tests are there to see refused.

use std::env;
use std::fs::OpenOptions;
use std::io;
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::sync::OnceLock;

use rustix::fs::{FlockOperation, flock};
use rustix::process::geteuid;

/// A user of the machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum User {
    /// The owner of the home: an ordinary user made for the tests, or whoever runs them if that is
    /// not root.
    A,
    /// Another ordinary user; only where the tests run as root.
    B,
    /// Root; only where the tests run as root.
    Root,
}

/// User and group id.
type Ids = (u32, u32);

impl User {
    /// Its user id.
    pub fn uid(self) -> u32 {
        self.ids().0
    }

    /// Its group id.
    pub fn gid(self) -> u32 {
        self.ids().1
    }

    fn ids(self) -> Ids {
        static A: OnceLock<Ids> = OnceLock::new();
        static B: OnceLock<Ids> = OnceLock::new();
        let own = (geteuid().as_raw(), rustix::process::getegid().as_raw());
        match self {
            Self::A if own.0 != 0 => own,
            Self::A => *A.get_or_init(|| made("glassdome-test-a")),
            Self::B => *B.get_or_init(|| made("glassdome-test-b")),
            Self::Root => (0, 0),
        }
    }

    /// Makes `command` run as this user.
    pub(crate) fn put_on(self, command: &mut Command) {
        let (uid, gid) = self.ids();
        if uid != geteuid().as_raw() {
            command.uid(uid).gid(gid);
        }
    }

    /// Makes `path` this user's.
    ///
    /// # Errors
    /// What chown(2) says.
    pub fn own(self, path: &std::path::Path) -> io::Result<()> {
        let (uid, gid) = self.ids();
        std::os::unix::fs::lchown(path, Some(uid), Some(gid))
    }
}

/// Whether a test that needs root or a second user must be left out; says so. In CI, where nothing
/// may be left out, it fails instead.
#[must_use]
pub fn left_out_without_root(test: &str) -> bool {
    if geteuid().is_root() {
        return false;
    }
    assert!(env::var_os("CI").is_none(), "{test} needs root, and CI leaves nothing out");
    eprintln!("LEFT OUT: {test} needs root");
    true
}

/// Makes the user if there is none of that name; several test programs may want to at a time.
fn made(name: &str) -> Ids {
    let lock = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .open("/run/glassdome-tests.lock")
        .expect("root writes to /run");
    flock(&lock, FlockOperation::LockExclusive).expect("flock on a file of ours");
    if let Some(ids) = known(name) {
        return ids;
    }
    let made = Command::new("/usr/sbin/useradd")
        .args(["--no-create-home", "--user-group", "--shell", "/bin/sh", name])
        .output()
        .expect("useradd is there");
    assert!(made.status.success(), "useradd {name}: {}", String::from_utf8_lossy(&made.stderr));
    known(name).expect("useradd made it")
}

/// Looks the user up in `/etc/passwd` (passwd(5)), where useradd writes.
fn known(name: &str) -> Option<Ids> {
    let table = std::fs::read_to_string("/etc/passwd").expect("/etc/passwd is readable");
    let line = table.lines().find(|line| line.split(':').next() == Some(name))?;
    let mut ids = line.split(':').skip(2).map(|id| id.parse().expect("ids are numbers"));
    Some((ids.next()?, ids.next()?))
}
