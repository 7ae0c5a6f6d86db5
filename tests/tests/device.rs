//! The device key, in a real gnome-keyring on a bus of the test's own: with it the password opens the vault, and a copy of
//! the vault elsewhere stays shut; the recovery code opens it without. The master key is in no keyring.
#![allow(clippy::unwrap_used, reason = "what is not there fails the test")]

#[path = "support/decrypt.rs"]
mod decrypt;
#[path = "support/desktop.rs"]
#[allow(dead_code, reason = "other tests use the rest")]
mod desktop;
#[path = "support/proving.rs"]
mod proving;
#[path = "support/recovery_page.rs"]
#[allow(dead_code, reason = "other tests use the rest")]
mod recovery_page;
#[path = "support/scripts.rs"]
#[allow(dead_code, reason = "other tests use the rest")]
mod scripts;
#[path = "support/tools.rs"]
mod tools;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use desktop::{Bus, Keyring, SOON, sprung};
use glassdome_tests::{Out, PASSWORD, Run, User, World, text, wait_until};
use proving::{when_allowed, with};
use recovery_page::follow;
use serde_json::{Value, json};

const NEXT: &str = "eleven badgers weave soft rope";

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
    let row = former_slot(&former);
    let slot = |bytes: &[u8]| bytes.windows(row.len()).any(|there| there == row);
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

/// A vault that is bound, with the code that opens it without the keyring.
fn bound() -> (World, Bus, Keyring, String) {
    let (world, bus, keyring) = stage();
    let code = recovery_code(&world);
    migrate(&world, "keyring", &[PASSWORD]).ok();
    assert_eq!(mode(&world), json!(["keyring", "there", 0]));
    (world, bus, keyring, code)
}

fn doctor(world: &World) -> String {
    let all: Value = serde_json::from_slice(&world.ctl(&["doctor", "--json"]).output().stdout).unwrap();
    let lines = all["protections"].as_array().or(all.as_array()).unwrap();
    let line = lines.iter().find(|line| line["what"] == "device key").unwrap();
    format!("{}: {}", line["level"].as_str().unwrap(), line["why"].as_str().unwrap())
}

#[test]
fn a_keyring_that_is_locked_or_has_another_key_says_so_and_the_mode_holds_through_other_changes() {
    let (world, _bus, _keyring, code) = bound();
    assert!(doctor(&world).starts_with("on: "), "{}", doctor(&world));
    // Another password and another code are of the same mode.
    with(&world, &["passwd"], &[PASSWORD, NEXT]).ok();
    let refused = with(&world, &["slots", "remove", "recovery"], &[NEXT]).refused(9);
    assert!(refused.contains("migrate --to file"), "{refused}");
    assert!(world.ctl(&["slots"]).text().contains("with the device key in the keyring"));
    world.ctl(&["stop"]).ok();
    // The first thing that a daemon does.
    unlock(&world, NEXT).ok();
    assert_eq!(world.ctl(&["get", "a"]).ok(), b"1");

    Keyring::lock(&world);
    assert!(wait_until(|| world.status()["state"] == "locked", SOON));
    let refused = unlock(&world, NEXT).refused(3);
    assert!(refused.contains("your keyring is locked") && refused.contains("recovery code"), "{refused}");
    assert_eq!(mode(&world), json!(["keyring", "locked", 0]));
    assert!(doctor(&world).starts_with("degraded: "), "{}", doctor(&world));
    migrate(&world, "keyring", &[NEXT]).refused(3);
    let wrong = format!("{}{}", if code.starts_with('0') { '1' } else { '0' }, &code[1..]);
    unlock(&world, &wrong).refused(3);
    unlock(&world, &code).ok();
    world.ctl(&["lock"]).ok();
    Keyring::unlock(&world);
    unlock(&world, NEXT).ok();
    assert_eq!(sprung(&world), "", "nothing prompted, and nothing was started");

    // Somebody puts another one in its place.
    let attributes = attributes(&world);
    let names: Vec<&str> = attributes.iter().flat_map(|(name, is)| [name.as_str(), is]).collect();
    secret_tool(&world, &[&["store", "--label", "x"], &names[..]].concat()).stdin("x".repeat(32)).ok();
    world.ctl(&["lock"]).ok();
    let refused = unlock(&world, NEXT).refused(10);
    assert!(refused.contains("another key") && refused.contains("recovery code"), "{refused}");
    assert_eq!(mode(&world)[1], json!("wrong"));
    unlock(&world, &code).ok();
    // With the code, another key takes its place; what lies there is spare then, and is taken away.
    migrate(&world, "keyring", &[&code, NEXT]).ok();
    assert_eq!(mode(&world)[1], json!("there"));
    world.ctl(&["lock"]).ok();
    unlock(&world, NEXT).ok();
    migrate(&world, "file", &[NEXT]).ok();
    tidied(&world, NEXT);
    assert!(device_key(&world).is_none());
    world.ctl(&["lock"]).ok();
    unlock(&world, NEXT).ok();
    with(&world, &["slots", "remove", "recovery"], &[NEXT]).ok();
}

