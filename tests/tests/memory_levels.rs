//! How the key's memory is protected, and what happens where the kernel or the administrator does
//! not grant it: said plainly, never less than what is sealed, and never a dead daemon.
#![allow(clippy::unwrap_used, reason = "what is not there fails the test")]

use glassdome_tests::{Confine, Out, PASSWORD, World, text};

fn unlock_confined(world: &World, confine: Confine) -> Out {
    let args = ["--password-stdin", "--accept-weak"];
    world.glassdome_start(&args).stdin(format!("{PASSWORD}\n")).confined(confine).output()
}

fn doctor(world: &World) -> (String, String) {
    let lines: Vec<serde_json::Value> =
        serde_json::from_slice(&world.ctl(&["doctor", "--json"]).ok()).unwrap();
    let line = lines.iter().find(|line| line["what"] == "memory of the key").expect("there is a line on it");
    let text = |key: &str| line[key].as_str().unwrap().to_owned();
    (text("level"), text("why"))
}

#[test]
fn secret_memory_is_used_where_it_is_there() {
    let world = World::unlocked();
    assert_eq!(world.status()["daemon"]["memory"], "secret");
    assert!(world.ctl(&["status"]).text().contains("memory   secret (memfd_secret)\n"));
    let (level, why) = doctor(&world);
    assert!(level == "on" && why.contains("memfd_secret"), "{level}: {why}");
}

#[test]
fn without_it_memory_is_locked_and_that_is_said() {
    let world = World::new();
    unlock_confined(&world, Confine::NoSecretMemory).ok();
    world.set("a", "1");
    assert_eq!(world.ctl(&["get", "a"]).ok(), b"1");
    assert_eq!(world.status()["daemon"]["memory"], "locked");
    assert!(world.ctl(&["status"]).text().contains("memory   locked (mlock)\n"));
    let (level, why) = doctor(&world);
    assert!(level == "degraded" && why.contains("memfd_secret needs Linux 5.14"), "{level}: {why}");
}

#[test]
fn below_the_sealed_minimum_no_session_opens() {
    let world = World::unlocked();
    world.set("a", "1");
    let set = ["settings", "set", "memory", "secret", "--password-stdin"];
    world.ctl(&set).stdin(format!("{PASSWORD}\n")).ok();
    let daemon = world.daemon().expect("a daemon runs");
    world.ctl(&["stop"]).ok();
    daemon.wait_for_end();

    let line = unlock_confined(&world, Confine::NoSecretMemory).refused(1);
    for words in ["'locked'", "minimum is 'secret'", "secretmem.enable=1", "ctl settings set memory locked"] {
        assert!(line.contains(words), "{words:?} is not in {line}");
    }
    assert_eq!(world.status()["state"], "locked");
    world.ctl(&["get", "a"]).refused(3);
    let refused = world.audit().into_iter().rfind(|record| record["event"] == "unlock").unwrap();
    assert_eq!((&refused["outcome"], &refused["by"]), (&"denied".into(), &"memory".into()));

    // Where it can be had, the same vault opens.
    let daemon = world.daemon().expect("the daemon lives");
    world.ctl(&["stop"]).ok();
    daemon.wait_for_end();
    world.start(PASSWORD);
    assert_eq!(world.ctl(&["get", "a"]).ok(), b"1");
}

#[test]
fn without_lockable_memory_no_session_opens_and_the_daemon_lives() {
    let world = World::unlocked();
    let daemon = world.daemon().expect("a daemon runs");
    world.ctl(&["stop"]).ok();
    daemon.wait_for_end();
    for _ in 0..2 {
        let line = unlock_confined(&world, Confine::NoLockedMemory).refused(1);
        assert!(line.contains("ulimit -l") && line.contains("LimitMEMLOCK="), "{line}");
    }
    let status = world.status();
    assert_eq!((&status["state"], &status["daemon"]["memory"]), (&"locked".into(), &"none".into()));
    assert!(world.ctl(&["status"]).text().contains("no session can be opened. See: ctl doctor"));
    let (level, why) = doctor(&world);
    assert!(level == "off" && why.contains("ulimit -l"), "{level}: {why}");
    world.ctl(&["get", "a"]).refused(3);

    // Nor is a vault made under that limit.
    let world = World::new();
    unlock_confined(&world, Confine::NoLockedMemory).refused(1);
    assert!(!world.vault().exists());
}

#[test]
fn without_lockable_memory_no_log_is_sealed() {
    let world = World::unlocked();
    let key = world.home("auditor.key");
    let new_key = ["audit", "new-key", "--password-stdin", "--key-file", text(&key)];
    world.ctl(&new_key).stdin(format!("{PASSWORD}\n")).ok();
    let daemon = world.daemon().expect("a daemon runs");
    world.ctl(&["stop"]).ok();
    daemon.wait_for_end();
    let log = || std::fs::read(world.state().join("glassdome/audit.jsonl")).unwrap();
    let before = log();
    let line = unlock_confined(&world, Confine::NoLockedMemory).refused(12);
    assert!(line.contains("cannot open the audit log") && line.contains("ulimit -l"), "{line}");
    assert!(world.daemon().is_none() && log() == before, "nothing is recorded without a seal");
    world.start(PASSWORD);
    assert_eq!(world.status()["audit"]["state"], "sealed", "control");
    world.ctl(&["audit", "verify", "--key-file", text(&key)]).ok();
}
