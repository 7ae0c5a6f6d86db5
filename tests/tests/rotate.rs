//! `ctl rotate`: the vault gets another master key while everybody is served. Whoever looks finds all as it was, what
//! opened the vault before opens no more than it did then, and whatever comes in between it goes on where it was left.
#![allow(clippy::unwrap_used, reason = "what is not there fails the test")]

#[path = "support/decrypt.rs"]
mod decrypt;
#[path = "support/scripts.rs"]
mod scripts;
#[path = "support/tools.rs"]
mod tools;

use std::collections::HashMap;
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use glassdome_tests::{Out, PASSWORD, User, World, left_out_without_root, text, wait_until};
use serde_json::{Value, json};

const PIN: &str = "402913";

/// What becomes of a try that is made when it is allowed: after a wrong one there is a pause.
fn when_allowed(mut once: impl FnMut() -> Out) -> Out {
    let mut last = None;
    let told = wait_until(|| last.insert(once()).code != 8, Duration::from_secs(20));
    assert!(told, "the pause is over");
    last.unwrap()
}

/// `ctl …` with the master password.
fn with_password(world: &World, args: &[&str]) -> Out {
    let run = || world.ctl(&[args, &["--password-stdin"]].concat()).stdin(format!("{PASSWORD}\n")).output();
    when_allowed(run)
}

fn rotate(world: &World) -> Out {
    with_password(world, &["rotate"])
}

fn directory(world: &World) -> PathBuf {
    world.vault().with_file_name("vault.rotation")
}

/// So many secrets, in one go.
fn fill(world: &World, count: usize) {
    let mut lines = String::new();
    for number in 0..count {
        writeln!(lines, "N{number}={number}{}", "x".repeat(300)).unwrap();
    }
    world.file("many.env", lines);
    world.ctl(&["import", "many.env", "--prefix", "many"]).ok();
}

fn value_of(number: usize) -> Vec<u8> {
    format!("{number}{}", "x".repeat(300)).into_bytes()
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
    let script = world.file("apart.sh", format!("ctl approvals --pin-fd 3 3<<<'{PIN}'\nexit $?"));
    let apart =
        world.program(Path::new("/bin/bash"), &["-c", &format!("setsid --wait bash {}", text(&script))]);
    seen.push(format!("pin {}", apart.output().code));
    seen.push(format!("code {}", code.is_some()));
    seen
}

