//! One bit of the file is another: wherever it is, either nothing reads otherwise, or an examination tells it; no value
//! is ever a wrong one, and what the examination does not name still reads.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on must panic")]

mod support;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use glassdome_vault::{Error, Examined, Fault, FaultKind, Found, Keys, Throttle, Vault};
use support::{NOW, Raw, fresh, kek};

fn examined(vault: &Vault, keys: &Keys) -> Examined {
    let mut examination = vault.examine(Arc::default()).unwrap();
    loop {
        if let Some(found) = examination.step(keys, 8).unwrap() {
            return found;
        }
    }
}

/// A vault with something in each table, of several pages, closed.
fn filled(path: &Path) -> BTreeMap<String, Vec<u8>> {
    let it = fresh();
    let mut values = BTreeMap::new();
    for number in 0..40_usize {
        let (name, value) = (format!("secret/{number}"), vec![number as u8; 40 + 97 * number]);
        it.set(&name, b"before");
        it.set(&name, &value);
        values.insert(name, value);
    }
    it.set("large", &vec![7; 20_000]);
    values.insert("large".into(), vec![7; 20_000]);
    it.set("removed", b"1");
    it.change(|draft| draft.remove("removed", false, NOW)).unwrap();
    it.change(|draft| draft.setting("policy", Some(b"deny"))).unwrap();
    it.vault.store_throttle(&Throttle { failures: 2, not_before: 7 }).unwrap();
    it.vault.store_last_backup(NOW).unwrap();
    let from = it.path.clone();
    it.vault.close().unwrap();
    fs::copy(from, path).unwrap();
    values
}

fn open(path: &Path) -> Result<(Vault, Keys), Error> {
    let Found::Present(vault) = Vault::open(path)? else { panic!("it is there") };
    let keys = vault.unwrap(&kek().1)?;
    Ok((vault, keys))
}

/// What whoever uses the vault reads.
fn read_as_ever(vault: &Vault, keys: &Keys, values: &BTreeMap<String, Vec<u8>>) {
    for (name, value) in values {
        assert_eq!(vault.read(keys, name).unwrap().value(), Some(&value[..]), "{name}");
        assert_eq!(vault.info(keys, name).unwrap().name, *name);
        if name != "large" {
            vault.draft(keys).unwrap().restore(name, 1, NOW).unwrap();
        }
    }
    assert!(vault.info(keys, "removed").unwrap().is_removed());
    assert_eq!(vault.setting(keys, "policy").unwrap().unwrap()[..], b"deny"[..]);
    assert_eq!(vault.throttle().unwrap(), Throttle { failures: 2, not_before: 7 });
    assert_eq!((vault.last_backup().unwrap(), vault.panic().unwrap()), (Some(NOW), None));
    assert_eq!(vault.page(keys, None, 1000).unwrap().secrets.len(), values.len());
}

/// What became of one bit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Outcome {
    NoEffect,
    NotOpened,
    Told,
    /// A page of a table cannot be read, and everything else is served.
    ToldOfPage,
}

fn flip(path: &Path, honest: &[u8], bit: usize, values: &BTreeMap<String, Vec<u8>>) -> Outcome {
    let mut flipped = honest.to_vec();
    flipped[bit / 8] ^= 1 << (bit % 8);
    fs::write(path, flipped).unwrap();
    let (vault, keys) = match open(path) {
        Ok(opened) => opened,
        Err(
            Error::Corrupt(_)
            | Error::WeakenedKdf
            | Error::NewerVersion { .. }
            | Error::WrongPassword
            | Error::NoDeviceKey
            | Error::WrongDeviceKey,
        ) => return Outcome::NotOpened,
        Err(error) => panic!("bit {bit}: {error:?}"),
    };
    let found = examined(&vault, &keys);
    if found.faults == 0 {
        read_as_ever(&vault, &keys, values);
        return Outcome::NoEffect;
    }
    // Each reads as it is, or is told by its name: where there are too many for that, there is the count.
    let all = found.told.len() as u64 == found.faults;
    let mut served = 0;
    for (name, value) in values {
        match vault.read(&keys, name) {
            Ok(opened) => {
                assert_eq!(opened.value(), Some(&value[..]), "bit {bit}: {name}");
                served += 1;
            }
            Err(Error::Corrupt(_)) | Err(Error::NotFound) => {
                let told = found.told.iter().any(|fault| fault.name.as_deref() == Some(name));
                assert!(told || !all, "bit {bit}: {name} does not read, and {:?}", found.told);
            }
            Err(error) => panic!("bit {bit}: {error:?}"),
        }
    }
    let of_page = |fault: &Fault| fault.kind == FaultKind::Page && fault.table.is_some();
    if served > 0 && served < values.len() && found.told.iter().any(of_page) {
        Outcome::ToldOfPage
    } else {
        Outcome::Told
    }
}

