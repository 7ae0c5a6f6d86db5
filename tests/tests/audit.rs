//! What others do to the audit log is seen: it is set aside, its owner is told and not locked out, and nothing is
//! served unlogged. An honest log is never taken for another, however its daemon ends.
#![allow(clippy::unwrap_used, reason = "what is not there fails the test")]

use std::fs;
use std::io::Write;
use std::os::unix::fs::{FileExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::Duration;

use glassdome_tests::{PASSWORD, User, World, text, wait_until};
use serde_json::Value;

const SOON: Duration = Duration::from_secs(30);

fn dir(world: &World) -> PathBuf {
    world.state().join("glassdome")
}

fn active(world: &World) -> PathBuf {
    dir(world).join("audit.jsonl")
}

fn stop(world: &World) {
    let daemon = world.daemon().expect("a daemon runs");
    world.ctl(&["stop"]).ok();
    daemon.wait_for_end();
}

fn state(world: &World) -> String {
    world.status()["audit"]["state"].as_str().unwrap().to_owned()
}

fn asides(world: &World) -> Vec<PathBuf> {
    let all = fs::read_dir(dir(world)).unwrap().map(|entry| entry.unwrap().path());
    all.filter(|path| text(path).contains("set-aside")).collect()
}

/// Whether all that was recorded is on the disk, and in the vault, if that was to be told: the link is left last.
fn is_settled(world: &World) -> bool {
    let Ok(link) = fs::read(dir(world).join("audit.link")) else { return false };
    let last = world.audit().last().unwrap()["seq"].as_u64().unwrap();
    // docs/audit.md: GLNK ‖ 1 ‖ log id (16) ‖ the record (u64, little endian).
    link[21..29] == last.to_le_bytes()
}

fn with_password(world: &World, args: &[&str]) -> glassdome_tests::Out {
    world.ctl(&[args, &["--password-stdin"]].concat()).stdin(format!("{PASSWORD}\n")).output()
}

/// The log is one chain, which ends where the daemon says.
fn assert_chained(world: &World) -> Vec<Value> {
    let mut files: Vec<PathBuf> =
        fs::read_dir(dir(world)).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|end| end == "jsonl"));
    // `audit-…` comes before `audit.jsonl`.
    files.sort();
    let lines: Vec<String> = files
        .iter()
        .flat_map(|file| fs::read_to_string(file).unwrap().lines().map(str::to_owned).collect::<Vec<_>>())
        .collect();
    let records: Vec<Value> = lines.iter().map(|line| serde_json::from_str(line).unwrap()).collect();
    for (n, record) in records.iter().enumerate() {
        assert_eq!(record["seq"], n as u64 + 1, "{record}");
        assert_eq!(record["prev"].as_str().unwrap().len(), 64);
    }
    records
}

#[test]
fn a_log_that_was_replaced_while_nobody_looked_is_set_aside_and_accepted() {
    let world = World::unlocked();
    world.set("a/b", "1");
    assert!(wait_until(|| state(&world) == "chained", SOON));
    stop(&world);
    let unlocked = || {
        let out = world.unlock(PASSWORD, &["--quiet"]);
        assert_eq!(out.code, 0, "{}", out.stderr);
        out.stderr.contains("note: the audit log is not as it was left. Look: ctl audit verify")
    };
    assert!(!unlocked(), "control");
    assert_eq!(state(&world), "chained", "control: an honest log raises no alarm");
    assert!(asides(&world).is_empty());
    stop(&world);
    // Its last records are cut off, at the end of a line: the file alone shows nothing.
    let log = fs::read_to_string(active(&world)).unwrap();
    let lines: Vec<&str> = log.split_inclusive('\n').collect();
    fs::write(active(&world), lines[..lines.len() - 4].concat()).unwrap();
    assert!(unlocked(), "whoever unlocks is told");
    assert_eq!(world.ctl(&["get", "a/b"]).ok(), b"1", "nobody is locked out");
    assert_eq!(state(&world), "alarm");
    let records = assert_chained(&world);
    assert_eq!(records[0]["by"], "truncated");
    assert_eq!((&records[1]["event"], &records[1]["by"]), (&"alarm".into(), &"truncated".into()));
    let aside = asides(&world);
    assert!(
        fs::read_to_string(aside[0].join("audit.jsonl"))
            .unwrap()
            .starts_with(&lines[..lines.len() - 4].concat())
    );
    let doctor = world.ctl(&["doctor"]).output();
    assert!(String::from_utf8_lossy(&doctor.stdout).contains("ctl audit accept"));

    // The alarm outlives the daemon, however often; and it is one log that is set aside, not one an unlock.
    for _ in 0..2 {
        stop(&world);
        world.start(PASSWORD);
        assert_eq!(state(&world), "alarm");
    }
    assert_eq!(asides(&world).len(), 1);
    assert_eq!(with_password(&world, &["audit", "accept"]).code, 0);
    assert_eq!(state(&world), "chained");
    assert_eq!(with_password(&world, &["audit", "accept"]).code, 9, "there is nothing to accept");
    stop(&world);
    world.start(PASSWORD);
    assert_eq!(state(&world), "chained");
    // Another log altogether, in the place of this one.
    stop(&world);
    fs::remove_file(active(&world)).unwrap();
    world.start(PASSWORD);
    assert_eq!(state(&world), "alarm");
    assert_eq!(assert_chained(&world)[0]["by"], "replaced");
}

