//! A vault's file as it was at one moment, opened once to compare each page with its checksum, and once to be read row by
//! row. The pages of that moment stay as they are for as long as the store that serves holds a snapshot of
//! it; which of them are in force is told by the head of the file, of which there is a copy.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use super::pending::Pending;
use super::read_only::ReadOnly;
use super::unchanged::Unchanged;
use super::{guarded, open_checked, opening};
use crate::overlay::Overlay;
use crate::{Damage, Error};

/// redb's head with its two commits, in bytes.
const HEAD: usize = 320;

/// The file.
pub(crate) struct Moment(ReadOnly);

impl Moment {
    /// As it is now. Nobody may write to it meanwhile, nor until it was opened once: what redb keeps about its own pages
    /// is not held. `read` counts the bytes that are read of it.
    pub fn now(path: &Path, read: Arc<AtomicU64>) -> Result<Self, Error> {
        let file = File::open(path).and_then(ReadOnly::now).map_err(Error::Storage)?;
        file.with_head(HEAD, read).map(Self).map_err(|_| Damage::Store.into())
    }

    /// Reads each page, and compares it with its checksum. Nobody may write to it meanwhile.
    pub fn verify(&self) -> Result<(), Error> {
        guarded(|| {
            let mut database = open_checked(Overlay::over(self.0.clone()).map_err(opening)?)?;
            if database.check_integrity().map_err(opening)? { Ok(()) } else { Err(Damage::Store.into()) }
        })
    }

    /// Opens it.
    pub fn open(&self) -> Result<Unchanged, Error> {
        Unchanged::over(Overlay::over(self.0.clone()).map_err(opening)?, |_| Ok(Pending::default()))
    }
}
