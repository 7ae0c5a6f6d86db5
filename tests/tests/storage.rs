//! A backup is made while the vault is in use, and is all that another machine needs, with the password; and whatever is
//! recovered, nothing that was there is lost.
#![allow(clippy::unwrap_used, reason = "what is not there fails the test")]

#[path = "support/damage.rs"]
mod damage;
#[path = "support/recovery_page.rs"]
#[allow(dead_code, reason = "other tests use the rest")]
mod recovery_page;

use std::collections::HashMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use damage::{flip, rows};
use glassdome_tests::{Out, PASSWORD, User, World, text, wait_until};
use recovery_page::follow;
use serde_json::Value;

const OTHER: &str = "eleven badgers weave soft rope";

fn recover(world: &World, args: &[&str], password: &str) -> Out {
    let args = [&["storage", "recover", "--password-stdin"], args].concat();
    world.ctl(&args).stdin(format!("{password}\n")).output()
}

fn status(world: &World) -> Value {
    serde_json::from_slice(&world.ctl(&["storage", "status", "--json"]).ok()).unwrap()
}

/// What lies beside the vault, by name.
fn beside(world: &World) -> Vec<String> {
    let directory = world.vault().parent().unwrap().to_owned();
    let names =
        fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<_> = names.filter(|name| name != "vault.redo").collect();
    names.sort();
    names
}

/// A backup in another world, as its user has it.
fn brought(world: &World, backup: &[u8]) -> PathBuf {
    let path = world.file("brought", backup);
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    User::A.own(&path).unwrap();
    path
}

#[test]
fn a_backup_is_all_that_another_machine_needs() {
    let world = World::unlocked();
    world.set("prod/database", "1");
    world.set("prod/database", "2");
    world.set("large", vec![7; 1 << 20]);
    assert_eq!(status(&world)["last_backup"], Value::Null);
    assert!(world.ctl(&["storage"]).output().stderr.contains("a backup is due"));
    let file = world.home("vault.backup");
    world.ctl(&["storage", "backup", text(&file)]).ok();
    assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    assert!(status(&world)["last_backup"].is_u64());
    assert!(!world.ctl(&["storage"]).output().stderr.contains("due"));
    world.ctl(&["storage", "backup", text(&file)]).refused(9);
    world.ctl(&["storage", "backup", "--replace", text(&file)]).ok();
    // Locked, and by a pipe, too: it is the same.
    world.ctl(&["lock"]).ok();
    let piped = world.ctl(&["storage", "backup", "-"]).ok();
    assert!(piped.starts_with(b"GLDMBAK1"));
    for secret in [&b"prod/database"[..], PASSWORD.as_bytes(), &[7; 64]] {
        assert!(!piped.windows(secret.len()).any(|part| part == secret), "all of it is sealed");
    }

    let there = World::new();
    let backup = brought(&there, &piped);
    recover(&there, &["--check", text(&backup)], "not the password").refused(7);
    let out = recover(&there, &["--check", text(&backup)], PASSWORD);
    assert!(out.stderr.contains("2 secrets"), "{}", out.stderr);
    out.ok();
    assert!(beside(&there).is_empty(), "{:?}", beside(&there));
    recover(&there, &[text(&backup)], PASSWORD).ok();
    assert_eq!(beside(&there), ["vault"]);
    there.unlock(PASSWORD, &[]).ok();
    assert_eq!(there.ctl(&["get", "prod/database"]).ok(), b"2");
    assert_eq!(there.ctl(&["get", "large"]).ok(), vec![7; 1 << 20]);
    there.ctl(&["restore", "prod/database@1"]).ok();
    assert_eq!(there.ctl(&["get", "prod/database"]).ok(), b"1");
    let outcomes = || -> Vec<Value> {
        let records = there.audit().into_iter().filter(|record| record["event"] == "recover");
        records.map(|record| record["outcome"].clone()).collect()
    };
    assert_eq!(outcomes(), ["allowed"]);

    // Nothing can be put in a place beside which there is no room for changes: that it failed is recorded, too.
    there.ctl(&["stop"]).ok();
    fs::remove_file(there.vault()).unwrap();
    fs::create_dir(there.vault().with_file_name("vault.redo")).unwrap();
    recover(&there, &[text(&backup)], PASSWORD).refused(12);
    assert_eq!(outcomes(), ["allowed", "allowed", "failed"]);
    assert!(beside(&there).is_empty(), "{:?}", beside(&there));
}

