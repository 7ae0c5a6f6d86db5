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
use std::rc::Rc;
use std::time::{Duration, Instant};

use glassdome_sys::HeldSignals;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::OFlags;
use rustix::process::{Signal, getpgrp, getpid, kill_process};
use rustix::termios::{
    LocalModes, OptionalActions, QueueSelector, SpecialCodeIndex, Termios, tcflush, tcgetattr, tcgetpgrp,
    tcgetwinsize, tcsetattr,
};
use zeroize::Zeroizing;

use crate::error::Error;
use crate::line_editor::{Editor, End};

/// What ends a program or stops it, and what tells that it was stopped: SIGSTOP cannot be held, and
/// whoever used the terminal since may have left it otherwise.
const HELD: [Signal; 6] = [Signal::HUP, Signal::INT, Signal::QUIT, Signal::TERM, Signal::TSTP, Signal::CONT];

/// What ends a program.
const ENDING: [Signal; 4] = [Signal::HUP, Signal::INT, Signal::QUIT, Signal::TERM];

/// The terminal that controls this process, whatever stdin and stdout are.
pub(crate) struct Terminal {
    tty: File,
    /// Signals that are told instead of ending the program.
    ending: Option<Rc<HeldSignals>>,
}

/// How much a terminal shows at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Size {
    /// Lines.
    pub(crate) rows: usize,
    /// Cells of a line.
    pub(crate) columns: usize,
}

impl Terminal {
    /// Opens it; `None` when there is none.
    pub(crate) fn open() -> Option<Self> {
        let flags = (OFlags::NOCTTY | OFlags::CLOEXEC).bits() as i32;
        let tty = OpenOptions::new().read(true).write(true).custom_flags(flags).open("/dev/tty").ok()?;
        Some(Self { tty, ending: None })
    }

    /// Has a signal that would end the program answer what is asked, with [`Error::Interrupted`], for as long
    /// as this or what it returns lives: for whoever has something to put right first.
    ///
    /// # Errors
    /// [`Error::Terminal`].
    pub(crate) fn holding(self) -> Result<(Self, Rc<HeldSignals>), Error> {
        let held = Rc::new(HeldSignals::hold(&ENDING).map_err(Error::Terminal)?);
        Ok((Self { ending: Some(held.clone()), ..self }, held))
    }

    /// The same terminal, with the same signals.
    ///
    /// # Errors
    /// [`Error::Terminal`].
    pub(crate) fn try_clone(&self) -> Result<Self, Error> {
        let tty = self.tty.try_clone().map_err(Error::Terminal)?;
        Ok(Self { tty, ending: self.ending.clone() })
    }

    /// How much it shows at once: as little as one of the VT100's where nothing sensible is known.
    pub(crate) fn size(&self) -> Size {
        let size = tcgetwinsize(&self.tty).ok().filter(|size| size.ws_row >= 5 && size.ws_col >= 20);
        size.map_or(Size { rows: 24, columns: 80 }, |size| Size {
            rows: size.ws_row.into(),
            columns: size.ws_col.into(),
        })
    }

    /// Waits.
    ///
    /// # Errors
    /// [`Error::Interrupted`].
    pub(crate) fn pause(&self, time: Duration) -> Result<(), Error> {
        let until = Instant::now() + time;
        while let Some(rest) = until.checked_duration_since(Instant::now()).filter(|rest| !rest.is_zero()) {
            let rest = Timespec { tv_sec: rest.as_secs().cast_signed(), tv_nsec: rest.subsec_nanos().into() };
            let mut ready: Vec<PollFd<'_>> =
                self.ending.iter().map(|held| PollFd::new(&**held, PollFlags::IN)).collect();
            match poll(&mut ready, Some(&rest)) {
                Ok(_) | Err(rustix::io::Errno::INTR) => self.not_interrupted()?,
                Err(error) => return Err(Error::Terminal(error.into())),
            }
        }
        Ok(())
    }

    /// Writes one line.
    pub(crate) fn say(&self, line: &str) -> Result<(), Error> {
        (&self.tty).write_all(format!("{line}\n").as_bytes()).map_err(Error::Terminal)
    }

    /// Asks for one short line, which is shown as it is typed.
    ///
    /// # Errors
    /// [`Error::NoInput`] when the person ends the input instead, [`Error::Interrupted`].
    pub(crate) fn ask(&self, prompt: &str) -> Result<String, Error> {
        // What was typed before the question could be read does not answer it.
        tcflush(&self.tty, QueueSelector::IFlush).map_err(|error| Error::Terminal(error.into()))?;
        (&self.tty).write_all(prompt.as_bytes()).map_err(Error::Terminal)?;
        let mut line = [0; 256];
        let len = loop {
            let mut ready = vec![PollFd::new(&self.tty, PollFlags::IN)];
            ready.extend(self.ending.iter().map(|held| PollFd::new(&**held, PollFlags::IN)));
            match poll(&mut ready, None) {
                Err(rustix::io::Errno::INTR) => continue,
                other => other.map_err(|error| Error::Terminal(error.into()))?,
            };
            self.not_interrupted()?;
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
    /// [`Error::NoInput`] when the person ends the input instead, [`Error::TooLong`], [`Error::Interrupted`].
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
                Line::Ending(signal) => return Err(Error::Interrupted { signal }),
                Line::Signal(signal) => {
                    kill_process(getpid(), signal).map_err(|error| Error::Terminal(error.into()))?;
                    if !matches!(signal, Signal::TSTP | Signal::CONT) {
                        return Err(Error::NoInput("interrupted: nothing was done"));
                    }
                }
            }
        }
    }

    fn not_interrupted(&self) -> Result<(), Error> {
        self.interruption()?.map_or(Ok(()), |signal| Err(Error::Interrupted { signal }))
    }

    fn interruption(&self) -> Result<Option<Signal>, Error> {
        self.ending.as_ref().map_or(Ok(None), |held| held.take()).map_err(Error::Terminal)
    }

    fn read_line(&self, prompt: &str, max: usize, held: &HeldSignals) -> Result<Line, Error> {
        let failed = |error: rustix::io::Errno| Error::Terminal(error.into());
        (&self.tty).write_all(prompt.as_bytes()).map_err(Error::Terminal)?;
        let mut editor = Editor::new(max);
        let mut input = Zeroizing::new([0u8; 64]);
        loop {
            let mut ready = vec![PollFd::new(held, PollFlags::IN), PollFd::new(&self.tty, PollFlags::IN)];
            ready.extend(self.ending.iter().map(|held| PollFd::new(&**held, PollFlags::IN)));
            match poll(&mut ready, None) {
                Err(rustix::io::Errno::INTR) => continue,
                other => other.map_err(failed)?,
            };
            if let Some(signal) = held.take().map_err(Error::Terminal)? {
                return Ok(Line::Signal(signal));
            }
            if let Some(signal) = self.interruption()? {
                return Ok(Line::Ending(signal));
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
    /// One of those that are told.
    Ending(Signal),
}
