//! A page of the file that cannot be read hides what lies in it, and is nothing to anybody who asks for something else:
//! not to whoever reads at that moment, not to a change, not to a backup or a check that is under way.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on must panic")]

mod support;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use glassdome_vault::{CheckStep, Damage, Damaged, Error, Recovered};
use support::{Fresh, PAGE, Raw, fresh, present};

/// Secrets in a vault that is several times as large as what is kept of it in memory.
const SECRETS: usize = 300;

fn name(number: usize) -> String {
    format!("secret/{number}")
}

fn value(number: usize) -> Vec<u8> {
    vec![number as u8; 10_000]
}

fn filled() -> Fresh {
    let it = fresh();
    for number in 0..SECRETS {
        it.set(&name(number), &value(number));
    }
    it
}

/// Makes no page of each that holds this row: its count of entries becomes another one.
fn spoil(path: &Path, rows: &[Vec<u8>]) {
    let file = fs::read(path).unwrap();
    let pages: BTreeSet<usize> = rows
        .iter()
        .flat_map(|row| {
            let copies = file.windows(row.len()).enumerate().filter(move |(_, there)| there == row);
            copies.map(|(at, _)| at / PAGE * PAGE)
        })
        .collect();
    support::spoil(path, &pages.into_iter().collect::<Vec<_>>(), 2, 0x55);
}

/// The secrets that are not read, of all: what is read is what was stored.
fn unread(it: &Fresh) -> Vec<usize> {
    (0..SECRETS)
        .filter(|&number| match it.vault.read(&it.keys, &name(number)) {
            Ok(opened) => {
                assert_eq!(opened.value(), Some(&value(number)[..]), "{number}");
                false
            }
            Err(Error::Corrupt(damage)) => {
                assert_eq!(damage, Damage::Store, "{number}");
                true
            }
            Err(error) => panic!("{number}: {error:?}"),
        })
        .collect()
}

fn rest(it: &Fresh, backup: &mut glassdome_vault::Backup) -> Result<Vec<u8>, Error> {
    let (mut all, mut part) = (Vec::new(), vec![0; 60 * 1024]);
    loop {
        let read = backup.read(&it.vault, &mut part)?;
        all.extend_from_slice(&part[..read]);
        if read < part.len() {
            return Ok(all);
        }
    }
}

#[test]
fn only_what_lies_in_it_is_not_read_however_often_it_is_asked_for() {
    let it = filled();
    assert_eq!(unread(&it), [0; 0], "the control");
    let Fresh { vault, keys, path, directory } = it;
    vault.close().unwrap();
    let (_, row) = Raw::open(&path).rows("values").swap_remove(SECRETS / 2);
    spoil(&path, &[row]);
    let it = Fresh { vault: present(&path), keys, path, directory };

    let mut backup = it.vault.backup().unwrap();
    let mut first = vec![0; 4096];
    backup.read(&it.vault, &mut first).unwrap();
    let mut check = it.vault.check(&it.keys).unwrap();
    assert_eq!(check.step(&it.keys, 4).unwrap(), CheckStep::More);
    let bad = unread(&it);
    let [bad] = bad[..] else { panic!("{bad:?}") };
    for number in 0..SECRETS {
        let refused = it.vault.read(&it.keys, &name(bad));
        assert!(matches!(refused, Err(Error::Corrupt(Damage::Store))), "{refused:?}");
        if number != bad {
            assert_eq!(it.vault.read(&it.keys, &name(number)).unwrap().value(), Some(&value(number)[..]));
        }
    }
    // Changes go on, and are there.
    let (before, after) = (name((bad + 1) % SECRETS), name(SECRETS));
    it.set(&before, b"another");
    it.set(&after, b"new");
    let at_it = it.change(|draft| draft.set(&name(bad), support::value_edit(b"over it"), support::NOW));
    assert!(matches!(at_it, Err(Error::Corrupt(Damage::Store))), "{at_it:?}");
    it.vault.settle().unwrap();
    assert_eq!(it.value(&before).unwrap().unwrap(), b"another");
    assert_eq!(it.value(&after).unwrap().unwrap(), b"new");

    // Who reads all meets it, and is told that it is damage, each time.
    for _ in 0..2 {
        let ended = rest(&it, &mut backup);
        assert!(matches!(ended, Err(Error::Corrupt(Damage::Store))), "{:?}", ended.map(|all| all.len()));
    }
    let ended = loop {
        match check.step(&it.keys, 16) {
            Ok(CheckStep::More) => {}
            ended => break ended,
        }
    };
    assert!(matches!(ended, Err(Error::Corrupt(Damage::Store))), "{ended:?}");
    assert_eq!(it.vault.opened_again(), 0, "nobody was disturbed");
}

