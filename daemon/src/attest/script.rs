//! The script that an interpreter was started with, found where the interpreter would find it: under
//! the peer's own root, from the peer's own working directory.
//!
//! All of it is the peer's word: a process can write what it likes over its arguments. And it is
//! about now: a program that went to another directory since names by a relative word what lies
//! there, which is mostly nothing.

use std::ffi::OsStr;
use std::fs::File;
use std::io::Read;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags, ResolveFlags};

use super::file::Held;
use super::interpreter::{Interpreter, script_word};
use super::program::Unreadable;

/// How much of a process's arguments is looked at, in bytes: 128 KiB, the longest single one
/// (execve(2), `MAX_ARG_STRLEN`).
const ARGUMENTS: u64 = 128 << 10;

/// Takes hold of the script that the process of this `/proc/PID` runs; None if it runs none, or none
/// is where its arguments say.
pub(super) fn find(process: BorrowedFd<'_>, interpreter: Interpreter) -> Result<Option<Held>, Unreadable> {
    let arguments = arguments(process)?;
    match script_word(interpreter, &words(&arguments)) {
        Some(word) => hold(process, word),
        None => Ok(None),
    }
}

fn arguments(process: BorrowedFd<'_>) -> Result<Vec<u8>, Unreadable> {
    const WHAT: &str = "the arguments";
    let flags = OFlags::RDONLY | OFlags::CLOEXEC;
    let file = rustix::fs::openat(process, "cmdline", flags, Mode::empty()).map_err(Unreadable::io(WHAT))?;
    let mut arguments = Vec::new();
    let read = File::from(file).take(ARGUMENTS).read_to_end(&mut arguments);
    read.map_err(|source| Unreadable::Io { what: WHAT, source })?;
    Ok(arguments)
}

/// The words of a command line, each of which ends with a zero (proc_pid_cmdline(5)). What was cut
/// off is none.
fn words(arguments: &[u8]) -> Vec<&[u8]> {
    arguments.split_inclusive(|&byte| byte == 0).filter_map(|word| word.strip_suffix(&[0])).collect()
}

fn hold(process: BorrowedFd<'_>, word: &[u8]) -> Result<Option<Held>, Unreadable> {
    const WHAT: &str = "the script";
    let word = Path::new(OsStr::from_bytes(word));
    let path = if word.is_absolute() {
        word.to_owned()
    } else {
        match directory(process)? {
            Some(directory) => directory.join(word),
            None => return Ok(None),
        }
    };
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let root = rustix::fs::openat(process, "root", flags, Mode::empty()).map_err(Unreadable::io(WHAT))?;
    Held::take(root.as_fd(), &path, ResolveFlags::IN_ROOT, WHAT)
}

/// The working directory of a process as the process itself would name it; None if it has been
/// removed, or lies outside its root.
fn directory(process: BorrowedFd<'_>) -> Result<Option<PathBuf>, Unreadable> {
    let link = |name| {
        let path = rustix::fs::readlinkat(process, name, Vec::new());
        path.map(|path| PathBuf::from(OsStr::from_bytes(path.as_bytes())))
            .map_err(Unreadable::io("the working directory"))
    };
    let directory = link("cwd")?;
    if directory.as_os_str().as_bytes().ends_with(b" (deleted)") {
        return Ok(None);
    }
    let below_root = directory.strip_prefix(link("root")?);
    Ok(below_root.ok().map(|path| Path::new("/").join(path)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_are_words_and_what_was_cut_off_is_none() {
        assert_eq!(words(b"a\0\0bc\0"), [&b"a"[..], b"", b"bc"]);
        assert_eq!(words(b"a\0bc"), [b"a"]);
        assert!(words(b"").is_empty());
    }
}
