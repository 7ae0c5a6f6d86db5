//! A terminal multiplexer of the home's owner: real shells in real panes, typed at as people do.
//!
//! What a typed command prints goes to files, as a screen tells neither the two streams apart nor an
//! exit code; prompts are read off the screen.

use std::cell::Cell;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::run::{Out, Run};
use crate::wait::wait_until;
use crate::world::World;

/// How long a shell may take to start, and a command to end.
const PATIENCE: Duration = Duration::from_secs(30);

/// A tmux server; it ends with the test, and all that runs in its panes.
pub struct Tmux<'w> {
    world: &'w World,
    name: &'static str,
    typed: Cell<u32>,
}

/// A pane with a shell.
pub struct Pane<'t> {
    tmux: &'t Tmux<'t>,
    id: String,
    /// What begins a block of commands, what ends it, and its exit code.
    block: [&'static str; 3],
}

impl<'w> Tmux<'w> {
    /// Starts a server without any shell.
    pub fn start(world: &'w World) -> Self {
        Self::named(world, "tmux")
    }

    /// As [`Tmux::start`], beside another one of this home.
    pub fn named(world: &'w World, name: &'static str) -> Self {
        let tmux = Self { world, name, typed: Cell::new(0) };
        tmux.told(&["-f", "/dev/null", "new-session", "-d", "-x", "200", "-y", "50", "sleep", "1000"]);
        tmux
    }

    /// A new pane with this shell, and variables of its environment.
    pub fn pane(&self, shell: &[&str], variables: &[&str]) -> Pane<'_> {
        let mut args = vec!["new-window", "-d", "-P", "-F", "#{pane_id}"];
        args.extend(variables.iter().flat_map(|variable| ["-e", variable]));
        let id = self.told(&[&args, shell].concat()).trim().to_owned();
        let block = match shell[0] {
            "fish" => ["begin; ", "end", "$status"],
            _ => ["{ ", "}", "$?"],
        };
        Pane { tmux: self, id, block }
    }

    /// What tmux answers to a command of its own.
    pub fn told(&self, args: &[&str]) -> String {
        self.tmux(args).text()
    }

    fn tmux(&self, args: &[&str]) -> Run {
        let socket = self.world.runtime().join(self.name);
        let socket = ["-S", socket.to_str().expect("paths of tests are text")];
        self.world.program(Path::new("/usr/bin/tmux"), &[&socket, args].concat())
    }
}

impl Drop for Tmux<'_> {
    fn drop(&mut self) {
        // The test is over: with its server gone, nothing is left of it.
        self.tmux(&["kill-server"]).output();
    }
}

impl Pane<'_> {
    /// What tmux calls it.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Types a line; what was shown before is wiped first.
    pub fn line(&self, line: &str) {
        self.tmux.told(&["send-keys", "-R", "-t", &self.id, ";", "clear-history", "-t", &self.id]);
        self.keys(line);
    }

    /// Waits until this is shown.
    #[track_caller]
    pub fn expect(&self, words: &str) {
        let shown = || self.screen().contains(words);
        assert!(wait_until(shown, PATIENCE), "no {words:?} in {:?}", self.screen());
    }

    /// Waits until this is a line, but for blanks behind it.
    #[track_caller]
    pub fn expect_line(&self, line: &str) {
        let shown = || self.screen().lines().any(|shown| shown.trim_end() == line);
        assert!(wait_until(shown, PATIENCE), "no line {line:?} in {}: {:?}", self.id, self.screen());
    }

    /// Types a command, or several, and waits for their end.
    #[track_caller]
    pub fn typed(&self, command: &str) -> Out {
        self.begin(command).end()
    }

    /// Types a command, or several, and does not wait.
    pub fn begin(&self, command: &str) -> Typed<'_> {
        let number = self.tmux.typed.get() + 1;
        self.tmux.typed.set(number);
        let [begin, end, code] = self.block;
        self.line(&format!("{begin}{command}"));
        let file = format!("{}-{number}", self.tmux.name);
        self.keys(&format!("{end} > out-{file} 2> err-{file}; echo {code} > code-{file}"));
        Typed { pane: self, number }
    }

    /// Ends the shell, as it is done by typing, and waits until its pane is gone.
    #[track_caller]
    pub fn exit(self) {
        self.line("exit");
        let open = || self.tmux.told(&["list-panes", "-a", "-F", "<#{pane_id}>"]);
        let gone = || !open().contains(&format!("<{}>", self.id));
        assert!(wait_until(gone, PATIENCE), "it does not end: {:?}", self.screen());
    }

    /// Types a command, and `answer` as often as it asks for something.
    #[track_caller]
    pub fn answered(&self, command: &str, answer: &str) -> Out {
        let typed = self.begin(command);
        loop {
            let asks = || self.screen().trim_end().ends_with(':');
            assert!(wait_until(|| typed.has_ended() || asks(), PATIENCE), "{:?}", self.screen());
            if typed.has_ended() {
                return typed.end();
            }
            self.line(answer);
        }
    }

    fn keys(&self, line: &str) {
        // At the end of a word tmux takes a semicolon for its own.
        let line = line.strip_suffix(';').map_or(line.to_owned(), |line| format!("{line}\\;"));
        let keys =
            ["send-keys", "-t", &self.id, "-l", "--", &line, ";", "send-keys", "-t", &self.id, "Enter"];
        self.tmux.told(&keys);
    }

    fn screen(&self) -> String {
        self.tmux.told(&["capture-pane", "-p", "-J", "-t", &self.id])
    }
}

/// A command that was typed.
pub struct Typed<'p> {
    pane: &'p Pane<'p>,
    number: u32,
}

impl Typed<'_> {
    /// Waits for its end.
    #[track_caller]
    pub fn end(self) -> Out {
        assert!(wait_until(|| self.has_ended(), PATIENCE), "it does not end: {:?}", self.pane.screen());
        let read = |what| fs::read(self.path(what)).expect("the shell made it");
        Out {
            code: self.code().expect("it has ended"),
            stdout: read("out"),
            stderr: String::from_utf8(read("err")).expect("messages are text"),
        }
    }

    fn has_ended(&self) -> bool {
        self.code().is_some()
    }

    fn code(&self) -> Option<i32> {
        fs::read_to_string(self.path("code")).ok()?.strip_suffix('\n')?.parse().ok()
    }

    fn path(&self, what: &str) -> PathBuf {
        self.pane.tmux.world.home(&format!("{what}-{}-{}", self.pane.tmux.name, self.number))
    }
}
