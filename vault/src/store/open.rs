//! The open file, and the records beside it: a small change is on the disk as a record ([`Redo`]) when it is
//! acknowledged, and its rows are read from memory ([`Pending`]). The next transaction brings all of them into the
//! file; each transaction is durable.

use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use redb::backends::FileBackend;
use redb::{Database, Durability, SetDurabilityError, WriteTransaction};

use super::pending::Pending;
use super::snapshot::Snapshot;
use super::{
    NewRow, Op, Reader, Row, Table, beginning, committing, former, guarded, open_as, open_file, opening,
    opening_table, storage,
};
use crate::checked::Checked;
use crate::identity::Identity;
use crate::redo::Redo;
use crate::{Error, state};

pub(super) struct Open {
    pub(super) database: Database,
    /// The same file once more, with the same lock.
    file: File,
    /// Held by whoever changes anything.
    redo: Mutex<Redo>,
    /// What is read. Held for a moment only: nobody who reads waits for whoever writes.
    view: Mutex<View>,
    /// Whether redb is to give pages back that the file has no need of.
    owes: AtomicBool,
    /// Each snapshot has one: whether redb reads nothing more, since something of a change failed.
    readers: Arc<AtomicBool>,
    /// Whether a commit failed: the file may hold it or not.
    unknown: AtomicBool,
}

/// The file as it is, and what is recorded beside it.
struct View {
    /// While somebody sees what the file held before, redb gives back the pages of which a newer state has no need in the
    /// next durable transaction, and not in one of its own behind this one, which is not durable: as long as there is
    /// such a one, each page that is read from the file costs a look for pages that are still to be written, as much as
    /// the reading itself.
    file: Arc<Snapshot>,
    pending: Arc<Pending>,
}

impl View {
    fn new(database: &Database, readers: &Arc<AtomicBool>) -> Result<Self, Error> {
        let file = Snapshot::new(database)?.counted_by(Arc::clone(readers));
        Ok(Self { file: Arc::new(file), pending: Arc::default() })
    }

    fn reader(&self) -> Reader {
        Reader::of(Arc::clone(&self.file), Arc::clone(&self.pending))
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
        let readers = Arc::default();
        let view = View::new(&database, &readers)?;
        let mut redo = Redo::of(path);
        let pending = replay(&view.reader(), &mut redo)?;
        let view = Mutex::new(View { pending: Arc::new(pending), ..view });
        Ok(Self {
            database,
            file,
            redo: Mutex::new(redo),
            view,
            owes: AtomicBool::new(false),
            readers,
            unknown: AtomicBool::new(false),
        })
    }

    /// Which file it is.
    pub fn identity(&self) -> Result<Identity, Error> {
        Identity::of(&self.file).map_err(Error::Storage)
    }

    /// What is there.
    pub fn read(&self) -> Reader {
        self.view().reader()
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
        // Two are its own, and the snapshot that it has itself is its own once.
        Arc::strong_count(&self.readers) > 2 || Arc::strong_count(&self.view().file) > 1
    }

