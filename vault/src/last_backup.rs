//! When the last backup was made. It must be written while the vault is locked, so it lies in the clear: it reminds its
//! owner, and nothing else depends on it.

use crate::{Damage, Error};

/// The key of the row.
pub(crate) const KEY: &[u8] = b"backup";

/// The row: Unix seconds (u64, little-endian).
pub(crate) fn to_row(at: u64) -> Vec<u8> {
    at.to_le_bytes().to_vec()
}

pub(crate) fn from_row(row: &[u8]) -> Result<u64, Error> {
    Ok(u64::from_le_bytes(row.try_into().map_err(|_| Damage::Store)?))
}
