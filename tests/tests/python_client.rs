//! The Python package as people have it: its wheel in a fresh environment, and pytest as an ordinary user against
//! the real daemon, by a rule like any program's.
#![allow(clippy::unwrap_used, reason = "what is not there fails the test")]

use std::fs;
use std::path::Path;
use std::time::Duration;

use glassdome_tests::{Out, PASSWORD, User, World, python_with_package, text};

/// Starts pytest: a script of its own, for rules to name.
const RUNNER: &str = "import sys, pytest\nsys.exit(pytest.main(sys.argv[1:]))\n";

/// Files of `python-bindings/`, in the home directory.
fn brought(world: &World, part: &str) -> String {
    let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("../python-bindings").join(part);
    let there = world.home(part);
    fs::create_dir(&there).unwrap();
    User::A.own(&there).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() {
            let name = format!("{part}/{}", path.file_name().unwrap().to_str().unwrap());
            world.file(&name, fs::read(&path).unwrap());
        }
    }
    text(&there).to_owned()
}

/// Runs the files of tests that begin so.
#[track_caller]
fn pytest(world: &World, pattern: &str) -> Out {
    let runner = world.file("run_tests.py", RUNNER);
    world.allow(&["--script", text(&runner), "--exe", "/usr/bin/python3"]);
    let tests = brought(world, "tests");
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/python.md");
    world.file("tests/python.md", fs::read(page).unwrap());
    let args =
        [text(&runner), "-q", "-p", "no:cacheprovider", "-o", &format!("python_files={pattern}"), &tests];
    let run = world.program(python_with_package(), &args).env("GLASSDOME_TEST_PASSWORD", PASSWORD);
    let out = run.env("PYTHONDONTWRITEBYTECODE", "1").within(Duration::from_secs(240)).output();
    let told = String::from_utf8_lossy(&out.stdout);
    assert!(out.code == 0 && told.contains(" passed"), "{}: {told}{}", out.code, out.stderr);
    out
}

#[test]
fn the_synchronous_face() {
    pytest(&World::unlocked(), "test_sync*.py");
}

#[test]
fn the_asynchronous_face() {
    pytest(&World::unlocked(), "test_aio*.py");
}