#[test]
fn what_is_recovered_over_stays_under_another_name_and_a_bad_backup_changes_nothing() {
    let world = World::unlocked();
    world.set("a", "old");
    let file = world.home("vault.backup");
    world.ctl(&["storage", "backup", text(&file)]).ok();
    let whole = fs::read(&file).unwrap();
    world.set("a", "new");
    let passwd = format!("{PASSWORD}\n{OTHER}\n");
    world.ctl(&["passwd", "--password-stdin"]).stdin(passwd).ok();
    // While a daemon serves, it can be tried.
    recover(&world, &["--check", text(&file)], PASSWORD).ok();
    recover(&world, &["--check", text(&file)], OTHER).refused(7);
    world.ctl(&["get", "a"]).ok();

    let mut flipped = whole.clone();
    flipped[whole.len() / 2] ^= 1;
    for bad in [&flipped[..], &whole[..whole.len() - 1], b"GLDMBAK1", b""] {
        let out = recover(&world, &[text(&brought(&world, bad))], PASSWORD);
        assert!(out.refused(10).contains("cut or damaged"));
    }
    recover(&world, &[text(&world.home("none"))], PASSWORD).refused(2);
    let own = recover(&world, &[text(&world.vault())], PASSWORD);
    assert!(own.refused(2).contains("that is a vault's file, not a backup"));
    recover(&world, &[text(&file)], "not the password").refused(7);
    assert_eq!(beside(&world), ["vault"]);
    assert_eq!(world.ctl(&["get", "a"]).ok(), b"new", "the session goes on");

    // Also where the vault that knows of it can only be read.
    world.ctl(&["panic"]).ok();
    fs::set_permissions(world.vault(), fs::Permissions::from_mode(0o400)).unwrap();
    let out = recover(&world, &[text(&file)], PASSWORD);
    assert!(out.stderr.contains("1 secret."), "{}", out.stderr);
    out.ok();
    let names = beside(&world);
    assert_eq!((names.len(), &*names[0]), (2, "vault"), "{names:?}");
    world.unlock(PASSWORD, &[]).refused(3);
    world.unlock(PASSWORD, &["--end-panic"]).ok();
    assert_eq!(world.ctl(&["get", "a"]).ok(), b"old");
    // The way back: the former vault is one as before.
    world.ctl(&["stop"]).ok();
    fs::rename(world.vault().with_file_name(&names[1]), world.vault()).unwrap();
    fs::set_permissions(world.vault(), fs::Permissions::from_mode(0o600)).unwrap();
    assert!(world.unlock(OTHER, &["--end-panic"]).refused(10).contains("an older one"));
    world.unlock(OTHER, &["--accept-rollback"]).ok();
    assert_eq!(world.ctl(&["get", "a"]).ok(), b"new");
}

