//! Changes that are on the disk before the vault's file holds them: one small write and one sync each, where a
//! commit of the file takes two syncs and some fifteen pages. They lie in a file beside the vault, and are made
//! once more at the next opening if the vault's file does not have them by then.
//!
//! A change follows a state of the vault, which is sealed under a random nonce: so a record fits what is in the
//! vault or it does not, and what was left by earlier changes, or of another vault, is never made. Records hold what
//! the vault's file holds, which is ciphertext.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;
use rustix::io::Errno;

use crate::Error;
use crate::identity::Identity;
use crate::store::{Op, Table};

/// Where a record may begin, in bytes: no write touches a page of one that was acknowledged.
const PAGE: usize = 4096;
/// The longest record, in bytes. What is longer is no small write.
const LONGEST: usize = 64 * 1024;
/// The most of all records, in bytes: what is read when the vault is opened. All of it is there from the first
/// record on: a file that grows takes more than one write to sync.
pub(crate) const CAPACITY: u64 = 256 * 1024;

/// A change, as it was recorded.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Change {
    /// The sealed state that it follows.
    pub base: Vec<u8>,
    /// The rows that it writes and deletes.
    pub ops: Vec<Op>,
}

/// The file.
#[derive(Debug)]
pub(crate) struct Redo {
    path: PathBuf,
    file: Option<File>,
    /// Which file it is, if there is one, open or not.
    identity: Option<Identity>,
    /// Behind the last record that is in force.
    end: u64,
    /// Length of the record behind that, which is being made.
    next: u64,
}

impl Redo {
    /// That of the vault at `vault`; none need be there.
    pub fn of(vault: &Path) -> Self {
        Self { path: Self::path_beside(vault), file: None, identity: None, end: 0, next: 0 }
    }

    /// Where that of the vault at `vault` lies.
    pub fn path_beside(vault: &Path) -> PathBuf {
        let mut name = vault.file_name().unwrap_or_default().to_owned();
        name.push(".redo");
        vault.with_file_name(name)
    }

    /// Whether the vault's file lacks anything that is recorded here.
    pub fn is_empty(&self) -> bool {
        self.end == 0
    }

    /// Calls `make` with one change after the other until it says that one does not follow.
    ///
    /// # Errors
    /// Those of `make`; [`Error::RedoNotAFile`]; [`Error::Storage`] if the file is there and cannot be read.
    pub fn replay(&mut self, mut make: impl FnMut(Change) -> Result<bool, Error>) -> Result<(), Error> {
        let Some(bytes) = self.read()? else { return Ok(()) };
        while let Some((change, length)) = record(bytes.get(self.end as usize..).unwrap_or_default()) {
            if !make(change)? {
                break;
            }
            self.end += length as u64;
        }
        Ok(())
    }

    /// Whether what was recorded cannot be relied upon any more, since the file has lost its name: all of it belongs into
    /// the vault's file. Where nothing is in force, the next record makes another one.
    pub fn has_lost_its_name(&mut self) -> bool {
        if self.identity.is_none() || self.is_in_place() {
            return false;
        }
        if self.is_empty() {
            self.forget();
        }
        !self.is_empty()
    }

    /// Whether there is a file, and the name leads to it; `false` where that cannot be told.
    fn is_in_place(&self) -> bool {
        self.identity.is_some() && Identity::at(&self.path).is_ok_and(|there| there == self.identity)
    }

    fn forget(&mut self) {
        self.file = None;
        self.identity = None;
    }

    /// The record of a change, if there is room for it.
    pub fn prepare(&self, base: &[u8], ops: &[Op]) -> Option<Vec<u8>> {
        written(base, ops).filter(|record| self.end + record.len() as u64 <= CAPACITY)
    }

    /// Brings a record to the disk. In force from [`Redo::keep`] on.
    ///
    /// # Errors
    /// [`Error::Storage`], [`Error::RedoNotAFile`]; then [`Redo::drop_last`] is to be called.
    pub fn record(&mut self, record: &[u8]) -> Result<(), Error> {
        let end = self.end;
        self.next = record.len() as u64;
        let file = self.file()?;
        file.write_all_at(record, end).and_then(|()| file.sync_data()).map_err(Error::Storage)
    }

