//! Rows that are recorded beside the vault's file and not yet in it: what was acknowledged is read from here until
//! the next transaction brings it into the file. No more than the records hold.

use std::collections::BTreeMap;
use std::ops::Bound::{Excluded, Unbounded};
use std::sync::Arc;

use super::{Op, Table};

/// A row; `None` where it is deleted.
type Kept = Option<Arc<[u8]>>;

/// The rows of each table that the file does not have, or has otherwise.
#[derive(Debug, Default, Clone)]
pub(super) struct Pending([BTreeMap<Vec<u8>, Kept>; Table::ALL.len()]);

impl Pending {
    /// Writes and deletes rows.
    pub fn make(&mut self, ops: &[Op]) {
        for (table, key, row) in ops {
            self.0[*table as usize].insert(key.clone(), row.as_deref().map(Into::into));
        }
    }

    /// What is known of a row; `None` if it is as it is in the file.
    pub fn get(&self, table: Table, key: &[u8]) -> Option<&Kept> {
        self.0[table as usize].get(key)
    }

    /// The rows of a table behind `after`, in the order of their keys, deleted ones among them.
    pub fn rows(&self, table: Table, after: Option<&[u8]>) -> impl Iterator<Item = (&[u8], Option<&[u8]>)> {
        let start = after.map_or(Unbounded, Excluded);
        let rows = self.0[table as usize].range::<[u8], _>((start, Unbounded));
        rows.map(|(key, row)| (&key[..], row.as_deref()))
    }

    /// All rows, table by table.
    pub fn all(&self) -> impl Iterator<Item = (Table, &[u8], Option<&[u8]>)> {
        Table::ALL
            .into_iter()
            .flat_map(|table| self.rows(table, None).map(move |(key, row)| (table, key, row)))
    }
}
