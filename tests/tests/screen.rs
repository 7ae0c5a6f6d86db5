//! A locked screen: what a person has granted rests until it opens, what is sealed goes on. By logind's hint and
//! signals, and by screen savers on the session bus; none is ever started, and one that is gone opens nothing.
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
#[path = "support/open_questions.rs"]
#[allow(dead_code, reason = "other tests use the rest")]
mod open_questions;
#[path = "support/scripts.rs"]
#[allow(dead_code, reason = "other tests use the rest")]
mod scripts;

use std::path::Path;
use std::time::{Duration, Instant};

use askers::{PYTHON, Staying, allow, asker, asking, recorded, told, with_password};
use desktop::{Bus, SAVERS, SOON, bus_call, gdbus, sprung};
use glassdome_tests::{PASSWORD, Started, World, text, wait_until};
use logind::{Logind, bus, start};
use open_questions::question;
use rustix::process::Signal;

const RESTS: &str =
    "ctl: paused: the screen is locked. Unlock it, or type the master password: glassdome_start";

/// Longer than a screen is open before it goes on.
const SETTLED: Duration = Duration::from_secs(2);

fn state(world: &World) -> (String, String) {
    let status = world.status();
    let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
    (text(&status["state"]), text(&status["screen"]["state"]))
}

#[track_caller]
fn becomes(world: &World, word: &str) {
    assert!(wait_until(|| state(world).0 == word, SOON), "{:?}, {}", state(world), world.daemon_log());
}

#[track_caller]
fn sees(world: &World, screen: &str) {
    assert!(wait_until(|| state(world).1 == screen, SOON), "{:?}, {}", state(world), world.daemon_log());
}

fn set(world: &World, value: &str) {
    with_password(world, &["settings", "set", "screen", value]).ok();
    world.ctl(&["lock"]).ok();
}

/// Logged in at a desktop whose screen is open, with an open vault that has seen it.
fn stage(world: &World) -> (Bus, Logind<'_>) {
    let bus = bus(world);
    let logind = Logind::start(world);
    logind.log_in("c1", "wayland");
    start(world);
    sees(world, "open");
    world.set("a", "1");
    (bus, logind)
}

#[test]
fn what_was_granted_rests_and_what_is_sealed_goes_on() {
    let world = World::with_vault();
    let (_bus, logind) = stage(&world);
    let (sealed, asked, other) =
        (asker(&world, "sealed.py"), asker(&world, "asked.py"), asker(&world, "other.py"));
    allow(&world, &["--secrets", "a", "--script", text(&sealed)]).ok();
    let mut answered = Staying::waiting(&world, text(&asked), "60s");
    answered.begin("ctl get a");
    world.ctl(&["approve", &question(&world), "--for", "process", "--yes"]).ok();
    answered.answer().served("1");
    let script = ": > begun; until [ -e go ]; do sleep 0.02; done; ctl get a; exit $?";
    let handle = world.ctl(&["run", "--grant", "a", "--", "sh", "-c", script]).start();
    assert!(wait_until(|| world.home("begun").exists(), SOON));

    logind.set("c1", "LockedHint", "true");
    becomes(&world, "paused");
    assert_eq!(recorded(&world, "pause", "allowed")["by"], "screen-locked");
    for words in [&["get", "a"][..], &["list"], &["rm", "a"], &["approvals"], &["settings", "show"]] {
        assert_eq!(world.ctl(words).refused(3), RESTS, "{words:?}");
    }
    assert_eq!(recorded(&world, "get", "denied")["by"], "paused");
    let handed = world.ctl(&["run", "--grant", "a", "--", "true"]).output();
    assert!(handed.code != 0 && handed.stderr.contains("paused: "), "{}", handed.stderr);
    assert_eq!(answered.ask("ctl get a").code, 3);
    assert_eq!(answered.ask("client get a").code, 3);
    assert_eq!(world.ctl(&["status", "-q"]).output().code, 3);
    // On a busy machine it says nothing rather than keep a prompt waiting.
    let short = || world.ctl(&["status", "--short", "--ascii"]).text();
    assert!(wait_until(|| short().starts_with("P 7h"), SOON));
    assert!(world.ctl(&["status"]).text().starts_with("paused: the screen is locked. Go on: unlock it, or"));
    // What nothing speaks for is denied as ever, and what a rule allows is served; so is what has a handle.
    let script = |script: &Path| asking(&world, PYTHON, &[text(script)], &["ctl", "get", "a"]);
    told(script(&other)).denied();
    told(script(&sealed)).served("1");
    world.file("go", "");
    assert_eq!(handle.output().ok(), b"1");

    logind.set("c1", "LockedHint", "false");
    becomes(&world, "unlocked");
    assert_eq!(recorded(&world, "resume", "allowed")["event"], "resume");
    assert_eq!(world.ctl(&["get", "a"]).ok(), b"1");
    answered.ask("ctl get a").served("1");

    // By a key, before any locker has said that it is locked.
    logind.ask("c1", "Lock");
    becomes(&world, "paused");
    assert_eq!(world.ctl(&["get", "a"]).refused(3), RESTS);
    logind.ask("c1", "Unlock");
    becomes(&world, "unlocked");
    assert_eq!(world.ctl(&["get", "a"]).ok(), b"1");
}