/// The attributes by which the daemon finds the device key.
fn attributes(world: &World) -> Vec<(String, String)> {
    let out = secret_tool(world, &["search", "--all", "application", "glassdome"]).output();
    let told = format!("{}{}", String::from_utf8_lossy(&out.stdout), out.stderr);
    let each = told.lines().filter_map(|line| line.strip_prefix("attribute.")?.split_once(" = "));
    let found: Vec<_> = each.map(|(name, is)| (name.to_owned(), is.to_owned())).collect();
    assert!(found.iter().any(|(name, _)| name == "key"), "{told}");
    found
}

/// Takes spare keys away, until there are none.
fn tidied(world: &World, password: &str) {
    with(world, &["storage", "tidy"], &[password]).ok();
    assert_eq!(mode(world)[2], json!(0));
}

#[test]
fn without_a_recovery_code_the_former_device_key_stays_for_the_backups_that_need_it() {
    let (world, _bus, _keyring) = stage();
    with(&world, &["storage", "migrate", "--to", "keyring", "--without-recovery"], &[PASSWORD]).ok();
    let key = device_key(&world);
    assert!(key.is_some());
    let out = migrate(&world, "file", &[PASSWORD]);
    assert_eq!(out.code, 0, "{}", out.stderr);
    assert!(out.stderr.contains("backups from before need it"), "{}", out.stderr);
    assert_eq!(mode(&world), json!(["file", null, 1]));
    assert_eq!(device_key(&world), key);
    tidied(&world, PASSWORD);
    assert!(device_key(&world).is_none());
}

#[test]
fn a_bound_vault_gets_another_master_key_and_stays_bound() {
    let (world, _bus, _keyring, former) = bound();
    let key = device_key(&world).unwrap();
    let file = world.home("next-code");
    with(&world, &["rotate", "--code-file", text(&file)], &[PASSWORD]).ok();
    assert_eq!(mode(&world), json!(["keyring", "there", 0]));
    assert_eq!(device_key(&world), Some(key));
    let code = fs::read_to_string(&file).unwrap().trim_end().to_owned();
    world.ctl(&["lock"]).ok();
    unlock(&world, &former).refused(7);
    unlock(&world, PASSWORD).ok();
    assert_eq!(world.ctl(&["get", "a"]).ok(), b"1");

    let there = copied(&world);
    assert!(unlock(&there, PASSWORD).refused(3).contains("no session bus"));
    unlock(&there, &code).ok();
    assert_eq!(there.ctl(&["get", "a"]).ok(), b"1");
}

