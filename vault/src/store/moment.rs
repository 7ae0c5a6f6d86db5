//! A vault's file as it was at one moment, opened as often as it takes: redb reads nothing more of a file once a page of
//! it was not one. The pages of that moment stay as they are for as long as the store that serves holds a snapshot of
//! it; which of them are in force is told by the head of the file, of which there is a copy.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use redb::StorageBackend;

use super::unchanged::Unchanged;
use super::{guarded, open_checked, opening};
use crate::overlay::Overlay;
use crate::{Damage, Error};

/// redb's head with its two commits, in bytes.
const HEAD: usize = 320;

/// The file.
pub(crate) struct Moment(As);

impl Moment {
    /// As it is now. Nobody may write to it meanwhile, nor until it was opened once: what redb keeps about its own pages
    /// is not held. `read` counts the bytes that are read of it.
    pub fn now(path: &Path, read: Arc<AtomicU64>) -> Result<Self, Error> {
        let file = File::open(path).map_err(Error::Storage)?;
        let length = file.metadata().map_err(Error::Storage)?.len();
        let mut head = [0; HEAD];
        file.read_exact_at(&mut head, 0).map_err(|_| Error::from(Damage::Store))?;
        Ok(Self(As { file: Arc::new(file), head, length, read }))
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
        Unchanged::over(Overlay::over(self.0.clone()).map_err(opening)?, |_| Ok(()))
    }
}

/// What redb reads.
#[derive(Debug, Clone)]
struct As {
    file: Arc<File>,
    head: [u8; HEAD],
    length: u64,
    read: Arc<AtomicU64>,
}

impl StorageBackend for As {
    fn len(&self) -> io::Result<u64> {
        Ok(self.length)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.file.read_exact_at(out, offset)?;
        if let Some(head) = usize::try_from(offset).ok().and_then(|offset| self.head.get(offset..)) {
            let both = head.len().min(out.len());
            out[..both].copy_from_slice(&head[..both]);
        }
        self.read.fetch_add(out.len() as u64, Ordering::Relaxed);
        Ok(())
    }

    fn set_len(&self, _: u64) -> io::Result<()> {
        Err(io::ErrorKind::ReadOnlyFilesystem.into())
    }

    fn sync_data(&self) -> io::Result<()> {
        Ok(())
    }

    fn write(&self, _: u64, _: &[u8]) -> io::Result<()> {
        Err(io::ErrorKind::ReadOnlyFilesystem.into())
    }
}