/// Puts another digit into the record of this number in a file, and nothing else.
fn edit(file: &Path, record: usize) {
    let log = fs::read_to_string(file).unwrap();
    let line: usize = log.split_inclusive('\n').take(record - 1).map(str::len).sum();
    let at = line + log[line..].find("\"boot_ms\":").unwrap() + 10;
    let other = if log.as_bytes()[at] == b'7' { b"8" } else { b"7" };
    fs::File::options().write(true).open(file).unwrap().write_all_at(other, at as u64).unwrap();
}

#[test]
fn an_edit_before_what_the_vault_remembers_is_seen_behind_the_unlock_and_no_session_ends() {
    let world = World::unlocked();
    world.set("a/b", "1");
    let read = || world.daemon_log().matches("records of the audit log were read").count();
    assert!(wait_until(|| read() == 1, SOON));
    world.ctl(&["lock"]).ok();
    world.start(PASSWORD);
    assert!(wait_until(|| read() == 2, SOON));
    assert_eq!((state(&world), asides(&world).len()), ("chained".to_owned(), 0), "control");
    world.ctl(&["lock"]).ok();
    let lines = fs::read_to_string(active(&world)).unwrap().lines().count();
    edit(&active(&world), 3);
    world.start(PASSWORD);
    assert!(wait_until(|| state(&world) == "alarm", SOON));
    assert_eq!(world.status()["state"], "unlocked");
    assert_eq!(world.ctl(&["get", "a/b"]).ok(), b"1");
    let aside = fs::read_to_string(asides(&world)[0].join("audit.jsonl")).unwrap();
    assert!(aside.lines().count() > lines, "what the session had recorded is with it");
    let records = assert_chained(&world);
    assert_eq!(records[0]["by"], "edited");
    let get = records.iter().rfind(|record| record["event"] == "get").unwrap();
    assert_eq!(records[get["session"].as_u64().unwrap() as usize - 1]["event"], "alarm");
    // Whoever gives the password to the session that is open is told, too, until it is accepted.
    let told = |told| {
        let out = world.unlock(PASSWORD, &["--quiet"]);
        assert_eq!((out.code, out.stderr.contains("note: the audit log is not as it was left.")), (0, told));
    };
    told(true);
    world.ctl(&["audit", "verify"]).refused(10);
    assert_eq!(with_password(&world, &["audit", "accept"]).code, 0);
    told(false);
    world.ctl(&["audit", "verify"]).ok();
    world.ctl(&["audit", "verify", text(&asides(&world)[0])]).refused(10);
}

