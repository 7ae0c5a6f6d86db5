//! For tests: runs one test again in a process of its own, since what hardening takes away cannot be given back, and
//! a stamp is given to new processes only.

use rustix::fs::{StatVfsMountFlags, statvfs};
use std::fs::{Permissions, set_permissions};
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::process::Command;

const MARKER: &str = "SYS_TEST_ALONE";

/// The user, and the user's group, that [`alone_with_stamp`] runs as.
pub(crate) const USER: u32 = 54321;
/// The group that it is stamped with.
pub(crate) const STAMP: u32 = 54322;

/// Runs `body` in a process of its own. `test` is the calling test's full path, as `cargo test` names it.
pub(crate) fn alone(test: &str, body: impl FnOnce()) {
    if std::env::var_os(MARKER).is_some() {
        return body();
    }
    run(Command::new("/proc/self/exe"), test);
}

/// As [`alone`], as an ordinary user, from a copy of this program that is setgid [`STAMP`]. Only where root runs it.
pub(crate) fn alone_with_stamp(test: &str, body: impl FnOnce()) {
    if std::env::var_os(MARKER).is_some() {
        return body();
    }
    if !rustix::process::geteuid().is_root() {
        assert!(std::env::var_os("CI").is_none(), "{test} needs root, and CI leaves nothing out");
        eprintln!("LEFT OUT: {test} needs root, to install a program setgid");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    set_permissions(folder.path(), Permissions::from_mode(0o755)).unwrap();
    let mount = statvfs(folder.path()).unwrap();
    assert!(!mount.f_flag.contains(StatVfsMountFlags::NOSUID), "nosuid: name another directory with TMPDIR");
    let program = folder.path().join("installed");
    // By another process: what this one has open for writing, a thread of it could hand to a child.
    assert!(
        Command::new("cp").arg(std::env::current_exe().unwrap()).arg(&program).status().unwrap().success()
    );
    chown(&program, None, Some(STAMP)).unwrap();
    set_permissions(&program, Permissions::from_mode(0o2755)).unwrap();
    let mut command = Command::new(program);
    command.current_dir("/").uid(USER).gid(USER);
    run(command, test);
}

fn run(mut command: Command, test: &str) {
    command.args(["--exact", test, "--nocapture", "--test-threads=1"]).env(MARKER, "1");
    let output = command.output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && text.contains("1 passed"), "{}: {text}{errors}", output.status);
}
