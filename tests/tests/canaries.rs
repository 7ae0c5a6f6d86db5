//! Bait is refused to whoever asks for its value, by whichever road and whatever speaks for it, like anything
//! else that is refused; and the session ends, with a line that says who it was.
#![allow(clippy::unwrap_used, reason = "what is not there fails the test")]

#[path = "support/askers.rs"]
#[allow(dead_code, reason = "other tests use the rest")]
mod askers;
#[path = "support/scripts.rs"]
mod scripts;

use std::path::Path;
use std::time::{Duration, Instant};

use askers::{Told, allow, asker, asking, told};
use glassdome_tests::{Out, PASSWORD, World, text};
use serde_json::{Value, json};

const ORDINARY: &str = "db/a";
const BAIT: &str = "db/bait";

/// A world with a secret and bait beside it.
fn stage() -> World {
    let world = World::unlocked();
    world.set(ORDINARY, "value");
    bait(&world, BAIT);
    world
}

fn bait(world: &World, name: &str) {
    let out = world.ctl(&["set", name, "--canary", "--stdin"]).stdin("bait").output();
    assert_eq!(out.code, 0, "{}", out.stderr);
    assert!(out.stderr.contains(&format!("stored {name} (version ")), "{}", out.stderr);
}

fn alarms(world: &World) -> Vec<Value> {
    world.audit().into_iter().filter(|record| record["event"] == "canary").collect()
}

#[track_caller]
fn open(world: &World) {
    assert_eq!(world.status()["state"], "unlocked");
}

/// That just now the session ended over `name`, asked for by what `by` allows; and begins the next one.
#[track_caller]
fn alarmed(world: &World, before: usize, name: &str, by: &str) {
    let status = world.status();
    assert_eq!((&status["state"], &status["reason"]), (&json!("locked"), &json!("canary")));
    assert!(world.ctl(&["status"]).text().starts_with("locked: a canary was touched. Unlock: "));
    let alarms = alarms(world);
    assert_eq!(alarms.len(), before + 1, "{alarms:?}");
    let alarm = alarms.last().unwrap();
    assert_eq!((&alarm["secret"], &alarm["outcome"]), (&json!(name), &json!("failed")));
    assert!(alarm["by"].as_str().unwrap().starts_with(by), "{alarm}");
    assert!(alarm["peer"]["kernel"]["pid"].is_u64(), "who it was: {alarm}");
    let lock = world.audit().into_iter().rfind(|record| record["event"] == "lock").unwrap();
    assert_eq!(lock["by"], "canary");
    world.start(PASSWORD);
}

/// A road: it reads the ordinary secret, and is refused bait.
#[track_caller]
fn is_refused<T>(world: &World, by: &str, ask: impl Fn(&str) -> T, served: impl Fn(T), denied: impl Fn(T)) {
    served(ask(ORDINARY));
    open(world);
    let before = alarms(world).len();
    denied(ask(BAIT));
    alarmed(world, before, BAIT, by);
    served(ask(ORDINARY));
}

fn denied(told: Told) {
    drop(told.denied());
}

fn printed(out: Out) {
    assert_eq!((out.code, &out.stdout[..]), (0, &b"value"[..]), "{}", out.stderr);
}

/// Nothing was given, and the refusal is the policy's.
fn nothing(code: i32) -> impl Fn(Out) {
    move |out| {
        assert_eq!((out.code, out.stdout.is_empty()), (code, true), "{}", out.stderr);
        assert!(out.stderr.contains("denied db/bait"), "{}", out.stderr);
        assert!(!out.stderr.contains("canary") && !out.stderr.contains("locked"), "{}", out.stderr);
    }
}

#[test]
fn whoever_may_have_it_is_refused_by_every_road() {
    let world = stage();
    let typed = |name: &str| world.ctl(&["get", name]).output();
    is_refused(&world, "terminal:", typed, printed, nothing(4));

    let script = asker(&world, "deploy.py");
    allow(&world, &["--secrets", "db/*", "--script", text(&script)]).ok();
    for way in ["ctl", "client"] {
        let ask = |name: &str| told(asking(&world, text(&script), &[], &[way, "get", name]));
        is_refused(&world, "rule:deploy", ask, |told| told.served("value"), denied);
    }

    let run = |name: &str| {
        let env = format!("V={name}");
        world.ctl(&["run", "--env", &env, "--", "sh", "-c", "printf %s \"$V\""]).output()
    };
    is_refused(&world, "terminal:", run, printed, nothing(125));

    let handle = |name: &str| {
        let get = format!("ctl get {name}; exit $?");
        world.ctl(&["run", "--grant", "db/*", "--", "sh", "-c", &get]).output()
    };
    is_refused(&world, "handle:", handle, printed, nothing(4));
}

