//! The memory of wrong passwords. It must be written while the vault is locked, so it lies in the clear: who
//! can write the file can forget it, but then has the file and guesses offline anyway.

use crate::{Damage, Error};

/// The key of the row.
pub(crate) const KEY: &[u8] = b"throttle";

/// How often a wrong password was given, and when the next try is allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Throttle {
    /// Wrong passwords since the last right one.
    pub failures: u32,
    /// Unix time in milliseconds before which no try is made.
    pub not_before: u64,
}

impl Throttle {
    /// `failures (u32) ‖ not before (u64)`, little-endian.
    pub(crate) fn to_row(self) -> Vec<u8> {
        let mut row = self.failures.to_le_bytes().to_vec();
        row.extend_from_slice(&self.not_before.to_le_bytes());
        row
    }

    pub(crate) fn from_row(row: &[u8]) -> Result<Self, Error> {
        let (failures, rest) = row.split_first_chunk().ok_or(Damage::Throttle)?;
        let not_before = rest.try_into().map_err(|_| Damage::Throttle)?;
        Ok(Self { failures: u32::from_le_bytes(*failures), not_before: u64::from_le_bytes(not_before) })
    }
}
