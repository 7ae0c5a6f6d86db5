//! The session in bash's prompt without a process, beside bash that reads the same line and does nothing with it.
//! A shell each runs many of them at a word from here.

use std::process::Command;

use crate::dialogue::Dialogue;
use crate::error::Error;
use crate::home::Home;
use crate::rounds::take_turns;
use crate::table::{Budget, Table};

const ROUNDS: usize = 20;
const CALLS: usize = 5;
/// So many at a word: the word itself costs nothing beside them.
const EACH: u32 = 500;

const SNIPPET: &str = include_str!("../../../packaging/prompt/glassdome.bash");
const FLOOR: &str = "subject() { read -r REPLY <\"$XDG_RUNTIME_DIR/glassdome/daemon.sock.state\"; }";
const OURS: &str = "subject() { __glassdome_segment; REPLY=$glassdome_segment; }";

/// Measures it; the daemon keeps the line.
pub(crate) fn without_a_process(home: &Home, table: &mut Table) -> Result<(), Error> {
    let mut floor = Bash::start(home, FLOOR)?;
    let mut ours = Bash::start(home, OURS)?;
    if !floor.draw()?.starts_with("unlocked ") || !ours.draw()?.starts_with('🔓') {
        return Err(Error::Wrong("the prompt"));
    }
    let timed = take_turns(ROUNDS, CALLS, [&mut |_| floor.draw().map(drop), &mut |_| ours.draw().map(drop)])?;
    let [floor, ours] = timed.map(|samples| samples.each(EACH));
    // 20 µs where the read is 9.
    table.times("prompt segment without a process", None, [&floor, &ours], Budget::Times(2.2));
    Ok(())
}

/// A shell that has it done [`EACH`] times at a word, and gives what the last one said.
struct Bash(Dialogue);

impl Bash {
    fn start(home: &Home, subject: &str) -> Result<Self, Error> {
        let script = format!(
            "{SNIPPET}\n{subject}\nwhile read -r; do for ((n = 0; n < {EACH}; n++)); do subject; done; echo \"$REPLY\"; done"
        );
        let mut command = Command::new("bash");
        command.env_clear().env("LC_ALL", "C.UTF-8").env("XDG_RUNTIME_DIR", home.path().join("run"));
        command.args(["--norc", "-c", &script]);
        Dialogue::start(command).map(Self)
    }

    fn draw(&mut self) -> Result<String, Error> {
        self.0.answer("")
    }
}
