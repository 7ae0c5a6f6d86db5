//! A forgotten master password: the recovery code opens the vault in its place, and lets another one in; and a code
//! that was replaced or removed opens nothing.
#![allow(clippy::unwrap_used, reason = "what is not there fails the test")]

#[path = "support/decrypt.rs"]
mod decrypt;
#[path = "support/proving.rs"]
mod proving;
#[path = "support/recovery_page.rs"]
mod recovery_page;
#[path = "support/scripts.rs"]
mod scripts;
#[path = "support/tools.rs"]
mod tools;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use glassdome_tests::{Out, PASSWORD, World, text, wait_until};
use proving::{when_allowed, with};
use recovery_page::{blocks, typed_at};
use serde_json::json;

const NEXT: &str = "eleven badgers weave soft rope";

fn unlock(world: &World, typed: &str) -> Out {
    when_allowed(|| world.unlock(typed, &[]))
}

/// Makes a code by that command, and gives it as its file has it.
fn made(world: &World, args: &[&str], file: &str) -> String {
    let file = world.home(file);
    with(world, &[args, &["--code-file", text(&file)]].concat(), &[PASSWORD]).ok();
    assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    fs::read_to_string(&file).unwrap().trim_end().to_owned()
}

fn kinds(world: &World) -> Vec<String> {
    let slots: serde_json::Value =
        serde_json::from_slice(&world.ctl(&["slots", "list", "--json"]).ok()).unwrap();
    let kind = |slot: &serde_json::Value| slot["kind"].as_str().unwrap().to_owned();
    slots.as_array().unwrap().iter().map(kind).collect()
}

