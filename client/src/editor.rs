//! The person's own editor, on a text that nobody else reads: in a directory of its own that only they can
//! enter, which is gone when the editor is, also if a signal ends this program meanwhile. Nothing lies
//! anywhere while questions are asked about the text afterwards.
//!
//! What the person left there is theirs however the editor ended: whoever asked for it keeps it.
//!
//! The editor's variable is a line of shell, as for git(1) and crontab(1), and so a shell reads it.

use std::fs::{self, DirBuilder, File};
use std::io::{self, IsTerminal, Read, stderr, stdin, stdout};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use glassdome_proto::limits;
use glassdome_sys::{HeldSignals, private_dir};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::OFlags;
use rustix::process::{Pid, PidfdFlags, Signal, kill_process, pidfd_open};

use crate::error::{Error, printable};
use crate::private_file::{random_name, write_private};
use crate::socket_path::SocketPath;

/// Looked for where no variable names one.
const KNOWN: [&str; 3] = ["sensible-editor", "nano", "vi"];

/// The most that is read of what an editor left, in bytes: much more than can be sealed, so that a text that is
/// too long is not lost by it.
const READ: u64 = 16 * limits::EDIT as u64;

/// How long an editor is waited for that was told to end, in seconds.
const ENDING: i64 = 2;

/// An editor, as a line of shell.
pub(crate) struct Editor(String);

impl Editor {
    /// That of `VISUAL`, or of `EDITOR`, or one that is known and there.
    ///
    /// # Errors
    /// [`Error::Usage`] if there is none.
    pub(crate) fn find() -> Result<Self, Error> {
        let named = ["VISUAL", "EDITOR"]
            .into_iter()
            .find_map(|variable| std::env::var(variable).ok().filter(|line| !line.trim().is_empty()));
        let path = std::env::var_os("PATH").unwrap_or_default();
        let found = || {
            let there =
                |name: &&str| std::env::split_paths(&path).any(|directory| is_program(&directory.join(name)));
            KNOWN.into_iter().find(there).map(str::to_owned)
        };
        named.or_else(found).map(Self).ok_or_else(|| {
            Error::Usage("no editor was found: set EDITOR, for example to the path of nano".into())
        })
    }

    /// Has the person edit a text, at a terminal that holds the signals `held`. The text becomes what the editor
    /// left, also if there is an error.
    ///
    /// # Errors
    /// [`Error::Editor`] if it did not end well, [`Error::Private`], [`Error::Interrupted`] by a signal that is to
    /// end this program, or why the files could not be had.
    pub(crate) fn edit(&self, text: &mut Vec<u8>, held: &HeldSignals) -> Result<(), Error> {
        let place = Place::new()?;
        let path = place.0.join("policy.toml");
        write_private(&path, text)?;
        let mut child = self.start(&path)?;
        let ended = wait(&mut child, held).map_err(Error::Terminal)?;
        let unread = |source| Error::ReadFile { path: path.clone(), source };
        let left = read(&path).map_err(unread).map(|left| *text = left);
        if let Ended::By(signal) = ended {
            return Err(Error::Interrupted { signal });
        }
        let status = child.wait().map_err(Error::Terminal)?;
        if !status.success() {
            return Err(Error::Editor { command: printable(&self.0), status });
        }
        left
    }

    fn start(&self, path: &Path) -> Result<Child, Error> {
        let failed = |source| Error::Run { program: printable(&self.0), source };
        let mut command = Command::new("/bin/sh");
        command.arg("-c").arg(format!("{} \"$@\"", self.0)).arg(&self.0).arg(path);
        // Where results or input are elsewhere, the person is at the terminal all the same.
        let tty = || File::options().read(true).write(true).open("/dev/tty").map(Stdio::from);
        if !stdin().is_terminal() {
            command.stdin(tty().map_err(failed)?);
        }
        if !stdout().is_terminal() {
            command.stdout(tty().map_err(failed)?);
        }
        if !stderr().is_terminal() {
            command.stderr(tty().map_err(failed)?);
        }
        // The signals that are held here are not held there: the standard library lets go of them.
        command.spawn().map_err(failed)
    }
}

fn read(path: &Path) -> io::Result<Vec<u8>> {
    // Nobody waits for what another program has put in its place.
    let flags = OFlags::NONBLOCK.bits() as i32;
    let file = File::options().read(true).custom_flags(flags).open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    let mut left = Vec::new();
    match file.take(READ + 1).read_to_end(&mut left)? {
        len if len as u64 > READ => Err(io::ErrorKind::FileTooLarge.into()),
        _ => Ok(left),
    }
}

/// Where a text is put that could not be sealed, so that nobody has to type it again.
///
/// # Errors
/// [`Error::Private`], or what [`write_private`] says.
pub(crate) fn keep(text: &[u8]) -> Result<PathBuf, Error> {
    let path = directory()?.join(format!("policy-{}.toml", random_name()?));
    write_private(&path, text)?;
    Ok(path)
}

/// A directory of its own, until it is dropped.
struct Place(PathBuf);

impl Place {
    fn new() -> Result<Self, Error> {
        let path = directory()?.join(format!("edit-{}", random_name()?));
        let made = DirBuilder::new().mode(0o700).create(&path);
        made.map_err(|source| Error::WriteFile { path: path.clone(), source })?;
        Ok(Self(path))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        // Somebody else may have been quicker; what cannot be taken away goes with the runtime directory.
        fs::remove_dir_all(&self.0).ok();
    }
}

fn directory() -> Result<PathBuf, Error> {
    let path = SocketPath::find()?.directory;
    private_dir(&path).map_err(Error::Private)?;
    Ok(path)
}

fn is_program(path: &Path) -> bool {
    path.is_file() && rustix::fs::access(path, rustix::fs::Access::EXEC_OK).is_ok()
}

enum Ended {
    Itself,
    By(Signal),
}

/// Waits until the editor has ended. What is typed to interrupt is the editor's; what ends programs is told
/// to it, and ends this one when it has had its time.
fn wait(child: &mut Child, held: &HeldSignals) -> io::Result<Ended> {
    let pid = Pid::from_child(child);
    let end = pidfd_open(pid, PidfdFlags::empty())?;
    let mut told = None;
    loop {
        let patience = told.map(|_| Timespec { tv_sec: ENDING, tv_nsec: 0 });
        let mut ready = [PollFd::new(&end, PollFlags::IN), PollFd::new(held, PollFlags::IN)];
        match poll(&mut ready, patience.as_ref()) {
            Err(rustix::io::Errno::INTR) => continue,
            Err(error) => return Err(error.into()),
            Ok(0) => break,
            Ok(_) => {}
        }
        if !ready[0].revents().is_empty() {
            break;
        }
        if let Some(signal) = held.take()?.filter(|signal| matches!(*signal, Signal::HUP | Signal::TERM)) {
            // It may have ended just now.
            kill_process(pid, signal).ok();
            told = Some(signal);
        }
    }
    // What was typed to interrupt was the editor's, also if it is seen after its end.
    while let Some(signal) = held.take()? {
        told = told.or(Some(signal).filter(|signal| matches!(*signal, Signal::HUP | Signal::TERM)));
    }
    Ok(told.map_or(Ended::Itself, Ended::By))
}
