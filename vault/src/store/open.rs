//! The open file, and the records beside it: a small change is on the disk as a record ([`Redo`]) when it is
//! acknowledged, and in redb's memory, where it is read. The next durable transaction brings all of them into the
//! file.

use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use redb::backends::FileBackend;
use redb::{Database, Durability, ReadTransaction, ReadableDatabase, SetDurabilityError, WriteTransaction};

use super::{
    NewRow, Op, Reader, Table, beginning, committing, former, guarded, open_as, open_file, opening,
    opening_table, storage,
};
use crate::checked::Checked;
use crate::redo::Redo;
use crate::{Error, state};

pub(super) struct Open {
    pub(super) database: Database,
    /// The same file once more, with the same lock.
    file: File,
    redo: Mutex<Redo>,
    settled: Mutex<Settled>,
    /// Each snapshot has one: whether redb reads nothing more, since something of a change failed.
    readers: Arc<AtomicBool>,
}

/// What the file held when all was last brought into it. While somebody sees that, redb gives back the pages of
/// which a newer state has no need in the next durable transaction, and not in one of its own behind this one, which
/// is not durable: as long as there is such a one, each page that is read from the file costs a look for pages that
/// are still to be written, as much as the reading itself.
struct Settled {
    _seen: Box<ReadTransaction>,
    /// Whether pages are to be given back.
    owes: bool,
}

impl Settled {
    fn new(database: &Database, owes: bool) -> Result<Self, Error> {
        Ok(Self { _seen: Box::new(database.begin_read().map_err(beginning)?), owes })
    }
}

impl Open {
    /// Opens the file, and makes once more what was recorded and is not in it.
    pub fn new(path: &Path) -> Result<Self, Error> {
        Self::checked(path, Checked::new)
    }

    /// As [`Open::new`], of a file that is to take another's place: what leads to all of its rows can be read.
    pub fn strictly(path: &Path) -> Result<Self, Error> {
        Self::checked(path, Checked::strictly)
    }

    fn checked(path: &Path, check: impl FnOnce(FileBackend) -> Checked<FileBackend>) -> Result<Self, Error> {
        guarded(|| {
            let file = open_file(path)?;
            let same = file.try_clone().map_err(Error::Storage)?;
            let database = open_as(check(FileBackend::new(same).map_err(opening)?))?;
            Self::of(path, file, database)
        })
    }

    /// That file, which redb has opened, with what is recorded beside it.
    pub(super) fn of(path: &Path, file: File, database: Database) -> Result<Self, Error> {
        let settled = Mutex::new(Settled::new(&database, false)?);
        let mut redo = Redo::of(path);
        replay(&database, &mut redo)?;
        Ok(Self { database, file, redo: Mutex::new(redo), settled, readers: Arc::default() })
    }

    /// A snapshot.
    pub fn read(&self) -> Result<Reader, Error> {
        let reader = Reader::new(&self.database).inspect_err(|error| {
            if matches!(error, Error::OpenedAnew) {
                self.readers.store(true, Ordering::SeqCst);
            }
        })?;
        Ok(reader.counted_by(Arc::clone(&self.readers)))
    }

    /// Whether redb reads nothing more of it.
    pub fn has_failed(&self) -> bool {
        self.readers.load(Ordering::SeqCst)
    }

    /// The file once more, with the same lock.
    pub fn file(&self) -> Result<File, Error> {
        self.file.try_clone().map_err(Error::Storage)
    }

    /// Whether there are snapshots that were made of it.
    pub fn is_read(&self) -> bool {
        Arc::strong_count(&self.readers) > 1
    }

    /// Makes a change on top of the sealed state `base`. Gives the rows of slots that are there no more, for
    /// [`Open::overwrite`].
    pub fn change(&self, base: &[u8], ops: &[Op]) -> Result<Vec<Vec<u8>>, Error> {
        // A slot is never recorded: where it lies is one file, and the former one is out of force on the disk.
        if ops.iter().any(|(table, ..)| former::is_slot(*table)) {
            let reader = Reader::new(&self.database)?;
            let former =
                former::slots(ops, |key| Ok(reader.get(Table::Slots, key)?.map(|row| row.value().to_vec())))?;
            drop(reader);
            return self.settle(Some(base), ops).map(|()| former);
        }
        if self.record(Some(base), ops)? {
            return Ok(Vec::new());
        }
        if !self.is_settled() {
            // Then there is room: in the records' file, and where something was removed.
            self.settle_all()?;
            if self.record(Some(base), ops)? {
                return Ok(Vec::new());
            }
        }
        self.settle(Some(base), ops).map(|()| Vec::new())
    }

    /// Overwrites what both files have of these rows, which are of no commit and of no record in force.
    pub fn overwrite(&self, rows: &[Vec<u8>]) -> Result<(), Error> {
        // Nobody else writes while this is there.
        let alone = begin(&self.database, Durability::None)?;
        // One is no hindrance to the other.
        let rest = self.redo().overwrite_rest();
        let here = former::overwrite(&self.file, rows);
        alone.abort().map_err(storage)?;
        here.and(rest)
    }

    /// A row or two must not wait until there is room for all that was recorded.
    pub fn put(&self, ops: &[Op]) -> Result<(), Error> {
        if self.record(None, ops)? { Ok(()) } else { self.settle(None, ops) }
    }

