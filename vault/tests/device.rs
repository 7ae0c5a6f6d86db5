//! A password's slot that is bound to a device key: it takes both, the recovery code opens without, and who writes the
//! file can neither take the bond away nor put one there.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on must panic")]

mod support;

use std::fs;
use std::path::Path;

use glassdome_vault::kdf::{KdfInput, KdfParams, Kek};
use glassdome_vault::{CheckStep, Damage, DeviceKey, Error, SlotKind, Vault};
use support::at_each_call::{is_killed, killed_at_each_call};
use support::{Fresh, PASSWORD, derive, fresh, kek, present};

fn input(kind: SlotKind) -> KdfInput {
    Vault::new_kdf_input(kind, KdfParams::FLOOR).unwrap()
}

fn seal(it: &Fresh, input: &KdfInput, kek: &Kek) {
    it.vault.commit(it.vault.rewrap(&it.keys, input, kek).unwrap()).unwrap();
}

fn bind(it: &Fresh, device: &DeviceKey) -> KdfInput {
    let input = input(SlotKind::Password).bound_to(device);
    seal(it, &input, &derive(&input, PASSWORD).with_device(device).unwrap());
    input
}

#[test]
fn it_takes_both_until_it_is_unbound_and_the_recovery_code_takes_neither() {
    let it = fresh();
    it.set("s", b"v");
    let (code_input, device) = (input(SlotKind::Recovery), DeviceKey::random().unwrap());
    let code = derive(&code_input, "0000");
    seal(&it, &code_input, &code);
    assert_eq!(it.vault.kdf_input(SlotKind::Password).unwrap().unwrap().device(), None);

    let bound = bind(&it, &device);
    let told = it.vault.kdf_input(SlotKind::Password).unwrap().unwrap();
    assert_eq!((&told, told.device()), (&bound, Some(device.id())));
    assert_eq!(
        it.vault.slots().unwrap().iter().map(|slot| slot.device).collect::<Vec<_>>(),
        [Some(device.id()), None]
    );
    assert!(matches!(it.vault.unwrap(&derive(&bound, PASSWORD)), Err(Error::NoDeviceKey)));
    let wrong = derive(&bound, "not the password").with_device(&device).unwrap();
    assert!(matches!(it.vault.unwrap(&wrong), Err(Error::WrongPassword)));
    // A device key that says of itself that it is the one, and is another.
    let other = DeviceKey::random().unwrap();
    assert!(matches!(DeviceKey::read(other.expose(), device.id()), Err(Error::WrongDeviceKey)));
    let keys = it.vault.unwrap(&derive(&bound, PASSWORD).with_device(&device).unwrap()).unwrap();
    assert_eq!(it.vault.read(&keys, "s").unwrap().value(), Some(&b"v"[..]));
    assert_eq!(it.vault.unwrap(&code).unwrap().opened_by(), SlotKind::Recovery);

    // Another device key takes its place, and none.
    bind(&it, &other);
    assert!(matches!(
        it.vault.unwrap(&derive(&bound, PASSWORD).with_device(&device).unwrap()),
        Err(Error::WrongDeviceKey)
    ));
    let plain = input(SlotKind::Password);
    let alone = derive(&plain, PASSWORD);
    seal(&it, &plain, &alone);
    it.vault.unwrap(&alone).unwrap();
}

#[test]
fn a_slot_is_sealed_only_with_what_its_row_says() {
    let it = fresh();
    let device = DeviceKey::random().unwrap();
    let bound = input(SlotKind::Password).bound_to(&device);
    assert!(matches!(it.vault.rewrap(&it.keys, &bound, &derive(&bound, PASSWORD)), Err(Error::NoDeviceKey)));
    let mixed = derive(&bound, PASSWORD).with_device(&device).unwrap();
    let plain = input(SlotKind::Password);
    assert!(matches!(it.vault.rewrap(&it.keys, &plain, &mixed), Err(Error::WrongDeviceKey)));
    it.vault.unwrap(&kek().1).unwrap();
}

/// A vault with a recovery code, bound to a device key or not, in which somebody has written.
fn tampered(bound: bool, write: impl FnOnce(&mut Vec<u8>, &DeviceKey)) -> (Fresh, DeviceKey, KdfInput) {
    let it = fresh();
    let (code_input, device) = (input(SlotKind::Recovery), DeviceKey::random().unwrap());
    let code = derive(&code_input, "0000");
    seal(&it, &code_input, &code);
    if bound {
        bind(&it, &device);
    }
    it.vault.unwrap(&code).unwrap();
    let it = it.tampered(|raw| {
        let (id, mut row) = raw.rows("slots").remove(0);
        write(&mut row, &device);
        raw.put("slots", &id, &row);
    });
    // Whoever opens it by the code is told.
    assert!(matches!(it.vault.unwrap(&code), Err(Error::Corrupt(Damage::Control))));
    let told = it.vault.kdf_input(SlotKind::Password).unwrap().unwrap();
    (it, device, told)
}

