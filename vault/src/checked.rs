//! A file that redb can trust: surveyed before the first byte of it is handed over, and each leaf of the
//! vault's tables looked at whenever it is read. A file in which anything is wrong gives an error: no memory
//! without a bound, and no panic of redb's but such as can be caught ([`crate::store`]). An error goes past redb where
//! that only reads ([`crate::unread`]).

use std::io;
use std::ops::{Bound, Range};
use std::sync::{PoisonError, RwLock};

use redb::{BackendError, StorageBackend};

use crate::locks::locks_of;
use crate::pages::{Node, PAGE, Shape};
use crate::survey::{Later, MAX_PAGES, survey, unsound};
use crate::unread::past_redb;

/// A checked file.
#[derive(Debug)]
pub(crate) struct Checked<F> {
    file: F,
    lenient: bool,
    /// Leaves that redb has not written itself. `None` before the survey, which must wait until redb holds the lock.
    later: RwLock<Option<Later>>,
}

impl<F: StorageBackend> Checked<F> {
    /// A file of which all that can be read is served.
    pub fn new(file: F) -> Self {
        Self { file, lenient: true, later: RwLock::new(None) }
    }

    /// A file that is opened only if all that leads through it can be read.
    pub fn strictly(file: F) -> Self {
        Self { lenient: false, ..Self::new(file) }
    }

    /// Asks about what is looked at when it is read, surveying the file if that has not been done.
    fn later<T>(&self, ask: impl FnOnce(&Later) -> T) -> io::Result<T> {
        // It is whole or absent, also after a panic.
        if let Some(later) = &*self.later.read().unwrap_or_else(PoisonError::into_inner) {
            return Ok(ask(later));
        }
        let mut later = self.later.write().unwrap_or_else(PoisonError::into_inner);
        let surveyed = match later.take() {
            Some(later) => later,
            None => survey(&self.file, self.lenient)?,
        };
        Ok(ask(later.insert(surveyed)))
    }
}

/// The pages of a range of bytes; the header has none.
fn pages(offset: u64, length: usize) -> Range<u64> {
    let end = (offset + length as u64).div_ceil(PAGE);
    (offset / PAGE).saturating_sub(1)..end.saturating_sub(1)
}

impl<F: StorageBackend> StorageBackend for Checked<F> {
    // The first that redb asks once it has the lock.
    fn len(&self) -> io::Result<u64> {
        self.later(|_| ())?;
        self.file.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let place = pages(offset, 0).start;
        let (leaf, refused) = self.later(|later| {
            let is_page = offset >= PAGE;
            (is_page && later.leaves.has(place), is_page && later.refused.contains(&place))
        })?;
        let read = self.file.read(offset, out);
        past_redb(read.and_then(|()| {
            if refused || leaf && !Node::is_leaf(out, Shape::BYTES) { Err(unsound()) } else { Ok(()) }
        }))
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        // More would not be opened again.
        if length > (1 + MAX_PAGES) * PAGE {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        self.file.set_len(length)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.file.sync_data()
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let written = pages(offset, data.len());
        if self.later(|later| written.clone().any(|page| later.leaves.has(page)))?
            && let Some(later) = &mut *self.later.write().unwrap_or_else(PoisonError::into_inner)
        {
            later.refused.retain(|page| !written.contains(page));
            later.leaves.remove(written);
        }
        self.file.write(offset, data)
    }

    fn close(&self) -> io::Result<()> {
        self.file.close()
    }

    locks_of!(file);
}

#[cfg(test)]
#[path = "checked_tests.rs"]
mod tests;
