//! The lines of a file from its end, in bounded memory.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use glassdome_audit::MAX_LINE;

/// How much is read at once, in bytes.
const BLOCK: usize = 64 * 1024;

/// A file that is read from its end.
#[derive(Debug)]
pub(crate) struct Backwards {
    file: File,
    /// Where what is held begins in the file.
    at: u64,
    /// What was read and not given yet: up to the end of a line, without its newline.
    held: Vec<u8>,
    done: bool,
}

/// A line, and where it begins.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Found {
    /// In bytes from the start of the file.
    pub(crate) start: u64,
    /// Without the newline; nothing of a line that is longer than [`MAX_LINE`].
    pub(crate) bytes: Vec<u8>,
}

impl Backwards {
    /// Reads the file as long as it is now; behind its last newline there may be a line without end.
    ///
    /// # Errors
    /// What the system says.
    pub(crate) fn of(file: File) -> io::Result<Self> {
        let at = file.metadata()?.len();
        let mut lines = Self { file, at, held: Vec::new(), done: at == 0 };
        lines.read_more()?;
        if lines.held.last() == Some(&b'\n') {
            lines.held.pop();
        }
        Ok(lines)
    }

    /// The line before the one that was given last; `None` before the first of the file.
    ///
    /// # Errors
    /// What reading says.
    pub(crate) fn previous(&mut self) -> io::Result<Option<Found>> {
        if self.done {
            return Ok(None);
        }
        let mut too_long = false;
        let mut unsearched = self.held.len();
        let start = loop {
            if let Some(newline) = self.held[..unsearched].iter().rposition(|byte| *byte == b'\n') {
                break newline + 1;
            }
            if self.held.len() > MAX_LINE {
                too_long = true;
                self.held.clear();
            }
            if self.at == 0 {
                self.done = true;
                break 0;
            }
            unsearched = self.read_more()?;
        };
        let mut bytes = self.held.split_off(start);
        self.held.pop();
        if too_long || bytes.len() > MAX_LINE {
            bytes = Vec::new();
        }
        Ok(Some(Found { start: self.at + start as u64, bytes }))
    }

    /// Puts the block before what is held in front of it, and says how long that block is.
    fn read_more(&mut self) -> io::Result<usize> {
        let len = usize::try_from(self.at).unwrap_or(BLOCK).min(BLOCK);
        let mut block = vec![0; len];
        self.at -= len as u64;
        self.file.read_exact_at(&mut block, self.at)?;
        block.append(&mut self.held);
        self.held = block;
        Ok(len)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use proptest::prelude::*;

    use super::*;

    fn backwards(content: &[u8]) -> Vec<Found> {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(content).unwrap();
        let mut lines = Backwards::of(file).unwrap();
        let mut all = Vec::new();
        while let Some(line) = lines.previous().unwrap() {
            assert!(lines.held.len() <= MAX_LINE + BLOCK);
            all.push(line);
        }
        all
    }

    #[test]
    fn the_last_line_comes_first() {
        let found = |start, bytes: &[u8]| Found { start, bytes: bytes.to_vec() };
        assert_eq!(backwards(b""), []);
        assert_eq!(backwards(b"\n"), [found(0, b"")]);
        assert_eq!(backwards(b"a\n\nbc\n"), [found(3, b"bc"), found(2, b""), found(0, b"a")]);
        assert_eq!(backwards(b"a\nbc"), [found(2, b"bc"), found(0, b"a")]);
    }

    #[test]
    fn a_line_without_end_is_passed_over_in_little_memory() {
        let long = vec![b'x'; 5 * MAX_LINE + 7];
        let whole = [b"first\n", long.as_slice(), b"\nlast\n"].concat();
        let lines = backwards(&whole);
        assert_eq!(lines.iter().map(|line| &*line.bytes).collect::<Vec<_>>(), [&b"last"[..], b"", b"first"]);
        assert_eq!(lines[1].start, 6);
        assert_eq!(backwards(&long), [Found { start: 0, bytes: Vec::new() }]);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn it_is_what_a_reader_from_the_start_finds(lens in prop::collection::vec(0usize..9000, 0..40)) {
            let mut content = Vec::new();
            for (n, len) in lens.iter().enumerate() {
                content.extend(std::iter::repeat_n(b'a' + (n % 26) as u8, *len));
                content.push(b'\n');
            }
            let mut forwards = glassdome_audit::Lines::of(&*content);
            let mut expected = Vec::new();
            while let Some(line) = forwards.next().unwrap() {
                expected.push(Found { start: line.start, bytes: line.bytes.to_vec() });
            }
            expected.reverse();
            prop_assert_eq!(backwards(&content), expected);
        }
    }
}