#[test]
fn a_file_that_is_full_makes_room_for_another_and_both_are_one_log() {
    const FULL: u64 = 16 * 1024 * 1024;
    let world = World::unlocked();
    let key = world.home("auditor.key");
    assert_eq!(with_password(&world, &["audit", "new-key", "--key-file", text(&key)]).code, 0);
    // Names and paths that are long, and longer in JSON: few records fill a file.
    let name = ["a/", &"\"".repeat(500)].concat();
    let mut deep = "\"".repeat(200);
    for _ in 0..4 {
        fs::create_dir(world.home(&deep)).unwrap();
        User::A.own(&world.home(&deep)).unwrap();
        deep += &["/", &"\"".repeat(200)].concat();
    }
    let deep = Path::new(&deep).parent().unwrap();
    world.file(text(&deep.join("client.py")), include_str!("../python/client.py"));
    let script = world.file(text(&deep.join("many_gets.py")), include_str!("../python/many_gets.py"));
    world.set(&name, "1");
    world.allow_python(&script);
    let socket = world.socket();
    let read = |requests: &str| world.python(&script, &[text(&socket), &name, requests]).ok();
    let full = |world: &World| {
        let mut names: Vec<_> =
            fs::read_dir(dir(world)).unwrap().map(|entry| entry.unwrap().path()).collect();
        names.retain(|path| text(path).contains("audit-0"));
        names.sort();
        names
    };
    let before = fs::metadata(active(&world)).unwrap().len();
    read("4");
    let request = (fs::metadata(active(&world)).unwrap().len() - before) / 4;
    read(&(FULL / request + 4).to_string());
    // The first was closed when the auditor came.
    let files = full(&world);
    assert_eq!(files.len(), 2);
    let filled = fs::metadata(&files[1]).unwrap().len();
    assert!((FULL..FULL + 8192).contains(&filled), "{filled}");
    world.ctl(&["audit", "verify", "--key-file", text(&key)]).ok();
    assert_eq!(state(&world), "sealed");
    // What is in a full file no unlock reads, and no start does.
    stop(&world);
    edit(&files[1], 1000);
    world.start(PASSWORD);
    // It is read at the least priority: where others work, that takes its time.
    assert!(wait_until(|| state(&world) == "alarm", Duration::from_secs(60)));
    assert_eq!(world.status()["state"], "unlocked");
    assert_eq!((full(&world).len(), asides(&world).len()), (0, 1));
}

#[test]
fn what_keeps_the_log_from_another_file_ends_the_session_and_says_so() {
    let world = World::unlocked();
    world.set("a/b", "1");
    stop(&world);
    let before = fs::read(world.vault()).unwrap();
    world.start(PASSWORD);
    let key = world.home("auditor.key");
    let mode = |mode| fs::set_permissions(dir(&world), fs::Permissions::from_mode(mode)).unwrap();
    // A file can be written to in there, and none made.
    mode(0o500);
    let new_key = ["audit", "new-key", "--key-file", text(&key)];
    let out = with_password(&world, &new_key);
    let (code, refused) = (out.code, out.stderr);
    assert_eq!(code, 12, "{refused}");
    assert!(refused.contains("audit.next") && refused.contains("locked"), "{refused}");
    assert!(key.exists(), "it may be in force");
    let status = world.status();
    assert_eq!((&status["state"], &status["reason"]), (&"locked".into(), &"unlogged".into()));
    mode(0o700);
    world.unlock(PASSWORD, &[]).ok();
    fs::remove_file(&key).unwrap();
    assert_eq!(with_password(&world, &new_key).code, 0, "control");
    assert_eq!((state(&world), asides(&world).len()), ("sealed".to_owned(), 0));
    assert_chained(&world);
    // A vault from before does not know that auditor, and must not go on in a log with their seals.
    stop(&world);
    fs::write(world.vault(), before).unwrap();
    assert_eq!(world.unlock(PASSWORD, &["--accept-rollback"]).code, 0);
    assert_eq!(state(&world), "alarm");
    assert_eq!(assert_chained(&world)[0]["by"], "other-auditor");
    world.ctl(&["audit", "verify", text(&asides(&world)[0]), "--key-file", text(&key)]).ok();
}

#[test]
fn a_log_whose_directory_is_taken_away_begins_again_and_is_an_alarm() {
    let world = World::unlocked();
    world.set("a/b", "1");
    fs::remove_dir_all(dir(&world)).unwrap();
    let locked = || world.status()["reason"] == "unlogged";
    assert!(wait_until(locked, SOON));
    assert!(wait_until(|| active(&world).exists(), SOON));
    assert_eq!(fs::metadata(dir(&world)).unwrap().permissions().mode() & 0o7777, 0o700);
    world.unlock(PASSWORD, &[]).ok();
    assert_eq!(world.ctl(&["get", "a/b"]).ok(), b"1");
    assert_eq!(state(&world), "alarm");
    assert!(asides(&world)[0].join("audit-was-open.jsonl").exists());
    assert_eq!(assert_chained(&world)[0]["by"], "touched");
    let doctor = world.ctl(&["doctor"]).output();
    let doctor = String::from_utf8_lossy(&doctor.stdout);
    assert!(doctor.contains("ctl audit accept") && !doctor.contains("set-aside"), "{doctor}");
}

#[test]
fn who_touches_the_log_while_it_is_written_ends_the_session() {
    let touches: [fn(&Path); 3] = [
        |log| fs::File::options().append(true).open(log).unwrap().write_all(b"{}\n").unwrap(),
        |log| fs::File::options().write(true).open(log).unwrap().set_len(100).unwrap(),
        |log| {
            let held = fs::read(log).unwrap();
            fs::remove_file(log).unwrap();
            fs::write(log, held).unwrap();
            User::A.own(log).unwrap();
        },
    ];
    // They wait most of the time.
    thread::scope(|scope| {
        for touch in touches {
            scope.spawn(move || touch_while_it_is_written(touch));
        }
    });
}

