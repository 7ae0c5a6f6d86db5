//! The notification command: it is told what to look at and nothing more, has nothing of the daemon, and whatever
//! becomes of it, nobody waits for it.
#![allow(clippy::unwrap_used, reason = "what is not there fails the test")]

#[path = "support/askers.rs"]
#[allow(dead_code, reason = "other tests use the rest")]
mod askers;
#[path = "support/scripts.rs"]
mod scripts;

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use askers::{Told, asker, asking, recorded, with_password};
use glassdome_tests::{PASSWORD, Started, World, text, wait_until};
use serde_json::Value;

const SOON: Duration = Duration::from_secs(20);

/// A world with a secret, in which this command is run.
fn stage(command: &str) -> World {
    let world = World::unlocked();
    seal(&world, command);
    world.set("top/secret-name", "a value");
    world
}

fn seal(world: &World, command: &str) {
    with_password(world, &["settings", "set", "notify", command]).ok();
    // It holds from the next session on.
    world.ctl(&["lock"]).ok();
    world.start(PASSWORD);
}

/// A world whose command writes down what it is given; and where.
fn noted() -> (World, PathBuf) {
    let world = World::unlocked();
    let script = scripts::scripts(&world).join("notified.py");
    let file = world.home("notes");
    seal(
        &world,
        &format!(
            "/usr/bin/python3 -I {} {} {{title}} '{{body}}' \"$HOME; `id`\"",
            text(&script),
            text(&file)
        ),
    );
    world.set("top/secret-name", "a value");
    (world, file)
}

fn notes(file: &PathBuf) -> Vec<Value> {
    let text = fs::read_to_string(file).unwrap_or_default();
    text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
}

#[track_caller]
fn noted_times(file: &PathBuf, count: usize) -> Vec<Value> {
    let there = wait_until(|| notes(file).len() >= count, SOON);
    let notes = notes(file);
    assert!(there && notes.len() == count, "{notes:#?}");
    notes
}

/// A program that asks and waits; and its question's number.
fn ask(world: &World, name: &str) -> (Started, String) {
    let script = asker(world, name);
    let request = ["ctl", "get", "top/secret-name"];
    let started = asking(world, text(&script), &[], &request).env("GLASSDOME_WAIT", "40s").start();
    let mut id = None;
    let open = || {
        let shown: Value = serde_json::from_str(&world.ctl(&["approvals", "--json"]).text()).unwrap();
        id = shown[0]["id"].as_u64();
        id.is_some()
    };
    assert!(wait_until(open, SOON), "it asks");
    (started, id.unwrap().to_string())
}

fn refuse(world: &World, (asks, id): (Started, String)) {
    world.ctl(&["refuse", &id]).ok();
    Told::of(asks.output()).denied();
}

fn doctor(world: &World) -> String {
    let all: Value = serde_json::from_slice(&world.ctl(&["doctor", "--json"]).output().stdout).unwrap();
    let lines = all["protections"].as_array().or(all.as_array()).unwrap();
    let line = lines.iter().find(|line| line["what"] == "notifications").unwrap();
    format!("{}: {}", line["level"].as_str().unwrap(), line["why"].as_str().unwrap())
}

/// The helper's process.
fn helper(world: &World) -> i32 {
    let daemon = world.daemon_pid();
    let children = fs::read_to_string(format!("/proc/{daemon}/task/{daemon}/children")).unwrap();
    let children: Vec<i32> = children.split_whitespace().map(|pid| pid.parse().unwrap()).collect();
    assert_eq!(children.len(), 1, "one helper: {children:?}");
    children[0]
}