#[test]
fn a_backup_that_is_past_it_is_whole() {
    let Fresh { vault, keys, path, directory } = filled();
    vault.close().unwrap();
    let it = Fresh { vault: present(&path), keys, path, directory };
    let mut metas = Vec::new();
    it.vault
        .rows(|table, _, row| {
            metas.extend((table == "meta").then(|| row.to_vec()));
            Ok(())
        })
        .unwrap();
    let mut backup = it.vault.backup().unwrap();
    // All of `meta`, and some values.
    let mut stream = vec![0; 1 << 20];
    assert_eq!(backup.read(&it.vault, &mut stream).unwrap(), stream.len());
    let some: Vec<_> = metas.into_iter().step_by(SECRETS / 20).collect();
    spoil(&it.path, &some);
    let known = (0..SECRETS).filter(|&number| it.vault.info(&it.keys, &name(number)).is_ok()).count();
    assert!(known < SECRETS, "some of it is not in memory any more");
    stream.extend_from_slice(&rest(&it, &mut backup).unwrap());
    let recovered = Recovered::build(&stream[..], &it.directory.path().join("other")).unwrap();
    assert_eq!(recovered.check(&it.keys).unwrap(), SECRETS as u64);
    assert_eq!(it.vault.opened_again(), 0);
}

/// All that is listed, `examine` entries at a time: the names that are known, what is damaged, whether some is unread.
fn listed(it: &Fresh, examine: usize) -> (BTreeSet<String>, Vec<Damaged>, bool) {
    let (mut known, mut damaged, mut unread, mut after) = (BTreeSet::new(), Vec::new(), false, None);
    loop {
        let page = it.vault.page(&it.keys, after, examine).unwrap();
        assert!(page.secrets.len() + page.damaged.len() <= examine);
        for (_, info) in page.secrets {
            assert!(known.insert(info.name.clone()), "{} comes once", info.name);
        }
        damaged.extend(page.damaged);
        unread |= page.unread;
        match page.next {
            Some(next) => after = Some(next),
            None => return (known, damaged, unread),
        }
    }
}

#[test]
fn names_are_told_by_the_values_where_the_page_that_has_them_cannot_be_read() {
    let it = filled();
    it.change(|draft| draft.remove(&name(0), false, support::NOW)).unwrap();
    let all: BTreeSet<String> = (1..SECRETS).map(name).collect();
    assert_eq!(listed(&it, 7), (all.clone(), vec![], false), "the control");
    let Fresh { vault, keys, path, directory } = it;
    vault.close().unwrap();
    let (_, row) = Raw::open(&path).rows("meta").swap_remove(SECRETS / 2);
    spoil(&path, &[row]);
    let it = Fresh { vault: present(&path), keys, path, directory };
    for examine in [1, 7, 2 * SECRETS] {
        let (mut known, damaged, unread) = listed(&it, examine);
        let count = known.len();
        for damaged in damaged {
            let Damaged::Named(name) = damaged else { panic!("{damaged:?}") };
            assert!(known.insert(name));
        }
        assert!(unread && (1..SECRETS - 1).contains(&count), "{count} of {SECRETS}");
        assert_eq!(known, all, "{examine} at a time");
    }
}
