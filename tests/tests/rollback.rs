//! An older vault that is put back is noticed by what the log knows; an honest one never is, whatever a crash takes.
#![allow(clippy::unwrap_used, reason = "what is not there fails the test")]

use std::collections::HashMap;
use std::fs;
use std::thread;
use std::time::{Duration, SystemTime};

use glassdome_tests::{Out, PASSWORD, World, wait_until};
use serde_json::Value;

const OLDER: &str = "the vault is an older one";

/// What is there of a vault while nobody has it: its file, and the changes beside it.
struct Copy {
    vault: Vec<u8>,
    redo: Option<Vec<u8>>,
}

impl Copy {
    fn of(world: &World) -> Self {
        Self { vault: fs::read(world.vault()).unwrap(), redo: fs::read(redo(world)).ok() }
    }

    fn put_back(&self, world: &World) {
        // In place: what is written over keeps its owner and its mode.
        fs::write(world.vault(), &self.vault).unwrap();
        match &self.redo {
            Some(redo) => fs::write(self::redo(world), redo).unwrap(),
            None => drop(fs::remove_file(redo(world))),
        }
    }
}

fn redo(world: &World) -> std::path::PathBuf {
    world.vault().with_file_name("vault.redo")
}

fn stop(world: &World) {
    world.ctl(&["stop"]).ok();
    assert!(wait_until(|| world.daemon().is_none(), Duration::from_secs(10)));
}

fn with_password(world: &World, args: &[&str]) -> Out {
    world.ctl(&[args, &["--password-stdin"]].concat()).stdin(format!("{PASSWORD}\n")).output()
}

fn recorded(world: &World, event: &str) -> Vec<String> {
    let log = world.audit().into_iter();
    log.filter(|record| record["event"] == event)
        .map(|record| record["outcome"].as_str().unwrap().into())
        .collect()
}

#[test]
fn yesterdays_vault_is_noticed_and_accepted_once() {
    let world = World::unlocked();
    world.set("a", "old");
    stop(&world);
    let old = Copy::of(&world);
    // The control: nothing is said of a vault that nobody put back.
    let honest = world.unlock(PASSWORD, &[]);
    assert!(honest.code == 0 && !honest.stderr.contains("older"), "{}", honest.stderr);
    world.set("a", "new");
    world.set("b", "1");
    stop(&world);
    let newest = Copy::of(&world);

    old.put_back(&world);
    let line = world.unlock(PASSWORD, &[]).refused(10);
    for said in [OLDER, "of 20", "changes that the audit log knows of are missing", "--accept-rollback"] {
        assert!(line.contains(said), "{line}");
    }
    // Nothing that the password opens goes around it: not even what would make the vault newer.
    for args in [&["settings", "set", "idle", "30m"][..], &["settings", "set", "audit-keep", "off"]] {
        let line = with_password(&world, args).refused(10);
        assert!(line.contains(OLDER), "{line}");
    }
    world.ctl(&["get", "a"]).refused(3);
    assert_eq!(recorded(&world, "rollback")[0], "denied");
    // Also by a daemon that was not there when it was refused.
    stop(&world);
    assert!(world.unlock(PASSWORD, &[]).refused(10).contains(OLDER));

    // What was there yet is still served.
    stop(&world);
    newest.put_back(&world);
    world.unlock(PASSWORD, &[]).ok();
    assert_eq!(world.ctl(&["get", "a"]).ok(), b"new");

    stop(&world);
    old.put_back(&world);
    world.unlock("not the password", &["--accept-rollback"]).refused(7);
    let accept = || world.unlock(PASSWORD, &["--accept-rollback"]);
    assert!(wait_until(|| accept().code == 0, Duration::from_secs(20)));
    assert_eq!(world.ctl(&["get", "a"]).ok(), b"old");
    let accepted = recorded(&world, "accept-rollback");
    // Refused were the wrong password, and what came before its pause was over.
    assert!(accepted.ends_with(&["denied".to_owned(), "allowed".to_owned()]), "{accepted:?}");
    assert_eq!(accepted.iter().filter(|outcome| *outcome == "allowed").count(), 1);
    for _ in 0..2 {
        world.ctl(&["lock"]).ok();
        world.unlock(PASSWORD, &[]).ok();
    }
    stop(&world);
    world.unlock(PASSWORD, &[]).ok();
    // What was given up by that is an older one from then on.
    stop(&world);
    newest.put_back(&world);
    assert!(world.unlock(PASSWORD, &[]).refused(10).contains(OLDER));
    stop(&world);
    world.ctl(&["audit", "verify"]).ok();
}