#[test]
fn a_question_is_told_and_nothing_of_the_daemon_goes_along() {
    let (world, file) = noted();
    assert!(doctor(&world).starts_with("on: "), "{}", doctor(&world));
    let asks = ask(&world, "deploy;$(id)<b>.py");
    let note = noted_times(&file, 1).remove(0);
    let words: Vec<&str> =
        note["words"].as_array().unwrap().iter().map(|word| word.as_str().unwrap()).collect();
    let id = &asks.1;
    assert_eq!(words[0], format!("Glassdome: question {id}"));
    assert!(
        words[1].ends_with(&format!(") wants to get a secret. Answer: ctl approve {id}, ctl refuse {id}")),
        "{words:?}"
    );
    assert!(words[1].starts_with("program python3"), "{words:?}");
    // No shell saw it.
    assert_eq!(words[2..], ["$HOME; `id`"]);
    let whole = note.to_string();
    for secret in ["secret-name", "a value", PASSWORD] {
        assert!(!whole.contains(secret), "{secret}: {whole}");
    }
    // Of the environment what a desktop needs, where it was there; nothing else that the daemon was started with.
    let names: Vec<&String> = note["environment"].as_object().unwrap().keys().collect();
    for name in &names {
        let known = ["HOME", "LANG", "PATH", "XDG_RUNTIME_DIR", "LC_CTYPE"].contains(&name.as_str());
        assert!(known, "{names:?}");
    }
    assert!(names.iter().any(|name| *name == "XDG_RUNTIME_DIR"), "control: {names:?}");
    // No descriptor but three that lead nowhere.
    let descriptors = note["descriptors"].as_object().unwrap();
    let open: Vec<_> =
        descriptors.iter().filter(|(_, leads)| !leads.as_str().unwrap().starts_with("/proc/")).collect();
    assert!(open.len() == 3 && open.iter().all(|(_, leads)| *leads == "/dev/null"), "{descriptors:?}");
    assert_eq!((&note["no_new_privs"], &note["directory"]), (&"1".into(), &"/".into()));
    assert_eq!(note["parent"], helper(&world), "the daemon itself starts nothing");
    assert_ne!(note["session"], world.daemon_pid());
    assert!(note["files"].as_u64().unwrap() <= 1024);

    // Neither does the helper hold anything.
    let helper = helper(&world);
    let leads = || -> Option<Vec<String>> {
        let links = fs::read_dir(format!("/proc/{helper}/fd")).ok()?;
        // One that is closed meanwhile leads nowhere any more.
        let leads = links.filter_map(|link| fs::read_link(link.ok()?.path()).ok());
        Some(leads.map(|leads| leads.to_string_lossy().into_owned()).collect())
    };
    if leads().is_some() {
        // What it started wrote its note before it ended, and is waited for until then.
        assert!(wait_until(|| leads().is_some_and(|leads| leads.len() == 3), SOON), "{:?}", leads());
        let leads = leads().unwrap();
        assert_eq!(leads.iter().filter(|leads| leads.starts_with("socket:")).count(), 1, "{leads:?}");
    }
    refuse(&world, asks);
    // It ends with the daemon.
    world.ctl(&["stop"]).ok();
    assert!(wait_until(|| !PathBuf::from(format!("/proc/{helper}")).exists(), SOON));
}

#[test]
fn bait_raises_an_alarm() {
    let (world, file) = noted();
    world.ctl(&["set", "bait/name", "--canary", "--stdin"]).stdin("x").ok();
    world.ctl(&["get", "bait/name"]).output();
    assert_eq!(world.status()["state"], "locked");
    let note = noted_times(&file, 1).remove(0);
    assert_eq!(note["words"][0], "Glassdome: locked");
    assert!(!note.to_string().contains("bait/name"), "{note}");
    // Locked there is nothing to tell, nor a command to tell it.
    assert!(doctor(&world).starts_with("off: "), "{}", doctor(&world));
}

#[test]
fn whatever_becomes_of_it_nobody_waits_for_it() {
    // A time to sleep that nobody else does.
    let mark = format!("1000.{}", std::process::id());
    let hangs = format!("sh -c 'sleep {mark} & yes | head -c 5000000; sleep {mark}'");
    let left = || running(&mark);
    for (command, why) in [
        ("/nowhere/at/all {body}", "could not be run"),
        ("false", "it ended with 1"),
        (&hangs, "longer than 10 s"),
    ] {
        let world = stage(command);
        let asks = ask(&world, "deploy.py");
        let begun = Instant::now();
        assert_eq!(world.ctl(&["get", "top/secret-name"]).ok(), b"a value");
        refuse(&world, asks);
        assert!(begun.elapsed() < Duration::from_secs(9), "nobody waits for {command}");
        if command == hangs {
            assert!(wait_until(|| !left().is_empty(), SOON), "control");
        }
        let failed = || doctor(&world).starts_with("degraded: ") && doctor(&world).contains(why);
        assert!(wait_until(failed, Duration::from_secs(40)), "{command}: {}", doctor(&world));
        let log = world.daemon_log();
        assert_eq!(log.matches("the notification command failed").count(), 1, "{log}");
        // What it left running is gone with it.
        assert!(wait_until(|| left().is_empty(), SOON), "{command}: {:?}", left());
    }
}

#[test]
fn a_helper_that_was_stopped_is_not_waited_for() {
    let world = stage("true");
    assert!(doctor(&world).starts_with("on: "), "{}", doctor(&world));
    let helper = helper(&world);
    let name = fs::read_to_string(format!("/proc/{helper}/comm")).unwrap();
    assert_eq!(name.trim(), "glassdomed-note");
    assert_eq!(world.shell(&format!("kill -STOP {helper}; exit $?")).output().code, 0);
    let asks = ask(&world, "deploy.py");
    // Longer than a command may take.
    let told = || doctor(&world).starts_with("off: ") && doctor(&world).contains("was stopped");
    assert!(wait_until(told, Duration::from_secs(40)), "{}", doctor(&world));
    assert!(world.daemon_log().contains("says nothing"), "{}", world.daemon_log());
    assert!(
        wait_until(|| !PathBuf::from(format!("/proc/{helper}")).exists(), SOON),
        "it was killed, and buried"
    );
    refuse(&world, asks);

    // One that is stopped when the daemon ends goes with it.
    world.ctl(&["stop"]).ok();
    world.start(PASSWORD);
    let next = self::helper(&world);
    assert_eq!(world.shell(&format!("kill -STOP {next}; exit $?")).output().code, 0);
    world.ctl(&["stop"]).ok();
    assert!(wait_until(|| has_ended(next), SOON), "it outlived the daemon");
}

