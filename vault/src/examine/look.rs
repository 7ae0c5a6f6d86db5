//! One row of a vault at a time: whether it opens, and whether the rows that it belongs to are there and lead back to it.
//! Of what lies in a page that cannot be read, the rows that belong to it tell the name.

use super::{Examined, FaultKind};
use crate::aad::Place;
use crate::header::{self, Header, VaultId};
use crate::info::{Info, VersionKind};
use crate::keys::Keys;
use crate::last_test::{self, LastTest};
use crate::record::Opened;
use crate::slot::Slot;
use crate::state::{self, State};
use crate::store::{Reader, Row, Table};
use crate::throttle::{self, Throttle};
use crate::{EntryId, Error, last_backup, name, panic, rows};

/// What a key leads to.
pub(super) enum There {
    Row(Row),
    Nothing,
    /// The page is not one.
    Unreadable,
}

/// What looks at a row.
pub(super) struct Look<'a> {
    pub vault: &'a VaultId,
    pub reader: &'a Reader,
    pub keys: &'a Keys,
}

impl<'a> Look<'a> {
    pub fn at(&self, table: Table, key: &[u8], row: &[u8], found: &mut Examined) -> Result<(), Error> {
        // What leads to it may lead elsewhere.
        if !matches!(self.there(table, key)?, There::Row(there) if there.value() == row) {
            found.add(Some(table), None, None, FaultKind::Page);
        }
        let unsealed = match table {
            Table::Header => {
                key == header::KEY && Header::from_row(row).is_ok_and(|header| header.id == *self.vault)
            }
            Table::Slots => Slot::from_row(key, row).is_ok(),
            Table::Plain => match key {
                throttle::KEY => Throttle::from_row(row).is_ok(),
                panic::KEY => panic::read(self.reader).is_ok(),
                last_backup::KEY => last_backup::from_row(row).is_ok(),
                last_test::KEY => LastTest::from_row(row).is_ok(),
                _ => {
                    found.add(Some(table), None, None, FaultKind::Foreign);
                    true
                }
            },
            Table::Sealed | Table::Meta | Table::Values | Table::Names | Table::History => true,
        };
        if !unsealed {
            found.add(Some(table), None, None, FaultKind::Unreadable);
        }
        let keys = self.keys;
        match table {
            Table::Sealed => self.sealed(keys, key, row, found),
            Table::Meta => self.meta(keys, key, row, found)?,
            Table::Values => self.value(keys, key, row, found)?,
            Table::Names => self.name(keys, key, row, found)?,
            Table::History => self.former(keys, key, row, found)?,
            Table::Header | Table::Slots | Table::Plain => {}
        }
        Ok(())
    }

    fn sealed(&self, keys: &Keys, key: &[u8], row: &[u8], found: &mut Examined) {
        let place = Place { vault: self.vault, table: Table::Sealed, id: key, version: 0 };
        let opens = if key == state::KEY {
            State::read(self.vault, keys, self.reader).is_ok()
        } else {
            rows::open(keys.settings(), &place, row).is_ok()
        };
        if !opens {
            found.add(Some(Table::Sealed), std::str::from_utf8(key).ok(), None, FaultKind::Sealed);
        }
    }

    fn meta(&self, keys: &Keys, key: &[u8], row: &[u8], found: &mut Examined) -> Result<(), Error> {
        let Some(id) = EntryId::read(key) else {
            found.add(Some(Table::Meta), None, None, FaultKind::Foreign);
            return Ok(());
        };
        let Ok(info) = Info::from_row(keys, &self.place(Table::Meta, &id), row) else {
            // Its value knows the name, too.
            let value = match self.there(Table::Values, key)? {
                There::Row(row) => Opened::from_row(keys, &self.place(Table::Values, &id), row.value()).ok(),
                There::Nothing | There::Unreadable => None,
            };
            found.add(Some(Table::Meta), value.as_ref().map(Opened::name), version(row), FaultKind::Sealed);
            return Ok(());
        };
        let mut wrong = |table, version, kind| found.add(Some(table), Some(&info.name), version, kind);
        match self.there(Table::Names, &name::key(keys, &info.name))? {
            There::Unreadable => wrong(Table::Names, None, FaultKind::Page),
            There::Nothing => wrong(Table::Names, None, FaultKind::Missing),
            There::Row(to) if to.value() != key => wrong(Table::Names, None, FaultKind::Astray),
            There::Row(_) => {}
        }
        let Some((now, former)) = info.versions.split_last() else { return Ok(()) };
        let former = former.iter().filter(|one| one.kind != VersionKind::Removed);
        let former = former.map(|one| (Table::History, id.history_key(one.version).to_vec(), one.version));
        let now = (!info.is_removed()).then(|| (Table::Values, key.to_vec(), now.version));
        for (table, key, version) in now.into_iter().chain(former) {
            match self.there(table, &key)? {
                There::Unreadable => wrong(table, Some(version), FaultKind::Page),
                There::Nothing => wrong(table, Some(version), FaultKind::Missing),
                There::Row(_) => {}
            }
        }
        Ok(())
    }

