//! Starts the daemon that lies beside this very program, never one that a `PATH` names, and waits
//! until it listens.

use std::io::{self, PipeReader, Read, pipe};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::connection::Connection;
use crate::error::{Error, printable};
use crate::exit::Exit;

/// From the start of the daemon to its line `ready`.
const START: Duration = Duration::from_secs(10);
/// From the end of a daemon to that of its socket.
const ENDING: Duration = Duration::from_secs(1);
/// What it prints once it listens.
const READY: &[u8] = b"ready\n";
/// Bytes of its complaint that are read.
const COMPLAINT: usize = 2048;

/// Connects to the daemon at `socket`, and starts one first if there is none.
///
/// # Errors
/// As [`Connection::open`]; [`Error::NoProgram`], [`Error::StartDaemon`], [`Error::DaemonFailed`].
pub(crate) fn connect_or_start(socket: &Path) -> Result<Connection, Error> {
    let until = Instant::now() + ENDING;
    loop {
        match Connection::open(socket) {
            Err(Error::NoDaemon { .. }) => break,
            // One that is just ending has its socket for a moment yet.
            Err(Error::Closed) if Instant::now() < until => std::thread::sleep(Duration::from_millis(10)),
            other => return other,
        }
    }
    match start(&beside_this_program()?) {
        Ok(()) => Connection::open(socket),
        // Somebody else may have started one in the meantime: then theirs serves as well.
        Err(failed) => Connection::open(socket).map_err(|_| failed),
    }
}

/// The daemon's program, which lies where ours does.
///
/// # Errors
/// [`Error::NoProgram`], [`Error::StartDaemon`].
pub(crate) fn beside_this_program() -> Result<PathBuf, Error> {
    let own = std::fs::read_link("/proc/self/exe").map_err(Error::StartDaemon)?;
    let program = own.with_file_name("glassdomed");
    if program.is_file() { Ok(program) } else { Err(Error::NoProgram { path: program }) }
}

fn start(program: &Path) -> Result<(), Error> {
    let (mut ready, stdout) = pipe().map_err(Error::StartDaemon)?;
    let (complaint, stderr) = pipe().map_err(Error::StartDaemon)?;
    let mut command = Command::new(program);
    command.arg("--background").stdin(Stdio::null()).stdout(stdout).stderr(stderr).current_dir("/");
    let mut child = glassdome_sys::spawn_detached(command).map_err(Error::StartDaemon)?;
    let deadline = Instant::now() + START;
    match read_until(&mut ready, READY.len(), deadline) {
        Ok(line) if line == READY => Ok(()),
        Ok(_) => Err(failure(&mut child, complaint)),
        Err(error) => {
            end(&mut child);
            Err(if error.kind() == io::ErrorKind::TimedOut {
                failed(Exit::Unreachable, "it was not ready within 10 seconds")
            } else {
                Error::StartDaemon(error)
            })
        }
    }
}

/// What the daemon says about its own end.
pub(crate) fn failure(child: &mut Child, mut complaint: PipeReader) -> Error {
    let deadline = Instant::now() + START;
    let text = read_until(&mut complaint, COMPLAINT, deadline).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let line = text.lines().next().unwrap_or("it ended without a word. See its log");
    let line = printable(line.trim_start_matches("glassdomed: "));
    // It has closed its stdout without being ready: either it has ended, or it never will be.
    end(child);
    match child.wait() {
        Ok(status) => match status.code().map(Exit::from_number) {
            Some(Exit::Ok) | None => failed(Exit::Error, &line),
            Some(exit) => failed(exit, &line),
        },
        Err(error) => Error::StartDaemon(error),
    }
}

/// Ends a child that is of no use, unless it has ended by itself; a moment is left for that.
fn end(child: &mut Child) {
    const MOMENT: Duration = Duration::from_millis(500);
    let until = Instant::now() + MOMENT;
    while Instant::now() < until {
        if !matches!(child.try_wait(), Ok(None)) {
            return;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    // Only fails for a child that has ended.
    child.kill().ok();
}

fn failed(exit: Exit, line: &str) -> Error {
    Error::DaemonFailed { exit, line: line.to_owned() }
}

/// Reads up to `max` bytes, or up to the end.
fn read_until(pipe: &mut PipeReader, max: usize, deadline: Instant) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; max];
    let mut have = 0;
    while have < max {
        let left = deadline.saturating_duration_since(Instant::now());
        let timeout = Timespec::try_from(left).map_err(io::Error::other)?;
        match poll(&mut [PollFd::new(pipe, PollFlags::IN)], Some(&timeout)) {
            Ok(0) => return Err(io::ErrorKind::TimedOut.into()),
            Ok(_) => {}
            Err(rustix::io::Errno::INTR) => continue,
            Err(error) => return Err(error.into()),
        }
        match pipe.read(&mut bytes[have..])? {
            0 => break,
            len => have += len,
        }
    }
    bytes.truncate(have);
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    /// Runs a script in the daemon's place.
    fn started(script: &str) -> Result<(), Error> {
        let directory = tempfile::tempdir().unwrap();
        let program = directory.path().join("glassdomed");
        fs::write(&program, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(&program, Permissions::from_mode(0o700)).unwrap();
        loop {
            match start(&program) {
                // A process that another test has just forked holds the script open until it executes.
                Err(Error::StartDaemon(error)) if error.kind() == io::ErrorKind::ExecutableFileBusy => {}
                started => return started,
            }
        }
    }

    #[test]
    fn a_daemon_that_is_ready_is_started() {
        started("[ \"$1\" = --background ] && echo ready && exec sleep 0.1").unwrap();
    }

    #[test]
    fn a_daemon_that_fails_says_why_and_with_which_code() {
        let error = started("echo 'glassdomed: no room' >&2; exit 12").unwrap_err();
        assert_eq!(error.to_string(), "the daemon did not start: no room");
        assert_eq!(Exit::from(&error), Exit::Storage);
        let error = started("exit 0").unwrap_err();
        assert_eq!(Exit::from(&error), Exit::Error);
        let error = started("printf 'rea'; exec >&- 2>&-; exec sleep 60").unwrap_err();
        assert_eq!(Exit::from(&error), Exit::Error);
    }
}
