//! Reads secrets out of files that other programs wrote. The parsers know no daemon; they give
//! items and what they left out, and never quote a file's content in a reason.
//!
//! | file | reads |
//! |---|---|
//! | [`env_file`] | `.env`: lines of `KEY=VALUE` |
//! | [`json_file`] | a JSON object, nested ones as paths |
//!
//! [`store`] gives what was read its names, and stores it.

use zeroize::Zeroizing;

pub(crate) mod env_file;
pub(crate) mod json_cursor;
pub(crate) mod json_file;
pub(crate) mod store;

/// One secret of a file.
pub(crate) struct Item {
    /// Where it stands.
    pub(crate) place: Place,
    /// What the file calls it.
    pub(crate) key: String,
    /// Its value.
    pub(crate) value: Zeroizing<Vec<u8>>,
}

/// Where something stands in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Place {
    /// A line, counted from one.
    Line(usize),
    /// Keys, joined by `/`.
    Path(String),
}

/// Something that was left out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Skipped {
    /// Where it stands.
    pub(crate) place: Place,
    /// Why.
    pub(crate) reason: String,
}

/// What a file holds.
#[derive(Default)]
pub(crate) struct Parsed {
    pub(crate) items: Vec<Item>,
    pub(crate) skipped: Vec<Skipped>,
}

impl Parsed {
    pub(crate) fn skip(&mut self, place: Place, reason: impl Into<String>) {
        self.skipped.push(Skipped { place, reason: reason.into() });
    }
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Line(line) => write!(f, "line {line}"),
            Self::Path(path) => write!(f, "{}", crate::error::printable(path)),
        }
    }
}
