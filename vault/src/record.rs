//! What is sealed in `values` and `history`: one version of a secret, whole, so that reading it is one
//! decryption into one buffer, which is wiped when dropped.

use std::fmt;
use std::ops::Range;

use serde::{Deserialize, Serialize, Serializer};
use zeroize::Zeroizing;

use crate::aad::Place;
use crate::keys::Keys;
use crate::{Error, rows};

/// The most that value, fields and field names may take together, in bytes: 1 MiB.
pub const MAX_SECRET: usize = 1024 * 1024;
/// The most fields of one secret.
pub const MAX_FIELDS: usize = 64;

/// What is sealed.
#[derive(Serialize, Deserialize)]
pub(crate) struct Record<'a> {
    pub name: &'a str,
    /// Unix seconds.
    pub expires: Option<u64>,
    #[serde(borrow)]
    pub value: Option<Bytes<'a>>,
    #[serde(borrow)]
    pub fields: Vec<(&'a str, Bytes<'a>)>,
}

/// Bytes that are written in one piece. Postcard writes them as it writes a sequence of `u8`.
#[derive(Clone, Copy, Deserialize)]
#[serde(transparent)]
pub(crate) struct Bytes<'a>(#[serde(borrow)] pub &'a [u8]);

impl Serialize for Bytes<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(self.0)
    }
}

impl Record<'_> {
    /// Bytes of value, fields and their names together.
    pub fn size(&self) -> usize {
        let fields = self.fields.iter().map(|(name, value)| name.len() + value.0.len()).sum::<usize>();
        self.value.map_or(0, |value| value.0.len()) + fields
    }

    /// Seals it into a row.
    pub fn to_row(&self, keys: &Keys, place: &Place<'_>) -> Result<Vec<u8>, Error> {
        rows::seal(keys.records(), place, self)
    }
}

/// One version of a secret, decrypted. Its buffer is wiped when it is dropped.
pub struct Opened {
    plain: Zeroizing<Vec<u8>>,
    version: u64,
    expires: Option<u64>,
    name: Range<usize>,
    value: Option<Range<usize>>,
    fields: Vec<(Range<usize>, Range<usize>)>,
}

impl Opened {
    /// Opens a row. Its version is read from it, and the associated data vouches for it.
    pub(crate) fn from_row(keys: &Keys, place: &Place<'_>, row: &[u8]) -> Result<Self, Error> {
        let (version, plain) = rows::open(keys.records(), place, row)?;
        let record: Record<'_> = rows::decode(&plain)?;
        let at = |part: &[u8]| {
            let start = part.as_ptr().addr() - plain.as_ptr().addr();
            start..start + part.len()
        };
        let name = at(record.name.as_bytes());
        let value = record.value.map(|value| at(value.0));
        let fields = record.fields.iter().map(|(name, value)| (at(name.as_bytes()), at(value.0))).collect();
        let expires = record.expires;
        Ok(Self { version, expires, name, value, fields, plain })
    }

    /// The value, if the secret has one.
    #[must_use]
    pub fn value(&self) -> Option<&[u8]> {
        self.value.clone().map(|value| &self.plain[value])
    }

    /// The field of that name.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<&[u8]> {
        self.fields().find(|(field, _)| *field == name).map(|(_, value)| value)
    }

    /// All fields, in the order in which they were first set.
    pub fn fields(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.fields.iter().map(|(name, value)| (self.text(name), &self.plain[value.clone()]))
    }

    /// Its version, counted from 1.
    #[must_use]
    pub fn version(&self) -> u64 {
        self.version
    }

    /// When it expires, in Unix seconds. The caller has the clock and decides.
    #[must_use]
    pub fn expires(&self) -> Option<u64> {
        self.expires
    }

    /// The name that was sealed with it.
    pub(crate) fn name(&self) -> &str {
        self.text(&self.name)
    }

    /// The record as it was sealed.
    pub(crate) fn record(&self) -> Record<'_> {
        Record {
            name: self.name(),
            expires: self.expires,
            value: self.value().map(Bytes),
            fields: self.fields().map(|(name, value)| (name, Bytes(value))).collect(),
        }
    }

    fn text(&self, range: &Range<usize>) -> &str {
        std::str::from_utf8(&self.plain[range.clone()]).expect("decoded as text when it was opened")
    }
}

impl fmt::Debug for Opened {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Opened").field("version", &self.version).finish_non_exhaustive()
    }
}
