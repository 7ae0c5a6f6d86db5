//! The device key, in a real gnome-keyring on a bus of the test's own: with it the password opens the vault, and a copy of
//! the vault elsewhere stays shut; the recovery code opens it without. The master key is in no keyring.
#![allow(clippy::unwrap_used, reason = "what is not there fails the test")]

#[path = "support/decrypt.rs"]
mod decrypt;
#[path = "support/desktop.rs"]
#[allow(dead_code, reason = "other tests use the rest")]
mod desktop;
#[path = "support/scripts.rs"]
#[allow(dead_code, reason = "other tests use the rest")]
mod scripts;
#[path = "support/tools.rs"]
mod tools;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use desktop::{Bus, Keyring, SOON, sprung};
use glassdome_tests::{Out, PASSWORD, Run, User, World, text, wait_until};
use serde_json::{Value, json};

const NEXT: &str = "eleven badgers weave soft rope";

/// What becomes of a try that is made when it is allowed: after a wrong one there is a pause.
fn when_allowed(mut once: impl FnMut() -> Out) -> Out {
    let mut last = None;
    let told = wait_until(|| last.insert(once()).code != 8, Duration::from_secs(20));
    assert!(told, "the pause is over");
    last.unwrap()
}

/// `ctl …` with these lines.
fn with(world: &World, args: &[&str], lines: &[&str]) -> Out {
    let lines: String = lines.iter().map(|line| format!("{line}\n")).collect();
    when_allowed(|| world.ctl(&[args, &["--password-stdin"]].concat()).stdin(lines.clone()).output())
}

fn migrate(world: &World, to: &str, lines: &[&str]) -> Out {
    with(world, &["storage", "migrate", "--to", to], lines)
}

fn unlock(world: &World, typed: &str) -> Out {
    when_allowed(|| world.unlock(typed, &[]))
}

fn recovery_code(world: &World) -> String {
    let file = world.home("code");
    with(world, &["slots", "add", "recovery", "--code-file", text(&file)], &[PASSWORD]).ok();
    fs::read_to_string(&file).unwrap().trim_end().to_owned()
}

/// Mode, device key and spare ones.
fn mode(world: &World) -> Value {
    let status: Value = serde_json::from_slice(&world.ctl(&["storage", "status", "--json"]).ok()).unwrap();
    json!([status["mode"], status["device_key"], status["spare_device_keys"]])
}

fn secret_tool(world: &World, args: &[&str]) -> Run {
    let address = format!("unix:path={}", text(&world.runtime().join("bus")));
    world.program(Path::new("/usr/bin/secret-tool"), args).env("DBUS_SESSION_BUS_ADDRESS", address)
}

/// The device key that the keyring has, as anybody of that user reads it.
fn device_key(world: &World) -> Option<Vec<u8>> {
    let out = secret_tool(world, &["lookup", "application", "glassdome", "kind", "device-key"]).output();
    (out.code == 0).then_some(out.stdout)
}

/// An open keyring, and an open vault with a secret.
fn stage() -> (World, Bus, Keyring) {
    let world = World::with_vault();
    let bus = Bus::start(&world);
    let keyring = Keyring::open(&world);
    world.start(PASSWORD);
    world.set("a", "1");
    (world, bus, keyring)
}

/// A home of its own with a copy of that vault.
fn copied(world: &World) -> World {
    let there = World::new();
    let stopped = world.ctl(&["stop"]).output();
    assert_eq!(stopped.code, 0, "{}", stopped.stderr);
    let directory = there.vault().parent().unwrap().to_owned();
    fs::create_dir_all(&directory).unwrap();
    fs::copy(world.vault(), there.vault()).unwrap();
    fs::set_permissions(&directory, fs::Permissions::from_mode(0o700)).unwrap();
    for path in [directory.as_path(), &there.vault()] {
        User::A.own(path).unwrap();
    }
    there
}