/// Whether a process is gone, or waits for its parent only: where nobody adopts it, nobody asks after it.
fn has_ended(pid: i32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(')').is_none_or(|(_, rest)| rest.trim_start().starts_with('Z'))
}

/// The processes with this word among theirs.
fn running(word: &str) -> Vec<String> {
    let lines = fs::read_dir("/proc").unwrap().filter_map(|entry| {
        // Of one that has ended meanwhile there is nothing to read.
        let line = fs::read(entry.unwrap().path().join("cmdline")).ok()?;
        Some(String::from_utf8_lossy(&line).replace('\0', " "))
    });
    lines.filter(|line| line.contains(word)).collect()
}

#[test]
fn a_flood_of_questions_is_a_few_notifications_one_at_a_time() {
    let world = World::unlocked();
    let file = world.home("runs");
    let script = world.file("slow.sh", format!("echo begin >> {0}; sleep 0.3; echo end >> {0}", text(&file)));
    seal(&world, &format!("sh {}", text(&script)));
    world.set("top/secret-name", "a value");
    for n in 0..9 {
        refuse(&world, ask(&world, &format!("asker-{n}.py")));
    }
    let mut runs = String::new();
    let done = || {
        runs = fs::read_to_string(&file).unwrap_or_default();
        runs.matches("end").count() >= 6
    };
    assert!(wait_until(done, SOON), "{runs}");
    std::thread::sleep(Duration::from_secs(1));
    let runs = fs::read_to_string(&file).unwrap();
    // Nine within a minute, or few more than six if that took longer than it should.
    let count = runs.matches("begin").count();
    assert!((6..9).contains(&count), "{runs}");
    assert_eq!(runs, "begin\nend\n".repeat(count), "one at a time");
    assert!(world.daemon_log().contains("a notification was left out"));
}

#[test]
fn only_the_master_password_changes_it() {
    let world = stage("false");
    let settings = |world: &World| {
        let all: Value = serde_json::from_slice(&world.ctl(&["settings", "show", "--json"]).ok()).unwrap();
        let all = all.as_array().unwrap().clone();
        all.into_iter().find(|setting| setting["key"] == "notify").unwrap()["value"].clone()
    };
    assert_eq!(settings(&world), "false");
    world.ctl(&["settings", "set", "notify", "true"]).refused(13);
    for bad in ["", "./ring", "ring 'x", "{title}"] {
        with_password(&world, &["settings", "set", "notify", bad]).refused(2);
    }
    with_password(&world, &["settings", "set", "notify", &format!("n {}", "x".repeat(511))]).refused(2);
    assert_eq!(settings(&world), "false");
    // Neither a file nor the environment says anything else.
    let long = format!("true {}", "x".repeat(500));
    with_password(&world, &["settings", "set", "notify", &long]).ok();
    assert_eq!(settings(&world), long.as_str());
    with_password(&world, &["settings", "set", "notify", "off"]).ok();
    assert_eq!(settings(&world), "off");
    world.ctl(&["settings", "set", "notify", "true", "--password-stdin"]).stdin("wrong otters").refused(7);
    assert_eq!(recorded(&world, "change-setting", "denied")["by"], "wrong-password");
    assert_eq!(settings(&world), "off");
}

#[test]
fn a_helper_that_was_killed_takes_nothing_along() {
    let world = stage("true");
    let killed = world.shell(&format!("kill -9 {}; exit $?", helper(&world))).output();
    assert_eq!(killed.code, 0, "{}", killed.stderr);
    assert!(wait_until(|| doctor(&world).contains("has ended"), SOON), "{}", doctor(&world));
    let asks = ask(&world, "deploy.py");
    world.ctl(&["approve", &asks.1, "--yes"]).ok();
    Told::of(asks.0.output()).served("a value");
    // No zombie is left, and the next daemon has another one.
    let daemon = world.daemon_pid();
    let children = || fs::read_to_string(format!("/proc/{daemon}/task/{daemon}/children")).unwrap();
    assert!(wait_until(|| children().trim().is_empty(), SOON), "{}", children());
    world.ctl(&["stop"]).ok();
    world.start(PASSWORD);
    assert!(doctor(&world).starts_with("on: "), "{}", doctor(&world));
}
