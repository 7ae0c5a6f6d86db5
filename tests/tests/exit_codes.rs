//! Every exit code that this version gives, provoked for real, each with its one line that names
//! what to do next.
#![allow(clippy::unwrap_used, reason = "what is not there fails the test")]

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use glassdome_tests::{PASSWORD, Started, User, World, left_out_without_root, wait_until};
use rustix::process::Signal;

const FAKE: &str = include_str!("../python/fake_daemon.py");

/// A program in the daemon's place that speaks these protocol versions.
fn fake_daemon(world: &World, oldest: u8, newest: u8) -> Started {
    let script = world.file("fake_daemon.py", FAKE);
    let directory = world.runtime().join("glassdome");
    fs::create_dir(&directory).unwrap();
    fs::set_permissions(&directory, std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
    User::A.own(&directory).unwrap();
    let socket = world.socket();
    let range = [oldest.to_string(), newest.to_string()];
    let args = [socket.to_str().unwrap(), &range[0], &range[1]];
    let fake = world.python(&script, &args).start();
    assert!(wait_until(|| socket.exists(), Duration::from_secs(20)), "the fake daemon listens");
    fake
}

/// What it was sent.
fn heard(fake: Started) -> Vec<u8> {
    fake.signal(Signal::TERM);
    fake.output().ok()
}

#[test]
fn codes_of_an_open_session() {
    let world = World::unlocked();
    world.set("a", "1");
    world.ctl(&["status"]).ok(); // 0

    let line = world.ctl(&["import", "/nowhere/.env"]).refused(1);
    assert!(line.contains("cannot read /nowhere/.env"), "{line}");

    let line = world.ctl(&["get"]).refused(2);
    assert!(line.contains("<NAME>") && line.contains("--help"), "{line}");
    assert!(world.ctl(&["statsu"]).refused(2).contains("'status'"));
    assert!(world.ctl(&["set", "a", "1"]).refused(2).contains("--stdin"));
    world.ctl(&["status"]).env("GLASSDOME_SOCKET", "relative").refused(2);

    assert_eq!(world.ctl(&["get", "b"]).refused(5), "ctl: no secret b. Names: ctl list");
    assert!(world.ctl(&["get", "a", "--field", "f"]).refused(5).contains('f'));
    assert!(world.ctl(&["restore", "a@7"]).refused(5).contains("ctl history a"));

    assert!(world.ctl(&["set", "a", "--new", "--generate"]).refused(9).contains("a exists already"));

    let line = world.ctl(&["get", "a", "--out", "/nowhere/a"]).refused(12);
    assert!(line.contains("cannot write /nowhere/a"), "{line}");

    let line = world.ctl(&["set", "a"]).refused(13);
    assert!(line.contains("--stdin or --generate"), "{line}");
    let line = world.ctl(&["passwd"]).refused(13);
    assert!(line.contains("--password-stdin or --password-fd"), "{line}");
    world.ctl(&["unlock", "--renew", "--password-stdin"]).refused(13);
    world.ctl(&["unlock", "--renew", "--password-fd", "77"]).refused(2);

    world.ctl(&["lock"]).ok();
    assert!(world.ctl(&["get", "a"]).refused(3).contains("Unlock: glassdome_start"));
    assert!(world.glassdome_start(&[]).refused(13).contains("--password-stdin"));
}

#[test]
fn codes_of_passwords() {
    let world = World::new();
    let line = world.ctl(&["get", "a"]).refused(6);
    assert!(line.starts_with("ctl: no daemon at ") && line.ends_with("Start it: glassdome_start"), "{line}");
    assert!(
        world.glassdome_start(&["--password-stdin"]).stdin("12345\n").refused(2).contains("--accept-weak")
    );
    let line = world.ctl(&["get", "a"]).refused(3);
    assert_eq!(line, "ctl: there is no vault yet. Create one: glassdome_start");
    world.start(PASSWORD);
    world.ctl(&["lock"]).ok();
    // Until the pause is longer than one derivation takes on this machine.
    let throttled = wait_until(
        || match world.unlock("wrong", &[]) {
            out if out.code == 8 => {
                let line = out.refused(8);
                assert!(line.contains("Try again in ") && line.ends_with(" s"), "{line}");
                true
            }
            out => {
                assert!(out.refused(7).contains("wrong password"));
                false
            }
        },
        Duration::from_secs(60),
    );
    assert!(throttled, "wrong passwords are throttled");
}

#[test]
fn code_4_for_a_peer_in_a_namespace_of_its_own() {
    if left_out_without_root("a user namespace may be forbidden to ordinary users") {
        return;
    }
    let world = World::unlocked();
    world.set("a", "1");
    let line = world.shell("exec unshare --user --map-current-user ctl get a").refused(4);
    assert!(line.starts_with("ctl: denied: pid ") && line.contains("user namespace"), "{line}");
    assert_eq!(world.shell("exec unshare ctl get a").ok(), b"1", "control: it is not unshare");
}

#[test]
fn code_6_for_a_socket_of_somebody_else() {
    if left_out_without_root("a socket of another user") {
        return;
    }
    let world = World::unlocked();
    world.ctl(&["status"]).ok();
    User::B.own(&world.socket()).unwrap();
    let line = world.ctl(&["get", "a"]).refused(6);
    assert!(line.contains(&format!("belongs to user {}, not to you", User::B.uid())), "{line}");
    world.glassdome_start(&["--password-stdin"]).stdin(PASSWORD).refused(6);
    User::A.own(&world.socket()).unwrap();
    world.ctl(&["get", "a"]).refused(5);
}

#[test]
fn code_10_for_a_damaged_vault() {
    let world = World::unlocked();
    world.set("a", "1");
    let daemon = world.daemon().expect("a daemon runs");
    world.ctl(&["stop"]).ok();
    daemon.wait_for_end();
    let whole = fs::read(world.vault()).unwrap();
    let restart = |bytes: &[u8]| {
        fs::write(world.vault(), bytes).unwrap();
        world.unlock(PASSWORD, &[])
    };
    for (what, bytes) in [
        ("garbage", vec![7; whole.len()]),
        ("cut short", whole[..whole.len() / 2].to_vec()),
        ("empty", Vec::new()),
    ] {
        let line = restart(&bytes).refused(10);
        assert!(line.contains("ctl storage recover FILE"), "{what}: {line}");
        assert_eq!(fs::read(world.vault()).unwrap(), bytes, "{what}: left as it was");
    }
    assert_eq!(restart(&whole).code, 0);
    assert_eq!(world.ctl(&["get", "a"]).ok(), b"1");
}

#[test]
fn code_11_names_the_side_to_upgrade() {
    let world = World::new();
    let fake = fake_daemon(&world, 2, 3);
    let line = world.ctl(&["get", "a"]).refused(11);
    assert!(line.contains("the daemon is newer") && line.contains("upgrade the client"), "{line}");
    assert_eq!(heard(fake), b"", "it is sent nothing");
    let world = World::new();
    let fake = fake_daemon(&world, 0, 0);
    let line = world.ctl(&["get", "a"]).refused(11);
    assert!(
        line.contains("the daemon is older") && line.contains("upgrade and restart the daemon"),
        "{line}"
    );
    assert_eq!(heard(fake), b"");
    // Control: with a version in common the same fake is greeted.
    let world = World::new();
    let fake = fake_daemon(&world, 1, 2);
    // It never answers.
    assert!(world.ctl(&["status"]).refused(6).contains("did not answer in time"));
    let heard = heard(fake);
    assert!(heard.windows(16).any(|bytes| bytes == b"glassdome-client"), "{heard:?}");
}

#[test]
fn the_daemon_itself_keeps_to_the_codes() {
    let world = World::new();
    assert_eq!(world.glassdomed(&["--help"]).output().code, 0);
    world.glassdomed(&["--nonsense"]).refused(2);
    // Beside the daemon's program there is nothing else that could be started.
    let alone = world.home("ctl");
    fs::copy(glassdome_tests::programs().join("ctl"), &alone).unwrap();
    let line = world.program(Path::new(&alone), &["unlock", "--password-stdin"]).stdin("x").refused(6);
    let missing: PathBuf = world.home("glassdomed");
    assert!(line.contains(missing.to_str().unwrap()) && line.contains("is missing"), "{line}");
}
