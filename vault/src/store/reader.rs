//! What a vault holds at one moment: a snapshot of its file, and what was acknowledged since that was made.

use std::sync::{Arc, OnceLock};

use redb::{AccessGuard, Database};

use super::Table;
use super::pending::Pending;
use super::snapshot::Snapshot;
use crate::{Damage, Error};

/// A row as it lies in the store.
pub(crate) enum Row {
    Stored(AccessGuard<'static, &'static [u8]>),
    Copied(Arc<[u8]>),
}

impl Row {
    /// Its bytes.
    pub fn value(&self) -> &[u8] {
        match self {
            Self::Stored(row) => row.value(),
            Self::Copied(row) => row,
        }
    }
}

/// A view of all tables that stays as it is while others change the vault.
pub(crate) struct Reader {
    snapshot: Arc<Snapshot>,
    pending: Arc<Pending>,
    /// How many rows each table has, once that was asked.
    lengths: [OnceLock<u64>; Table::ALL.len()],
}

impl Reader {
    /// Of a file with nothing recorded beside it.
    pub(super) fn new(database: &Database) -> Result<Self, Error> {
        Ok(Self::of(Arc::new(Snapshot::new(database)?), Arc::default()))
    }

    pub(super) fn of(snapshot: Arc<Snapshot>, pending: Arc<Pending>) -> Self {
        Self { snapshot, pending, lengths: Default::default() }
    }

    /// The same, with what is recorded beside the file.
    pub(super) fn with(self, pending: Pending) -> Self {
        Self::of(self.snapshot, Arc::new(pending))
    }

    /// One row.
    pub fn get(&self, table: Table, key: &[u8]) -> Result<Option<Row>, Error> {
        match self.pending.get(table, key) {
            Some(row) => Ok(row.clone().map(Row::Copied)),
            None => self.snapshot.get(table, key),
        }
    }

    /// As [`Snapshot::each`], of the rows as they are now.
    pub fn each(
        &self,
        table: Table,
        after: Option<&[u8]>,
        mut each: impl FnMut(&[u8], &[u8]) -> Result<bool, Error>,
    ) -> Result<(), Error> {
        let mut pending = self.pending.rows(table, after).peekable();
        let mut goes_on = true;
        self.snapshot.each(table, after, |key, row| {
            while let Some((before, new)) = pending.next_if(|(new, _)| *new < key) {
                goes_on = new.map_or(Ok(true), |new| each(before, new))?;
                if !goes_on {
                    return Ok(false);
                }
            }
            goes_on = match pending.next_if(|(new, _)| *new == key) {
                Some((_, new)) => new.map_or(Ok(true), |new| each(key, new))?,
                None => each(key, row)?,
            };
            Ok(goes_on)
        })?;
        for (key, new) in pending {
            goes_on = goes_on && new.map_or(Ok(true), |new| each(key, new))?;
        }
        Ok(())
    }

    /// How many rows a table has, whether or not they can be read.
    pub fn count(&self, table: Table) -> Result<u64, Error> {
        let known = &self.lengths[table as usize];
        if let Some(length) = known.get() {
            return Ok(*length);
        }
        let mut length = self.snapshot.count(table)?;
        for (key, row) in self.pending.rows(table, None) {
            // Where that cannot be read, there was one: what is new was looked for before it was recorded.
            let was_there = match self.snapshot.get(table, key) {
                Err(error) if error.is_unreadable() => true,
                found => found?.is_some(),
            };
            length = match (row.is_some(), was_there) {
                (true, false) => length + 1,
                (false, true) => length.checked_sub(1).ok_or(Damage::Store)?,
                (true, true) | (false, false) => length,
            };
        }
        Ok(*known.get_or_init(|| length))
    }

    /// Whether redb reads nothing more of the file that it is of.
    pub(super) fn has_failed(&self) -> bool {
        self.snapshot.has_failed()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on must panic")]

    use std::collections::BTreeMap;

    use proptest::prelude::*;
    use redb::Durability;
    use redb::backends::InMemoryBackend;

    use super::*;
    use crate::store::Op;
    use crate::store::open::{begin, fill};

    fn ops(rows: Vec<(u8, Option<u8>)>) -> Vec<Op> {
        rows.into_iter().map(|(key, row)| (Table::Meta, vec![key], row.map(|row| vec![row]))).collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(200))]

        /// What is read is what was written last, in order, wherever one begins and stops.
        #[test]
        fn rows_beside_the_file_are_as_if_they_were_in_it(
            in_file in proptest::collection::btree_map(0..40_u8, any::<u8>(), 0..30),
            recorded in proptest::collection::vec((0..40_u8, any::<Option<u8>>()), 0..60),
            after in proptest::option::of(0..40_u8),
            stop in 0..40_usize,
        ) {
            let backend = InMemoryBackend::new();
            let database = Database::builder().create_with_backend(backend).unwrap();
            let mut transaction = begin(&database, Durability::Immediate).unwrap();
            let mut rows = in_file.iter().map(|(key, row)| (Table::Meta, vec![*key], vec![*row]));
            fill(&mut transaction, &mut || Ok(rows.next())).unwrap();
            transaction.commit().unwrap();
            let mut pending = Pending::default();
            pending.make(&ops(recorded.clone()));
            let reader = Reader::new(&database).unwrap().with(pending);

            let mut expected: BTreeMap<u8, u8> = in_file;
            for (key, row) in recorded {
                match row {
                    Some(row) => expected.insert(key, row),
                    None => expected.remove(&key),
                };
            }
            for key in 0..40 {
                let found = reader.get(Table::Meta, &[key]).unwrap();
                prop_assert_eq!(found.map(|row| row.value().to_vec()), expected.get(&key).map(|row| vec![*row]));
            }
            prop_assert_eq!(reader.count(Table::Meta).unwrap(), expected.len() as u64);
            prop_assert_eq!(reader.count(Table::Values).unwrap(), 0);
            let mut seen = Vec::new();
            let each = |key: &[u8], row: &[u8]| {
                seen.push((key[0], row[0]));
                Ok(seen.len() <= stop)
            };
            reader.each(Table::Meta, after.as_ref().map(std::slice::from_ref), each).unwrap();
            let behind = expected.into_iter().filter(|(key, _)| after.is_none_or(|after| *key > after));
            prop_assert_eq!(seen, behind.take(stop + 1).collect::<Vec<_>>());
        }
    }
}
