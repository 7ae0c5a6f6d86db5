//! Asks a person at the terminal for what must not be seen.
//!
//! Not `rpassword`: it raises the interrupt with the terminal still silent, which leaves the shell
//! without echo, and it grows a `String`, which leaves copies. Here the line is edited in one buffer
//! of fixed size that is wiped, and the terminal is restored on every way out but a signal from outside
//! that ends the process.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;

use rustix::fs::OFlags;
use rustix::process::{Signal, getpid, kill_process};
use rustix::termios::{LocalModes, OptionalActions, SpecialCodeIndex, Termios, tcgetattr, tcsetattr};
use zeroize::Zeroizing;

use crate::error::Error;

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

    /// Asks for one line of at most `max` bytes and shows nothing of it.
    ///
    /// # Errors
    /// [`Error::NoInput`] when the person ends the input instead, [`Error::TooLong`].
    pub(crate) fn ask_hidden(
        &self,
        prompt: &str,
        what: &'static str,
        max: usize,
    ) -> Result<Zeroizing<Vec<u8>>, Error> {
        // Silent first, prompt second: whoever answers the prompt is never echoed.
        let silence = Silence::begin(&self.tty).map_err(Error::Terminal)?;
        let line = self.read_line(prompt, max);
        drop(silence);
        (&self.tty).write_all(b"\n").map_err(Error::Terminal)?;
        match line? {
            Line::Typed(bytes) => Ok(bytes),
            Line::TooLong => Err(Error::TooLong { what, max }),
            Line::Ended => Err(Error::NoInput("nothing was typed: nothing was done")),
            Line::Interrupted => {
                kill_process(getpid(), Signal::INT).map_err(|error| Error::Terminal(error.into()))?;
                Err(Error::NoInput("interrupted: nothing was done"))
            }
        }
    }

    fn read_line(&self, prompt: &str, max: usize) -> Result<Line, Error> {
        (&self.tty).write_all(prompt.as_bytes()).map_err(Error::Terminal)?;
        let mut editor = Editor::new(max);
        let mut input = Zeroizing::new([0u8; 64]);
        loop {
            let len = match rustix::io::read(&self.tty, &mut input[..]) {
                Ok(0) => return Ok(Line::Ended),
                Ok(len) => len,
                Err(rustix::io::Errno::INTR) => continue,
                Err(error) => return Err(Error::Terminal(error.into())),
            };
            for &byte in &input[..len] {
                if let Some(end) = editor.feed(byte) {
                    return Ok(editor.finish(end));
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
        // ISIG too: the interrupt key must find the terminal restored before it ends us.
        silent.local_modes -= LocalModes::ECHO | LocalModes::ECHONL | LocalModes::ICANON | LocalModes::ISIG;
        silent.special_codes[SpecialCodeIndex::VMIN] = 1;
        silent.special_codes[SpecialCodeIndex::VTIME] = 0;
        tcsetattr(tty, OptionalActions::Flush, &silent)?;
        Ok(Self { tty, before })
    }
}

impl Drop for Silence<'_> {
    fn drop(&mut self) {
        // Flush: the rest of a pasted text of many lines must not become commands of the shell.
        // A terminal that is gone needs no restoring.
        tcsetattr(self.tty, OptionalActions::Flush, &self.before).ok();
    }
}

enum Line {
    Typed(Zeroizing<Vec<u8>>),
    TooLong,
    Ended,
    Interrupted,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Enter,
    Interrupt,
    Nothing,
}

/// Where in an escape sequence (ECMA-48, 5.4) the input is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Escape {
    None,
    Introduced,
    Inside,
}

/// The keys of a hidden line: erase a character, a word or all; arrow keys and the like do nothing.
struct Editor {
    line: Zeroizing<Vec<u8>>,
    max: usize,
    over: bool,
    escape: Escape,
}

impl Editor {
    fn new(max: usize) -> Self {
        Self { line: Zeroizing::new(Vec::with_capacity(max)), max, over: false, escape: Escape::None }
    }

    fn feed(&mut self, byte: u8) -> Option<End> {
        match (self.escape, byte) {
            (Escape::Introduced, b'[' | b'O') => self.escape = Escape::Inside,
            (Escape::Introduced, _) => self.escape = Escape::None,
            (Escape::Inside, 0x40..=0x7e) => self.escape = Escape::None,
            (Escape::Inside, _) => {}
            (Escape::None, b'\n' | b'\r') => return Some(End::Enter),
            (Escape::None, 0x03) => return Some(End::Interrupt),
            (Escape::None, 0x04) if self.line.is_empty() => return Some(End::Nothing),
            (Escape::None, 0x08 | 0x7f) => self.erase_character(),
            (Escape::None, 0x15) => self.line.clear(),
            (Escape::None, 0x17) => self.erase_word(),
            (Escape::None, 0x1b) => self.escape = Escape::Introduced,
            (Escape::None, 0..=0x1f) => {}
            (Escape::None, _) if self.line.len() == self.max => self.over = true,
            (Escape::None, _) => self.line.push(byte),
        }
        None
    }

    fn erase_character(&mut self) {
        // The continuation bytes of UTF-8 go with the byte that they continue.
        while self.line.pop().is_some_and(|byte| byte & 0xc0 == 0x80) {}
    }

    fn erase_word(&mut self) {
        while self.line.last() == Some(&b' ') {
            self.line.pop();
        }
        while self.line.last().is_some_and(|byte| *byte != b' ') {
            self.line.pop();
        }
    }

    fn finish(self, end: End) -> Line {
        match end {
            End::Enter if self.over => Line::TooLong,
            End::Enter => Line::Typed(self.line),
            End::Interrupt => Line::Interrupted,
            End::Nothing => Line::Ended,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn typed(keys: &[u8]) -> (Vec<u8>, Option<End>) {
        let mut editor = Editor::new(16);
        let end = keys.iter().find_map(|&key| editor.feed(key));
        (editor.line.to_vec(), end)
    }

    #[test]
    fn keys_edit_the_line() {
        assert_eq!(typed(b"abc\n"), (b"abc".to_vec(), Some(End::Enter)));
        assert_eq!(typed("aé\x7f\x08b\r".as_bytes()), (b"b".to_vec(), Some(End::Enter)));
        assert_eq!(typed(b"one two \x17\n"), (b"one ".to_vec(), Some(End::Enter)));
        assert_eq!(typed(b"wrong\x15right\n"), (b"right".to_vec(), Some(End::Enter)));
        assert_eq!(typed(b"a\x1b[1;5Cb\x1bOAc\x1bxd\x01\n"), (b"abcd".to_vec(), Some(End::Enter)));
        assert_eq!(typed(b"a\x04b\n"), (b"ab".to_vec(), Some(End::Enter)));
        assert_eq!(typed(b"\x04").1, Some(End::Nothing));
        assert_eq!(typed(b"secret\x03").1, Some(End::Interrupt));
        assert_eq!(typed(b"\x7f\x7fa").0, b"a");
    }

    #[test]
    fn a_line_over_its_limit_is_refused_not_cut() {
        let mut editor = Editor::new(3);
        assert!(b"abcd".iter().all(|&key| editor.feed(key).is_none()));
        assert!(matches!(editor.finish(End::Enter), Line::TooLong));
        let mut editor = Editor::new(3);
        assert!(b"abc".iter().all(|&key| editor.feed(key).is_none()));
        assert!(matches!(editor.finish(End::Enter), Line::Typed(line) if *line == b"abc"));
    }
}
