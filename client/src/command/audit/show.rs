//! Records on their way to a terminal or a program: in blocks, so that a log of any length takes little memory.

use std::fmt::Write;
use std::io::{self, IsTerminal, stdout};

use glassdome_proto::deceives;

use crate::audit_log::filter::Filter;
use crate::audit_log::forwards::Forwards;
use crate::audit_log::place::Files;
use crate::audit_log::record;
use crate::audit_log::tail::Start;
use crate::cli::print;
use crate::descriptor::write_all;
use crate::error::Error;
use crate::pager::{ENOUGH, Pager};
use crate::terminal::Terminal;
use crate::text::event::Words;
use crate::text::notice;
use crate::text::style::Style;
use crate::text::table::Columns;

/// Rows that are lined up together.
const ROWS: usize = 200;
/// Characters of a cell from which on it does not widen its column: one long name is not everybody's.
const WIDE: usize = 48;
/// Bytes that are gathered before they are written.
const BLOCK: usize = 64 * 1024;

/// As what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// For people.
    Words,
    /// As it stands in the log; on a terminal with what could steer it escaped, as JSON allows.
    Json,
}

impl Form {
    pub(crate) fn of(json: bool) -> Self {
        if json { Self::Json } else { Self::Words }
    }
}

/// Shows what `filter` takes from there to the end, and says how much that was. On a terminal, a screenful at a time.
///
/// # Errors
/// [`Error::ReadFile`], [`Error::Output`].
pub(crate) fn all(files: Files, start: Start, filter: &Filter, form: Form) -> Result<u64, Error> {
    let terminal = (stdout().is_terminal() && form == Form::Words).then(Terminal::open).flatten();
    let mut shown = Shown::new(filter, form);
    shown.pager = terminal.as_ref().map(|terminal| Pager::new(terminal, ENOUGH));
    let mut reader = Forwards::from(files, start)?;
    let mut read = reader.read(|line| shown.take(line));
    if read.is_ok() {
        read = reader.finish(|line| shown.take(line));
    }
    match read.and_then(|()| shown.flush()) {
        Err(Error::Output(source)) if shown.enough => drop(source),
        other => other?,
    }
    if shown.left_out > 0 {
        let lines = if shown.left_out == 1 { "1 line is" } else { &format!("{} lines are", shown.left_out) };
        notice::remind(&format!("{lines} no record, and left out: see ctl audit verify"));
    }
    Ok(shown.count)
}

/// What is shown.
pub(crate) struct Shown<'a> {
    filter: &'a Filter,
    form: Form,
    words: Words,
    terminal: bool,
    columns: Columns,
    rows: Vec<Vec<String>>,
    bytes: Vec<u8>,
    pager: Option<Pager<'a>>,
    enough: bool,
    count: u64,
    left_out: u64,
}

impl<'a> Shown<'a> {
    /// Nothing yet.
    pub(crate) fn new(filter: &'a Filter, form: Form) -> Self {
        Self {
            filter,
            form,
            words: Words::new(Style::of(&stdout())),
            terminal: stdout().is_terminal(),
            columns: Columns::up_to(WIDE),
            rows: Vec::new(),
            bytes: Vec::new(),
            pager: None,
            enough: false,
            count: 0,
            left_out: 0,
        }
    }

    /// One more line, if it is wanted.
    ///
    /// # Errors
    /// As [`Shown::flush`].
    pub(crate) fn take(&mut self, line: &[u8]) -> Result<(), Error> {
        match (record(line), self.form) {
            (Some(record), _) if !self.filter.takes(&record) => return Ok(()),
            (Some(record), Form::Words) => self.rows.push(self.words.row(&record)),
            (Some(_), Form::Json) => self.push(line),
            (None, _) if !self.filter.takes_all() => return Ok(()),
            (None, Form::Words) => self.rows.push(self.words.broken(line)),
            (None, Form::Json) => {
                self.left_out += 1;
                return Ok(());
            }
        }
        self.count += 1;
        match self.rows.len() >= ROWS || self.bytes.len() >= BLOCK {
            true => self.flush(),
            false => Ok(()),
        }
    }

    /// Writes what was gathered.
    ///
    /// # Errors
    /// [`Error::Output`]; also when the person has seen enough.
    pub(crate) fn flush(&mut self) -> Result<(), Error> {
        let bytes = std::mem::take(&mut self.bytes);
        if !bytes.is_empty() {
            write_all(stdout(), &bytes).map_err(Error::Output)?;
        }
        if self.rows.is_empty() {
            return Ok(());
        }
        let text = self.columns.lines(&std::mem::take(&mut self.rows));
        let Some(pager) = &mut self.pager else { return print(&text) };
        self.enough = pager.show(&text)?.is_some();
        match self.enough {
            true => Err(Error::Output(io::ErrorKind::BrokenPipe.into())),
            false => Ok(()),
        }
    }

    fn push(&mut self, line: &[u8]) {
        match std::str::from_utf8(line) {
            Ok(text) if self.terminal => self.bytes.extend_from_slice(unsteering(text).as_bytes()),
            _ => self.bytes.extend_from_slice(line),
        }
        self.bytes.push(b'\n');
    }
}

/// The same JSON, with what steers a terminal, hides or turns text around as `\u` and four digits (RFC 8259, 7).
fn unsteering(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        if deceives(c) {
            for unit in c.encode_utf16(&mut [0; 2]) {
                // Writing to a string does not fail.
                write!(shown, "\\u{unit:04x}").ok();
            }
        } else {
            shown.push(c);
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn on_a_terminal_json_says_the_same_and_steers_nothing() {
        let name = "a\u{202e}b\u{e0041}c\u{7f}\u{9b}ключ";
        let line = format!("{{\"secret\":\"{name}\"}}");
        let shown = unsteering(&line);
        assert!(!shown.contains(deceives), "{shown:?}");
        let read: serde_json::Value = serde_json::from_str(&shown).unwrap();
        assert_eq!(read["secret"], name);
    }
}
