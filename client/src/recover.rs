//! The program that recovers a vault: `glassdomed`, which alone can open one, started for this from where it lies beside
//! us. Until it is told to put the vault in its place, a daemon may have that. What is said to each other is in its
//! `recover`.

use std::io::{BufRead, BufReader, PipeReader, PipeWriter, Write, pipe};
use std::path::{Path, PathBuf};
use std::process::{Child, Command};

use zeroize::Zeroizing;

use crate::error::{Error, printable};
use crate::password::Password;
use crate::start::{beside_this_program, failure};

/// A recovery under way, whose backup could be read.
pub(crate) struct Recovery {
    child: Child,
    says: BufReader<PipeReader>,
    complaint: PipeReader,
    passwords: PipeWriter,
}

/// What became of a password.
pub(crate) enum Tried {
    /// It opens nothing there.
    Wrong,
    /// All was read, and so many secrets are in it. Nothing is changed yet.
    Opens(u64),
}

/// What was recovered.
#[derive(Default)]
pub(crate) struct Done {
    /// Where what was there before is now.
    pub(crate) former: Option<PathBuf>,
    /// Where that is now what lay in the place of a rotation.
    pub(crate) aside: Option<PathBuf>,
    /// Whether the audit log is judged by what the backup remembers of it, and nothing newer.
    pub(crate) log_by_backup: bool,
    /// Whether nobody knows if there was a panic.
    pub(crate) panic_unknown: bool,
}

impl Recovery {
    /// Begins, and waits until the backup was read.
    ///
    /// # Errors
    /// [`Error::NoProgram`], [`Error::StartDaemon`], [`Error::NotRecovered`] with what it says.
    pub(crate) fn begin(backup: &Path, check: bool) -> Result<Self, Error> {
        let backup = std::path::absolute(backup)
            .map_err(|source| Error::ReadFile { path: backup.to_owned(), source })?;
        let (stdin, passwords) = pipe().map_err(Error::StartDaemon)?;
        let (says, stdout) = pipe().map_err(Error::StartDaemon)?;
        let (complaint, stderr) = pipe().map_err(Error::StartDaemon)?;
        let mut command = Command::new(beside_this_program()?);
        command.arg(if check { "--check-backup" } else { "--recover" }).arg(backup);
        command.stdin(stdin).stdout(stdout).stderr(stderr).current_dir("/");
        let child = glassdome_sys::spawn_detached(command).map_err(Error::StartDaemon)?;
        let mut recovery = Self { child, says: BufReader::new(says), complaint, passwords };
        match recovery.word()?.as_str() {
            "ready" => Ok(recovery),
            _ => Err(recovery.failed()),
        }
    }

    /// Tries a password.
    ///
    /// # Errors
    /// As [`Recovery::begin`].
    pub(crate) fn attempt(&mut self, password: &Password) -> Result<Tried, Error> {
        // In one write: what is in a pipe is wiped by nobody, and read at once.
        let typed = password.wire();
        let mut line = Zeroizing::new(Vec::with_capacity(typed.expose().len() + 1));
        line.extend_from_slice(typed.expose());
        line.push(b'\n');
        if self.passwords.write_all(&line).is_err() {
            return Err(self.failed());
        }
        let word = self.word()?;
        match word.split_once(' ') {
            None if word == "wrong" => Ok(Tried::Wrong),
            Some(("checked", secrets)) => secrets.parse().map(Tried::Opens).map_err(|_| Error::Unexpected),
            _ => Err(self.failed()),
        }
    }

    /// Waits until what only looked has ended.
    ///
    /// # Errors
    /// As [`Recovery::begin`].
    pub(crate) fn checked(mut self) -> Result<(), Error> {
        self.ended()
    }

    /// Has the vault put in its place, which no daemon may have.
    ///
    /// # Errors
    /// As [`Recovery::begin`].
    pub(crate) fn put_in_place(mut self) -> Result<Done, Error> {
        if self.passwords.write_all(b"go\n").is_err() || self.word()? != "recovered" {
            return Err(self.failed());
        }
        let mut done = Done::default();
        loop {
            let word = self.word()?;
            match word.split_once(' ') {
                Some(("former", path)) => done.former = Some(path.into()),
                Some(("aside", path)) => done.aside = Some(path.into()),
                Some(("log", "backup")) => done.log_by_backup = true,
                Some(("panic", "unknown")) => done.panic_unknown = true,
                None if word.is_empty() => return self.ended().map(|()| done),
                _ => return Err(Error::Unexpected),
            }
        }
    }

    /// Gives up, and waits until what was begun is gone.
    ///
    /// # Errors
    /// [`Error::StartDaemon`].
    pub(crate) fn give_up(self) -> Result<(), Error> {
        let Self { mut child, passwords, .. } = self;
        drop(passwords);
        child.wait().map(drop).map_err(Error::StartDaemon)
    }

    fn ended(&mut self) -> Result<(), Error> {
        match self.child.wait().map_err(Error::StartDaemon)?.success() {
            true => Ok(()),
            false => Err(self.failed()),
        }
    }

    /// The next line; empty at the end.
    fn word(&mut self) -> Result<String, Error> {
        let mut line = Vec::new();
        self.says.read_until(b'\n', &mut line).map_err(Error::StartDaemon)?;
        Ok(printable(String::from_utf8_lossy(&line).trim_end()))
    }

    /// What it says about its own end.
    fn failed(&mut self) -> Error {
        let complaint = match self.complaint.try_clone() {
            Ok(complaint) => complaint,
            Err(error) => return Error::StartDaemon(error),
        };
        match failure(&mut self.child, complaint) {
            Error::DaemonFailed { exit, line } => Error::NotRecovered { exit, line },
            other => other,
        }
    }
}
