//! A daemon that ends, or is interrupted while it makes the vault, leaves nothing that the next one
//! stumbles over.

use std::fs;
use std::thread::sleep;
use std::time::Duration;

use glassdome_tests::{PASSWORD, World, wait_until};

#[test]
fn stopped_and_started_again_at_once() {
    let world = World::unlocked();
    world.set("a", "1");
    for _ in 0..3 {
        world.ctl(&["stop"]).ok();
        world.start(PASSWORD);
        assert_eq!(world.ctl(&["get", "a"]).text(), "1");
    }
}

#[test]
fn a_lock_while_the_vault_is_made_leaves_a_vault_that_opens() {
    let world = World::new();
    // The daemon first, so that only the making is interrupted.
    world.unlock("", &[]);
    assert_eq!(world.status()["vault"]["state"], "absent");
    let line = format!("{PASSWORD}\n");
    let making = world.glassdome_start(&["--password-stdin", "--accept-weak"]).stdin(line).start();
    let begun = || world.audit().iter().any(|record| record["event"] == "create");
    assert!(wait_until(begun, Duration::from_secs(10)), "it has begun");
    world.ctl(&["lock"]).ok();
    assert_eq!(making.output().code, 3);
    let made = || world.status()["vault"]["state"] == "present";
    assert!(wait_until(made, Duration::from_secs(20)), "the vault is known");
    assert_eq!(world.status()["state"], "locked");
    world.start(PASSWORD);
    assert_eq!(world.status()["state"], "unlocked");
}

#[test]
fn a_daemon_whose_socket_is_gone_ends() {
    let world = World::unlocked();
    let daemon = world.daemon().expect("it runs");
    sleep(Duration::from_secs(6));
    assert!(daemon.lives(), "control: it looked, and the socket was there");
    fs::remove_file(world.socket()).expect("it is there");
    assert!(wait_until(|| !daemon.lives(), Duration::from_secs(15)), "nobody could reach it");
    let last = world.audit();
    let lock = last.iter().rfind(|record| record["event"] == "lock").expect("the session ended");
    assert_eq!(lock["by"], "logout");
    world.start(PASSWORD);
}
