//! A new master key for a vault that is in use: beside it, a second file is filled with the same secrets, sealed under
//! keys of its own, and takes its place when it has all of them.
//!
//! What is filled is an ordinary vault at each moment. A row that is sealed anew has the version that it had, and a
//! nonce that is derived from the row it was made of: so it is known by its first bytes whether the new file has a row
//! already, after a kill and when the old one was changed meanwhile, and nothing else has to be remembered. The same
//! row sealed twice is the same bytes; two rows never share a nonce.
//!
//! The new master key lies beside the new file in a slot that takes both the password and the old master key
//! ([`Unfinished`]): who has one of them has nothing, and a file of an earlier rotation that is put there is none.
//!
//! | step | needs | may take |
//! |---|---|---|
//! | [`Unfinished::find`], [`Rotation::open`], [`Plan::build`], [`Rotation::commit`], [`Rotation::discard`], [`Vault::move_in`], [`Former::erase`] | ciphertext only | a disk's time |
//! | [`Unfinished::unwrap`], [`Plan::new`], [`Pass::carry`], [`Rotation::change`], [`Rotation::finish`], [`Vault::take_up`] | the keys | microseconds to a millisecond |

mod clear;
mod finish;
mod pass;
mod place;
mod swap;

use std::fmt;
use std::fs::OpenOptions;
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use glassdome_lockmem::{LockedBytes, scrub_stack};

use crate::Error;
use crate::check::{Check, CheckStep};
use crate::create::first_rows;
use crate::draft::Change;
use crate::header::Header;
use crate::kdf::{KdfInput, KdfParams, Kek};
use crate::keys::{KEY, Keys};
use crate::mark::Mark;
use crate::seal::derive;
use crate::slot::{self, Slot};
use crate::state::State;
use crate::store::{NewRow, Store};
use crate::vault::{Found, Vault};

pub use clear::{Cleared, clear_up, discard_unfinished, make_way, unfinished_since};
use pass::half;
pub use pass::{Carried, Pass};
use place::Directory;
pub use place::Erased;
pub use swap::{Former, MovedIn};

/// BLAKE3 context of the key that the slot of an unfinished rotation is sealed under.
const CONTEXT: &str = "glassdome v1 rotation";
/// So many times the work of the vault's own slot is not asked for: they are calibrated at two times, of which one may
/// have been busy.
const DEARER: u64 = 8;

/// The key under which the new master key lies beside the new file: it takes both.
fn both(kek: &Kek, old: &Keys) -> Result<Kek, Error> {
    let mut key = LockedBytes::zeroed(KEY)?;
    derive(CONTEXT, &[kek.expose(), old.settings()], key.expose_mut());
    scrub_stack();
    Ok(kek.with_key(key))
}

/// A rotation that was begun and has not come to its end, as it lies on the disk.
#[derive(Debug)]
pub struct Unfinished {
    row: Vec<u8>,
    input: KdfInput,
}

impl Unfinished {
    /// That of the vault at `vault`; `None` if there is none that could be gone on with.
    ///
    /// # Errors
    /// [`Error::Storage`].
    pub fn find(vault: &Path) -> Result<Option<Self>, Error> {
        let Some(row) = Directory::beside(vault).read_key()? else { return Ok(None) };
        // What cannot be read is of no use: it is begun anew.
        let Ok(slot) = Slot::from_row(&[0], &row) else { return Ok(None) };
        let input = slot.input.clone();
        Ok(Some(Self { input, row }))
    }

    /// Whether its key costs what one of that vault may, whose own costs `own`. What says otherwise was written by
    /// nobody who keeps the vault: it would hold up whoever derives it.
    #[must_use]
    pub fn is_affordable(&self, own: KdfParams) -> bool {
        self.input.params().work() <= own.work().saturating_mul(DEARER)
    }

    /// What to derive its key from.
    #[must_use]
    pub fn input(&self) -> &KdfInput {
        &self.input
    }

    /// The new keys, which `kek` opens together with those of the vault; `None` if they do not: it was begun under
    /// another password, or of another master key.
    ///
    /// # Errors
    /// [`Error::Memory`].
    pub fn unwrap(&self, vault: &Vault, old: &Keys, kek: &Kek) -> Result<Option<Keys>, Error> {
        let slot = Slot::from_row(&[0], &self.row)?;
        match slot.unwrap(&vault.id(), &both(kek, old)?) {
            Ok(keys) => inherit(keys, old).map(Some),
            Err(Error::Memory(error)) => Err(Error::Memory(error)),
            Err(_) => Ok(None),
        }
    }
}

/// A rotation that is to begin: what its files will hold, all of it sealed.
pub struct Plan {
    vault: Mark,
    rows: Vec<NewRow>,
    key: Vec<u8>,
}

impl Plan {
    /// Draws a new master key for `vault`, which `kek`, derived from `input`, is to open.
    ///
    /// # Errors
    /// [`Error::Random`], [`Error::Memory`], [`Error::Corrupt`].
    pub fn new(vault: &Vault, old: &Keys, input: &KdfInput, kek: &Kek) -> Result<(Self, Keys), Error> {
        let keys = inherit(Keys::random()?, old)?;
        let header = Header { id: vault.id(), created: vault.created() };
        let rows = first_rows(&header, &keys, input, kek)?;
        let key = slot::wrap(&header.id, &keys, input, &both(kek, old)?)?;
        Ok((Self { vault: vault.mark(old)?, rows, key }, keys))
    }