#[test]
fn among_many_it_is_found_wherever_it_stands() {
    let world = stage();
    world.set("other", "another");
    let client = scripts::scripts(&world).join("client.py");
    let many = |names: &[&str]| {
        let socket = world.socket();
        let args = [&[text(&client), text(&socket), "get-many"], names].concat();
        world.program(Path::new(askers::PYTHON), &args).output()
    };
    // Nothing speaks for it, whatever it asks for; then a rule does, for what is below db.
    for (by, names) in [
        ("policy", &["other", BAIT][..]),
        ("rule:", &[ORDINARY, BAIT]),
        ("policy", &["other", ORDINARY, BAIT]),
    ] {
        if by == "rule:" {
            let names = ["--secrets", "db/*", "--script", text(&client), "--exe", askers::PYTHON];
            allow(&world, &names).ok();
            assert_eq!(many(&[ORDINARY]).code, 0, "control");
        }
        let before = alarms(&world).len();
        let out = many(names);
        assert!(out.code != 0 && out.stdout.is_empty() && out.stderr.contains("denied"), "{}", out.stderr);
        alarmed(&world, before, BAIT, by);
    }
}

#[test]
fn whoever_may_not_have_it_hears_what_it_always_hears() {
    let world = stage();
    let thief = asker(&world, "thief.py");
    let ask = |way: &str, name: &str, wait: &str| {
        told(asking(&world, text(&thief), &[], &[way, "get", name]).env("GLASSDOME_WAIT", wait)).denied()
    };
    // But for the name, and the numbers of processes and requests.
    let plain = |line: &str| {
        let line = line.replace(BAIT, "NAME").replace(ORDINARY, "NAME");
        line.chars().filter(|c| !c.is_ascii_digit()).collect::<String>()
    };
    for way in ["ctl", "client"] {
        let ordinary = ask(way, ORDINARY, "0");
        open(&world);
        let before = alarms(&world).len();
        let line = ask(way, BAIT, "0");
        assert_eq!(plain(&line), plain(&ordinary));
        alarmed(&world, before, BAIT, "policy");
    }
    // Nobody is asked about it, however long it would wait.
    let asked = || world.audit().iter().filter(|record| record["event"] == "ask").count();
    let begun = Instant::now();
    let before = (asked(), alarms(&world).len());
    ask("ctl", BAIT, "60s");
    assert!(begun.elapsed() < Duration::from_secs(20));
    assert_eq!(asked(), before.0);
    alarmed(&world, before.1, BAIT, "policy");
    let before = asked();
    ask("ctl", ORDINARY, "2s");
    assert_eq!(asked(), before + 1, "control: about another secret a person is asked");
    open(&world);
}

#[test]
fn looking_around_touches_nothing() {
    let world = stage();
    let listed = world.ctl(&["list"]).text();
    assert_eq!(listed, "db/a\ndb/bait\n");
    let info = |name: &str| world.ctl(&["info", name]).text().replace(name, "NAME").replace("value", "bait");
    let lines = |text: String| text.lines().map(|line| line.split("  ").next().unwrap().to_owned()).collect();
    let (ordinary, bait): (Vec<String>, Vec<String>) = (lines(info(ORDINARY)), lines(info(BAIT)));
    assert_eq!(ordinary, bait, "it says nothing of it");
    world.ctl(&["history", BAIT]).ok();
    // A value for it, guessed or not, is no request for its value.
    world.set(BAIT, "another");
    open(&world);
    assert_eq!(alarms(&world).len(), 0);
    world.ctl(&["get", BAIT]).refused(4);
    alarmed(&world, 0, BAIT, "terminal:");
}

#[test]
fn it_stays_bait_until_it_is_removed() {
    let world = stage();
    // A large one, which takes more than a message, and a field.
    world.ctl(&["set", "large", "--canary", "--stdin"]).stdin(vec![b'x'; 200_000]).ok();
    world.ctl(&["get", "large"]).refused(4);
    alarmed(&world, 0, "large", "terminal:");
    world.ctl(&["set", "large", "--field", "user", "--stdin"]).stdin("u").ok();
    world.ctl(&["get", "large", "--field", "user"]).refused(4);
    alarmed(&world, 1, "large", "terminal:");

    // Over a restart; under another name, and no longer under the former.
    world.ctl(&["stop"]).ok();
    world.start(PASSWORD);
    world.ctl(&["mv", BAIT, "moved"]).ok();
    world.set(BAIT, "ordinary now");
    assert_eq!(world.ctl(&["get", BAIT]).ok(), b"ordinary now");
    world.ctl(&["get", "moved"]).refused(4);
    alarmed(&world, 2, "moved", "terminal:");
    assert_eq!(world.ctl(&["get", BAIT]).ok(), b"ordinary now");

    // What was an ordinary secret becomes bait, and bait that is removed is none any more.
    world.ctl(&["rm", "moved"]).ok();
    world.ctl(&["restore", "moved@2"]).ok();
    assert_eq!(world.ctl(&["get", "moved"]).ok(), b"bait");
    bait(&world, "moved");
    world.ctl(&["get", "moved"]).refused(4);
    alarmed(&world, 3, "moved", "terminal:");
    world.ctl(&["rm", "moved", "--purge"]).ok();
    world.set("moved", "new");
    assert_eq!(world.ctl(&["get", "moved"]).ok(), b"new");
    open(&world);
    assert_eq!(alarms(&world).len(), 4);
}
