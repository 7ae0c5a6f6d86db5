//! Sessions end: by time, by idleness, by a lock that wins over everything in flight, and when the
//! daemon stood still; and whoever guesses passwords waits.
#![allow(clippy::unwrap_used, reason = "what is not there fails the test")]

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use glassdome_tests::{PASSWORD, World, wait_until};
use rustix::process::Signal;

const SOON: Duration = Duration::from_secs(20);

/// With a vault that its daemon made: a derivation takes some half a second.
fn made_here() -> World {
    let world = World::new();
    world.start(PASSWORD);
    world
}

fn state(world: &World) -> (String, String) {
    let status = world.status();
    let text = |key: &str| status[key].as_str().unwrap_or_default().to_owned();
    (text("state"), text("reason"))
}

fn ends_as(world: &World, reason: &str) {
    assert!(wait_until(|| state(world).0 == "locked", SOON), "it does not lock");
    assert_eq!(state(world).1, reason);
}

fn left(world: &World) -> u64 {
    world.status()["left_s"].as_u64().expect("a session is open")
}

#[test]
fn time_ends_a_session_and_renewal_begins_it_anew() {
    let world = World::unlocked();
    world.set("a", "1");
    world.ctl(&["lock"]).ok();
    let started = Instant::now();
    assert_eq!(world.unlock(PASSWORD, &["--for", "4s"]).code, 0);
    assert_eq!(world.ctl(&["get", "a"]).ok(), b"1");
    // Being used changes nothing.
    while world.ctl(&["get", "a"]).output().code == 0 {
        assert!(started.elapsed() < SOON);
    }
    assert!(started.elapsed() >= Duration::from_secs(4));
    assert_eq!(
        world.ctl(&["get", "a"]).refused(3),
        "ctl: locked: its time was over. Unlock: glassdome_start"
    );
    ends_as(&world, "expired");
    let lock = world.audit().into_iter().rfind(|record| record["event"] == "lock").unwrap();
    assert_eq!(lock["by"], "expired");

    assert_eq!(world.unlock(PASSWORD, &["--for", "1m"]).code, 0);
    assert!(left(&world) <= 60);
    assert_eq!(world.unlock(PASSWORD, &["--for", "2h"]).code, 0, "open already");
    assert!(left(&world) <= 60, "and left as it is");
    world.unlock("wrong", &["--renew"]).refused(7);
    assert!(left(&world) <= 60);
    assert!(wait_until(|| world.unlock(PASSWORD, &["--renew", "--for", "2h"]).code == 0, SOON));
    assert!((7000..=7200).contains(&left(&world)));
    // Nothing lengthens it past the ceiling, the built-in one or the sealed one.
    assert_eq!(world.unlock(PASSWORD, &["--renew", "--for", "100h"]).code, 0);
    assert!((28_700..=28_800).contains(&left(&world)));
    let set = ["settings", "set", "ceiling", "1h", "--password-stdin"];
    world.ctl(&set).stdin(format!("{PASSWORD}\n")).ok();
    assert_eq!(world.unlock(PASSWORD, &["--renew", "--for", "2h"]).code, 0);
    assert!((3500..=3600).contains(&left(&world)));
}

#[test]
fn only_being_served_keeps_an_idle_session_open() {
    let world = World::new();
    assert_eq!(world.unlock(PASSWORD, &["--idle", "4s"]).code, 0);
    world.set("a", "1");
    let started = Instant::now();
    while started.elapsed() < Duration::from_secs(7) {
        assert_eq!(world.ctl(&["get", "a"]).ok(), b"1");
        thread::sleep(Duration::from_millis(200));
    }
    // Status and doctor are questions, not use.
    let last_use = Instant::now();
    while state(&world).0 == "unlocked" {
        world.ctl(&["doctor"]).ok();
        assert!(last_use.elapsed() < SOON, "asking keeps it open");
    }
    assert!(last_use.elapsed() >= Duration::from_secs(3), "{:?}", last_use.elapsed());
    ends_as(&world, "idle");
    assert_eq!(world.ctl(&["get", "a"]).refused(3), "ctl: locked: it was not used. Unlock: glassdome_start");
}

