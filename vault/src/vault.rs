//! The vault: what the daemon calls. Each method says on which side of the split it stands (see the crate's
//! page): those that take [`Keys`] are light, those that wait for the disk take none.

use std::fmt;
use std::fs;
use std::io;
use std::path::Path;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use zeroize::Zeroizing;

use crate::aad::Place;
use crate::backup::Backup;
use crate::check::Check;
use crate::draft::{Change, Draft};
use crate::examine::Examination;
use crate::header::{self, Header, VaultId};
use crate::info::Info;
use crate::kdf::{KdfInput, KdfParams, Kek};
use crate::keys::Keys;
use crate::last_test::{self, LastTest};
use crate::mark::Mark;
use crate::page::{self, Page};
use crate::panic;
use crate::record::Opened;
use crate::slot::{self, Slot, SlotInfo, SlotKind};
use crate::state::State;
use crate::store::{Moment, Reader, Row, Stats, Store, Table};
use crate::throttle::{self, Throttle};
use crate::traceless::traceless;
use crate::{Damage, EntryId, Error, contexts, create, last_backup, name, setting};

/// What lies at a path.
#[derive(Debug)]
#[allow(clippy::large_enum_variant, reason = "one is made in the life of a program")]
pub enum Found {
    /// Nothing.
    Missing,
    /// A vault.
    Present(Vault),
}

/// An open vault file. Locked and unlocked alike: only [`Keys`] make the difference.
pub struct Vault {
    store: Store,
    header: Box<Header>,
    /// The state that the last change left, of those that were committed here.
    committed: Box<Mutex<Option<Mark>>>,
}