fn touch_while_it_is_written(touch: fn(&Path)) {
    let world = World::unlocked();
    world.set("a/b", "1");
    // Whatever was recorded is on the disk, and looked at.
    thread::sleep(Duration::from_millis(1200));
    assert_eq!(world.status()["state"], "unlocked", "control");
    touch(&active(&world));
    world.ctl(&["get", "a/b"]).output();
    let ended = || world.status()["state"] == "locked";
    assert!(wait_until(ended, Duration::from_secs(10)));
    assert_eq!(world.status()["reason"], "unlogged");
    let is_aside = || state(&world) == "alarm" && asides(&world).len() == 1;
    assert!(wait_until(is_aside, Duration::from_secs(10)));
    world.start(PASSWORD);
    assert_eq!(asides(&world).len(), 1, "the new log is not to blame");
    assert_eq!(assert_chained(&world)[0]["by"], "touched");
    assert_eq!(with_password(&world, &["audit", "accept"]).code, 0);
    world.ctl(&["lock"]).ok();
    world.start(PASSWORD);
    assert_eq!((state(&world), asides(&world).len()), ("chained".to_owned(), 1));
}

#[test]
fn a_torn_last_line_is_cut_off_and_an_auditors_seals_go_on() {
    let world = World::unlocked();
    assert_eq!(world.ctl(&["audit", "new-key"]).output().code, 2, "not into a pipe");
    let made = with_password(&world, &["audit", "new-key", "--key-file", text(&world.file("there", ""))]);
    assert_ne!(made.code, 0, "never over what is there");
    let key = world.home("auditor-key");
    let made = with_password(&world, &["audit", "new-key", "--key-file", text(&key)]);
    assert_eq!(made.code, 0, "{}", made.stderr);
    assert!(fs::read_to_string(&key).unwrap().starts_with("glassdome-auditor-1-"));
    assert_eq!(state(&world), "sealed");
    world.set("a/b", "1");
    assert!(wait_until(|| is_settled(&world), SOON));
    world.daemon().expect("a daemon runs").kill();
    fs::File::options().append(true).open(active(&world)).unwrap().write_all(b"{\"seq\":99,\"ti").unwrap();
    world.start(PASSWORD);
    assert_eq!(state(&world), "sealed");
    let records = assert_chained(&world);
    let repair = records.iter().find(|record| record["event"] == "repair").unwrap();
    assert_eq!(repair["cut"], 13);
    let seals: Vec<&Value> = records
        .iter()
        .filter(|record| record["event"] == "seal")
        .map(|record| &record["key"]["linked"])
        .collect();
    assert_eq!(seals[0], "origin");
    let linked = seals.iter().filter(|linked| linked["seq"].is_u64()).count();
    assert_eq!(linked, 1, "the run goes on from the one before: {seals:?}");
    assert_eq!(seals[seals.len() - 1], "running", "each session has a key of its own");
    let from = records.iter().position(|record| record["event"] == "seal").unwrap();
    assert!(records[from..].iter().all(|record| record["mac"].as_str().is_some_and(|mac| mac.len() == 32)));
    stop(&world);
    world.ctl(&["audit", "verify", "--key-file", text(&key)]).ok();
    // The session of each record is that of its unlock.
    let get = records.iter().find(|record| record["event"] == "set").unwrap();
    let unlock = &records[get["session"].as_u64().unwrap() as usize - 1];
    assert_eq!(unlock["event"], "unlock");

    // Without its link the next run begins its seals anew, which is an alarm until its owner accepts it; an auditor
    // does not take the owner's word.
    fs::remove_file(world.state().join("glassdome/audit.link")).unwrap();
    world.start(PASSWORD);
    assert_eq!(state(&world), "alarm");
    world.ctl(&["audit", "verify"]).refused(10);
    assert_eq!(with_password(&world, &["audit", "accept"]).code, 0);
    for _ in 0..2 {
        assert_eq!(state(&world), "sealed");
        let verdict = world.ctl(&["audit", "verify"]).text();
        assert!(verdict.contains("with which it was accepted"), "{verdict}");
        let auditors = world.ctl(&["audit", "verify", "--key-file", text(&key)]).output();
        assert!(auditors.code == 10 && auditors.stderr.contains("unlinked"), "{}", auditors.stderr);
        // The vault remembers it, not the daemon alone.
        stop(&world);
        world.start(PASSWORD);
    }
}

