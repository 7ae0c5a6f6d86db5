//! Changes, prepared where the keys are and committed where they are not.
//!
//! A [`Draft`] reads a snapshot and its own edits on top of it; what it writes is sealed at once. A
//! [`Change`] is what comes out: ciphertext, and the state of the store that it was based on.
//!
//! What is damaged is neither replaced nor deleted: the sums over all rows would lack, for ever, what was sealed there,
//! and nobody could tell that from a row that somebody else took away.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use crate::aad::Place;
use crate::contexts::{self, KeyId};
use crate::edit::Edit;
use crate::header::VaultId;
use crate::info::{Info, VersionKind};
use crate::kdf::{KdfInput, Kek};
use crate::keys::Keys;
use crate::mark::Mark;
use crate::record::{Opened, Record};
use crate::slot::SlotKind;
use crate::state::{self, State};
use crate::store::{Op, Reader, Row, Table};
use crate::traceless::traceless;
use crate::{Damage, EntryId, Error, MAX_SETTING, MAX_SETTINGS, name, setting, slot};

/// Edits that see each other and are committed together, or not at all.
///
/// An edit that is refused leaves the draft as it was.
pub struct Draft<'k> {
    vault: VaultId,
    keys: &'k Keys,
    base: Arc<Reader>,
    rows: BTreeMap<(Table, Vec<u8>), Option<Vec<u8>>>,
    /// The count of changes that this one is to be behind.
    behind: u64,
}

/// A finished draft: sealed rows, and what they were based on.
pub struct Change {
    /// The sealed state that the draft saw.
    pub(crate) base: Vec<u8>,
    pub(crate) ops: Vec<Op>,
    /// What it was sealed under.
    key: KeyId,
}

impl Change {
    /// The state that it leaves the vault in, once it is on the disk; `None` if it changes nothing.
    #[must_use]
    pub fn mark(&self, vault: VaultId) -> Option<Mark> {
        self.ops.iter().find_map(|(table, key, row)| {
            let row = row.as_ref().filter(|_| (*table, &key[..]) == (Table::Sealed, state::KEY))?;
            Mark::of(vault, Some(self.key), row)
        })
    }
}

impl<'k> Draft<'k> {
    pub(crate) fn new(vault: VaultId, keys: &'k Keys, base: Arc<Reader>) -> Self {
        Self { vault, keys, base, rows: BTreeMap::new(), behind: 0 }
    }

    /// Sets value, fields and expiry of a secret, new or not, and gives its new version.
    ///
    /// # Errors
    /// [`Error::Exists`] or [`Error::Stale`] if it is not what the edit expects, [`Error::Name`],
    /// [`Error::TooLarge`] and [`Error::Empty`] for what cannot be stored, [`Error::NotFound`] for a field
    /// to be taken away that is not there.
    pub fn set(&mut self, name: &str, edit: Edit<'_>, now: u64) -> Result<u64, Error> {
        let found = self.find(name)?;
        edit.expect.check(found.as_ref().map(|(_, info)| info))?;
        let (id, info) = match found {
            Some(found) => found,
            None => (EntryId::random()?, Info::nameless(now)),
        };
        let current = if info.versions.is_empty() || info.is_removed() {
            None
        } else {
            Some(self.current(&id, &info)?)
        };
        let empty = Record { name, expires: None, value: None, fields: Vec::new() };
        let kept = current.as_ref().filter(|_| !edit.whole);
        let mut record = kept.map_or(empty, Opened::record);
        edit.apply(&mut record)?;
        self.put(&id, info, current.as_ref(), Some(&record), VersionKind::Set, now)
    }

    /// Removes a secret. Unless it is purged, its name and its history are kept, to be restored from; a
    /// removed secret can still be purged.
    ///
    /// # Errors
    /// [`Error::NotFound`] if there is no such secret, [`Error::Corrupt`] if a row of it that would go is damaged or
    /// missing.
    pub fn remove(&mut self, name: &str, purge: bool, now: u64) -> Result<(), Error> {
        let (id, info) = self.find(name)?.ok_or(Error::NotFound)?;
        if purge {
            self.check_rows(&id, &info)?;
            self.purge(&id, &info);
            return Ok(());
        }
        let current = self.current(&id, &info)?;
        self.put(&id, info, Some(&current), None, VersionKind::Removed, now)?;
        Ok(())
    }

