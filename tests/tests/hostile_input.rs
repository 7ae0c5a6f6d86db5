//! Peers that keep to no rule: each is refused with a typed error or dropped in time, costs little,
//! and delays nobody.

#[path = "support/scripts.rs"]
mod scripts;

use std::fs;
use std::time::Duration;

use glassdome_tests::{PASSWORD, World};
use serde_json::Value;

const BAIT: &str = "a small value";
/// What the daemon may hold more than before, in KiB, after everything that is thrown at it here.
const GROWTH: u64 = 24 * 1024;

fn world() -> World {
    let world = World::unlocked();
    world.set("bait", BAIT);
    // What is refused is refused for what it is, not for who sends it.
    world.allow_python(&scripts::scripts(&world).join("hostile.py"));
    world
}

fn hostile(world: &World, case: &str) -> Value {
    let script = scripts::scripts(world).join("hostile.py");
    let socket = world.socket();
    let run = world.python(&script, &[socket.to_str().expect("text"), case]);
    let out = run.stdin(PASSWORD).within(Duration::from_secs(120)).output();
    serde_json::from_slice(&out.stdout).unwrap_or_else(|error| panic!("{case}: {error}: {}", out.stderr))
}

/// Resident memory, in KiB.
fn resident(world: &World) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", world.daemon_pid())).expect("it lives");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("it is listed");
    line.trim().trim_end_matches(" kB").parse().expect("a number")
}

#[track_caller]
fn still_serves(world: &World) {
    assert_eq!(world.ctl(&["get", "bait"]).text(), BAIT);
}

#[track_caller]
fn seconds(told: &Value) -> f64 {
    told["seconds"].as_f64().unwrap_or_else(|| panic!("{told}"))
}

#[test]
fn what_is_no_message_ends_the_connection_at_once() {
    let world = world();
    let pid = world.daemon_pid();
    for (case, codes) in [
        ("oversize", &[][..]),
        ("huge", &[]),
        ("empty", &[]),
        ("garbage", &["protocol"]),
        ("unknown-family", &["protocol"]),
        ("unknown-message", &["protocol"]),
        ("trailing", &["protocol"]),
        ("not-utf8", &["protocol"]),
        ("long-name", &["protocol"]),
        ("many-items", &["protocol"]),
        ("long-varint", &["protocol"]),
        ("part-of-nothing", &["protocol"]),
        ("endless-upload", &["protocol"]),
        ("empty-part", &["protocol"]),
        ("over-1-mib", &["usage", "protocol"]),
        ("no-hello", &["protocol"]),
        ("wrong-nonce", &["denied"]),
        ("old-version", &["protocol"]),
        ("new-version", &["protocol"]),
    ] {
        let told = hostile(&world, case);
        assert_eq!(told["refused"], serde_json::json!(codes), "{case}: {told}");
        assert_eq!(told["closed"], true, "{case}: {told}");
        assert!(seconds(&told) < 2.0, "{case}: {told}");
        match case {
            "old-version" => {
                assert!(told["message"].as_str().is_some_and(|m| m.contains("upgrade the client")))
            }
            "new-version" => {
                assert!(told["message"].as_str().is_some_and(|m| m.contains("upgrade the daemon")))
            }
            _ => {}
        }
    }
    still_serves(&world);
    assert_eq!(world.daemon_pid(), pid);
}

#[test]
fn who_is_slow_is_dropped_in_time() {
    let world = world();
    for (case, from, to) in [("silent", 1.5, 4.0), ("truncated", 4.5, 8.0), ("slow", 4.5, 8.0)] {
        let told = hostile(&world, case);
        assert_eq!(told["closed"], true, "{case}: {told}");
        assert!((from..to).contains(&seconds(&told)), "{case}: {told}");
    }
    let told = hostile(&world, "uploads");
    assert_eq!(told, serde_json::json!({ "closed": 16, "throttled": 24 }), "no more large values at a time");
    still_serves(&world);
}

#[test]
fn who_never_reads_is_dropped_and_delays_nobody() {
    let world = world();
    world.set("large", vec![7; 1 << 20]);
    let before = resident(&world);
    let told = hostile(&world, "never-reads");
    assert_eq!(told["closed"], true, "{told}");
    assert!((9.0..16.0).contains(&seconds(&told)), "{told}");
    assert!(told["served"].as_u64() > Some(20) && told["served"] == told["asked"], "{told}");
    assert!(told["slowest"].as_f64().is_some_and(|slowest| slowest < 5.0), "{told}");

    for case in ["endless-status", "endless-batches"] {
        let told = hostile(&world, case);
        assert_eq!(told["closed"], true, "{case}: {told}");
        assert!((9.0..20.0).contains(&seconds(&told)), "{case}: {told}");
        let after = resident(&world);
        assert!(after < before + GROWTH, "{case}: {before} KiB grew to {after} KiB: {told}");
    }
    still_serves(&world);
}

#[test]
fn sixty_four_requests_are_in_flight_and_a_lock_ends_them_all() {
    let world = world();
    let told = hostile(&world, "in-flight");
    let count = |code: &str| told[code].as_u64().unwrap_or(0);
    assert_eq!(count("throttled") + count("locked") + count("answered"), 70, "{told}");
    assert!((1..=6).contains(&count("throttled")) && count("locked") > 55, "{told}");
    assert_eq!(world.status()["state"], "locked");
}

#[test]
fn a_flood_of_connections_is_told_so_and_status_and_lock_still_answer() {
    let world = world();
    let before = resident(&world);
    let told = hostile(&world, "flood");
    assert_eq!(told["short status"], "unlocked", "{told}");
    assert_eq!(told["short get"], "throttled", "{told}");
    assert_eq!(told["short ends"], true, "{told}");
    // One more for each whose time for the handshake ran out before the last was accepted.
    let (challenged, throttled) = (&told["crowd"]["challenged"], &told["crowd"]["throttled"]);
    assert!(challenged.as_u64().is_some_and(|n| (16..=32).contains(&n)), "{told}");
    assert_eq!(challenged.as_u64().unwrap_or(0) + throttled.as_u64().unwrap_or(0), 100, "{told}");
    assert_eq!((&told["first"], &told["last"]), (&1.into(), &1.into()), "{told}");
    for client in ["ctl status", "ctl lock"] {
        assert_eq!(told[client]["code"], 0, "{told}");
        assert!(seconds(&told[client]) < 3.0, "{told}");
    }
    assert_eq!(told["after"], "locked", "{told}");
    world.start(PASSWORD);
    still_serves(&world);
    let after = resident(&world);
    assert!(after < before + GROWTH, "{before} KiB grew to {after} KiB");
}
