//! A forgotten master password: the recovery code opens the vault in its place, and lets another one in; and a code
//! that was replaced or removed opens nothing.
#![allow(clippy::unwrap_used, reason = "what is not there fails the test")]

#[path = "support/decrypt.rs"]
mod decrypt;
#[path = "support/proving.rs"]
mod proving;
#[path = "support/recovery_page.rs"]
#[allow(dead_code, reason = "other tests use the rest")]
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
use recovery_page::{PAGE, Section, blocks_in, follow};
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

/// Of a backup, whoever opens it.
const ASKED: &str = "Master password of the backup, or its recovery code: ";

/// Types the line that shows a code, and reads that.
fn shown(world: &World, section: &Section, line: &'static str, password: &str) -> String {
    let mut terminal = section.begun_at(world, line, &[("Master password: ", password)]);
    terminal.expect("kept nowhere:");
    terminal.expect("\n");
    let code = terminal.expect("\n").trim().to_owned();
    terminal.expect("paper");
    assert_eq!(code.len(), 34, "{code}");
    code
}

/// Types the line that tells of the slots.
fn told(world: &World, section: &Section, line: &'static str) -> String {
    let mut terminal = section.begun_at(world, line, &[]);
    terminal.expect("\n")
}

#[test]
fn the_page_for_what_to_do_before_and_with_a_forgotten_password_is_followed_at_a_terminal() {
    let world = World::unlocked();
    world.set("a/b", "1");
    let before = follow("Before: a recovery code");
    let [add, list, rotate, remove] = before.lines();
    let first = shown(&world, &before, add, PASSWORD);
    assert!(told(&world, &before, list).contains("master password"));
    assert_eq!(kinds(&world), ["password", "recovery"]);
    let second = shown(&world, &before, rotate, PASSWORD);
    before.typed_at(&world, remove, &[("Master password: ", PASSWORD)]);
    assert_eq!(kinds(&world), ["password"]);
    world.ctl(&["lock"]).ok();
    for code in [first, second] {
        unlock(&world, &code).refused(7);
    }
    unlock(&world, PASSWORD).ok();

    let code = shown(&world, &before, add, PASSWORD);
    let forgotten = follow("The master password is forgotten");
    let [start, passwd, rotate, names, value] = forgotten.lines();
    // While a session is open still.
    forgotten.granted_at(&world, names, PASSWORD).expect("a/b");
    let mut terminal =
        world.terminal(&format!("ctl unlock && {}", forgotten.takes(value).replace("NAME", "a/b")));
    terminal.expect("Master password, to grant this terminal: ");
    terminal.send_line(PASSWORD);
    terminal.expect("Lock: ctl lock\n1\n");
    world.ctl(&["lock"]).ok();
    forgotten.typed_at(&world, start, &[("Master password: ", &code)]);
    let answers =
        [("Present master password: ", &*code), ("New master password", NEXT), ("Once more: ", NEXT)];
    forgotten.typed_at(&world, passwd, &answers);
    world.ctl(&["lock"]).ok();
    unlock(&world, NEXT).ok();
    assert_eq!(world.ctl(&["get", "a/b"]).ok(), b"1");
    forgotten.typed_at(&world, rotate, &[("Master password: ", NEXT)]).expect("the one before opens nothing");
    world.ctl(&["lock"]).ok();
    unlock(&world, &code).refused(7);
}

#[test]
fn the_page_for_an_older_vault_and_for_another_machine_is_followed_at_a_terminal() {
    let world = World::unlocked();
    world.set("a/b", "1");
    let before = follow("Before: a backup");
    let [back_up, check] = before.lines();
    before.typed_at(&world, back_up, &[]).expect("in vault.backup");
    before.typed_at(&world, check, &[(ASKED, PASSWORD)]).expect("1 secret,");

    let stopped = || {
        world.ctl(&["stop"]).ok();
        assert!(wait_until(|| world.daemon().is_none(), Duration::from_secs(10)));
    };
    stopped();
    let older = fs::read(world.vault()).unwrap();
    let section = follow("An older vault was put back");
    let [accept, recover, start] = section.lines();
    // Its owner put it there, or did not.
    for mend in [&[accept][..], &[recover, start]] {
        unlock(&world, PASSWORD).ok();
        world.set("a/b", "2");
        stopped();
        fs::write(world.vault(), &older).unwrap();
        assert!(unlock(&world, PASSWORD).refused(10).contains("--accept-rollback"));
        for line in mend {
            let asks = if line.contains("recover") { ASKED } else { "Master password" };
            section.typed_at(&world, line, &[(asks, PASSWORD)]);
        }
        unlock(&world, PASSWORD).ok();
        assert_eq!(world.ctl(&["get", "a/b"]).ok(), b"1");
    }

    let there = World::new();
    there.file("vault.backup", fs::read(world.home("vault.backup")).unwrap());
    let section = follow("Another machine");
    let [recover, start] = section.lines();
    section.typed_at(&there, recover, &[(ASKED, PASSWORD)]);
    section.typed_at(&there, start, &[("Master password: ", PASSWORD)]);
    unlock(&there, PASSWORD).ok();
    assert_eq!(there.ctl(&["get", "a/b"]).ok(), b"1");
}

