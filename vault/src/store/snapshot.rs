//! A snapshot of all tables in the file: it stays as it is while others change the vault, until the file is opened
//! anew. A page of it that cannot be read is an error for whoever asks for what lies there, and for nobody else.

use std::ops::Bound::{Excluded, Unbounded};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use redb::{Database, ReadOnlyTable, ReadTransaction, ReadableDatabase, ReadableTableMetadata, StorageError};

use super::{Row, Table, beginning, former, opening_table, storage};
use crate::slot::MAX_SLOTS;
use crate::unread::{Unread, reading};
use crate::{Damage, Error};

/// The longest row of a slot, in bytes.
const SLOT_ROW: usize = 1024;

type OpenTable = ReadOnlyTable<&'static [u8], &'static [u8]>;

/// Rows with their keys, in memory.
type Copied = Vec<(Vec<u8>, Arc<[u8]>)>;

/// A snapshot of all tables in the file.
pub(super) struct Snapshot {
    transaction: ReadTransaction,
    /// Those that are open: redb reads the first page of a table to open it.
    tables: [OnceLock<OpenTable>; Table::ALL.len()],
    /// How many rows each table has, once that was asked.
    lengths: [OnceLock<u64>; Table::ALL.len()],
    /// The slots, since they are overwritten in the file while older snapshots are read; `None` where there are more
    /// than a vault has, which is found where they are used.
    slots: Option<Copied>,
    /// Of the open file, which counts them: whether redb reads nothing more of it.
    counted: Option<Arc<AtomicBool>>,
}

impl Snapshot {
    pub(super) fn new(database: &Database) -> Result<Self, Error> {
        let transaction = by_redb(|| database.begin_read().map_err(beginning))?;
        let mut snapshot = Self {
            transaction,
            tables: Default::default(),
            lengths: Default::default(),
            slots: None,
            counted: None,
        };
        for table in Table::ALL {
            match by_redb(|| snapshot.table(table).map(drop)) {
                // It is an error for whoever asks for what lies there.
                Err(error) if error.is_unreadable() && !is_needed(table) => {}
                opened => opened?,
            }
        }
        let (mut slots, mut all) = (Vec::new(), true);
        snapshot.each(Table::Slots, None, |key, row| {
            all = slots.len() < MAX_SLOTS && row.len() <= SLOT_ROW;
            if all {
                slots.push((key.to_vec(), row.into()));
            }
            Ok(all)
        })?;
        snapshot.slots = all.then_some(slots);
        Ok(snapshot)
    }

    /// The same, of an open file that counts its snapshots by this.
    pub(super) fn counted_by(mut self, open: Arc<AtomicBool>) -> Self {
        self.counted = Some(open);
        self
    }

    /// One row.
    pub fn get(&self, table: Table, key: &[u8]) -> Result<Option<Row>, Error> {
        if let Some(slots) = self.copied(table) {
            let found = slots.iter().find(|(id, _)| id == key);
            return Ok(found.map(|(_, row)| Row::Copied(Arc::clone(row))));
        }
        self.noting(|| {
            let row = self.table(table)?.get(key).map_err(storage)?;
            // A leaf that redb wrote itself is not looked at again, and another program may have edited it since:
            // where a row lies in it is then found to be wrong here, not where the row is used.
            if let Some(row) = &row {
                std::hint::black_box(row.value());
            }
            Ok(row.map(Row::Stored))
        })
    }

    /// The rows behind `after`, in the order of their keys, until `each` says `false`. Keys in a wrong order are
    /// damage, so that going on behind the last one comes to an end.
    pub fn each(
        &self,
        table: Table,
        after: Option<&[u8]>,
        mut each: impl FnMut(&[u8], &[u8]) -> Result<bool, Error>,
    ) -> Result<(), Error> {
        if let Some(slots) = self.copied(table) {
            for (key, row) in slots.iter().filter(|(key, _)| after.is_none_or(|after| after < &key[..])) {
                if !each(key, row)? {
                    break;
                }
            }
            return Ok(());
        }
        let start = after.map_or(Unbounded, Excluded);
        let mut last = after.map(<[u8]>::to_vec);
        let mut rows =
            self.noting(|| self.table(table)?.range::<&[u8]>((start, Unbounded)).map_err(storage))?;
        let mut next = || {
            self.noting(|| {
                let pair = rows.next().transpose().map_err(storage)?;
                // As in `get`.
                if let Some((key, row)) = &pair {
                    std::hint::black_box((key.value(), row.value()));
                }
                Ok(pair)
            })
        };
        while let Some((key, row)) = next()? {
            if last.as_deref().is_some_and(|last| last >= key.value()) {
                return Err(Damage::Store.into());
            }
            let last = last.get_or_insert_default();
            last.clear();
            last.extend_from_slice(key.value());
            if !each(key.value(), row.value())? {
                break;
            }
        }
        Ok(())
    }

    /// How many rows a table has, whether or not they can be read.
    pub fn count(&self, table: Table) -> Result<u64, Error> {
        let known = &self.lengths[table as usize];
        if let Some(length) = known.get() {
            return Ok(*length);
        }
        let length = self.noting(|| {
            let table = self.transaction.open_untyped_table(table.definition()).map_err(opening_table)?;
            table.len().map_err(storage)
        })?;
        Ok(*known.get_or_init(|| length))
    }

    /// Has redb read, and notes for all snapshots of the file if it reads no more.
    fn noting<T>(&self, read: impl FnOnce() -> Result<T, Error>) -> Result<T, Error> {
        let read = by_redb(read);
        if let (Err(Error::OpenedAnew), Some(failed)) = (&read, &self.counted) {
            failed.store(true, Ordering::SeqCst);
        }
        read
    }

    /// Whether redb reads nothing more of the file that it is of.
    pub(super) fn has_failed(&self) -> bool {
        self.counted.as_ref().is_some_and(|failed| failed.load(Ordering::SeqCst))
    }

    fn table(&self, table: Table) -> Result<&OpenTable, Error> {
        let open = &self.tables[table as usize];
        if let Some(table) = open.get() {
            return Ok(table);
        }
        let table = self.transaction.open_table(table.definition()).map_err(opening_table)?;
        Ok(open.get_or_init(|| table))
    }

    /// The rows of a table that is not read from the file.
    fn copied(&self, table: Table) -> Option<&Copied> {
        self.slots.as_ref().filter(|_| former::is_slot(table))
    }
}

/// Whether nothing is served without this table: neither an unlock nor a right can do without it.
fn is_needed(table: Table) -> bool {
    matches!(table, Table::Header | Table::Slots | Table::Sealed)
}

/// Has redb read. Its panics mean that the file is damaged.
fn by_redb<T>(read: impl FnOnce() -> Result<T, Error>) -> Result<T, Error> {
    reading(read).unwrap_or_else(|unread| {
        Err(match unread {
            Unread::File(error) => storage(StorageError::Io(error)),
            Unread::Panicked => Damage::Store.into(),
        })
    })
}
