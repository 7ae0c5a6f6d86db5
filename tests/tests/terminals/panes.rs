//! Where a grant begins and where it ends: panes, `ctl grants`, `ctl revoke`, the end of the shell,
//! the lock, and the sealed setting `terminals`.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use glassdome_tests::{PASSWORD, Pane, Tmux, wait_until};
use serde_json::Value;

use crate::shells::{BASH, VALUE, denied, grant, grant_first, grants, handed_out, mine, served, world};

const SOON: Duration = Duration::from_secs(20);

/// Refused, because nothing was typed in this terminal.
#[track_caller]
fn not_granted(pane: &Pane<'_>) {
    let out = pane.typed("ctl get a");
    let line = denied(&out, "not granted");
    assert!(
        out.code == 4
            && line.starts_with("the master password was not typed in this terminal (bash, pts/")
            && line.ends_with("). Type: ctl unlock"),
        "{line}"
    );
}

#[test]
fn each_pane_is_granted_for_itself_and_a_grant_ends_with_its_shell_its_revocation_or_the_lock() {
    let world = world();
    let tmux = Tmux::start(&world);
    let [first, second, third] = [(); 3].map(|()| BASH.plain(&tmux));
    grant_first(&first);
    not_granted(&second);
    // Where no password can be asked for, nor is it told which are.
    let out = second.typed("setsid --wait ctl grants");
    assert!(out.code == 4 && out.stdout.is_empty(), "{} {}", out.code, out.stderr);

    for pane in [&second, &third] {
        let out = pane.answered("ctl unlock", PASSWORD);
        assert!(out.code == 0 && out.stderr.contains("; this terminal is granted"), "{}", out.stderr);
        served(&pane.typed("ctl get a"), "granted");
    }
    let all = grants(&first);
    assert_eq!(all.len(), 3, "{all:?}");
    let told = first.typed("ctl grants").ok();
    let told = String::from_utf8(told).unwrap();
    assert_eq!(told.matches("this terminal").count(), 1, "{told}");
    for grant in &all {
        assert_eq!((&grant["name"], &grant["token"]), (&"bash".into(), &false.into()));
        let tty = grant["tty"].as_str().unwrap();
        assert!(tty.starts_with("pts/") && told.contains(tty), "{told}");
    }
    // In a granted one nothing is asked.
    assert_eq!(first.typed("ctl unlock").code, 0);

    let id = |pane: &Pane<'_>| mine(pane)["id"].clone();
    let (of_second, of_third) = (id(&second), id(&third));
    first.typed(&format!("ctl revoke {of_second}")).ok();
    not_granted(&second);
    assert_eq!(first.typed(&format!("ctl revoke {of_second}")).code, 5, "it is gone");
    let ids = || grants(&first).into_iter().map(|grant| grant["id"].clone()).collect::<Vec<Value>>();
    assert_eq!(ids(), [id(&first), of_third.clone()]);

    third.exit();
    assert_eq!(ids(), [id(&first)], "it ended with its shell");

    let before = handed_out(&world);
    second.typed("ctl lock").ok();
    for pane in [&first, &second] {
        assert_eq!(pane.typed("ctl get a").code, 3, "locked");
    }
    grant(&second);
    served(&second.typed("ctl get a"), "granted again");
    not_granted(&first);
    assert_eq!(handed_out(&world), before + 1);
}

#[track_caller]
fn set_terminals(pane: &Pane<'_>, to: &str) {
    let out = pane.answered(&format!("ctl settings set terminals {to}"), PASSWORD);
    assert_eq!(out.code, 0, "{}", out.stderr);
    let out = pane.answered("glassdome_start --renew", PASSWORD);
    assert_eq!(out.code, 0, "{}", out.stderr);
}

#[test]
fn with_tree_the_panes_of_one_multiplexer_are_granted_with_the_first() {
    let world = world();
    let (tmux, another) = (Tmux::start(&world), Tmux::named(&world, "another"));
    let [first, second] = [(); 2].map(|()| BASH.plain(&tmux));
    let elsewhere = BASH.plain(&another);
    grant_first(&first);
    not_granted(&second);
    let out = first.answered("ctl settings set terminals some", PASSWORD);
    assert_eq!(out.code, 2, "{}", out.stderr);
    set_terminals(&first, "tree");
    served(&first.typed("ctl get a"), "where it was typed");
    served(&second.typed("ctl get a"), "another pane");
    served(&BASH.plain(&tmux).typed("ctl get a"), "one that was opened since");
    not_granted(&elsewhere);

    // A pane is a shell that was opened; what is run there, or by the multiplexer itself, is not.
    let out = second.typed("/usr/bin/python3 -c 'import os; os.system(\"ctl get a; :\")'");
    assert!(denied(&out, "python").contains("; bash → python3"));
    let left = |name: &str| fs::read_to_string(world.home(name)).unwrap_or_default();
    second.typed("tmux run-shell \"ctl get a > $HOME/run 2>&1; true\"").ok();
    assert!(left("run").contains("ctl: denied a: "), "{}", left("run"));

    first.exit();
    not_granted(&second);
}

/// Whoever can open a pane can type in it.
#[test]
fn limit_with_tree_a_pane_that_a_program_opens_is_granted_too() {
    let world = world();
    let tmux = Tmux::start(&world);
    let pane = BASH.plain(&tmux);
    grant_first(&pane);
    set_terminals(&pane, "tree");
    pane.typed(
        "/usr/bin/python3 -c 'import os; os.system(\"tmux new-window -d \\\"ctl get a > stolen; :\\\"\")'",
    );
    let stolen = || fs::read_to_string(world.home("stolen")).is_ok_and(|stolen| stolen.trim_end() == VALUE);
    assert!(wait_until(stolen, SOON));
}

#[test]
fn with_none_only_rules_serve() {
    let world = world();
    let tmux = Tmux::start(&world);
    let pane = BASH.plain(&tmux);
    grant_first(&pane);
    let script = world.file("by_rule", "#!/bin/bash\nctl get a\nexit $?\n");
    fs::set_permissions(&script, Permissions::from_mode(0o700)).unwrap();
    denied(&pane.typed("./by_rule"), "control");
    let out = pane.answered("ctl policy allow --id job --secrets a --script ./by_rule", PASSWORD);
    assert_eq!(out.code, 0, "{}", out.stderr);
    served(&pane.typed("./by_rule"), "by its rule");
    served(&pane.typed("ctl get a"), "control");

    set_terminals(&pane, "none");
    let out = pane.typed("ctl get a");
    denied(&out, "where the password was typed");
    assert_eq!(out.code, 4);
    let out = pane.answered("ctl unlock", PASSWORD);
    assert!(out.stderr.contains("this terminal is not granted"), "{}", out.stderr);
    denied(&pane.typed("ctl get a"), "nor does typing it again help");
    let before = handed_out(&world);
    served(&pane.typed("./by_rule"), "by its rule");
    assert_eq!(handed_out(&world), before + 1);
    let last = world.audit().into_iter().rfind(|record| record["event"] == "get").unwrap();
    assert_eq!((&last["outcome"], &last["by"]), (&"allowed".into(), &"rule:job".into()));
    // With the password the way back is open.
    set_terminals(&pane, "own");
    served(&pane.typed("ctl get a"), "own");
}
