//! The page's commands for a machine that was somebody else's for a while, typed at a terminal.

use std::fs;

use glassdome_tests::{PASSWORD, User, World, text};

use super::recovery_page::{blocks, typed_at};
use super::{code, when_allowed};

const NEXT: &str = "eleven badgers weave soft rope";

#[test]
fn after_a_machine_that_was_somebody_elses_nothing_that_was_taken_opens_what_comes() {
    let there = World::unlocked();
    there.set("a", "1");
    there.ctl(&["get", "a"]).ok();
    let former = code(&there, &["slots", "add", "recovery"], "code");
    let backup = there.home("vault.backup");
    there.ctl(&["storage", "backup", text(&backup)]).ok();
    let blocks = blocks("The machine was not yours for a while");
    let [stop, anew, look] = &blocks[..] else { panic!("{blocks:?}") };
    typed_at(&there, stop[0], &[]);
    assert!(when_allowed(|| there.unlock(PASSWORD, &[])).refused(3).contains("panic"));

    let here = World::new();
    fs::copy(&backup, here.home("vault.backup")).unwrap();
    User::A.own(&here.home("vault.backup")).unwrap();
    let [recover, start, passwd, rotate, back_up] = anew[..] else { panic!("{anew:?}") };
    let asked = "Master password of the backup, or its recovery code: ";
    typed_at(&here, recover, &[(asked, PASSWORD)]);
    typed_at(&here, start, &[("Master password: ", PASSWORD)]);
    let answers =
        [("Present master password: ", PASSWORD), ("New master password", NEXT), ("Once more: ", NEXT)];
    typed_at(&here, passwd, &answers);
    let mut terminal = here.terminal(rotate);
    terminal.expect("Master password: ");
    terminal.send_line(NEXT);
    terminal.expect("kept nowhere:");
    terminal.expect("\n");
    let next = terminal.expect("\n").trim().to_owned();
    terminal.expect("the recovery code before opens nothing");
    assert_ne!(next, former);
    typed_at(&here, back_up, &[]).expect("in after.backup");

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
    let told = there.shell(look[0]).text();
    let of_it = told.lines().find(|line| line.starts_with("a ")).unwrap_or_else(|| panic!("{told}"));
    assert!(of_it.contains("read") && of_it.contains("change"), "{told}");
}
