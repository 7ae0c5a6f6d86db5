//! A backup: the rows of a vault, sealed as they lie in it, one behind the other in a stream that any store can be made
//! from again. It is made while the vault is served, needs no key, and is of one moment.
//!
//! ```text
//! "GLDMBAK1" ‖ row … ‖ ff ‖ BLAKE3 of all before (32)
//! row: table (1) ‖ length of the key (u32) ‖ key ‖ length of the row (u32) ‖ row
//! ```
//!
//! The digest tells what is cut or damaged before a password is asked for. What was made up or left out the sealed sums
//! over all rows tell, to whoever opens it.

use std::fmt;
use std::io::{self, Read};
use std::sync::Arc;

use crate::setting::MAX_SETTING;
use crate::store::{NewRow, Reader, TIMES, Table};
use crate::{Damage, Error, MAX_SECRET, Vault, state};

const MAGIC: &[u8; 8] = b"GLDMBAK1";
/// Where a table would stand.
const END: u8 = 0xff;
/// Of a digest, in bytes.
const DIGEST: usize = 32;
/// About as much is read from the store in one go, in bytes.
const PART: usize = 64 * 1024;
/// The longest key: that of a setting.
const MAX_KEY: usize = 64;
/// The longest row: the greatest secret or setting, with names, sizes and what seals them.
const MAX_ROW: usize = (if MAX_SECRET > MAX_SETTING { MAX_SECRET } else { MAX_SETTING }) + 64 * 1024;

/// What is in it: all but what is about this machine, wrong passwords and a panic.
const TABLES: [Table; 7] =
    [Table::Header, Table::Slots, Table::Sealed, Table::Meta, Table::Values, Table::Names, Table::History];

/// A backup under way, of the vault as it was when it began.
///
/// It holds that snapshot until it is dropped, so the file cannot reuse the space of what changes meanwhile.
pub struct Backup {
    reader: Arc<Reader>,
    /// The sealed state of that moment: no two are the same.
    state: Vec<u8>,
    table: usize,
    after: Option<Vec<u8>>,
    hash: blake3::Hasher,
    ready: Vec<u8>,
    taken: usize,
    ended: bool,
}

impl Backup {
    pub(crate) fn new(reader: Arc<Reader>) -> Result<Self, Error> {
        let (state, ready, hash) = (state_of(&reader)?, MAGIC.to_vec(), blake3::Hasher::new());
        Ok(Self { reader, state, table: 0, after: None, hash, ready, taken: 0, ended: false })
    }

    /// Writes the next bytes into `out`, and says how many: fewer than there is room for only at the end. Where the file
    /// of `vault`, that it is a backup of, was opened anew meanwhile, and nothing was changed since it began, it goes on.
    ///
    /// # Errors
    /// [`Error::Corrupt`], [`Error::Storage`] if the vault cannot be read; [`Error::OpenedAnew`] if the moment that it is
    /// of is not held any longer. Then it comes to no end.
    pub fn read(&mut self, vault: &Vault, out: &mut [u8]) -> Result<usize, Error> {
        let mut written = 0;
        while written < out.len() {
            if self.taken == self.ready.len() && !self.fill_from(vault)? {
                break;
            }
            let part = (out.len() - written).min(self.ready.len() - self.taken);
            out[written..written + part].copy_from_slice(&self.ready[self.taken..self.taken + part]);
            self.taken += part;
            written += part;
        }
        Ok(written)
    }

    /// Reads on; `false` at the end.
    fn fill_from(&mut self, vault: &Vault) -> Result<bool, Error> {
        if self.ended {
            return Ok(false);
        }
        self.hash.update(&self.ready);
        for _ in 0..TIMES {
            self.ready.clear();
            self.taken = 0;
            let from = (self.table, self.after.clone());
            let Err(error) = self.fill() else { return Ok(true) };
            self.ready.clear();
            (self.table, self.after) = from;
            if !matches!(error, Error::OpenedAnew) {
                return Err(error);
            }
            let (state, reader) = vault.store().read(|reader| Ok((state_of(reader)?, Arc::clone(reader))))?;
            if state != self.state {
                break;
            }
            self.reader = reader;
        }
        Err(Error::OpenedAnew)
    }

