//! The Python package as people have it: its wheel, installed into a fresh virtual environment, beside what its
//! tests need. Made once for each wheel; every user can run what lies in it.

use std::env;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;
use std::time::Duration;

use rustix::fs::{FlockOperation, flock};

use crate::programs::{fingerprint, shared_directory};
use crate::user::User;
use crate::world::{PASSWORD, World, text};

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

/// Puts the package's own tests into the home directory, with the page whose examples they run, and gives their
/// directory.
pub fn python_tests(world: &World) -> PathBuf {
    let project = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("this crate lies in it");
    let there = world.home("tests");
    for part in ["", "faces"] {
        let to = there.join(part);
        fs::create_dir(&to).expect("the home takes a directory");
        User::A.own(&to).expect("it can be given away");
        for entry in fs::read_dir(project.join("python-bindings/tests").join(part)).expect("it is there") {
            let path = entry.expect("it is a directory").path();
            let name = Path::new("tests").join(part).join(path.file_name().expect("it is in a directory"));
            if path.is_file() {
                world.file(text(&name), fs::read(&path).expect("it can be read"));
            }
        }
    }
    world.file("tests/python.md", fs::read(project.join("docs/python.md")).expect("the page is there"));
    there
}

/// Runs pytest over those tests as a script of the owner's that a rule may name, from the start to the last test.
///
/// # Panics
/// If one fails, or none was run.
#[track_caller]
pub fn pytest(world: &World, runner: &Path, args: &[&str], variables: &[(&str, &Path)]) {
    let tests = python_tests(world);
    let all = [&[text(runner), "-q", "-p", "no:cacheprovider", "--rootdir", text(&tests)], args].concat();
    let mut run = world.program(python_with_package(), &all).env("GLASSDOME_TEST_PASSWORD", PASSWORD);
    for (name, value) in variables {
        run = run.env(name, value);
    }
    let out = run.env("PYTHONDONTWRITEBYTECODE", "1").within(Duration::from_secs(240)).output();
    let told = String::from_utf8_lossy(&out.stdout);
    assert!(out.code == 0 && told.contains(" passed"), "{}: {told}{}", out.code, out.stderr);
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
