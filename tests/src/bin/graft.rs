//! Writes into a vault's file, or into the changes beside it, as somebody would who has the file and not the
//! password: rows in and out, from docs/vault-format.md alone.
//!
//! ```text
//! graft VAULT put TABLE KEY ROW        (keys and rows in hexadecimal; the daemon must not have the vault open)
//! graft VAULT delete TABLE KEY
//! graft VAULT redo TABLE KEY [ROW]     (the same by a record in vault.redo; without a row it deletes)
//! ```

#![forbid(unsafe_code)]

use std::error::Error;
use std::fs;
use std::path::Path;

use redb::{Database, ReadableDatabase, TableDefinition};

/// Their places are their numbers in vault.redo.
const TABLES: [&str; 8] = ["header", "slots", "sealed", "plain", "meta", "values", "names", "history"];

/// Where a record in vault.redo ends.
const PAGE: usize = 4096;

fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    match args[..] {
        [vault, "put", table, key, row] => put(vault, table, &unhex(key)?, &unhex(row)?),
        [vault, "delete", table, key] => delete(vault, table, &unhex(key)?),
        [vault, "redo", table, key] => redo(vault, table, &unhex(key)?, None),
        [vault, "redo", table, key, row] => redo(vault, table, &unhex(key)?, Some(&unhex(row)?)),
        _ => Err("graft VAULT put|delete|redo TABLE KEY [ROW]".into()),
    }
}

fn put(vault: &str, table: &str, key: &[u8], row: &[u8]) -> Result<(), Box<dyn Error>> {
    let database = Database::open(vault)?;
    let transaction = database.begin_write()?;
    transaction.open_table(definition(table))?.insert(key, row)?;
    Ok(transaction.commit()?)
}

fn delete(vault: &str, table: &str, key: &[u8]) -> Result<(), Box<dyn Error>> {
    let database = Database::open(vault)?;
    let transaction = database.begin_write()?;
    if transaction.open_table(definition(table))?.remove(key)?.is_none() {
        return Err("there is no such row".into());
    }
    Ok(transaction.commit()?)
}

fn redo(vault: &str, table: &str, key: &[u8], row: Option<&[u8]>) -> Result<(), Box<dyn Error>> {
    let number = TABLES.iter().position(|name| *name == table).ok_or("there is no such table")?;
    let base = {
        let database = Database::open(vault)?;
        let transaction = database.begin_read()?;
        let sealed = transaction.open_table(definition("sealed"))?;
        sealed.get(&b"set"[..])?.ok_or("the vault has no sums")?.value().to_vec()
    };
    let mut rest = Vec::new();
    let mut measured = |bytes: &[u8], before: &[u8]| -> Result<(), Box<dyn Error>> {
        rest.extend_from_slice(before);
        rest.extend_from_slice(&u32::try_from(bytes.len())?.to_le_bytes());
        rest.extend_from_slice(bytes);
        Ok(())
    };
    measured(&base, &[])?;
    measured(key, &[u8::try_from(number)?])?;
    match row {
        Some(row) => measured(row, &[1])?,
        None => rest.push(0),
    }
    let mut record = u32::try_from(rest.len())?.to_le_bytes().to_vec();
    record.extend_from_slice(blake3::hash(&rest).as_bytes());
    record.extend_from_slice(&rest);
    record.resize(record.len().next_multiple_of(PAGE), 0);
    let path = Path::new(vault).with_file_name("vault.redo");
    Ok(fs::write(path, record)?)
}

fn definition(name: &str) -> TableDefinition<'_, &'static [u8], &'static [u8]> {
    TableDefinition::new(name)
}

fn unhex(text: &str) -> Result<Vec<u8>, Box<dyn Error>> {
    if !text.is_ascii() || !text.len().is_multiple_of(2) {
        return Err("no hexadecimal digits".into());
    }
    (0..text.len()).step_by(2).map(|at| Ok(u8::from_str_radix(&text[at..at + 2], 16)?)).collect()
}
