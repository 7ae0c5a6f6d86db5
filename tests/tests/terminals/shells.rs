//! The shells, as people set them up, and what the tests ask of all of them.

use std::fs;

use glassdome_tests::{Out, PASSWORD, Pane, Tmux, User, World};
use serde_json::Value;

/// What the secret `a` holds.
pub const VALUE: &str = "the value of a";

/// A shell with its start-up file.
#[derive(Clone, Copy)]
pub struct Shell {
    pub name: &'static str,
    /// Where it is: `~` or `XDG_CONFIG_HOME`.
    startup: &'static str,
    /// What stands in it. With the variable `INIT`, what is documented for `ctl shell-init`.
    content: &'static str,
}

pub const BASH: Shell = Shell {
    name: "bash",
    startup: "home/.bashrc",
    content: "PS1='at-prompt '\n[ -z \"$INIT\" ] || eval \"$(ctl shell-init bash)\"\n",
};
pub const ZSH: Shell = Shell {
    name: "zsh",
    startup: "home/.zshrc",
    content: "PS1='at-prompt '\n\
              [ -z \"$INIT\" ] || { autoload -Uz compinit; compinit -u -D; eval \"$(ctl shell-init zsh)\" }\n",
};
pub const FISH: Shell = Shell {
    name: "fish",
    startup: "config/fish/config.fish",
    content: "function fish_prompt; echo 'at-prompt '; end\nset -g fish_greeting\n\
              test -z \"$INIT\"; or ctl shell-init fish | source\n",
};
pub const DASH: Shell = Shell { name: "dash", startup: "home/.dashrc", content: "PS1='at-prompt '\n" };

impl Shell {
    /// Puts the start-up file in its place.
    pub fn set_up(self, world: &World) {
        let path = world.top().join(self.startup);
        let directory = path.parent().unwrap();
        fs::create_dir_all(directory).unwrap();
        fs::write(&path, self.content).unwrap();
        User::A.own(directory).unwrap();
        User::A.own(&path).unwrap();
    }

    /// A pane with this shell.
    pub fn plain<'t>(self, tmux: &'t Tmux<'_>) -> Pane<'t> {
        tmux.pane(&[self.name, "-i"], &["ENV=.dashrc"])
    }

    /// A pane with this shell, with the functions of `ctl shell-init`.
    pub fn with_init<'t>(self, tmux: &'t Tmux<'_>) -> Pane<'t> {
        tmux.pane(&[self.name, "-i"], &["INIT=1"])
    }
}

/// A world in which bash is set up, to be granted. Nothing was typed yet.
pub fn world() -> World {
    let world = World::with_vault();
    BASH.set_up(&world);
    world
}

/// Types the master password, for a new vault or an open one.
#[track_caller]
pub fn grant(pane: &Pane<'_>) {
    let out = pane.answered("glassdome_start", PASSWORD);
    assert_eq!(out.code, 0, "{}", out.stderr);
}

/// As [`grant`], for the first one of a world: there is a secret to be had then.
#[track_caller]
pub fn grant_first(pane: &Pane<'_>) {
    grant(pane);
    let out = pane.typed(&format!("printf '{VALUE}' | ctl set a --stdin"));
    assert_eq!(out.code, 0, "{}", out.stderr);
}

/// All grants, as told in this pane.
#[track_caller]
pub fn grants(pane: &Pane<'_>) -> Vec<Value> {
    serde_json::from_slice(&pane.typed("ctl grants --json").ok()).unwrap()
}

/// The grant of this pane.
#[track_caller]
pub fn mine(pane: &Pane<'_>) -> Value {
    let all = grants(pane);
    all.iter().find(|grant| grant["yours"] == true).unwrap_or_else(|| panic!("{all:?}")).clone()
}

/// It was given the value.
#[track_caller]
pub fn served(out: &Out, what: &str) {
    let printed = String::from_utf8_lossy(&out.stdout);
    assert!(out.code == 0 && printed.trim_end() == VALUE, "{what}: {} {printed:?} {}", out.code, out.stderr);
    assert!(!out.stderr.contains("denied"), "{what}: {}", out.stderr);
}

/// It was given nothing; the daemon's line, which no other program could have written.
#[track_caller]
pub fn denied(out: &Out, what: &str) -> String {
    let printed = String::from_utf8_lossy(&out.stdout);
    let all = format!("{printed}{}", out.stderr);
    assert!(!all.contains(VALUE), "{what}: served");
    let line = all.lines().find_map(|line| line.split_once("ctl: denied a: "));
    line.unwrap_or_else(|| panic!("{what}: not refused: {} {all:?}", out.code)).1.to_owned()
}

/// How often the log says that the secret was handed out; and it says that `ctl` was refused by policy.
#[track_caller]
pub fn handed_out(world: &World) -> usize {
    let gets = |outcome: &str| -> Vec<Value> {
        let about = |record: &Value| record["event"] == "get" && record["outcome"] == outcome;
        world.audit().into_iter().filter(about).collect()
    };
    // Those like it within a minute are counted.
    let refused = gets("denied");
    assert!(refused.iter().any(|record| record["by"] == "policy" && record["secret"] == "a"), "{refused:?}");
    gets("allowed").len()
}
