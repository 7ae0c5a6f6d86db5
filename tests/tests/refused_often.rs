//! A program that asks in a loop for what it may not have is told to come back later; it fills neither the
//! person's time nor the log, and holds nobody else up.
#![allow(clippy::unwrap_used, reason = "what is not there fails the test")]

#[path = "support/askers.rs"]
#[allow(dead_code, reason = "other tests use the rest")]
mod askers;
#[path = "support/scripts.rs"]
mod scripts;

use std::path::Path;
use std::time::Duration;

use askers::{allow, asker, asking, told, with_password};
use glassdome_tests::{World, text, wait_until};
use serde_json::Value;

fn stage() -> World {
    let world = World::unlocked();
    for (name, value) in [("db/a", "value a"), ("db/b", "value b")] {
        world.set(name, value);
    }
    world
}

/// Runs lines of bash as a program of the owner's, and gives what each `echo $?` said.
fn codes(world: &World, lines: &str, wait: &str) -> Vec<i32> {
    let script = world.file("loop.sh", lines);
    let run = world.program(Path::new("/bin/bash"), &[text(&script)]).env("GLASSDOME_WAIT", wait);
    run.within(Duration::from_secs(120)).text().lines().map(|line| line.parse().unwrap()).collect()
}

fn count(codes: &[i32], code: i32) -> usize {
    codes.iter().filter(|own| **own == code).count()
}

#[test]
fn a_loop_is_held_up_and_nobody_else_is() {
    let world = stage();
    let deploy = asker(&world, "deploy.py");
    allow(&world, &["--secrets", "db/b", "--script", text(&deploy)]).ok();
    let before = world.audit().len();
    let all = codes(&world, "for i in $(seq 200); do ctl get db/a 2> told; echo $?; done; cat told >&2", "0");
    let (refused, held_up) = (count(&all, 4), count(&all, 8));
    assert_eq!(refused + held_up, 200, "{all:?}");
    // As many as are told at once, and one each 2 s while it lasts.
    assert!((30..100).contains(&refused) && all[..30] == [4; 30], "{all:?}");
    let line = std::fs::read_to_string(world.home("told")).unwrap();
    assert!(line.contains("denied db/a") || line.contains("db/a for now"), "{line}");
    let records = &world.audit()[before..];
    let of =
        |by: &str| records.iter().filter(|record| record["event"] == "get" && record["by"] == by).count();
    assert!((1..=3).contains(&of("refused-too-often")), "{records:#?}");
    assert!(records.len() <= 12, "{} lines", records.len());

    // Whoever else is refused is told why; who is allowed is served; what is typed is served; and lock locks.
    assert!(told(asking(&world, text(&deploy), &[], &["ctl", "get", "db/a"])).denied().contains("Allow:"));
    told(asking(&world, text(&deploy), &[], &["ctl", "get", "db/b"])).served("value b");
    assert_eq!(world.ctl(&["get", "db/a"]).ok(), b"value a");
    assert_eq!(
        *codes(&world, "for i in $(seq 40); do ctl get db/a 2> told; done; ctl lock 2> told; echo $?", "0"),
        [0]
    );
    assert_eq!(world.status()["state"], "locked");
}

#[test]
fn what_is_allowed_is_never_held_up() {
    let world = stage();
    let deploy = asker(&world, "deploy.py");
    allow(&world, &["--secrets", "db/b", "--script", text(&deploy)]).ok();
    let mut last = 0;
    for _ in 0..60 {
        last = told(asking(&world, text(&deploy), &[], &["ctl", "get", "db/a"])).code;
        if last == 8 {
            break;
        }
    }
    assert_eq!(last, 8, "the program itself is held up");
    for _ in 0..3 {
        told(asking(&world, text(&deploy), &[], &["ctl", "get", "db/b"])).served("value b");
    }
    // In the granted terminal a rule may say no as often as it likes.
    with_password(&world, &["policy", "deny", "--secrets", "db/a"]).ok();
    for _ in 0..40 {
        world.ctl(&["get", "db/a"]).refused(4);
    }
    let (by_rule, often) = ("rule:", "refused-too-often");
    let typed = |record: &Value, by: &str| {
        record["judged"].is_null() && record["by"].as_str().is_some_and(|own| own.starts_with(by))
    };
    assert!(world.audit().iter().any(|record| typed(record, by_rule)), "control");
    assert!(!world.audit().iter().any(|record| typed(record, often)));
}

#[test]
fn one_program_that_keeps_asking_leaves_room_for_another() {
    let world = stage();
    let other = asker(&world, "other.py");
    let all = codes(&world, "for i in $(seq 8); do ctl get db/a 2> told; echo $?; done", "1s");
    assert_eq!((count(&all, 4), count(&all, 8)), (4, 4), "{all:?}");
    let asked = || world.audit().iter().filter(|record| record["event"] == "ask").count();
    assert_eq!(asked(), 4);
    let line = std::fs::read_to_string(world.home("told")).unwrap();
    assert!(line.contains("too many questions"), "{line}");
    let waits =
        asking(&world, text(&other), &[], &["ctl", "get", "db/a"]).env("GLASSDOME_WAIT", "40s").start();
    assert!(wait_until(|| asked() == 5, Duration::from_secs(20)), "the other one is asked about");
    let shown: Value = serde_json::from_str(&world.ctl(&["approvals", "--json"]).text()).unwrap();
    world.ctl(&["approve", &shown[0]["id"].to_string(), "--yes"]).ok();
    askers::Told::of(waits.output()).served("value a");
}
