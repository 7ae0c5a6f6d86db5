//! The session ends with the desktop's keyring: a real gnome-keyring on a bus of the test's own locks, is killed,
//! hangs, is replaced; the bus goes, hangs, or ends each connection. Nothing is ever started or prompted for.
#![allow(clippy::unwrap_used, reason = "what is not there fails the test")]

#[path = "support/askers.rs"]
#[allow(dead_code, reason = "other tests use the rest")]
mod askers;
#[path = "support/desktop.rs"]
mod desktop;
#[path = "support/scripts.rs"]
#[allow(dead_code, reason = "other tests use the rest")]
mod scripts;

use std::os::unix::net::UnixListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use askers::{recorded, with_password};
use desktop::{Bus, Keyring, SOON, keyring_call, spring_the_prompter, spring_the_service, sprung};
use glassdome_tests::{PASSWORD, User, World, wait_until};
use rustix::process::Signal;

fn state(world: &World) -> (String, String, String) {
    let status = world.status();
    let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
    (text(&status["state"]), text(&status["reason"]), text(&status["keyring"]["state"]))
}

#[track_caller]
fn sees(world: &World, keyring: &str) {
    let seen = wait_until(|| state(world).2 == keyring, SOON);
    assert!(seen, "{keyring}: {:?}, {}", state(world), world.daemon_log());
}

#[track_caller]
fn ends(world: &World) {
    assert!(wait_until(|| state(world).0 == "locked", SOON), "{:?}, {}", state(world), world.daemon_log());
    assert_eq!(state(world).1, "keyring-locked");
    assert_eq!(recorded(world, "lock", "allowed")["by"], "keyring-locked");
}

#[track_caller]
fn stays_open(world: &World) {
    let locks = || world.audit().iter().filter(|record| record["event"] == "lock").count();
    let before = locks();
    // Asks the daemon for a look, now.
    world.unlock(PASSWORD, &["--renew"]).ok();
    assert!(!wait_until(|| state(world).0 != "unlocked", Duration::from_millis(700)), "{:?}", state(world));
    assert_eq!(locks(), before);
}

fn doctor(world: &World) -> String {
    let all: serde_json::Value =
        serde_json::from_slice(&world.ctl(&["doctor", "--json"]).output().stdout).unwrap();
    let lines = all["protections"].as_array().or(all.as_array()).unwrap();
    let line = lines.iter().find(|line| line["what"] == "keyring").unwrap();
    format!("{}: {}", line["level"].as_str().unwrap(), line["why"].as_str().unwrap())
}

/// A world with an open keyring, an open vault that has seen it, and a secret.
fn stage() -> (World, Bus, Keyring) {
    let world = World::with_vault();
    let bus = Bus::start(&world);
    let keyring = Keyring::open(&world);
    world.start(PASSWORD);
    sees(&world, "unlocked");
    world.set("a", "1");
    (world, bus, keyring)
}

fn set(world: &World, value: &str) {
    with_password(world, &["settings", "set", "keyring", value]).ok();
}

#[test]
fn a_keyring_that_locks_ends_the_session_and_opens_none_again() {
    let (world, _bus, _keyring) = stage();
    assert_eq!(world.ctl(&["get", "a"]).ok(), b"1");
    assert!(doctor(&world).starts_with("on: "), "{}", doctor(&world));
    stays_open(&world);

    Keyring::lock(&world);
    ends(&world);
    let refused = world.ctl(&["get", "a"]).refused(3);
    assert_eq!(refused, "ctl: locked: the keyring locked or went away. Unlock: glassdome_start");
    assert!(world.ctl(&["status"]).text().contains("keyring  locked"));
    sees(&world, "locked");
    assert!(doctor(&world).starts_with("degraded: locked"), "{}", doctor(&world));

    Keyring::unlock(&world);
    sees(&world, "unlocked");
    assert_eq!(state(&world).0, "locked", "that opens nothing");
    // What locks while nothing is open is shown, and does not keep a session from beginning.
    Keyring::lock(&world);
    sees(&world, "locked");
    world.start(PASSWORD);
    stays_open(&world);
    // Once it is seen open the session relies on it.
    Keyring::unlock(&world);
    sees(&world, "unlocked");
    Keyring::lock(&world);
    ends(&world);

    assert_eq!(sprung(&world), "", "nothing prompted, and nothing was started");
    spring_the_prompter(&world);
}

#[test]
fn a_keyring_that_is_killed_ends_the_session_and_is_not_started_again() {
    let (world, _bus, keyring) = stage();
    keyring.kill();
    ends(&world);
    sees(&world, "no-keyring");
    assert!(doctor(&world).starts_with("off: no keyring"), "{}", doctor(&world));
    world.start(PASSWORD);
    stays_open(&world);
    assert_eq!(sprung(&world), "", "nothing was started");

    // One that comes later is relied on from then on.
    let keyring = Keyring::open(&world);
    sees(&world, "unlocked");
    keyring.kill();
    ends(&world);
    assert_eq!(sprung(&world), "");
    spring_the_service(&world);
}

#[test]
fn a_keyring_that_hangs_holds_up_nobody_and_then_counts_as_gone() {
    let (world, _bus, keyring) = stage();
    keyring.signal(Signal::STOP);
    let mut slowest = Duration::ZERO;
    let hung = wait_until(
        || {
            let began = Instant::now();
            world.ctl(&["list"]).output();
            slowest = slowest.max(began.elapsed());
            state(&world).0 == "locked"
        },
        SOON,
    );
    assert!(hung && slowest < Duration::from_secs(3), "{slowest:?}");
    ends(&world);
    sees(&world, "silent");
    let began = Instant::now();
    world.start(PASSWORD);
    assert!(began.elapsed() < SOON);
    keyring.signal(Signal::CONT);
    sees(&world, "unlocked");
    assert_eq!(state(&world).0, "unlocked");
    Keyring::lock(&world);
    ends(&world);
}

