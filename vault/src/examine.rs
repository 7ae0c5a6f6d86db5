//! An examination of all of a vault, read once more from its file: every page against its checksum, every row against
//! its seal and against the rows that it belongs to. It says what is wrong where, and goes on behind it as far as it can.
//!
//! The file is opened beside the store that serves: what that keeps in memory hides nothing. Rows are taken a few at a
//! time, so that whoever asks for a secret meanwhile does not wait.

mod look;

use std::fmt;
use std::sync::Arc;

use crate::Error;
use crate::header::VaultId;
use crate::keys::Keys;
use crate::state::State;
use crate::store::{Moment, Reader, Table, Unchanged};
use crate::traceless::traceless;
use look::Look;

/// What counts as one row, in bytes.
const ROW: usize = 1024;
/// So many faults are told one by one.
const TOLD: usize = 32;

/// What is wrong with a row, or with what leads to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FaultKind {
    /// A page of the store is not what was written: one of them, or the one where it lies.
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
    /// Whether what leads from a name to its secret was not read as a whole, or is not what it was.
    hides: bool,
}

impl Examined {
    /// Whether a secret may be there that is not found by its name, or not listed.
    #[must_use]
    pub fn hides(&self) -> bool {
        self.hides
    }

    fn add(&mut self, table: Option<Table>, name: Option<&str>, version: Option<u64>, kind: FaultKind) {
        self.faults += 1;
        self.hides |= matches!(table, Some(Table::Meta | Table::Names)) || kind == FaultKind::Sum;
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
    /// Reads all pages of what nobody writes to meanwhile, and whose present state `held` holds.
    pub(crate) fn begin(vault: VaultId, moment: Moment, held: Arc<Reader>) -> Result<Self, Error> {
        let mut found = Examined::default();
        match moment.verify() {
            // Its rows may be read all the same, as far as the leaves go. If those that names lead through are read, and
            // each leads to the next, it hides no secret.
            Err(error) if error.is_unreadable() => found.add(None, None, None, FaultKind::Page),
            verified => verified?,
        }
        let file = match moment.open() {
            Err(error) if error.is_unreadable() => None,
            opened => Some(opened?),
        };
        let (sums, place, after) = (State::default(), 0, None);
        Ok(Self { vault, file, _held: held, sums, place, after, found })
    }

    /// Looks at up to `rows` more rows (one counts once for each 1,024 bytes of it), and opens them with `keys`; `None`
    /// while there are more.
    ///
    /// # Errors
    /// [`Error::Storage`] if the file cannot be read.
    pub fn step(&mut self, keys: &Keys, rows: u32) -> Result<Option<Examined>, Error> {
        traceless(|| self.look(keys, rows))
    }

    /// How many rows were read.
    #[must_use]
    pub fn rows(&self) -> u64 {
        self.found.rows
    }

    /// How many there are, as far as that can be read.
    #[must_use]
    pub fn rows_in_all(&self) -> u64 {
        let count =
            |reader: &Reader| Table::ALL.into_iter().filter_map(|table| reader.count(table).ok()).sum();
        self.file.as_ref().map_or(0, |file| count(file.reader()))
    }

    fn look(&mut self, keys: &Keys, rows: u32) -> Result<Option<Examined>, Error> {
        let Self { vault, file, sums, place, after, found, .. } = self;
        let mut left = rows;
        while let Some(&table) = Table::ALL.get(*place) {
            let Some(open) = file else {
                if found.faults == 0 {
                    found.add(None, None, None, FaultKind::Page);
                }
                found.hides = true;
                return Ok(Some(std::mem::take(found)));
            };
            let (reader, from) = (open.reader(), after.take());
            let look = Look { vault, reader, keys };
            let read = reader.each(table, from.as_deref(), |key, row| {
                found.rows += 1;
                if let Some(sum) = sums.sum_of(table, key) {
                    sum.add(keys.set(), table, key, row);
                }
                look.at(table, key, row, found)?;
                left = left.saturating_sub(u32::try_from(1 + row.len() / ROW).unwrap_or(u32::MAX));
                if left == 0 {
                    *after = Some(key.to_vec());
                }
                Ok(left > 0)
            });
            match read {
                Err(error) if error.is_unreadable() => {
                    // Where the next page is, is not known. What follows in this table is looked at from others.
                    found.add(Some(table), None, None, FaultKind::Page);
                    *after = None;
                }
                read => read?,
            }
            if after.is_some() {
                return Ok(None);
            }
            *place += 1;
        }
        // What is wrong with a row has the sum differ, too.
        let of_no_row = found.told.iter().all(|fault| fault.table.is_none());
        if let (true, Some(file)) = (of_no_row, file) {
            let sealed =
                State::read(vault, keys, file.reader()).map(|(state, _)| (state.control, state.entries));
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
