//! Who watches is told of each change of the session, at once, and of nothing else.
#![allow(clippy::unwrap_used, reason = "what is not there fails the test")]

use std::fs;
use std::time::Duration;

use glassdome_tests::{PASSWORD, World, wait_until};
use serde_json::Value;

const SOON: Duration = Duration::from_secs(20);

/// What is printed into that file of the home, a line each.
fn lines(world: &World, name: &str) -> Vec<String> {
    fs::read_to_string(world.home(name)).unwrap_or_default().lines().map(str::to_owned).collect()
}

#[track_caller]
fn told(world: &World, name: &str, expected: &[&str]) {
    let all = || lines(world, name);
    assert!(wait_until(|| all().len() >= expected.len(), SOON), "{:?}", all());
    assert_eq!(all(), expected);
}

#[test]
fn each_change_is_told_once_until_the_daemon_ends() {
    let world = World::with_vault();
    // Some seconds before the warning.
    assert_eq!(world.unlock(PASSWORD, &["--for", "5m8s"]).code, 0);
    world.set("a", "1");
    let format = "--format '{state} {icon} {reason}' --ascii";
    let watching = world.shell(&format!("exec ctl status --watch {format} > told")).start();
    let short = world.shell("exec ctl status --watch --short --ascii > short").start();
    told(&world, "told", &["unlocked U ", "unlocked ! "]);
    assert_eq!(world.status()["ends_soon"], true);
    assert!(world.ctl(&["status"]).text().contains(": about to end. Renew: glassdome_start --renew\n"));

    world.unlock("wrong", &["--renew"]).refused(7);
    let renewed = || world.unlock(PASSWORD, &["--renew"]).code == 0;
    assert!(wait_until(renewed, SOON), "after the pause that a wrong one costs");
    told(&world, "told", &["unlocked U ", "unlocked ! ", "unlocked U "]);
    assert_eq!(world.status()["ends_soon"], false);
    // Neither use nor questions are changes.
    world.ctl(&["get", "a"]).ok();
    world.ctl(&["status"]).ok();
    world.ctl(&["lock"]).ok();
    assert_eq!(world.unlock(PASSWORD, &["--renew"]).code, 0, "where it is locked, renewing unlocks");
    world.ctl(&["panic"]).ok();
    let locked = ["locked L requested", "unlocked U ", "locked L panic"];
    let all = [&["unlocked U ", "unlocked ! ", "unlocked U "], &locked[..]].concat();
    told(&world, "told", &all);
    world.ctl(&["stop"]).ok();
    assert_eq!(watching.output().code, 6);
    assert_eq!(short.output().code, 6);
    assert_eq!(lines(&world, "told").last().unwrap(), "no-daemon  ");
    let moods: Vec<String> =
        lines(&world, "short").iter().map(|line| line.chars().take(1).collect()).collect();
    assert_eq!(moods, ["U", "!", "U", "L", "U", "L", ""]);

    let out = world.ctl(&["status", "--watch", "--json"]).output();
    assert_eq!(out.code, 6, "nobody to ask");
    assert_eq!(serde_json::from_slice::<Value>(&out.stdout).unwrap()["state"], "no-daemon");
    world.ctl(&["status", "--watch", "-q"]).refused(2);
}

#[test]
fn an_idle_session_is_warned_of_and_watching_does_not_keep_it() {
    let world = World::with_vault();
    assert_eq!(world.unlock(PASSWORD, &["--idle", "8s"]).code, 0);
    let watching = world.shell("exec ctl status --watch --format '{icon}{reason}' --ascii > told").start();
    told(&world, "told", &["!", "Lidle"]);
    world.ctl(&["stop"]).ok();
    assert_eq!(watching.output().code, 6);
}

#[test]
fn a_connection_watches_once_and_goes_on_asking() {
    let world = World::unlocked();
    world.file("client.py", include_str!("../python/client.py"));
    let script = world.file(
        "watch.py",
        "import os, subprocess\nfrom client import Connection, Refused\n\
         connection = Connection(os.environ['XDG_RUNTIME_DIR'] + '/glassdome/daemon.sock')\n\
         watch = b'\\x00\\x0e'\n\
         first = connection.ask(watch)\n\
         assert connection.answer(first, 0, 0).varint() == 1\n\
         try:\n    connection.call(watch, 0, 0)\n    print('twice')\n\
         except Refused as refused:\n    print(refused.code)\n\
         print(connection.status()['state'])\n\
         subprocess.run(['ctl', 'lock'], check=True)\n\
         assert connection.answer(first, 0, 0).varint() == 0\n\
         print(connection.status()['state'])\n",
    );
    assert_eq!(world.python(&script, &[]).text(), "conflict\nunlocked\nlocked\n");
}
