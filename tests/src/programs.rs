//! Where the programs lie: installed by root, where the run says so, else copied once into a directory
//! that every user can reach, as the build's own may be in a home that is closed to others.

use std::env;
use std::fs::{self, DirBuilder, Permissions};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use std::time::{Duration, SystemTime};

use rustix::process::geteuid;

const NAMES: [&str; 3] = ["ctl", "glassdome_start", "glassdomed"];
/// Copies of builds that nobody has tested for this long are removed.
const STALE: Duration = Duration::from_secs(24 * 3600);

/// The directory in which `ctl`, `glassdome_start` and `glassdomed` lie side by side: where they are
/// [`stamped`], that of the install; else as built, named by `GLASSDOME_BIN_DIR` or beside this test in
/// the build's directory.
pub fn programs() -> &'static Path {
    static DIRECTORY: LazyLock<PathBuf> = LazyLock::new(|| {
        if let Some(installed) = installed() {
            wears_the_stamp(&installed);
            return installed;
        }
        let named = env::var_os("GLASSDOME_BIN_DIR").map(PathBuf::from);
        shared(&named.unwrap_or_else(beside_the_test), &NAMES)
    });
    &DIRECTORY
}

/// Whether what is tested is an install by root: `GLASSDOME_INSTALLED` names its directory, which
/// `scripts/installed` sets.
pub fn stamped() -> bool {
    installed().is_some()
}

fn installed() -> Option<PathBuf> {
    env::var_os("GLASSDOME_INSTALLED").map(PathBuf::from)
}

/// A run that claims to be about stamped programs must be.
fn wears_the_stamp(installed: &Path) {
    for name in NAMES {
        let file = fs::metadata(installed.join(name)).expect("it is installed");
        assert!(file.mode() & 0o7777 == 0o2755 && file.uid() == 0 && file.gid() != 0, "{name}: no stamp");
    }
}

/// The harness's own program that starts what a test runs.
pub(crate) fn typist() -> &'static Path {
    static FILE: LazyLock<PathBuf> = LazyLock::new(|| shared(&beside_the_test(), &["typist"]).join("typist"));
    &FILE
}

/// …/PROFILE/deps/test ─► …/PROFILE
fn beside_the_test() -> PathBuf {
    let test = env::current_exe().expect("the kernel names our own program");
    test.ancestors().nth(2).expect("cargo puts tests into deps").to_owned()
}

fn shared(built: &Path, names: &[&str]) -> PathBuf {
    for name in names {
        let there = built.join(name).is_file();
        assert!(there, "{name} is not in {}: build it first, as `make test` does", built.display());
    }
    copied(built, names).expect("the programs can be copied into the temporary directory")
}

/// Where copies lie that all test programs share.
pub(crate) fn shared_directory() -> PathBuf {
    all_copies().expect("there is a temporary directory")
}

fn all_copies() -> io::Result<PathBuf> {
    let all = env::temp_dir().join(format!("glassdome-tests-{}", geteuid().as_raw()));
    match DirBuilder::new().mode(0o755).create(&all) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        other => other?,
    }
    let there = fs::symlink_metadata(&all)?;
    assert!(there.is_dir() && there.uid() == geteuid().as_raw(), "{} is not ours", all.display());
    // Whatever the umask made of it: others must pass.
    fs::set_permissions(&all, Permissions::from_mode(0o755))?;
    remove_stale(&all)?;
    Ok(all)
}

/// A copy of exactly these files, shared by all test programs that test them.
fn copied(built: &Path, names: &[&str]) -> io::Result<PathBuf> {
    let all = all_copies()?;
    let copy = all.join(fingerprint(built, names));
    if copy.is_dir() {
        return Ok(copy);
    }
    let partial = all.join(format!("partial-{}-{}", names[0], std::process::id()));
    fs::create_dir(&partial)?;
    fs::set_permissions(&partial, Permissions::from_mode(0o755))?;
    for name in names {
        fs::copy(built.join(name), partial.join(name))?;
        fs::set_permissions(partial.join(name), Permissions::from_mode(0o755))?;
    }
    match fs::rename(&partial, &copy) {
        // Another test program was quicker.
        Err(_) if copy.is_dir() => fs::remove_dir_all(&partial)?,
        other => other?,
    }
    Ok(copy)
}

/// What tells one build of these files from another.
pub(crate) fn fingerprint(built: &Path, names: &[&str]) -> String {
    let mut hasher = DefaultHasher::new();
    for name in names {
        let file = fs::metadata(built.join(name)).expect("it was built");
        (built, file.ino(), file.len(), file.mtime(), file.mtime_nsec()).hash(&mut hasher);
    }
    format!("{:016x}", hasher.finish())
}

fn remove_stale(all: &Path) -> io::Result<()> {
    for entry in fs::read_dir(all)? {
        let path = entry?.path();
        let age = fs::metadata(&path).and_then(|found| found.modified()).ok();
        if age.and_then(|made| SystemTime::now().duration_since(made).ok()).is_some_and(|age| age > STALE) {
            // Another test program may remove it at the same time.
            fs::remove_dir_all(&path).ok();
        }
    }
    Ok(())
}