#[test]
fn the_master_key_is_in_no_keyring() {
    let (world, _bus, _keyring, _) = bound();
    let hex = |bytes: &[u8]| -> String { bytes.iter().map(|byte| format!("{byte:02x}")).collect() };
    let device = hex(&device_key(&world).unwrap());
    let vault = decrypt::decrypt(&world, &format!("{PASSWORD}\n{device}"), &["--device", "--keys"]);
    let keys: Vec<&str> =
        vault["keys"].as_object().unwrap().values().map(|key| key.as_str().unwrap()).collect();
    assert_eq!(keys.len(), 8);

    let scripts = scripts::scripts(&world);
    // What it speaks to the bus by, where the home's owner reads it: the bus takes nobody else.
    let found = Command::new(decrypt::interpreter())
        .args(["-c", "import jeepney; print(jeepney.__path__[0])"])
        .output();
    let package = String::from_utf8(found.unwrap().stdout).unwrap();
    assert!(Command::new("cp").args(["-r", package.trim(), text(&scripts)]).status().unwrap().success());
    let all_items =
        || world.python(&scripts.join("all_items.py"), &[text(&world.runtime().join("bus"))]).text();
    let mut items = String::new();
    // Behind the device key comes the state of the vault, 57 bytes.
    let has_state = || {
        items = all_items();
        items.lines().any(|item| item.len() == 114)
    };
    assert!(wait_until(has_state, SOON), "{items}");
    assert!(items.lines().any(|item| item == device), "control: what is there is found");
    let told = |items: &str, key: &str| items.contains(key) || items.contains(&hex(key.as_bytes()));
    assert!(told(&items, &device), "control");
    assert!(!keys.iter().any(|key| told(&items, key)), "{items}");

    let mut files = 0;
    for file in fs::read_dir(world.home(".local/share/keyrings"))
        .or(fs::read_dir(world.data().join("keyrings")))
        .unwrap()
    {
        let bytes = fs::read(file.unwrap().path()).unwrap();
        files += usize::from(hex(&bytes).contains(&hex(b"GnomeKeyring")));
        let (raw, letters) = (hex(&bytes), String::from_utf8_lossy(&bytes).into_owned());
        assert!(!keys.iter().any(|key| raw.contains(key) || letters.contains(key)));
    }
    assert!(files > 0, "control: the keyring's file was read");
}

#[test]
fn a_backup_takes_the_keyring_or_the_recovery_code() {
    let (world, _bus, _keyring, code) = bound();
    let backup = world.home("vault.backup");
    world.ctl(&["storage", "backup", text(&backup)]).ok();
    let recover = |world: &World, args: &[&str], typed: &str| {
        let args = [&["storage", "recover", "--password-stdin"], args].concat();
        world.ctl(&args).stdin(format!("{typed}\n")).output()
    };
    recover(&world, &["--check", text(&backup)], "not the password").refused(7);
    recover(&world, &["--check", text(&backup)], PASSWORD).ok();
    let bytes = fs::read(&backup).unwrap();
    recover(&world, &[text(&backup)], PASSWORD).ok();
    unlock(&world, PASSWORD).ok();
    assert_eq!(world.ctl(&["get", "a"]).ok(), b"1");

    let there = World::new();
    let backup = there.file("brought", bytes);
    let refused = recover(&there, &["--check", text(&backup)], PASSWORD).refused(3);
    assert!(refused.contains("no session bus") && refused.contains("recovery code"), "{refused}");
    let _bus = Bus::start(&there);
    let _keyring = Keyring::open(&there);
    let refused = recover(&there, &[text(&backup)], PASSWORD).refused(5);
    assert!(refused.contains("recovery code"), "{refused}");
    assert!(!there.vault().exists());
    recover(&there, &[text(&backup)], &code).ok();
    unlock(&there, &code).ok();
    assert_eq!(there.ctl(&["get", "a"]).ok(), b"1");
    migrate(&there, "keyring", &[&code, NEXT]).ok();
    there.ctl(&["lock"]).ok();
    unlock(&there, NEXT).ok();
}

