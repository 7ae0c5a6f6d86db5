//! The lines of a log from a place on, over all of its files, and those that are written meanwhile.

use std::fs::File;
use std::io::{self, Seek, SeekFrom};
use std::path::PathBuf;

use glassdome_audit::Lines;

use super::place::{FileId, Files, Place};
use super::tail::Start;
use crate::error::Error;

/// A reader of a log.
pub(crate) struct Forwards {
    files: Files,
    /// Which file is read, from 0, the oldest.
    nth: usize,
    reading: Option<Reading>,
}

struct Reading {
    path: PathBuf,
    lines: Lines<File>,
}

/// What became of the file that is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Turn {
    /// It is still the active one.
    Same,
    /// The log goes on in the next one.
    Next,
    /// It is not of the log any more, which began anew.
    Anew,
}

impl Forwards {
    /// Begins there.
    ///
    /// # Errors
    /// [`Error::ReadFile`].
    pub(crate) fn from(files: Files, start: Start) -> Result<Self, Error> {
        let mut reader = Self { files, nth: start.nth, reading: None };
        reader.open(start.offset)?;
        Ok(reader)
    }

    /// Hands on each line, without its newline and nothing of one that is too long, up to the end that the log has
    /// now. Read again, it goes on from there.
    ///
    /// # Errors
    /// [`Error::ReadFile`], and what `each` says.
    pub(crate) fn read(&mut self, mut each: impl FnMut(&[u8]) -> Result<(), Error>) -> Result<(), Error> {
        loop {
            if let Some(reading) = &mut self.reading {
                reading.read(&mut each)?;
            }
            if self.nth + 1 >= self.files.len() {
                return Ok(());
            }
            self.finish(&mut each)?;
            self.nth += 1;
            self.open(0)?;
        }
    }

    /// Hands on what stands behind the last newline, if anything does: it may be being written.
    ///
    /// # Errors
    /// What `each` says.
    pub(crate) fn finish(&mut self, mut each: impl FnMut(&[u8]) -> Result<(), Error>) -> Result<(), Error> {
        match &self.reading {
            Some(reading) => reading.rest(&mut each),
            None => Ok(()),
        }
    }

    /// Whether the daemon has turned to another file since, or somebody has put one there; then that is what is read
    /// next.
    ///
    /// # Errors
    /// [`Error::ReadFile`].
    pub(crate) fn turn(&mut self, place: &Place) -> Result<Turn, Error> {
        let own = match &self.reading {
            Some(reading) => Some(FileId::of(reading.lines.file()).map_err(|source| reading.failed(source))?),
            None => None,
        };
        let files = place.files()?;
        let last = files.len().checked_sub(1);
        let position = own.and_then(|own| files.position(own));
        let turn = match position {
            Some(nth) if Some(nth) == last => return Ok(Turn::Same),
            // Nothing is there: nothing has begun.
            None if last.is_none() => return Ok(Turn::Same),
            Some(nth) => (nth, Turn::Next),
            None if own.is_none() => (0, Turn::Next),
            None => (0, Turn::Anew),
        };
        self.files = files;
        self.nth = turn.0;
        if position.is_none() {
            self.open(0)?;
        }
        Ok(turn.1)
    }

    fn open(&mut self, offset: u64) -> Result<(), Error> {
        self.reading = None;
        if self.nth >= self.files.len() {
            return Ok(());
        }
        let path = self.files.path(self.nth);
        let Some(mut file) = self.files.open(self.nth)? else { return Ok(()) };
        if let Err(source) = file.seek(SeekFrom::Start(offset)) {
            return Err(Error::ReadFile { path, source });
        }
        self.reading = Some(Reading { path, lines: Lines::of(file) });
        Ok(())
    }
}

impl Reading {
    fn read(&mut self, each: &mut impl FnMut(&[u8]) -> Result<(), Error>) -> Result<(), Error> {
        let Self { path, lines } = self;
        let failed = |source| Error::ReadFile { path: path.clone(), source };
        while let Some(line) = lines.next().map_err(failed)? {
            each(line.bytes)?;
        }
        Ok(())
    }

    fn rest(&self, each: &mut impl FnMut(&[u8]) -> Result<(), Error>) -> Result<(), Error> {
        self.lines.rest().map_or(Ok(()), |line| each(line.bytes))
    }

    fn failed(&self, source: io::Error) -> Error {
        Error::ReadFile { path: self.path.clone(), source }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Write;

    use glassdome_audit::files;

    use super::*;
    use crate::audit_log::record;
    use crate::audit_log::tail::tests::log;

    fn read(reader: &mut Forwards) -> Vec<u64> {
        let mut seen = Vec::new();
        let each = |line: &[u8]| {
            seen.extend(record(line).map(|record| record.seq));
            Ok(())
        };
        reader.read(each).unwrap();
        seen
    }

    fn line(seq: u64) -> String {
        format!(r#"{{"seq":{seq},"time":"","boot_ms":0,"event":"get","outcome":"allowed"}}"#)
    }

    #[test]
    fn a_log_is_followed_over_its_files() {
        let (dir, place) = log(&[3, 2]);
        let active = dir.path().join(files::ACTIVE);
        let mut reader = Forwards::from(place.files().unwrap(), Start { nth: 0, offset: 0 }).unwrap();
        assert_eq!(read(&mut reader), [1, 2, 3, 4, 5]);
        assert_eq!(reader.turn(&place).unwrap(), Turn::Same);
        let mut file = fs::File::options().append(true).open(&active).unwrap();
        write!(file, "{}\n{}", line(6), &line(7)[..9]).unwrap();
        assert_eq!(read(&mut reader), [6], "half a line is not given");
        writeln!(file, "{}", &line(7)[9..]).unwrap();
        // Two files are filled before we look again.
        for (name, seqs) in [(files::full_name(4), [8, 9]), (files::full_name(8), [10, 11])] {
            fs::rename(&active, dir.path().join(name)).unwrap();
            fs::write(&active, format!("{}\n{}\n", line(seqs[0]), line(seqs[1]))).unwrap();
        }
        assert_eq!(reader.turn(&place).unwrap(), Turn::Next);
        assert_eq!(read(&mut reader), [7, 8, 9, 10, 11]);
        assert_eq!(reader.turn(&place).unwrap(), Turn::Same);
        // Set aside: whatever is there now is another log.
        fs::remove_file(dir.path().join(files::full_name(8))).unwrap();
        fs::remove_file(&active).unwrap();
        fs::write(&active, format!("{}\n", line(1))).unwrap();
        for first in [1, 4] {
            fs::remove_file(dir.path().join(files::full_name(first))).unwrap();
        }
        assert_eq!(reader.turn(&place).unwrap(), Turn::Anew);
        assert_eq!(read(&mut reader), [1]);
    }

    #[test]
    fn a_log_that_is_not_there_yet_is_waited_for() {
        let (dir, place) = log(&[]);
        let mut reader = Forwards::from(place.files().unwrap(), Start::OLDEST).unwrap();
        assert_eq!((read(&mut reader), reader.turn(&place).unwrap()), (vec![], Turn::Same));
        fs::write(dir.path().join(files::ACTIVE), format!("{}\nx", line(1))).unwrap();
        assert_eq!(reader.turn(&place).unwrap(), Turn::Next);
        assert_eq!(read(&mut reader), [1]);
        let mut rest = Vec::new();
        reader
            .finish(|seen| {
                rest.push(seen.to_vec());
                Ok(())
            })
            .unwrap();
        assert_eq!(rest, [b"x"]);
    }
}
