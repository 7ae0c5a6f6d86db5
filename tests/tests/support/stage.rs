//! What the attacks on the handshake are carried out on: a world with something to steal, twins of the
//! daemon's front, and programs of their own files.

use std::cell::Cell;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use glassdome_tests::{Started, World, text, wait_until};
use serde_json::Value;

use crate::{scripts, tools};

/// What there is to steal.
pub const BAIT: &str = "a value worth stealing";

/// A world with something to steal.
pub struct Stage {
    /// The world.
    pub world: World,
    twins: Cell<u32>,
    copies: Cell<u32>,
}

/// One attack, and what answers it.
pub struct Row<'a> {
    /// Its name in attacks.py.
    pub attack: &'a str,
    /// The program that it wants to be taken for; `None`: its own, at first.
    pub trusted: Option<&'a str>,
    /// The steps of the handshake that answer it.
    pub without: &'a [&'a str],
    /// The daemon's word for it in the audit log.
    pub by: &'a str,
}

impl Stage {
    /// With an open vault.
    pub fn new() -> Self {
        let world = World::unlocked();
        world.set("bait", BAIT);
        Self { world, twins: Cell::new(0), copies: Cell::new(0) }
    }

    /// A program of its own file: so that records of refusals, which are counted by file, stay apart.
    pub fn copy(&self, program: &str) -> PathBuf {
        let program = fs::canonicalize(program).expect("an ordinary program is there");
        self.copy_as(&program, &program.file_name().expect("a file").to_string_lossy())
    }

    /// As [`Stage::copy`], under another name.
    pub fn copy_as(&self, program: &Path, name: &str) -> PathBuf {
        self.copies.set(self.copies.get() + 1);
        let copy = self.world.top().join(format!("{name}-{}", self.copies.get()));
        scripts::copied(program, &copy);
        copy
    }

    /// A Python that a rule lets have everything when it runs the attacks: what is refused all the same
    /// is refused by the check that is attacked.
    pub fn allowed_python(&self) -> PathBuf {
        let python = self.copy("/usr/bin/python3");
        let script = scripts::scripts(&self.world).join("attacks.py");
        self.world.allow(&["--script", text(&script), "--exe", text(&python)]);
        python
    }

    /// A twin of the daemon's front that serves `trusted` alone, and its socket.
    pub fn twin(&self, trusted: &Path, without: &[&str]) -> (Started, PathBuf) {
        self.twins.set(self.twins.get() + 1);
        let socket = self.world.runtime().join(format!("twin-{}.sock", self.twins.get()));
        let program = tools::tool(&self.world, env!("CARGO_BIN_EXE_twin"));
        let mut args = vec![text(&socket), text(trusted)];
        args.extend(without.iter().flat_map(|step| ["--without", step]));
        let twin = self.world.program(&program, &args).within(Duration::from_secs(120)).start();
        assert!(wait_until(|| socket.exists(), Duration::from_secs(10)), "the twin listens");
        (twin, socket)
    }

    /// What the attack got, or why not.
    pub fn attack(&self, python: &Path, attack: &str, socket: &Path, pid: u32, trusted: &Path) -> Value {
        let script = scripts::scripts(&self.world).join("attacks.py");
        let args = [text(&script), attack, text(socket), &pid.to_string(), text(trusted)];
        let out = self.world.program(python, &args).output();
        let lines = String::from_utf8(out.stdout).expect("it prints text");
        let last = lines.lines().next_back().unwrap_or_else(|| panic!("{attack}: {}", out.stderr));
        serde_json::from_str(last).unwrap_or_else(|error| panic!("{attack}: {error}: {last}"))
    }

    /// Carries the attack out, on the daemon and on twins.
    #[track_caller]
    pub fn check(&self, row: &Row<'_>) {
        let python = self.allowed_python();
        let trusted = row.trusted.map_or_else(|| python.clone(), |program| self.copy(program));
        // Nor would what it is taken for be refused. No rule is about a shell as such.
        if row.trusted.is_some_and(|program| program != "/bin/sh") {
            self.world.allow(&["--exe", text(&trusted)]);
        }
        let attack = |socket: &Path, pid| self.attack(&python, row.attack, socket, pid, &trusted);

        let (twin, socket) = self.twin(&trusted, row.without);
        // Who keeps an address space alive by reading it has to be lucky with the time.
        let mut last = Value::Null;
        let taken = (0..10).any(|_| {
            last = attack(&socket, twin.pid());
            last["got"] == "the bait"
        });
        assert!(taken, "control: {} without {:?}: {last}", row.attack, row.without);
        drop(twin);
        let (twin, socket) = self.twin(&trusted, &[]);
        let refused = attack(&socket, twin.pid());
        assert_eq!(refused["got"], Value::Null, "control: {} with every step: {refused}", row.attack);
        drop(twin);

        let before = self.world.audit().len();
        let pid = self.world.daemon_pid().cast_unsigned();
        let recorded = || {
            self.world.audit()[before..].iter().any(|record| {
                (&record["event"], &record["outcome"], &record["by"])
                    == (&"connect".into(), &"denied".into(), &row.by.into())
            })
        };
        // Here, too, luck decides how far it comes; never what it gets.
        let seen = (0..10).any(|_| {
            let refused = attack(&self.world.socket(), pid);
            assert_eq!(refused["got"], Value::Null, "{}: {refused}", row.attack);
            wait_until(recorded, Duration::from_secs(1))
        });
        assert!(seen, "{}: no record by {}: {:#?}", row.attack, row.by, &self.world.audit()[before..]);
        assert!(self.world.daemon_log().contains("refused: "), "and the person is told");
    }

    /// Nothing is proved by a daemon that serves nobody any more.
    #[track_caller]
    pub fn still_serves(&self) {
        assert_eq!(self.world.ctl(&["get", "bait"]).text(), BAIT);
        let plain = |python: PathBuf| self.attack(&python, "plain", &self.world.socket(), 0, Path::new("-"));
        assert_eq!(plain(self.allowed_python())["got"], BAIT, "an attacker that does not attack");
        assert_eq!(plain(self.copy("/usr/bin/python3"))["got"], Value::Null, "and one without a rule");
    }
}
