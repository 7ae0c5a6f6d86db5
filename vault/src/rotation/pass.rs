//! One look at every row of a vault, in steps: what the new file does not have is sealed anew, what it has too much is
//! taken away, and at the end it is known that what was read was the whole vault, as its last change left it.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use crate::aad::Place;
use crate::header::VaultId;
use crate::info::Info;
use crate::keys::Keys;
use crate::multiset::{Sum, element};
use crate::seal::{self, NONCE, derive};
use crate::state::State;
use crate::store::{Reader, Table};
use crate::traceless::traceless_cipher;
use crate::vault::Vault;
use crate::{Damage, EntryId, Error, name, rows};

use super::Rotation;

/// BLAKE3 context of the nonce of a row that is sealed anew.
const NONCE_CONTEXT: &str = "glassdome v1 rotation nonce";
/// What counts as one row, in bytes.
const ROW: usize = 1024;
/// Rows of which a change is made at the most.
const ROWS: usize = 2048;
/// About so many bytes of rows are in a change at the most.
const BYTES: usize = 2 * 1024 * 1024;

/// The tables whose rows are sealed anew one by one.
pub(super) const CARRIED: [Table; 3] = [Table::Meta, Table::Values, Table::History];
/// All that are read. The index of names is made of the entries, and only compared with the sum.
const READ: [Table; 4] = [Table::Names, CARRIED[0], CARRIED[1], CARRIED[2]];

/// Rows by their place, to be written or deleted.
pub(super) type Rows = BTreeMap<(Table, Vec<u8>), Option<Vec<u8>>>;

/// A pass under way, over the vault as it was when it began.
///
/// It holds that snapshot until it is dropped, so the file cannot reuse the space of what changes meanwhile.
pub struct Pass {
    from: Arc<Reader>,
    vault: VaultId,
    /// The sealed state that it is of.
    base: Vec<u8>,
    expected: Sum,
    found: Sum,
    table: usize,
    after: Option<Vec<u8>>,
    ended: bool,
    pending: Rows,
    bytes: usize,
    done: u64,
    total: u64,
}

/// How far a pass is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Carried {
    /// There is more to read.
    More,
    /// There is more to read, and enough for a [`Rotation::change`].
    Full,
    /// All was read, and is what the vault's last change left.
    All,
}

impl Pass {
    pub(super) fn new(vault: &Vault, old: &Keys) -> Result<Self, Error> {
        let from = vault.store().reader()?;
        let (state, base) = State::read(&vault.id(), old, &from)?;
        state.check_control(old, &from)?;
        let total = CARRIED.iter().try_fold(0, |sum, &table| Ok::<_, Error>(sum + from.count(table)?))?;
        Ok(Self {
            from,
            vault: vault.id(),
            base,
            expected: state.entries,
            found: Sum::default(),
            table: 0,
            after: None,
            ended: false,
            pending: Rows::new(),
            bytes: 0,
            done: 0,
            total,
        })
    }

    /// Rows that were looked at, and rows in all.
    #[must_use]
    pub fn progress(&self) -> (u64, u64) {
        (self.done, self.total)
    }

    /// Whether all was read and `vault` has not been changed since the pass began.
    ///
    /// # Errors
    /// [`Error::Corrupt`], [`Error::Storage`].
    pub fn is_current(&self, vault: &Vault, old: &Keys) -> Result<bool, Error> {
        let reader = vault.store().reader()?;
        Ok(self.ended && self.pending.is_empty() && State::read(&self.vault, old, &reader)?.1 == self.base)
    }

    /// Looks at up to `rows` more rows; a row counts once for each 1,024 bytes of it. After [`Carried::Full`] and
    /// [`Carried::All`], [`Rotation::change`] gives what is to be committed.
    ///
    /// # Errors
    /// [`Error::Corrupt`] if a row does not open, or the rows are not those of the vault's last change;
    /// [`Error::HalfRotated`] if the new file is damaged; [`Error::Storage`].
    pub fn carry(
        &mut self,
        rotation: &Rotation,
        old: &Keys,
        new: &Keys,
        rows: u32,
    ) -> Result<Carried, Error> {
        let to = rotation.vault().store().reader().map_err(half)?;
        let mut left = rows;
        while let Some(&table) = READ.get(self.table) {
            let after = self.after.take();
            let (mut last, mut seen) = (None, Vec::new());
            let from = Arc::clone(&self.from);
            from.each(table, after.as_deref(), |key, row| {
                let made_of = traceless_cipher(|| element(old.set(), table, key, row));
                self.found.add_element(&made_of);
                if table != Table::Names {
                    let nonce = nonce(new, &made_of);
                    let there = to.get(table, key).map_err(half)?;
                    if there.is_none_or(|there| there.value().get(8..8 + NONCE) != Some(&nonce[..])) {
                        self.carry_one(&to, old, new, (table, key, row), &nonce)?;
                    }
                    seen.push(key.to_vec());
                    self.done += 1;
                }
                // A large row counts as many: a step takes a bounded time, whatever is stored.
                left = left.saturating_sub(u32::try_from(1 + row.len() / ROW).unwrap_or(u32::MAX));
                last = (left == 0).then(|| key.to_vec());
                Ok(left > 0)
            })?;
            if table != Table::Names {
                self.take_away(&to, new, table, (after.as_deref(), last.as_deref()), &seen)?;
            }
            if last.is_some() {
                self.after = last;
                let full = self.pending.len() >= ROWS || self.bytes >= BYTES;
                return Ok(if full { Carried::Full } else { Carried::More });
            }
            self.table += 1;
        }
        if self.found != self.expected {
            return Err(Damage::Row.into());
        }
        self.ended = true;
        Ok(Carried::All)
    }

