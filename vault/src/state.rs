//! The seal over the whole: one sealed row that says which change was the last, and what all rows are.
//! Every change replaces it, and a change based on another one is refused.
//!
//! Two sums (see [`multiset`](crate::multiset)): `control` over header, key slots and settings, few rows,
//! compared at each unlock and each reading of a setting; `entries` over meta, values, names and history,
//! compared step by step in the background.

use zeroize::Zeroizing;

use crate::aad::Place;
use crate::header::VaultId;
use crate::keys::Keys;
use crate::multiset::Sum;
use crate::seal;
use crate::slot::MAX_SLOTS;
use crate::store::{Reader, Table};
use crate::traceless::traceless;
use crate::{Damage, Error, MAX_SETTINGS};

/// The key of the row in the table of settings.
pub(crate) const KEY: &[u8] = b"set";

/// The tables under `entries`.
pub(crate) const ENTRY_TABLES: [Table; 4] = [Table::Meta, Table::Values, Table::Names, Table::History];
/// The tables under `control`.
const CONTROL_TABLES: [Table; 3] = [Table::Header, Table::Slots, Table::Sealed];

/// The first byte of the plaintext.
const FORMAT: u8 = 1;
/// `format (1) ‖ control (32) ‖ entries (32)`.
const LENGTH: usize = 65;

/// What the last change left.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct State {
    /// Counts the changes; the version of the row.
    pub generation: u64,
    pub control: Sum,
    pub entries: Sum,
}

impl State {
    /// Opens the row.
    pub fn read(vault: &VaultId, keys: &Keys, reader: &Reader) -> Result<(Self, Vec<u8>), Error> {
        let row = reader.get(Table::Sealed, KEY)?.ok_or(Damage::Control)?;
        let row = row.value();
        let (version, sealed) = row.split_first_chunk().ok_or(Damage::Control)?;
        let generation = u64::from_le_bytes(*version);
        let mut plain = Zeroizing::new([0; LENGTH]);
        seal::open_into(keys.settings(), &place(vault, generation), sealed, &mut plain[..])
            .map_err(|_| Damage::Control)?;
        let (control, entries) = plain[1..].split_first_chunk().ok_or(Damage::Control)?;
        let entries: &[u8; 32] = entries.try_into().map_err(|_| Damage::Control)?;
        if plain[0] != FORMAT {
            return Err(Damage::Control.into());
        }
        let state = Self { generation, control: Sum::from_bytes(control), entries: Sum::from_bytes(entries) };
        Ok((state, row.to_vec()))
    }

    /// Seals the row.
    pub fn to_row(self, vault: &VaultId, keys: &Keys) -> Result<Vec<u8>, Error> {
        let mut row = self.generation.to_le_bytes().to_vec();
        seal::seal_onto(&mut row, keys.settings(), &place(vault, self.generation), LENGTH, |out| {
            out[0] = FORMAT;
            out[1..33].copy_from_slice(&self.control.to_bytes());
            out[33..].copy_from_slice(&self.entries.to_bytes());
            Ok(())
        })?;
        Ok(row)
    }

    /// The sum that a table's rows belong to. None for this row itself, nor for what is written while locked.
    pub fn sum_of(&mut self, table: Table, key: &[u8]) -> Option<&mut Sum> {
        if table == Table::Plain || (table == Table::Sealed && key == KEY) {
            None
        } else if ENTRY_TABLES.contains(&table) {
            Some(&mut self.entries)
        } else {
            Some(&mut self.control)
        }
    }

    /// Compares settings and key slots with what the last change left.
    pub fn check_control(&self, keys: &Keys, reader: &Reader) -> Result<(), Error> {
        let sum = traceless(|| control_sum(keys, reader))?;
        if sum == self.control { Ok(()) } else { Err(Damage::Control.into()) }
    }
}

fn control_sum(keys: &Keys, reader: &Reader) -> Result<Sum, Error> {
    let mut sum = Sum::default();
    let mut rows = 0;
    for table in CONTROL_TABLES {
        reader.each(table, None, |key, row| {
            rows += 1;
            if rows > 2 + MAX_SLOTS + MAX_SETTINGS {
                return Err(Damage::Control.into());
            }
            if (table, key) != (Table::Sealed, KEY) {
                sum.add(keys.set(), table, key, row);
            }
            Ok(true)
        })?;
    }
    Ok(sum)
}

fn place(vault: &VaultId, generation: u64) -> Place<'_> {
    Place { vault, table: Table::Sealed, id: KEY, version: generation }
}