    /// The change that was recorded last is made.
    pub fn keep(&mut self) {
        self.end += std::mem::take(&mut self.next);
    }

    /// The change that was recorded last is not made, and must not be at the next opening.
    pub fn drop_last(&mut self) {
        if std::mem::take(&mut self.next) > 0
            && let Some(file) = &self.file
        {
            // If the disk takes this no more than that, it alone knows what will be there.
            let _ = file.set_len(self.end).and_then(|()| file.sync_data());
            if self.end == 0 {
                self.discard();
            }
        }
    }

    /// The vault's file has it all, on the disk. What lies here would still follow a copy that was made of the vault
    /// before, and be read by whoever reads the file: it is overwritten. That is not synced on its own: a copy put
    /// back after a crash is seen as the system has it, and one put back after a power cut is a matter of the manual.
    pub fn reset(&mut self) {
        let end = std::mem::take(&mut self.end);
        if end == 0 {
            return;
        }
        let in_place = self.is_in_place();
        // One that was not opened since the vault was is known by its name only.
        if self.file.is_some() || in_place {
            let zeros = vec![0; end as usize];
            let wiped = self.file().and_then(|file| file.write_all_at(&zeros, 0).map_err(Error::Storage));
            if wiped.is_err() {
                return self.discard();
            }
        }
        if !in_place {
            self.forget();
        }
    }

    /// Overwrites what lies behind the records that are in force, on the disk.
    ///
    /// # Errors
    /// [`Error::Storage`], [`Error::RedoNotAFile`].
    pub fn overwrite_rest(&mut self) -> Result<(), Error> {
        let end = self.end;
        let opened = match self.open(OpenOptions::new().write(true)) {
            Err(Error::Storage(error)) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            opened => opened?,
        };
        let (file, length) = opened;
        // No longer than what we make of it; anything behind that is not ours.
        let zeros = vec![0; length.min(CAPACITY).saturating_sub(end) as usize];
        file.write_all_at(&zeros, end).and_then(|()| file.sync_data()).map_err(Error::Storage)
    }

    /// The vault is closed, and has it all.
    pub fn remove(self) {
        // What stays follows nothing; what came into its place is not ours.
        if self.is_in_place() {
            let _ = fs::remove_file(&self.path);
        }
    }

    /// Takes away what holds nothing that is in force.
    fn discard(&mut self) {
        // A disk that refuses this as well keeps what it has.
        if self.is_in_place() {
            let _ = fs::remove_file(&self.path);
        }
        self.forget();
    }

    fn read(&mut self) -> Result<Option<Vec<u8>>, Error> {
        let (file, length) = match self.open(OpenOptions::new().read(true)) {
            Err(Error::Storage(error)) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            opened => opened?,
        };
        self.identity = Some(Identity::of(&file).map_err(Error::Storage)?);
        let mut bytes = vec![0; length.min(CAPACITY) as usize];
        file.read_exact_at(&mut bytes, 0).map_err(Error::Storage)?;
        Ok(Some(bytes))
    }

    /// Opened at the first change. Its name is on the disk before anything relies on it.
    fn file(&mut self) -> Result<&File, Error> {
        if self.file.is_none() {
            let mut options = OpenOptions::new();
            let (file, length) = self.open(options.write(true).create(true).truncate(false).mode(0o600))?;
            self.identity = Some(Identity::of(&file).map_err(Error::Storage)?);
            let there = length.min(CAPACITY);
            let filled = file.write_all_at(&vec![0; (CAPACITY - there) as usize], there);
            if filled.is_err() {
                // The room that was left is of more use to the vault's file.
                match there {
                    0 => self.discard(),
                    _ => file.set_len(there).map_err(Error::Storage)?,
                }
            }
            filled.and_then(|()| self.sync_name()).map_err(Error::Storage)?;
            self.file = Some(file);
        }
        Ok(self.file.as_ref().expect("it was opened above"))
    }