#[test]
fn the_pages_for_a_damaged_backup_and_for_none_are_followed() {
    let world = World::unlocked();
    let long = "work/a-name-that-is-the-longest";
    for (name, value) in [("work/a", "1"), ("mail/b", "2"), ("other", &*"x".repeat(1500)), (long, "4")] {
        world.set(name, value);
    }
    let file = |name: &str| text(&world.home(name)).to_owned();
    world.ctl(&["storage", "backup", &file("vault-before.backup")]).ok();
    world.set("work/a", "3");
    world.ctl(&["storage", "backup", &file("vault.backup")]).ok();
    let mut flipped = fs::read(file("vault.backup")).unwrap();
    let middle = flipped.len() / 2;
    flipped[middle] ^= 1;
    fs::write(file("vault.backup"), flipped).unwrap();
    let mut refused = world.terminal("ctl storage recover vault.backup");
    refused.expect("the backup is cut or damaged: nothing was changed. Take another one");

    let page = follow("A backup is damaged");
    let [again, is_whole, before, start] = page.lines();
    let asked = ("Master password of the backup, or its recovery code: ", PASSWORD);
    page.typed_at(&world, again, &[]);
    page.typed_at(&world, is_whole, &[asked]).expect("4 secrets,");
    page.typed_at(&world, before, &[asked]);
    page.typed_at(&world, start, &[("Master password: ", PASSWORD)]);
    world.unlock(PASSWORD, &[]).ok();
    assert_eq!(world.ctl(&["get", "work/a"]).ok(), b"1");

    let stopped = || assert!(wait_until(|| world.daemon().is_none(), Duration::from_secs(20)));
    world.ctl(&["stop"]).ok();
    stopped();
    let (_, longest) = rows(&world, "values").into_iter().max_by_key(|(_, row)| row.len()).unwrap();
    flip(&world, &longest);
    let (id, known) = rows(&world, "meta").into_iter().max_by_key(|(_, row)| row.len()).unwrap();
    flip(&world, &known);
    world.start(PASSWORD);
    let list = world.ctl(&["list"]).output();
    assert_eq!((list.code, &*list.stdout), (10, &b"mail/b\nother\nwork/a\n"[..]), "{}", list.stderr);
    assert!(list.stderr.contains(&format!("what is known of {long} is damaged")), "{}", list.stderr);
    assert_eq!(world.ctl(&["get", long]).ok(), b"4");
    let all = world.ctl(&["export", "--password-stdin", "--out", &file("all.json")]);
    let said = all.stdin(format!("{PASSWORD}\n")).refused(10);
    assert!(said.contains("other is damaged") && !world.home("all.json").exists(), "{said}");
    let page = follow("There is no backup to recover from");
    let [export, stop, away, start, import, shred] = page.lines();
    page.begun_at(&world, export, &[("Master password: ", PASSWORD)]).expect("3 out");
    page.typed_at(&world, stop, &[]);
    stopped();

    // One of which neither row opens could be any: patterns might leave it out unseen, and names do not.
    let whole = fs::read(world.vault()).unwrap();
    let (_, nameless) = rows(&world, "values").into_iter().find(|(key, _)| key.starts_with(&id)).unwrap();
    flip(&world, &nameless);
    world.start(PASSWORD);
    let out = |what: &[&str], to: &str| {
        let export = world.ctl(&[&["export"], what, &["--password-stdin", "--out", &file(to)]].concat());
        export.stdin(format!("{PASSWORD}\n"))
    };
    let said = out(&["work/**"], "some.json").refused(10);
    assert!(said.contains("whose name is not known") && !world.home("some.json").exists(), "{said}");
    let said = out(&["work/a", "mail/b"], "two.json").output();
    assert!(said.code == 0 && said.stderr.contains("2 out"), "{}", said.stderr);
    world.ctl(&["stop"]).ok();
    stopped();
    fs::write(world.vault(), whole).unwrap();

    world.shell(page.takes(away)).output();
    // The terminal in which it is unlocked is the one that imports.
    let mut terminal = world.terminal(&[start, import].map(|line| page.takes(line)).join(" && "));
    for asked in ["New master password (not shown): ", "Once more: "] {
        terminal.expect(asked);
        terminal.send_line(PASSWORD);
    }
    terminal.expect("3 in");
    world.shell(page.takes(shred)).output().ok();
    world.unlock(PASSWORD, &[]).ok();
    assert_eq!(world.ctl(&["list"]).ok(), format!("mail/b\nwork/a\n{long}\n").as_bytes());
    assert_eq!(
        (world.ctl(&["get", "work/a"]).ok(), world.ctl(&["get", "mail/b"]).ok()),
        (b"1".into(), b"2".into())
    );
    let beside = fs::read_dir(world.vault().parent().unwrap()).unwrap();
    let kept = beside.filter(|one| one.as_ref().unwrap().path().join("vault").exists()).count();
    assert!(kept == 1 && !world.home("rest.json").exists());
    let test = world.ctl(&["storage", "test", "--json"]).output();
    let found: Value = serde_json::from_slice(&test.stdout).unwrap();
    assert_eq!((test.code, &found["sound"]), (0, &true.into()), "the log goes on, too: {found}");
}

