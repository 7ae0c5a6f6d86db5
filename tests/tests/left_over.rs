//! What is given up leaves nothing: a former password or recovery code in the vault's files, what was being made by a
//! program that was killed, a backup that nobody kept.
#![allow(clippy::unwrap_used, reason = "what is not there fails the test")]

#[path = "support/proving.rs"]
#[allow(dead_code, reason = "each test program uses some of it")]
mod proving;

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use std::time::Duration;

use glassdome_tests::{PASSWORD, Started, World, text, wait_until};
use proving::when_allowed;
use rustix::process::Signal;
use serde_json::Value;

const OTHER: &str = "eleven badgers weave soft rope";

/// The rows of the slots, out of a backup: those of the password and of the recovery code.
fn slots(world: &World) -> [Vec<u8>; 2] {
    let backup = world.ctl(&["storage", "backup", "-"]).ok();
    let number = |at: usize| u32::from_le_bytes(*backup[at..].first_chunk().unwrap()) as usize;
    let mut slots = [Vec::new(), Vec::new()];
    let mut at = 8;
    while backup[at] != 0xff {
        let (table, key) = (backup[at], &backup[at + 5..][..number(at + 1)]);
        let row = at + 5 + key.len();
        if table == 1 {
            slots[usize::from(key[0])] = backup[row + 4..][..number(row)].to_vec();
        }
        at = row + 4 + number(row);
    }
    slots
}

/// Whether a row lies in any file beside the vault, or in it.
fn is_left(world: &World, row: &[u8]) -> bool {
    let files = fs::read_dir(world.vault().parent().unwrap()).unwrap();
    files
        .map(|file| fs::read(file.unwrap().path()).unwrap())
        .any(|bytes| bytes.windows(row.len()).any(|at| at == row))
}

#[test]
fn a_former_slot_is_in_no_file_when_the_command_has_ended() {
    let world = World::unlocked();
    world.set("a", "1");
    let password = || format!("{PASSWORD}\n");
    let code = ["--password-stdin", "--code-file"];
    let recovery = |what: &str, file: &str| {
        let args = [&["slots", what][..], &code, &[file]].concat();
        world.ctl(&args).stdin(password()).ok();
    };
    world
        .ctl(&["slots", "add", "recovery", "--password-stdin", "--code-file", "code"])
        .stdin(password())
        .ok();
    world.set("a", "2");
    let [_, first] = slots(&world);
    assert!(is_left(&world, &first), "control");
    recovery("rotate-recovery", "second");
    assert!(!is_left(&world, &first));
    let [former, second] = slots(&world);
    world.set("a", "3");
    assert!(is_left(&world, &second) && is_left(&world, &former), "control");
    world.ctl(&["slots", "remove", "recovery", "--password-stdin"]).stdin(password()).ok();
    assert!(!is_left(&world, &second));
    world.ctl(&["passwd", "--password-stdin"]).stdin(format!("{PASSWORD}\n{OTHER}\n")).ok();
    assert!(!is_left(&world, &former));
    assert_eq!(world.ctl(&["get", "a"]).ok(), b"3");
    world.ctl(&["stop"]).ok();
    world.start(OTHER);
    assert!(![first, second, former].iter().any(|row| is_left(&world, row)));
    assert_eq!(world.ctl(&["get", "a"]).ok(), b"3");
}

