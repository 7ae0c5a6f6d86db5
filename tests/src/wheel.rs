//! The Python package as people have it: its wheel, installed into a fresh virtual environment, beside what its
//! tests need. Made once for each wheel; every user can run what lies in it.

use std::env;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

use rustix::fs::{FlockOperation, flock};

use crate::programs::{fingerprint, shared_directory};

/// A Python in an environment that has the package. `GLASSDOME_WHEELS` names the directory in which `make wheel`
/// put it, `GLASSDOME_PYTHON` the Python beside whose environment `scripts/prepare` put the wheels of others.
///
/// # Panics
/// Where they are not set: run it as `make test` does.
pub fn python_with_package() -> &'static Path {
    static PYTHON: LazyLock<PathBuf> = LazyLock::new(|| {
        let named =
            |name| PathBuf::from(env::var_os(name).unwrap_or_else(|| panic!("{name} is not set: make test")));
        let (wheels, python) = (named("GLASSDOME_WHEELS"), named("GLASSDOME_PYTHON"));
        let others = python.ancestors().nth(2).expect("…/python/bin/python").join("wheels");
        environment(&wheels, &others).join("bin/python")
    });
    &PYTHON
}

fn environment(wheels: &Path, others: &Path) -> PathBuf {
    let wheel =
        fs::read_dir(wheels).expect("make wheel has run").map(|entry| entry.expect("it is a directory"));
    let wheel = wheel.map(|entry| entry.file_name()).find(|name| name.as_encoded_bytes().ends_with(b".whl"));
    let wheel = wheel.expect("make wheel has run").into_string().expect("names of wheels are text");
    let shared = shared_directory();
    let tell = [fingerprint(wheels, &[&wheel]), fingerprint(others, &["requirements.txt"])].concat();
    let made = shared.join(format!("python-{tell}"));
    // Where it stays, since its scripts name their Python by its path; test programs wait for each other.
    let whole = made.join("whole");
    let lock = File::create(shared.join("python.lock")).expect("the shared directory is ours");
    flock(&lock, FlockOperation::LockExclusive).expect("flock on a file of ours");
    if whole.is_file() {
        return made;
    }
    if made.is_dir() {
        fs::remove_dir_all(&made).expect("it is ours");
    }
    let done = |command: &mut Command| {
        let out = command.output().expect("Python is there");
        assert!(out.status.success(), "{command:?}: {}", String::from_utf8_lossy(&out.stderr));
    };
    done(Command::new("/usr/bin/python3").args(["-m", "venv"]).arg(&made));
    let mut pip = Command::new(made.join("bin/python"));
    pip.args([
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
        "--no-index",
        "--find-links",
    ]);
    pip.arg(others).arg("-r").arg(others.join("requirements.txt")).arg(wheels.join(wheel));
    done(&mut pip);
    fs::write(whole, "").expect("it is ours");
    made
}