#[test]
fn changes_that_are_taken_from_beside_the_vault_are_missed() {
    let world = World::unlocked();
    world.set("a", "1");
    // Killed before it is settled, which comes within a second; and a record has told of the change.
    let killed = || {
        world.set("a", "2");
        world.ctl(&["get", "a"]).ok();
        world.daemon().unwrap().kill();
        let waits = fs::read(redo(&world)).is_ok_and(|redo| redo[..4] != [0; 4]);
        if !waits {
            world.start(PASSWORD);
        }
        waits
    };
    assert!(wait_until(killed, Duration::from_secs(30)), "a change waits beside the vault");
    let whole = Copy::of(&world);
    fs::remove_file(redo(&world)).unwrap();
    assert!(world.unlock(PASSWORD, &[]).refused(10).contains(OLDER));
    stop(&world);
    whole.put_back(&world);
    world.unlock(PASSWORD, &[]).ok();
    assert_eq!(world.ctl(&["get", "a"]).ok(), b"2");
    world.set("a", "3");
    stop(&world);
    // An older file of changes follows nothing.
    fs::write(redo(&world), whole.redo.unwrap()).unwrap();
    world.unlock(PASSWORD, &[]).ok();
    assert_eq!(world.ctl(&["get", "a"]).ok(), b"3");
}

#[test]
fn killed_at_any_moment_no_honest_vault_is_older() {
    const ROUNDS: u64 = 50;
    let world = World::unlocked();
    let mut seed = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_nanos() as u64 | 1;
    eprintln!("seed {seed}");
    let mut acknowledged: HashMap<u64, u64> = HashMap::new();
    for round in 0..ROUNDS {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        let wait = Duration::from_micros(seed >> 33 & 0x3_ffff);
        let stored = thread::scope(|scope| {
            let load = |client: u64| {
                let (world, mut last) = (&world, None);
                move || {
                    for step in 0.. {
                        let number = round * 1_000_000 + step;
                        match world
                            .ctl(&["set", &format!("n/{client}"), "--stdin"])
                            .stdin(number.to_string())
                            .output()
                        {
                            out if out.code == 0 => last = Some((client, number)),
                            out if out.code == 6 => break,
                            out => panic!("code {}: {}", out.code, out.stderr),
                        }
                        let got = world.ctl(&["get", &format!("n/{client}")]).output();
                        assert!([0, 6].contains(&got.code), "code {}: {}", got.code, got.stderr);
                    }
                    last
                }
            };
            let clients: Vec<_> = (0..2).map(|client| scope.spawn(load(client))).collect();
            thread::sleep(wait);
            world.daemon().expect("a daemon runs").kill();
            clients.into_iter().filter_map(|client| client.join().unwrap()).collect::<Vec<_>>()
        });
        acknowledged.extend(stored);
        // The system may take a moment to end what was killed in the middle of a write: its lock goes with it.
        let mut out = None;
        assert!(wait_until(|| out.insert(world.unlock(PASSWORD, &[])).code != 9, Duration::from_secs(10)));
        let out = out.unwrap();
        assert_eq!(out.code, 0, "round {round}: {}", out.stderr);
        for (client, number) in &acknowledged {
            let there: u64 = world.ctl(&["get", &format!("n/{client}")]).text().trim().parse().unwrap();
            assert!(there >= *number, "round {round}");
        }
    }
    assert!(!acknowledged.is_empty(), "there was load");
    assert!(recorded(&world, "rollback").is_empty());
}

