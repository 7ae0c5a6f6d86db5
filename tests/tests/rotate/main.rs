//! `ctl rotate`: the vault gets another master key while everybody is served. Whoever looks finds all as it was, what
//! opened the vault before opens no more than it did then, and whatever comes in between it goes on where it was left.
#![allow(clippy::unwrap_used, reason = "what is not there fails the test")]

#[path = "../support/decrypt.rs"]
mod decrypt;
#[path = "../support/desktop.rs"]
#[allow(dead_code, reason = "other tests use the rest")]
mod desktop;
#[path = "../support/proving.rs"]
mod proving;
#[path = "../support/recovery_page.rs"]
#[allow(dead_code, reason = "other tests use the rest")]
mod recovery_page;
#[path = "../support/scripts.rs"]
mod scripts;
#[path = "../support/tools.rs"]
mod tools;

mod disk;
mod ended;
mod held;
mod kept;
mod page;
mod stopped;
mod told;

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use glassdome_tests::{Out, PASSWORD, Run, User, World, text, wait_until};
use proving::{when_allowed, with};
use serde_json::{Value, json};

const PIN: &str = "402913";

/// `ctl …` with the master password.
fn with_password(world: &World, args: &[&str]) -> Out {
    with(world, args, &[PASSWORD])
}

fn rotate(world: &World) -> Out {
    with_password(world, &["rotate"])
}

fn directory(world: &World) -> PathBuf {
    world.vault().with_file_name("vault.rotation")
}

/// A program that begins a rotation and does with it what `lines` say; it prints JSON.
fn script(world: &World, lines: &str) -> Run {
    world.file("client.py", include_str!("../../python/client.py"));
    world.file("rotation.py", include_str!("../../python/rotation.py"));
    let head = "import json, os, sys\nfrom client import *\nfrom rotation import *\n";
    world.python(&world.file("script.py", format!("{head}{lines}")), &[]).env("PASSWORD", PASSWORD)
}

/// What it printed.
fn told(run: Run) -> Value {
    serde_json::from_str(&run.text()).unwrap()
}

/// Secrets that take several steps.
fn fill(world: &World) {
    for number in 0..LARGE {
        world.set(&format!("large/{number}"), large(number));
    }
}

const LARGE: u8 = 8;

fn large(number: u8) -> Vec<u8> {
    vec![number; 700_000]
}

fn is_filled(world: &World) {
    for number in 0..LARGE {
        assert!(world.ctl(&["get", &format!("large/{number}")]).ok() == large(number), "{number}");
    }
}

fn recorded(world: &World) -> Vec<(String, String)> {
    let word = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let of = world.audit().into_iter().filter(|record| record["event"] == "rotate");
    of.map(|record| (word(&record["outcome"]), word(&record["by"]))).collect()
}

fn storage(world: &World) -> Value {
    serde_json::from_slice(&world.ctl(&["storage", "status", "--json"]).ok()).unwrap()
}

/// What a person sees of a vault, but for its size and the time.
fn seen(world: &World, code: Option<&str>) -> Vec<String> {
    let mut seen = Vec::new();
    for args in [
        &["list", "--json"][..],
        &["info", "db/a", "--json"],
        &["history", "db/a", "--json"],
        &["get", "db/a"],
        &["get", "db/a.user"],
        &["history", "gone", "--json"],
        &["get", "moved/b"],
        &["settings", "show", "--json"],
        &["policy", "show", "--json"],
    ] {
        let out = world.ctl(args).output();
        seen.push(format!("{args:?} {} {}", out.code, String::from_utf8_lossy(&out.stdout)));
    }
    let storage = storage(world);
    seen.push(format!(
        "{:?}",
        ["secrets", "created", "last_backup", "recovery_code"].map(|key| &storage[key])
    ));
    // The PIN, which is compared under what it was made under.
    seen.push(format!("pin {}", by_pin(world).code));
    seen.push(format!("code {}", code.is_some()));
    seen
}

/// What takes the PIN, where nothing was granted.
fn by_pin(world: &World) -> Out {
    let script = world.file("apart.sh", format!("ctl approvals --pin-fd 3 3<<<'{PIN}'\nexit $?"));
    world.program(Path::new("/bin/bash"), &["-c", &format!("setsid --wait bash {}", text(&script))]).output()
}