    /// Makes the files beside the vault at `vault`. What was there of another rotation is gone; what others put there is
    /// beside it under another name.
    ///
    /// # Errors
    /// [`Error::Storage`]; [`Error::HalfRotated`] if somebody else took the new file away again.
    pub fn build(self, vault: &Path) -> Result<Rotation, Error> {
        let directory = Directory::beside(vault);
        directory.make(&self.vault)?;
        let built = (|| {
            directory.write_key(&self.key)?;
            let mut options = OpenOptions::new();
            let file = options.read(true).write(true).create_new(true).mode(0o600).open(directory.vault());
            let file = file.map_err(Error::Storage)?;
            let synced = file.try_clone().map_err(Error::Storage)?;
            let mut rows = self.rows.into_iter();
            Store::create(file, || Ok(rows.next()))?;
            synced.sync_all().map_err(Error::Storage)?;
            directory.sync()?;
            Rotation::open(vault)
        })();
        match built {
            Ok(Some(rotation)) => Ok(rotation),
            failed => {
                // It would only take room.
                let _ = directory.remove();
                failed.and(Err(Error::HalfRotated))
            }
        }
    }
}

impl fmt::Debug for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Plan").field("rows", &self.rows.len()).finish_non_exhaustive()
    }
}

/// A rotation under way: the new file.
#[derive(Debug)]
pub struct Rotation {
    to: Vault,
    directory: Directory,
}

impl Rotation {
    /// The one that was begun beside the vault at `vault`; `None` if its file is missing or not a vault, if somebody
    /// else has it open or has taken its mode away, or if something else lies where the former file is to go.
    ///
    /// # Errors
    /// [`Error::Storage`]; so it is where the vault cannot have the second name that it takes at the end.
    pub fn open(vault: &Path) -> Result<Option<Self>, Error> {
        let directory = Directory::beside(vault);
        if !directory.former_is_needless() {
            return Ok(None);
        }
        match Vault::open(&directory.vault()) {
            Ok(Found::Present(to)) => {
                directory.try_second_name()?;
                Ok(Some(Self { to, directory }))
            }
            Err(error) if error.is_unreadable() => Ok(None),
            Err(Error::Storage(error)) if error.kind() != io::ErrorKind::PermissionDenied => {
                Err(Error::Storage(error))
            }
            Ok(Found::Missing) | Err(_) => Ok(None),
        }
    }

    /// Whether it can be gone on with: the new file is of `vault`, and under `new`.
    ///
    /// # Errors
    /// [`Error::Storage`].
    pub fn fits(&self, vault: &Vault, new: &Keys) -> Result<bool, Error> {
        if self.to.id() != vault.id() {
            return Ok(false);
        }
        let reader = self.to.store().reader()?;
        let checked = State::read(&self.to.id(), new, &reader)
            .and_then(|(state, _)| state.check_control(new, &reader))
            .and_then(|()| slot::inputs(&reader));
        match checked {
            Ok(_) => Ok(true),
            Err(error @ Error::Storage(_)) if !error.is_unreadable() => Err(error),
            Err(_) => Ok(false),
        }
    }

    /// The vault that is being filled.
    #[must_use]
    pub fn vault(&self) -> &Vault {
        &self.to
    }

    /// Rows that it has already.
    ///
    /// # Errors
    /// [`Error::Corrupt`], [`Error::Storage`].
    pub fn rows(&self) -> Result<u64, Error> {
        let reader = self.to.store().reader()?;
        pass::CARRIED.iter().try_fold(0, |sum, &table| Ok(sum + reader.count(table)?))
    }

    /// Begins a comparison of all rows of `vault` with what is there.
    ///
    /// # Errors
    /// [`Error::Corrupt`] if the vault's settings or key slots are not those of the last change.
    pub fn pass(&self, vault: &Vault, old: &Keys) -> Result<Pass, Error> {
        Pass::new(vault, old)
    }

    /// What is to be [committed](Self::commit) of what a pass has carried.
    ///
    /// # Errors
    /// As [`Draft::finish`](crate::Draft::finish); [`Error::HalfRotated`] if the new file is damaged.
    pub fn change(&self, pass: &mut Pass, new: &Keys) -> Result<Change, Error> {
        let mut draft = self.to.draft(new).map_err(half)?;
        for ((table, key), row) in pass.take() {
            draft.write(table, key, row);
        }
        draft.finish().map_err(half)
    }

    /// Commits a change to the new file.
    ///
    /// # Errors
    /// As [`Vault::commit`]; [`Error::HalfRotated`] if the new file is damaged, somebody else has it open by now, or
    /// something is planted beside it.
    pub fn commit(&self, change: Change) -> Result<(), Error> {
        self.to.commit(change).map_err(half)
    }

    /// Begins the check of all that was written.
    ///
    /// # Errors
    /// As [`Vault::check`]; [`Error::HalfRotated`] if the new file is damaged.
    pub fn check(&self, new: &Keys) -> Result<Check, Error> {
        self.to.check(new).map_err(half)
    }

    /// Checks up to `rows` more; whether that was all, and it is sound.
    ///
    /// # Errors
    /// As [`Check::step`]; [`Error::HalfRotated`] if the new file is damaged, or is not what was carried.
    pub fn check_more(check: &mut Check, new: &Keys, rows: u32) -> Result<bool, Error> {
        match check.step(new, rows).map_err(half)? {
            CheckStep::More => Ok(false),
            CheckStep::Sound { .. } => Ok(true),
            CheckStep::Altered { .. } => Err(Error::HalfRotated),
        }
    }

    /// Gives the disk its room back. What was begun is gone; the vault is as it was.
    ///
    /// # Errors
    /// [`Error::Storage`].
    pub fn discard(self) -> Result<(), Error> {
        let Self { to, directory } = self;
        drop(to);
        directory.remove()
    }
}

/// What was encrypted under the former keys' contexts stays readable with the new ones.
fn inherit(mut keys: Keys, old: &Keys) -> Result<Keys, Error> {
    crate::contexts::inherit(&mut keys, old)?;
    Ok(keys)
}
