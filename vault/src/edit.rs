//! What a change of one secret may say.

use crate::record::Record;
use crate::{Error, Info, MAX_FIELDS, MAX_SECRET, name};

/// A change of one secret. What it does not name stays as it is, unless it is the whole.
#[derive(Clone, Copy, Default)]
pub struct Edit<'a> {
    /// The new value.
    pub value: Option<&'a [u8]>,
    /// Fields to set (`Some`) or to take away (`None`), by name.
    pub fields: &'a [(&'a str, Option<&'a [u8]>)],
    /// Whether nothing stays that it does not name: value, fields and expiry are then what it says.
    pub whole: bool,
    /// When it expires.
    pub expires: Expires,
    /// What the secret must be for the edit to be made.
    pub expect: Expect,
}

/// What an edit does to the time of expiry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Expires {
    /// Leave it.
    #[default]
    Keep,
    /// It never expires.
    Never,
    /// It expires at that time, in Unix seconds.
    At(u64),
}

/// Compare-and-set: what must be there for an edit to be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Expect {
    /// Anything, or nothing.
    #[default]
    Any,
    /// Nothing: [`Error::Exists`] otherwise.
    New,
    /// Exactly this version: [`Error::Stale`] otherwise.
    Version(u64),
}

impl Expect {
    /// Compares with the entry, which may be absent or removed.
    pub(crate) fn check(self, found: Option<&Info>) -> Result<(), Error> {
        let current = found.filter(|info| !info.is_removed()).map(Info::version);
        match (self, current) {
            (Self::New, Some(_)) => Err(Error::Exists),
            (Self::Version(expected), current) if current != Some(expected) => Err(Error::Stale { current }),
            _ => Ok(()),
        }
    }
}

impl<'a> Edit<'a> {
    /// Makes the edit.
    pub(crate) fn apply(&self, record: &mut Record<'a>) -> Result<(), Error> {
        let expiry_stays = self.expires == Expires::Keep;
        if self.value.is_none() && self.fields.is_empty() && expiry_stays {
            return Err(Error::Empty);
        }
        if let Some(value) = self.value {
            record.value = Some(crate::record::Bytes(value));
        }
        for &(field, value) in self.fields {
            name::check_field(field)?;
            let at = record.fields.iter().position(|(there, _)| *there == field);
            match (value.map(crate::record::Bytes), at) {
                (Some(value), Some(at)) => record.fields[at].1 = value,
                (Some(value), None) => record.fields.push((field, value)),
                (None, Some(at)) => {
                    record.fields.remove(at);
                }
                (None, None) => return Err(Error::NotFound),
            }
        }
        match self.expires {
            Expires::Keep => {}
            Expires::Never => record.expires = None,
            Expires::At(time) => record.expires = Some(time),
        }
        if record.value.is_none() && record.fields.is_empty() {
            return Err(Error::Empty);
        }
        if record.size() > MAX_SECRET || record.fields.len() > MAX_FIELDS {
            return Err(Error::TooLarge);
        }
        Ok(())
    }
}