/// A line that goes on from the last one, as anybody can write it.
fn add_to_log(world: &World, event: &str, vault: &Value) {
    let path = world.state().join("glassdome/audit.jsonl");
    let log = fs::read_to_string(&path).unwrap();
    let last = log.lines().last().unwrap();
    let mut line: Value = serde_json::from_str(last).unwrap();
    let members = line.as_object_mut().unwrap();
    for absent in ["by", "peer", "judged", "session", "secret", "repeated", "vault"] {
        members.remove(absent);
    }
    line["seq"] = (line["seq"].as_u64().unwrap() + 1).into();
    line["prev"] = blake3::hash(last.as_bytes()).to_hex().as_str().into();
    (line["event"], line["outcome"]) = (event.into(), "allowed".into());
    if vault.is_object() {
        line["vault"] = vault.clone();
    }
    fs::write(&path, format!("{log}{line}\n")).unwrap();
}

/// The state of the vault that the log told last.
fn told(world: &World) -> Value {
    world.audit().into_iter().rev().map(|record| record["vault"].clone()).find(Value::is_object).unwrap()
}

#[test]
fn a_line_that_is_added_to_the_log_hides_no_older_vault_unless_it_says_that_its_owner_put_it_there() {
    let world = World::unlocked();
    world.set("a", "old");
    stop(&world);
    let (old, then) = (Copy::of(&world), told(&world));
    world.unlock(PASSWORD, &[]).ok();
    world.set("a", "new");
    stop(&world);
    old.put_back(&world);
    add_to_log(&world, "get", &then);
    // Nor do more vaults than are remembered.
    for number in 0..70 {
        let mut another = then.clone();
        another["id"] = format!("{number:032x}").into();
        add_to_log(&world, "get", &another);
    }
    assert!(world.unlock(PASSWORD, &[]).refused(10).contains(OLDER));
    assert!(recorded(&world, "alarm").is_empty(), "control: the log goes on from line to line");
    stop(&world);
    // What SECURITY.md says that whoever can write the log decides; it is there to be read.
    add_to_log(&world, "accept-rollback", &Value::Null);
    add_to_log(&world, "get", &then);
    world.unlock(PASSWORD, &[]).ok();
    assert_eq!(world.ctl(&["get", "a"]).ok(), b"old");
    assert_eq!(recorded(&world, "accept-rollback"), ["allowed"]);
}

/// What SECURITY.md says that nobody notices.
#[test]
fn an_older_vault_with_the_log_of_that_day_is_not_noticed() {
    let world = World::unlocked();
    world.set("a", "old");
    stop(&world);
    let log = world.state().join("glassdome/audit.jsonl");
    let (old, then) = (Copy::of(&world), fs::read(&log).unwrap());
    world.unlock(PASSWORD, &[]).ok();
    world.set("a", "new");
    stop(&world);
    old.put_back(&world);
    fs::write(&log, &then).unwrap();
    world.unlock(PASSWORD, &[]).ok();
    assert_eq!(world.ctl(&["get", "a"]).ok(), b"old");
}

#[test]
fn a_vault_that_was_recovered_is_no_older_one_and_what_was_there_before_is() {
    let world = World::unlocked();
    world.set("a", "old");
    let backup = world.home("vault.backup");
    world.ctl(&["storage", "backup", backup.to_str().unwrap()]).ok();
    world.set("a", "new");
    stop(&world);
    let before = Copy::of(&world);
    with_password(&world, &["storage", "recover", backup.to_str().unwrap()]).ok();
    for _ in 0..2 {
        world.unlock(PASSWORD, &[]).ok();
        assert_eq!(world.ctl(&["get", "a"]).ok(), b"old");
        stop(&world);
    }
    before.put_back(&world);
    assert!(world.unlock(PASSWORD, &[]).refused(10).contains(OLDER));
    world.unlock(PASSWORD, &["--accept-rollback"]).ok();
    assert_eq!(world.ctl(&["get", "a"]).ok(), b"new");
}