#[test]
fn the_page_for_a_lost_keyring_is_followed_at_a_terminal() {
    let section = follow("The keyring is lost");
    let [storage, start, to_file, to_keyring] = section.lines();
    let (world, _bus, keyring, code) = bound();
    keyring.kill();
    fs::remove_dir_all(world.data().join("keyrings"))
        .or(fs::remove_dir_all(world.home(".local/share/keyrings")))
        .unwrap();
    let _keyring = Keyring::open(&world);
    assert!(wait_until(|| unlock(&world, PASSWORD).code == 5, SOON), "{}", unlock(&world, PASSWORD).stderr);
    let mut terminal = section.begun_at(&world, storage, &[]);
    terminal.expect("mode ");
    terminal.expect("keyring: the master password opens it only with the device key");
    let typed_at =
        |line: &'static str, answers: &[(&str, &str)]| drop(section.typed_at(&world, line, answers));
    typed_at(start, &[("Master password: ", &code)]);
    let asked = "Master password, or recovery code: ";
    typed_at(to_file, &[(asked, &code), ("New master password", PASSWORD), ("Once more: ", PASSWORD)]);
    assert_eq!(mode(&world), json!(["file", null, 0]));
    typed_at(to_keyring, &[(asked, PASSWORD)]);
    assert_eq!(mode(&world), json!(["keyring", "there", 0]));
    world.ctl(&["lock"]).ok();
    unlock(&world, PASSWORD).ok();
}

/// A bound or unbound vault, whose daemon sees its bus through something that kills it when it is told to.
struct Cut {
    world: World,
    _bus: Bus,
    _keyring: Keyring,
    _between: glassdome_tests::Started,
}

impl Cut {
    fn new() -> Self {
        let world = World::with_vault();
        let listen = world.runtime().join("bus");
        let bus = Bus::at(&world, &listen);
        let keyring = Keyring::open(&world);
        let beside = world.runtime().join("bus-itself");
        fs::rename(&listen, &beside).unwrap();
        let script = scripts::scripts(&world).join("bus_cut.py");
        let args = [text(&listen), text(&beside), text(&world.home("order"))].map(str::to_owned);
        let between = world
            .python(&script, &args.each_ref().map(String::as_str))
            .within(Duration::from_secs(900))
            .start();
        assert!(wait_until(|| listen.exists(), SOON));
        world.start(PASSWORD);
        world.set("a", "1");
        Self { world, _bus: bus, _keyring: keyring, _between: between }
    }

    /// The daemon is killed in the middle of a migration there; and nothing is lost.
    fn killed(&self, to: &str, from: &str, order: &str, code: &str) {
        let world = &self.world;
        assert_eq!(mode(world)[0], json!(from));
        let pid = world.daemon_pid();
        let ordered = world.file("order", order);
        let told = migrate(world, to, &[PASSWORD]);
        assert!(wait_until(|| !ordered.exists(), SOON), "{to}, {order}: nobody was killed: {}", told.stderr);
        assert!(wait_until(|| !Path::new(&format!("/proc/{pid}/maps")).exists(), SOON));
        // Whatever the slot is bound to now, the password opens it, and so does the code.
        unlock(world, PASSWORD).ok();
        assert_ne!(world.daemon_pid(), pid);
        assert_eq!(world.ctl(&["get", "a"]).ok(), b"1", "{to}, {order}");
        let left = mode(world);
        assert!(left[1] == json!("there") || left[0] == json!("file"), "{to}, {order}: {left}");
        assert!(left[2].as_u64().unwrap() <= 1, "{to}, {order}: {left}");
        world.ctl(&["lock"]).ok();
        unlock(world, code).ok();
        migrate(world, to, &[PASSWORD]).ok();
        assert_eq!(mode(world)[0], json!(to));
        tidied(world, PASSWORD);
    }
}

#[test]
fn a_migration_that_is_killed_at_any_step_loses_nothing() {
    let cut = Cut::new();
    let code = recovery_code(&cut.world);
    let forth = ["CreateItem before", "CreateItem after", "GetSecret after", "GetSecret 10", "GetSecret 60"];
    let back = ["GetSecret after", "Delete before", "Delete after", "Delete 1", "GetSecret 900"];
    for (forth, back) in forth.into_iter().zip(back) {
        cut.killed("keyring", "file", forth, &code);
        // It begins with the password, which opens what the one before has left.
        cut.killed("file", "keyring", back, &code);
    }
    cut.world.ctl(&["lock"]).ok();
    unlock(&cut.world, PASSWORD).ok();
}