    /// Gives a secret another name, and gives its new version. What is kept of a removed secret of that
    /// name is purged.
    ///
    /// # Errors
    /// [`Error::NotFound`] if there is no secret `from`, [`Error::Exists`] if there is one `to`, [`Error::Corrupt`] with
    /// [`Damage::InTheWay`] if what is kept of a removed one is damaged.
    pub fn rename(&mut self, from: &str, to: &str, now: u64) -> Result<u64, Error> {
        let (id, info) = self.find(from)?.ok_or(Error::NotFound)?;
        let current = self.current(&id, &info)?;
        let in_the_way = self.find(to).map_err(|error| damaged_as(error, Damage::InTheWay))?;
        if in_the_way.as_ref().is_some_and(|(_, other)| !other.is_removed()) {
            return Err(Error::Exists);
        }
        if let Some((other, info)) = &in_the_way {
            self.check_rows(other, info).map_err(|error| damaged_as(error, Damage::InTheWay))?;
        }
        let record = Record { name: to, ..current.record() };
        let version = self.put(&id, info, Some(&current), Some(&record), VersionKind::Moved, now)?;
        if let Some((other, info)) = in_the_way {
            self.purge(&other, &info);
        }
        self.write(Table::Names, name::key(self.keys, from), None);
        self.write(Table::Names, name::key(self.keys, to), Some(id.as_bytes().to_vec()));
        Ok(version)
    }

    /// Makes a former version the current one again, expiry included, under the present name, and gives the
    /// new version. A removed secret is there again.
    ///
    /// # Errors
    /// [`Error::NotFound`] if there is no such secret, [`Error::NoSuchVersion`] if that version is not kept.
    pub fn restore(&mut self, name: &str, version: u64, now: u64) -> Result<u64, Error> {
        let (id, info) = self.find(name)?.ok_or(Error::NotFound)?;
        let (_, former) = info.versions.split_last().ok_or(Damage::Row)?;
        let kept = former.iter().any(|one| one.version == version && one.kind != VersionKind::Removed);
        if !kept {
            return Err(Error::NoSuchVersion);
        }
        let opened = self.former(&id, version)?;
        let current = if info.is_removed() { None } else { Some(self.current(&id, &info)?) };
        let record = Record { name, ..opened.record() };
        self.put(&id, info, current.as_ref(), Some(&record), VersionKind::Restored, now)
    }

    /// Sets a setting (`Some`) or takes it away (`None`).
    ///
    /// # Errors
    /// [`Error::Name`] if the key is not one (see [`Vault::setting`](crate::Vault::setting)),
    /// [`Error::TooLarge`] above [`MAX_SETTING`] bytes or [`MAX_SETTINGS`] settings.
    pub fn setting(&mut self, key: &str, value: Option<&[u8]>) -> Result<(), Error> {
        setting::check_key(key)?;
        let row = self.row(Table::Sealed, key.as_bytes())?;
        let version = row.map(|row| setting::version(row.bytes())).transpose()?;
        let Some(value) = value else {
            self.write(Table::Sealed, key.as_bytes().to_vec(), None);
            return Ok(());
        };
        let pending = self.rows.range((Table::Sealed, Vec::new())..(Table::Plain, Vec::new())).count();
        let count = self.base.count(Table::Sealed)? + pending as u64;
        if value.len() > MAX_SETTING || (version.is_none() && count > MAX_SETTINGS as u64) {
            return Err(Error::TooLarge);
        }
        let row =
            setting::to_row(&self.vault, self.keys, key, version.map_or(1, |version| version + 1), value)?;
        self.write(Table::Sealed, key.as_bytes().to_vec(), Some(row));
        Ok(())
    }

    /// Lets `kek` open the vault instead of what opened the slot of that kind before.
    pub(crate) fn rewrap(&mut self, input: &KdfInput, kek: &Kek) -> Result<(), Error> {
        let row = slot::wrap(&self.vault, self.keys, input, kek)?;
        self.write(Table::Slots, vec![input.slot()], Some(row));
        Ok(())
    }

    /// Takes the slot of that kind away.
    pub(crate) fn remove_slot(&mut self, kind: SlotKind) -> Result<(), Error> {
        let inputs = slot::inputs(&self.base)?;
        let found = inputs.iter().find(|input| input.kind() == kind).ok_or(Error::NotFound)?;
        self.write(Table::Slots, vec![found.slot()], None);
        Ok(())
    }

    /// Puts a row that is sealed already.
    #[cfg(test)]
    pub(crate) fn put_row(&mut self, table: Table, key: &[u8], row: Vec<u8>) {
        self.write(table, key.to_vec(), Some(row));
    }

