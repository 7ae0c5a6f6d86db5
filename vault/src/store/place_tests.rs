//! A file that loses its name while it is open: what others have there is left alone, and nothing that was
//! acknowledged is lost.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on must panic")]

use std::fs;

use super::recorded_tests::{change, made};
use super::tests::Made;
use super::*;

fn set(store: &Store, key: u8) -> Result<(), Error> {
    change(store, vec![(Table::Meta, vec![key], Some(vec![key; 10]))]).map(drop)
}

fn has(store: &Store, key: u8) -> bool {
    let row = store.read(|reader| Ok(reader.get(Table::Meta, &[key])?.map(|row| row.value().to_vec())));
    row.unwrap().is_some()
}

/// What the next opening finds after a kill.
fn killed(made: &Made) -> (tempfile::TempDir, Store) {
    let copies = tempfile::tempdir().unwrap();
    for name in ["vault", "vault.redo"] {
        let from = made.path.with_file_name(name);
        if from.exists() {
            fs::copy(from, copies.path().join(name)).unwrap();
        }
    }
    let store = Store::open(&copies.path().join("vault"), |_| Ok(())).unwrap();
    (copies, store)
}

#[test]
fn nothing_is_acknowledged_in_a_file_that_lost_its_name() {
    for replaced in [false, true] {
        let made = made();
        let store = made.store();
        set(&store, 1).unwrap();
        let away = made.path.with_file_name("away");
        fs::rename(&made.path, &away).unwrap();
        if replaced {
            fs::copy(&away, &made.path).unwrap();
        }
        let other = fs::read(&made.path).ok();
        for _ in 0..2 {
            assert!(matches!(set(&store, 2), Err(Error::Displaced)));
            let put = store.put(vec![(Table::Plain, vec![1], Some(vec![1]))]);
            assert!(matches!(put, Err(Error::Displaced)), "{put:?}");
            assert!(matches!(store.rest(), Err(Error::Displaced)));
        }
        // What was acknowledged is brought into it, wherever it is; and it is read as before.
        store.settle().unwrap();
        assert!(has(&store, 1) && !has(&store, 2));
        assert_eq!(fs::read(&made.path).ok(), other);
        // Put back, it is gone on with.
        fs::rename(&away, &made.path).unwrap();
        set(&store, 2).unwrap();
        let (_copies, after) = killed(&made);
        assert!(has(&after, 1) && has(&after, 2));
    }
}

#[test]
fn another_file_is_not_opened_in_its_place() {
    let made = made();
    let store = made.store();
    set(&store, 1).unwrap();
    let away = made.path.with_file_name("away");
    fs::rename(&made.path, &away).unwrap();
    fs::copy(&away, &made.path).unwrap();
    store.close_under_reader();
    drop(store.newest().take());
    assert!(matches!(store.reader().map(drop), Err(Error::Displaced)));
    fs::rename(&away, &made.path).unwrap();
    assert!(has(&store, 1));
    set(&store, 2).unwrap();
}

#[test]
fn records_that_lost_their_name_are_not_relied_upon() {
    // Behind a record of its own, behind one of a run before, and behind none.
    for (recorded, killed_before) in [(true, false), (true, true), (false, false)] {
        let made = made();
        let redo = made.path.with_file_name("vault.redo");
        let mut store = made.store();
        set(&store, 1).unwrap();
        if killed_before {
            let (records, file) = (fs::read(&redo).unwrap(), fs::read(&made.path).unwrap());
            drop(store);
            fs::write(&redo, records).unwrap();
            fs::write(&made.path, file).unwrap();
            store = made.store();
        }
        if !recorded {
            store.settle().unwrap();
        }
        assert!(redo.exists());
        // Somebody else's, with another number than one that was free again would have.
        let planted = made.path.with_file_name("planted");
        fs::write(&planted, b"not ours").unwrap();
        fs::rename(planted, &redo).unwrap();
        set(&store, 2).unwrap();
        set(&store, 3).unwrap();
        let (_copies, after) = killed(&made);
        assert!(has(&after, 1) && has(&after, 2) && has(&after, 3), "{recorded} {killed_before}");
        store.close().unwrap();
        assert!(!redo.exists());
    }
}

#[test]
fn what_came_into_the_place_of_the_records_stays() {
    let made = made();
    let redo = made.path.with_file_name("vault.redo");
    let store = made.store();
    set(&store, 1).unwrap();
    fs::remove_file(&redo).unwrap();
    fs::write(&redo, b"not ours").unwrap();
    store.close().unwrap();
    assert_eq!(fs::read(&redo).unwrap(), b"not ours");
    fs::remove_file(&redo).unwrap();
    let store = made.store();
    assert!(has(&store, 1));
}
