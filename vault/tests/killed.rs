//! Killed in the middle of writing, a vault opens again, without a long scan, and holds every change that was
//! acknowledged.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on must panic")]

mod support;

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use glassdome_vault::{CheckStep, SlotKind, Throttle};
use support::{NOW, PASSWORD, derive, fresh, present, value_edit};

/// Set where the writer is: the vault's path.
const WRITER: &str = "GLASSDOME_TEST_WRITER";
const NAME: &str = "what_was_acknowledged_survives_a_kill";

#[test]
fn what_was_acknowledged_survives_a_kill() {
    if let Some(path) = std::env::var_os(WRITER) {
        return write_for_ever(Path::new(&path));
    }
    let it = fresh();
    it.set("s", &0_u64.to_le_bytes());
    let (path, keys, _directory) = (it.path, it.keys, it.directory);
    drop(it.vault);
    let mut reached = 0;
    for round in 1..=6 {
        let mut writer = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", NAME, "--nocapture"])
            .env(WRITER, &path)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut acknowledged = 0;
        let mut lines = BufReader::new(writer.stdout.take().unwrap()).lines();
        for line in lines.by_ref() {
            if let Some(number) = line.unwrap().strip_prefix("written ") {
                acknowledged = number.parse().unwrap();
                if acknowledged >= reached + 7 * round {
                    break;
                }
            }
        }
        writer.kill().unwrap();
        writer.wait().unwrap();
        for line in lines.map_while(Result::ok) {
            acknowledged = line.strip_prefix("written ").and_then(|n| n.parse().ok()).unwrap_or(acknowledged);
        }
        let vault = present(&path);
        let value: [u8; 8] = vault.read(&keys, "s").unwrap().value().unwrap().try_into().unwrap();
        let found = u64::from_le_bytes(value);
        assert!(
            acknowledged > reached && found >= acknowledged,
            "{acknowledged} acknowledged, {found} found"
        );
        let mut check = vault.check(&keys).unwrap();
        assert!(matches!(check.step(&keys, 1000).unwrap(), CheckStep::Sound { .. }));
        reached = found;
    }
}

/// A vault as the disk has it at this moment, with or without what lies beside it.
fn as_it_lies(path: &Path, with_redo: bool) -> (tempfile::TempDir, std::path::PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let copy = directory.path().join("vault");
    std::fs::copy(path, &copy).unwrap();
    if with_redo {
        std::fs::copy(path.with_file_name("vault.redo"), copy.with_file_name("vault.redo")).unwrap();
    }
    (directory, copy)
}

#[test]
fn a_change_lies_beside_the_file_until_it_is_settled() {
    let it = fresh();
    it.set("s", b"one");
    it.vault.settle().unwrap();
    it.set("s", b"two");
    it.set("t", b"more");
    let value = |path: &Path, name| {
        let vault = present(path);
        let value = vault.read(&it.keys, name).ok().map(|opened| opened.value().unwrap().to_vec());
        assert!(matches!(vault.check(&it.keys).unwrap().step(&it.keys, 1000), Ok(CheckStep::Sound { .. })));
        value
    };
    let (_one, alone) = as_it_lies(&it.path, false);
    assert_eq!((value(&alone, "s"), value(&alone, "t")), (Some(b"one".to_vec()), None), "control");
    let (_two, whole) = as_it_lies(&it.path, true);
    for _ in 0..2 {
        assert_eq!((value(&whole, "s"), value(&whole, "t")), (Some(b"two".into()), Some(b"more".into())));
        assert!(!whole.with_file_name("vault.redo").exists(), "closed, it is one file");
    }
    // Killed a second time before anything was settled.
    let (_three, twice) = as_it_lies(&it.path, true);
    let again = present(&twice);
    let (_four, again_copied) = as_it_lies(&twice, true);
    assert_eq!(value(&again_copied, "t"), Some(b"more".into()));
    drop(again);

    it.vault.settle().unwrap();
    let (_five, settled) = as_it_lies(&it.path, false);
    assert_eq!(value(&settled, "s"), Some(b"two".into()));
    // What is in the vault already, or of another state of it, is not made again.
    it.set("s", b"three");
    it.vault.settle().unwrap();
    let (_six, later) = as_it_lies(&it.path, true);
    assert_eq!(value(&later, "s"), Some(b"three".into()));
    let other = fresh();
    other.set("s", b"other");
    other.vault.settle().unwrap();
    let (_seven, foreign) = as_it_lies(&other.path, false);
    std::fs::copy(it.path.with_file_name("vault.redo"), foreign.with_file_name("vault.redo")).unwrap();
    assert_eq!(present(&foreign).read(&other.keys, "s").unwrap().value(), Some(&b"other"[..]));
}

