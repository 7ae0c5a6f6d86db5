//! The new file takes the old one's place: on the disk by one rename, in memory by one step of whoever serves it. In
//! between nothing is written. The old file is overwritten when nobody reads it any more.

use std::fs::{self, File};
use std::io;
use std::path::Path;

use crate::Error;
use crate::create::sync_directory_of;
use crate::mark::Mark;
use crate::redo::Redo;
use crate::store::{Op, Other, Store, Table};
use crate::vault::Vault;

use super::Rotation;
use super::place::{Directory, Erased, is_same};

/// The new file is in the vault's place, on the disk, and was opened. The old one is served until
/// [`Vault::take_up`].
#[must_use]
pub struct MovedIn {
    new: Other,
    mark: Option<Mark>,
    directory: Directory,
}

/// The old file, which may still be read by whoever began that before.
#[must_use]
pub struct Former {
    old: Other,
    directory: Directory,
}

impl Vault {
    /// Puts the new file, after the change that [`Rotation::finish`] made, in this vault's place. From then on this
    /// one takes no change, until [`Vault::take_up`].
    ///
    /// # Errors
    /// [`Error::Storage`], and [`Error::HalfRotated`] if another file had taken the new one's name: the vault goes on as
    /// before. [`Error::InPlace`] if the new file is in the place, and [`Error::MovedBack`] if the old one is in it again:
    /// the disk may not have that, and this one takes no change any more.
    pub fn move_in(&self, rotation: Rotation) -> Result<MovedIn, Error> {
        let Rotation { to, directory } = rotation;
        let mark = to.committed_mark();
        let store = self.store();
        store.rest()?;
        let ready = self.memory().and_then(|rows| {
            to.store().put(rows)?;
            let file = close(to, &directory)?;
            directory.second_name()?;
            directory.sync().map(|()| file)
        });
        let file = ready.inspect_err(|_| store.go_on())?;
        match move_to(&directory, store.path()).and_then(|()| other(store, &file)) {
            Ok(new) => Ok(MovedIn { new, mark, directory }),
            Err(error) => {
                move_back(&directory, store)?;
                store.go_on();
                Err(error)
            }
        }
    }

    /// Serves the new file from here on, under the new keys and no other. Waits for nothing.
    pub fn take_up(&self, moved: MovedIn) -> Former {
        let MovedIn { new, mark, directory } = moved;
        *self.committed() = mark;
        Former { old: self.store().exchange(new), directory }
    }

    /// What is remembered without a key.
    fn memory(&self) -> Result<Vec<Op>, Error> {
        let mut rows = Vec::new();
        self.store().reader()?.each(Table::Plain, None, |key, row| {
            rows.push((Table::Plain, key.to_vec(), Some(row.to_vec())));
            Ok(true)
        })?;
        Ok(rows)
    }
}

impl Former {
    /// Whether nobody reads it any more.
    #[must_use]
    pub fn is_free(&self) -> bool {
        !self.old.is_read()
    }

    /// Overwrites it, and takes it away. To be called when it is free: whoever still reads finds it damaged. One that
    /// is dropped instead goes with the next [`clear_up`](super::clear_up).
    ///
    /// # Errors
    /// [`Error::Storage`].
    pub fn erase(self) -> Result<Erased, Error> {
        let Self { old, directory } = self;
        // What is overwritten is this file, whatever has its name by now.
        let file = old.file()?;
        drop(old);
        directory.erase_former(file)
    }
}

/// Closes the new file, so that all of it is on the disk, and nothing beside it; gives which it is.
fn close(to: Vault, directory: &Directory) -> Result<File, Error> {
    let file = to.store().file()?;
    to.close()?;
    match fs::remove_file(Redo::path_beside(&directory.vault())) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(Error::Storage(error)),
        _ => {}
    }
    // Who opens it next is to have the lock.
    file.sync_all().and_then(|()| file.unlock()).map_err(Error::Storage)?;
    Ok(file)
}

/// Opens what is in the vault's place now. Between its closing and here the new file was a name only, which others could
/// give to another one: an older copy of it would open under the same keys.
fn other(store: &Store, file: &File) -> Result<Other, Error> {
    let other = store.other()?;
    let about = |file: &File| file.metadata().map_err(Error::Storage);
    let (opened, closed) = (other.file()?.as_ref().map(about).transpose()?, about(file)?);
    if opened.is_some_and(|opened| is_same(&opened, &closed)) { Ok(other) } else { Err(Error::HalfRotated) }
}

fn move_to(directory: &Directory, vault: &Path) -> Result<(), Error> {
    fs::rename(directory.vault(), vault).map_err(Error::Storage)?;
    sync_directory_of(vault)?;
    directory.sync()
}

/// The old file has its name again, if it had lost it; and what had that has the name that it had before, to be gone on
/// with.
fn move_back(directory: &Directory, store: &Store) -> Result<(), Error> {
    let vault = store.path();
    let old = store.file()?.metadata().map_err(Error::Storage)?;
    if vault.symlink_metadata().is_ok_and(|named| is_same(&named, &old)) {
        return Ok(());
    }
    // So that it is without a name at no moment. Where it cannot have a second one, another rotation begins anew.
    let _ = fs::hard_link(vault, directory.vault());
    fs::rename(directory.former(), vault).map_err(Error::InPlace)?;
    sync_directory_of(vault).and_then(|()| directory.sync()).map_err(|error| match error {
        Error::Storage(error) => Error::MovedBack(error),
        other => other,
    })
}

impl std::fmt::Debug for MovedIn {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("MovedIn(…)")
    }
}

impl std::fmt::Debug for Former {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Former(…)")
    }
}
