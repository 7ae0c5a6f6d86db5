//! The Python programs and the other helpers of the tests, copied to where ordinary users can run
//! them: the checkout and the build may lie in a home that is closed to others.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

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

/// A program of `src/bin`, copied into the world: the build's directory may be closed to others.
pub fn tool(world: &World, built: &str) -> PathBuf {
    reachable(Path::new(built), world.top())
}

fn reachable(file: &Path, directory: &Path) -> PathBuf {
    let copy = directory.join(file.file_name().expect("a file has a name"));
    if !copy.exists() {
        fs::copy(file, &copy).expect("it can be copied");
        fs::set_permissions(&copy, Permissions::from_mode(0o755)).expect("it is ours");
    }
    copy
}
