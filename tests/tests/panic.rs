//! `ctl panic`: nothing is served, nobody's right password opens a session, also after a restart, until it
//! is given for just that.
#![allow(clippy::unwrap_used, reason = "what is not there fails the test")]

#[path = "support/scripts.rs"]
mod scripts;

use std::time::Duration;

use glassdome_tests::{PASSWORD, World, stamped, wait_until};
use rustix::process::Signal;
use serde_json::{Value, json};

const SOON: Duration = Duration::from_secs(20);
const LINE: &str = "locked: panic. End it: glassdome_start --end-panic";

/// What one connection of a client of its own is told, for each request.
fn told(world: &World, requests: &[Value]) -> Vec<Value> {
    let script = scripts::scripts(world).join("client.py");
    let lines: String = requests.iter().map(|request| format!("{request}\n")).collect();
    let out = world.python(&script, &[world.socket().to_str().unwrap(), "script"]).stdin(lines).ok();
    String::from_utf8(out).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// A request with the right password, as JSON carries it.
fn with_password(request: &str) -> Value {
    let base64 = "c2V2ZW4gb3R0ZXJzIGp1Z2dsZSBwbHVtcw==";
    json!({"do": request, "password": base64})
}

fn records(world: &World, event: &str) -> Vec<(Value, Value)> {
    let of = world.audit().into_iter().filter(|record| record["event"] == event);
    of.map(|record| (record["outcome"].clone(), record["by"].clone())).collect()
}

#[track_caller]
fn in_panic(world: &World) {
    let status = world.status();
    assert_eq!((&status["state"], &status["reason"]), (&json!("locked"), &json!("panic")));
    let line = world.ctl(&["get", "a"]).refused(3);
    assert!(line.starts_with("ctl: locked: panic since 2"), "{line}");
    assert!(line.ends_with(". End it: glassdome_start --end-panic"), "{line}");
    let start = world.unlock(PASSWORD, &[]);
    assert_eq!(start.refused(3), format!("glassdome_start: {LINE}"));
}

#[test]
fn no_password_opens_anything_until_it_is_given_to_end_the_panic() {
    let world = World::unlocked();
    world.set("a", "1");
    let told_before = told(&world, &[with_password("unlock")]);
    if stamped() {
        // Only from programs with the stamp.
        assert_eq!(told_before[0]["refused"], "denied", "{told_before:?}");
    } else {
        assert!(told_before[0]["ok"].is_object(), "control: the client knows the password: {told_before:?}");
    }
    assert_eq!(world.ctl(&["get", "a"]).ok(), b"1", "control");

    let done = world.ctl(&["panic"]).output();
    assert_eq!(done.code, 0, "{}", done.stderr);
    in_panic(&world);
    // The daemon itself refuses, before a password is tried: the right one and a wrong one alike.
    for request in [with_password("unlock"), json!({"do": "unlock", "password": "eA=="})] {
        let told = &told(&world, &[request])[0];
        assert_eq!(told["refused"], if stamped() { "denied" } else { "locked" }, "{told}");
        if stamped() {
            continue;
        }
        let line = told["message"].as_str().unwrap();
        assert!(line.starts_with("locked: panic since 2") && line.ends_with("--end-panic"), "{line}");
    }
    let told = told(&world, &[json!({"do": "status"})]);
    assert_eq!(told[0]["ok"]["last_lock"], "panic");
    let passwd = ["settings", "set", "idle", "5m", "--password-stdin"];
    let line = world.ctl(&passwd).stdin(format!("{PASSWORD}\n")).refused(3);
    assert_eq!(line, format!("ctl: {LINE}"));
    assert!(!records(&world, "unlock").contains(&(json!("denied"), json!("wrong-password"))));

    // A wrong one to end it is counted, and the panic stays.
    world.unlock("wrong", &["--end-panic"]).refused(7);
    // The pause of a second may be over by the time of the next one, and doubles.
    assert!(wait_until(|| world.unlock("wrong", &["--end-panic"]).code == 8, SOON));
    in_panic(&world);
    // Being locked, or locking again, ends none.
    world.ctl(&["lock"]).ok();
    world.ctl(&["panic"]).ok();
    in_panic(&world);
    assert!(wait_until(|| world.unlock(PASSWORD, &["--end-panic"]).code == 0, SOON));
    assert_eq!(world.ctl(&["get", "a"]).ok(), b"1");
    world.ctl(&["lock"]).ok();
    assert_eq!(world.status()["reason"], "requested");
    world.start(PASSWORD);

    assert_eq!(records(&world, "panic"), [(json!("allowed"), json!("owner"))], "once");
    assert_eq!(records(&world, "lock")[0], (json!("allowed"), json!("panic")));
    let refused = records(&world, "unlock").contains(&(json!("denied"), json!("panic")));
    assert!(refused || stamped(), "the client's, which a stamped daemon hears not at all");
    let ends = records(&world, "end-panic");
    assert_eq!(ends[0], (json!("denied"), json!("wrong-password")));
    assert_eq!(ends.last().unwrap(), &(json!("allowed"), json!("master-password")));
    // With none to end, it is an ordinary unlock.
    world.ctl(&["lock"]).ok();
    assert_eq!(world.unlock(PASSWORD, &["--end-panic"]).code, 0);
    assert_eq!(world.status()["state"], "unlocked");
}

#[test]
fn it_outlives_the_daemon() {
    let world = World::unlocked();
    world.set("a", "1");
    world.ctl(&["panic"]).ok();
    world.ctl(&["stop"]).ok();
    assert_eq!(world.unlock(PASSWORD, &[]).refused(3), format!("glassdome_start: {LINE}"));
    in_panic(&world);
    world.daemon().unwrap().signal(Signal::KILL);
    assert!(wait_until(|| world.daemon().is_none(), SOON));
    assert_eq!(world.unlock(PASSWORD, &[]).refused(3), format!("glassdome_start: {LINE}"));
    in_panic(&world);
    assert_eq!(world.unlock(PASSWORD, &["--end-panic"]).code, 0);
    assert_eq!(world.ctl(&["get", "a"]).ok(), b"1");
    // And so does its end.
    world.ctl(&["stop"]).ok();
    world.start(PASSWORD);
    assert_eq!(world.ctl(&["get", "a"]).ok(), b"1");
    // Where no daemon runs, one is started to remember it.
    world.ctl(&["stop"]).ok();
    world.ctl(&["panic"]).ok();
    in_panic(&world);
}

#[test]
fn without_a_vault_there_is_nothing_to_keep_closed() {
    let world = World::new();
    let line = world.ctl(&["panic"]).refused(3);
    assert_eq!(line, "ctl: there is no vault yet. Create one: glassdome_start");
    world.start(PASSWORD);
    assert_eq!(world.status()["state"], "unlocked");
}

#[test]
fn what_waits_and_what_was_granted_ends_with_it() {
    let world = World::unlocked();
    world.set("a", "1");
    let script = "
ctl get a > before
ctl panic
ctl get a; echo \"code=$?\" > after
cat > passed; :";
    world.granted_shell("/bin/sh", script).stdin("").output();
    assert_eq!(std::fs::read_to_string(world.home("before")).unwrap(), "1", "control: it is granted");
    assert_eq!(std::fs::read_to_string(world.home("after")).unwrap(), "code=3\n");
    in_panic(&world);

    // A request that waits for a person is over, and is not there when the panic is.
    assert_eq!(world.unlock(PASSWORD, &["--end-panic"]).code, 0);
    let asker = world.python(
        &scripts::scripts(&world).join("asker.py"),
        &[scripts::scripts(&world).to_str().unwrap(), world.socket().to_str().unwrap(), "ctl", "get", "a"],
    );
    let waiting = asker.env("GLASSDOME_WAIT", "60s").start();
    let open = || world.ctl(&["approvals", "--json"]).text().contains("\"a\"");
    assert!(wait_until(open, SOON), "a question is open");
    world.ctl(&["panic"]).ok();
    let told: Value = serde_json::from_slice(&waiting.output().ok()).unwrap();
    assert_eq!((&told["code"], &told["got"]), (&json!(3), &Value::Null), "{told}");
    assert_eq!(world.unlock(PASSWORD, &["--end-panic"]).code, 0);
    assert!(!open(), "and it is not asked about any more");
}