/// Makes a code, or another one, by that command, and gives it.
fn code(world: &World, args: &[&str], name: &str) -> String {
    let file = world.home(name);
    with_password(world, &[args, &["--code-file", text(&file)]].concat()).ok();
    fs::read_to_string(&file).unwrap().trim_end().to_owned()
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
    let second = fs::read_to_string(world.home("second")).unwrap().trim_end().to_owned();
    assert_ne!(first, second);
    assert!(!directory(&world).exists());
    assert_eq!(
        recorded(&world),
        [("allowed", "begun"), ("allowed", "done")].map(|(o, b)| (o.into(), b.into()))
    );

    // In the session that goes on, in the next one, and in the next run of the daemon.
    assert_eq!(seen(&world, Some(&second)), before);
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
fn killed_under_load_it_goes_on_where_it_was_left_and_loses_nothing() {
    const MANY: usize = 4000;
    let world = World::unlocked();
    fill(&world, MANY);
    let mut acknowledged: HashMap<String, u64> = HashMap::new();
    let mut resumed = 0;
    let mut unfinished = 0;
    for round in 0..8_u64 {
        let over = AtomicBool::new(false);
        let stored = thread::scope(|scope| {
            let load = |client: u64| {
                let (world, over) = (&world, &over);
                scope.spawn(move || {
                    let mut stored = Vec::new();
                    for step in 0.. {
                        let (name, number) = (format!("client/{client}/{}", step % 3), round * 1000 + step);
                        let set = world.ctl(&["set", &name, "--stdin"]).stdin(number.to_string()).output();
                        match set.code {
                            0 => stored.push((name, number)),
                            6 => return stored,
                            code => panic!("code {code}: {}", set.stderr),
                        }
                        if over.load(Ordering::Relaxed) {
                            return stored;
                        }
                    }
                    stored
                })
            };
            let clients = [load(0), load(1)];
            let rotating = scope.spawn(|| rotate(&world));
            let begun = || !storage(&world)["rotation"]["done"].is_null();
            assert!(wait_until(begun, Duration::from_secs(30)), "it is begun");
            // At another moment each time; in the last round, at none.
            if round < 7 {
                thread::sleep(Duration::from_millis(round * 150));
                world.daemon().expect("a daemon runs").kill();
            }
            let out = rotating.join().unwrap();
            over.store(true, Ordering::Relaxed);
            resumed += u32::from(out.stderr.contains("going on where it was left"));
            if round == 7 {
                assert_eq!(out.code, 0, "{}", out.stderr);
            }
            clients.into_iter().flat_map(|client| client.join().unwrap()).collect::<Vec<_>>()
        });
        acknowledged.extend(stored);
        when_allowed(|| world.unlock(PASSWORD, &[])).ok();
        unfinished += u32::from(!storage(&world)["rotation"].is_null());
        for (name, last) in &acknowledged {
            let there: u64 = world.ctl(&["get", name]).text().parse().unwrap();
            assert!(there >= *last, "round {round}: {name} is {there}, and {last} was acknowledged");
        }
        for number in (0..MANY).step_by(397) {
            assert_eq!(world.ctl(&["get", &format!("many/N{number}")]).ok(), value_of(number));
        }
        assert_eq!(world.status()["vault"]["state"], "present");
    }
    eprintln!("unfinished {unfinished} times, gone on with {resumed} times");
    assert!(unfinished >= 2 && resumed >= 2, "{unfinished} {resumed}");
    assert!(!directory(&world).exists());
    let listed = world.ctl(&["list", "many/*"]).text();
    assert_eq!(listed.lines().count(), MANY);
    assert!(!world.daemon_log().contains("damaged"), "{}", world.daemon_log());
}

#[test]
fn a_lock_leaves_it_to_be_gone_on_with_and_it_is_told() {
    let world = World::unlocked();
    fill(&world, 6000);
    let out = thread::scope(|scope| {
        let rotating = scope.spawn(|| rotate(&world));
        let under_way = || storage(&world)["rotation"]["done"].as_u64().is_some_and(|done| done > 0);
        assert!(wait_until(under_way, Duration::from_secs(30)), "it is told how far it is");
        // There is one at a time, and it is told before the password is tried.
        assert!(rotate(&world).refused(9).contains("under way already"));
        assert!(world.ctl(&["status"]).output().stderr.contains("under way: "));
        world.ctl(&["lock"]).ok();
        rotating.join().unwrap()
    });
    // Before that it may say how far it was.
    assert_eq!(out.code, 3, "{}", out.stderr);
    let rotation = &storage(&world)["rotation"];
    assert!(rotation["since"].is_u64() && rotation["done"].is_null(), "{rotation}");
    assert!(world.ctl(&["status"]).output().stderr.contains("unfinished since "));
    assert!(world.ctl(&["storage"]).text().contains("Go on: ctl rotate"));
    rotate(&world).refused(3);
    world.start(PASSWORD);
    let out = rotate(&world);
    assert!(out.stderr.contains("going on where it was left"), "{}", out.stderr);
    out.ok();
    assert_eq!(storage(&world)["rotation"], Value::Null);
    let words: Vec<_> = recorded(&world).into_iter().map(|(_, by)| by).collect();
    assert_eq!(words, ["begun", "resumed", "done"]);
}

#[test]
fn what_opens_the_vault_is_not_changed_under_it() {
    const NEXT: &str = "eleven badgers weave soft rope";
    let world = World::unlocked();
    fill(&world, 6000);
    let both = || {
        thread::scope(|scope| {
            let rotating = scope.spawn(|| rotate(&world));
            let under_way = || storage(&world)["rotation"]["done"].as_u64().is_some_and(|done| done > 0);
            assert!(wait_until(under_way, Duration::from_secs(30)));
            let args = ["passwd", "--password-stdin"];
            let changed = world.ctl(&args).stdin(format!("{PASSWORD}\n{NEXT}\n")).output();
            (changed, rotating.join().unwrap())
        })
    };
    let out = loop {
        let (changed, out) = both();
        if changed.code == 0 {
            break out;
        }
        // The rotation was faster than the new password.
        assert!(changed.refused(9).contains("another master key"));
        out.ok();
    };
    assert!(out.refused(9).contains("what opens the vault was changed meanwhile"));
    // Under the new password it is begun anew, and that opens it.
    rotate(&world).refused(7);
    let out = when_allowed(|| world.ctl(&["rotate", "--password-stdin"]).stdin(format!("{NEXT}\n")).output());
    assert!(!out.stderr.contains("going on"), "{}", out.stderr);
    out.ok();
    world.ctl(&["lock"]).ok();
    world.start(NEXT);
    assert_eq!(world.ctl(&["get", "many/N7"]).ok(), value_of(7));
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
fn a_full_disk_leaves_the_vault_as_it_was() {
    if left_out_without_root("a small file system") {
        return;
    }
    let world = World::new();
    world.mount_tmpfs(&world.data(), 4096);
    world.start(PASSWORD);
    for number in 0..5 {
        world.set(&format!("n/{number}"), vec![number; 250_000]);
    }
    let left = || {
        let found = rustix::fs::statvfs(world.data()).unwrap();
        found.f_bavail * found.f_bsize
    };
    let filler = world.data().join("filler");
    assert!(left() > 1_200_000, "{}", left());
    fs::write(&filler, vec![7; (left() - 1_100_000) as usize]).unwrap();
    let line = rotate(&world).refused(12);
    assert!(line.contains("nothing was changed") && line.contains("Make room"), "{line}");
    assert!(!directory(&world).exists(), "it takes no room");
    assert_eq!(recorded(&world).last().unwrap(), &("failed".to_owned(), "given-up".to_owned()));
    for number in 0..5 {
        assert_eq!(world.ctl(&["get", &format!("n/{number}")]).ok(), vec![number; 250_000]);
    }
    world.set("small", "1");
    fs::remove_file(filler).unwrap();
    rotate(&world).ok();
    world.ctl(&["lock"]).ok();
    world.start(PASSWORD);
    for number in 0..5 {
        assert_eq!(world.ctl(&["get", &format!("n/{number}")]).ok(), vec![number; 250_000]);
    }
    assert_eq!(world.ctl(&["get", "small"]).ok(), b"1");
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

#[test]
fn a_password_that_is_changed_at_the_same_time_is_what_opens_the_vault() {
    const OTHER: &str = "eleven badgers weave soft rope";
    let world = World::unlocked();
    world.set("a", "1");
    let mut passwords = (PASSWORD, OTHER);
    for round in 0..4_u64 {
        let (now, next) = passwords;
        let changed = thread::scope(|scope| {
            let rotating = scope.spawn(|| {
                thread::sleep(Duration::from_millis(round * 40));
                world.ctl(&["rotate", "--password-stdin"]).stdin(format!("{now}\n")).output()
            });
            let changed =
                world.ctl(&["passwd", "--password-stdin"]).stdin(format!("{now}\n{next}\n")).output();
            let out = rotating.join().unwrap();
            eprintln!("round {round}: {} {}", changed.code, out.code);
            assert!([0, 7, 8, 9].contains(&out.code), "{}", out.stderr);
            changed
        });
        assert!([0, 9].contains(&changed.code), "{}", changed.stderr);
        if changed.code == 0 {
            passwords = (next, now);
        }
        world.ctl(&["lock"]).ok();
        when_allowed(|| world.unlock(passwords.0, &[])).ok();
        assert_eq!(world.ctl(&["get", "a"]).ok(), b"1");
    }
}
