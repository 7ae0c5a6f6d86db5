//! Asks a person at the terminal for what must not be seen.
//!
//! Not `rpassword`: a signal while it asks leaves the shell without echo, and it grows a `String`, which
//! leaves copies. Here the line is edited in one buffer of fixed size that is wiped, and signals wait
//! until the terminal is as it was.
//!
//! ```text
//! hold signals ─► no echo ─► prompt ─► keys ─► echo ─► let signals go ─┬─ Enter: the line
//!      ▲                                         stopped and continued │
//!      └───────────────────────────────────────────────────────────────┘
//! ```

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;

use glassdome_sys::HeldSignals;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::OFlags;
use rustix::process::{Signal, getpgrp, getpid, kill_process};
use rustix::termios::{
    LocalModes, OptionalActions, QueueSelector, SpecialCodeIndex, Termios, tcflush, tcgetattr, tcgetpgrp,
    tcsetattr,
};
use zeroize::Zeroizing;

use crate::error::Error;
use crate::line_editor::{Editor, End};

/// What ends a program or stops it, and what tells that it was stopped: SIGSTOP cannot be held, and
/// whoever used the terminal since may have left it otherwise.
const HELD: [Signal; 6] = [Signal::HUP, Signal::INT, Signal::QUIT, Signal::TERM, Signal::TSTP, Signal::CONT];

/// The terminal that controls this process, whatever stdin and stdout are.
pub(crate) struct Terminal {
    tty: File,
}

impl Terminal {
    /// Opens it; `None` when there is none.
    pub(crate) fn open() -> Option<Self> {
        let flags = (OFlags::NOCTTY | OFlags::CLOEXEC).bits() as i32;
        let tty = OpenOptions::new().read(true).write(true).custom_flags(flags).open("/dev/tty").ok()?;
        Some(Self { tty })
    }

    /// Writes one line.
    pub(crate) fn say(&self, line: &str) -> Result<(), Error> {
        (&self.tty).write_all(format!("{line}\n").as_bytes()).map_err(Error::Terminal)
    }

    /// Asks for one short line, which is shown as it is typed.
    ///
    /// # Errors
    /// [`Error::NoInput`] when the person ends the input instead.
    pub(crate) fn ask(&self, prompt: &str) -> Result<String, Error> {
        // What was typed before the question could be read does not answer it.
        tcflush(&self.tty, QueueSelector::IFlush).map_err(|error| Error::Terminal(error.into()))?;
        (&self.tty).write_all(prompt.as_bytes()).map_err(Error::Terminal)?;
        let mut line = [0; 256];
        let len = loop {
            match rustix::io::read(&self.tty, &mut line) {
                Ok(0) => return Err(Error::NoInput("nothing was typed: nothing was done")),
                Ok(len) => break len,
                Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(Error::Terminal(error.into())),
            }
        };
        Ok(String::from_utf8_lossy(&line[..len]).trim_end().to_owned())
    }

    /// Asks for one line of at most `max` bytes and shows nothing of it. A signal that ends the program
    /// does so, after the terminal is as it was. Stopped and continued, it asks again from the start.
    ///
    /// # Errors
    /// [`Error::NoInput`] when the person ends the input instead, [`Error::TooLong`].
    pub(crate) fn ask_hidden(
        &self,
        prompt: &str,
        what: &'static str,
        max: usize,
    ) -> Result<Zeroizing<Vec<u8>>, Error> {
        loop {
            // In the background this stops us here, before the terminal is looked at: a shell that edits
            // its own line has it in a mode that is not to be put back later.
            tcflush(&self.tty, QueueSelector::IFlush).map_err(|error| Error::Terminal(error.into()))?;
            let held = HeldSignals::hold(&HELD).map_err(Error::Terminal)?;
            // Silent first, prompt second: whoever answers the prompt is never echoed.
            let silence = Silence::begin(&self.tty).map_err(Error::Terminal)?;
            let line = self.read_line(prompt, max, &held);
            drop(silence);
            drop(held);
            match line? {
                Line::Typed(bytes) => return Ok(bytes),
                Line::TooLong => return Err(Error::TooLong { what, max }),
                Line::Ended => return Err(Error::NoInput("nothing was typed: nothing was done")),
                Line::Signal(signal) => {
                    kill_process(getpid(), signal).map_err(|error| Error::Terminal(error.into()))?;
                    if !matches!(signal, Signal::TSTP | Signal::CONT) {
                        return Err(Error::NoInput("interrupted: nothing was done"));
                    }
                }
            }
        }
    }

    fn read_line(&self, prompt: &str, max: usize, held: &HeldSignals) -> Result<Line, Error> {
        let failed = |error: rustix::io::Errno| Error::Terminal(error.into());
        (&self.tty).write_all(prompt.as_bytes()).map_err(Error::Terminal)?;
        let mut editor = Editor::new(max);
        let mut input = Zeroizing::new([0u8; 64]);
        loop {
            let mut ready = [PollFd::new(held, PollFlags::IN), PollFd::new(&self.tty, PollFlags::IN)];
            match poll(&mut ready, None) {
                Err(rustix::io::Errno::INTR) => continue,
                other => other.map_err(failed)?,
            };
            if let Some(signal) = held.take().map_err(Error::Terminal)? {
                return Ok(Line::Signal(signal));
            }
            let hung_up = ready[1].revents().intersects(PollFlags::HUP | PollFlags::ERR);
            let len = match rustix::io::read(&self.tty, &mut input[..]) {
                Ok(0) if hung_up => return Ok(Line::Ended),
                Ok(len) => len,
                Err(rustix::io::Errno::INTR) => continue,
                Err(error) => return Err(failed(error)),
            };
            for &byte in &input[..len] {
                match editor.feed(byte) {
                    None => {}
                    Some(End::Enter) => return Ok(editor.finish().map_or(Line::TooLong, Line::Typed)),
                    Some(End::Nothing) => return Ok(Line::Ended),
                }
            }
        }
    }
}

/// A terminal without echo, until dropped.
struct Silence<'a> {
    tty: &'a File,
    before: Termios,
}

impl<'a> Silence<'a> {
    fn begin(tty: &'a File) -> io::Result<Self> {
        let before = tcgetattr(tty)?;
        let mut silent = before.clone();
        silent.local_modes -= LocalModes::ECHO | LocalModes::ECHONL | LocalModes::ICANON;
        // Its keys send signals, to all that run in the foreground, as with any other program.
        silent.local_modes |= LocalModes::ISIG;
        // A read never waits: where two read, one finds nothing, and signals would wait with it.
        silent.special_codes[SpecialCodeIndex::VMIN] = 0;
        silent.special_codes[SpecialCodeIndex::VTIME] = 0;
        tcsetattr(tty, OptionalActions::Flush, &silent)?;
        Ok(Self { tty, before })
    }
}

impl Drop for Silence<'_> {
    fn drop(&mut self) {
        // Stopped by SIGSTOP and continued in the background: it is the shell's, who has it as it likes.
        if matches!(tcgetpgrp(self.tty), Ok(foreground) if foreground != getpgrp()) {
            return;
        }
        // Flush: the rest of a pasted text of many lines must not become commands of the shell.
        // A terminal that is gone needs neither.
        tcsetattr(self.tty, OptionalActions::Flush, &self.before).ok();
        self.tty.write_all(b"\n").ok();
    }
}

enum Line {
    Typed(Zeroizing<Vec<u8>>),
    TooLong,
    Ended,
    Signal(Signal),
}
