//! Who opens the vault: the password, the new one after a change, and no other; and the memory of failures.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on must panic")]

mod support;

use glassdome_vault::kdf::{KdfParams, calibrate};
use glassdome_vault::{Damage, Error, SlotKind, Throttle, Vault};
use support::{NOW, PASSWORD, derive, fresh, kek, present};

#[test]
fn the_right_password_opens_and_a_wrong_one_is_told_apart_from_damage() {
    let it = fresh();
    it.set("s", b"v");
    let input = it.vault.kdf_input(SlotKind::Password).unwrap().unwrap();
    assert_eq!(input, kek().0);
    let keys = it.vault.unwrap(&derive(&input, PASSWORD)).unwrap();
    assert_eq!(it.vault.read(&keys, "s").unwrap().value(), Some(&b"v"[..]));
    let wrong = derive(&input, "not the password");
    assert!(matches!(it.vault.unwrap(&wrong), Err(Error::WrongPassword)));
    let damaged = it.tampered(|raw| {
        let (id, mut row) = raw.rows("slots").remove(0);
        *row.last_mut().unwrap() ^= 1;
        raw.put("slots", &id, &row);
    });
    assert!(matches!(damaged.vault.unwrap(&kek().1), Err(Error::Corrupt(Damage::Slot))));
}

#[test]
fn a_new_password_takes_the_place_of_the_old() {
    let it = fresh();
    it.set("s", b"v");
    let old_row = {
        let mut rows = Vec::new();
        it.vault
            .rows(|table, key, row| {
                if table == "slots" {
                    rows.push((key.to_vec(), row.to_vec()));
                }
                Ok(())
            })
            .unwrap();
        rows.remove(0)
    };
    let input = Vault::new_kdf_input(SlotKind::Password, KdfParams::new(64 * 1024, 4, 2).unwrap()).unwrap();
    let new = derive(&input, "a new one");
    it.vault.commit(it.vault.rewrap(&it.keys, &input, &new).unwrap()).unwrap();
    assert_eq!(it.vault.kdf_input(SlotKind::Password).unwrap().unwrap(), input);
    assert!(matches!(it.vault.unwrap(&kek().1), Err(Error::WrongPassword)));
    let keys = it.vault.unwrap(&new).unwrap();
    assert_eq!(it.vault.read(&keys, "s").unwrap().value(), Some(&b"v"[..]));

    // Whoever writes the file puts the old slot back: the old password opens it, and is refused.
    let back = it.tampered(|raw| raw.put("slots", &old_row.0, &old_row.1));
    assert!(matches!(back.vault.unwrap(&kek().1), Err(Error::Corrupt(Damage::Control))));
}

#[test]
fn a_recovery_code_opens_it_beside_the_password_until_it_is_another_one_or_none() {
    let it = fresh();
    it.set("s", b"v");
    let kinds = || it.vault.slots().unwrap().iter().map(|slot| (slot.id, slot.kind)).collect::<Vec<_>>();
    assert_eq!(kinds(), [(0, SlotKind::Password)]);
    assert!(it.vault.kdf_input(SlotKind::Recovery).unwrap().is_none());
    assert!(matches!(it.vault.remove_recovery(&it.keys), Err(Error::NotFound)));
    let set = |code| {
        let input = Vault::new_kdf_input(SlotKind::Recovery, KdfParams::FLOOR).unwrap();
        let kek = derive(&input, code);
        it.vault.commit(it.vault.rewrap(&it.keys, &input, &kek).unwrap()).unwrap();
        kek
    };
    let first = set("0000");
    assert_eq!(kinds(), [(0, SlotKind::Password), (1, SlotKind::Recovery)]);
    let by_code = it.vault.unwrap(&first).unwrap();
    assert_eq!(by_code.opened_by(), SlotKind::Recovery);
    assert_eq!(it.vault.read(&by_code, "s").unwrap().value(), Some(&b"v"[..]));
    assert_eq!(it.vault.unwrap(&kek().1).unwrap().opened_by(), SlotKind::Password);

    // A lost password: the code lets another one in, and stays.
    let input = Vault::new_kdf_input(SlotKind::Password, KdfParams::FLOOR).unwrap();
    let new = derive(&input, "a new one");
    it.vault.commit(it.vault.rewrap(&by_code, &input, &new).unwrap()).unwrap();
    assert!(matches!(it.vault.unwrap(&kek().1), Err(Error::WrongPassword)));
    it.vault.unwrap(&new).unwrap();
    it.vault.unwrap(&first).unwrap();

    let second = set("1111");
    assert!(matches!(it.vault.unwrap(&first), Err(Error::WrongPassword)));
    it.vault.unwrap(&second).unwrap();
    it.vault.commit(it.vault.remove_recovery(&it.keys).unwrap()).unwrap();
    assert_eq!(kinds(), [(0, SlotKind::Password)]);
    assert!(matches!(it.vault.unwrap(&second), Err(Error::Corrupt(Damage::Slot))));
}