#[test]
fn a_copy_put_back_stays_as_it_was() {
    let it = fresh();
    it.set("s", b"one");
    it.vault.settle().unwrap();
    let (_backup, backup) = as_it_lies(&it.path, false);
    it.change(|draft| draft.remove("s", false, NOW)).unwrap();
    let put_back = || {
        let (directory, restored) = as_it_lies(&it.path, true);
        std::fs::copy(&backup, &restored).unwrap();
        let vault = present(&restored);
        drop(directory);
        vault.read(&it.keys, "s").map(|opened| opened.value().unwrap().to_vec())
    };
    assert!(put_back().is_err(), "control: what is not settled follows");
    it.vault.settle().unwrap();
    assert_eq!(put_back().unwrap(), b"one");
    // As it is when what lay there was found at an opening.
    it.set("t", b"two");
    let (_killed, killed) = as_it_lies(&it.path, true);
    let again = present(&killed);
    again.settle().unwrap();
    let (_copy, copy) = as_it_lies(&killed, true);
    std::fs::copy(&it.path, &copy).unwrap();
    assert!(present(&copy).read(&it.keys, "t").is_err());
}

#[test]
fn a_wrong_password_does_not_wait_for_what_is_not_settled() {
    let it = fresh();
    let first = Throttle { failures: 1, not_before: 5 };
    it.vault.store_throttle(&first).unwrap();
    assert!(
        !it.path.with_file_name("vault.redo").exists(),
        "with nothing recorded it lies in the vault's file"
    );
    it.set("s", b"one");
    let file = std::fs::read(&it.path).unwrap();
    let second = Throttle { failures: 2, not_before: 9 };
    it.vault.store_throttle(&second).unwrap();
    it.vault.store_panic(Some(7)).unwrap();
    it.set("t", b"two");
    it.vault.store_panic(None).unwrap();
    it.vault.store_panic(Some(8)).unwrap();
    assert_eq!(std::fs::read(&it.path).unwrap(), file, "nothing was settled");
    let (_alone, alone) = as_it_lies(&it.path, false);
    assert_eq!(present(&alone).throttle().unwrap(), first, "control");
    let (_whole, whole) = as_it_lies(&it.path, true);
    for _ in 0..2 {
        let vault = present(&whole);
        assert_eq!((vault.throttle().unwrap(), vault.panic().unwrap()), (second, Some(8)));
        assert_eq!(vault.read(&it.keys, "t").unwrap().value(), Some(&b"two"[..]));
    }
    // Settled, none of it is made again.
    it.vault.settle().unwrap();
    it.vault.store_throttle(&Throttle::default()).unwrap();
    let (_later, later) = as_it_lies(&it.path, true);
    assert_eq!(present(&later).throttle().unwrap(), Throttle::default());
}

#[test]
fn changes_of_many_at_once_are_all_recorded() {
    let it = fresh();
    let value = vec![7; 30_000];
    std::thread::scope(|scope| {
        let settler = scope.spawn(|| {
            for _ in 0..200 {
                it.vault.settle().unwrap();
                std::thread::yield_now();
            }
        });
        for client in 0..4 {
            let (it, value) = (&it, &value);
            scope.spawn(move || {
                for number in 0..12 {
                    let name = format!("c{client}/{number}");
                    let set = || it.change(|draft| draft.set(&name, value_edit(value), NOW));
                    while let Err(error) = set() {
                        assert!(matches!(error, glassdome_vault::Error::Conflict), "{error:?}");
                    }
                }
            });
        }
        settler.join().unwrap();
    });
    // Nothing writes any more: what the disk has is everything.
    let (_directory, copy) = as_it_lies(&it.path, true);
    let vault = present(&copy);
    for client in 0..4 {
        for number in 0..12 {
            let found = vault.read(&it.keys, &format!("c{client}/{number}")).unwrap();
            assert_eq!(found.value(), Some(&value[..]), "{client}/{number}");
        }
    }
}

#[test]
fn more_changes_than_there_is_room_for() {
    let it = fresh();
    for number in 0..200_u64 {
        it.set(&format!("n{}", number % 7), &number.to_le_bytes());
    }
    it.set("large", &vec![7; 500_000]);
    it.set("last", b"small");
    let (_directory, copy) = as_it_lies(&it.path, true);
    let vault = present(&copy);
    for number in 193..200_u64 {
        let name = format!("n{}", number % 7);
        assert_eq!(vault.read(&it.keys, &name).unwrap().value(), Some(&number.to_le_bytes()[..]));
    }
    assert_eq!(vault.read(&it.keys, "large").unwrap().value().unwrap().len(), 500_000);
    assert_eq!(vault.read(&it.keys, "last").unwrap().value(), Some(&b"small"[..]));
}

fn write_for_ever(path: &Path) {
    let vault = present(path);
    let keys =
        vault.unwrap(&derive(&vault.kdf_input(SlotKind::Password).unwrap().unwrap(), PASSWORD)).unwrap();
    let value: [u8; 8] = vault.read(&keys, "s").unwrap().value().unwrap().try_into().unwrap();
    for number in u64::from_le_bytes(value) + 1.. {
        let mut draft = vault.draft(&keys).unwrap();
        draft.set("s", value_edit(&number.to_le_bytes()), NOW).unwrap();
        vault.commit(draft.finish().unwrap()).unwrap();
        println!("written {number}");
        if number % 5 == 0 {
            vault.settle().unwrap();
        }
    }
}