impl Vault {
    /// Opens the vault at `path`. The file is not changed unless it is a vault that can be used, and no one
    /// else can open it until this is dropped.
    ///
    /// # Errors
    /// [`Error::NewerVersion`], [`Error::WeakenedKdf`], [`Error::Corrupt`], [`Error::InUse`],
    /// [`Error::NotAFile`], [`Error::RedoNotAFile`], [`Error::Storage`].
    pub fn open(path: &Path) -> Result<Found, Error> {
        match fs::metadata(path) {
            Ok(metadata) if !metadata.is_file() => return Err(Error::NotAFile),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Found::Missing),
            Err(error) => return Err(Error::Storage(error)),
        }
        let store = Store::open(path, |reader| {
            read_header(reader)?;
            slot::inputs(reader).map(drop)
        })?;
        let header = Box::new(read_header(&*store.reader()?)?);
        Ok(Found::Present(Self { store, header, committed: Box::default() }))
    }

    /// Makes a vault at `path` that `kek`, derived from `input`, opens. It is there whole or not at all, and
    /// for its owner only. `now` in Unix seconds.
    ///
    /// # Errors
    /// [`Error::Exists`] if something is there, [`Error::Storage`] if it cannot be written.
    pub fn create(path: &Path, input: &KdfInput, kek: &Kek, now: u64) -> Result<(Self, Keys), Error> {
        create::create(path, input, kek, now)?;
        let Found::Present(vault) = Self::open(path)? else {
            return Err(Error::Storage(io::ErrorKind::NotFound.into()));
        };
        let keys = vault.unwrap(kek)?;
        Ok((vault, keys))
    }

    /// What to derive the key of a new password or recovery code from: these parameters and a fresh salt.
    ///
    /// # Errors
    /// [`Error::Random`].
    pub fn new_kdf_input(kind: SlotKind, params: KdfParams) -> Result<KdfInput, Error> {
        slot::new_input(kind, params)
    }

    /// What to derive the key of the slot of that kind from, if there is one; a slot for the password always is.
    ///
    /// # Errors
    /// [`Error::WeakenedKdf`] if any slot is out of bounds, [`Error::Corrupt`].
    pub fn kdf_input(&self, kind: SlotKind) -> Result<Option<KdfInput>, Error> {
        let inputs = self.store.read(|reader| slot::inputs(reader))?;
        Ok(inputs.into_iter().find(|input| input.kind() == kind))
    }

    /// The key slots, in the order of their ids. Needs no key.
    ///
    /// # Errors
    /// As [`Vault::kdf_input`].
    pub fn slots(&self) -> Result<Vec<SlotInfo>, Error> {
        let inputs = self.store.read(|reader| slot::inputs(reader))?;
        let info = |input: &KdfInput| SlotInfo {
            id: input.slot(),
            kind: input.kind(),
            params: input.params(),
            device: input.device(),
        };
        Ok(inputs.iter().map(info).collect())
    }

    /// What tells whether the key slots are as they were: BLAKE3 of their rows.
    ///
    /// # Errors
    /// [`Error::Corrupt`], [`Error::Storage`].
    pub fn slots_digest(&self) -> Result<[u8; 32], Error> {
        self.store.read(|reader| {
            let mut hasher = blake3::Hasher::new();
            reader.each(Table::Slots, None, |id, row| {
                hasher.update(id).update(&(row.len() as u64).to_le_bytes()).update(row);
                Ok(true)
            })?;
            Ok(*hasher.finalize().as_bytes())
        })
    }

    /// Opens the master key, and compares key slots and settings with what the last change left. The same
    /// work however many secrets there are.
    ///
    /// # Errors
    /// [`Error::WrongPassword`]; [`Error::NoDeviceKey`] if the slot is bound to one that is not mixed in,
    /// [`Error::WrongDeviceKey`] if it is another one; [`Error::Corrupt`] if the slot, or any other slot or setting, is
    /// not what it was: an older one put back, too.
    pub fn unwrap(&self, kek: &Kek) -> Result<Keys, Error> {
        self.store.read(|reader| {
            let id = [kek.slot()];
            let row = reader.get(Table::Slots, &id)?.ok_or(Damage::Slot)?;
            let mut keys = Slot::from_row(&id, row.value())?.unwrap(&self.header.id, kek)?;
            State::read(&self.header.id, &keys, reader)?.0.check_control(&keys, reader)?;
            contexts::read(&self.header.id, &mut keys, reader)?;
            Ok(keys)
        })
    }

    /// Lets `new_kek`, derived from `input`, open the vault: instead of the key that did, if there is a slot of that
    /// kind.
    ///
    /// # Errors
    /// As [`Draft::finish`]; [`Error::NoDeviceKey`], [`Error::WrongDeviceKey`] if the key is not that of the input.
    pub fn rewrap(&self, keys: &Keys, input: &KdfInput, new_kek: &Kek) -> Result<Change, Error> {
        let mut draft = self.draft(keys)?;
        draft.rewrap(input, new_kek)?;
        draft.finish()
    }

    /// Lets the recovery code open the vault no more.
    ///
    /// # Errors
    /// As [`Draft::finish`]; [`Error::NotFound`] if there is none.
    pub fn remove_recovery(&self, keys: &Keys) -> Result<Change, Error> {
        let mut draft = self.draft(keys)?;
        draft.remove_slot(SlotKind::Recovery)?;
        draft.finish()
    }

    /// The memory of wrong passwords; zero in a new vault.
    ///
    /// # Errors
    /// [`Error::Corrupt`] if it cannot be read.
    pub fn throttle(&self) -> Result<Throttle, Error> {
        let row = self.plain(throttle::KEY)?;
        row.map_or(Ok(Throttle::default()), |row| Throttle::from_row(row.value()))
    }

    /// Stores it. On the disk when this returns.
    ///
    /// # Errors
    /// [`Error::Storage`].
    pub fn store_throttle(&self, throttle: &Throttle) -> Result<(), Error> {
        let op = (Table::Plain, throttle::KEY.to_vec(), Some(throttle.to_row()));
        self.store.put(vec![op])
    }

    /// Since when no session may be opened, in Unix milliseconds; `None` if one may.
    ///
    /// # Errors
    /// [`Error::Corrupt`] if it cannot be read.
    pub fn panic(&self) -> Result<Option<u64>, Error> {
        self.store.read(|reader| panic::read(reader))
    }

    /// Stores it. On the disk when this returns.
    ///
    /// # Errors
    /// [`Error::Storage`].
    pub fn store_panic(&self, since: Option<u64>) -> Result<(), Error> {
        self.store.put(vec![(Table::Plain, panic::KEY.to_vec(), since.map(panic::to_row))])
    }

    /// The current version of a secret, value and fields, in one decryption.
    ///
    /// # Errors
    /// [`Error::NotFound`] if there is no such secret or it is removed, [`Error::Corrupt`] if what is found
    /// is not the secret of that name.
    pub fn read(&self, keys: &Keys, name: &str) -> Result<Opened, Error> {
        self.store.read(|reader| {
            let id = self.locate(keys, reader, name)?;
            let Some(row) = reader.get(Table::Values, id.as_bytes())? else {
                // Removed, says the sealed meta row; or the row was deleted.
                let info = self.info_at(keys, reader, &id, name)?;
                return Err(if info.is_removed() { Error::NotFound } else { Damage::Row.into() });
            };
            let opened = Opened::from_row(keys, &self.place(Table::Values, &id), row.value())?;
            if opened.name() == name { Ok(opened) } else { Err(Damage::Index.into()) }
        })
    }

    /// What is known of a secret without opening its value, removed ones included.
    ///
    /// # Errors
    /// As [`Vault::read`].
    pub fn info(&self, keys: &Keys, name: &str) -> Result<Info, Error> {
        self.store.read(|reader| {
            let id = self.locate(keys, reader, name)?;
            self.info_at(keys, reader, &id, name)
        })
    }

    /// Up to `examine` entries behind `after`, in the order of their ids. What of them is damaged is told beside the
    /// others.
    ///
    /// # Errors
    /// [`Error::Corrupt`], [`Error::Storage`]: neither what is known of them nor their values can be gone through.
    pub fn page(&self, keys: &Keys, after: Option<EntryId>, examine: usize) -> Result<Page, Error> {
        self.store.read(|reader| page::page(&self.header.id, keys, reader, after, examine))
    }

    /// A setting. Its key is 1 to 64 bytes of printable ASCII, and not `set`.
    ///
    /// # Errors
    /// [`Error::Name`], [`Error::Corrupt`] if any setting is not what the last change left.
    pub fn setting(&self, keys: &Keys, key: &str) -> Result<Option<Zeroizing<Vec<u8>>>, Error> {
        self.store.read(|reader| setting::read(&self.header.id, keys, key, reader))
    }

    /// When the last backup was made, in Unix seconds.
    ///
    /// # Errors
    /// [`Error::Corrupt`] if it cannot be read.
    pub fn last_backup(&self) -> Result<Option<u64>, Error> {
        let row = self.plain(last_backup::KEY)?;
        row.map(|row| last_backup::from_row(row.value())).transpose()
    }

    /// Stores it. On the disk when this returns.
    ///
    /// # Errors
    /// [`Error::Storage`].
    pub fn store_last_backup(&self, at: u64) -> Result<(), Error> {
        self.store.put(vec![(Table::Plain, last_backup::KEY.to_vec(), Some(last_backup::to_row(at)))])
    }

    /// When the vault was last tested, and what came of it; `None`: it never was.
    ///
    /// # Errors
    /// [`Error::Corrupt`] if it cannot be read.
    pub fn last_test(&self) -> Result<Option<LastTest>, Error> {
        let row = self.plain(last_test::KEY)?;
        row.map(|row| LastTest::from_row(row.value())).transpose()
    }

    /// Stores it. On the disk when this returns.
    ///
    /// # Errors
    /// [`Error::Storage`].
    pub fn store_last_test(&self, test: LastTest) -> Result<(), Error> {
        self.store.put(vec![(Table::Plain, last_test::KEY.to_vec(), Some(test.to_row()))])
    }

    /// A draft of changes on top of the newest state.
    ///
    /// # Errors
    /// [`Error::Storage`], [`Error::Corrupt`].
    pub fn draft<'k>(&self, keys: &'k Keys) -> Result<Draft<'k>, Error> {
        Ok(Draft::new(self.header.id, keys, self.store.reader()?))
    }

    /// Commits a change: all of it is on the disk when this returns, or nothing is changed. (Where the very
    /// last sync fails, the disk alone knows; what is read afterwards is one or the other, whole.)
    ///
    /// # Errors
    /// [`Error::Conflict`] if another change was committed since the draft, [`Error::Storage`] if the disk
    /// is full, read-only or broken. [`Error::NotOverwritten`]: the change is on the disk.
    pub fn commit(&self, change: Change) -> Result<(), Error> {
        if change.ops.is_empty() {
            return Ok(());
        }
        let mark = change.mark(self.header.id);
        let replaces_slots = self.store.change(&change.base, change.ops)?;
        *self.committed() = mark;
        if !replaces_slots {
            return Ok(());
        }
        self.store.overwrite_former().map_err(|error| Error::NotOverwritten(Box::new(error)))
    }

    /// The state that the last [`Vault::commit`] left on the disk; `None` before the first. Needs no key, and waits for
    /// nothing.
    #[must_use]
    pub fn committed_mark(&self) -> Option<Mark> {
        *self.committed()
    }

    pub(crate) fn committed(&self) -> MutexGuard<'_, Option<Mark>> {
        // It is replaced as a whole, also after a panic.
        self.committed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Brings into the vault's own file what [`Vault::commit`] has left on the disk beside it. To be called soon
    /// after, though not after each one, and after [`Vault::open`]: nothing is ever lost without it, but the file
    /// alone is not the whole vault. Overwrites former key slots that could not be when they were replaced. Does nothing
    /// if there is nothing to do; dropping the vault does the former of these, too.
    ///
    /// # Errors
    /// [`Error::Storage`] if the disk is full, read-only or broken; [`Error::NotOverwritten`].
    pub fn settle(&self) -> Result<(), Error> {
        self.store.settle()?;
        self.store.overwrite_former().map_err(|error| Error::NotOverwritten(Box::new(error)))
    }

    /// Closes the vault: all of it is in its own file, on the disk. Dropping it does the same, as far as it can.
    ///
    /// # Errors
    /// As [`Vault::settle`]; what was committed lies beside the file then.
    pub fn close(self) -> Result<(), Error> {
        self.store.close()
    }

    /// How many changes the vault has seen.
    ///
    /// # Errors
    /// [`Error::Corrupt`].
    pub fn generation(&self, keys: &Keys) -> Result<u64, Error> {
        self.store.read(|reader| Ok(State::read(&self.header.id, keys, reader)?.0.generation))
    }

    /// The state that the vault is in: what an outside anchor remembers, to notice an older file.
    ///
    /// # Errors
    /// [`Error::Corrupt`].
    pub fn mark(&self, keys: &Keys) -> Result<Mark, Error> {
        let (_, row) = self.store.read(|reader| State::read(&self.header.id, keys, reader))?;
        let key = traceless(|| contexts::current(keys));
        Mark::of(self.header.id, Some(key), &row).ok_or(Error::Corrupt(Damage::Control))
    }

    /// Begins a check of all rows against what the last change left.
    ///
    /// # Errors
    /// [`Error::Corrupt`] if settings or key slots are not what the last change left.
    pub fn check(&self, keys: &Keys) -> Result<Check, Error> {
        Check::new(&self.header.id, keys, self.store.reader()?)
    }

    /// Begins an examination of all of the vault, from its file, which is read as a whole first: `read` counts the bytes.
    /// Nothing may be committed until this returns. Needs no key.
    ///
    /// # Errors
    /// [`Error::Storage`] if the disk is full, read-only or broken, [`Error::Corrupt`] if the store cannot be read at
    /// all.
    pub fn examine(&self, read: Arc<AtomicU64>) -> Result<Examination, Error> {
        self.store.settle()?;
        let held = self.store.reader()?;
        Examination::begin(self.header.id, Moment::now(self.store.path(), read)?, held)
    }

    /// How often the file was opened again since [`Vault::open`]. An [`Examination`] that was begun before the last time
    /// may take for damage what was written since.
    #[must_use]
    pub fn opened_again(&self) -> u64 {
        self.store.opened_again()
    }

    /// Calls `each` with table, key and row of every row, as they lie in the file: sealed. Needs no key.
    ///
    /// # Errors
    /// Those of `each`, [`Error::Corrupt`], [`Error::Storage`].
    pub fn rows(&self, mut each: impl FnMut(&str, &[u8], &[u8]) -> Result<(), Error>) -> Result<(), Error> {
        let reader = self.store.reader()?;
        for table in Table::ALL {
            reader.each(table, None, |key, row| each(table.name(), key, row).map(|()| true))?;
        }
        Ok(())
    }

    /// Begins a backup of the vault as it is now. Needs no key.
    ///
    /// # Errors
    /// [`Error::Storage`], [`Error::Corrupt`].
    pub fn backup(&self) -> Result<Backup, Error> {
        self.store.read(|reader| Backup::new(Arc::clone(reader)))
    }

    /// How big the vault is.
    ///
    /// # Errors
    /// [`Error::Storage`].
    pub fn stats(&self) -> Result<Stats, Error> {
        self.store.stats()
    }

    /// How many secrets it holds.
    ///
    /// # Errors
    /// [`Error::Storage`].
    pub fn entries(&self) -> Result<u64, Error> {
        self.store.read(|reader| reader.count(Table::Values))
    }

    /// The vault's id.
    #[must_use]
    pub fn id(&self) -> VaultId {
        self.header.id
    }

    /// When the vault was made, in Unix seconds.
    #[must_use]
    pub fn created(&self) -> u64 {
        self.header.created
    }

    pub(crate) fn store(&self) -> &Store {
        &self.store
    }

    /// A row of what is known without a key.
    fn plain(&self, key: &[u8]) -> Result<Option<Row>, Error> {
        self.store.read(|reader| reader.get(Table::Plain, key))
    }

    fn locate(&self, keys: &Keys, reader: &Reader, name: &str) -> Result<EntryId, Error> {
        name::check(name)?;
        let row = reader.get(Table::Names, &name::key(keys, name))?.ok_or(Error::NotFound)?;
        EntryId::read(row.value()).ok_or(Error::Corrupt(Damage::Index))
    }

    fn info_at(&self, keys: &Keys, reader: &Reader, id: &EntryId, name: &str) -> Result<Info, Error> {
        let row = reader.get(Table::Meta, id.as_bytes())?.ok_or(Damage::Index)?;
        let info = Info::from_row(keys, &self.place(Table::Meta, id), row.value())?;
        if info.name == name { Ok(info) } else { Err(Damage::Index.into()) }
    }

    /// Where an entry's row lies; its version is read from the row.
    fn place<'a>(&'a self, table: Table, id: &'a EntryId) -> Place<'a> {
        Place { vault: &self.header.id, table, id: id.as_bytes(), version: 0 }
    }
}

impl fmt::Debug for Vault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Vault").field("id", &self.header.id).finish_non_exhaustive()
    }
}

/// What the vault says of itself in the clear.
pub(crate) fn read_header(reader: &Reader) -> Result<Header, Error> {
    let row = reader.get(Table::Header, header::KEY)?.ok_or(Damage::Header)?;
    Header::from_row(row.value())
}
