//! The new file takes the old one's place: on the disk by one rename, in memory by one step of whoever serves it. In
//! between nothing is written. The old file is overwritten when nobody reads it any more.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use crate::Error;
use crate::create::sync_directory_of;
use crate::mark::Mark;
use crate::redo::Redo;
use crate::store::{Op, Other, Store, Table};
use crate::vault::Vault;

use super::Rotation;
use super::place::{Directory, Erased};

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
    /// before. [`Error::InPlace`]: which of the two the disk has is not known;
    /// this one takes no change any more.
    pub fn move_in(&self, rotation: Rotation) -> Result<MovedIn, Error> {
        let Rotation { to, directory } = rotation;
        let mark = to.committed_mark();
        let store = self.store();
        store.rest()?;
        let ready = self.memory().and_then(|rows| {
            to.store().put(rows)?;
            let file = close(to, &directory)?;
            second_name(store.path(), &directory).map(|()| file)
        });
        let file = ready.inspect_err(|_| store.go_on())?;
        match move_to(&directory, store.path()).and_then(|()| other(store, &file)) {
            Ok(new) => Ok(MovedIn { new, mark, directory }),
            Err(Error::InPlace(error)) => Err(Error::InPlace(error)),
            Err(error) => {
                move_back(&directory, store.path())?;
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
    let identity =
        |file: &File| file.metadata().map(|about| (about.dev(), about.ino())).map_err(Error::Storage);
    let opened = other.file()?.as_ref().map(identity).transpose()?;
    if opened == Some(identity(file)?) { Ok(other) } else { Err(Error::HalfRotated) }
}

/// Gives the old file a second name, by which it is found to be overwritten.
fn second_name(vault: &Path, directory: &Directory) -> Result<(), Error> {
    let former = directory.former();
    if !directory.former_is_needless() {
        return Err(Error::Storage(io::ErrorKind::AlreadyExists.into()));
    }
    match fs::remove_file(&former) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(Error::Storage(error)),
        _ => {}
    }
    fs::hard_link(vault, former).map_err(Error::Storage)?;
    directory.sync()
}

fn move_to(directory: &Directory, vault: &Path) -> Result<(), Error> {
    fs::rename(directory.vault(), vault).map_err(Error::Storage)?;
    sync_directory_of(vault)?;
    directory.sync()
}

/// The old file has its name again, if it had lost it.
fn move_back(directory: &Directory, vault: &Path) -> Result<(), Error> {
    if directory.vault().symlink_metadata().is_ok() {
        return Ok(());
    }
    let unknown = |error| match error {
        Error::Storage(error) => Error::InPlace(error),
        other => other,
    };
    fs::rename(directory.former(), vault).map_err(Error::InPlace)?;
    sync_directory_of(vault).map_err(unknown)
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
