//! What a file of records says after everything that can happen to one.

use proptest::prelude::*;

use super::*;

fn change(number: u8, length: usize) -> Change {
    let ops = vec![
        (Table::Values, vec![number; 16], Some(vec![number; length])),
        (Table::History, vec![number; 24], None),
    ];
    Change { base: vec![number; 80], ops }
}

fn record_all(redo: &mut Redo, changes: &[Change]) {
    for Change { base, ops } in changes {
        let record = redo.prepare(base, ops).unwrap();
        redo.record(&record).unwrap();
        redo.keep();
    }
}

/// What is replayed, up to `most`.
fn replayed(redo: &mut Redo, most: usize) -> Vec<Change> {
    let mut found = Vec::new();
    redo.replay(|change| {
        let follows = found.len() < most;
        if follows {
            found.push(change);
        }
        Ok(follows)
    })
    .unwrap();
    found
}

#[test]
fn what_was_recorded_is_replayed_in_its_order() {
    let directory = tempfile::tempdir().unwrap();
    let vault = directory.path().join("vault");
    assert_eq!(replayed(&mut Redo::of(&vault), 9), [], "no file");
    let changes = [change(1, 10), change(2, 9000), change(3, 0)];
    record_all(&mut Redo::of(&vault), &changes);
    assert_eq!(replayed(&mut Redo::of(&vault), 9), changes);
    // It goes on behind what is in force, and leaves that alone.
    let mut redo = Redo::of(&vault);
    assert_eq!(replayed(&mut redo, 2), changes[..2]);
    assert!(!redo.is_empty());
    record_all(&mut redo, &[change(4, 5)]);
    let [first, second, _] = changes;
    assert_eq!(replayed(&mut Redo::of(&vault), 9), [first, second, change(4, 5)]);
    let mode = std::os::unix::fs::PermissionsExt::mode(&fs::metadata(&redo.path).unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600);
    redo.remove();
    assert_eq!(replayed(&mut Redo::of(&vault), 9), []);
}

#[test]
fn a_change_that_was_not_made_is_not_replayed() {
    let directory = tempfile::tempdir().unwrap();
    let vault = directory.path().join("vault");
    let mut redo = Redo::of(&vault);
    record_all(&mut redo, &[change(1, 10)]);
    let record = redo.prepare(&[2; 80], &change(2, 10).ops).unwrap();
    redo.record(&record).unwrap();
    redo.drop_last();
    assert_eq!(replayed(&mut Redo::of(&vault), 9), [change(1, 10)]);
    record_all(&mut redo, &[change(3, 10)]);
    assert_eq!(replayed(&mut Redo::of(&vault), 9), [change(1, 10), change(3, 10)]);
}

#[test]
fn there_is_a_bound_and_then_the_beginning_again() {
    let directory = tempfile::tempdir().unwrap();
    let vault = directory.path().join("vault");
    let mut redo = Redo::of(&vault);
    let Change { base, ops } = change(1, LONGEST);
    assert!(redo.prepare(&base, &ops).is_none(), "too long");
    let mut count = 0;
    let (base, ops) = (change(1, 0).base, change(1, 30_000).ops);
    while let Some(record) = redo.prepare(&base, &ops) {
        redo.record(&record).unwrap();
        redo.keep();
        count += 1;
    }
    assert_eq!(count, CAPACITY as usize / (8 * PAGE));
    assert_eq!(fs::metadata(&redo.path).unwrap().len(), CAPACITY);
    redo.reset();
    assert!(redo.is_empty());
    record_all(&mut redo, &[change(7, 1)]);
    assert_eq!(replayed(&mut Redo::of(&vault), 1), [change(7, 1)]);
}

#[test]
fn what_is_no_file_of_ours_is_not_followed() {
    let directory = tempfile::tempdir().unwrap();
    let vault = directory.path().join("vault");
    let other = directory.path().join("other");
    fs::write(&other, b"precious").unwrap();
    std::os::unix::fs::symlink(&other, directory.path().join("vault.redo")).unwrap();
    let Change { base, ops } = change(1, 1);
    let mut redo = Redo::of(&vault);
    let record = redo.prepare(&base, &ops).unwrap();
    assert!(matches!(redo.record(&record), Err(Error::RedoNotAFile)));
    assert!(matches!(Redo::of(&vault).replay(|_| Ok(true)), Err(Error::RedoNotAFile)));
    assert_eq!(fs::read(&other).unwrap(), b"precious");
}