#[test]
fn the_log_is_judged_by_the_newest_memory_of_it_that_there_is() {
    let world = World::unlocked();
    world.set("a", "1");
    let file = world.home("vault.backup");
    world.ctl(&["storage", "backup", text(&file)]).ok();
    let log = world.state().join("glassdome/audit.jsonl");
    let then = fs::read(&log).unwrap();
    let key = world.home("key");
    let new_key = ["audit", "new-key", "--key-file", text(&key), "--password-stdin"];
    world.ctl(&new_key).stdin(format!("{PASSWORD}\n")).ok();
    world.ctl(&["get", "a"]).ok();
    // The backup knows no auditor, and the log is honest.
    recover(&world, &[text(&file)], PASSWORD).ok();
    let audit = || -> Value {
        world.unlock(PASSWORD, &[]).ok();
        let status: Value = serde_json::from_slice(&world.ctl(&["status", "--json"]).ok()).unwrap();
        status["audit"]["state"].clone()
    };
    assert_eq!(audit(), "sealed");

    // What the vault in the place remembers is gone from it, and would not be missed by the backup.
    world.ctl(&["stop"]).ok();
    let place = world.vault();
    let (kept, whole) = (fs::read(&place).unwrap(), fs::read(&log).unwrap());
    fs::write(&log, &then).unwrap();
    let out = recover(&world, &[text(&file)], PASSWORD);
    assert!(!out.stderr.contains("judged"), "{}", out.stderr);
    assert_eq!(audit(), "alarm");

    // Where none is in the place, the backup judges, which knows no auditor: the log goes aside, and nothing of its
    // seals is held against the one that begins.
    world.ctl(&["stop"]).ok();
    fs::remove_file(&place).unwrap();
    recover(&world, &[text(&file)], PASSWORD).ok();
    assert_eq!(audit(), "alarm");
    world.ctl(&["audit", "accept", "--password-stdin"]).stdin(format!("{PASSWORD}\n")).ok();
    world.ctl(&["audit", "verify"]).ok();
    world.ctl(&["stop"]).ok();
    assert_eq!(audit(), "chained");
    world.ctl(&["audit", "verify"]).ok();

    // Where it cannot be asked, that is said, and nothing is changed in it.
    world.ctl(&["stop"]).ok();
    let state = log.parent().unwrap();
    fs::remove_dir_all(state).unwrap();
    fs::create_dir(state).unwrap();
    fs::set_permissions(state, fs::Permissions::from_mode(0o700)).unwrap();
    User::A.own(state).unwrap();
    let mut damaged = kept.clone();
    damaged[..4096].fill(7);
    fs::write(&place, &damaged).unwrap();
    let before = beside(&world);
    let out = recover(&world, &[text(&file)], PASSWORD);
    for said in ["judged by what the backup remembers", "whether there was a panic is not known"] {
        assert!(out.stderr.contains(said), "{}", out.stderr);
    }
    let new: Vec<_> = beside(&world).into_iter().filter(|name| !before.contains(name)).collect();
    assert_eq!(new.len(), 1, "{new:?}");
    assert_eq!(fs::read(place.with_file_name(&new[0])).unwrap(), damaged);
    assert_eq!(audit(), "alarm", "a log that was taken away is missed");
    assert!(whole.len() > then.len());
}

#[test]
fn under_load_a_backup_has_all_that_was_acknowledged_before_it() {
    let world = World::unlocked();
    let (acknowledged, backups) = thread::scope(|scope| {
        let sets = scope.spawn(|| {
            let mut acknowledged = Vec::new();
            for at in 0..40 {
                world.set(&format!("n/{}", at % 8), format!("{at}"));
                acknowledged.push(at);
            }
            acknowledged
        });
        let backups: Vec<_> = (0..4)
            .map(|at| {
                // Before it and behind it: what it must have, and cannot have.
                let file = world.home(&format!("backup-{at}"));
                let last = || world.ctl(&["list", "n/**", "--json"]).ok();
                let before = versions(&last());
                world.ctl(&["storage", "backup", text(&file)]).ok();
                (file, before, versions(&last()))
            })
            .collect();
        (sets.join().unwrap(), backups)
    });
    assert_eq!(acknowledged.len(), 40);
    let (file, before, after) = &backups[3];
    let there = World::new();
    let backup = brought(&there, &fs::read(file).unwrap());
    recover(&there, &[text(&backup)], PASSWORD).ok();
    assert!(wait_until(|| there.unlock(PASSWORD, &[]).code == 0, Duration::from_secs(5)));
    let found = versions(&there.ctl(&["list", "n/**", "--json"]).ok());
    for (name, version) in &found {
        assert!(
            before.get(name).is_none_or(|before| before <= version),
            "{name} lacks what was acknowledged"
        );
        assert!(after.get(name).is_some_and(|after| version <= after), "{name} is of no moment");
    }
    assert!(before.keys().all(|name| found.contains_key(name)));
}

fn versions(list: &[u8]) -> HashMap<String, u64> {
    let list: Value = serde_json::from_slice(list).unwrap();
    let version =
        |entry: &Value| (entry["name"].as_str().unwrap().to_owned(), entry["version"].as_u64().unwrap());
    list.as_array().unwrap().iter().map(version).collect()
}
