//! Another file in the place of the one that is open: whoever has the store goes on with it, and what was read of the
//! one before stays readable until it is let go.

use std::fs::File;
use std::path::Path;
use std::sync::PoisonError;
use std::sync::atomic::Ordering;

use super::{Open, Store};
use crate::Error;
use crate::identity::Identity;

/// An open file that is not the store's: not yet, or no longer.
pub(crate) struct Other {
    open: Option<Open>,
    identity: Identity,
}

impl Store {
    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The file itself, once more, with the same lock.
    pub fn file(&self) -> Result<File, Error> {
        self.with_open(Open::file)
    }

    /// Brings everything into the file, and takes no change from here on: [`Error::Conflict`].
    pub fn rest(&self) -> Result<(), Error> {
        self.resting.store(true, Ordering::SeqCst);
        // Behind whoever was writing.
        drop(self.open.write().unwrap_or_else(PoisonError::into_inner));
        let settled = self.tried(|open| {
            self.in_place(open)?;
            open.settle_all()?;
            open.overwrite(&[])
        });
        settled.inspect_err(|_| self.go_on())
    }

    /// Takes changes again.
    pub fn go_on(&self) {
        self.resting.store(false, Ordering::SeqCst);
    }

    /// Opens the file that is now where this one was.
    pub fn other(&self) -> Result<Other, Error> {
        let open = Open::strictly(&self.path)?;
        Ok(Other { identity: open.identity()?, open: Some(open) })
    }

    /// Goes on with the other file, and gives the one before.
    pub fn exchange(&self, other: Other) -> Other {
        let mut other = other;
        let mut open = self.open.write().unwrap_or_else(PoisonError::into_inner);
        std::mem::swap(&mut *open, &mut other.open);
        std::mem::swap(&mut *self.identity(), &mut other.identity);
        drop(open);
        *self.newest() = None;
        // What was to be overwritten lay in the one before, all of which is.
        self.former().clear();
        self.go_on();
        other
    }
}

impl Other {
    /// Which file it is.
    pub fn identity(&self) -> Identity {
        self.identity
    }

    /// The file itself, once more.
    pub fn file(&self) -> Result<Option<File>, Error> {
        self.open.as_ref().map(Open::file).transpose()
    }

    /// Whether a snapshot of it is there still.
    pub fn is_read(&self) -> bool {
        self.open.as_ref().is_some_and(Open::is_read)
    }
}

impl Drop for Other {
    fn drop(&mut self) {
        // What lies beside is that of the file in the place, and this one had all of its own.
        drop(self.open.take().map(Open::close));
    }
}