#[test]
fn a_change_of_the_password_that_leaves_the_former_slot_says_that_it_is_in_force() {
    let world = World::unlocked();
    world.set("a", "1");
    let [first, second] = ["first", "second"].map(|name| world.home(name));
    let code = |how: &[&str], file: &Path| {
        let args = [&["slots"], how, &["--password-stdin", "--code-file", text(file)]].concat();
        world.ctl(&args).stdin(format!("{PASSWORD}\n"))
    };
    code(&["add", "recovery"], &first).ok();
    let redo = world.vault().with_file_name("vault.redo");
    if redo.exists() {
        fs::remove_file(&redo).unwrap();
    }
    std::os::unix::fs::symlink(world.home("elsewhere"), &redo).unwrap();
    let rotated = code(&["rotate-recovery"], &second).output();
    let [note, said] = rotated.stderr.lines().collect::<Vec<_>>()[..] else { panic!("{}", rotated.stderr) };
    assert!(rotated.code == 1 && note.contains("the recovery code may be in force, and stays in"), "{note}");
    assert!(said.contains("it is in force, but the former key slot could not be overwritten"), "{said}");
    let changed = world.ctl(&["passwd", "--password-stdin"]).stdin(format!("{PASSWORD}\n{OTHER}\n"));
    let said = changed.refused(1);
    assert!(said.contains("it is in force, but the former key slot could not be overwritten"), "{said}");
    assert!(said.contains("vault.redo") && !said.contains("nothing was changed"), "{said}");
    assert_eq!(world.ctl(&["get", "a"]).ok(), b"1", "what is open goes on");
    fs::remove_file(&redo).unwrap();
    world.ctl(&["lock"]).ok();
    world.unlock(OTHER, &[]).ok();
    // So is the code that was not said to be made.
    for (code, exit) in [(&second, 0), (&first, 7)] {
        world.ctl(&["lock"]).ok();
        let unlock = world.ctl(&["unlock", "--password-stdin"]).stdin(fs::read(code).unwrap());
        assert_eq!(unlock.output().code, exit, "{}", code.display());
    }
    world.ctl(&["lock"]).ok();
    when_allowed(|| world.unlock(PASSWORD, &[])).refused(7);
}

/// A check of a backup that waits for the password, and what it is typed into.
fn checking(world: &World, name: &str) -> (Started, File) {
    let script =
        format!("mkfifo {name}.in && exec glassdomed --check-backup kept <{name}.in >{name}.out 2>&1");
    let started = world.shell(&script).start();
    let fifo = world.home(&format!("{name}.in"));
    assert!(wait_until(|| fifo.exists(), Duration::from_secs(10)));
    let typed = File::options().write(true).open(fifo).unwrap();
    let says = || fs::read_to_string(world.home(&format!("{name}.out"))).unwrap_or_default();
    assert!(wait_until(|| says() == "ready\n", Duration::from_secs(30)), "{}", says());
    (started, typed)
}

/// How many vaults are being made, or were.
fn drafts(world: &World) -> usize {
    let names = fs::read_dir(world.vault().parent().unwrap()).unwrap();
    names.filter(|name| name.as_ref().unwrap().file_name().to_str().unwrap().ends_with(".new")).count()
}

#[test]
fn what_was_killed_is_swept_and_what_is_under_way_is_not() {
    let world = World::unlocked();
    world.set("a", "1");
    let last = || {
        let status: Value =
            serde_json::from_slice(&world.ctl(&["storage", "status", "--json"]).ok()).unwrap();
        status["last_backup"].clone()
    };
    // One that could not be written is none.
    assert_ne!(world.shell("ctl storage backup - >/dev/full; exit $?").output().code, 0);
    assert_ne!(world.ctl(&["storage", "backup", "none/vault.backup"]).output().code, 0);
    assert_eq!(last(), Value::Null);
    world.ctl(&["storage", "backup", text(&world.home("kept"))]).ok();
    assert!(last().is_u64());

    let (killed, _typed) = checking(&world, "killed");
    let (mut going_on, mut typed) = checking(&world, "going-on");
    killed.signal(Signal::KILL);
    killed.output();
    assert_eq!(drafts(&world), 2, "control");
    world.ctl(&["stop"]).ok();
    world.start(PASSWORD);
    assert_eq!(drafts(&world), 1);
    assert!(!going_on.has_ended());
    typed.write_all(format!("{PASSWORD}\n").as_bytes()).unwrap();
    drop(typed);
    going_on.output().ok();
    assert!(fs::read_to_string(world.home("going-on.out")).unwrap().contains("checked 1"));
    assert_eq!(drafts(&world), 0);
}
