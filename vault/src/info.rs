//! What is sealed in `meta`: all that `list` and `info` need, and no value. The history's summaries are
//! here too, so that it can be shown without opening a single former version.

use std::fmt;

use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::Error;
use crate::aad::Place;
use crate::keys::Keys;
use crate::record::Record;
use crate::{Damage, rows};

/// How many former versions are kept.
pub const KEPT_VERSIONS: usize = 10;

/// What is known of a secret beside its value and its fields.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, Zeroize, ZeroizeOnDrop)]
pub struct Info {
    /// Its name.
    pub name: String,
    /// When it was first set, in Unix seconds.
    pub created: u64,
    /// When it expires, in Unix seconds.
    pub expires: Option<u64>,
    /// Size of the value in bytes; `None` if it has none.
    pub size: Option<u32>,
    /// Its fields.
    pub fields: Vec<FieldInfo>,
    /// Former versions that are kept, oldest first, and last the current one.
    pub versions: Vec<VersionInfo>,
}

/// A field's name and size.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, Zeroize, ZeroizeOnDrop)]
pub struct FieldInfo {
    /// Its name.
    pub name: String,
    /// Size of its value in bytes.
    pub size: u32,
}

/// One version of a secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Zeroize)]
pub struct VersionInfo {
    /// Counted from 1 for the life of the entry.
    pub version: u64,
    /// When it was made, in Unix seconds.
    pub time: u64,
    /// Bytes of value, fields and their names together.
    pub size: u32,
    /// What made it.
    pub kind: VersionKind,
}

/// What made a version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Zeroize)]
pub enum VersionKind {
    /// It was set.
    Set,
    /// It was removed: there is nothing to read at this version.
    Removed,
    /// A former version was put back.
    Restored,
    /// It got another name.
    Moved,
}

impl Info {
    /// The current version.
    #[must_use]
    pub fn version(&self) -> u64 {
        self.current().version
    }

    /// When it was last changed, in Unix seconds.
    #[must_use]
    pub fn changed(&self) -> u64 {
        self.current().time
    }

    /// Whether the secret was removed, and only its history is kept.
    #[must_use]
    pub fn is_removed(&self) -> bool {
        self.current().kind == VersionKind::Removed
    }

    /// An entry before its first version.
    pub(crate) fn nameless(created: u64) -> Self {
        Self {
            name: String::new(),
            created,
            expires: None,
            size: None,
            fields: Vec::new(),
            versions: Vec::new(),
        }
    }

    /// Takes the place of what was known with what `record` (`None`: removed) makes of it. Gives the version
    /// that is no longer kept.
    pub(crate) fn succeed(
        &mut self,
        record: Option<&Record<'_>>,
        kind: VersionKind,
        now: u64,
    ) -> Result<Option<u64>, Error> {
        let size = record.map_or(Ok(0), |record| fits(record.size()))?;
        let version = self.versions.last().map_or(1, |last| last.version + 1);
        self.expires = record.and_then(|record| record.expires);
        self.size = record.and_then(|record| record.value).map(|value| fits(value.0.len())).transpose()?;
        self.fields.clear();
        for (name, value) in record.iter().flat_map(|record| &record.fields) {
            self.fields.push(FieldInfo { name: (*name).to_owned(), size: fits(value.0.len())? });
        }
        self.versions.push(VersionInfo { version, time: now, size, kind });
        let dropped = self.versions.len() > KEPT_VERSIONS + 1;
        Ok(dropped.then(|| self.versions.remove(0).version))
    }

    /// Seals it into a row.
    pub(crate) fn to_row(&self, keys: &Keys, place: &Place<'_>) -> Result<Vec<u8>, Error> {
        rows::seal(keys.records(), place, self)
    }

    /// Opens a row.
    pub(crate) fn from_row(keys: &Keys, place: &Place<'_>, row: &[u8]) -> Result<Self, Error> {
        let (version, plain) = rows::open(keys.records(), place, row)?;
        let info: Self = rows::decode(&plain)?;
        if info.versions.last().is_none_or(|last| last.version != version) {
            return Err(Damage::Row.into());
        }
        Ok(info)
    }

    fn current(&self) -> &VersionInfo {
        self.versions.last().expect("an entry has a version from its first change on")
    }
}

impl fmt::Debug for Info {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Info").field("versions", &self.versions).finish_non_exhaustive()
    }
}

impl fmt::Debug for FieldInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FieldInfo").field("size", &self.size).finish_non_exhaustive()
    }
}

fn fits(size: usize) -> Result<u32, Error> {
    u32::try_from(size).map_err(|_| Error::TooLarge)
}
