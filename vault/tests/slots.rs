//! A key slot that was replaced or removed is neither in the vault's file nor beside it: who reads both later finds
//! nothing that the former password or code opens.
#![allow(clippy::unwrap_used, reason = "what is not there fails the test")]

mod support;

use std::fs;
use std::path::Path;

use glassdome_vault::kdf::KdfParams;
use glassdome_vault::{Error, SlotKind, Vault};

use support::{Fresh, NOW, derive, fresh, present, slot_row, value_edit};

/// The row of the slot of that kind.
fn slot(vault: &Vault, kind: SlotKind) -> Vec<u8> {
    slot_row(vault, vault.slots().unwrap().into_iter().find(|slot| slot.kind == kind).unwrap().id)
}

/// How often a row lies in the vault's file and in the one beside it.
fn count(vault: &Path, row: &[u8]) -> [usize; 2] {
    [vault.to_owned(), vault.with_file_name("vault.redo")].map(|file| {
        let bytes = fs::read(file).unwrap_or_default();
        bytes.windows(row.len()).filter(|there| *there == row).count()
    })
}

fn replace(fresh: &Fresh, kind: SlotKind, password: &str) {
    let input = Vault::new_kdf_input(kind, KdfParams::FLOOR).unwrap();
    let change = fresh.vault.rewrap(&fresh.keys, &input, &derive(&input, password)).unwrap();
    fresh.vault.commit(change).unwrap();
}

fn write_much(fresh: &Fresh, settled: bool) {
    for at in 0..20 {
        fresh.set(&format!("n/{}", at % 7), &[at; 3000]);
        if settled && at % 5 == 0 {
            fresh.vault.settle().unwrap();
        }
    }
}

#[test]
fn a_former_slot_is_overwritten_wherever_it_lay() {
    for settled in [false, true] {
        let fresh = fresh();
        let first = slot(&fresh.vault, SlotKind::Password);
        write_much(&fresh, settled);
        replace(&fresh, SlotKind::Recovery, "a code");
        let code = slot(&fresh.vault, SlotKind::Recovery);
        write_much(&fresh, settled);
        assert!(count(&fresh.path, &first)[0] > 0 && count(&fresh.path, &code)[0] > 0, "control");

        // What was begun before goes on with what it saw.
        let draft = fresh.vault.draft(&fresh.keys).unwrap();
        let mut backup = fresh.vault.backup().unwrap();
        replace(&fresh, SlotKind::Password, "another password");
        assert_eq!(count(&fresh.path, &first), [0, 0], "passwd");
        let second = slot(&fresh.vault, SlotKind::Password);
        assert!(count(&fresh.path, &second)[0] > 0, "control");
        replace(&fresh, SlotKind::Recovery, "another code");
        assert_eq!(count(&fresh.path, &code), [0, 0], "rotate-recovery");
        let code = slot(&fresh.vault, SlotKind::Recovery);
        assert!(count(&fresh.path, &code)[0] > 0, "control");
        write_much(&fresh, settled);
        fresh.vault.commit(fresh.vault.remove_recovery(&fresh.keys).unwrap()).unwrap();
        assert_eq!(count(&fresh.path, &code), [0, 0], "remove");
        assert!(draft.info("n/1").is_ok());
        let mut copy = vec![0; 1 << 20];
        let length = backup.read(&fresh.vault, &mut copy).unwrap();
        assert!(copy[..length].windows(first.len()).any(|there| there == first), "a backup of that moment");
        drop((draft, backup));

        fresh.vault.settle().unwrap();
        write_much(&fresh, settled);
        let Fresh { vault, keys, path, directory } = fresh;
        drop(vault);
        let fresh = Fresh { vault: present(&path), keys, path, directory };
        assert_eq!(fresh.value("n/1").unwrap().unwrap().len(), 3000);
        assert!(matches!(fresh.check().unwrap(), glassdome_vault::CheckStep::Sound { .. }));
        for row in [&first, &code] {
            assert_eq!(count(&fresh.path, row), [0, 0], "opened again");
        }
    }
}

#[test]
fn what_was_acknowledged_before_stays() {
    let fresh = fresh();
    fresh.set("a", b"1");
    replace(&fresh, SlotKind::Password, "another password");
    fresh.change(|draft| draft.set("b", value_edit(b"2"), NOW)).unwrap();
    // As a crash leaves it: the files as they are.
    let copy = fresh.directory.path().join("copy");
    fs::copy(&fresh.path, &copy).unwrap();
    fs::copy(fresh.path.with_file_name("vault.redo"), copy.with_file_name("copy.redo")).unwrap();
    let vault = present(&copy);
    for (name, value) in [("a", b"1"), ("b", b"2")] {
        assert_eq!(vault.read(&fresh.keys, name).unwrap().value().unwrap(), value);
    }
}

#[test]
fn a_slot_that_cannot_be_overwritten_is_out_of_force_all_the_same_and_is_overwritten_later() {
    let fresh = fresh();
    fresh.set("s", b"v");
    fresh.vault.settle().unwrap();
    let first = slot(&fresh.vault, SlotKind::Password);
    let redo = fresh.path.with_file_name("vault.redo");
    let _ = fs::remove_file(&redo);
    let elsewhere = fresh.path.with_file_name("elsewhere");
    fs::write(&elsewhere, b"somebody's").unwrap();
    std::os::unix::fs::symlink(&elsewhere, &redo).unwrap();

    let input = Vault::new_kdf_input(SlotKind::Password, KdfParams::FLOOR).unwrap();
    let new = derive(&input, "another password");
    let change = fresh.vault.rewrap(&fresh.keys, &input, &new).unwrap();
    let mark = change.mark(fresh.vault.id());
    let committed = fresh.vault.commit(change);
    let Err(Error::NotOverwritten(cause)) = &committed else { panic!("{committed:?}") };
    assert!(matches!(**cause, Error::RedoNotAFile), "{cause:?}");
    assert!(mark.is_some() && fresh.vault.committed_mark() == mark, "it is in force, and that is known");
    fresh.vault.unwrap(&new).unwrap();
    assert!(matches!(fresh.vault.unwrap(&support::kek().1), Err(Error::WrongPassword)));
    assert_eq!(fresh.value("s").unwrap().unwrap(), b"v", "who reads is not disturbed");
    assert_eq!(count(&fresh.path, &first)[0], 0, "the one file is no hindrance to the other");
    assert!(matches!(fresh.vault.settle(), Err(Error::NotOverwritten(_))), "it is tried again");
    assert_eq!(fs::read(&elsewhere).unwrap(), b"somebody's");

    fs::remove_file(&redo).unwrap();
    fs::write(&redo, &first).unwrap();
    fresh.vault.settle().unwrap();
    assert_eq!(count(&fresh.path, &first), [0, 0]);
    fs::write(&redo, &first).unwrap();
    fresh.vault.settle().unwrap();
    assert_eq!(count(&fresh.path, &first), [0, 1], "control: nothing is left to be overwritten");
}