#[test]
fn no_answer_without_its_record_however_the_daemon_ends() {
    let world = World::unlocked();
    world.set("a/b", "1");
    let mut answered = 0;
    for round in 0..3 {
        let served = thread::scope(|scope| {
            let world = &world;
            let clients: Vec<_> = (0..2)
                .map(|_| {
                    scope.spawn(move || {
                        let mut served = 0;
                        while world.ctl(&["get", "a/b"]).output().code == 0 {
                            served += 1;
                        }
                        served
                    })
                })
                .collect();
            thread::sleep(Duration::from_millis(300 + 200 * round));
            world.daemon().expect("a daemon runs").kill();
            clients.into_iter().map(|client| client.join().unwrap()).sum::<usize>()
        });
        answered += served;
        world.start(PASSWORD);
        assert_eq!(state(&world), "chained", "a killed daemon's log is honest");
    }
    let records = assert_chained(&world);
    let gets =
        records.iter().filter(|record| record["event"] == "get" && record["outcome"] == "allowed").count();
    assert!(answered >= 10, "there was load: {answered}");
    assert!(gets >= answered, "{answered} were answered, and {gets} recorded");
}

#[test]
fn whoever_keeps_the_link_from_being_left_cannot_cut_the_log_unseen() {
    // `None`: nothing is planted, which shows that an honest run raises no alarm.
    let plants: [Option<fn(&Path)>; 3] = [
        None,
        Some(|link| fs::create_dir(link).unwrap()),
        Some(|link| assert!(Command::new("mkfifo").arg(link).status().unwrap().success())),
    ];
    // They wait most of the time.
    thread::scope(|scope| {
        for plant in plants {
            scope.spawn(move || keep_the_link_from_being_left(plant));
        }
    });
}

fn keep_the_link_from_being_left(plant: Option<fn(&Path)>) {
    let world = World::unlocked();
    world.set("a/b", "1");
    let key = world.home("auditor-key");
    assert_eq!(with_password(&world, &["audit", "new-key", "--key-file", text(&key)]).code, 0);
    let link = dir(&world).join("audit.link");
    let (held, before) = (fs::read(&link).unwrap(), fs::metadata(active(&world)).unwrap().len());
    if let Some(plant) = plant {
        // Nothing writes the link meanwhile.
        assert!(wait_until(|| is_settled(&world), SOON));
        let planted = world.home("planted");
        plant(&planted);
        User::A.own(&planted).unwrap();
        fs::remove_file(&link).unwrap();
        fs::rename(&planted, &link).unwrap();
    }
    assert_eq!(world.ctl(&["get", "a/b"]).ok(), b"1");
    let expected = if plant.is_some() { "alarm" } else { "sealed" };
    assert!(wait_until(|| state(&world) == expected, SOON));
    assert_eq!(world.ctl(&["get", "a/b"]).ok(), b"1", "it is served all the same");
    // It is left again; and no change of the vault is under way, which would keep it from what the lock tells it.
    assert!(wait_until(|| is_settled(&world), SOON));
    world.ctl(&["lock"]).ok();
    stop(&world);
    if plant.is_some() {
        fs::write(&link, held).unwrap();
        fs::File::options().write(true).open(active(&world)).unwrap().set_len(before).unwrap();
    }
    world.start(PASSWORD);
    assert_eq!(state(&world), expected);
    assert_eq!(asides(&world).len(), usize::from(plant.is_some()));
    match plant {
        Some(_) => assert_eq!(assert_chained(&world)[0]["by"], "truncated"),
        None => drop(world.ctl(&["audit", "verify", "--key-file", text(&key)]).ok()),
    }
}

#[test]
fn what_is_called_like_a_full_file_holds_up_no_unlock_and_what_nobody_recorded_is_seen() {
    let world = World::unlocked();
    let full = dir(&world).join("audit-000000000900.jsonl");
    assert!(Command::new("mkfifo").arg(&full).status().unwrap().success());
    world.ctl(&["lock"]).ok();
    world.start(PASSWORD);
    assert_eq!((state(&world), full.exists(), asides(&world).len()), ("alarm".to_owned(), false, 0));
    thread::sleep(Duration::from_millis(1200));
    // Nothing is recorded, and it is seen all the same.
    fs::File::options().append(true).open(active(&world)).unwrap().write_all(b"{}\n").unwrap();
    assert!(wait_until(|| asides(&world).len() == 1, Duration::from_secs(10)));
    assert_eq!(world.status()["reason"], "unlogged");
}