#[test]
fn a_bit_anywhere_has_no_effect_or_is_told() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("vault");
    let values = filled(&path);
    let (vault, keys) = open(&path).unwrap();
    let found = examined(&vault, &keys);
    assert_eq!((found.faults, &found.told[..]), (0, &[][..]), "the control");
    assert!(found.rows > 160, "{}", found.rows);
    read_as_ever(&vault, &keys, &values);
    vault.close().unwrap();
    let honest = fs::read(&path).unwrap();

    // The header with its two commit slots, each fifth byte; every page at its head, where its count and the ends of its
    // rows are; and all of the file, in steps that are no multiple of anything and at random.
    let bits = honest.len() * 8;
    let header = (0..320).step_by(5).map(|byte| byte * 8 + byte % 8);
    let heads = (1..honest.len() / 4096).flat_map(|page| [2, 9].map(|at| (page * 4096 + at) * 8 + at % 8));
    let all = (0..bits).step_by((bits / 30) | 1);
    let anywhere = (0..30).map(|_| {
        let mut number = [0; 8];
        getrandom::fill(&mut number).unwrap();
        usize::from_le_bytes(number) % bits
    });
    let mut outcomes = BTreeMap::new();
    for bit in header.chain(heads).chain(all).chain(anywhere) {
        *outcomes.entry(flip(&path, &honest, bit, &values)).or_insert(0) += 1;
    }
    eprintln!("{outcomes:?} of {} KiB", honest.len() / 1024);
    assert_eq!(outcomes.len(), 4, "each of them came about: {outcomes:?}");
}

#[test]
fn a_bit_of_a_row_is_told_by_table_name_and_version() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("vault");
    let values = filled(&path);
    let honest = fs::read(&path).unwrap();
    for (table, kind, named) in [
        ("meta", FaultKind::Sealed, true),
        ("values", FaultKind::Sealed, true),
        ("history", FaultKind::Sealed, true),
        ("names", FaultKind::Astray, false),
    ] {
        fs::write(&path, &honest).unwrap();
        let raw = Raw::open(&path);
        // Of one that has a value: that of one that was removed tells no name.
        let (id, _) = raw.rows("values").swap_remove(7);
        let mut rows = raw.rows(table);
        let (_, row) = rows.swap_remove(rows.iter().position(|(key, _)| key.starts_with(&id)).unwrap_or(7));
        drop(raw);
        let file = fs::read(&path).unwrap();
        let mut told = 0;
        // Freed pages have copies of it, of which nothing is told.
        for at in file.windows(row.len()).enumerate().filter(|(_, there)| *there == row).map(|(at, _)| at) {
            let mut flipped = file.clone();
            flipped[at + row.len() / 2] ^= 4;
            fs::write(&path, flipped).unwrap();
            let (vault, keys) = open(&path).unwrap();
            let found = examined(&vault, &keys);
            let is_told = |fault: &glassdome_vault::Fault| {
                fault.table == Some(table)
                    && fault.kind == kind
                    && (!named || (fault.name.is_some() && fault.version.is_some()))
            };
            // What an index leads to stands in other tables, too, as a key.
            assert!(
                found.faults == 0 || !named || found.told.iter().any(is_told),
                "{table}: {:?}",
                found.told
            );
            if found.told.iter().any(is_told) {
                told += 1;
                let unread = values.keys().filter(|name| vault.read(&keys, name).is_err()).count();
                assert!(unread <= 1, "{table}: {unread} do not read");
            }
        }
        assert!(told > 0, "{table}");
    }
}
