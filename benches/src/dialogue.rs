//! A program that waits for a line, does what it says, and answers with a line: what a start costs is not in what is
//! measured.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use crate::error::Error;

/// It ends with this.
pub(crate) struct Dialogue {
    process: Child,
    orders: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Dialogue {
    /// Starts it.
    pub(crate) fn start(mut command: Command) -> Result<Self, Error> {
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut process = command.spawn().map_err(Error::system("start a program"))?;
        match (process.stdin.take(), process.stdout.take()) {
            (Some(orders), Some(answers)) => Ok(Self { process, orders, answers: BufReader::new(answers) }),
            _ => Err(Error::Wrong("a program")),
        }
    }

    /// Its process id.
    pub(crate) fn pid(&self) -> u32 {
        self.process.id()
    }

    /// Its answer to a line; empty if it has ended.
    pub(crate) fn answer(&mut self, line: &str) -> Result<String, Error> {
        let order = format!("{line}\n");
        self.orders.write_all(order.as_bytes()).map_err(Error::system("tell a program"))?;
        let mut answer = String::new();
        self.answers.read_line(&mut answer).map_err(Error::system("hear a program"))?;
        Ok(answer)
    }
}

impl Drop for Dialogue {
    fn drop(&mut self) {
        // It may have ended by itself.
        self.process.kill().ok();
        self.process.wait().ok();
    }
}
