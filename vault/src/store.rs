//! The tables, and the only room that speaks to redb: reading through snapshots, one transaction for each
//! change, and no panic of redb's past this room (a damaged file can make it panic).

mod former;
mod moment;
mod open;
mod other;
mod pending;
#[cfg(test)]
mod place_tests;
mod read_only;
mod reader;
#[cfg(test)]
mod recorded_tests;
mod snapshot;
#[cfg(test)]
mod tests;
mod unchanged;

use std::fs::{File, OpenOptions};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use redb::backends::FileBackend;
use redb::{
    CommitError, Database, DatabaseError, Durability, RepairSession, StorageBackend, StorageError,
    TableDefinition, TableError, TransactionError,
};

use crate::checked::Checked;
use crate::identity::Identity;
use crate::overlay::Overlay;
use crate::{Damage, Error};
pub(crate) use moment::Moment;
use open::{Open, begin, fill};
pub(crate) use other::Other;
pub(crate) use reader::{Reader, Row};
pub(crate) use unchanged::Unchanged;

/// What redb may keep of the file in memory, in bytes.
const CACHE: usize = 1024 * 1024;
/// So often is read what one call reads, where the file is opened anew meanwhile.
pub(crate) const TIMES: usize = 3;

/// The tables of a vault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Table {
    Header,
    Slots,
    Sealed,
    Plain,
    Meta,
    Values,
    Names,
    History,
}

impl Table {
    /// All of them, in their order.
    pub const ALL: [Self; 8] = [
        Self::Header,
        Self::Slots,
        Self::Sealed,
        Self::Plain,
        Self::Meta,
        Self::Values,
        Self::Names,
        Self::History,
    ];

    /// Its name in the store and in associated data.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Header => "header",
            Self::Slots => "slots",
            Self::Sealed => "sealed",
            Self::Plain => "plain",
            Self::Meta => "meta",
            Self::Values => "values",
            Self::Names => "names",
            Self::History => "history",
        }
    }

    const fn definition(self) -> TableDefinition<'static, &'static [u8], &'static [u8]> {
        TableDefinition::new(self.name())
    }
}

/// A row to be written (`Some`) or deleted (`None`): table, key, row.
pub(crate) type Op = (Table, Vec<u8>, Option<Vec<u8>>);

/// A row of a store that is being made: its table, its key, its bytes.
pub(crate) type NewRow = (Table, Vec<u8>, Vec<u8>);

/// How big the store is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stats {
    /// Size of the file, in bytes.
    pub file_bytes: u64,
    /// Secrets that can be read: removed ones have no value.
    pub entries: u64,
    /// Former versions that are kept.
    pub former: u64,
}

/// An open store.
pub(crate) struct Store {
    path: PathBuf,
    /// `None` between an I/O error and the next call.
    open: RwLock<Option<Open>>,
    /// Which file that is, or was, if another is not to be taken for it.
    identity: Mutex<Identity>,
    /// The newest snapshot. Dropped by each commit, so that it is never behind.
    newest: Mutex<Option<Arc<Reader>>>,
    /// Rows of slots that are out of force, and of which the file may still have copies.
    former: Mutex<Vec<Vec<u8>>>,
    /// Whether no change is taken: another file is about to be in the place.
    resting: AtomicBool,
    /// As [`Store::opened_again`] says.
    again: AtomicU64,
}

impl Store {
    /// Opens the file, having looked at it without touching it: `inspect` refuses what is not ours.
    pub fn open(path: &Path, inspect: impl Fn(&Reader) -> Result<(), Error>) -> Result<Self, Error> {
        // The file is surveyed now and once more below: between the two somebody else may have it.
        guarded(|| {
            // Writable, though nothing is written: the lock asks for it.
            let overlay = Overlay::new(open_file(path)?).map_err(opening)?;
            inspect(&Reader::new(&open_checked(overlay)?)?)
        })?;
        let open = Open::new(path)?;
        Ok(Self {
            path: path.to_owned(),
            identity: Mutex::new(open.identity()?),
            open: RwLock::new(Some(open)),
            newest: Mutex::new(None),
            former: Mutex::default(),
            resting: AtomicBool::new(false),
            again: AtomicU64::new(0),
        })
    }

    /// Fills a new, empty file with the rows that `next` gives.
    pub fn create(file: File, mut next: impl FnMut() -> Result<Option<NewRow>, Error>) -> Result<(), Error> {
        guarded(|| {
            let backend = FileBackend::new(file).map_err(opening)?;
            let database =
                Database::builder().set_cache_size(CACHE).create_with_backend(backend).map_err(opening)?;
            let mut transaction = begin(&database, Durability::Immediate)?;
            fill(&mut transaction, &mut next)?;
            transaction.commit().map_err(committing)?;
            database.close().map_err(opening)
        })
    }

