//! Reads a log line by line in bounded memory: whoever writes a log may have written one line without an end.

use std::io::{self, BufRead, BufReader, Read};

/// Longest line in bytes that is looked at. Records are far shorter: the longest name, path and claims together,
/// each character escaped, stay below it.
pub const MAX_LINE: usize = 256 * 1024;

/// How much is read at once, in bytes.
const BLOCK: usize = 64 * 1024;

/// The lines of one file, from where the reader stands.
#[derive(Debug)]
pub struct Lines<R> {
    reader: BufReader<R>,
    line: Vec<u8>,
    /// How far a line has come that has no end yet.
    begun: Progress,
    too_long: bool,
    offset: u64,
    start: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Progress {
    Nothing,
    Part,
    /// Longer than it may be: the rest of it is passed over.
    TooLong,
}

/// One line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Line<'a> {
    /// Its bytes, without the newline; nothing of a line that is too long.
    pub bytes: &'a [u8],
    /// Where it begins, in bytes from where reading began.
    pub start: u64,
    /// Whether it is longer than [`MAX_LINE`]: nobody's record.
    pub too_long: bool,
}

impl<R: Read> Lines<R> {
    /// Reads from where `reader` stands.
    pub fn of(reader: R) -> Self {
        let reader = BufReader::with_capacity(BLOCK, reader);
        Self { reader, line: Vec::new(), begun: Progress::Nothing, too_long: false, offset: 0, start: 0 }
    }

    /// The next line that has an end. `None` at the end of the file; when the file has grown since, it goes on.
    ///
    /// # Errors
    /// What reading says.
    #[expect(clippy::should_implement_trait, reason = "each line lives in the reader until the next one")]
    pub fn next(&mut self) -> io::Result<Option<Line<'_>>> {
        Ok(if self.advance()? { Some(self.current()) } else { None })
    }

    /// As [`Lines::next`], with the line in [`Lines::current`].
    pub(crate) fn advance(&mut self) -> io::Result<bool> {
        if self.begun == Progress::Nothing {
            self.line.clear();
            self.start = self.offset;
            self.too_long = false;
        }
        loop {
            let step = match self.begun {
                Progress::TooLong => self.pass_over()?,
                Progress::Nothing | Progress::Part => self.read_on()?,
            };
            match step {
                Step::Ended => {
                    self.too_long =
                        std::mem::replace(&mut self.begun, Progress::Nothing) == Progress::TooLong;
                    if self.line.last() == Some(&b'\n') {
                        self.line.pop();
                    }
                    return Ok(true);
                }
                Step::More => {}
                Step::EndOfFile => return Ok(false),
            }
        }
    }

    /// The line that was given last.
    pub(crate) fn current(&self) -> Line<'_> {
        Line { bytes: &self.line, start: self.start, too_long: self.too_long }
    }

    /// What stands behind the last newline: a line that was cut short, or is being written.
    pub fn rest(&self) -> Option<Line<'_>> {
        let too_long = self.begun == Progress::TooLong;
        (self.begun != Progress::Nothing).then_some(Line { bytes: &self.line, start: self.start, too_long })
    }

    /// As [`Lines::rest`], as if it had an end: then there is no rest any more.
    pub(crate) fn take_rest(&mut self) -> Line<'_> {
        self.too_long = std::mem::replace(&mut self.begun, Progress::Nothing) == Progress::TooLong;
        self.current()
    }

    /// The file that is read.
    pub fn file(&self) -> &R {
        self.reader.get_ref()
    }

    fn read_on(&mut self) -> io::Result<Step> {
        let room = MAX_LINE + 1 - self.line.len();
        let read = self.reader.by_ref().take(room as u64).read_until(b'\n', &mut self.line)?;
        self.offset += read as u64;
        Ok(match self.line.last() {
            Some(b'\n') => Step::Ended,
            _ if self.line.len() > MAX_LINE => {
                self.line.clear();
                self.begun = Progress::TooLong;
                Step::More
            }
            _ if read == 0 => Step::EndOfFile,
            _ => {
                self.begun = Progress::Part;
                Step::More
            }
        })
    }

    fn pass_over(&mut self) -> io::Result<Step> {
        let block = self.reader.fill_buf()?;
        let (len, ended) = match block.iter().position(|byte| *byte == b'\n') {
            Some(at) => (at + 1, Step::Ended),
            None if block.is_empty() => (0, Step::EndOfFile),
            None => (block.len(), Step::More),
        };
        self.reader.consume(len);
        self.offset += len as u64;
        Ok(ended)
    }
}

enum Step {
    Ended,
    More,
    EndOfFile,
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::rc::Rc;

    use super::*;

    /// A file that grows.
    #[derive(Clone, Default)]
    struct Growing(Rc<RefCell<std::collections::VecDeque<u8>>>);

    impl Read for Growing {
        fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
            // Little by little, as a reader may find it.
            let len = into.len().min(3);
            self.0.borrow_mut().read(&mut into[..len])
        }
    }

    #[test]
    fn lines_come_with_their_places_and_the_rest_is_told() {
        let mut lines = Lines::of(&b"one\n\nthree\nfo"[..]);
        for (bytes, start) in [(&b"one"[..], 0), (b"", 4), (b"three", 5)] {
            assert_eq!(lines.next().unwrap().unwrap(), Line { bytes, start, too_long: false });
        }
        assert_eq!(lines.next().unwrap(), None);
        assert_eq!(lines.rest().unwrap(), Line { bytes: b"fo", start: 11, too_long: false });
        let mut none = Lines::of(&b""[..]);
        assert_eq!(none.next().unwrap(), None);
        assert_eq!(none.rest(), None);
    }

    #[test]
    fn a_file_that_grows_is_read_on() {
        let file = Growing::default();
        let mut lines = Lines::of(file.clone());
        assert_eq!(lines.next().unwrap(), None);
        file.0.borrow_mut().extend(b"a line\nhalf");
        assert_eq!(lines.next().unwrap().unwrap().bytes, b"a line");
        assert_eq!(lines.next().unwrap(), None);
        file.0.borrow_mut().extend(b" and half\n");
        let line = lines.next().unwrap().unwrap();
        assert_eq!((line.bytes, line.start), (&b"half and half"[..], 7));
        assert_eq!(lines.rest(), None);
    }

    #[test]
    fn a_line_without_end_takes_no_memory_and_what_follows_is_read() {
        let endless = io::repeat(b'x').take(3 * MAX_LINE as u64);
        let mut lines = Lines::of(endless.chain(&b"\nnext\n"[..]));
        let line = lines.next().unwrap().unwrap();
        assert_eq!((line.bytes, line.start, line.too_long), (&b""[..], 0, true));
        assert!(lines.line.capacity() <= 4 * MAX_LINE);
        let line = lines.next().unwrap().unwrap();
        assert_eq!((line.bytes, line.start, line.too_long), (&b"next"[..], 3 * MAX_LINE as u64 + 1, false));
        let mut whole = Lines::of(io::repeat(b'x').take(MAX_LINE as u64).chain(&b"\n"[..]));
        assert_eq!(whole.next().unwrap().unwrap().bytes.len(), MAX_LINE, "control: just short enough");
    }
}
