//! The session ends before the machine sleeps and when its owner logs out: against logind's interface on a bus of the
//! test's own, which comes and goes.
#![allow(clippy::unwrap_used, reason = "what is not there fails the test")]

#[path = "support/askers.rs"]
#[allow(dead_code, reason = "other tests use the rest")]
mod askers;
#[path = "support/desktop.rs"]
#[allow(dead_code, reason = "other tests use the rest")]
mod desktop;
#[path = "support/logind.rs"]
#[allow(dead_code, reason = "other tests use the rest")]
mod logind;
#[path = "support/scripts.rs"]
#[allow(dead_code, reason = "other tests use the rest")]
mod scripts;

use std::os::unix::net::UnixListener;
use std::time::{Duration, Instant};

use askers::{recorded, with_password};
use desktop::{Bus, SOON};
use glassdome_tests::{User, World, wait_until};
use logind::{Logind, bus, released, start};

const DESKTOP: &str = "wayland";
const CONSOLE: &str = "tty";
const HELD: &str = "('sleep', 'Glassdome', 'The key is wiped', 'delay'";

fn state(world: &World) -> (String, String, String) {
    let status = world.status();
    let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
    (text(&status["state"]), text(&status["reason"]), text(&status["logind"]["state"]))
}

#[track_caller]
fn sees(world: &World, logind: &str) {
    let seen = wait_until(|| state(world).2 == logind, SOON);
    assert!(seen, "{logind}: {:?}, {}", state(world), world.daemon_log());
}

#[track_caller]
fn ends(world: &World, reason: &str) {
    assert!(wait_until(|| state(world).0 == "locked", SOON), "{:?}, {}", state(world), world.daemon_log());
    assert_eq!(state(world).1, reason);
    assert_eq!(recorded(world, "lock", "allowed")["by"], reason);
}

#[track_caller]
fn is_open(world: &World) {
    assert_eq!(state(world).0, "unlocked", "{:?}", state(world));
}

fn doctor(world: &World) -> String {
    let all: serde_json::Value =
        serde_json::from_slice(&world.ctl(&["doctor", "--json"]).output().stdout).unwrap();
    let lines = all["protections"].as_array().or(all.as_array()).unwrap();
    let line = lines.iter().find(|line| line["what"] == "sleep and logout").unwrap();
    format!("{}: {}", line["level"].as_str().unwrap(), line["why"].as_str().unwrap())
}

fn set(world: &World, key: &str, value: &str) {
    with_password(world, &["settings", "set", key, value]).ok();
}

/// A world where the owner is logged in at a desktop and a console, with an open vault that has seen it.
fn stage(world: &World) -> (Bus, Logind<'_>) {
    let bus = bus(world);
    let logind = Logind::start(world);
    logind.log_in("c1", DESKTOP);
    logind.log_in("c2", CONSOLE);
    begin(world);
    (bus, logind)
}

#[track_caller]
fn begin(world: &World) {
    start(world);
    sees(world, "watched");
}

#[track_caller]
fn is_released(world: &World, count: usize, by: &str) {
    assert!(wait_until(|| released(world).len() == count, SOON), "{:?}", released(world));
    let last = released(world).pop().unwrap();
    assert_eq!(last["lock"], serde_json::json!(["sleep", "Glassdome", "delay"]));
    // The key is wiped before its end is recorded.
    assert_eq!((&last["log"]["event"], &last["log"]["by"]), (&"lock".into(), &by.into()), "{last}");
}

#[test]
fn the_machine_sleeps_when_the_key_is_wiped_and_not_before() {
    let world = World::with_vault();
    let (_bus, logind) = stage(&world);
    world.set("a", "1");
    assert!(logind.locks().contains(HELD), "{}", logind.locks());
    assert!(doctor(&world).starts_with("on: "), "{}", doctor(&world));
    assert!(released(&world).is_empty(), "held while it is open");
    // Whoever is on the bus cannot pass it a descriptor, as others can be.
    let unsupported = "org.freedesktop.DBus.Error.NotSupported";
    assert_eq!(logind.send_descriptor(world.daemon_pid()).trim_end(), unsupported);
    assert_ne!(logind.send_descriptor(logind.pid()).trim_end(), unsupported, "control");

    logind.sleep(true);
    ends(&world, "suspend");
    is_released(&world, 1, "suspend");
    assert!(!logind.locks().contains("Glassdome"));
    let refused = world.ctl(&["get", "a"]).refused(3);
    assert_eq!(refused, "ctl: locked: the machine slept or the daemon was stopped. Unlock: glassdome_start");
    assert_eq!(state(&world).2, "unwatched", "nothing is open");
    assert!(doctor(&world).starts_with("off: listened to only while"), "{}", doctor(&world));
    logind.sleep(false);

    // Whatever ends it: nothing holds up the machine then.
    begin(&world);
    assert!(logind.locks().contains(HELD), "again");
    world.ctl(&["lock"]).ok();
    is_released(&world, 2, "requested");

    // A session that begins while the machine is on its way ends at once.
    logind.preparing_for_sleep(true);
    start(&world);
    ends(&world, "suspend");
    logind.preparing_for_sleep(false);

    set(&world, "sleep", "off");
    begin(&world);
    assert!(!logind.locks().contains("Glassdome"), "{}", logind.locks());
    assert!(doctor(&world).starts_with("degraded: "), "{}", doctor(&world));
    // Signals come in their order: had that ended it, it would be the reason.
    logind.sleep(true);
    logind.shutdown();
    ends(&world, "logout");
}