#[test]
fn a_pipe_is_not_waited_for() {
    let directory = tempfile::tempdir().unwrap();
    let (vault, pipe) = (directory.path().join("vault"), directory.path().join("vault.redo"));
    rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
    let (done, ended) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let Change { base, ops } = change(1, 1);
        let mut redo = Redo::of(&vault);
        let record = redo.prepare(&base, &ops).unwrap();
        done.send((redo.replay(|_| Ok(true)), redo.record(&record))).unwrap();
        // Somebody reads from it.
        let _reader = OpenOptions::new().read(true).write(true).open(&pipe).unwrap();
        done.send((redo.replay(|_| Ok(true)), redo.record(&record))).unwrap();
    });
    for _ in 0..2 {
        let ended = ended.recv_timeout(std::time::Duration::from_secs(10)).expect("it does not wait");
        assert!(matches!(ended, (Err(Error::RedoNotAFile), Err(Error::RedoNotAFile))), "{ended:?}");
    }
}

#[test]
fn what_the_vault_has_is_not_replayed() {
    let directory = tempfile::tempdir().unwrap();
    let vault = directory.path().join("vault");
    let mut redo = Redo::of(&vault);
    record_all(&mut redo, &[change(1, 10), change(2, 10)]);
    redo.reset();
    assert_eq!(replayed(&mut Redo::of(&vault), 9), []);
    // Found at an opening, and in the vault from then on.
    record_all(&mut redo, &[change(3, 10)]);
    let mut again = Redo::of(&vault);
    assert_eq!(replayed(&mut again, 1), [change(3, 10)]);
    again.reset();
    assert_eq!(replayed(&mut Redo::of(&vault), 9), []);
}

#[test]
fn no_empty_file_stays() {
    let directory = tempfile::tempdir().unwrap();
    let mut redo = Redo::of(&directory.path().join("vault"));
    let record = redo.prepare(&[2; 80], &change(2, 10).ops).unwrap();
    redo.record(&record).unwrap();
    assert!(redo.path.exists());
    redo.drop_last();
    assert!(!redo.path.exists());
    record_all(&mut redo, &[change(3, 10)]);
    assert_eq!(fs::metadata(&redo.path).unwrap().len(), CAPACITY);
}

#[test]
fn no_record_touches_what_no_change_touches() {
    let bytes = written(b"base", &[(Table::Header, vec![1], Some(vec![2]))]).unwrap();
    assert_eq!(record(&bytes), None);
}

proptest! {
    /// Of a write that the power cut short, any pages may be there.
    #[test]
    fn a_torn_record_is_none(length in 0_usize..20_000, there in any::<[bool; 6]>()) {
        let Change { base, ops } = change(9, length);
        let whole = written(&base, &ops).unwrap();
        let mut torn = vec![0xAA; whole.len()];
        let mut all = true;
        for ((to, from), there) in torn.chunks_mut(PAGE).zip(whole.chunks(PAGE)).zip(there) {
            all &= there;
            if there {
                to.copy_from_slice(from);
            }
        }
        prop_assert_eq!(record(&torn).is_some(), all);
    }

    #[test]
    fn garbage_is_no_record(bytes in prop::collection::vec(any::<u8>(), 0..200), cut in 0_usize..5000, bit in 0_usize..9000) {
        prop_assert_eq!(record(&bytes), None);
        let Change { base, ops } = change(9, 1000);
        let mut whole = written(&base, &ops).unwrap();
        let length = HEAD + u32::from_le_bytes(*whole.first_chunk().unwrap()) as usize;
        prop_assert_eq!(record(&whole[..cut.min(whole.len())]).is_some(), cut >= length);
        if bit / 8 < length {
            whole[bit / 8] ^= 1 << (bit % 8);
            prop_assert_eq!(record(&whole), None);
        }
    }
}
