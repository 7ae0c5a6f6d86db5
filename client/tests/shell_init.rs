//! What `ctl shell-init` prints, evaluated by the shells themselves. A stand-in for `ctl` tells what it was
//! given: the token, its arguments, its input, its environment.
#![allow(clippy::unwrap_used)]

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Output, Stdio};

/// Says what reached it, and ends with the code that `fail` names.
const STAND_IN: &str = r#"#!/bin/sh
token=none
if [ "$1" = --token-fd ]; then
    token=$(cat "/proc/self/fd/${2##*/}")
    shift 2
    if [ "$1" = --stdin-fd ]; then
        exec <&"$2"
        shift 2
    fi
fi
[ "$1" != token ] || echo "$token"
[ "$1" != set ] || echo "input=$(cat)"
[ "$1" != fail ] || exit "$2"
for arg; do printf '<%s>' "$arg"; done
echo " $(printf %s "$token" | wc -c) bytes"
if env | grep -qF -e "$token"; then echo "in the environment"; fi
"#;

struct Shell {
    name: &'static str,
    /// Evaluates what `ctl shell-init` prints.
    init: &'static str,
    status: &'static str,
}

const BASH: Shell = Shell { name: "bash", init: "eval \"$(\"$CTL\" shell-init bash)\"", status: "$?" };
const ZSH: Shell = Shell { name: "zsh", init: "eval \"$(\"$CTL\" shell-init zsh)\"", status: "$?" };
const FISH: Shell = Shell { name: "fish", init: "$CTL shell-init fish | source", status: "$status" };

impl Shell {
    fn output(&self, script: &str) -> Output {
        let home = tempfile::tempdir().unwrap();
        for name in ["ctl", "glassdome", "glassdome_start"] {
            let program = home.path().join(name);
            fs::write(&program, STAND_IN).unwrap();
            fs::set_permissions(&program, Permissions::from_mode(0o700)).unwrap();
        }
        let path = format!("{}:/usr/bin:/bin", home.path().display());
        let mut shell = Command::new(self.name);
        // Without anybody's start-up files.
        match self.name {
            "zsh" => shell.arg("-f"),
            "bash" => shell.args(["--norc", "--noprofile"]),
            _ => shell.arg("--no-config"),
        };
        shell
            .args(["-c", script])
            .env_clear()
            .envs([("PATH", path.as_str()), ("CTL", env!("CARGO_BIN_EXE_ctl")), ("LC_ALL", "C.UTF-8")])
            .env("HOME", home.path())
            // What the environment brings is nobody's token.
            .env("__glassdome_token", "planted")
            .stdin(Stdio::null())
            .output()
            .unwrap_or_else(|error| panic!("{} is needed: scripts/prepare test ({error})", self.name))
    }

    /// What the shell prints once it is set up.
    fn says(&self, script: &str) -> String {
        let output = self.output(&format!("{}\n{script}", self.init));
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(stderr, "", "{}: {script}", self.name);
        String::from_utf8(output.stdout).unwrap()
    }
}

#[test]
fn every_form_hands_the_token_over_and_nothing_else_changes() {
    for shell in [BASH, ZSH, FISH] {
        let status = shell.status;
        let said = |script: &str| shell.says(script);
        assert_eq!(said("ctl get 'a b' '' '*'"), "<get><a b><><*> 64 bytes\n", "{}", shell.name);
        assert_eq!(said("glassdome status"), "<status> 64 bytes\n", "{}", shell.name);
        assert_eq!(said("glassdome_start"), " 64 bytes\n", "{}", shell.name);
        assert_eq!(said("echo x | ctl set a"), "input=x\n<set><a> 64 bytes\n", "{}", shell.name);
        assert_eq!(said("ctl set a < /dev/null"), "input=\n<set><a> 64 bytes\n", "{}", shell.name);
        assert_eq!(said("ctl get a | cat"), "<get><a> 64 bytes\n", "{}", shell.name);
        assert_eq!(said(&format!("ctl fail 7; echo rc={status}")), "rc=7\n", "{}", shell.name);
        assert_eq!(said("ctl get a &\nwait"), "<get><a> 64 bytes\n", "{}", shell.name);
    }
    for shell in [BASH, ZSH] {
        assert_eq!(shell.says("v=$(ctl get a); echo \"v=$v\""), "v=<get><a> 64 bytes\n", "{}", shell.name);
        assert_eq!(shell.says("(ctl get a)"), "<get><a> 64 bytes\n", "{}", shell.name);
        assert_eq!(shell.says("sleep 0 & j=$!; ctl a; [ $j = $! ] && echo same"), "<a> 64 bytes\nsame\n");
    }
    assert_eq!(FISH.says("set v (ctl get a); echo \"v=$v\""), "v=<get><a> 64 bytes\n");
}

