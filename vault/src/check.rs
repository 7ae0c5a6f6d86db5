//! The background check: are the rows those of the last change? It reads every row once, decrypts none, and
//! stops whenever its caller wants.

use std::fmt;
use std::sync::Arc;

use crate::Error;
use crate::header::VaultId;
use crate::keys::Keys;
use crate::multiset::Sum;
use crate::state::{ENTRY_TABLES, State};
use crate::store::Reader;
use crate::traceless::traceless;

/// What counts as one row, in bytes.
const ROW: usize = 1024;

/// A check under way, of the store as it was when the check began: changes in between do not disturb it.
///
/// It holds that snapshot until it is dropped, so the file cannot reuse the space of what changes meanwhile.
pub struct Check {
    reader: Arc<Reader>,
    expected: Sum,
    found: Sum,
    table: usize,
    after: Option<Vec<u8>>,
    rows: u64,
}

/// How far a check is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum CheckStep {
    /// There is more to read.
    More,
    /// Every row is what the last change left.
    Sound {
        /// Rows read.
        rows: u64,
    },
    /// A row was altered, rolled back, added or deleted.
    Altered {
        /// Rows read.
        rows: u64,
    },
}

impl Check {
    pub(crate) fn new(vault: &VaultId, keys: &Keys, reader: Arc<Reader>) -> Result<Self, Error> {
        let (state, _) = State::read(vault, keys, &reader)?;
        state.check_control(keys, &reader)?;
        Ok(Self { reader, expected: state.entries, found: Sum::default(), table: 0, after: None, rows: 0 })
    }

    /// Reads up to `rows` more rows; a row counts once for each 1,024 bytes of it.
    ///
    /// # Errors
    /// [`Error::Corrupt`] if the file cannot be read as a store, [`Error::Storage`] if it cannot be read.
    pub fn step(&mut self, keys: &Keys, rows: u32) -> Result<CheckStep, Error> {
        traceless(|| self.read(keys, rows))
    }

    fn read(&mut self, keys: &Keys, rows: u32) -> Result<CheckStep, Error> {
        let mut left = rows;
        while let Some(&table) = ENTRY_TABLES.get(self.table) {
            let after = self.after.take();
            let mut last = None;
            self.reader.each(table, after.as_deref(), |key, row| {
                self.found.add(keys.set(), table, key, row);
                self.rows += 1;
                // A large row counts as many: a step takes a bounded time, whatever is stored.
                let weight = 1 + row.len() / ROW;
                left = left.saturating_sub(u32::try_from(weight).unwrap_or(u32::MAX));
                if left == 0 {
                    last = Some(key.to_vec());
                }
                Ok(left > 0)
            })?;
            if last.is_some() {
                self.after = last;
                return Ok(CheckStep::More);
            }
            self.table += 1;
        }
        let rows = self.rows;
        Ok(if self.found == self.expected { CheckStep::Sound { rows } } else { CheckStep::Altered { rows } })
    }
}

impl fmt::Debug for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Check").field("rows", &self.rows).finish_non_exhaustive()
    }
}
