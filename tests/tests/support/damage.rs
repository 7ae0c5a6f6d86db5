//! The vault's file as a worn-out disk, or somebody who can write it, leaves it.
#![allow(dead_code, reason = "each test program uses a part")]

use std::fs;
use std::os::unix::fs::FileExt;

use glassdome_tests::World;
use redb::{Database, ReadableDatabase, ReadableTable, TableDefinition};

/// The rows of a table of the vault that nobody has open, in the order of their keys.
pub fn rows(world: &World, table: &str) -> Vec<(Vec<u8>, Vec<u8>)> {
    let database = Database::open(world.vault()).unwrap();
    let table: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new(table);
    let rows = database.begin_read().unwrap().open_table(table).unwrap();
    let rows = rows.iter().unwrap().map(|row| {
        let (key, row) = row.unwrap();
        (key.value().to_vec(), row.value().to_vec())
    });
    rows.collect()
}

/// Flips one bit of the last byte of each copy of this in the vault's file.
pub fn flip(world: &World, what: &[u8]) {
    let mut file = fs::read(world.vault()).unwrap();
    let at: Vec<usize> = (0..=file.len() - what.len()).filter(|at| file[*at..].starts_with(what)).collect();
    assert!(!at.is_empty());
    for at in at {
        file[at + what.len() - 1] ^= 1;
    }
    fs::write(world.vault(), file).unwrap();
}

/// What begins in the vault's file with this row is no page any more: its count of rows is another one.
pub fn spoil<'a>(world: &World, rows: impl Iterator<Item = &'a [u8]>) {
    let now = fs::read(world.vault()).unwrap();
    let file = fs::File::options().write(true).open(world.vault()).unwrap();
    for row in rows {
        let (head, _) = row.split_first_chunk::<32>().unwrap();
        let there: Vec<usize> = now
            .windows(head.len())
            .enumerate()
            .filter(|(_, there)| there == head)
            .map(|(at, _)| at)
            .collect();
        assert!(!there.is_empty());
        for at in there {
            let count = at / 4096 * 4096 + 2;
            file.write_all_at(&[now[count] ^ 0x55], count as u64).unwrap();
        }
    }
}
