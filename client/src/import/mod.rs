//! Reads secrets out of files that other programs wrote. The parsers know no daemon; they give
//! items and what they left out, and never quote a file's content in a reason.
//!
//! | file | reads |
//! |---|---|
//! | [`env_file`] | `.env`: lines of `KEY=VALUE` |
//! | [`json_file`] | a JSON object, nested ones as paths |
//! | [`own_json`] | what `ctl export` wrote |
//! | [`bitwarden`] | Bitwarden's export in JSON, unencrypted |
//! | [`keepass_csv`], by [`csv`] | the CSV of KeePassXC and of KeePass |
//! | [`pass_store`], by [`gpg`] | the directory of `pass` |
//!
//! [`mod@format`] tells which of these a file is. [`segment`] makes part of a name out of what another program calls
//! something, [`content_builder`] a secret with fields out of what it knows of it; [`twins`] tells those of one name apart.
//! [`store`] gives what was read its names, and
//! stores it.

use glassdome_proto::Field;
use zeroize::Zeroizing;

pub(crate) mod bitwarden;
pub(crate) mod content_builder;
pub(crate) mod csv;
pub(crate) mod env_file;
pub(crate) mod format;
pub(crate) mod gpg;
pub(crate) mod json_cursor;
pub(crate) mod json_file;
pub(crate) mod keepass_csv;
pub(crate) mod own_json;
pub(crate) mod pass_store;
pub(crate) mod segment;
pub(crate) mod store;
pub(crate) mod twins;

/// Largest file that is read, in bytes, and most of what a store of `pass` may hold.
pub(crate) const FILE: usize = 64 * 1024 * 1024;

/// Bytes that may be secret.
pub(crate) type Value = Zeroizing<Vec<u8>>;

/// One secret of a file.
pub(crate) struct Item<T = Value> {
    /// Where it stands.
    pub(crate) place: Place,
    /// What the file calls it.
    pub(crate) key: String,
    /// Its value, or all that is known of it.
    pub(crate) value: T,
}

/// What a secret is to hold.
#[derive(PartialEq, Eq)]
pub(crate) struct Content {
    /// Its value; `None` if it has only fields.
    pub(crate) value: Option<Value>,
    /// The rest of it, where the file says what that is.
    pub(crate) rest: Option<Rest>,
}

impl Content {
    /// Bytes of value and fields, names of fields included.
    pub(crate) fn len(&self) -> usize {
        let fields = self.rest.iter().flat_map(|rest| &rest.fields);
        let fields: usize = fields.map(|(name, value)| name.len() + value.len()).sum();
        self.value.as_ref().map_or(0, |value| value.len()) + fields
    }
}

/// What a secret holds beside its value.
#[derive(Default, PartialEq, Eq)]
pub(crate) struct Rest {
    /// Its fields.
    pub(crate) fields: Vec<(Field<'static>, Value)>,
    /// When it should be replaced, in seconds since the epoch.
    pub(crate) expires: Option<u64>,
    /// What tells it from others of its name: whose it is.
    pub(crate) user: Option<String>,
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
pub(crate) struct Parsed<T = Value> {
    pub(crate) items: Vec<Item<T>>,
    pub(crate) skipped: Vec<Skipped>,
    /// Details of items that have no place in a secret: how many of each kind.
    pub(crate) details: Vec<(usize, &'static str)>,
}

impl<T> Default for Parsed<T> {
    fn default() -> Self {
        Self { items: Vec::new(), skipped: Vec::new(), details: Vec::new() }
    }
}

impl From<Parsed> for Parsed<Content> {
    fn from(parsed: Parsed) -> Self {
        let content = |value| Content { value: Some(value), rest: None };
        let items = parsed.items.into_iter();
        let items = items.map(|Item { place, key, value }| Item { place, key, value: content(value) });
        Self { items: items.collect(), skipped: parsed.skipped, details: parsed.details }
    }
}

impl<T> Parsed<T> {
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
