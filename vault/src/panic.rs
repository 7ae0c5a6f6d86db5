//! Whether no session may be opened. Like the memory of wrong passwords it must be written while the vault is
//! locked, so it lies in the clear, and ends with the file: it stops a daemon, not whoever has the file.

use crate::store::{Reader, Table};
use crate::{Damage, Error};

/// The key of the row.
pub(crate) const KEY: &[u8] = b"panic";

/// The row: since when, in Unix milliseconds (u64, little-endian).
pub(crate) fn to_row(since: u64) -> Vec<u8> {
    since.to_le_bytes().to_vec()
}

/// Since when there is one; `None` if there is none.
pub(crate) fn read(reader: &Reader) -> Result<Option<u64>, Error> {
    reader.get(Table::Plain, KEY)?.map(|row| from_row(row.value())).transpose()
}

fn from_row(row: &[u8]) -> Result<u64, Error> {
    Ok(u64::from_le_bytes(row.try_into().map_err(|_| Damage::Panic)?))
}
