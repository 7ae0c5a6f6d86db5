//! One bit of `vault.redo` is another, when the vault's file needs it: wherever the bit is, the vault opens as it was
//! behind one of its changes, whole and sound. It is behind the last one only if the bit belongs to no record; else the
//! record that has it and those behind it are not made, and the vault is an older one, which its mark tells.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on must panic")]

mod support;

use std::collections::BTreeMap;
use std::fs;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use glassdome_vault::{CheckStep, Damage, Error, Keys, Throttle, Vault};
use support::{NOW, Raw, fresh, kek, present, spoil};

/// Where a record may begin, in bytes.
const PAGE: usize = 4096;
/// Length and hash of a record, in bytes.
const HEAD: usize = 36;

/// All that is in the vault.
#[derive(Debug, PartialEq)]
struct Seen {
    generation: u64,
    values: BTreeMap<String, Vec<u8>>,
    setting: Option<Vec<u8>>,
    throttle: Throttle,
    panic: Option<u64>,
}

fn seen(vault: &Vault, keys: &Keys) -> Seen {
    let secrets = vault.page(keys, None, 100).unwrap().secrets;
    let value = |name: &str| vault.read(keys, name).unwrap().value().unwrap().to_vec();
    Seen {
        generation: vault.generation(keys).unwrap(),
        values: secrets.iter().map(|(_, info)| (info.name.clone(), value(&info.name))).collect(),
        setting: vault.setting(keys, "policy").unwrap().map(|setting| setting.to_vec()),
        throttle: vault.throttle().unwrap(),
        panic: vault.panic().unwrap(),
    }
}

/// Where the records lie, each as long as what its hash is over.
fn records(redo: &[u8]) -> Vec<Range<usize>> {
    let (mut found, mut at) = (Vec::new(), 0);
    loop {
        let length = u32::from_le_bytes(redo[at..at + 4].try_into().unwrap()) as usize;
        if length == 0 {
            return found;
        }
        found.push(at..at + HEAD + length);
        at = (at + HEAD + length).next_multiple_of(PAGE);
    }
}

/// The vault and what lies beside it, and what is in it behind each record, none of them first.
fn recorded(to: &Path) -> (Vec<u8>, Vec<Seen>) {
    let it = fresh();
    it.set("a", b"first");
    it.change(|draft| draft.setting("policy", Some(b"deny"))).unwrap();
    it.vault.settle().unwrap();
    let mut states = vec![seen(&it.vault, &it.keys)];
    let mut changed = || states.push(seen(&it.vault, &it.keys));
    it.set("a", b"second");
    changed();
    it.vault.store_throttle(&Throttle { failures: 2, not_before: 7 }).unwrap();
    changed();
    it.set("large", &vec![7; 30_000]);
    changed();
    it.change(|draft| draft.setting("policy", Some(b"allow"))).unwrap();
    changed();
    it.change(|draft| draft.remove("a", false, NOW)).unwrap();
    changed();
    it.set("b", b"last");
    changed();
    it.vault.store_panic(Some(9)).unwrap();
    changed();
    // As a kill leaves it.
    fs::copy(&it.path, to).unwrap();
    (fs::read(it.path.with_file_name("vault.redo")).unwrap(), states)
}

