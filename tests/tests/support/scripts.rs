//! The Python programs of the tests, copied to where ordinary users can run them: the checkout and
//! the build may lie in a home that is closed to others.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use glassdome_tests::World;

/// The scripts, in a directory of this world that every user can reach.
pub fn scripts(world: &World) -> PathBuf {
    let there = world.top().join("python");
    if !there.is_dir() {
        fs::create_dir(&there).expect("the world's directory takes one more");
        let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("python");
        for entry in fs::read_dir(from).expect("the scripts are part of the source") {
            let path = entry.expect("a directory can be read").path();
            if path.extension().is_some_and(|kind| kind == "py") {
                reachable(&path, &there);
            }
        }
        fs::set_permissions(&there, Permissions::from_mode(0o755)).expect("it is ours");
    }
    there
}

/// A copy of `file` in `directory` that every user can run.
pub fn reachable(file: &Path, directory: &Path) -> PathBuf {
    let copy = directory.join(file.file_name().expect("a file has a name"));
    if !copy.exists() {
        copied(file, &copy);
    }
    copy
}

/// Copies `file` to `copy`, for every user to run. Another process does it: a descriptor of ours that
/// writes to a program could be inherited by what another thread starts just then, and nobody can
/// execute a program that somebody writes to (execve(2), `ETXTBSY`).
pub fn copied(file: &Path, copy: &Path) {
    let done = Command::new("cp").arg(file).arg(copy).status().expect("cp is there");
    assert!(done.success(), "cp {} {}", file.display(), copy.display());
    fs::set_permissions(copy, Permissions::from_mode(0o755)).expect("it is ours");
}