#[test]
fn another_collection_in_the_place_of_the_default_one_ends_the_session() {
    let (world, _bus, _keyring) = stage();
    let other = "/org/freedesktop/secrets/collection/session";
    let alias = |to: &str| {
        let method = "org.freedesktop.Secret.Service.SetAlias";
        keyring_call(&world, "/org/freedesktop/secrets", method, &["default", to]);
    };
    // That one never locks: a session that went on with it would never end with the keyring.
    alias(other);
    ends(&world);

    // One that is named is looked at whatever the alias says.
    let config = world.top().join("config/glassdome");
    std::fs::create_dir_all(&config).unwrap();
    User::A.own(&config).unwrap();
    let file = config.join("config.toml");
    std::fs::write(&file, "keyring = \"login\"\n").unwrap();
    User::A.own(&file).unwrap();
    world.ctl(&["stop"]).ok();
    world.start(PASSWORD);
    sees(&world, "unlocked");
    alias("/");
    stays_open(&world);
    Keyring::lock(&world);
    ends(&world);
    std::fs::write(&file, "keyring = \"no such\"\n").unwrap();
    world.ctl(&["stop"]).ok();
    assert_ne!(world.unlock(PASSWORD, &[]).code, 0, "a name that is none is refused");
    std::fs::write(&file, "keyring = \"missing\"\n").unwrap();
    world.start(PASSWORD);
    sees(&world, "no-collection");
}

#[test]
fn what_is_sealed_decides_whether_a_locked_keyring_is_heeded() {
    let (world, bus, _keyring) = stage();
    set(&world, "require");
    world.ctl(&["lock"]).ok();
    world.start(PASSWORD);
    Keyring::lock(&world);
    ends(&world);
    let mend = "and the sealed setting 'keyring' requires it. Unlock the keyring, then: glassdome_start; or: ctl \
                settings set keyring lock";
    let refused = world.unlock(PASSWORD, &[]).refused(3);
    assert_eq!(refused, format!("glassdome_start: locked: the keyring is locked, {mend}"));
    assert_eq!(recorded(&world, "unlock", "denied")["by"], "keyring");
    assert_eq!(state(&world).0, "locked");
    Keyring::unlock(&world);
    world.start(PASSWORD);
    bus.end();
    ends(&world);
    sees(&world, "no-bus");
    let refused = world.unlock(PASSWORD, &[]).refused(3);
    assert!(refused.contains("there is no session bus"), "{refused}");
    world.unlock("wrong", &[]).refused(7);

    // Nobody is locked out: the password changes it, without a session and without a keyring.
    let mut said = String::new();
    let changed = || {
        let out = with_password(&world, &["settings", "set", "keyring", "off"]).output();
        said = out.stderr;
        out.code == 0
    };
    assert!(wait_until(changed, SOON), "{said}");
    world.start(PASSWORD);
    let _bus = Bus::start(&world);
    let _keyring = Keyring::open(&world);
    sees(&world, "unlocked");
    Keyring::lock(&world);
    sees(&world, "locked");
    stays_open(&world);
    assert!(doctor(&world).starts_with("off: nothing ends with it"), "{}", doctor(&world));
    with_password(&world, &["settings", "set", "keyring", "maybe"]).refused(2);
    assert_eq!(sprung(&world), "");
}

#[test]
fn a_bus_that_goes_ends_the_session_and_is_joined_again() {
    let (world, bus, _keyring) = stage();
    bus.end();
    ends(&world);
    sees(&world, "no-bus");
    let bus = Bus::start(&world);
    let _keyring = Keyring::open(&world);
    sees(&world, "unlocked");
    assert_eq!(state(&world).0, "locked", "that opens nothing");
    world.start(PASSWORD);
    bus.end();
    ends(&world);
    assert_eq!(sprung(&world), "");
}

#[test]
fn a_bus_that_says_nothing_or_hangs_up_holds_up_nobody() {
    let world = World::with_vault();
    let socket = UnixListener::bind(world.runtime().join("bus")).unwrap();
    User::A.own(&world.runtime().join("bus")).unwrap();
    world.start(PASSWORD);
    world.set("a", "1");
    let given_up = || {
        let asked = Instant::now();
        world.ctl(&["get", "a"]).ok();
        assert!(asked.elapsed() < Duration::from_secs(3), "{:?}", asked.elapsed());
        state(&world).2 == "no-bus"
    };
    assert!(wait_until(given_up, SOON), "{:?}", state(&world));
    assert_eq!(state(&world), ("unlocked".into(), String::new(), "no-bus".into()));
    assert!(doctor(&world).starts_with("off: there is no session bus"), "{}", doctor(&world));

    // From now on each connection ends as soon as it is there.
    let joined = Arc::new(AtomicUsize::new(0));
    let counts = joined.clone();
    std::thread::spawn(move || {
        for connection in socket.incoming() {
            drop(connection);
            counts.fetch_add(1, Ordering::Relaxed);
        }
    });
    world.ctl(&["stop"]).ok();
    world.start(PASSWORD);
    let before = joined.load(Ordering::Relaxed);
    assert!(wait_until(|| joined.load(Ordering::Relaxed) > before + 1, SOON), "it tries again");
    std::thread::sleep(Duration::from_secs(3));
    let tries = joined.load(Ordering::Relaxed) - before;
    assert!(tries <= 6, "{tries} tries: no busy loop");
    assert_eq!(world.ctl(&["get", "a"]).ok(), b"1");
}