    /// Makes a change on top of the sealed state `base`. Gives the rows of slots that are there no more, for
    /// [`Open::overwrite`].
    pub fn change(&self, base: &[u8], ops: &[Op]) -> Result<Vec<Vec<u8>>, Error> {
        // A slot is never recorded: where it lies is one file, and the former one is out of force on the disk.
        if ops.iter().any(|(table, ..)| former::is_slot(*table)) {
            let reader = self.read();
            let former =
                former::slots(ops, |key| Ok(reader.get(Table::Slots, key)?.map(|row| row.value().to_vec())))?;
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
        self.try_removals(ops)?;
        let mut redo = self.alone()?;
        // It leaves the sealed state as it is. At the beginning it would follow what has it already.
        if base.is_none() && redo.is_empty() || redo.has_lost_its_name() {
            return Ok(false);
        }
        let there = self.read();
        let state = there.get(Table::Sealed, state::KEY)?;
        let state = state.as_ref().map(Row::value);
        if base.is_some() && base != state {
            return Err(Error::Conflict);
        }
        // What meets a damaged page is not acknowledged.
        for (table, key, _) in ops {
            there.get(*table, key)?;
        }
        let Some(record) = state.and_then(|state| redo.prepare(state, ops)) else { return Ok(false) };
        if let Err(error) = redo.record(&record) {
            redo.drop_last();
            return if no_room(&error) { Ok(false) } else { Err(error) };
        }
        redo.keep();
        drop(there);
        Arc::make_mut(&mut self.view().pending).make(ops);
        Ok(true)
    }

    /// Removals read the pages beside their own, too, to bring them together: they are tried with all those before that
    /// are not in the file, and nothing of that is kept.
    fn try_removals(&self, ops: &[Op]) -> Result<(), Error> {
        if ops.iter().all(|(.., row)| row.is_some()) {
            return Ok(());
        }
        let pending = Arc::clone(&self.view().pending);
        let transaction = begin(&self.database, Durability::None)?;
        let removals = pending.all().chain(ops.iter().map(borrowed)).filter(|(.., row)| row.is_none());
        let tried = write(&transaction, removals);
        let undone = transaction.abort().map_err(storage);
        tried.and(undone)
    }

    /// Brings all that was recorded into the file, and gives the pages back that it has no need of then.
    pub fn settle_all(&self) -> Result<(), Error> {
        if !self.redo().is_empty() {
            self.settle(None, &[])?;
        }
        if self.owes() { self.settle(None, &[]) } else { Ok(()) }
    }

    /// Whether there is nothing to be settled.
    pub fn is_settled(&self) -> bool {
        self.redo().is_empty() && !self.owes()
    }

    /// Brings everything into the file, and `ops` with it, on top of the sealed state `base` if there is one.
    fn settle(&self, base: Option<&[u8]>, ops: &[Op]) -> Result<(), Error> {
        let transaction = begin(&self.database, Durability::Immediate)?;
        // Held until the records are no longer in force: none is added to them in between.
        let mut redo = self.alone()?;
        let state = self.read().get(Table::Sealed, state::KEY)?;
        if base.is_some() && base != state.as_ref().map(Row::value) {
            return Err(Error::Conflict);
        }
        let owes = !ops.is_empty() || !redo.is_empty();
        let pending = Arc::clone(&self.view().pending);
        write(&transaction, pending.all().chain(ops.iter().map(borrowed)))?;
        // It may be on the disk all the same: no record follows what was there before, nor can be known to follow this.
        transaction
            .commit()
            .map_err(committing)
            .inspect_err(|_| self.unknown.store(true, Ordering::SeqCst))?;
        redo.reset();
        match View::new(&self.database, &self.readers) {
            Ok(view) => *self.view() = view,
            // It is on the disk all the same. Whoever reads next opens the file again.
            Err(_) => {
                self.view().pending = Arc::default();
                self.readers.store(true, Ordering::SeqCst);
            }
        }
        self.owes.store(owes, Ordering::SeqCst);
        Ok(())
    }

    /// Brings everything into the file, which writes, and so can panic if that is damaged. Gives what is needless
    /// from then on.
    pub fn close(self) -> Result<Redo, Error> {
        let settled = guarded(|| if self.redo().is_empty() { Ok(()) } else { self.settle(None, &[]) });
        let Self { database, file, redo, view, .. } = self;
        drop(view);
        let closed = guarded(|| database.close().map_err(opening));
        drop(file);
        // What could not be brought into the file is recorded beside it.
        settled.and(closed)?;
        Ok(redo.into_inner().unwrap_or_else(PoisonError::into_inner))
    }

    fn view(&self) -> MutexGuard<'_, View> {
        // Its parts are replaced as a whole, also after a panic.
        self.view.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn owes(&self) -> bool {
        self.owes.load(Ordering::SeqCst)
    }

    /// Nobody else changes anything while this is held. Whoever waited for it while a commit failed is refused: the file
    /// is opened again first.
    fn alone(&self) -> Result<MutexGuard<'_, Redo>, Error> {
        let redo = self.redo();
        if self.unknown.load(Ordering::SeqCst) { Err(Error::OpenedAnew) } else { Ok(redo) }
    }

    fn redo(&self) -> MutexGuard<'_, Redo> {
        // Where it ends is one number, also after a panic.
        self.redo.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What was recorded and is not in the file that `reader` reads.
pub(super) fn replay(reader: &Reader, redo: &mut Redo) -> Result<Pending, Error> {
    let mut base = reader.get(Table::Sealed, state::KEY)?.map(|row| row.value().to_vec());
    let mut pending = Pending::default();
    redo.replay(|change| {
        if base.as_ref() != Some(&change.base) {
            return Ok(false);
        }
        pending.make(&change.ops);
        let state =
            change.ops.into_iter().rfind(|(table, key, _)| (*table, &key[..]) == (Table::Sealed, state::KEY));
        if let Some((.., row)) = state {
            base = row;
        }
        Ok(true)
    })?;
    Ok(pending)
}

/// A transaction.
pub(super) fn begin(database: &Database, durable: Durability) -> Result<WriteTransaction, Error> {
    let mut transaction = database.begin_write().map_err(beginning)?;
    // Two phases, and an opening after an unclean end that reads no more than a clean one.
    transaction.set_quick_repair(matches!(durable, Durability::Immediate));
    transaction.set_durability(durable).map_err(durability)?;
    Ok(transaction)
}

fn borrowed((table, key, row): &Op) -> (Table, &[u8], Option<&[u8]>) {
    (*table, key, row.as_deref())
}

/// Writes and deletes rows.
fn write<'r>(
    transaction: &WriteTransaction,
    rows: impl Iterator<Item = (Table, &'r [u8], Option<&'r [u8]>)>,
) -> Result<(), Error> {
    let mut tables = Vec::with_capacity(Table::ALL.len());
    for table in Table::ALL {
        tables.push(transaction.open_table(table.definition()).map_err(opening_table)?);
    }
    for (table, key, row) in rows {
        let table = &mut tables[table as usize];
        match row {
            Some(row) => table.insert(key, row).map_err(storage)?,
            None => table.remove(key).map_err(storage)?,
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
