//! The Python package as people have it: its wheel in a fresh environment, and pytest as an ordinary user against
//! the real daemon, by a rule like any program's.
#![allow(clippy::unwrap_used, reason = "what is not there fails the test")]

#[path = "support/desktop.rs"]
#[allow(dead_code, reason = "other tests use the rest")]
mod desktop;
#[path = "support/logind.rs"]
#[allow(dead_code, reason = "other tests use the rest")]
mod logind;
#[path = "support/open_questions.rs"]
mod open_questions;

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use desktop::SOON;
use glassdome_tests::{World, left_out_without_root, pytest, python_with_package, text, wait_until};
use logind::{Logind, bus, start};
use open_questions::question;

/// Starts pytest: a script of its own, for rules to name.
const RUNNER: &str = "import sys, pytest\nsys.exit(pytest.main(sys.argv[1:]))\n";

/// Runs the files of tests that begin so.
#[track_caller]
fn run_tests(pattern: &str) {
    let world = World::unlocked();
    let runner = world.file("run_tests.py", RUNNER);
    world.allow(&["--script", text(&runner), "--exe", "/usr/bin/python3"]);
    let tests = world.home("tests");
    pytest(&world, &runner, &["-o", &format!("python_files={pattern}"), text(&tests)], &[]);
}

#[test]
fn the_synchronous_face() {
    run_tests("test_sync*.py");
}

#[test]
fn the_asynchronous_face() {
    run_tests("test_aio*.py");
}

/// A script of the owner's that makes a call, and prints the exception and what it says of itself.
fn script(world: &World, call: &str) -> PathBuf {
    let text = format!(
        "import glassdome\ntry: {call}\nexcept glassdome.Error as error: \
         print(type(error).__name__, error.code, error.exit_code, error)\n"
    );
    world.file("raises.py", text)
}

/// What it prints.
fn told(world: &World, script: &Path) -> String {
    world.program(python_with_package(), &[text(script)]).text()
}

#[test]
fn a_pause_is_an_error_of_its_own() {
    let world = World::with_vault();
    let _bus = bus(&world);
    let logind = Logind::start(&world);
    logind.log_in("c1", "wayland");
    start(&world);
    world.set("a", "1");
    let script = script(&world, "print(glassdome.connect(wait=60).get('a'))");
    let asked = world.program(python_with_package(), &[text(&script)]).start();
    world.ctl(&["approve", &question(&world), "--for", "session", "--yes"]).ok();
    assert_eq!(asked.output().stdout, b"1\n");
    logind.set("c1", "LockedHint", "true");
    assert!(wait_until(|| world.status()["state"] == "paused", SOON), "{}", world.daemon_log());
    let told = told(&world, &script);
    assert!(told.starts_with("PausedError locked 3 paused: the screen is locked."), "{told}");
}

#[test]
fn a_full_disk_is_an_error_of_its_own() {
    if left_out_without_root("a small file system") {
        return;
    }
    let world = World::unlocked_on_small_disk(65_536);
    let script = script(&world, "[glassdome.set(f'n/{n}', 'x' * 100_000) for n in range(100)]");
    world.allow(&["--script", text(&script), "--exe", "/usr/bin/python3"]);
    assert_eq!(told(&world, &script), "", "control: there is room");
    let filler = fs::File::create(world.data().join("filler")).unwrap();
    while (&filler).write_all(&[7; 4096]).is_ok() {}
    let told = told(&world, &script);
    assert!(told.starts_with("StorageError storage 12 "), "{told}");
}