    /// What was carried since it was last asked.
    pub(super) fn take(&mut self) -> Rows {
        self.bytes = 0;
        std::mem::take(&mut self.pending)
    }

    fn carry_one(
        &mut self,
        to: &Reader,
        old: &Keys,
        new: &Keys,
        (table, key, row): (Table, &[u8], &[u8]),
        nonce: &[u8; NONCE],
    ) -> Result<(), Error> {
        // In the history, the version stands behind it.
        let id = EntryId::read(key.get(..16).unwrap_or(key)).ok_or(Damage::Row)?;
        let vault = self.vault;
        let place = Place { vault: &vault, table, id: id.as_bytes(), version: 0 };
        let (sealed, plain) = anew((old.records(), new.records()), &place, row, nonce)?;
        if table == Table::Meta {
            let info: Info = rows::decode(&plain)?;
            self.put(Table::Names, name::key(new, &info.name), Some(id.as_bytes().to_vec()));
            self.drop_name(to, new, &id, Some(&info.name))?;
        }
        self.put(table, key.to_vec(), Some(sealed));
        Ok(())
    }

    /// Takes away what the new file has between two rows and the vault has not.
    fn take_away(
        &mut self,
        to: &Reader,
        new: &Keys,
        table: Table,
        (after, until): (Option<&[u8]>, Option<&[u8]>),
        seen: &[Vec<u8>],
    ) -> Result<(), Error> {
        let mut seen = seen.iter().peekable();
        let mut gone = Vec::new();
        let looked = to.each(table, after, |key, _| {
            if until.is_some_and(|until| key > until) {
                return Ok(false);
            }
            while seen.next_if(|seen| seen.as_slice() < key).is_some() {}
            if seen.peek().is_none_or(|seen| seen.as_slice() != key) {
                gone.push(key.to_vec());
            }
            Ok(true)
        });
        looked.map_err(half)?;
        for key in gone {
            if table == Table::Meta {
                let id = EntryId::read(&key).ok_or(Error::HalfRotated)?;
                self.drop_name(to, new, &id, None)?;
            }
            self.put(table, key, None);
        }
        Ok(())
    }

    /// The name that the new file has for an entry leads to it no more, unless it is `now`, or another entry has it.
    fn drop_name(&mut self, to: &Reader, new: &Keys, id: &EntryId, now: Option<&str>) -> Result<(), Error> {
        let Some(row) = to.get(Table::Meta, id.as_bytes()).map_err(half)? else { return Ok(()) };
        let place = Place { vault: &self.vault, table: Table::Meta, id: id.as_bytes(), version: 0 };
        let former = Info::from_row(new, &place, row.value()).map_err(half)?;
        if now == Some(&former.name) {
            return Ok(());
        }
        let key = (Table::Names, name::key(new, &former.name));
        let leads_here = match self.pending.get(&key) {
            Some(pending) => pending.as_deref() == Some(&id.as_bytes()[..]),
            None => {
                let there = to.get(Table::Names, &key.1).map_err(half)?;
                there.is_some_and(|there| there.value() == id.as_bytes())
            }
        };
        if leads_here {
            self.put(Table::Names, key.1, None);
        }
        Ok(())
    }

    fn put(&mut self, table: Table, key: Vec<u8>, row: Option<Vec<u8>>) {
        self.bytes += row.as_ref().map_or(0, Vec::len);
        self.pending.insert((table, key), row);
    }
}

impl fmt::Debug for Pass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pass").field("done", &self.done).field("total", &self.total).finish_non_exhaustive()
    }
}

/// The row sealed under another key at the same place, and what is in it.
pub(super) fn anew(
    (old, new): (&[u8], &[u8]),
    place: &Place<'_>,
    row: &[u8],
    nonce: &[u8; NONCE],
) -> Result<(Vec<u8>, zeroize::Zeroizing<Vec<u8>>), Error> {
    let (version, plain) = rows::open(old, place, row)?;
    let mut sealed = version.to_le_bytes().to_vec();
    let fill = |out: &mut [u8]| {
        out.copy_from_slice(&plain);
        Ok(())
    };
    seal::seal_onto_with(&mut sealed, new, nonce, &Place { version, ..*place }, plain.len(), fill)?;
    Ok((sealed, plain))
}

/// The nonce of what is made of the row with that [`element`]: no other row has it, and it says nothing.
pub(super) fn nonce(new: &Keys, made_of: &[u8; 32]) -> [u8; NONCE] {
    traceless_cipher(|| {
        let mut nonce = [0; NONCE];
        derive(NONCE_CONTEXT, &[new.set(), made_of], &mut nonce);
        nonce
    })
}

/// What is wrong with the new file is not wrong with the vault; nor is that what somebody else has open, or put there.
pub(super) fn half(error: Error) -> Error {
    match error {
        error if error.is_unreadable() => Error::HalfRotated,
        Error::InUse | Error::NotAFile | Error::RedoNotAFile | Error::Displaced => Error::HalfRotated,
        // Nothing of the new file is in force yet.
        Error::NotOverwritten(cause) => half(*cause),
        error => error,
    }
}
