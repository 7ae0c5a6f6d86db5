//! What lies in the clear in a vault file, in a store that is whole: header, key slots, the memory
//! of wrong passwords. Rows of any length under any key, written as the store writes them.
#![no_main]

use std::fs;

use glassdome_fuzz::vault::{self, honest};
use libfuzzer_sys::fuzz_target;
use redb::{Database, TableDefinition};

const TABLES: [&str; 4] = ["header", "slots", "plain", "sealed"];
/// Keys under which the vault looks.
const KEYS: [&[u8]; 5] = [b"vault", &[0], &[1], b"throttle", b"set"];

fuzz_target!(|data: &[u8]| vault::catching(|| {
    fs::write(&honest().path, &honest().file).expect("a file is written");
    write(data).expect("an honest store takes any row");
    vault::open_as_it_lies();
}));

/// Each row: table, key, length (1 byte each), and its bytes; a length of 255 deletes it.
fn write(mut rows: &[u8]) -> Result<(), redb::Error> {
    let store = Database::open(&honest().path)?;
    let mut transaction = store.begin_write()?;
    transaction.set_durability(redb::Durability::Immediate)?;
    while let Some((&[table, key, len], rest)) = rows.split_first_chunk::<3>() {
        let name = TABLES[usize::from(table) % TABLES.len()];
        let key = KEYS.get(usize::from(key)).copied().unwrap_or(std::slice::from_ref(&rows[1]));
        let (row, rest) = rest.split_at(rest.len().min(usize::from(len)));
        let mut table = transaction.open_table(TableDefinition::<&[u8], &[u8]>::new(name))?;
        match len {
            255 => drop(table.remove(key)?),
            _ => drop(table.insert(key, row)?),
        }
        rows = rest;
    }
    transaction.commit()?;
    Ok(())
}