    /// How often the file was opened again since the store was opened: what held a snapshot of before that holds its
    /// pages no more.
    pub fn opened_again(&self) -> u64 {
        self.again.load(Ordering::SeqCst)
    }

    /// The newest snapshot.
    pub fn reader(&self) -> Result<Arc<Reader>, Error> {
        let mut newest = self.newest();
        if let Some(reader) = newest.as_ref().filter(|reader| !reader.has_failed()) {
            return Ok(Arc::clone(reader));
        }
        *newest = None;
        // Asked before it is taken: nobody who reads waits for whoever writes.
        if self.open.read().unwrap_or_else(PoisonError::into_inner).as_ref().is_some_and(Open::has_failed) {
            self.close_if(Open::has_failed);
        }
        let reader = Arc::new(self.with_open(|open| Ok(open.read()))?);
        *newest = Some(Arc::clone(&reader));
        Ok(reader)
    }

    /// What `read` makes of the newest snapshot. Where the file is opened anew meanwhile, it begins again, but not for
    /// ever: [`Error::OpenedAnew`].
    pub fn read<T>(&self, mut read: impl FnMut(&Arc<Reader>) -> Result<T, Error>) -> Result<T, Error> {
        let mut times = 1;
        loop {
            match self.reader().and_then(|reader| read(&reader)) {
                Err(Error::OpenedAnew) if times < TIMES => times += 1,
                read => return read,
            }
        }
    }

    /// Writes and deletes rows in one step on top of the sealed state `base`. On the disk when this returns. Whether slots
    /// were replaced or removed, which [`Store::overwrite_former`] is then to overwrite.
    pub fn change(&self, base: &[u8], ops: Vec<Op>) -> Result<bool, Error> {
        let former = self.write(|open| open.change(base, &ops))?;
        // From here on each snapshot that is made has the new slots, and those from before have copies of theirs.
        let any = !former.is_empty();
        self.former().extend(former);
        Ok(any)
    }

    /// Overwrites the slots that are out of force. What could not be is kept for the next call.
    pub fn overwrite_former(&self) -> Result<(), Error> {
        let mut former = self.former();
        if former.is_empty() {
            return Ok(());
        }
        self.tried(|open| open.overwrite(&former)).map(|()| former.clear())
    }

    fn former(&self) -> MutexGuard<'_, Vec<Vec<u8>>> {
        // Rows are whole, also after a panic.
        self.former.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes and deletes rows in one step, whatever is there. On the disk when this returns.
    pub fn put(&self, ops: Vec<Op>) -> Result<(), Error> {
        self.write(|open| open.put(&ops))
    }

    /// Brings everything into the file, wherever that is by now.
    pub fn settle(&self) -> Result<(), Error> {
        if self.with_open(|open| Ok(open.is_settled()))? {
            return Ok(());
        }
        self.tried(|open| self.unless_resting().and_then(|()| open.settle_all()))
    }

    fn write<T>(&self, run: impl FnOnce(&Open) -> Result<T, Error>) -> Result<T, Error> {
        self.tried(|open| {
            self.unless_resting()?;
            self.in_place(open)?;
            run(open)
        })
    }

    fn unless_resting(&self) -> Result<(), Error> {
        if self.resting.load(Ordering::SeqCst) { Err(Error::Conflict) } else { Ok(()) }
    }

    /// Whether the file still has its name.
    fn in_place(&self, open: &Open) -> Result<(), Error> {
        let named = Identity::at(&self.path).map_err(Error::Storage)?;
        if named == Some(open.identity()?) { Ok(()) } else { Err(Error::Displaced) }
    }

    /// Has `run` write, and closes the file on which that failed: redb serves nothing more after an I/O error. Closed, it
    /// is opened again by the next call.
    fn tried<T>(&self, run: impl FnOnce(&Open) -> Result<T, Error>) -> Result<T, Error> {
        let mut on = None;
        // Who writes has it to themselves then, and copies nothing.
        *self.newest() = None;
        let result = self.with_open(|open| {
            on = Some(self.opened_again());
            run(open)
        });
        *self.newest() = None;
        // A record's place that is taken is none of redb's, and neither is the file's.
        if !matches!(result, Ok(_) | Err(Error::Conflict | Error::RedoNotAFile | Error::Displaced)) {
            // Whoever reads may have opened it again by now.
            self.close_if(|_| on == Some(self.opened_again()));
        }
        result
    }

    fn close_if(&self, which: impl FnOnce(&Open) -> bool) {
        let mut open = self.open.write().unwrap_or_else(PoisonError::into_inner);
        // What could not be written is recorded beside it, if it was acknowledged.
        drop(open.take_if(|open| which(open)).map(Open::close));
    }