/// The daemon's limit of locked memory, set by any program of that user.
fn limit_locked_memory(world: &World, soft: &str) {
    let pid = format!("--pid={}", world.daemon_pid());
    world.program(Path::new("/usr/bin/prlimit"), &[&pid, &format!("--memlock={soft}:")]).ok();
}

/// Makes a code, or another one, by that command, and gives it.
fn code(world: &World, args: &[&str], name: &str) -> String {
    let file = world.home(name);
    with_password(world, &[args, &["--code-file", text(&file)]].concat()).ok();
    fs::read_to_string(&file).unwrap().trim_end().to_owned()
}

/// Without what parts its groups.
fn letters(code: &str) -> String {
    code.chars().filter(|letter| letter.is_ascii_alphanumeric()).collect()
}

/// What the PIN is compared under takes locked memory from the rotation on. Where there is none, the right PIN is told as
/// no wrong one, however often.
fn no_memory_costs_no_try(world: &World) {
    let pid = world.daemon_pid().to_string();
    let shown = ["--memlock", "--output=SOFT", "--noheadings", "--raw", "--pid", &pid];
    let before = world.program(Path::new("/usr/bin/prlimit"), &shown).text();
    limit_locked_memory(world, "0");
    for _ in 0..6 {
        let refused = by_pin(world).refused(1);
        assert!(refused.contains("was not tried") && refused.contains("ulimit -l"), "{refused}");
    }
    limit_locked_memory(world, before.trim());
    by_pin(world).ok();
    let untried = |record: &Value| record["event"] == "prove" && record["by"] == "pin-untried";
    assert!(world.audit().iter().any(untried));
}

#[test]
fn all_is_as_it_was_and_what_opened_it_before_opens_what_was_there_then() {
    let world = World::unlocked();
    for value in ["one", "two"] {
        world.set("db/a", value);
    }
    world.ctl(&["set", "db/a.user", "--stdin"]).stdin("ann").ok();
    world.set("gone", "1");
    world.ctl(&["rm", "gone"]).ok();
    world.set("b", "to be moved");
    world.ctl(&["mv", "b", "moved/b"]).ok();
    world.ctl(&["set", "bait", "--canary", "--stdin"]).stdin("bait").ok();
    with_password(&world, &["settings", "set", "ceiling", "7h"]).ok();
    world.allow(&["--exe", "/usr/bin/true"]);
    let pin = format!("ctl pin set --password-fd 3 --pin-fd 4 3<<<'{PASSWORD}' 4<<<'{PIN}'");
    world.program(Path::new("/bin/bash"), &["-c", &pin]).ok();
    let first = code(&world, &["slots", "add", "recovery"], "first");
    let backup = world.home("vault.backup");
    world.ctl(&["storage", "backup", text(&backup)]).ok();
    let before = seen(&world, Some(&first));
    assert!(before.iter().any(|told| told == "pin 0"), "control: {before:#?}");
    world.ctl(&["lock"]).ok();
    world.start(PASSWORD);
    let old = fs::read(world.vault()).unwrap();

    // The vault has a code, so it takes a place to show another one.
    rotate(&world).refused(2);
    let out = {
        let file = world.home("second");
        with_password(&world, &["rotate", "--code-file", text(&file)])
    };
    assert_eq!(out.code, 0, "{}", out.stderr);
    assert!(out.stderr.contains("the vault has another master key"), "{}", out.stderr);
    assert!(out.stderr.contains("backups and copies from before open with what opened them then"));
    assert!(out.stderr.contains("Make another one: ctl pin set"), "{}", out.stderr);
    let second = fs::read_to_string(world.home("second")).unwrap().trim_end().to_owned();
    assert_ne!(first, second);
    assert!(!directory(&world).exists());
    assert_eq!(
        recorded(&world),
        [("allowed", "begun"), ("allowed", "done")].map(|(o, b)| (o.into(), b.into()))
    );

    // In the session that goes on, in the next one, and in the next run of the daemon.
    assert_eq!(seen(&world, Some(&second)), before);
    no_memory_costs_no_try(&world);
    world.set("later", "1");
    let pages = |word: &str| decrypt::decrypt(&world, word, &[])["secrets"]["db/a"]["value"].clone();
    assert_eq!(pages(PASSWORD), hex("two"), "as the page says");
    world.ctl(&["lock"]).ok();
    when_allowed(|| world.unlock(&first, &[])).refused(7);
    when_allowed(|| world.unlock(&second, &[])).ok();
    assert_eq!(
        seen(&world, Some(&second))[..before.len() - 3],
        before_with(&before, &world)[..before.len() - 3]
    );
    world.ctl(&["stop"]).ok();
    assert!(wait_until(|| world.daemon().is_none(), Duration::from_secs(10)));
    world.start(PASSWORD);
    assert_eq!(world.ctl(&["get", "later"]).ok(), b"1");
    world.ctl(&["audit", "verify"]).ok();
    assert!(wait_until(
        || world.daemon_log().matches("the vault is sound").count() > 2,
        Duration::from_secs(20)
    ));
    assert!(!world.daemon_log().contains("damaged"), "{}", world.daemon_log());

    // What was kept of the time before opens with what opened it then, and knows of nothing since.
    for opener in [PASSWORD, &first] {
        let args = ["storage", "recover", "--check", "--password-stdin", text(&backup)];
        world.ctl(&args).stdin(format!("{opener}\n")).ok();
    }
    let args = ["storage", "recover", "--check", "--password-stdin", text(&backup)];
    world.ctl(&args).stdin(format!("{second}\n")).refused(7);
    world.ctl(&["stop"]).ok();
    assert!(wait_until(|| world.daemon().is_none(), Duration::from_secs(10)));
    fs::remove_file(world.vault().with_file_name("vault.redo")).ok();
    fs::write(world.vault(), old).unwrap();
    let there = decrypt::decrypt(&world, &first, &["--recovery"]);
    assert_eq!(there["secrets"]["db/a"]["value"], hex("two"));
    assert!(there["secrets"]["later"].is_null());
}