#[test]
fn the_password_ends_a_pause_and_nothing_that_is_gone_does() {
    let world = World::with_vault();
    let (bus, logind) = stage(&world);
    with_password(&world, &["settings", "set", "logout", "off"]).ok();
    world.ctl(&["lock"]).ok();
    start(&world);
    sees(&world, "open");
    logind.set("c1", "LockedHint", "true");
    becomes(&world, "paused");
    world.unlock("wrong", &[]).refused(7);
    assert_eq!(state(&world).0, "paused");
    // A wrong password has the next one wait.
    assert!(wait_until(|| world.unlock(PASSWORD, &[]).code == 0, SOON));
    assert_eq!(state(&world), ("unlocked".into(), "locked".into()));
    assert_eq!(world.ctl(&["get", "a"]).ok(), b"1");
    logind.is_looked_at();
    assert_eq!(state(&world).0, "unlocked", "it was locked already");

    // The next lock counts again; the login that it was of, logind and the bus go.
    logind.set("c1", "LockedHint", "false");
    sees(&world, "open");
    logind.log_in("c2", "tty");
    logind.set("c1", "LockedHint", "true");
    becomes(&world, "paused");
    logind.kill();
    bus.end();
    let _bus = self::bus(&world);
    let logind = Logind::start(&world);
    logind.log_in("c2", "tty");
    logind.is_looked_at();
    assert_eq!(world.ctl(&["get", "a"]).refused(3), RESTS);
    assert_eq!(world.unlock(PASSWORD, &[]).code, 0);
    assert_eq!(world.ctl(&["get", "a"]).ok(), b"1");
}

#[test]
fn what_is_sealed_decides_what_a_locked_screen_does() {
    let world = World::with_vault();
    let (_bus, logind) = stage(&world);
    set(&world, "lock");
    // Whoever unlocks in front of a locked screen does so knowing it.
    logind.set("c1", "LockedHint", "true");
    start(&world);
    sees(&world, "locked");
    logind.is_looked_at();
    assert_eq!(state(&world).0, "unlocked");
    logind.set("c1", "LockedHint", "false");
    sees(&world, "open");
    logind.set("c1", "LockedHint", "true");
    becomes(&world, "locked");
    assert_eq!(world.status()["reason"], "screen-locked");
    assert_eq!(recorded(&world, "lock", "allowed")["by"], "screen-locked");
    logind.set("c1", "LockedHint", "false");

    set(&world, "off");
    start(&world);
    assert!(wait_until(|| world.status()["logind"]["state"] == "watched", SOON));
    logind.set("c1", "LockedHint", "true");
    logind.ask("c1", "Lock");
    logind.is_looked_at();
    assert_eq!(state(&world), ("unlocked".into(), "unwatched".into()));
    assert_eq!(world.ctl(&["get", "a"]).ok(), b"1");
    let doctor = world.ctl(&["doctor"]).output();
    assert!(String::from_utf8(doctor.stdout).unwrap().contains("a locked screen changes nothing"));
}

/// What tells of the screen on the session bus, in a screen saver's place.
struct Saver<'w> {
    world: &'w World,
    name: &'static str,
    process: Started,
}

impl<'w> Saver<'w> {
    fn start(world: &'w World, name: &'static str, active: bool) -> Self {
        let args = ["-m", "dbusmock", "--session", name, &path(name), name];
        let process = world
            .program(Path::new("/usr/bin/python3"), &args)
            .env("DBUS_SESSION_BUS_ADDRESS", format!("unix:path={}", text(&world.runtime().join("bus"))))
            .within(Duration::from_secs(600))
            .start();
        assert!(wait_until(|| bus_call(world, "NameHasOwner", &[name]).contains("true"), SOON), "{name}");
        let saver = Self { world, name, process };
        saver.answers(active);
        saver
    }

    fn call(&self, method: &str, args: &[&str]) {
        let method = format!("org.freedesktop.DBus.Mock.{method}");
        gdbus(self.world, self.name, &path(self.name), &method, args);
    }

    fn answers(&self, active: bool) {
        let code = if active { "ret = True" } else { "ret = False" };
        self.call("AddMethod", &[self.name, "GetActive", "", "b", code]);
    }