/// `by` of all records of the recovery code.
fn recorded(world: &World) -> Vec<String> {
    let of = world.audit().into_iter().filter(|record| record["event"] == "recovery");
    of.map(|record| record["by"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_forgotten_password_is_replaced_by_the_code_which_is_read_by_the_page_too() {
    let world = World::unlocked();
    world.set("a/b", "1");
    let out = world.ctl(&["slots"]).output();
    assert!(
        out.stdout.starts_with(b"0  master password  Argon2id: 64 MiB"),
        "{:?}",
        String::from_utf8_lossy(&out.stdout)
    );
    assert!(out.stderr.contains("ctl slots add recovery"), "{}", out.stderr);
    let code = made(&world, &["slots", "add", "recovery"], "code");
    assert_eq!((code.len(), code.split('-').count()), (34, 7));
    assert_eq!(kinds(&world), ["password", "recovery"]);
    assert!(!world.ctl(&["slots"]).output().stderr.contains("no recovery code"));

    // As people type it, where the master password is asked for; and what it opens is the same vault.
    world.ctl(&["lock"]).ok();
    assert_eq!(kinds(&world), ["password", "recovery"], "which is no secret");
    let typed = code.to_lowercase().replace('-', " ").replace('0', "o");
    unlock(&world, &typed).ok();
    assert_eq!(world.ctl(&["get", "a/b"]).ok(), b"1");
    let last = world.audit().into_iter().rfind(|record| record["event"] == "unlock").unwrap();
    assert_eq!((&last["outcome"], &last["by"]), (&json!("allowed"), &json!("recovery-code")));
    with(&world, &["passwd"], &[&typed, NEXT]).ok();
    world.ctl(&["lock"]).ok();
    unlock(&world, PASSWORD).refused(7);
    unlock(&world, NEXT).ok();
    assert_eq!(recorded(&world), ["added", "used", "used"]);

    let vault = decrypt::decrypt(&world, &code, &["--recovery"]);
    assert_eq!(vault["secrets"]["a/b"]["value"], "31");
    assert_eq!(decrypt::decrypt(&world, NEXT, &[])["secrets"]["a/b"]["value"], "31", "control");

    // In a panic, too.
    world.ctl(&["panic"]).ok();
    unlock(&world, &code).refused(3);
    world.unlock(&code, &["--end-panic"]).ok();
}

#[test]
fn a_code_that_was_replaced_or_removed_opens_nothing() {
    let world = World::unlocked();
    let code_file = world.home("refused");
    let add = ["slots", "add", "recovery", "--code-file", text(&code_file)];
    with(&world, &["slots", "remove", "recovery"], &[PASSWORD]).refused(5);
    with(&world, &["slots", "rotate-recovery", "--code-file", text(&code_file)], &[PASSWORD]).refused(5);
    with(&world, &add, &["not the password"]).refused(7);
    assert!(!code_file.exists(), "it opens nothing: it is not kept");
    assert_eq!(
        (kinds(&world), recorded(&world)),
        (vec!["password".to_owned()], vec!["wrong-password".to_owned()])
    );
    world.ctl(&["slots", "add", "recovery", "--password-stdin"]).stdin(format!("{PASSWORD}\n")).refused(2);

    let first = made(&world, &["slots", "add", "recovery"], "first");
    let out = with(&world, &add, &[PASSWORD]);
    assert!(out.refused(9).contains("ctl slots rotate-recovery"));
    assert!(!code_file.exists());
    let second = made(&world, &["slots", "rotate-recovery"], "second");
    let mut slip = second.clone().into_bytes();
    slip[0] = if slip[0] == b'0' { b'1' } else { b'0' };
    world.ctl(&["lock"]).ok();
    // Refused by what is derived, but for the one that is no code; then the count is forgotten.
    unlock(&world, &first).refused(7);
    unlock(&world, &second).ok();
    world.ctl(&["lock"]).ok();
    unlock(&world, std::str::from_utf8(&slip).unwrap()).refused(7);
    unlock(&world, PASSWORD).ok();
    with(&world, &["slots", "remove", "recovery"], &[&second]).ok();
    assert_eq!(kinds(&world), ["password"]);
    world.ctl(&["lock"]).ok();
    unlock(&world, &second).refused(7);
    unlock(&world, PASSWORD).ok();
}

#[test]
fn the_page_for_a_forgotten_password_is_followed_at_a_terminal() {
    let world = World::unlocked();
    world.set("a/b", "1");
    let [back_up] = &blocks("Before: a backup")[..] else { panic!("one block") };
    let [add] = &blocks("Before: a recovery code")[..] else { panic!("one block") };
    let [forgotten, rotate] = &blocks("The master password is forgotten")[..] else { panic!("two blocks") };
    // What tells the damage is followed where there is some, in `storage_test.rs`.
    let [_, recover] = &blocks("The vault's file is damaged or gone")[..] else { panic!("two blocks") };
    let [accept, recover_again] = &blocks("An older vault was put back")[..] else { panic!("two blocks") };
    let typed_at = |line: &str, answers: &[(&str, &str)]| typed_at(&world, line, answers);
    let asked = "Master password of the backup, or its recovery code: ";
    typed_at(back_up[0], &[]).expect("in vault.backup");
    typed_at(back_up[1], &[(asked, PASSWORD)]).expect("1 secret,");
    let mut terminal = world.terminal(add[0]);
    terminal.expect("Master password: ");
    terminal.send_line(PASSWORD);
    terminal.expect("kept nowhere:");
    terminal.expect("\n");
    let code = terminal.expect("\n").trim().to_owned();
    terminal.expect("paper");
    assert_eq!(code.len(), 34, "{code}");
    world.ctl(&["lock"]).ok();
    typed_at(forgotten[0], &[("Master password: ", &code)]);
    let answers =
        [("Present master password: ", &*code), ("New master password", NEXT), ("Once more: ", NEXT)];
    typed_at(forgotten[1], &answers);
    assert_eq!(forgotten.len(), 2);
    world.ctl(&["lock"]).ok();
    unlock(&world, NEXT).ok();
    assert_eq!(world.ctl(&["get", "a/b"]).ok(), b"1");
    typed_at(rotate[0], &[("Master password: ", NEXT)]).expect("the one before opens nothing");
    world.ctl(&["lock"]).ok();
    unlock(&world, &code).refused(7);

    // The backup is of the day before: of its password.
    unlock(&world, NEXT).ok();
    fs::write(world.vault(), b"damaged").unwrap();
    typed_at(recover[0], &[(asked, NEXT), (asked, PASSWORD)]);
    typed_at(recover[1], &[("Master password: ", PASSWORD)]);
    // It was typed there, and not here.
    unlock(&world, PASSWORD).ok();
    assert_eq!(world.ctl(&["get", "a/b"]).ok(), b"1");

    // An older vault, which its owner put there, or did not.
    let stopped = || {
        world.ctl(&["stop"]).ok();
        assert!(wait_until(|| world.daemon().is_none(), Duration::from_secs(10)));
    };
    stopped();
    let older = fs::read(world.vault()).unwrap();
    for mend in [accept, recover_again] {
        unlock(&world, PASSWORD).ok();
        world.set("a/b", "2");
        stopped();
        fs::write(world.vault(), &older).unwrap();
        assert!(unlock(&world, PASSWORD).refused(10).contains("--accept-rollback"));
        for line in mend {
            let asks = if line.contains("recover") { asked } else { "Master password" };
            typed_at(line, &[(asks, PASSWORD)]);
        }
        unlock(&world, PASSWORD).ok();
        assert_eq!(world.ctl(&["get", "a/b"]).ok(), b"1");
    }
}
