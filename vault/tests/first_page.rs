//! One page that is not what was written, at the place where a table begins: a table of a small vault has no other. What
//! lies in it cannot be read, and all else is served, also by whoever opens the vault behind that.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on must panic")]

mod support;

use std::fs;
use std::path::Path;
use std::sync::Arc;

use glassdome_vault::{Damage, Error, Examined, Fault, FaultKind, Keys, Vault};
use support::{Fresh, NOW, PAGE, Raw, fresh, present, spoil};

const TABLES: [&str; 4] = ["values", "meta", "names", "history"];
/// Secrets in a vault whose tables are of one page each, and in one whose tables are of several.
const FEW: usize = 3;
const MANY: usize = 120;

fn value(name: &str) -> Vec<u8> {
    name.as_bytes().repeat(20)
}

/// So many secrets, of two versions each.
fn filled(number: usize) -> (Fresh, Vec<String>) {
    let it = fresh();
    let names: Vec<_> = (0..number).map(|number| format!("secret/{number}")).collect();
    for name in &names {
        it.set(name, b"before");
        it.set(name, &value(name));
    }
    (it, names)
}

/// Where the first leaf of each table begins: the page that its first row lies in, of those that are in force.
fn first_leaf(path: &Path, table: &str) -> Vec<usize> {
    let (key, row) = Raw::open(path).rows(table).swap_remove(0);
    let file = fs::read(path).unwrap();
    let holds = |page: &[u8], bytes: &[u8]| page.windows(bytes.len()).any(|there| there == bytes);
    let pages = file.chunks_exact(PAGE).enumerate().skip(1);
    let leaves = pages.filter(|(_, page)| page[0] == 1 && holds(page, &key) && holds(page, &row));
    leaves.map(|(at, _)| at * PAGE).collect()
}

fn examined(vault: &Vault, keys: &Keys) -> Examined {
    let mut examination = vault.examine(Arc::default()).unwrap();
    loop {
        if let Some(found) = examination.step(keys, 8).unwrap() {
            return found;
        }
    }
}

/// What is served of a vault with these secrets, in which the first leaf of `table` is none.
fn served(vault: &Vault, keys: &Keys, table: &str, names: &[String]) {
    vault.unwrap(&support::kek().1).unwrap();
    let stats = vault.stats().unwrap();
    assert_eq!((stats.entries, stats.former), (names.len() as u64, names.len() as u64), "{table}");
    let (mut read, mut unread) = (0, 0);
    for name in names {
        let result = match table {
            "values" => vault.read(keys, name).map(drop),
            "meta" | "names" => vault.info(keys, name).map(drop),
            _ => vault.draft(keys).unwrap().restore(name, 1, NOW).map(drop),
        };
        match result {
            Ok(()) => read += 1,
            Err(Error::Corrupt(Damage::Store)) => unread += 1,
            Err(error) => panic!("{table}: {error:?}"),
        }
        match table {
            "values" => assert_eq!(vault.info(keys, name).unwrap().name, *name),
            "meta" | "history" => {
                assert_eq!(vault.read(keys, name).unwrap().value(), Some(value(name).as_slice()));
            }
            _ => {}
        }
    }
    assert!(unread > 0 && (read > 0) == (names.len() > FEW), "{table}: {read} read, {unread} not");

    let found = examined(vault, keys);
    let is_page = |fault: &Fault| fault.table == Some(table) && fault.kind == FaultKind::Page;
    let told = found.told.iter().any(|fault| is_page(fault) && fault.name.is_some());
    assert!(told, "{table}: {:?}", found.told);
}

#[test]
fn a_table_whose_first_leaf_is_none_keeps_nothing_else_from_being_served() {
    for number in [FEW, MANY] {
        let (Fresh { vault, keys, path, directory: _directory }, names) = filled(number);
        vault.close().unwrap();
        let honest = fs::read(&path).unwrap();
        for table in TABLES {
            // Of its count a large bit and a small one; its kind; where its first row's key ends.
            for (at, by) in [(3, 0x40), (2, 1), (0, 2), (7, 0x80)] {
                // One row less may be a leaf as well: only a table of one leaf tells how many it should have.
                if by == 1 && number > FEW {
                    continue;
                }
                fs::write(&path, &honest).unwrap();
                let leaves = first_leaf(&path, table);
                fs::write(&path, &honest).unwrap();
                spoil(&path, &leaves, at, by);
                let vault = present(&path);
                served(&vault, &keys, table, &names);
            }
        }
    }
}
