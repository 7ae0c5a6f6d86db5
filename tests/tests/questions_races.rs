//! A yes that comes while something else happens: the session ends, or whoever asked becomes another program.
//! Which of the two came first is in the log, and what is served agrees with it.
#![allow(clippy::unwrap_used, reason = "what is not there fails the test")]

#[allow(dead_code, reason = "other tests use the rest")]
#[path = "support/askers.rs"]
mod askers;
#[allow(dead_code, reason = "other tests use the rest")]
#[path = "support/open_questions.rs"]
mod open_questions;
#[path = "support/scripts.rs"]
mod scripts;

use std::fs;
use std::path::Path;
use std::time::Duration;

use glassdome_tests::{PASSWORD, Started, World, text, wait_until};
use open_questions::question;
use serde_json::Value;

fn stage() -> World {
    let world = World::unlocked();
    world.set("db/a", "value a");
    world
}

/// Asks over a connection of its own, until `file` is there; what comes is then read as `how` says.
fn turncoat(world: &World, file: &Path, how: &str) -> Started {
    let (scripts, socket) = (scripts::scripts(world), world.socket());
    let script = scripts.join("turncoat.py");
    let args = [text(&script), text(&scripts), text(&socket), "db/a", text(file), how];
    world.program(Path::new(askers::PYTHON), &args).start()
}

fn is_served(out: &[u8]) -> bool {
    out.windows(7).any(|bytes| bytes == b"value a")
}

/// The outcomes of all `get`s in the log, and `lock` where a session ended.
fn story(world: &World) -> Vec<String> {
    let told = |record: Value| match record["event"].as_str()? {
        "get" => Some(record["outcome"].as_str()?.to_owned()),
        "lock" => Some("lock".to_owned()),
        _ => None,
    };
    world.audit().into_iter().filter_map(told).collect()
}

#[test]
fn a_yes_is_not_for_what_the_asker_has_become() {
    let world = stage();
    let file = world.home("go");
    for (how, served) in [("become", false), ("stay", true)] {
        let asks = turncoat(&world, &file, how);
        let pid = asks.pid();
        let id = question(&world);
        fs::write(&file, "").unwrap();
        let is =
            |name: &str| fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default().trim() == name;
        if how == "become" {
            assert!(wait_until(|| is("cat"), Duration::from_secs(20)));
        }
        let answered = world.ctl(&["approve", &id, "--yes"]).output();
        assert!(matches!(answered.code, 0 | 5), "{}", answered.stderr);
        assert_eq!(is_served(&asks.output().stdout), served, "{how}");
        fs::remove_file(&file).unwrap();
    }
    assert_eq!(story(&world).iter().filter(|told| *told == "allowed").count(), 1);
}

#[test]
fn a_yes_while_the_asker_becomes_another_program_serves_what_the_log_says() {
    let world = stage();
    let file = world.home("go");
    for round in 0..8 {
        let before = story(&world).len();
        let asks = turncoat(&world, &file, "become");
        let id = question(&world);
        let yes = world.ctl(&["approve", &id, "--yes"]).start();
        std::thread::sleep(Duration::from_millis(round));
        fs::write(&file, "").unwrap();
        let served = is_served(&asks.output().stdout);
        drop(yes.output());
        let allowed = story(&world)[before..].iter().filter(|told| *told == "allowed").count();
        // What was given just before may not have been read any more.
        assert!(allowed == 1 || !served, "round {round}: served, and not in the log");
        fs::remove_file(&file).unwrap();
    }
}

#[test]
fn a_yes_while_the_session_ends_serves_nothing_that_the_log_has_behind_the_end() {
    let world = stage();
    for round in 0..8 {
        let before = story(&world).len();
        let asks = askers::asking(
            &world,
            text(&askers::asker(&world, &format!("deploy{round}.py"))),
            &[],
            &["ctl", "get", "db/a"],
        );
        let asks = asks.env("GLASSDOME_WAIT", "40s").start();
        let id = question(&world);
        let (yes, lock) = (world.ctl(&["approve", &id, "--yes"]), world.ctl(&["lock"]));
        // By turns, so that either may be first.
        let (first, second) = if round % 2 == 0 { (yes, lock) } else { (lock, yes) };
        let first = first.start();
        std::thread::sleep(Duration::from_millis(round / 2));
        drop(second.output());
        drop(first.output());
        let told = askers::Told::of(asks.output());
        let story = &story(&world)[before..];
        let (allowed, lock) =
            (story.iter().position(|told| told == "allowed"), story.iter().position(|told| told == "lock"));
        if told.got.is_some() {
            assert!(allowed.unwrap() < lock.unwrap(), "round {round}: {story:?}");
        } else {
            assert_eq!(told.code, 3, "round {round}: {}", told.why);
        }
        world.start(PASSWORD);
    }
}