#[test]
fn a_lock_wins_over_what_is_in_flight() {
    let world = made_here();
    world.set("big", vec![b'x'; 1024 * 1024]);
    // Half a value has left; the rest never does.
    world.file("client.py", include_str!("../python/client.py"));
    let script = world.file("slow_reader.py", include_str!("../python/slow_reader.py"));
    world.allow_python(&script);
    let (waiting, go) = (world.home("waiting"), world.home("go"));
    let reader = || {
        let socket = world.socket();
        let args = [&socket, &waiting, &go].map(|path| path.to_str().unwrap().to_owned());
        let reader = world.python(&script, &[&args[0], "big", &args[1], &args[2]]).start();
        assert!(wait_until(|| waiting.exists(), SOON), "the reader has begun");
        reader
    };
    let slow = reader();
    world.ctl(&["lock"]).ok();
    world.file("go", "");
    // A message that was under way is cut in its middle.
    assert_eq!(slow.output().ok(), b"cut off\n");
    world.start(PASSWORD);
    assert_eq!(reader().output().ok(), b"all\n", "control: without a lock all of it comes");

    // Sets under way are done and said so, or not done and said so; none hangs.
    let locked = AtomicBool::new(false);
    let acknowledged: Vec<String> = thread::scope(|scope| {
        let (world, locked) = (&world, &locked);
        let client = |client: usize| {
            let mut acknowledged = Vec::new();
            for i in 0.. {
                let name = format!("load/{client}/{i}");
                let value = name.repeat(if i % 3 == 0 { 20_000 } else { 1 });
                match world.ctl(&["set", &name, "--stdin"]).stdin(value).within(SOON).output() {
                    out if out.code == 0 => acknowledged.push(name),
                    out => {
                        assert!(locked.load(Ordering::SeqCst), "refused before the lock: {}", out.stderr);
                        assert!(out.refused(3).contains("locked"));
                        break;
                    }
                }
            }
            acknowledged
        };
        let clients: Vec<_> = (0..4).map(|i| scope.spawn(move || client(i))).collect();
        thread::sleep(Duration::from_millis(700));
        locked.store(true, Ordering::SeqCst);
        world.ctl(&["lock"]).ok();
        clients.into_iter().flat_map(|client| client.join().unwrap()).collect()
    });
    assert!(acknowledged.len() >= 4, "there was load: {acknowledged:?}");

    // An unlock under way does not survive it either.
    let mut unlocking = world.glassdome_start(&["--password-stdin"]).stdin(format!("{PASSWORD}\n")).start();
    while !unlocking.has_ended() {
        world.ctl(&["lock"]).ok();
    }
    assert!(unlocking.output().refused(3).contains("a lock came"));
    assert_eq!(state(&world).0, "locked");
    assert!(wait_until(|| world.unlock(PASSWORD, &[]).code == 0, SOON));
    let listed = world.ctl(&["list", "load/**"]).text();
    for name in acknowledged {
        assert!(listed.lines().any(|line| line == name), "{name} was acknowledged");
    }
}

#[test]
fn a_try_that_a_lock_cuts_off_counts_as_what_it_was() {
    let world = made_here();
    let cut_off = |password: &str| {
        let args = ["--renew", "--password-stdin"];
        let mut trying = world.glassdome_start(&args).stdin(format!("{password}\n")).start();
        while !trying.has_ended() {
            world.ctl(&["lock"]).ok();
        }
        trying.output()
    };
    assert!(cut_off(PASSWORD).refused(3).contains("a lock came"));
    assert_eq!(world.unlock(PASSWORD, &[]).code, 0, "the right one costs nothing");

    let wrong = || world.audit().iter().any(|record| record["by"] == "wrong-password");
    // One that is cut off before its turn is none.
    let tried = || {
        assert_ne!(cut_off("wrong").code, 0);
        wrong()
    };
    assert!(wait_until(tried, SOON), "it is tried to its end");
    for _ in 0..2 {
        assert!(wait_until(|| world.unlock("wrong", &[]).code == 7, SOON));
    }
    // The pause after two would be over, and the one after three is not.
    thread::sleep(Duration::from_secs(2));
    assert!(world.unlock(PASSWORD, &[]).refused(8).contains("Try again in "));
}

