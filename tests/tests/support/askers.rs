//! Programs that ask for secrets, and the rules about them.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use glassdome_tests::{Out, PASSWORD, Pty, Run, User, World, text};
use serde_json::Value;

use crate::scripts;

/// The interpreter that the first line of `asker.py` names.
pub const PYTHON: &str = "/usr/bin/python3";

/// A copy of `asker.py` in the home directory.
pub fn asker(world: &World, name: &str) -> PathBuf {
    let script = fs::read(scripts::scripts(world).join("asker.py")).expect("it is part of the source");
    let path = world.file(name, script);
    fs::set_permissions(&path, Permissions::from_mode(0o755)).expect("it is there");
    path
}

/// An ordinary program that is no interpreter and asks by `ctl` for each name that it reads, in a file of
/// the owner's.
pub fn runner(world: &World, name: &str) -> PathBuf {
    let path = world.home(name);
    scripts::copied(Path::new("/usr/bin/xargs"), &path);
    User::A.own(&path).expect("it can be given away");
    path
}

/// `program words… SCRIPTS SOCKET request…`, as a process of the owner's.
pub fn asking(world: &World, program: &str, words: &[&str], request: &[&str]) -> Run {
    let (scripts, socket) = (scripts::scripts(world), world.socket());
    let args = [words, &[text(&scripts), text(&socket)], request].concat();
    world.program(Path::new(program), &args)
}

/// What a run of an asker was told.
#[track_caller]
pub fn told(run: Run) -> Told {
    Told::of(run.output())
}

/// What one request was told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// As `ctl` exits with.
    pub code: i64,
    /// What was got.
    pub got: Option<String>,
    /// Why not.
    pub why: String,
}

impl Told {
    /// What an asker that has ended was told.
    #[track_caller]
    pub fn of(out: Out) -> Self {
        let stdout = String::from_utf8(out.stdout).expect("it prints text");
        let line = stdout.lines().find(|line| line.starts_with('{'));
        Self::read(line.unwrap_or_else(|| panic!("it says nothing: {stdout:?} {}", out.stderr)))
    }

    fn read(line: &str) -> Self {
        let told: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        let code = told["code"].as_i64().unwrap_or_else(|| panic!("no answer: {line}"));
        let why = told["why"].as_str().expect("it says why").to_owned();
        Self { code, got: told["got"].as_str().map(str::to_owned), why }
    }

    /// That this value was served.
    #[track_caller]
    pub fn served(&self, value: &str) {
        assert_eq!((self.code, self.got.as_deref()), (0, Some(value)), "{}", self.why);
    }

    /// That it was refused by the policy, and why.
    #[track_caller]
    pub fn denied(self) -> String {
        assert_eq!((self.code, &self.got), (4, &None), "{}", self.why);
        assert!(self.why.contains("denied"), "{}", self.why);
        self.why
    }
}

/// An asker that stays, and is asked to ask.
pub struct Staying {
    terminal: Pty,
    /// Its process.
    pub pid: u32,
}

impl Staying {
    /// Starts one, with these words behind the interpreter's name.
    pub fn new(world: &World, words: &str) -> Self {
        Self::waiting(world, words, "0")
    }

    /// As [`Staying::new`]; it waits for a person this long.
    pub fn waiting(world: &World, words: &str, wait: &str) -> Self {
        let (scripts, socket) = (scripts::scripts(world), world.socket());
        let line = format!(
            "stty -echo; GLASSDOME_WAIT={wait} exec {PYTHON} {words} {} {} stay",
            text(&scripts),
            text(&socket)
        );
        let mut terminal = world.terminal(&line);
        let shown = terminal.expect("}\n");
        let first: Value = serde_json::from_str(shown.trim()).expect("it says its number");
        let pid = first["pid"].as_u64().and_then(|pid| u32::try_from(pid).ok()).expect("a process has one");
        Self { terminal, pid }
    }

    /// Asks.
    #[track_caller]
    pub fn ask(&mut self, request: &str) -> Told {
        self.begin(request);
        self.answer()
    }

    /// Begins to ask.
    pub fn begin(&mut self, request: &str) {
        self.terminal.send(&format!("{request}\n"));
    }

    /// What came of it.
    #[track_caller]
    pub fn answer(&mut self) -> Told {
        let shown = self.terminal.expect("}\n");
        Told::read(shown.trim())
    }
}

/// `ctl policy allow …` with the master password.
pub fn allow(world: &World, args: &[&str]) -> Run {
    with_password(world, &[&["policy", "allow"], args].concat())
}

/// `ctl …` with the master password.
pub fn with_password(world: &World, args: &[&str]) -> Run {
    world.ctl(&[args, &["--password-stdin"]].concat()).stdin(format!("{PASSWORD}\n"))
}

/// The last record of the log that fits.
#[track_caller]
pub fn recorded(world: &World, event: &str, outcome: &str) -> Value {
    let records = world.audit();
    let fits = |record: &&Value| record["event"] == event && record["outcome"] == outcome;
    records.iter().rfind(fits).unwrap_or_else(|| panic!("no {event} {outcome} in {records:#?}")).clone()
}