    fn is(&self, active: bool) {
        self.answers(active);
        self.call("EmitSignal", &[self.name, "ActiveChanged", "b", &format!("[<{active}>]")]);
    }

    fn kill(self) {
        self.process.signal(Signal::KILL);
        self.process.output();
    }
}

fn path(name: &str) -> String {
    format!("/{}", name.replace('.', "/"))
}

#[test]
fn screen_savers_are_heeded_and_none_is_started() {
    let world = World::with_vault();
    start(&world);
    world.set("a", "1");
    assert_eq!(state(&world).1, "unseen");
    let _bus = Bus::start(&world);
    for name in SAVERS {
        let saver = Saver::start(&world, name, false);
        sees(&world, "open");
        saver.is(true);
        becomes(&world, "paused");
        assert_eq!(world.ctl(&["get", "a"]).refused(3), RESTS);
        saver.is(false);
        becomes(&world, "unlocked");
        assert_eq!(world.ctl(&["get", "a"]).ok(), b"1");
        // One that ends with the screen locked has not opened it, nor has another in its place.
        saver.is(true);
        becomes(&world, "paused");
        saver.kill();
        let saver = Saver::start(&world, name, false);
        saver.is(true);
        saver.is(false);
        std::thread::sleep(SETTLED);
        assert_eq!(world.ctl(&["get", "a"]).refused(3), RESTS);
        // The password does, and what is there by then that locks counts.
        saver.is(true);
        saver.kill();
        assert_eq!(world.unlock(PASSWORD, &[]).code, 0);
        assert_eq!(world.ctl(&["get", "a"]).ok(), b"1");
        let saver = Saver::start(&world, name, true);
        becomes(&world, "paused");
        saver.is(false);
        becomes(&world, "unlocked");
        saver.kill();
    }
    assert_eq!(sprung(&world), "", "none was started");
}

#[test]
fn a_flood_of_locks_fills_no_log_and_another_setting_ends_it() {
    let world = World::with_vault();
    let _session = Bus::start(&world);
    let (_bus, logind) = stage(&world);
    let sealed = asker(&world, "sealed.py");
    allow(&world, &["--secrets", "a", "--script", text(&sealed)]).ok();
    let pauses = || world.audit().iter().filter(|record| record["event"] == "pause").count();
    let saver = Saver::start(&world, SAVERS[0], false);
    let began = Instant::now();
    // Locked, open, locked, open …
    let flips = "for n in range(100): self.EmitSignal(NAME, 'ActiveChanged', 'b', [n % 2 == 0])"
        .replace("NAME", &format!("'{}'", saver.name));
    saver.call("AddMethod", &[saver.name, "Flip", "", "", &flips]);
    for _ in 0..3 {
        gdbus(&world, saver.name, &path(saver.name), &format!("{}.Flip", saver.name), &[]);
    }
    told(asking(&world, PYTHON, &[text(&sealed)], &["ctl", "get", "a"])).served("1");
    assert!(wait_until(|| pauses() > 0, SOON), "{}", world.daemon_log());
    becomes(&world, "unlocked");
    let (seen, most) = (pauses(), began.elapsed().as_secs() + 1);
    assert!(seen as u64 <= most, "{seen} pauses in {most} s");

    // Asked of logind, told by the saver alone.
    logind.ask("c1", "Lock");
    becomes(&world, "paused");
    saver.is(true);
    saver.is(false);
    becomes(&world, "unlocked");

    // The way out, whoever says that it is locked.
    saver.is(true);
    becomes(&world, "paused");
    let doctor = world.ctl(&["doctor"]).output();
    assert!(String::from_utf8(doctor.stdout).unwrap().contains("paused: what is granted to terminals"));
    with_password(&world, &["settings", "set", "screen", "off"]).ok();
    assert_eq!(state(&world), ("unlocked".into(), "unwatched".into()));
    assert_eq!(world.ctl(&["get", "a"]).ok(), b"1");
    saver.is(false);
    saver.is(true);
    std::thread::sleep(SETTLED);
    assert_eq!(state(&world).0, "unlocked");
    // And back: what is locked by then is no hindrance, the next lock is.
    with_password(&world, &["settings", "set", "screen", "pause"]).ok();
    assert_eq!(state(&world).0, "unlocked");
    saver.is(false);
    sees(&world, "open");
    saver.is(true);
    becomes(&world, "paused");
    with_password(&world, &["settings", "set", "screen", "lock"]).ok();
    assert_eq!(state(&world).0, "unlocked", "the password was typed");
    saver.is(false);
    sees(&world, "open");
    saver.is(true);
    becomes(&world, "locked");
}
