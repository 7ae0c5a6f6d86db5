//! Programs that pass themselves off as typing. Two ways leave nothing by which the kernel could tell
//! them from it; the token of `ctl shell-init` does.

use std::fs;
use std::time::{Duration, Instant};

use glassdome_tests::{Out, PASSWORD, Pane, Tmux, World, text, wait_until};

use crate::scripts::scripts;
use crate::shells::{
    BASH, DASH, FISH, Shell, VALUE, ZSH, denied, grant, grant_first, handed_out, mine, served, world,
};

/// What `ctl get a` did for one of them.
fn by_impostor(world: &World, pane: &Pane<'_>, way: &str) -> Out {
    let file = |end: &str| world.home(&format!("{way}{end}"));
    for end in ["", ".refused", ".done"] {
        fs::remove_file(file(end)).ok();
    }
    let script = scripts(world).join("impostor.py");
    let ran = pane.typed(&format!("/usr/bin/python3 {} {way} {way}", script.display()));
    let ended = || file(".done").exists();
    assert!(wait_until(ended, Duration::from_secs(20)), "{way}: {}", ran.stderr);
    let stderr = fs::read_to_string(file(".refused")).unwrap();
    Out { code: if stderr.is_empty() { 0 } else { 4 }, stdout: fs::read(file("")).unwrap(), stderr }
}

const WAYS: [&str; 2] = ["clone", "become"];
/// Why what brings no token is refused.
pub const NO_TOKEN: &str = "this shell was granted with a token, and this command did not bring it";

fn only_the_token_tells(shell: Shell) {
    let world = world();
    shell.set_up(&world);
    let tmux = Tmux::start(&world);
    let plain = shell.plain(&tmux);
    grant_first(&plain);
    for way in WAYS {
        served(&by_impostor(&world, &plain, way), way);
    }
    if shell.name == DASH.name {
        return;
    }
    let with_init = shell.with_init(&tmux);
    for way in WAYS {
        denied(&by_impostor(&world, &with_init, way), "control");
    }
    grant(&with_init);
    let before = handed_out(&world);
    for way in WAYS {
        let line = denied(&by_impostor(&world, &with_init, way), way);
        assert!(line.starts_with(NO_TOKEN), "{}: {way}: {line}", shell.name);
    }
    assert_eq!(handed_out(&world), before, "nothing more");
    served(&with_init.typed("ctl get a"), shell.name);
}

#[test]
fn limit_without_shell_init_bash_takes_impostors_for_typing_and_with_it_refuses_them() {
    only_the_token_tells(BASH);
}

#[test]
fn limit_without_shell_init_zsh_takes_impostors_for_typing_and_with_it_refuses_them() {
    only_the_token_tells(ZSH);
}

#[test]
fn limit_without_shell_init_fish_takes_impostors_for_typing_and_with_it_refuses_them() {
    only_the_token_tells(FISH);
}

#[test]
fn limit_dash_which_has_no_functions_for_it_takes_impostors_for_typing() {
    only_the_token_tells(DASH);
}

/// Whatever can reach tmux types there as its person does.
#[test]
fn limit_a_program_that_drives_the_terminal_is_served_as_who_sits_there() {
    let world = world();
    BASH.set_up(&world);
    let tmux = Tmux::start(&world);
    let (granted, other) = (BASH.with_init(&tmux), BASH.plain(&tmux));
    grant_first(&granted);
    denied(&other.typed("ctl get a"), "control: nothing speaks for this pane");
    let drive = world.file(
        "drive.py",
        "import os, subprocess, sys, time\n\
         tmux = ['tmux', '-S', os.environ['XDG_RUNTIME_DIR'] + '/tmux']\n\
         line = 'ctl get a > stolen; mv stolen stolen.whole'\n\
         subprocess.run(tmux + ['send-keys', '-t', sys.argv[1], line, 'Enter'], check=True)\n\
         while not os.path.exists('stolen.whole'): time.sleep(0.05)\n\
         print(open('stolen.whole').read())\n",
    );
    served(
        &other.typed(&format!("/usr/bin/python3 {} {}", drive.display(), granted.id())),
        "by the other pane's hand",
    );
}

#[test]
fn only_the_token_of_the_grant_will_do_until_the_password_is_typed_again() {
    let world = world();
    let tmux = Tmux::start(&world);
    let pane = BASH.with_init(&tmux);
    grant_first(&pane);
    served(&pane.typed("ctl get a"), "control");

    world.file("wrong", "0".repeat(64));
    let without = ["command ctl get a", "command ctl --token-fd 9 get a 9< wrong", "env ctl get a"];
    for command in without {
        let out = pane.typed(command);
        let line = denied(&out, command);
        assert!(out.code == 4 && line.starts_with(NO_TOKEN), "{command}: {line}");
    }
    // Nor does any program get hold of the right one.
    assert_eq!(pane.typed("(set -a; env | grep -c glassdome_token)").stdout, b"0\n");
    assert_eq!(pane.typed("bash -c 'echo \"<$__glassdome_token>\"'").stdout, b"<>\n");
    // Without the password nothing about it changes.
    let out = pane.answered("command ctl unlock", "not the password");
    assert_eq!(out.code, 7, "{}", out.stderr);
    denied(&pane.typed("command ctl get a"), "after a wrong password");
    assert_eq!(mine(&pane)["token"], true);

    let unlocked =
        wait_until(|| pane.answered("command ctl unlock", PASSWORD).code == 0, Duration::from_secs(60));
    assert!(unlocked, "the throttle lets go");
    served(&pane.typed("command ctl get a"), "the password was typed");
    served(&pane.typed("ctl get a"), "and the function does no harm");
    assert_eq!(mine(&pane)["token"], false);
}

/// The pipe is a descriptor of the shell's, and those are open to all programs of its user.
#[test]
fn limit_the_token_is_caught_in_its_pipe_by_who_waits_for_it() {
    let world = world();
    let tmux = Tmux::start(&world);
    let pane = BASH.with_init(&tmux);
    grant_first(&pane);
    let line = denied(&pane.typed("command ctl get a"), "control");
    assert!(line.starts_with(NO_TOKEN), "{line}");
    let thief = scripts(&world).join("token_thief.py");
    pane.typed(&format!("/usr/bin/python3 {} $$ \"$HOME/caught\" &", text(&thief))).ok();
    // It has to be quick, and it has time.
    let caught = || fs::read_to_string(world.home("caught")).is_ok_and(|caught| caught == VALUE);
    let until = Instant::now() + Duration::from_secs(60);
    while !wait_until(caught, Duration::from_millis(200)) {
        assert!(Instant::now() < until, "it was not caught: {:?}", pane.typed("jobs"));
        pane.typed("ctl get a");
    }
    served(&pane.typed("ctl get a"), "and the person goes on");
}
