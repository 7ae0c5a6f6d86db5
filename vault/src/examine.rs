//! An examination of all of a vault, read once more from its file: every page against its checksum, every row against
//! its seal and against the rows that it belongs to. It says what is wrong where, and goes on behind it as far as it can.
//!
//! The file is opened beside the store that serves: what that keeps in memory hides nothing. Rows are taken a few at a
//! time, so that whoever asks for a secret meanwhile does not wait.

use std::fmt;
use std::sync::Arc;

use crate::aad::Place;
use crate::header::{self, Header, VaultId};
use crate::info::{Info, VersionKind};
use crate::keys::Keys;
use crate::record::Opened;
use crate::slot::Slot;
use crate::state::{self, State};
use crate::store::{Reader, Row, Table, Unchanged};
use crate::throttle::{self, Throttle};
use crate::traceless::traceless;
use crate::{EntryId, Error, last_backup, name, panic, rows};

/// What counts as one row, in bytes.
const ROW: usize = 1024;
/// So many faults are told one by one.
const TOLD: usize = 32;

/// What is wrong with a row, or with what leads to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FaultKind {
    /// A page of the store is not what was written.
    Page,
    /// It does not open at its place.
    Sealed,
    /// It leads, or belongs, to another one than it should.
    Astray,
    /// It is missing.
    Missing,
    /// It belongs to nothing.
    Foreign,
    /// It is not sealed, and cannot be read.
    Unreadable,
    /// All rows open, and together are not what the last change left.
    Sum,
}

/// One thing that is wrong.
#[derive(Clone, PartialEq, Eq)]
pub struct Fault {
    /// In which table; `None` for what leads to all of them.
    pub table: Option<&'static str>,
    /// Of which secret or setting, where that can be known.
    pub name: Option<String>,
    /// Of which version.
    pub version: Option<u64>,
    /// What.
    pub kind: FaultKind,
}

impl fmt::Debug for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fault").field("table", &self.table).field("kind", &self.kind).finish_non_exhaustive()
    }
}

/// What an examination found.
#[derive(Debug, Default)]
pub struct Examined {
    /// Rows that were read.
    pub rows: u64,
    /// The first faults; of more there is only the count.
    pub told: Vec<Fault>,
    /// How many there are.
    pub faults: u64,
}

impl Examined {
    fn add(&mut self, table: Option<Table>, name: Option<&str>, version: Option<u64>, kind: FaultKind) {
        self.faults += 1;
        if self.told.len() < TOLD {
            let (table, name) = (table.map(Table::name), name.map(str::to_owned));
            self.told.push(Fault { table, name, version, kind });
        }
    }
}

/// An examination under way, of the vault as it was when it began. It holds that state until it is dropped, so the file
/// cannot reuse the space of what changes meanwhile.
pub struct Examination {
    vault: VaultId,
    /// `None` where the file cannot be read as a store.
    file: Option<Unchanged>,
    _held: Arc<Reader>,
    sums: State,
    place: usize,
    after: Option<Vec<u8>>,
    found: Examined,
}

impl Examination {
    /// Reads all pages of the file at `path`, which nobody writes to meanwhile, and whose present state `held` holds.
    pub(crate) fn begin(vault: VaultId, path: &std::path::Path, held: Arc<Reader>) -> Result<Self, Error> {
        let mut found = Examined::default();
        let file = match Unchanged::verify(path).and_then(|()| Unchanged::open(path)) {
            Ok(file) => file,
            Err(Error::Corrupt(_)) => {
                found.add(None, None, None, FaultKind::Page);
                // Its rows may be read all the same, as far as the leaves go.
                match Unchanged::open(path) {
                    Err(Error::Corrupt(_)) => None,
                    opened => opened?,
                }
            }
            Err(error) => return Err(error),
        };
        Ok(Self { vault, file, _held: held, sums: State::default(), place: 0, after: None, found })
    }

    /// Looks at up to `rows` more rows (one counts once for each 1,024 bytes of it), and opens them with `keys`; `None`
    /// while there are more.
    ///
    /// # Errors
    /// [`Error::Storage`] if the file cannot be read.
    pub fn step(&mut self, keys: &Keys, rows: u32) -> Result<Option<Examined>, Error> {
        traceless(|| self.look(keys, rows))
    }

    fn look(&mut self, keys: &Keys, rows: u32) -> Result<Option<Examined>, Error> {
        let Self { vault, file, sums, place, after, found, .. } = self;
        let Some(file) = file else { return Ok(Some(std::mem::take(found))) };
        let reader = file.reader();
        let mut left = rows;
        while let Some(&table) = Table::ALL.get(*place) {
            let from = after.take();
            let look = Look { vault, reader, keys };
            let read = reader.each(table, from.as_deref(), |key, row| {
                found.rows += 1;
                if let Some(sum) = sums.sum_of(table, key) {
                    sum.add(keys.set(), table, key, row);
                }
                look.at(table, key, row, found)?;
                let weight = 1 + row.len() / ROW;
                left = left.saturating_sub(u32::try_from(weight).unwrap_or(u32::MAX));
                if left == 0 {
                    *after = Some(key.to_vec());
                }
                Ok(left > 0)
            });
            match read {
                Err(Error::Corrupt(_)) => {
                    // redb reads no more once a page was not one.
                    found.add(Some(table), None, None, FaultKind::Page);
                    return Ok(Some(std::mem::take(found)));
                }
                read => read?,
            }
            if after.is_some() {
                return Ok(None);
            }
            *place += 1;
        }
        if found.faults == 0 {
            let sealed = State::read(vault, keys, reader).map(|(state, _)| (state.control, state.entries));
            if !sealed.is_ok_and(|sealed| sealed == (sums.control, sums.entries)) {
                found.add(None, None, None, FaultKind::Sum);
            }
        }
        Ok(Some(std::mem::take(found)))
    }
}

