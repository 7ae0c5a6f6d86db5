//! All that a person types in a shell where the master password was typed is served, whatever the
//! form, with the functions of `ctl shell-init` and without.

use glassdome_tests::{Pane, Tmux};

use crate::shells::{BASH, DASH, FISH, Shell, ZSH, grant, grant_first, mine, served, world};

/// In every shell.
const EVERYWHERE: [&str; 9] = [
    "ctl get a",
    "by_alias",
    "eval 'ctl get a'",
    "ctl get a | cat",
    "true | ctl get a",
    "true | ctl get a | cat",
    "ctl get a &\nwait",
    "ctl status | grep -q unlocked && ctl get a",
    "ctl run --env A=a printenv A",
];
/// Of shells that speak `sh`.
const SH: [&str; 11] = [
    "by_function() { ctl get a; }; by_function",
    "(ctl get a)",
    "(ctl get a; :)",
    "( (ctl get a; :) | cat)",
    "v=$(ctl get a); echo \"$v\"",
    "v=$(ctl get a | cat); echo \"$v\"",
    "v=`ctl get a`; echo \"$v\"",
    "ctl set h --stdin <<X\nthe value of a\nX\nctl get h",
    "(ctl get a & wait)",
    "while ctl get a; do break; done",
    "cat <<X\n$(ctl get a)\nX",
];
const BASH_AND_ZSH: [&str; 2] = ["time ctl get a", "cat <(ctl get a)"];
const IN_FISH: [&str; 5] = [
    "function by_function; ctl get a; end; by_function",
    "time ctl get a",
    "set v (ctl get a); echo $v",
    "set v (ctl get a | cat); echo $v",
    "echo 'the value of a' | ctl set h --stdin; ctl get h",
];

fn forms(shell: Shell) -> Vec<&'static str> {
    let own: &[&str] = match shell.name {
        "fish" => &IN_FISH,
        "dash" => &SH,
        _ => &[&SH[..], &BASH_AND_ZSH].concat(),
    };
    [&EVERYWHERE, own].concat()
}

/// Types all of them.
#[track_caller]
fn all_served(shell: Shell, pane: &Pane<'_>, how: &str) {
    assert_eq!(pane.typed("alias by_alias='ctl get a'").code, 0);
    for form in forms(shell) {
        served(&pane.typed(form), &format!("{} {how}: {form}", shell.name));
    }
}

fn every_form_is_served(shell: Shell) {
    let world = world();
    shell.set_up(&world);
    let tmux = Tmux::start(&world);
    let plain = shell.plain(&tmux);
    grant_first(&plain);
    all_served(shell, &plain, "plain");
    if shell.name != DASH.name {
        let with_init = shell.with_init(&tmux);
        grant(&with_init);
        assert!(mine(&with_init)["token"] == true && mine(&plain)["token"] == false, "{}", shell.name);
        all_served(shell, &with_init, "with shell-init");
    }
}

#[test]
fn every_form_typed_in_bash_is_served() {
    every_form_is_served(BASH);
}

#[test]
fn every_form_typed_in_zsh_is_served() {
    every_form_is_served(ZSH);
}

#[test]
fn every_form_typed_in_fish_is_served() {
    every_form_is_served(FISH);
}

#[test]
fn every_form_typed_in_dash_is_served() {
    every_form_is_served(DASH);
}
