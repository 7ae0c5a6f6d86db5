//! Which program a process is, to the byte: its executable and, for an interpreter, its script.
//!
//! Everything here blocks: on disks, on whoever serves a file system, on a process whose arguments
//! lie in memory that it serves itself. No deadline helps against a call that the kernel does not
//! return from: callers run it off the event loop and bound how many run at once. What is not asked
//! for is not touched.
//!
//! What is read here belongs together only if the process is still the one it was afterwards, which
//! is for the caller to ask ([`super::Peer::still`]).

use std::ffi::OsStr;
use std::io::Read;
use std::os::fd::BorrowedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::Instant;

use rustix::fs::{CWD, ResolveFlags};

pub use super::file::FileFacts;
use super::file::{self, Held};
pub use super::interpreter::{Interpreter, known_interpreter};
use super::{digest, script};

/// A program, as far as it was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Program {
    /// The file that was executed.
    pub exe: FileFacts,
    /// The script that it runs, with its digest. The peer's word.
    pub script: Option<FileFacts>,
    /// Which interpreter it is, by the name of its file.
    pub interpreter: Option<Interpreter>,
}

impl Program {
    /// Whether each of its files still lies where it did: a rule finds them by their paths.
    pub fn is_in_place(&self, until: Instant) -> bool {
        let same = |seen: &FileFacts| {
            let there = file(Path::new(&seen.path), false, until);
            // Also not by a link: it would be started from where that leads.
            there.is_ok_and(|there| (there.dev, there.ino, &there.path) == (seen.dev, seen.ino, &seen.path))
        };
        [Some(&self.exe), self.script.as_ref()].into_iter().flatten().all(same)
    }
}

/// What of a program is to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Want {
    /// The digest of its executable.
    pub exe_digest: bool,
    /// Its script, and the digest of that.
    pub script: bool,
}