#[test]
fn a_copy_elsewhere_stays_shut_without_the_keyring_and_says_what_is_missing() {
    let (world, _bus, _keyring) = stage();
    let refused = migrate(&world, "keyring", &[PASSWORD]).refused(5);
    assert!(refused.contains("ctl slots add recovery"), "{refused}");
    assert_eq!(mode(&world), json!(["file", null, 0]));
    assert!(device_key(&world).is_none());
    let code = recovery_code(&world);
    let former = fs::read(world.vault()).unwrap();

    migrate(&world, "keyring", &["not the password"]).refused(7);
    assert!(device_key(&world).is_none());
    migrate(&world, "keyring", &[PASSWORD]).ok();
    assert_eq!(mode(&world), json!(["keyring", "there", 0]));
    let key = device_key(&world).unwrap();
    assert_eq!(key.len(), 32);
    assert!(migrate(&world, "keyring", &[PASSWORD]).stderr.contains("nothing was changed"));
    world.ctl(&["lock"]).ok();
    unlock(&world, "not the password").refused(7);
    unlock(&world, PASSWORD).ok();
    assert_eq!(world.ctl(&["get", "a"]).ok(), b"1");
    // The page says how, and another program reads it by that.
    let hex: String = key.iter().map(|byte| format!("{byte:02x}")).collect();
    let read = decrypt::decrypt(&world, &format!("{PASSWORD}\n{hex}"), &["--device"]);
    assert_eq!(read["secrets"]["a"]["value"], "31");
    // The former slot is not in the file any more.
    let slot = |bytes: &[u8]| bytes.windows(30).any(|row| row == former_slot(&former));
    assert!(slot(&former), "control");
    assert!(!slot(&fs::read(world.vault()).unwrap()));

    let there = copied(&world);
    let refused = unlock(&there, PASSWORD).refused(3);
    assert!(refused.contains("no session bus") && refused.contains("recovery code"), "{refused}");
    there.ctl(&["stop"]).ok();
    let _bus = Bus::start(&there);
    let refused = unlock(&there, PASSWORD).refused(3);
    assert!(refused.contains("no keyring runs"), "{refused}");
    let _keyring = Keyring::open(&there);
    let missing = wait_until(|| unlock(&there, PASSWORD).code == 5, SOON);
    assert!(missing, "{:?}", unlock(&there, PASSWORD).stderr);
    let refused = unlock(&there, PASSWORD).refused(5);
    assert!(refused.contains("not in your keyring") && refused.contains("recovery code"), "{refused}");
    let failed = there.audit().into_iter().rfind(|record| record["event"] == "unlock").unwrap();
    assert_eq!((&failed["outcome"], &failed["by"]), (&json!("failed"), &json!("device-key")));
    // A try that cannot be made is none: nobody waits for it.
    assert_eq!(there.unlock(PASSWORD, &[]).code, 5);
    unlock(&there, &code).ok();
    assert_eq!(there.ctl(&["get", "a"]).ok(), b"1");
    assert_eq!(mode(&there), json!(["keyring", "missing", 0]));

    // With the code it is made whole again, on either side.
    with(&there, &["passwd"], &[&code, NEXT]).refused(5);
    migrate(&there, "file", &[&code]).refused(13);
    migrate(&there, "file", &[&code, "password"]).refused(2);
    migrate(&there, "file", &[&code, NEXT]).ok();
    assert_eq!(mode(&there), json!(["file", null, 0]));
    there.ctl(&["lock"]).ok();
    unlock(&there, PASSWORD).refused(7);
    unlock(&there, NEXT).ok();
    assert_eq!(there.ctl(&["get", "a"]).ok(), b"1");
    assert_eq!(
        (sprung(&world), sprung(&there)),
        (String::new(), String::new()),
        "nothing prompted or was started"
    );
}

/// How the slot of the password begins in a vault of the tests: kind, costs of its derivation, salt.
fn former_slot(vault: &[u8]) -> Vec<u8> {
    let head = [&[1][..], &(64u32 * 1024).to_le_bytes(), &3u32.to_le_bytes()].concat();
    let at = vault.windows(head.len()).position(|there| there == head).unwrap();
    vault[at..at + 30].to_vec()
}