impl fmt::Debug for Examination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Examination").field("found", &self.found).finish_non_exhaustive()
    }
}

/// What looks at a row.
struct Look<'a> {
    vault: &'a VaultId,
    reader: &'a Reader,
    keys: &'a Keys,
}

impl Look<'_> {
    fn at(&self, table: Table, key: &[u8], row: &[u8], found: &mut Examined) -> Result<(), Error> {
        // What leads to it may lead elsewhere.
        if self.row(table, key)?.is_none_or(|there| there.value() != row) {
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
            let value = self.row(Table::Values, key)?;
            let value = value
                .and_then(|row| Opened::from_row(keys, &self.place(Table::Values, &id), row.value()).ok());
            found.add(Some(Table::Meta), value.as_ref().map(Opened::name), version(row), FaultKind::Sealed);
            return Ok(());
        };
        let mut wrong = |table, version, kind| found.add(Some(table), Some(&info.name), version, kind);
        match self.row(Table::Names, &name::key(keys, &info.name))? {
            None => wrong(Table::Names, None, FaultKind::Missing),
            Some(to) if to.value() != key => wrong(Table::Names, None, FaultKind::Astray),
            Some(_) => {}
        }
        let Some((now, former)) = info.versions.split_last() else { return Ok(()) };
        if !info.is_removed() && self.row(Table::Values, key)?.is_none() {
            wrong(Table::Values, Some(now.version), FaultKind::Missing);
        }
        for one in former.iter().filter(|one| one.kind != VersionKind::Removed) {
            if self.row(Table::History, &id.history_key(one.version))?.is_none() {
                wrong(Table::History, Some(one.version), FaultKind::Missing);
            }
        }
        Ok(())
    }

    fn value(&self, keys: &Keys, key: &[u8], row: &[u8], found: &mut Examined) -> Result<(), Error> {
        let Some(id) = EntryId::read(key) else {
            found.add(Some(Table::Values), None, None, FaultKind::Foreign);
            return Ok(());
        };
        let info = self.info(keys, &id)?;
        let named = info.as_ref().map(|info| info.name.as_str());
        match Opened::from_row(keys, &self.place(Table::Values, &id), row) {
            Err(_) => found.add(Some(Table::Values), named, version(row), FaultKind::Sealed),
            Ok(value) => {
                let kind = match &info {
                    None if self.row(Table::Meta, key)?.is_some() => return Ok(()),
                    None => FaultKind::Foreign,
                    Some(info) if info.is_removed() => FaultKind::Foreign,
                    Some(info) if info.version() == value.version() && info.name == value.name() => {
                        return Ok(());
                    }
                    Some(_) => FaultKind::Astray,
                };
                found.add(Some(Table::Values), Some(value.name()), Some(value.version()), kind);
            }
        }
        Ok(())
    }

    fn name(&self, keys: &Keys, key: &[u8], row: &[u8], found: &mut Examined) -> Result<(), Error> {
        let leads = match EntryId::read(row) {
            Some(id) if self.row(Table::Meta, row)?.is_some() => {
                // One that does not open is told of where it lies.
                self.info(keys, &id)?.is_none_or(|info| name::key(keys, &info.name) == key)
            }
            _ => false,
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
        let info = self.info(keys, &id)?;
        let kept = info.as_ref().is_none_or(|info| {
            let (_, former) = info.versions.split_last().unwrap_or_else(|| unreachable!("it was opened"));
            former.iter().any(|one| one.version == at && one.kind != VersionKind::Removed)
        });
        let kind = match Opened::from_row(keys, &self.place(Table::History, &id), row) {
            Err(_) => FaultKind::Sealed,
            Ok(former) if former.version() != at => FaultKind::Astray,
            Ok(_) if !kept => FaultKind::Foreign,
            Ok(_) if info.is_none() && self.row(Table::Meta, id.as_bytes())?.is_none() => FaultKind::Foreign,
            Ok(_) => return Ok(()),
        };
        found.add(Some(Table::History), info.as_ref().map(|info| info.name.as_str()), Some(at), kind);
        Ok(())
    }

    /// What is known of an entry; `None` if its row is not there or does not open.
    fn info(&self, keys: &Keys, id: &EntryId) -> Result<Option<Info>, Error> {
        let row = self.row(Table::Meta, id.as_bytes())?;
        Ok(row.and_then(|row| Info::from_row(keys, &self.place(Table::Meta, id), row.value()).ok()))
    }

    fn row(&self, table: Table, key: &[u8]) -> Result<Option<Row>, Error> {
        self.reader.get(table, key)
    }

    fn place<'b>(&'b self, table: Table, id: &'b EntryId) -> Place<'b> {
        Place { vault: self.vault, table, id: id.as_bytes(), version: 0 }
    }
}

/// The version that a row says it has.
fn version(row: &[u8]) -> Option<u64> {
    row.first_chunk().map(|version| u64::from_le_bytes(*version))
}