    fn value(&self, keys: &Keys, key: &[u8], row: &[u8], found: &mut Examined) -> Result<(), Error> {
        let Some(id) = EntryId::read(key) else {
            found.add(Some(Table::Values), None, None, FaultKind::Foreign);
            return Ok(());
        };
        let known = self.known(keys, &id)?;
        match Opened::from_row(keys, &self.place(Table::Values, &id), row) {
            Err(_) => found.add(Some(Table::Values), known.name(), version(row), FaultKind::Sealed),
            Ok(value) => {
                let mut wrong =
                    |table, kind| found.add(Some(table), Some(value.name()), Some(value.version()), kind);
                match &known {
                    Known::Info(info) if info.is_removed() => wrong(Table::Values, FaultKind::Foreign),
                    Known::Info(info) if info.version() == value.version() && info.name == value.name() => {}
                    Known::Info(_) => wrong(Table::Values, FaultKind::Astray),
                    Known::Nothing => wrong(Table::Values, FaultKind::Foreign),
                    Known::Unreadable => wrong(Table::Meta, FaultKind::Page),
                    // It was told of where it lies.
                    Known::Sealed => {}
                }
            }
        }
        Ok(())
    }

    fn name(&self, keys: &Keys, key: &[u8], row: &[u8], found: &mut Examined) -> Result<(), Error> {
        let leads = match EntryId::read(row) {
            Some(id) => match self.known(keys, &id)? {
                Known::Info(info) => name::key(keys, &info.name) == key,
                Known::Nothing => false,
                // They are told of where they lie.
                Known::Sealed | Known::Unreadable => true,
            },
            None => false,
        };
        if !leads {
            found.add(Some(Table::Names), None, None, FaultKind::Astray);
        }
        Ok(())
    }

    fn former(&self, keys: &Keys, key: &[u8], row: &[u8], found: &mut Examined) -> Result<(), Error> {
        let parts =
            key.split_last_chunk().and_then(|(id, at)| Some((EntryId::read(id)?, u64::from_be_bytes(*at))));
        let Some((id, at)) = parts else {
            found.add(Some(Table::History), None, None, FaultKind::Foreign);
            return Ok(());
        };
        let known = self.known(keys, &id)?;
        let kept = match &known {
            Known::Info(info) => info
                .versions
                .iter()
                .rev()
                .skip(1)
                .any(|one| one.version == at && one.kind != VersionKind::Removed),
            Known::Nothing => false,
            Known::Sealed | Known::Unreadable => true,
        };
        let kind = match Opened::from_row(keys, &self.place(Table::History, &id), row) {
            Err(_) => FaultKind::Sealed,
            Ok(former) if former.version() != at => FaultKind::Astray,
            Ok(_) if !kept => FaultKind::Foreign,
            Ok(_) => return Ok(()),
        };
        found.add(Some(Table::History), known.name(), Some(at), kind);
        Ok(())
    }

    fn known(&self, keys: &Keys, id: &EntryId) -> Result<Known, Error> {
        Ok(match self.there(Table::Meta, id.as_bytes())? {
            There::Unreadable => Known::Unreadable,
            There::Nothing => Known::Nothing,
            There::Row(row) => {
                let info = Info::from_row(keys, &self.place(Table::Meta, id), row.value());
                info.map_or(Known::Sealed, |info| Known::Info(Box::new(info)))
            }
        })
    }

    fn there(&self, table: Table, key: &[u8]) -> Result<There, Error> {
        match self.reader.get(table, key) {
            Ok(row) => Ok(row.map_or(There::Nothing, There::Row)),
            Err(error) if error.is_unreadable() => Ok(There::Unreadable),
            Err(error) => Err(error),
        }
    }

    fn place<'b>(&self, table: Table, id: &'b EntryId) -> Place<'b>
    where
        'a: 'b,
    {
        Place { vault: self.vault, table, id: id.as_bytes(), version: 0 }
    }
}

/// What is known of an entry.
enum Known {
    Info(Box<Info>),
    Nothing,
    /// Its row does not open.
    Sealed,
    /// The page is not one.
    Unreadable,
}

impl Known {
    fn name(&self) -> Option<&str> {
        match self {
            Self::Info(info) => Some(&info.name),
            Self::Nothing | Self::Sealed | Self::Unreadable => None,
        }
    }
}

/// The version that a row says it has.
fn version(row: &[u8]) -> Option<u64> {
    row.first_chunk().map(|version| u64::from_le_bytes(*version))
}