#[test]
fn a_shell_keeps_its_token_and_every_shell_has_another() {
    for shell in [BASH, ZSH, FISH] {
        let script = format!("ctl token\n{}\nctl token", shell.init);
        let tokens = || -> Vec<String> {
            let said = shell.says(&script);
            said.lines().filter(|line| !line.starts_with('<')).map(str::to_owned).collect()
        };
        let (one, other) = (tokens(), tokens());
        assert_eq!(one[0], one[1], "{}: evaluated twice", shell.name);
        assert_ne!(one[0], other[0], "{}", shell.name);
        assert!(one[0].len() == 64 && one[0].bytes().all(|byte| byte.is_ascii_hexdigit()), "{}", shell.name);
    }
}

#[test]
fn strict_shells_are_served_and_export_nothing() {
    let bash = "set -aeu -o pipefail; ";
    let zsh = "setopt all_export err_exit no_unset pipe_fail; ";
    for (shell, strict) in [(BASH, bash), (ZSH, zsh)] {
        let script = format!(
            "{strict}{}\nctl a\nif ctl fail 4; then echo yes; else echo no; fi\n{} -c 'env' | grep -c glassdome_token= \
             || true\nctl fail 5\necho never",
            shell.init, shell.name
        );
        let output = shell.output(&script);
        let stdout = String::from_utf8(output.stdout).unwrap();
        assert_eq!(stdout, "<a> 64 bytes\nno\n0\n", "{}", shell.name);
        assert_eq!(output.status.code(), Some(5), "{}", shell.name);
    }
    assert_eq!(FISH.says("env | grep -c glassdome_token; or true"), "0\n");
}

/// The control: the stand-in would tell of a token that is exported.
#[test]
fn the_stand_in_tells_of_an_exported_token() {
    let exported = "export other_name=\"$__glassdome_token\"; ctl a";
    assert_eq!(BASH.says(exported), "<a> 64 bytes\nin the environment\n");
}

#[test]
fn a_trace_does_not_show_the_token() {
    for (shell, trace) in [(BASH, "set -xv"), (ZSH, "set -xv"), (FISH, "set -g fish_trace 1")] {
        let output = shell.output(&format!("{trace}\n{}\nctl token", shell.init));
        let stdout = String::from_utf8(output.stdout).unwrap();
        let token = stdout.lines().next().unwrap();
        assert_eq!(token.len(), 64, "{}: {stdout}", shell.name);
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert!(stderr.contains("ctl token"), "{}: it is traced", shell.name);
        let pairs: Vec<&str> = (0..16).step_by(2).map(|at| &token[at..at + 2]).collect();
        for shown in [&token[..16], &pairs.join(" ")] {
            assert!(!stderr.contains(shown), "{}: the trace shows it", shell.name);
        }
    }
}

#[test]
fn an_alias_of_the_same_name_goes_in_front_of_the_function() {
    let script = |enable: &str, init: &str| {
        format!("{enable}\nalias ctl='ctl -v' command=false printf=false\n{init}\neval 'ctl a'")
    };
    for (shell, enable) in [(BASH, "shopt -s expand_aliases"), (ZSH, "setopt aliases")] {
        let output = shell.output(&script(enable, shell.init));
        assert_eq!(String::from_utf8(output.stdout).unwrap(), "<-v><a> 64 bytes\n", "{}", shell.name);
    }
}