    /// Brings everything into the file, and closes it. What is dropped does the same, and cannot say whether it could.
    pub fn close(mut self) -> Result<(), Error> {
        self.settle()?;
        *self.newest() = None;
        if let Some(open) = self.open.get_mut().unwrap_or_else(PoisonError::into_inner).take() {
            open.close()?.remove();
        }
        Ok(())
    }

    /// How big the store is.
    pub fn stats(&self) -> Result<Stats, Error> {
        let file_bytes = self.file()?.metadata().map_err(Error::Storage)?.len();
        self.read(|reader| {
            let (entries, former) = (reader.count(Table::Values)?, reader.count(Table::History)?);
            Ok(Stats { file_bytes, entries, former })
        })
    }

    fn with_open<T>(&self, run: impl FnOnce(&Open) -> Result<T, Error>) -> Result<T, Error> {
        let mut open = self.open.read().unwrap_or_else(PoisonError::into_inner);
        if open.is_none() {
            drop(open);
            let mut closed = self.open.write().unwrap_or_else(PoisonError::into_inner);
            if closed.is_none() {
                let opened = Open::new(&self.path)?;
                if opened.identity()? != *self.identity() {
                    return Err(Error::Displaced);
                }
                *closed = Some(opened);
                self.again.fetch_add(1, Ordering::SeqCst);
            }
            drop(closed);
            open = self.open.read().unwrap_or_else(PoisonError::into_inner);
        }
        // A change that failed in between closed it again.
        let open = open.as_ref().ok_or(Error::OpenedAnew)?;
        guarded(|| run(open))
    }

    /// What a change that the disk refuses does to whoever reads at that moment: the file is closed, and the snapshot that
    /// was handed out has of it what redb keeps in memory: of values that are more than that, only their end.
    #[cfg(test)]
    pub fn close_under_reader(&self) {
        self.reader().unwrap().each(Table::Values, None, |_, _| Ok(true)).unwrap();
        self.close_if(|_| true);
    }

    fn identity(&self) -> MutexGuard<'_, Identity> {
        // It is replaced as a whole, also after a panic.
        self.identity.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn newest(&self) -> MutexGuard<'_, Option<Arc<Reader>>> {
        // A snapshot is whole or absent, also after a panic.
        self.newest.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        *self.newest() = None;
        let open = self.open.get_mut().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(Ok(redo)) = open.map(Open::close) {
            redo.remove();
        }
    }
}

fn open_file(path: &Path) -> Result<File, Error> {
    OpenOptions::new().read(true).write(true).open(path).map_err(Error::Storage)
}

/// Opens what must be there already: an empty file does not pass the survey.
fn open_checked(file: impl StorageBackend) -> Result<Database, Error> {
    open_as(Checked::new(file))
}

fn open_as(file: Checked<impl StorageBackend>) -> Result<Database, Error> {
    Database::builder()
        .set_cache_size(CACHE)
        // A repair reads all, and believes it. Every commit leaves what makes it needless.
        .set_repair_callback(RepairSession::abort)
        .create_with_backend(file)
        .map_err(opening)
}

/// Runs redb. Its panics mean that the file is damaged.
fn guarded<T>(run: impl FnOnce() -> Result<T, Error>) -> Result<T, Error> {
    catch_unwind(AssertUnwindSafe(run)).unwrap_or(Err(Error::Corrupt(Damage::Store)))
}

fn opening(error: DatabaseError) -> Error {
    match error {
        DatabaseError::DatabaseAlreadyOpen | DatabaseError::LockProtocolMismatch => Error::InUse,
        DatabaseError::Storage(error) => storage(error),
        _ => Damage::Store.into(),
    }
}

fn committing(error: CommitError) -> Error {
    match error {
        CommitError::Storage(error) => storage(error),
        _ => Damage::Store.into(),
    }
}

fn beginning(error: TransactionError) -> Error {
    match error {
        TransactionError::Storage(error) => storage(error),
        _ => Damage::Store.into(),
    }
}

fn opening_table(error: TableError) -> Error {
    match error {
        TableError::Storage(error) => storage(error),
        _ => Damage::Store.into(),
    }
}

fn storage(error: StorageError) -> Error {
    use io::ErrorKind::{InvalidData, InvalidInput, UnexpectedEof};
    match error {
        StorageError::Io(error) if matches!(error.kind(), InvalidData | InvalidInput | UnexpectedEof) => {
            Damage::Store.into()
        }
        StorageError::Io(error) => Error::Storage(error),
        StorageError::ValueTooLarge(_) => Error::TooLarge,
        // What failed before was told to whoever met it; the file is opened anew behind that.
        StorageError::PreviousIo | StorageError::DatabaseClosed => Error::OpenedAnew,
        _ => Damage::Store.into(),
    }
}
