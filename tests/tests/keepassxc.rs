//! The session ends with the desktop's keyring where that is KeePassXC: a real one, with a database of the test's
//! own that it offers as its collection. What holds of any keyring is tested with gnome-keyring.
#![allow(clippy::unwrap_used, reason = "what is not there fails the test")]

#[path = "support/askers.rs"]
#[allow(dead_code, reason = "other tests use the rest")]
mod askers;
#[path = "support/desktop.rs"]
#[allow(dead_code, reason = "other tests use the rest")]
mod desktop;
#[path = "support/scripts.rs"]
#[allow(dead_code, reason = "other tests use the rest")]
mod scripts;

use std::path::Path;
use std::time::Duration;

use askers::recorded;
use desktop::{Bus, SOON, bus_call, gdbus, keyring_call, sprung};
use glassdome_tests::{PASSWORD, Run, Started, World, text, wait_until};
use rustix::process::Signal;

/// The database, as KeePassXC imports it: the group that it offers as a collection is a line of its header.
const DATABASE: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\" standalone=\"yes\"?>
<KeePassFile><Meta><Generator>test</Generator><DatabaseName>mine</DatabaseName><CustomData><Item>
<Key>FDO_SECRETS_EXPOSED_GROUP</Key><Value>{6d3a7c4e-1b2f-4c5d-8e9f-0a1b2c3d4e5f}</Value>
</Item></CustomData></Meta><Root><Group><UUID>bTp8ThsvTF2OnwobLD1OXw==</UUID><Name>Root</Name></Group></Root>
</KeePassFile>";
const CONFIG: &str = "[General]\nConfigVersion=2\nUpdateCheckMessageShown=true\n[FdoSecrets]\nEnabled=true\n";
const MINE: &str = "/org/freedesktop/secrets/collection/mine";
const WINDOW: &str = "org.keepassxc.KeePassXC.MainWindow";

/// Without a screen, and on the bus of this world.
fn on_the_bus(run: Run, world: &World) -> Run {
    let address = format!("unix:path={}", text(&world.runtime().join("bus")));
    run.env("QT_QPA_PLATFORM", "offscreen").env("DBUS_SESSION_BUS_ADDRESS", address)
}

/// Starts KeePassXC, with its database open.
fn keepassxc(world: &World) -> Started {
    let (xml, database) = (world.file("mine.xml", DATABASE), world.home("mine.kdbx"));
    let import = ["import", "--set-password", text(&xml), text(&database)];
    let import = world.program(Path::new("/usr/bin/keepassxc-cli"), &import);
    on_the_bus(import, world).stdin("of the database\nof the database\n").ok();
    let (config, local) = (world.file("keepassxc.ini", CONFIG), world.home("local.ini"));
    let args = ["--config", text(&config), "--localconfig", text(&local)];
    let run = on_the_bus(world.program(Path::new("/usr/bin/keepassxc"), &args), world);
    let started = run.within(Duration::from_secs(600)).start();
    let there = || {
        ["org.freedesktop.secrets", WINDOW]
            .iter()
            .all(|name| bus_call(world, "NameHasOwner", &[name]).contains("true"))
    };
    assert!(wait_until(there, SOON), "it is the keyring of its bus");
    open_database(world);
    let default = || {
        let method = "org.freedesktop.Secret.Service.ReadAlias";
        keyring_call(world, "/org/freedesktop/secrets", method, &["default"]).contains("collection/mine")
    };
    assert!(wait_until(default, SOON), "it offers the database");
    started
}

/// As its window does it, which opens no session. (A password that it reads as it starts, it sometimes loses.)
fn open_database(world: &World) {
    let open = format!("{WINDOW}.openDatabase");
    gdbus(world, WINDOW, "/keepassxc", &open, &[text(&world.home("mine.kdbx")), "of the database"]);
}

fn state(world: &World) -> (String, String) {
    let status = world.status();
    let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
    (text(&status["state"]), text(&status["keyring"]["state"]))
}

#[track_caller]
fn is(world: &World, session: &str, keyring: &str) {
    let seen = wait_until(|| state(world) == (session.to_owned(), keyring.to_owned()), SOON);
    let locked = ["org.freedesktop.Secret.Collection", "Locked"];
    let told = || keyring_call(world, MINE, "org.freedesktop.DBus.Properties.Get", &locked);
    assert!(seen, "{session}, {keyring}: {:?}, {}, {}", state(world), told(), world.daemon_log());
}

#[test]
fn a_database_that_locks_ends_the_session_and_so_does_its_end() {
    let world = World::with_vault();
    let _bus = Bus::start(&world);
    let keepassxc = keepassxc(&world);
    world.start(PASSWORD);
    is(&world, "unlocked", "unlocked");
    world.set("a", "1");
    assert_eq!(world.ctl(&["get", "a"]).ok(), b"1");
    // It keeps nothing without a word from its owner, for which no daemon of ours asks.
    let migrate = ["storage", "migrate", "--to", "keyring", "--without-recovery", "--password-stdin"];
    let refused = world.ctl(&migrate).stdin(format!("{PASSWORD}\n")).refused(1);
    for said in ["without asking you each time", "nothing was changed", "have another keyring"] {
        assert!(refused.contains(said), "{refused}");
    }

    gdbus(&world, WINDOW, "/keepassxc", &format!("{WINDOW}.lockAllDatabases"), &[]);
    is(&world, "locked", "locked");
    assert_eq!(recorded(&world, "lock", "allowed")["by"], "keyring-locked");
    world.ctl(&["get", "a"]).refused(3);

    open_database(&world);
    is(&world, "locked", "unlocked");
    world.start(PASSWORD);
    is(&world, "unlocked", "unlocked");
    keepassxc.signal(Signal::KILL);
    keepassxc.output();
    is(&world, "locked", "no-keyring");
    assert_eq!(sprung(&world), "", "nothing prompted, and nothing was started");
}