    /// Makes a change as a record, on top of the sealed state `base`, or behind the last record if there is one.
    /// `false` if there is no room for it, or no such record: then nothing is changed.
    fn record(&self, base: Option<&[u8]>, ops: &[Op]) -> Result<bool, Error> {
        let mut transaction = begin(&self.database, Durability::None)?;
        // Nobody else changes anything from here on, nor moves the end of the records.
        let mut redo = self.redo();
        let found;
        let follows = match base {
            Some(base) => base,
            // It leaves the sealed state as it is. At the beginning it would follow what has it already.
            None if redo.is_empty() => return Ok(false),
            None => {
                found = Reader::new(&self.database)?.get(Table::Sealed, state::KEY)?;
                let Some(found) = &found else { return Ok(false) };
                found.value()
            }
        };
        let Some(record) = redo.prepare(follows, ops) else { return Ok(false) };
        write(&mut transaction, base, ops)?;
        if let Err(error) = redo.record(&record) {
            redo.drop_last();
            return if no_room(&error) { Ok(false) } else { Err(error) };
        }
        let made = transaction.commit().map_err(committing);
        match made {
            Ok(()) => redo.keep(),
            Err(_) => redo.drop_last(),
        }
        made.map(|()| true)
    }

    /// Brings all that was recorded into the file, and gives the pages back that it has no need of then.
    pub fn settle_all(&self) -> Result<(), Error> {
        if !self.redo().is_empty() {
            self.settle(None, &[])?;
        }
        if self.settled().owes { self.settle(None, &[]) } else { Ok(()) }
    }

    /// Whether there is nothing to be settled.
    pub fn is_settled(&self) -> bool {
        self.redo().is_empty() && !self.settled().owes
    }

    /// Brings everything into the file, and `ops` with it, on top of the sealed state `base` if there is one.
    fn settle(&self, base: Option<&[u8]>, ops: &[Op]) -> Result<(), Error> {
        let mut transaction = begin(&self.database, Durability::Immediate)?;
        // Held until the records are no longer in force: none is added to them in between.
        let mut redo = self.redo();
        let owes = !ops.is_empty() || !redo.is_empty();
        write(&mut transaction, base, ops)?;
        transaction.commit().map_err(committing)?;
        redo.reset();
        *self.settled() = Settled::new(&self.database, owes)?;
        Ok(())
    }

    /// Brings everything into the file, which writes, and so can panic if that is damaged. Gives what is needless
    /// from then on.
    pub fn close(self) -> Result<Redo, Error> {
        let Self { database, file, redo, settled, readers: _ } = self;
        drop(settled);
        guarded(|| database.close().map_err(opening))?;
        drop(file);
        Ok(redo.into_inner().unwrap_or_else(PoisonError::into_inner))
    }

    fn settled(&self) -> MutexGuard<'_, Settled> {
        // It is replaced as a whole, also after a panic.
        self.settled.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn redo(&self) -> MutexGuard<'_, Redo> {
        // Where it ends is one number, also after a panic.
        self.redo.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Makes once more, in memory, what was recorded and is not in the file.
pub(super) fn replay(database: &Database, redo: &mut Redo) -> Result<(), Error> {
    redo.replay(|change| {
        let mut transaction = begin(database, Durability::None)?;
        match write(&mut transaction, Some(&change.base), &change.ops) {
            Err(Error::Conflict) => Ok(false),
            written => written.and_then(|()| transaction.commit().map_err(committing)).map(|()| true),
        }
    })
}

/// A transaction. One that is durable brings with it all before that were not.
pub(super) fn begin(database: &Database, durable: Durability) -> Result<WriteTransaction, Error> {
    let mut transaction = database.begin_write().map_err(beginning)?;
    // Two phases, and an opening after an unclean end that reads no more than a clean one.
    transaction.set_quick_repair(matches!(durable, Durability::Immediate));
    transaction.set_durability(durable).map_err(durability)?;
    Ok(transaction)
}

/// Writes and deletes rows, on top of the sealed state `base` if there is one.
pub(super) fn write(
    transaction: &mut WriteTransaction,
    base: Option<&[u8]>,
    ops: &[Op],
) -> Result<(), Error> {
    let mut tables = Vec::with_capacity(Table::ALL.len());
    for table in Table::ALL {
        tables.push(transaction.open_table(table.definition()).map_err(opening_table)?);
    }
    if let Some(base) = base {
        let found = redb::ReadableTable::get(&tables[Table::Sealed as usize], state::KEY).map_err(storage)?;
        if found.is_none_or(|found| found.value() != base) {
            return Err(Error::Conflict);
        }
    }
    for (table, key, row) in ops {
        let table = &mut tables[*table as usize];
        match row {
            Some(row) => table.insert(key.as_slice(), row.as_slice()).map_err(storage)?,
            None => table.remove(key.as_slice()).map_err(storage)?,
        };
    }
    Ok(())
}

/// Writes the rows that `next` gives into a new store.
pub(super) fn fill(
    transaction: &mut WriteTransaction,
    next: &mut impl FnMut() -> Result<Option<NewRow>, Error>,
) -> Result<(), Error> {
    let mut tables = Vec::with_capacity(Table::ALL.len());
    for table in Table::ALL {
        tables.push(transaction.open_table(table.definition()).map_err(opening_table)?);
    }
    while let Some((table, key, row)) = next()? {
        tables[table as usize].insert(key.as_slice(), row.as_slice()).map_err(storage)?;
    }
    Ok(())
}

/// Whether a file could not grow.
fn no_room(error: &Error) -> bool {
    use io::ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull};
    matches!(error, Error::Storage(error) if matches!(error.kind(), FileTooLarge | QuotaExceeded | StorageFull))
}

fn durability(error: SetDurabilityError) -> Error {
    Error::Storage(io::Error::other(error))
}
