//! The lines of all files of a log, in order, and where each stands.

use std::io::{self, Read};
use std::iter::Peekable;
use std::path::PathBuf;
use std::rc::Rc;

use super::VerifyError;
use super::fault::Place;
use crate::{Line, Lines};

/// A log's files, one after another.
pub(super) struct Source<I: Iterator<Item = (PathBuf, io::Result<R>)>, R> {
    files: Peekable<I>,
    reading: Option<(Rc<PathBuf>, Lines<R>)>,
    /// Lines of the file that were given.
    line: u64,
    opened: usize,
}

/// A line and its place.
pub(super) struct Taken<'a> {
    pub line: Line<'a>,
    pub place: Place,
    /// Whether it is the last of the last file, and has no end.
    pub is_torn: bool,
    /// Whether it is the first of its file.
    pub is_first: bool,
}

impl<I: Iterator<Item = (PathBuf, io::Result<R>)>, R: Read> Source<I, R> {
    pub(super) fn of(files: I) -> Self {
        Self { files: files.peekable(), reading: None, line: 0, opened: 0 }
    }

    /// How many files were opened.
    pub(super) fn files(&self) -> usize {
        self.opened
    }

    /// The next line; `None` behind the last file.
    pub(super) fn next(&mut self) -> Result<Option<Taken<'_>>, VerifyError> {
        let torn = loop {
            let Some((path, lines)) = &mut self.reading else {
                match self.files.next() {
                    None => return Ok(None),
                    Some((path, Ok(file))) => self.reading = Some((Rc::new(path), Lines::of(file))),
                    Some((path, Err(source))) => return Err(VerifyError::Read { path, source }),
                }
                self.line = 0;
                self.opened += 1;
                continue;
            };
            let more =
                lines.advance().map_err(|source| VerifyError::Read { path: path.to_path_buf(), source })?;
            if more {
                break false;
            }
            if lines.rest().is_some() {
                break true;
            }
            self.reading = None;
        };
        self.line += 1;
        let is_last = self.files.peek().is_none();
        if torn {
            // Read once more, it has no rest.
            let (path, lines) = self.reading.as_mut().expect("it was just read");
            let place = Place { file: Some(path.clone()), line: self.line };
            let line = lines.take_rest();
            return Ok(Some(Taken { line, place, is_torn: is_last, is_first: self.line == 1 }));
        }
        let (path, lines) = self.reading.as_ref().expect("it was just read");
        let place = Place { file: Some(path.clone()), line: self.line };
        Ok(Some(Taken { line: lines.current(), place, is_torn: false, is_first: self.line == 1 }))
    }
}
