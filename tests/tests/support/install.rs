//! The programs as root installs them, by `make install`, below a directory of their own: stamped, and
//! gone with the test.

use std::fs::{self, File, OpenOptions};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

use glassdome_tests::{Started, World, programs, wait_until};
use rustix::fs::{FlockOperation, flock};

/// Root's alone, and passable for every user, down from the root of the file system.
const BELOW: &str = "/opt";
const PREFIX: &str = "glassdome-test-install";
/// How long a test may need its daemon.
const PATIENCE: Duration = Duration::from_secs(120);

/// The group of the stamp.
pub const GROUP: &str = "glassdome";

/// An install. One at a time: the group is there for all of them.
pub struct Install {
    prefix: PathBuf,
    /// What `make install` said.
    pub said: String,
    _alone: File,
}

impl Install {
    /// Installs what is tested.
    pub fn new() -> Self {
        Self::with("")
    }

    /// As [`Install::new`], with one more directory in front of its `PATH`.
    pub fn with(path: &str) -> Self {
        let alone = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .open("/run/glassdome-tests-install.lock")
            .expect("root writes to /run");
        flock(&alone, FlockOperation::LockExclusive).expect("flock on a file of ours");
        let prefix = Path::new(BELOW).join(PREFIX);
        if prefix.exists() {
            // Of a test that was killed.
            remove(&prefix);
        }
        let mut install = Self { prefix, said: String::new(), _alone: alone };
        install.said = said(make("install", path, &[&prefix_is(&install.prefix)]));
        install
    }

    /// Where one of the programs lies.
    pub fn program(&self, name: &str) -> PathBuf {
        self.prefix.join("bin").join(name)
    }

    /// Its daemon, which listens.
    pub fn listening(&self, world: &World) -> Started {
        let daemon = world.program(&self.program("glassdomed"), &[]).within(PATIENCE).start();
        assert!(wait_until(|| world.socket().exists(), Duration::from_secs(20)), "it listens");
        daemon
    }

    /// The group's id.
    pub fn gid(&self) -> u32 {
        gid().expect("installing made it")
    }

    /// Uninstalls, and gives what was said.
    pub fn uninstall(&self) -> String {
        said(make("uninstall", "", &[&prefix_is(&self.prefix)]))
    }

    /// Below which it lies.
    pub fn prefix(&self) -> &Path {
        &self.prefix
    }
}

impl Drop for Install {
    fn drop(&mut self) {
        remove(&self.prefix);
    }
}

/// The group's id, if there is one.
pub fn gid() -> Option<u32> {
    let table = fs::read_to_string("/etc/group").expect("/etc/group is readable");
    let line = table.lines().find(|line| line.split(':').next() == Some(GROUP))?;
    line.split(':').nth(2)?.parse().ok()
}

/// `make` with that target and those variables, on the programs that are tested.
pub fn make(target: &str, path: &str, variables: &[&str]) -> Output {
    let checkout = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the tests are a part of it");
    let mut make = Command::new("make");
    // They are built; whoever tests others than those of the target directory says so.
    make.args(["--silent", "--old-file=build", target]).args(variables).current_dir(checkout);
    make.arg(format!("BIN={}", programs().display()));
    make.env("PATH", format!("{path}:/usr/sbin:/usr/bin:/sbin:/bin").trim_start_matches(':'));
    for inherited in ["MAKEFLAGS", "MAKELEVEL", "MFLAGS", "DESTDIR", "PREFIX"] {
        make.env_remove(inherited);
    }
    make.output().expect("make is there")
}

/// What it said, if all went well.
pub fn said(output: Output) -> String {
    assert!(output.status.success(), "make: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("it says text")
}

fn prefix_is(prefix: &Path) -> String {
    format!("PREFIX={}", prefix.display())
}

fn remove(prefix: &Path) {
    make("uninstall", "", &[&prefix_is(prefix)]);
    fs::remove_dir_all(prefix).ok();
}
