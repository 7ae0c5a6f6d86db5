//! What is recorded beside the file and not yet in it, where the file or the disk takes it no more.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on must panic")]

use super::tests::{Faults, Made};
use super::*;
use crate::state;

/// Values of which three share a page, a slot, and a state to be changed.
pub(super) fn made() -> Made {
    let mut rows: Vec<NewRow> = (0..40_u8).map(|key| (Table::Values, vec![key], vec![key; 1300])).collect();
    rows.push((Table::Sealed, state::KEY.to_vec(), vec![0xA0; 100]));
    rows.push((Table::Slots, vec![0], vec![0x51; 100]));
    Made::of(&rows)
}

/// A change on top of what is there.
pub(super) fn change(store: &Store, mut ops: Vec<Op>) -> Result<bool, Error> {
    let base = store.read(|reader| Ok(reader.get(Table::Sealed, state::KEY)?.unwrap().value().to_vec()))?;
    let next = base.iter().map(|byte| byte.wrapping_add(1)).collect();
    ops.push((Table::Sealed, state::KEY.to_vec(), Some(next)));
    store.change(&base, ops)
}

#[test]
fn a_removal_that_the_file_cannot_take_is_refused_and_stands_in_nobodys_way() {
    let made = made();
    let mut bytes = std::fs::read(&made.path).unwrap();
    // The count of rows in the page of 17.
    bytes[made.at / 4096 * 4096 + 3] = 0x40;
    std::fs::write(&made.path, bytes).unwrap();
    let store = made.store();
    let mut refused = 0;
    // What is left of their page is to be brought together with that one.
    for key in [18, 19, 20] {
        match change(&store, vec![(Table::Values, vec![key], None)]) {
            Ok(_) => {}
            Err(Error::Corrupt(Damage::Store)) => refused += 1,
            Err(error) => panic!("{error:?}"),
        }
        store.settle().unwrap();
    }
    assert!(refused > 0, "control: they meet it");
    change(&store, vec![(Table::Slots, vec![0], Some(vec![0x52; 100]))]).unwrap();
    for key in 0..100 {
        change(&store, vec![(Table::Meta, vec![key], Some(vec![1; 100]))]).unwrap();
    }
    store.put(vec![(Table::Plain, vec![1], Some(vec![1]))]).unwrap();
    store.close().unwrap();
}

#[test]
fn a_count_that_the_file_has_wrong_is_damage() {
    let made = made();
    let mut bytes = std::fs::read(&made.path).unwrap();
    let count = 40_u64.to_le_bytes();
    let places: Vec<_> = (24..bytes.len() - 8)
        .filter(|&at| bytes[at..at + 8] == count && bytes[at - 16..at].iter().any(|byte| *byte != 0))
        .collect();
    assert!(!places.is_empty());
    places.iter().for_each(|&at| bytes[at..at + 8].fill(0));
    std::fs::write(&made.path, bytes).unwrap();
    let store = made.store();
    assert_eq!(store.reader().unwrap().count(Table::Values).unwrap(), 0, "control: it is believed");
    let mut pending = super::pending::Pending::default();
    pending.make(&[(Table::Values, vec![3], None)]);
    let database = made_again(&made, store);
    let reader = Reader::new(&database).unwrap().with(pending);
    assert!(matches!(reader.count(Table::Values), Err(Error::Corrupt(Damage::Store))));
}

fn made_again(made: &Made, store: Store) -> Database {
    drop(store);
    made.on(&Faults::bad_at(u64::MAX))
}

#[test]
fn wherever_bringing_it_into_the_file_fails_nothing_of_it_is_lost() {
    for with_slot in [false, true] {
        let mut points = 0;
        while !fails_at(points, with_slot) {
            points += 1;
        }
        assert!(points > 10, "control: there is something to fail: {points}");
    }
}

/// Records changes, has the disk take nothing more behind so many writes and syncs of bringing them into the file, a
/// change of a slot among them or not, and looks at what is left: behind a kill, and behind a close. Whether all was
/// taken.
fn fails_at(takes: u64, with_slot: bool) -> bool {
    let (made, faults) = (made(), Faults::bad_at(u64::MAX));
    let open = Open::of(&made.path, open_file(&made.path).unwrap(), made.on(&faults)).unwrap();
    for turn in 0..3_u8 {
        let (base, next) = (vec![0xA0 + turn; 100], vec![0xA1 + turn; 100]);
        let ops = [
            (Table::Values, vec![5 * turn], None),
            (Table::Values, vec![100 + turn], Some(vec![turn; 900])),
            (Table::Sealed, state::KEY.to_vec(), Some(next)),
        ];
        open.change(&base, &ops).unwrap();
    }
    open.put(&[(Table::Plain, vec![1], Some(vec![7]))]).unwrap();
    faults.takes.store(takes, Ordering::SeqCst);
    let slot = [
        (Table::Slots, vec![0], Some(vec![0x52; 100])),
        (Table::Sealed, state::KEY.to_vec(), Some(vec![0xA4; 100])),
    ];
    let taken = guarded(|| match with_slot {
        true => open.change(&[0xA3; 100], &slot).map(drop),
        false => open.settle_all(),
    });
    let taken = taken.is_ok();
    // Whoever waited for that, and comes before the file is closed; the disk takes all again behind what it took.
    if taken {
        faults.takes.store(u64::MAX, Ordering::SeqCst);
    }
    let late = open.put(&[(Table::Plain, vec![2], Some(vec![8]))]).is_ok();
    assert!(late || !taken, "{takes}");

    let look = |reader: &Reader| {
        let row = |table, key: &[u8]| reader.get(table, key).unwrap().map(|row| row.value().to_vec());
        for turn in 0..3 {
            assert_eq!(row(Table::Values, &[5 * turn]), None, "{takes}");
            assert_eq!(row(Table::Values, &[100 + turn]), Some(vec![turn; 900]), "{takes}");
        }
        assert_eq!(row(Table::Plain, &[1]), Some(vec![7]));
        assert!(!late || row(Table::Plain, &[2]) == Some(vec![8]), "{takes}: acknowledged, and lost");
        assert_eq!(reader.count(Table::Values).unwrap(), 40);
        let found = (row(Table::Sealed, state::KEY).unwrap()[0], row(Table::Slots, &[0]).unwrap()[0]);
        let (before, behind) = ((0xA3, 0x51), (0xA4, 0x52));
        assert!(
            found == behind && with_slot || found == before && !(with_slot && taken),
            "{takes}: {found:x?}"
        );
    };
    // As a kill leaves both files.
    let copies = tempfile::tempdir().unwrap();
    let copy = copies.path().join("vault");
    std::fs::copy(&made.path, &copy).unwrap();
    std::fs::copy(made.path.with_file_name("vault.redo"), copies.path().join("vault.redo")).unwrap();
    let closed = open.close();
    assert!(!taken || closed.is_ok() || faults.takes.load(Ordering::SeqCst) == 0);
    for path in [&copy, &made.path] {
        for _ in 0..2 {
            let again = Open::new(path).unwrap();
            look(&again.read());
            again.settle_all().unwrap();
            look(&again.read());
            again.close().unwrap().remove();
        }
    }
    taken
}
