//! The new file takes the old one's place: on the disk by one rename, in memory by one step of whoever serves it. In
//! between nothing is written. The old file is overwritten when nobody reads it any more.

use std::fs::{self, File};
use std::io;
use std::path::Path;

use crate::Error;
use crate::create::open_directory_of;
use crate::identity::Identity;
use crate::mark::Mark;
use crate::redo::Redo;
use crate::store::{Op, Other, Store, Table};
use crate::vault::Vault;

use super::Rotation;
use super::pass::half;
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
    /// [`Error::Storage`], and [`Error::HalfRotated`] if the new file is damaged, somebody else has it open, or another
    /// one had taken its name: the vault goes on as before. [`Error::InPlace`] if the new file is in the place, and
    /// [`Error::MovedBack`] if the old one is in it again: the disk may not have that, and this one takes no change any
    /// more.
    pub fn move_in(&self, rotation: Rotation) -> Result<MovedIn, Error> {
        let Rotation { to, directory } = rotation;
        let mark = to.committed_mark();
        let store = self.store();
        store.rest()?;
        let moved =
            self.memory().and_then(|rows| Ready::new(store, &directory, to, rows)).and_then(|ready| {
                let new = ready.move_to().and_then(|()| other(store, &ready.new));
                new.or_else(|error| ready.move_back().and(Err(error)))
            });
        match moved {
            Ok(new) => Ok(MovedIn { new, mark, directory }),
            Err(unknown @ (Error::InPlace(_) | Error::MovedBack(_))) => Err(unknown),
            Err(error) => {
                directory.drop_second_name();
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
    let other = store.other().map_err(half)?;
    let closed = Identity::of(file).map_err(Error::Storage)?;
    if other.identity() == closed { Ok(other) } else { Err(Error::HalfRotated) }
}

/// Whatever moving the new file into the place takes, and moving it out again: from here on the disk alone can refuse.
struct Ready<'a> {
    directory: &'a Directory,
    vault: &'a Path,
    /// Which file is served.
    old: Identity,
    /// The new one.
    new: File,
    /// The directory that the vault lies in, and that of the rotation.
    names: [File; 2],
}

impl<'a> Ready<'a> {
    /// Has the new file closed, with `rows`, and the old one's second name on the disk.
    fn new(store: &'a Store, directory: &'a Directory, to: Vault, rows: Vec<Op>) -> Result<Self, Error> {
        let new = to.store().put(rows).and_then(|()| close(to, directory)).map_err(half)?;
        let vault = store.path();
        let names = [open_directory_of(vault)?, directory.opened()?];
        let old = Identity::of(&store.file()?).map_err(Error::Storage)?;
        directory.second_name()?;
        names[1].sync_all().map_err(Error::Storage)?;
        Ok(Self { directory, vault, old, new, names })
    }

    fn move_to(&self) -> Result<(), Error> {
        fs::rename(self.directory.vault(), self.vault).map_err(Error::Storage)?;
        self.sync().map_err(Error::Storage)
    }

    /// The old file has its name again, if it had lost it; and what had that has the name that it had before, to be gone
    /// on with.
    ///
    /// # Errors
    /// [`Error::InPlace`], [`Error::MovedBack`].
    fn move_back(&self) -> Result<(), Error> {
        if Identity::at(self.vault).is_ok_and(|named| named == Some(self.old)) {
            return Ok(());
        }
        // So that it is without a name at no moment. Where it cannot have a second one, another rotation begins anew.
        let _ = fs::hard_link(self.vault, self.directory.vault());
        fs::rename(self.directory.former(), self.vault).map_err(Error::InPlace)?;
        self.sync().map_err(Error::MovedBack)
    }

    fn sync(&self) -> io::Result<()> {
        self.names.iter().try_for_each(File::sync_all)
    }
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