#[test]
fn a_bit_anywhere_leaves_the_vault_as_it_was_behind_a_change() {
    let directory = tempfile::tempdir().unwrap();
    let honest = directory.path().join("honest");
    let (redo, states) = recorded(&honest);
    let honest = fs::read(honest).unwrap();
    let records = records(&redo);
    assert_eq!(records.len() + 1, states.len());
    let path = directory.path().join("vault");
    let beside = directory.path().join("vault.redo");
    let opened = |redo: Option<&[u8]>| {
        fs::write(&path, &honest).unwrap();
        fs::remove_file(&beside).ok();
        redo.map_or(Ok(()), |redo| fs::write(&beside, redo)).unwrap();
        let vault = present(&path);
        let keys = vault.unwrap(&kek().1).unwrap();
        let mut check = vault.check(&keys).unwrap();
        assert!(matches!(check.step(&keys, u32::MAX).unwrap(), CheckStep::Sound { .. }));
        drop(check);
        (seen(&vault, &keys), vault, keys)
    };
    assert_eq!(opened(None).0, states[0], "the control: it is needed");
    let (last, vault, keys) = opened(Some(&redo));
    assert_eq!(last, *states.last().unwrap(), "the control: all of it is made");
    let mark = vault.mark(&keys).unwrap();
    vault.close().unwrap();

    let heads = records.iter().flat_map(|record| (record.start..record.start + HEAD).step_by(7));
    let ends =
        records.iter().flat_map(|record| [record.end - 1, record.end, record.end.next_multiple_of(PAGE) - 1]);
    let all = (0..redo.len()).step_by((redo.len() / 30) | 1);
    let written = (0..records.last().unwrap().end).step_by(1_021);
    let mut made = BTreeMap::new();
    for (turn, at) in heads.chain(ends).chain(all).chain(written).enumerate() {
        let mut flipped = redo.clone();
        flipped[at] ^= 1 << (turn % 8);
        let (found, vault, keys) = opened(Some(&flipped));
        let expected = records.iter().position(|record| record.contains(&at)).unwrap_or(records.len());
        assert_eq!(found, states[expected], "byte {at}");
        let now = vault.mark(&keys).unwrap();
        assert_eq!(
            now == mark,
            states[expected].generation == last.generation,
            "byte {at}: an older one is told"
        );
        assert!(now.generation <= mark.generation);
        *made.entry(expected).or_insert(0) += 1;
        if turn % 16 == 0 {
            let mut examination = vault.examine(Arc::default()).unwrap();
            let found = examination.step(&keys, u32::MAX).unwrap().unwrap();
            assert_eq!(found.faults, 0, "byte {at}: {:?}", found.told);
        }
    }
    assert_eq!(made.len(), states.len(), "each of them came about: {made:?}");
}

#[test]
fn a_change_that_belongs_into_a_page_that_cannot_be_read_is_served_and_stays_where_it_is() {
    let directory = tempfile::tempdir().unwrap();
    let [path, beside] = ["vault", "vault.redo"].map(|name| directory.path().join(name));
    let (redo, states) = recorded(&path);
    let value = Raw::open(&path).rows("values").swap_remove(0).1;
    let file = fs::read(&path).unwrap();
    let leaves = file.chunks_exact(PAGE).enumerate().skip(1);
    let leaves =
        leaves.filter(|(_, page)| page[0] == 1 && page.windows(value.len()).any(|there| there == value));
    let leaves: Vec<_> = leaves.map(|(at, _)| at * PAGE).collect();
    spoil(&path, &leaves, 2, 0x55);
    let spoiled = fs::read(&path).unwrap();
    let opened = present(&path);
    let keys = opened.unwrap(&kek().1).unwrap();
    assert_eq!(opened.generation(&keys).unwrap(), states[0].generation, "control: without it");
    drop(opened);

    // What is served without it would be an older secret, as the newest.
    fs::write(&path, &spoiled).unwrap();
    fs::write(&beside, &redo).unwrap();
    let last = states.last().unwrap();
    for _ in 0..2 {
        let opened = present(&path);
        let keys = opened.unwrap(&kek().1).unwrap();
        for _ in 0..2 {
            assert_eq!(opened.generation(&keys).unwrap(), last.generation);
            let settled = opened.settle();
            assert!(matches!(settled, Err(Error::Corrupt(Damage::Store))), "{settled:?}");
        }
        let closed = opened.close();
        assert!(matches!(closed, Err(Error::Corrupt(Damage::Store))), "{closed:?}");
        assert!(fs::read(&beside).unwrap() == redo, "what was acknowledged is there still");
    }
    // The disk has the page again.
    spoil(&path, &leaves, 2, 0x55);
    let opened = present(&path);
    let keys = opened.unwrap(&kek().1).unwrap();
    assert_eq!(seen(&opened, &keys), *last);
    opened.settle().unwrap();
    assert_eq!(seen(&opened, &keys), *last);
}
