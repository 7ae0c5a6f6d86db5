//! What stays in memory after use: nothing of the master key, of the sub-keys, of a password or of a value.
//! The whole address space is searched, with needles that are masked so as not to find themselves.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::Path;

use glassdome_lockmem::LockedBytes;
use zeroize::Zeroizing;

use crate::SlotKind;
use crate::kdf::{self, KdfParams};
use crate::{Edit, Vault};

const MASK: u8 = 0x5A;

/// A needle that only its mask makes what is searched for.
struct Masked(Vec<u8>);

impl Masked {
    fn of(bytes: &[u8]) -> Self {
        Self(bytes.iter().map(|byte| byte ^ MASK).collect())
    }

    fn random(length: usize) -> Self {
        let mut bytes = vec![0; length];
        getrandom::fill(&mut bytes).unwrap();
        Self(bytes)
    }

    fn is_at(&self, place: &[u8]) -> bool {
        place.iter().zip(&self.0).all(|(there, masked)| there ^ MASK == *masked)
    }

    fn write(&self, to: &mut [u8]) {
        to.iter_mut().zip(&self.0).for_each(|(to, masked)| *to = masked ^ MASK);
    }
}

/// How often each needle, or a half of it, lies in memory that can be read.
fn count<const N: usize>(needles: [&Masked; N]) -> [usize; N] {
    let memory = File::open("/proc/self/mem").unwrap();
    let maps = fs::read_to_string("/proc/self/maps").unwrap();
    let halves: Vec<(usize, Masked)> = needles
        .iter()
        .enumerate()
        .flat_map(|(index, needle)| {
            let (first, second) = needle.0.split_at(needle.0.len() / 2);
            [(index, Masked(first.to_vec())), (index, Masked(second.to_vec()))]
        })
        .collect();
    let longest = halves.iter().map(|(_, half)| half.0.len()).max().unwrap();
    let mut begins = [false; 256];
    halves.iter().for_each(|(_, half)| begins[usize::from(half.0[0] ^ MASK)] = true);
    let mut counts = [0; N];
    // Wiped before it is freed, or the next search finds what this one read.
    let mut page = Zeroizing::new(vec![0; 1024 * 1024]);
    let own = page.as_ptr() as u64..page.as_ptr() as u64 + page.len() as u64;
    for line in maps.lines().filter(|line| line.contains(" rw")) {
        let (start, end) = line.split(' ').next().and_then(|range| range.split_once('-')).unwrap();
        let (mut at, end) = (u64::from_str_radix(start, 16).unwrap(), u64::from_str_radix(end, 16).unwrap());
        while at < end {
            let length = page.len().min((end - at) as usize);
            // Secret memory answers with an error, as it should.
            if memory.read_exact_at(&mut page[..length], at).is_ok() {
                for (offset, byte) in page[..length].iter().enumerate() {
                    if !begins[usize::from(*byte)] || own.contains(&(at + offset as u64)) {
                        continue;
                    }
                    for (index, half) in &halves {
                        let there = page.get(offset..offset + half.0.len());
                        counts[*index] += usize::from(there.is_some_and(|there| half.is_at(there)));
                    }
                }
            }
            // Pieces overlap, so that nothing lies across two of them unseen.
            at += if at + length as u64 == end { length } else { length - longest } as u64;
        }
    }
    counts
}

#[inline(never)]
fn use_everything(path: &Path, password: &Masked, value: &Masked) -> [Masked; 3] {
    let mut locked = LockedBytes::zeroed(password.0.len()).unwrap();
    password.write(locked.expose_mut());
    let input = Vault::new_kdf_input(SlotKind::Password, KdfParams::FLOOR).unwrap();
    let kek = kdf::derive(&input, &locked).unwrap();
    let (vault, keys) = Vault::create(path, &input, &kek, 1).unwrap();
    let mut given = Zeroizing::new(vec![0; value.0.len()]);
    value.write(&mut given);
    let fields = [("f", Some(given.as_slice()))];
    let edit = Edit { value: Some(given.as_slice()), fields: &fields, ..Edit::default() };
    for _ in 0..3 {
        let mut draft = vault.draft(&keys).unwrap();
        draft.set("s", edit, 1).unwrap();
        draft.rename("s", "t", 1).unwrap();
        draft.rename("t", "s", 1).unwrap();
        draft.restore("s", 1, 1).unwrap();
        draft.setting("k", Some(&given)).unwrap();
        vault.commit(draft.finish().unwrap()).unwrap();
    }
    drop(given);
    let keys = {
        drop(keys);
        vault.unwrap(&kek).unwrap()
    };
    let opened = vault.read(&keys, "s").unwrap();
    assert!(count([value])[0] > 0, "control: an opened value is found");
    assert!(value.is_at(opened.value().unwrap()));
    drop(opened);
    drop(vault.setting(&keys, "k").unwrap().unwrap());
    vault.page(&keys, None, 10).unwrap();
    [Masked::of(keys.master()), Masked::of(keys.records()), Masked::of(kek.expose())]
}

#[test]
fn nothing_is_left_after_use() {
    let directory = tempfile::tempdir().unwrap();
    let (password, value) = (Masked::random(32), Masked::random(64));
    let [master, records, kek] = use_everything(&directory.path().join("vault"), &password, &value);
    // Master key, record key, slot's key, password, value.
    assert_eq!(count([&master, &records, &kek, &password, &value]), [0; 5]);
}