/// Why a program cannot be told.
#[derive(Debug, thiserror::Error)]
pub enum Unreadable {
    /// The system refused.
    #[error("{what} cannot be read")]
    Io {
        /// What was to be read.
        what: &'static str,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
    /// There was no time left.
    #[error("{what} could not be read in time")]
    Late {
        /// What was to be read.
        what: &'static str,
    },
    /// It is longer than anything that is hashed.
    #[error("{what} is longer than {limit} bytes")]
    TooLong {
        /// What was to be read.
        what: &'static str,
        /// The limit in bytes.
        limit: u64,
    },
    /// It was written to while it was read.
    #[error("{what} was changed while it was read")]
    Changed {
        /// What was to be read.
        what: &'static str,
    },
    /// Nothing is there.
    #[error("there is no file {}", path.display())]
    NoFile {
        /// Where one was looked for.
        path: PathBuf,
    },
    /// What is there is no regular file, or none of a disk.
    #[error("{} is no regular file", path.display())]
    Irregular {
        /// Where it is.
        path: PathBuf,
    },
    /// A path does not begin at the root.
    #[error("{what} is not named by an absolute path")]
    NotAbsolute {
        /// What was to be read.
        what: &'static str,
    },
    /// The first line of a script does not name an interpreter that exists.
    #[error("the first line of the script names no interpreter (as in `#!/usr/bin/python3`)")]
    NoInterpreter,
}

/// Reads which program the process of this `/proc/PID` is. A script that is missing, or no regular
/// file, is none.
///
/// # Errors
/// [`Unreadable`] says what could not be read; nothing may then be decided by it.
pub fn read(process: BorrowedFd<'_>, want: Want, until: Instant) -> Result<Program, Unreadable> {
    let exe = file::linked(process, "exe", "the executable", want.exe_digest, until)?;
    let interpreter = known_interpreter(&exe.path);
    let script = match interpreter {
        Some(interpreter) if want.script => script::find(process, interpreter)?,
        _ => None,
    };
    let script = script.map(|script| script.digested("the script", until)).transpose()?;
    // What the loader loads can run others' code itself.
    let script = script.filter(|script| !is_loaded_interpreter(interpreter, &script.path));
    Ok(Program { exe, script, interpreter })
}

/// Reads the file at an absolute path under the daemon's own root, for a rule. Links are followed:
/// the path in the answer is that of the file itself.
///
/// # Errors
/// [`Unreadable`] says what does not fit.
pub fn file(path: &Path, digest: bool, until: Instant) -> Result<FileFacts, Unreadable> {
    const WHAT: &str = "the file";
    let held = hold(path, WHAT)?;
    if digest { held.digested(WHAT, until) } else { Ok(held.facts()) }
}

/// The interpreter that the first line of a script names (execve(2)): an absolute path. `env NAME`
/// and `env -S NAME …` are looked up in `/usr/local/bin`, `/usr/bin` and `/bin`, whatever `PATH` the
/// daemon was started with.
///
/// # Errors
/// [`Unreadable::NoInterpreter`], or why the script cannot be read.
pub fn interpreter_of(script: &Path, until: Instant) -> Result<PathBuf, Unreadable> {
    let start = start_of(script, "the script", FIRST_LINE, until)?;
    match named(&start).ok_or(Unreadable::NoInterpreter)? {
        Named::Path(path) => Ok(path.to_owned()),
        Named::Search(name) => searched(name).ok_or(Unreadable::NoInterpreter),
    }
}

/// Whether the kernel would have an interpreter run this file (execve(2)): then no process has it as its program.
///
/// # Errors
/// [`Unreadable`] says why it cannot be read.
pub fn is_script(path: &Path, until: Instant) -> Result<bool, Unreadable> {
    Ok(start_of(path, "the file", SCRIPT.len() as u64, until)? == SCRIPT)
}

fn start_of(path: &Path, what: &'static str, max: u64, until: Instant) -> Result<Vec<u8>, Unreadable> {
    digest::in_time(what, until)?;
    let file = hold(path, what)?.open(what)?;
    let mut start = Vec::new();
    let read = file.take(max).read_to_end(&mut start);
    read.map_err(|source| Unreadable::Io { what, source })?;
    Ok(start)
}

/// Whether an interpreter was given another one to run: the loader, which runs programs as others run
/// scripts. Which script that one runs is not told then.
pub fn is_loaded_interpreter(interpreter: Option<Interpreter>, script_path: &str) -> bool {
    interpreter == Some(Interpreter::Loader) && known_interpreter(script_path).is_some()
}

/// How much of a script the kernel looks at, in bytes (linux/binfmts.h, `BINPRM_BUF_SIZE`).
const FIRST_LINE: u64 = 256;
/// What a script begins with (execve(2)).
const SCRIPT: &[u8] = b"#!";

fn hold(path: &Path, what: &'static str) -> Result<Held, Unreadable> {
    if !path.is_absolute() {
        return Err(Unreadable::NotAbsolute { what });
    }
    Held::take(CWD, path, ResolveFlags::empty(), what)?.ok_or_else(|| {
        let path = path.to_owned();
        if path.exists() { Unreadable::Irregular { path } } else { Unreadable::NoFile { path } }
    })
}

#[derive(Debug, PartialEq, Eq)]
enum Named<'l> {
    Path(&'l Path),
    Search(&'l OsStr),
}

fn named(start: &[u8]) -> Option<Named<'_>> {
    let line = start.strip_prefix(SCRIPT)?;
    // A line that does not end here is cut off, and what it names with it.
    let line = &line[..line.iter().position(|&byte| byte == b'\n')?];
    let mut words = line.split(|byte| b" \t".contains(byte)).filter(|word| !word.is_empty());
    let program = Path::new(OsStr::from_bytes(words.next()?));
    if program.file_name() != Some(OsStr::new("env")) {
        return program.is_absolute().then_some(Named::Path(program));
    }
    let name = match words.next()? {
        b"-S" => words.next()?,
        word => word.strip_prefix(b"-S").unwrap_or(word),
    };
    let path = Path::new(OsStr::from_bytes(name));
    if path.is_absolute() {
        return Some(Named::Path(path));
    }
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"._+-".contains(byte);
    (name.iter().all(plain) && !name.starts_with(b"-")).then_some(Named::Search(path.as_os_str()))
}

fn searched(name: &OsStr) -> Option<PathBuf> {
    ["/usr/local/bin", "/usr/bin", "/bin"].map(|directory| Path::new(directory).join(name)).into_iter().find(
        |path| {
            let executable = rustix::fs::access(path, rustix::fs::Access::EXEC_OK).is_ok();
            executable && path.is_file()
        },
    )
}

#[cfg(test)]
#[path = "program_tests.rs"]
mod tests;