    /// Has the vault count on from `generation`, if it counts less yet: no state of it that was ever marked comes again.
    /// A draft without other edits makes a change then.
    pub fn count_from(&mut self, generation: u64) {
        self.behind = self.behind.max(generation);
    }

    /// The current version of a secret, as this draft would leave it.
    ///
    /// # Errors
    /// [`Error::NotFound`] if there is no such secret.
    pub fn read(&self, name: &str) -> Result<Opened, Error> {
        let (id, info) = self.find(name)?.ok_or(Error::NotFound)?;
        self.current(&id, &info)
    }

    /// What is known of a secret, as this draft would leave it.
    ///
    /// # Errors
    /// [`Error::NotFound`] if there is no such secret, or it is removed.
    pub fn info(&self, name: &str) -> Result<Info, Error> {
        match self.find(name)? {
            Some((_, info)) if !info.is_removed() => Ok(info),
            _ => Err(Error::NotFound),
        }
    }

    /// Whether an entry of that name is found, removed or not.
    ///
    /// # Errors
    /// [`Error::Name`], [`Error::Corrupt`].
    pub fn knows(&self, name: &str) -> Result<bool, Error> {
        Ok(self.find(name)?.is_some())
    }

    /// Seals the whole. A draft without edits makes a change that does nothing.
    ///
    /// # Errors
    /// [`Error::Corrupt`] if settings, key slots or the state itself are not those of the last change.
    pub fn finish(self) -> Result<Change, Error> {
        traceless(|| self.seal())
    }

    fn seal(self) -> Result<Change, Error> {
        let (mut state, base) = State::read(&self.vault, self.keys, &self.base)?;
        // Or a rolled back setting would become part of the new sum.
        state.check_control(self.keys, &self.base)?;
        let mut ops = Vec::with_capacity(self.rows.len() + 1);
        for ((table, key), row) in self.rows {
            if let Some(sum) = state.sum_of(table, &key) {
                if let Some(former) = self.base.get(table, &key)? {
                    sum.subtract(self.keys.set(), table, &key, former.value());
                }
                if let Some(row) = &row {
                    sum.add(self.keys.set(), table, &key, row);
                }
            }
            ops.push((table, key, row));
        }
        if !ops.is_empty() || self.behind > state.generation {
            state.generation = state.generation.max(self.behind).checked_add(1).ok_or(Damage::Control)?;
            let row = state.to_row(&self.vault, self.keys)?;
            ops.push((Table::Sealed, state::KEY.to_vec(), Some(row)));
        }
        Ok(Change { base, ops, key: contexts::current(self.keys) })
    }

    /// The entry of that name, removed or not.
    fn find(&self, name: &str) -> Result<Option<(EntryId, Info)>, Error> {
        name::check(name)?;
        let Some(id) = self.row(Table::Names, &name::key(self.keys, name))? else { return Ok(None) };
        let id = EntryId::read(id.bytes()).ok_or(Damage::Index)?;
        let row = self.row(Table::Meta, id.as_bytes())?.ok_or(Damage::Index)?;
        let info = Info::from_row(self.keys, &self.place(Table::Meta, &id, 0), row.bytes())?;
        if info.name != name {
            return Err(Damage::Index.into());
        }
        Ok(Some((id, info)))
    }

    /// The current version of an entry; [`Error::NotFound`] if it is removed.
    fn current(&self, id: &EntryId, info: &Info) -> Result<Opened, Error> {
        if info.is_removed() {
            return Err(Error::NotFound);
        }
        let row = self.row(Table::Values, id.as_bytes())?.ok_or(Damage::Row)?;
        let opened = Opened::from_row(self.keys, &self.place(Table::Values, id, 0), row.bytes())?;
        if opened.version() != info.version() || opened.name() != info.name {
            return Err(Damage::Row.into());
        }
        Ok(opened)
    }

    /// A former version of an entry, which is kept.
    fn former(&self, id: &EntryId, version: u64) -> Result<Opened, Error> {
        let row = self.row(Table::History, &id.history_key(version))?.ok_or(Damage::Row)?;
        let opened = Opened::from_row(self.keys, &self.place(Table::History, id, version), row.bytes())?;
        if opened.version() == version { Ok(opened) } else { Err(Damage::Row.into()) }
    }

    /// Whether all rows of an entry are what was sealed, and no others are there.
    fn check_rows(&self, id: &EntryId, info: &Info) -> Result<(), Error> {
        let (now, former) = info.versions.split_last().ok_or(Damage::Row)?;
        match now.kind {
            VersionKind::Removed => self.vacant(Table::Values, id.as_bytes())?,
            _ => drop(self.current(id, info)?),
        }
        self.vacant(Table::History, &id.history_key(now.version))?;
        for one in former {
            match one.kind {
                VersionKind::Removed => self.vacant(Table::History, &id.history_key(one.version))?,
                _ => drop(self.former(id, one.version)?),
            }
        }
        Ok(())
    }