/// The one slow test: 16 s, since it must be longer than a tick and what counts as late.
#[test]
fn a_daemon_that_stood_still_is_locked_when_it_goes_on() {
    let world = World::unlocked();
    world.set("a", "1");
    let daemon = world.daemon().expect("a daemon runs");
    daemon.signal(Signal::STOP);
    thread::sleep(Duration::from_secs(1));
    daemon.signal(Signal::CONT);
    assert_eq!(world.ctl(&["get", "a"]).ok(), b"1", "control: a moment is no reason");
    daemon.signal(Signal::STOP);
    thread::sleep(Duration::from_secs(16));
    // Asked before it goes on, so that this is its first request.
    let asking = world.ctl(&["get", "a"]).start();
    let status = world.ctl(&["status", "--short"]).output();
    assert_eq!((status.code, status.stdout), (0, Vec::new()), "a prompt does not wait");
    daemon.signal(Signal::CONT);
    let out = asking.output();
    assert!(out.code == 3 && out.stdout.is_empty(), "{out:?}");
    ends_as(&world, "suspend");
}

#[test]
fn others_are_served_while_a_password_is_tried() {
    let world = made_here();
    world.set("a", "1");
    let mut trying = world.glassdome_start(&["--renew", "--password-stdin"]).stdin("wrong\n").start();
    let mut served = 0;
    while !trying.has_ended() {
        assert_eq!(world.ctl(&["get", "a"]).ok(), b"1");
        served += 1;
    }
    trying.output().refused(7);
    // The first may have come before the attempt, the last after it.
    assert!(served >= 3, "{served} in the time of a derivation");
}

#[test]
fn wrong_passwords_wait_longer_and_longer() {
    let world = World::unlocked();
    world.ctl(&["lock"]).ok();
    // Each pause counts from the attempt before, whatever is tried in between.
    let mut before: Option<Instant> = None;
    for pause in [0, 1, 2, 4] {
        let mut refused = 0;
        loop {
            let started = Instant::now();
            let out = world.unlock("wrong", &[]);
            if out.code == 8 {
                refused += 1;
                thread::sleep(Duration::from_millis(50));
                continue;
            }
            out.refused(7);
            let waited = before.map_or(Duration::MAX, |before| before.elapsed());
            assert!(waited >= Duration::from_secs(pause), "tried again after {waited:?}, not {pause} s");
            before = Some(started);
            break;
        }
        assert!(pause < 4 || refused > 0, "attempts in the pause are refused");
    }
    // Eight seconds from the attempt; the right one waits too, over a kill and a restart.
    assert!(world.unlock(PASSWORD, &[]).refused(8).contains("Try again in "));
    world.daemon().expect("a daemon runs").kill();
    let line = world.unlock(PASSWORD, &[]).refused(8);
    assert!(line.contains("Try again in "), "{line}");
    // Of many at a time one is tried, and the rest are not: no guess is had for a connection.
    assert!(wait_until(|| before.is_some_and(|b| b.elapsed() > Duration::from_secs(9)), SOON));
    let codes: Vec<i32> = thread::scope(|scope| {
        let tries: Vec<_> = (0..6).map(|_| scope.spawn(|| world.unlock("wrong", &[]).code)).collect();
        tries.into_iter().map(|attempt| attempt.join().unwrap()).collect()
    });
    assert_eq!(codes.iter().filter(|code| **code == 7).count(), 1, "{codes:?}");
    assert_eq!(codes.iter().filter(|code| **code == 8).count(), 5, "{codes:?}");
    let tried = world.audit();
    let counted = |by: &str| tried.iter().filter(|record| record["by"] == by).count();
    assert!(counted("wrong-password") >= 1 && counted("throttled") >= 1, "both are in the log");
}
