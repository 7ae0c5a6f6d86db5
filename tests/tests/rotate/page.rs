//! The page's commands for a machine that was somebody else's for a while, typed at a terminal.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use glassdome_tests::{PASSWORD, User, World, text};

use super::desktop::{Bus, Keyring};
use super::recovery_page::follow;
use super::{PIN, code, when_allowed, with};

const NEXT: &str = "eleven badgers weave soft rope";

#[test]
fn after_a_machine_that_was_somebody_elses_nothing_that_was_taken_opens_what_comes() {
    let there = World::unlocked();
    there.set("a", "1");
    there.ctl(&["get", "a"]).ok();
    let former = code(&there, &["slots", "add", "recovery"], "code");
    let backup = there.home("vault.backup");
    there.ctl(&["storage", "backup", text(&backup)]).ok();
    let section = follow("The machine was not yours for a while");
    let [stop, recover, start, passwd, rotate, back_up, pin, rules, to_file, to_keyring, look] =
        section.lines();
    section.typed_at(&there, stop, &[]);
    assert!(when_allowed(|| there.unlock(PASSWORD, &[])).refused(3).contains("panic"));

    let here = World::new();
    let _bus = Bus::start(&here);
    let _keyring = Keyring::open(&here);
    fs::copy(&backup, here.home("vault.backup")).unwrap();
    User::A.own(&here.home("vault.backup")).unwrap();
    let asked = "Master password of the backup, or its recovery code: ";
    section.typed_at(&here, recover, &[(asked, PASSWORD)]);
    section.typed_at(&here, start, &[("Master password: ", PASSWORD)]);
    let answers =
        [("Present master password: ", PASSWORD), ("New master password", NEXT), ("Once more: ", NEXT)];
    section.typed_at(&here, passwd, &answers);
    let mut terminal = section.begun_at(&here, rotate, &[("Master password: ", NEXT)]);
    terminal.expect("kept nowhere:");
    terminal.expect("\n");
    let next = terminal.expect("\n").trim().to_owned();
    terminal.expect("the recovery code before opens nothing");
    assert_ne!(next, former);
    section.typed_at(&here, back_up, &[]).expect("in after.backup");
    let answers =
        [("Master password: ", NEXT), ("New approval PIN (not shown): ", PIN), ("Once more: ", PIN)];
    section.typed_at(&here, pin, &answers).expect("the approval PIN is set");
    section.granted_at(&here, rules, NEXT).expect("there is no rule");
    // Of a vault that is bound: another device key takes the place of the one that was there.
    let bound = || -> [Value; 3] {
        let status: Value = serde_json::from_slice(&here.ctl(&["storage", "status", "--json"]).ok()).unwrap();
        ["mode", "device_key", "spare_device_keys"].map(|member| status[member].clone())
    };
    let device_key = || {
        let of_it = ["lookup", "application", "glassdome", "kind", "device-key"];
        let bus = format!("unix:path={}", text(&here.runtime().join("bus")));
        here.program(Path::new("/usr/bin/secret-tool"), &of_it).env("DBUS_SESSION_BUS_ADDRESS", bus).ok()
    };
    with(&here, &["storage", "migrate", "--to", "keyring"], &[NEXT]).ok();
    let is_bound = [json!("keyring"), json!("there"), json!(0)];
    assert_eq!(bound(), is_bound);
    let former_key = device_key();
    for line in [to_file, to_keyring] {
        section.typed_at(&here, line, &[("Master password, or recovery code: ", NEXT)]);
    }
    assert_eq!(bound(), is_bound);
    assert_ne!(device_key(), former_key);

    here.ctl(&["lock"]).ok();
    for taken in [PASSWORD, &former] {
        when_allowed(|| here.unlock(taken, &[])).refused(7);
    }
    when_allowed(|| here.unlock(&next, &[])).ok();
    assert_eq!(here.ctl(&["get", "a"]).ok(), b"1");
    let check = |opener: &str| {
        let args = ["storage", "recover", "--check", "--password-stdin", "after.backup"];
        here.ctl(&args).stdin(format!("{opener}\n")).output()
    };
    check(NEXT).ok();
    check(&former).refused(7);
    let told = there.shell(section.takes(look)).text();
    let of_it = told.lines().find(|line| line.starts_with("a ")).unwrap_or_else(|| panic!("{told}"));
    assert!(of_it.contains("read") && of_it.contains("change"), "{told}");
}