#[test]
fn a_logout_ends_it() {
    let world = World::with_vault();
    let (_bus, logind) = stage(&world);
    logind.log_in("c3", CONSOLE);
    logind.is_looked_at();
    logind.log_out("c3");
    logind.is_looked_at();
    is_open(&world);
    logind.log_out("c1");
    ends(&world, "logout");
    is_released(&world, 1, "logout");

    // The console is left, and what was left running there keeps it in the list.
    begin(&world);
    logind.set("c2", "State", "'closing'");
    ends(&world, "logout");

    set(&world, "logout", "off");
    logind.log_in("c4", DESKTOP);
    begin(&world);
    logind.log_out("c4");
    logind.log_out("c2");
    logind.is_looked_at();
    is_open(&world);
    logind.shutdown();
    logind.sleep(true);
    ends(&world, "suspend");
}

#[test]
fn a_bus_that_comes_and_goes_ends_nothing_and_is_joined_again() {
    let world = World::with_vault();
    start(&world);
    world.set("a", "1");
    sees(&world, "no-bus");
    assert!(doctor(&world).starts_with("off: there is no system bus"), "{}", doctor(&world));
    let first = bus(&world);
    sees(&world, "no-logind");
    assert!(doctor(&world).starts_with("off: no logind"), "{}", doctor(&world));
    let logind = Logind::start(&world);
    sees(&world, "watched");
    logind.kill();
    sees(&world, "no-logind");
    first.end();
    sees(&world, "no-bus");
    assert_eq!(world.ctl(&["get", "a"]).ok(), b"1");

    let _second = bus(&world);
    let logind = Logind::start(&world);
    sees(&world, "watched");
    assert!(logind.locks().contains(HELD));
    logind.sleep(true);
    ends(&world, "suspend");
}

/// With another logind than the one whose lock the daemon has.
#[test]
fn a_logind_that_refuses_to_be_held_up_is_not_asked_all_the_time() {
    let world = World::with_vault();
    let _bus = bus(&world);
    // Nobody has logged in, so that nobody logs out with it.
    let logind = Logind::start(&world);
    begin(&world);
    let warned = || world.daemon_log().matches("the machine is not held up before it sleeps").count();
    logind.kill();
    sees(&world, "no-logind");
    let logind = Logind::start_refusing(&world);
    let began = Instant::now();
    sees(&world, "undelayed");
    for _ in 0..10 {
        logind.is_looked_at();
    }
    let refused = logind.refuse(true);
    let most = 1 + began.elapsed().as_secs() / 5 + 1;
    assert!((1..=most).contains(&u64::from(refused)), "{refused} in {:?}", began.elapsed());
    assert_eq!(warned(), 1, "{}", world.daemon_log());
    assert_eq!(state(&world).2, "undelayed");
    is_open(&world);
    assert!(logind.refuse(false) >= refused);
    sees(&world, "watched");
    assert!(logind.locks().contains(HELD), "{}", logind.locks());
    assert_eq!(warned(), 1, "{}", world.daemon_log());
}

#[test]
fn a_bus_that_says_nothing_holds_up_nobody() {
    let world = World::with_vault();
    let socket = logind::socket(&world);
    let _silent = UnixListener::bind(&socket).unwrap();
    User::A.own(&socket).unwrap();
    let began = Instant::now();
    start(&world);
    world.set("a", "1");
    while began.elapsed() < Duration::from_secs(2) {
        let asked = Instant::now();
        world.ctl(&["get", "a"]).ok();
        assert!(asked.elapsed() < Duration::from_secs(2), "{:?}", asked.elapsed());
    }
    is_open(&world);
}