    /// What lies there and its length, in bytes, if it is a file. Never waits for who might write into a pipe.
    fn open(&self, options: &mut OpenOptions) -> Result<(File, u64), Error> {
        let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
        let file = options.custom_flags(flags.bits().cast_signed()).open(&self.path).map_err(|error| {
            // open(2): a symbolic link; a pipe that nobody reads, a socket, a device that is not there; a directory.
            match error.raw_os_error().map(Errno::from_raw_os_error) {
                Some(Errno::LOOP | Errno::NXIO | Errno::ISDIR) => Error::RedoNotAFile,
                _ => Error::Storage(error),
            }
        })?;
        let about = file.metadata().map_err(Error::Storage)?;
        if about.is_file() { Ok((file, about.len())) } else { Err(Error::RedoNotAFile) }
    }

    fn sync_name(&self) -> io::Result<()> {
        let directory = self.path.parent().filter(|parent| !parent.as_os_str().is_empty());
        File::open(directory.unwrap_or(Path::new(".")))?.sync_all()
    }
}

// A record: length of the rest (u32) ‖ BLAKE3 of the rest (32) ‖ the rest, then zeros to the next page. The rest:
// base ‖ for each row its table (u8) ‖ key ‖ 0, or 1 ‖ row; base, key and row each behind its length (u32).

/// What the length and the hash take.
const HEAD: usize = 4 + blake3::OUT_LEN;

/// `None` if it is too long.
fn written(base: &[u8], ops: &[Op]) -> Option<Vec<u8>> {
    let rows = ops.iter().map(|(_, key, row)| 10 + key.len() + row.as_ref().map_or(0, Vec::len));
    let length = HEAD + 4 + base.len() + rows.sum::<usize>();
    if length > LONGEST {
        return None;
    }
    let mut record = Vec::with_capacity(length.next_multiple_of(PAGE));
    record.resize(HEAD, 0);
    let put = |record: &mut Vec<u8>, bytes: &[u8]| {
        record.extend_from_slice(&(bytes.len() as u32).to_le_bytes());
        record.extend_from_slice(bytes);
    };
    put(&mut record, base);
    for (table, key, row) in ops {
        record.push(*table as u8);
        put(&mut record, key);
        record.push(row.is_some().into());
        if let Some(row) = row {
            put(&mut record, row);
        }
    }
    let rest = (record.len() - HEAD) as u32;
    let hash = blake3::hash(&record[HEAD..]);
    record[..4].copy_from_slice(&rest.to_le_bytes());
    record[4..HEAD].copy_from_slice(hash.as_bytes());
    record.resize(record.len().next_multiple_of(PAGE), 0);
    Some(record)
}

/// The record at the beginning of `bytes` and its length, if there is a whole one.
fn record(bytes: &[u8]) -> Option<(Change, usize)> {
    let (length, bytes) = bytes.split_first_chunk()?;
    let (hash, bytes) = bytes.split_first_chunk::<{ blake3::OUT_LEN }>()?;
    let mut rest = bytes.get(..u32::from_le_bytes(*length) as usize)?;
    // blake3's own comparison; a power cut is no attacker, and who writes the file writes the hash.
    if blake3::hash(rest) != *hash {
        return None;
    }
    let length = (HEAD + rest.len()).next_multiple_of(PAGE);
    let base = piece(&mut rest)?.to_vec();
    let mut ops = Vec::new();
    while let Some((&table, after)) = rest.split_first() {
        rest = after;
        let key = piece(&mut rest)?.to_vec();
        let (&there, after) = rest.split_first()?;
        rest = after;
        let row = match there {
            0 => None,
            _ => Some(piece(&mut rest)?.to_vec()),
        };
        // What is never written again, or never here, was not recorded by us.
        let table = Table::ALL.into_iter().find(|known| *known as u8 == table)?;
        if matches!(table, Table::Header | Table::Slots) {
            return None;
        }
        ops.push((table, key, row));
    }
    Some((Change { base, ops }, length))
}

fn piece<'a>(bytes: &mut &'a [u8]) -> Option<&'a [u8]> {
    let (length, rest) = bytes.split_first_chunk()?;
    let (piece, rest) = rest.split_at_checked(u32::from_le_bytes(*length) as usize)?;
    *bytes = rest;
    Some(piece)
}

#[cfg(test)]
#[path = "redo_tests.rs"]
mod tests;