#[test]
fn what_is_served_of_a_file_that_was_removed_is_kept() {
    let world = World::unlocked();
    world.set("a/b", "1");
    fs::remove_file(world.vault()).unwrap();
    let section = follow("The vault's file went away while it was open");
    let [backup, stop, recover, start] = section.lines();
    section.typed_at(&world, backup, &[]);
    section.typed_at(&world, stop, &[]);
    assert!(wait_until(|| world.daemon().is_none(), Duration::from_secs(10)));
    section.typed_at(&world, recover, &[(ASKED, PASSWORD)]);
    section.typed_at(&world, start, &[("Master password: ", PASSWORD)]);
    unlock(&world, PASSWORD).ok();
    assert_eq!(world.ctl(&["get", "a/b"]).ok(), b"1");
}

/// Which test follows which section. A section that is followed is followed whole.
const FOLLOWED: [(&str, &str); 11] = [
    ("Before: a backup", include_str!("recovery.rs")),
    ("Before: a recovery code", include_str!("recovery.rs")),
    ("The master password is forgotten", include_str!("recovery.rs")),
    ("The keyring is lost", include_str!("device.rs")),
    ("The vault's file is damaged or gone", include_str!("storage_test.rs")),
    ("The vault's file went away while it was open", include_str!("recovery.rs")),
    ("A backup is damaged", include_str!("storage.rs")),
    ("There is no backup to recover from", include_str!("storage.rs")),
    ("An older vault was put back", include_str!("recovery.rs")),
    ("Another machine", include_str!("recovery.rs")),
    ("The machine was not yours for a while", include_str!("rotate/page.rs")),
];

#[test]
fn no_command_of_the_page_stands_where_nobody_types_it() {
    let headings: Vec<_> = PAGE.lines().filter_map(|line| line.strip_prefix("## ")).collect();
    assert_eq!(headings, FOLLOWED.map(|(heading, _)| heading), "each section is followed by a test");
    for (heading, test) in FOLLOWED {
        assert!(test.contains(&format!("follow(\"{heading}\")")), "{heading}");
    }
    let typed = blocks_in(PAGE).concat();
    assert_eq!(PAGE.matches("```").count(), 2 * PAGE.matches("```sh\n").count(), "no block of another kind");
    // A sentence may speak of a command by its first words, when it stands in a block with the rest of them.
    let spoken: Vec<_> = PAGE.split('`').filter(|span| is_command(span)).collect();
    assert!(!spoken.is_empty(), "the look itself");
    for span in spoken {
        let is_typed = typed.iter().any(|line| line.strip_prefix(span).is_some_and(|rest| !is_cut(rest)));
        assert!(is_typed, "`{span}` stands in a sentence, and in no block that a test types");
    }
}

fn is_command(span: &str) -> bool {
    ["ctl", "glassdome_start"].iter().any(|name| span == *name || span.starts_with(&format!("{name} ")))
}

/// Whether this goes on within a word.
fn is_cut(rest: &str) -> bool {
    !rest.is_empty() && !rest.starts_with(' ')
}

#[test]
fn where_the_log_knows_of_a_vault_that_is_gone_none_is_made_in_its_place() {
    let world = World::unlocked();
    world.set("a", "1");
    let auditor = world.home("auditor");
    world
        .ctl(&["audit", "new-key", "--key-file", text(&auditor), "--password-stdin"])
        .stdin(format!("{PASSWORD}\n"))
        .ok();
    let backup = world.home("vault.backup");
    world.ctl(&["storage", "backup", text(&backup)]).ok();
    let stop = || {
        world.ctl(&["stop"]).ok();
        assert!(wait_until(|| world.daemon().is_none(), Duration::from_secs(20)));
    };
    let (place, kept) = (world.vault(), world.home("kept"));
    let (log, old) = (world.state().join("glassdome"), world.home("old log"));
    stop();
    fs::rename(&place, &kept).unwrap();
    for _ in 0..2 {
        let line = world.unlock(NEXT, &[]).refused(10);
        let mend = format!(
            "Put it back, or recover it: ctl storage recover FILE. To begin anew on purpose, move {}",
            text(&log)
        );
        assert!(line.contains("knows of a vault, and there is none at") && line.contains(&mend), "{line}");
    }
    // Nobody types a new password twice for that.
    let mut terminal = world.terminal("glassdome_start; echo $?");
    let said = terminal.expect("\n10\n");
    assert!(said.contains("no other is made") && !said.contains("password"), "{said}");
    assert!(!place.exists() && world.daemon().is_none());
    let failed =
        world.audit().into_iter().filter(|r| r["event"] == "start" && r["outcome"] == "failed").count();
    assert_eq!(failed, 3);

    // Each of the three ways that the line names.
    fs::rename(&kept, &place).unwrap();
    world.start(PASSWORD);
    assert_eq!(world.ctl(&["get", "a"]).ok(), b"1");
    world.ctl(&["audit", "verify", "--key-file", text(&auditor)]).ok();
    stop();
    fs::rename(&place, &kept).unwrap();
    with(&world, &["storage", "recover", text(&backup)], &[PASSWORD]).ok();
    world.start(PASSWORD);
    assert_eq!(world.ctl(&["get", "a"]).ok(), b"1");
    world.ctl(&["audit", "verify", "--key-file", text(&auditor)]).ok();
    stop();
    fs::remove_file(&place).unwrap();
    fs::rename(&log, &old).unwrap();
    world.unlock(NEXT, &[]).ok();
    world.ctl(&["get", "a"]).refused(5);
    world.ctl(&["audit", "verify"]).ok();
}
