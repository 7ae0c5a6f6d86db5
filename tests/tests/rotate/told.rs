//! What the audit log tells of the key that is in force: who has a former one cannot have the vault under that again, and
//! its owner is not asked about what they did themselves.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use glassdome_tests::{PASSWORD, World, text, wait_until};
use serde_json::Value;

use super::{rotate, with_password};

fn log(world: &World) -> PathBuf {
    world.state().join("glassdome/audit.jsonl")
}

fn stop(world: &World) {
    world.ctl(&["stop"]).ok();
    assert!(wait_until(|| world.daemon().is_none(), Duration::from_secs(10)));
}

fn put(world: &World, vault: &[u8]) {
    fs::write(world.vault(), vault).unwrap();
    fs::remove_file(world.vault().with_file_name("vault.redo")).ok();
}

/// The states that the log tells, in its order: changes and key.
fn states(world: &World) -> Vec<(u64, String)> {
    let state =
        |vault: &Value| (vault["changes"].as_u64().unwrap(), vault["key"].as_str().unwrap().to_owned());
    world.audit().iter().filter(|record| record["vault"].is_object()).map(|r| state(&r["vault"])).collect()
}

fn refused(world: &World) -> Vec<String> {
    let rollbacks = world.audit().into_iter().filter(|record| record["event"] == "rollback");
    rollbacks.map(|record| record["by"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_vault_under_the_former_key_is_refused_however_much_it_has_seen() {
    let world = World::unlocked();
    world.set("a", "before");
    stop(&world);
    let (former, then) = (fs::read(world.vault()).unwrap(), fs::read(log(&world)).unwrap());
    world.start(PASSWORD);
    rotate(&world).ok();
    world.set("a", "after");
    stop(&world);
    let (newest, now) = (fs::read(world.vault()).unwrap(), fs::read(log(&world)).unwrap());
    let (changes, key) = states(&world).pop().unwrap();
    assert_ne!(states(&world)[0].1, key, "the log tells that there is another key");

    // Whoever has the former key counts on with it where nobody looks.
    put(&world, &former);
    fs::write(log(&world), then).unwrap();
    world.start(PASSWORD);
    let ahead = || {
        world.set("a", "forged");
        world.ctl(&["get", "a"]).ok();
        states(&world).pop().unwrap().0 > changes + 3
    };
    assert!(wait_until(ahead, Duration::from_secs(20)));
    stop(&world);
    let forged = fs::read(world.vault()).unwrap();
    assert_ne!(states(&world).pop().unwrap().1, key);
    fs::write(log(&world), &now).unwrap();
    let line = world.unlock(PASSWORD, &[]).refused(10);
    assert!(line.contains("another master key") && line.contains("--accept-rollback"), "{line}");
    assert_eq!(refused(&world), ["foreign"]);
    stop(&world);

    // The control, and what its owner says.
    put(&world, &newest);
    world.unlock(PASSWORD, &[]).ok();
    assert_eq!(world.ctl(&["get", "a"]).ok(), b"after");
    stop(&world);
    put(&world, &forged);
    world.unlock(PASSWORD, &["--accept-rollback"]).ok();
    assert_eq!(world.ctl(&["get", "a"]).ok(), b"forged");
    stop(&world);
    world.unlock(PASSWORD, &[]).ok();
    stop(&world);
    put(&world, &newest);
    world.unlock(PASSWORD, &[]).refused(10);
}

#[test]
fn a_rotation_that_was_not_told_yet_and_a_backup_from_before_it_are_no_news() {
    let world = World::unlocked();
    world.set("a", "before");
    let backup = world.home("vault.backup");
    world.ctl(&["storage", "backup", text(&backup)]).ok();
    world.ctl(&["get", "a"]).ok();
    let (_, former) = states(&world).pop().unwrap();
    rotate(&world).ok();
    world.daemon().unwrap().kill();
    // The last words of the daemon that was killed are lost, as a power cut takes them: the log knows the former key.
    let lines = fs::read_to_string(log(&world)).unwrap();
    let lost = |line: &&str| {
        let vault = &serde_json::from_str::<Value>(line).unwrap()["vault"];
        vault.is_object() && vault["key"] != former.as_str()
    };
    let kept: Vec<&str> = lines.lines().take_while(|line| !lost(line)).collect();
    fs::write(log(&world), kept.join("\n") + "\n").unwrap();
    assert_eq!(states(&world).pop().unwrap().1, former);
    world.unlock(PASSWORD, &[]).ok();
    let (_, newest) = states(&world).pop().unwrap();
    assert_ne!(newest, former);

    world.set("a", "after");
    stop(&world);
    with_password(&world, &["storage", "recover", text(&backup)]).ok();
    // Nor if the daemon ends before anybody unlocks.
    world.ctl(&["status"]).ok();
    world.ctl(&["stop"]).output();
    assert!(wait_until(|| world.daemon().is_none(), Duration::from_secs(10)));
    world.unlock(PASSWORD, &[]).ok();
    assert_eq!(world.ctl(&["get", "a"]).ok(), b"before");
    assert_eq!(states(&world).pop().unwrap().1, former, "the backup's");
    assert_eq!(refused(&world), [""; 0]);
}