    /// Whether there is no row where none should be.
    fn vacant(&self, table: Table, key: &[u8]) -> Result<(), Error> {
        if self.row(table, key)?.is_none() { Ok(()) } else { Err(Damage::Row.into()) }
    }

    /// Writes the next version of an entry, and moves the present one to the history.
    fn put(
        &mut self,
        id: &EntryId,
        mut info: Info,
        current: Option<&Opened>,
        record: Option<&Record<'_>>,
        kind: VersionKind,
        now: u64,
    ) -> Result<u64, Error> {
        let oldest = info.versions.first().copied();
        let dropped = info.succeed(record, kind, now)?;
        match oldest.filter(|oldest| dropped == Some(oldest.version)) {
            Some(oldest) if oldest.kind != VersionKind::Removed => self.former(id, oldest.version).map(drop),
            Some(oldest) => self.vacant(Table::History, &id.history_key(oldest.version)),
            None => Ok(()),
        }
        .map_err(|error| damaged_as(error, Damage::LetGo))?;
        match current {
            Some(current) => self.vacant(Table::History, &id.history_key(current.version()))?,
            None => self.vacant(Table::Values, id.as_bytes())?,
        }
        if let Some(record) = record {
            info.name = record.name.to_owned();
        }
        let version = info.version();
        let meta = info.to_row(self.keys, &self.place(Table::Meta, id, version))?;
        let value = record
            .map(|record| record.to_row(self.keys, &self.place(Table::Values, id, version)))
            .transpose()?;
        let former = current
            .map(|former| {
                let place = self.place(Table::History, id, former.version());
                Ok::<_, Error>((former.version(), former.record().to_row(self.keys, &place)?))
            })
            .transpose()?;
        // Nothing can fail from here on.
        self.write(Table::Meta, id.as_bytes().to_vec(), Some(meta));
        self.write(Table::Values, id.as_bytes().to_vec(), value);
        if version == 1 {
            self.write(Table::Names, name::key(self.keys, &info.name), Some(id.as_bytes().to_vec()));
        }
        if let Some((version, row)) = former {
            self.write(Table::History, id.history_key(version), Some(row));
        }
        if let Some(version) = dropped {
            self.write(Table::History, id.history_key(version), None);
        }
        Ok(version)
    }

    /// Deletes all rows of an entry.
    fn purge(&mut self, id: &EntryId, info: &Info) {
        for version in &info.versions {
            self.write(Table::History, id.history_key(version.version), None);
        }
        self.write(Table::Values, id.as_bytes().to_vec(), None);
        self.write(Table::Meta, id.as_bytes().to_vec(), None);
        self.write(Table::Names, name::key(self.keys, &info.name), None);
    }

    fn place<'a>(&'a self, table: Table, id: &'a EntryId, version: u64) -> Place<'a> {
        Place { vault: &self.vault, table, id: id.as_bytes(), version }
    }

    /// Writes or deletes a row as it is to lie in the store.
    pub(crate) fn write(&mut self, table: Table, key: Vec<u8>, row: Option<Vec<u8>>) {
        self.rows.insert((table, key), row);
    }

    /// A row as the edits so far left it.
    fn row(&self, table: Table, key: &[u8]) -> Result<Option<Seen<'_>>, Error> {
        match self.rows.get(&(table, key.to_vec())) {
            Some(pending) => Ok(pending.as_deref().map(Seen::Pending)),
            None => Ok(self.base.get(table, key)?.map(Seen::Stored)),
        }
    }
}

/// What an edit met that is damaged, as what it is to that edit.
fn damaged_as(error: Error, damage: Damage) -> Error {
    if matches!(error, Error::Corrupt(_)) { damage.into() } else { error }
}

impl fmt::Debug for Draft<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Draft").field("rows", &self.rows.len()).finish_non_exhaustive()
    }
}

impl fmt::Debug for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Change").field("rows", &self.ops.len()).finish_non_exhaustive()
    }
}

/// A row in the draft or in the store.
enum Seen<'a> {
    Pending(&'a [u8]),
    Stored(Row),
}

impl Seen<'_> {
    fn bytes(&self) -> &[u8] {
        match self {
            Self::Pending(row) => row,
            Self::Stored(row) => row.value(),
        }
    }
}