    fn fill(&mut self) -> Result<(), Error> {
        while let Some(&table) = TABLES.get(self.table) {
            let (ready, mut last) = (&mut self.ready, None);
            self.reader.each(table, self.after.take().as_deref(), |key, row| {
                ready.push(table as u8);
                for bytes in [key, row] {
                    let len = u32::try_from(bytes.len()).map_err(|_| Error::TooLarge)?;
                    ready.extend_from_slice(&len.to_le_bytes());
                    ready.extend_from_slice(bytes);
                }
                let more = ready.len() < PART;
                last = (!more).then(|| key.to_vec());
                Ok(more)
            })?;
            if last.is_some() {
                self.after = last;
                return Ok(());
            }
            self.table += 1;
        }
        self.ready.push(END);
        self.hash.update(&self.ready);
        self.ready.extend_from_slice(self.hash.finalize().as_bytes());
        self.ended = true;
        Ok(())
    }
}

/// The sealed state, as it lies there.
fn state_of(reader: &Reader) -> Result<Vec<u8>, Error> {
    let row = reader.get(Table::Sealed, state::KEY)?.ok_or(Damage::Control)?;
    Ok(row.value().to_vec())
}

impl fmt::Debug for Backup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Backup").field("table", &self.table).finish_non_exhaustive()
    }
}

/// Reads a backup that anybody may have written: its lengths are judged before anything is allocated.
pub(crate) struct Restorer<R> {
    from: R,
    hash: blake3::Hasher,
    last: Option<(Table, Vec<u8>)>,
    ended: bool,
}

impl<R: Read> Restorer<R> {
    /// Reads its first bytes.
    pub fn new(from: R) -> Result<Self, Error> {
        let mut restorer = Self { from, hash: blake3::Hasher::new(), last: None, ended: false };
        let mut magic = [0; MAGIC.len()];
        restorer.take(&mut magic)?;
        if magic == *MAGIC { Ok(restorer) } else { Err(Damage::Backup.into()) }
    }

    /// The next row; `None` when the digest was read, and fits, and nothing follows. The rows are in the order in which
    /// a backup has them.
    pub fn next(&mut self) -> Result<Option<NewRow>, Error> {
        if self.ended {
            return Ok(None);
        }
        let mut table = [0];
        self.take(&mut table)?;
        if table == [END] {
            self.end()?;
            return Ok(None);
        }
        let table = TABLES.into_iter().find(|one| *one as u8 == table[0]).ok_or(Damage::Backup)?;
        let key = self.bytes(MAX_KEY)?;
        let row = self.bytes(MAX_ROW)?;
        let place = (table, key);
        if self.last.as_ref().is_some_and(|last| *last >= place) {
            return Err(Damage::Backup.into());
        }
        let key = place.1.clone();
        self.last = Some(place);
        Ok(Some((table, key, row)))
    }

    fn end(&mut self) -> Result<(), Error> {
        let expected = self.hash.finalize();
        let mut digest = [0; DIGEST];
        self.take(&mut digest)?;
        let mut more = [0];
        let more = loop {
            match self.from.read(&mut more) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                read => break read.map_err(Error::Storage)?,
            }
        };
        self.ended = true;
        if expected == digest && more == 0 { Ok(()) } else { Err(Damage::Backup.into()) }
    }

    fn bytes(&mut self, most: usize) -> Result<Vec<u8>, Error> {
        let mut len = [0; 4];
        self.take(&mut len)?;
        let len = u32::from_le_bytes(len) as usize;
        if len > most {
            return Err(Damage::Backup.into());
        }
        let mut bytes = vec![0; len];
        self.take(&mut bytes)?;
        Ok(bytes)
    }

    fn take(&mut self, into: &mut [u8]) -> Result<(), Error> {
        self.from.read_exact(into).map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof => Damage::Backup.into(),
            _ => Error::Storage(error),
        })?;
        self.hash.update(into);
        Ok(())
    }
}
