//! A look at a vault file that leaves it byte for byte as it is: reads come from the file, writes stay in
//! memory. redb marks what it opens and writes when it closes, and a file that turns out to be garbage,
//! tampered with or from a newer version must not be changed by finding that out.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::ops::Bound;
use std::sync::{Mutex, MutexGuard};

use redb::backends::FileBackend;
use redb::{BackendError, DatabaseError, StorageBackend};

use crate::locks::locks_of;

/// Granularity of what is kept in memory, in bytes.
const CHUNK: usize = 4096;
/// The most chunks kept in memory (64 MiB): far more than opening and closing an honest vault writes.
const MAX_CHUNKS: usize = 16 * 1024;

/// A file with changes that never reach it.
#[derive(Debug)]
pub(crate) struct Overlay<F = FileBackend> {
    file: F,
    changes: Mutex<Changes>,
}

#[derive(Debug)]
struct Changes {
    /// Length as redb sees it.
    length: u64,
    /// How much of the file is still to be seen: shrinking and growing again shows zeros.
    visible: u64,
    chunks: BTreeMap<u64, Box<[u8; CHUNK]>>,
}

impl Overlay {
    pub fn new(file: File) -> Result<Self, DatabaseError> {
        Self::over(FileBackend::new(file)?)
    }
}

impl<F: StorageBackend> Overlay<F> {
    /// With whatever locks the file has.
    pub fn over(file: F) -> Result<Self, DatabaseError> {
        let length = file.len()?;
        let changes = Changes { length, visible: length, chunks: BTreeMap::new() };
        Ok(Self { file, changes: Mutex::new(changes) })
    }

    fn changes(&self) -> io::Result<MutexGuard<'_, Changes>> {
        self.changes.lock().map_err(|_| io::Error::other("a thread panicked"))
    }

    /// Reads the file below the changes, zeros beyond its end.
    fn read_below(&self, visible: u64, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let there = usize::try_from(visible.saturating_sub(offset)).unwrap_or(usize::MAX).min(out.len());
        let (from_file, beyond) = out.split_at_mut(there);
        beyond.fill(0);
        if from_file.is_empty() { Ok(()) } else { self.file.read(offset, from_file) }
    }
}

/// The chunk, the offset in it and the length of each piece of a range.
fn pieces(offset: u64, length: usize) -> impl Iterator<Item = (u64, usize, usize)> {
    let mut done = 0;
    std::iter::from_fn(move || {
        let at = offset + done as u64;
        // The remainder is smaller than a chunk.
        let within = (at % CHUNK as u64) as usize;
        let piece = (CHUNK - within).min(length - done);
        done += piece;
        (piece > 0).then_some((at / CHUNK as u64, within, piece))
    })
}

impl<F: StorageBackend> StorageBackend for Overlay<F> {
    fn len(&self) -> io::Result<u64> {
        Ok(self.changes()?.length)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let changes = self.changes()?;
        if offset.checked_add(out.len() as u64).is_none_or(|end| end > changes.length) {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.read_below(changes.visible, offset, out)?;
        let mut rest = out;
        for (chunk, within, piece) in pieces(offset, rest.len()) {
            let (now, later) = rest.split_at_mut(piece);
            if let Some(changed) = changes.chunks.get(&chunk) {
                now.copy_from_slice(&changed[within..within + piece]);
            }
            rest = later;
        }
        Ok(())
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        let mut changes = self.changes()?;
        if length < changes.length {
            let first_gone = length.div_ceil(CHUNK as u64);
            changes.chunks.split_off(&first_gone);
            let within = (length % CHUNK as u64) as usize;
            if let Some(last) = changes.chunks.get_mut(&(length / CHUNK as u64)) {
                last[within..].fill(0);
            }
            changes.visible = changes.visible.min(length);
        }
        changes.length = length;
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let mut changes = self.changes()?;
        let mut rest = data;
        for (chunk, within, piece) in pieces(offset, data.len()) {
            if !changes.chunks.contains_key(&chunk) {
                if changes.chunks.len() >= MAX_CHUNKS {
                    return Err(io::ErrorKind::InvalidData.into());
                }
                let mut below = Box::new([0; CHUNK]);
                self.read_below(changes.visible, chunk * CHUNK as u64, &mut below[..])?;
                changes.chunks.insert(chunk, below);
            }
            let (now, later) = rest.split_at(piece);
            let target = changes.chunks.get_mut(&chunk).expect("inserted above");
            target[within..within + piece].copy_from_slice(now);
            rest = later;
        }
        changes.length = changes.length.max(offset + data.len() as u64);
        Ok(())
    }

    fn close(&self) -> io::Result<()> {
        self.file.close()
    }

    locks_of!(file);
}

#[cfg(test)]
#[path = "overlay_tests.rs"]
mod tests;