/// Where the id stands in the row of a bound slot: behind the head, and a salt of 16 bytes.
const ID: std::ops::Range<usize> = 30..46;

#[test]
fn a_bond_that_who_writes_the_file_takes_away_or_puts_there_opens_nothing() {
    let (put_there, device, told) = tampered(false, |row, device| {
        row[0] = 3;
        row.splice(ID.start..ID.start, *device.id().as_bytes());
    });
    assert_eq!(told.device(), Some(device.id()));
    assert!(matches!(put_there.vault.unwrap(&derive(&told, PASSWORD)), Err(Error::NoDeviceKey)));
    let mixed = derive(&told, PASSWORD).with_device(&device).unwrap();
    assert!(matches!(put_there.vault.unwrap(&mixed), Err(Error::WrongPassword)));

    let (taken_away, _, told) = tampered(true, |row, _| {
        row[0] = 1;
        row.drain(ID);
    });
    assert_eq!(told.device(), None);
    assert!(matches!(taken_away.vault.unwrap(&derive(&told, PASSWORD)), Err(Error::WrongPassword)));

    let other = DeviceKey::random().unwrap();
    let (renamed, device, told) = tampered(true, |row, _| row[ID].copy_from_slice(other.id().as_bytes()));
    assert!(matches!(derive(&told, PASSWORD).with_device(&device), Err(Error::WrongDeviceKey)));
    let mixed = derive(&told, PASSWORD).with_device(&other).unwrap();
    assert!(matches!(renamed.vault.unwrap(&mixed), Err(Error::WrongPassword)));
}

#[test]
fn a_row_that_is_no_whole_bound_slot_condemns_the_vault() {
    for (kind, keep) in [(3, 46), (3, 30), (3, 45), (4, 150)] {
        let it = fresh();
        bind(&it, &DeviceKey::random().unwrap());
        let Fresh { vault, path, directory: _directory, .. } = it;
        drop(vault);
        let mut raw = support::Raw::open(&path);
        let (id, mut row) = raw.rows("slots").remove(0);
        row[0] = kind;
        row.truncate(keep);
        raw.put("slots", &id, &row);
        drop(raw);
        assert!(matches!(Vault::open(&path), Err(Error::Corrupt(Damage::Slot))), "{kind} {keep}");
    }
}

const KILLED: &str = "killed_at_any_call_the_slot_is_bound_or_not_and_the_vault_opens";

/// Binds the slot. To take the bond away is the same change of the vault.
fn bind_at(path: &Path) {
    let vault = present(path);
    let keys =
        vault.unwrap(&derive(&vault.kdf_input(SlotKind::Password).unwrap().unwrap(), PASSWORD)).unwrap();
    let device = DeviceKey::random().unwrap();
    // It is in the keyring before anything is bound to it.
    fs::write(path.with_file_name("device"), device.expose()).unwrap();
    let bound = input(SlotKind::Password).bound_to(&device);
    let kek = derive(&bound, PASSWORD).with_device(&device).unwrap();
    vault.commit(vault.rewrap(&keys, &bound, &kek).unwrap()).unwrap();
    vault.close().unwrap();
}

#[test]
fn killed_at_any_call_the_slot_is_bound_or_not_and_the_vault_opens() {
    if let Some(path) = is_killed() {
        return bind_at(&path);
    }
    let it = fresh();
    it.set("s", b"v");
    let code_input = input(SlotKind::Recovery);
    let code = derive(&code_input, "0000");
    seal(&it, &code_input, &code);
    let (path, _home) = (it.path, it.directory);
    it.vault.close().unwrap();
    let left = killed_at_each_call(KILLED, &path, |path| {
        let vault = present(path);
        let input = vault.kdf_input(SlotKind::Password).unwrap().unwrap();
        let kek = derive(&input, PASSWORD);
        let kek = match input.device() {
            None => kek,
            Some(id) => {
                let device = fs::read(path.with_file_name("device")).unwrap();
                kek.with_device(&DeviceKey::read(&device, id).unwrap()).unwrap()
            }
        };
        for kek in [&kek, &code] {
            let keys = vault.unwrap(kek).unwrap();
            assert_eq!(vault.read(&keys, "s").unwrap().value(), Some(&b"v"[..]));
            assert!(matches!(vault.check(&keys).unwrap().step(&keys, 1000), Ok(CheckStep::Sound { .. })));
        }
        input.device().is_some()
    });
    let is_device = |call: &str| call.starts_with("write(") && call.contains("/device>");
    assert!(left.iter().any(|(call, _)| is_device(call)), "control: {left:?}");
    // From one call on.
    let mut changes: Vec<bool> = left.iter().map(|(_, is_bound)| *is_bound).collect();
    changes.dedup();
    assert_eq!(changes, [false, true], "{left:?}");
}
