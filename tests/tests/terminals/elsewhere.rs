//! Out of a granted shell, and yet not where the password was typed: another session, another
//! terminal, another user; and where there is no terminal at all.

use std::path::Path;

use glassdome_tests::{Out, PASSWORD, Tmux, User, World, left_out_without_root, text};

use crate::imitators::NO_TOKEN;
use crate::shells::{BASH, VALUE, denied, grant_first, handed_out, served, world};

#[test]
fn another_session_or_terminal_is_not_the_one_that_was_granted() {
    let world = world();
    let tmux = Tmux::start(&world);
    let pane = BASH.plain(&tmux);
    grant_first(&pane);
    served(&pane.typed("ctl get a"), "control");

    let out = pane.typed("setsid --wait ctl get a");
    assert!(out.code == 4 && denied(&out, "setsid that stays").contains("setsid"), "{}", out.stderr);
    let before = handed_out(&world);
    // Where it leads no group, setsid replaces itself; then the shell has run ctl.
    let out = pane.typed("true | setsid ctl get a");
    let line = denied(&out, "setsid");
    assert!(line.starts_with("it was started by a granted shell, but in another session"), "{line}");
    // A terminal of its own, which a shell leads or not.
    let out = pane.typed("script -qec 'ctl get a; exit $?' /dev/null < /dev/null");
    let line = denied(&out, "script");
    assert!(
        out.code == 4 && line.starts_with("the master password was not typed in this terminal"),
        "{line}"
    );
    let out = pane.typed("script -qec 'exec ctl get a' /dev/null < /dev/null");
    assert!(out.code == 4 && denied(&out, "script").contains("bash → script"), "{}", out.code);
    assert_eq!(handed_out(&world), before);
}

#[test]
fn another_user_is_nobody_here_whatever_was_granted() {
    if left_out_without_root("ctl as another user") {
        return;
    }
    let world = world();
    let tmux = Tmux::start(&world);
    let pane = BASH.plain(&tmux);
    grant_first(&pane);
    // As `sudo ctl` with the owner's environment.
    let out = world.ctl(&["get", "a"]).as_user(User::Root).output();
    assert!(out.code == 6 && out.stdout.is_empty(), "{} {}", out.code, out.stderr);
    assert!(out.stderr.contains(&User::A.uid().to_string()), "{}", out.stderr);
    served(&pane.typed("ctl get a"), "control");
}

#[test]
fn a_script_that_brings_the_password_is_served_and_what_it_runs_is_not() {
    let world = world();
    let password = world.file("password", format!("{PASSWORD}\n"));
    let unlock = format!("glassdome_start --quiet --password-fd 3 3< {}", password.display());
    let script = |rest: &str| world.shell(&format!("{unlock} || exit\n{rest}\nexit $?")).output();
    let out = script(&format!("printf '{VALUE}' | ctl set a --stdin && ctl get a"));
    served(&out, "the script's own");
    served(&script("v=$(ctl get a) && echo \"$v\""), "the script's own, in a substitution");

    let out = script("sh -c 'ctl get a; exit $?'");
    let line = denied(&out, "a program of the script's");
    assert!(out.code == 4 && line.contains("→ sh"), "{line}");
    let out = script("/usr/bin/python3 -c 'import os; os.system(\"ctl get a\")'");
    assert!(denied(&out, "python").contains("python3"));
    // Its grant ended with it.
    let out = world.shell("ctl get a; exit $?").output();
    assert_eq!(out.code, 4, "{}", out.stderr);
    assert_eq!(handed_out(&world), 2);
}

fn in_a_shell_that_takes_orphans_in(world: &World, script: &str) -> Out {
    // PR_SET_CHILD_SUBREAPER stays over exec.
    let reaper = world.file(
        "reaper.py",
        "import ctypes, os, sys\n\
         assert ctypes.CDLL(None).prctl(36, 1, 0, 0, 0) == 0\n\
         os.execv('/bin/bash', ['bash', '-c', sys.argv[1]])\n",
    );
    world.program(Path::new("/usr/bin/python3"), &[text(&reaper), script]).output()
}

/// Where the shell takes orphans in (as the first process of a container does), what a program left
/// behind has the shell for its parent, and never executed anything.
#[test]
fn an_orphan_is_no_fork_of_the_shell_that_took_it_in() {
    let world = world();
    let orphan = world.file(
        "orphan.py",
        "import os, subprocess, time\n\
         parent = os.getpid()\n\
         if os.fork() == 0:\n    \
             while os.getppid() == parent: time.sleep(0.01)\n    \
             told = subprocess.run(['ctl', 'get', 'a'], capture_output=True, text=True)\n    \
             open('told', 'w').write(f'{told.returncode} {os.getppid()} {told.stdout}{told.stderr}')\n    \
             os.rename('told', 'told.whole')\n",
    );
    let script = format!(
        "cd; glassdome_start --quiet --password-fd 3 3<<'.' || exit\n{PASSWORD}\n.\n\
         printf '{VALUE}' | ctl set a --stdin; ctl get a; echo; /usr/bin/python3 {}; while [ ! -e told.whole ]; do sleep 0.05; done\n\
         echo $$; cat told.whole; :",
        orphan.display()
    );
    let out = in_a_shell_that_takes_orphans_in(&world, &script);
    let told = String::from_utf8(out.stdout).unwrap();
    let lines: Vec<&str> = told.lines().collect();
    assert_eq!(lines[0], VALUE, "control: {told} {}", out.stderr);
    assert!(lines[2].starts_with(&format!("4 {} ctl: denied a: ", lines[1])), "{told}");
}

/// Where the shell takes orphans in (as the first process of a container does), one that becomes `ctl`
/// is a child of the shell's, as what is typed there. It has no token.
#[test]
fn limit_an_orphan_that_becomes_ctl_is_taken_for_typing_where_the_shell_takes_it_in_without_a_token() {
    let world = world();
    let orphan = world.file(
        "orphan.py",
        "import os, time\n\
         parent = os.getpid()\n\
         if os.fork() == 0:\n    \
             while os.getppid() == parent: time.sleep(0.01)\n    \
             told = os.open('told', os.O_WRONLY | os.O_CREAT | os.O_TRUNC)\n    \
             os.dup2(told, 1), os.dup2(told, 2)\n    \
             os.execvp('ctl', ['ctl', 'get', 'a'])\n",
    );
    let left = |init: &str| {
        let script = format!(
            "cd; {init} glassdome_start --quiet --password-fd 3 3<<'.' || exit\n{PASSWORD}\n.\n\
             printf '{VALUE}' | ctl set a --stdin; rm -f told\n\
             /usr/bin/python3 {}; while [ ! -s told ]; do sleep 0.05; done; ctl get a; echo; cat told; :",
            text(&orphan)
        );
        let out = in_a_shell_that_takes_orphans_in(&world, &script);
        let told = String::from_utf8(out.stdout).unwrap();
        let (control, told) = told.split_once('\n').unwrap_or_else(|| panic!("{told} {}", out.stderr));
        assert_eq!(control, VALUE, "control: {}", out.stderr);
        told.to_owned()
    };
    assert_eq!(left(""), VALUE);
    let told = left("eval \"$(ctl shell-init bash)\";");
    assert!(told.contains(NO_TOKEN), "{told}");
}