/// What was stored meanwhile is there, too.
fn before_with(before: &[String], world: &World) -> Vec<String> {
    let mut with = before.to_vec();
    with[0] = seen(world, None)[0].clone();
    assert!(with[0].contains("later") && with[0].contains("moved/b"));
    with
}

fn hex(text: &str) -> String {
    text.bytes().fold(String::new(), |mut hex, byte| {
        write!(hex, "{byte:02x}").unwrap();
        hex
    })
}

#[test]
fn it_takes_the_master_password_and_a_session() {
    let world = World::unlocked();
    world.set("a", "1");
    let wrong = world.ctl(&["rotate", "--password-stdin"]).stdin("not the password\n").output();
    wrong.refused(7);
    let file = world.home("code");
    with_password(&world, &["rotate", "--code-file", text(&file)]).refused(2);
    assert!(!file.exists());
    let first = code(&world, &["slots", "add", "recovery"], "first");
    let args = ["rotate", "--password-stdin", "--code-file", text(&file)];
    let out = when_allowed(|| world.ctl(&args).stdin(format!("{first}\n")).output());
    assert!(out.refused(2).contains("ctl passwd"));
    assert!(!file.exists(), "it opens nothing: it is not kept");
    assert!(!directory(&world).exists());
    world.ctl(&["lock"]).ok();
    rotate(&world).refused(3);
    world.ctl(&["stop"]).ok();
    rotate(&world).refused(6);
}

#[test]
fn what_a_kill_left_of_the_former_file_is_overwritten_at_the_next_start() {
    let world = World::unlocked();
    world.set("a", "1");
    rotate(&world).ok();
    world.ctl(&["stop"]).ok();
    assert!(wait_until(|| world.daemon().is_none(), Duration::from_secs(10)));
    let (left, former) = (directory(&world), directory(&world).join("former"));
    fs::create_dir(&left).unwrap();
    fs::write(&former, vec![7; 100_000]).unwrap();
    fs::write(left.join("key"), [7; 100]).unwrap();
    [&left, &former, &left.join("key")].into_iter().for_each(|path| User::A.own(path).unwrap());
    let held = fs::File::open(&former).unwrap();
    world.start(PASSWORD);
    assert!(!left.exists());
    let mut bytes = vec![1; 100_000];
    std::os::unix::fs::FileExt::read_exact_at(&held, &mut bytes, 0).unwrap();
    assert!(bytes.iter().all(|byte| *byte == 0));
    assert_eq!(world.ctl(&["get", "a"]).ok(), b"1");
    assert_eq!(world.status()["vault"], json!({ "state": "present", "secrets": 1 }));
}