#[test]
fn a_slot_taken_out_or_put_back_by_who_writes_the_file_is_noticed() {
    let it = fresh();
    let input = Vault::new_kdf_input(SlotKind::Recovery, KdfParams::FLOOR).unwrap();
    let code = derive(&input, "0000");
    it.vault.commit(it.vault.rewrap(&it.keys, &input, &code).unwrap()).unwrap();
    it.vault.settle().unwrap();
    let mut rows = Vec::new();
    let each = |table: &str, key: &[u8], row: &[u8]| {
        if table == "slots" {
            rows.push((key.to_vec(), row.to_vec()));
        }
        Ok(())
    };
    it.vault.rows(each).unwrap();
    let (id, row) = rows.remove(1);
    let without = it.tampered(|raw| raw.delete("slots", &id));
    assert!(matches!(without.vault.unwrap(&kek().1), Err(Error::Corrupt(Damage::Control))));

    let it = without.tampered(|raw| raw.put("slots", &id, &row));
    let keys = it.vault.unwrap(&kek().1).expect("as it was: control");
    it.vault.commit(it.vault.remove_recovery(&keys).unwrap()).unwrap();
    let back = it.tampered(|raw| raw.put("slots", &id, &row));
    assert!(matches!(back.vault.unwrap(&code), Err(Error::Corrupt(Damage::Control))), "it was taken away");
    // Under another slot's id it is no slot at all.
    drop(back);
    let moved = fresh();
    let path = moved.path.clone();
    drop(moved.vault);
    let mut raw = support::Raw::open(&path);
    raw.put("slots", &[7], &row);
    drop(raw);
    assert!(matches!(Vault::open(&path), Err(Error::Corrupt(Damage::Slot))));
}

#[test]
fn a_panic_outlives_the_vault_and_needs_no_key() {
    let it = fresh();
    assert_eq!(it.vault.panic().unwrap(), None);
    it.vault.store_panic(Some(1_700_000_000_123)).unwrap();
    drop(it.vault);
    let vault = present(&it.path);
    assert_eq!(vault.panic().unwrap(), Some(1_700_000_000_123));
    vault.unwrap(&kek().1).unwrap();
    vault.store_panic(None).unwrap();
    drop(vault);
    let vault = present(&it.path);
    assert_eq!(vault.panic().unwrap(), None);
    drop(vault);
    let mut raw = support::Raw::open(&it.path);
    raw.put("plain", b"panic", b"short");
    drop(raw);
    assert!(matches!(present(&it.path).panic(), Err(Error::Corrupt(Damage::Panic))));
}

#[test]
fn the_memory_of_failures_outlives_the_vault_and_needs_no_key() {
    let it = fresh();
    assert_eq!(it.vault.throttle().unwrap(), Throttle::default());
    let throttle = Throttle { failures: 3, not_before: 1_700_000_000_123 };
    it.vault.store_throttle(&throttle).unwrap();
    drop(it.vault);
    let vault = present(&it.path);
    assert_eq!(vault.throttle().unwrap(), throttle);
    vault.unwrap(&kek().1).unwrap();
    drop(vault);
    let mut raw = support::Raw::open(&it.path);
    raw.put("plain", b"throttle", b"short");
    drop(raw);
    assert!(matches!(present(&it.path).throttle(), Err(Error::Corrupt(Damage::Throttle))));
}

#[test]
fn a_vault_is_made_whole_private_and_only_where_nothing_is() {
    use std::os::unix::fs::PermissionsExt;
    let it = fresh();
    assert_eq!(std::fs::metadata(&it.path).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(std::fs::read_dir(it.directory.path()).unwrap().count(), 1, "nothing is left beside it");
    assert_eq!((it.vault.created(), it.vault.generation(&it.keys).unwrap()), (NOW, 1));
    let before = std::fs::read(&it.path).unwrap();
    let (input, kek) = kek();
    assert!(matches!(Vault::create(&it.path, input, kek, NOW), Err(Error::Exists)));
    assert_eq!(std::fs::read(&it.path).unwrap(), before);
    let dangling = it.directory.path().join("dangling");
    std::os::unix::fs::symlink("nowhere", &dangling).unwrap();
    assert!(matches!(Vault::create(&dangling, input, kek, NOW), Err(Error::Exists)));
    let nowhere = it.directory.path().join("no/such/directory");
    assert!(matches!(Vault::create(&nowhere, input, kek, NOW), Err(Error::Storage(_))));
}

#[test]
fn calibration_never_goes_below_the_floor() {
    let params = calibrate().unwrap();
    assert!(params.m_kib() >= 64 * 1024 && params.t() >= 3 && (1..=4).contains(&params.p()));
}
