//! What may lie at the vault's path instead of a vault. Each is named, and left byte for byte as it was.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on must panic")]

mod support;

use std::fs;
use std::path::Path;

use glassdome_vault::kdf::MIN_M_KIB;
use glassdome_vault::{Damage, Error, Found, Vault};
use support::{Fresh, NOW, Raw, fresh, kek, present, value_edit};

/// Opens a file that must be refused, and demands that this did not change it.
fn refused(path: &Path) -> Error {
    let before = fs::read(path).unwrap();
    let error = Vault::open(path).unwrap_err();
    assert!(fs::read(path).unwrap() == before, "the file was changed: {error:?}");
    error
}

fn closed(it: Fresh) -> (std::path::PathBuf, tempfile::TempDir) {
    drop(it.vault);
    (it.path, it.directory)
}

#[test]
fn nothing_a_directory_and_garbage() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("vault");
    assert!(matches!(Vault::open(&path).unwrap(), Found::Missing));
    assert!(!path.exists());
    assert!(matches!(Vault::open(directory.path()), Err(Error::NotAFile)));
    for garbage in [
        &b""[..],
        b"x",
        &[0; 4096],
        &[0xFF; 100_000],
        b"redb",
        &[b"redb\x1A\x0A\xA9\x0D\x0A", &[0; 9000][..]].concat(),
    ] {
        fs::write(&path, garbage).unwrap();
        assert!(matches!(refused(&path), Error::Corrupt(Damage::Store)), "{} bytes", garbage.len());
    }
}

#[test]
fn a_store_that_is_no_vault() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("vault");
    let mut raw = Raw::create(&path);
    raw.put("header", b"vault", b"");
    drop(raw);
    assert!(matches!(refused(&path), Error::Corrupt(Damage::Store)));
}

#[test]
fn a_newer_version_is_named_before_anything_else_is_read() {
    let (path, _directory) = closed(fresh());
    let mut raw = Raw::open(&path);
    raw.put("header", b"vault", &[7, 0, 0, 0, 1, 2, 3]);
    raw.put("slots", &[0], b"of a kind to come");
    drop(raw);
    assert!(matches!(refused(&path), Error::NewerVersion { found: 7 }));
}

#[test]
fn weakened_key_derivation_is_tampering() {
    let (path, _directory) = closed(fresh());
    let mut raw = Raw::open(&path);
    let (id, row) = raw.rows("slots").remove(0);
    drop(raw);
    let word = |value: u32| value.to_le_bytes().to_vec();
    for (at, bytes) in [
        (1, word(MIN_M_KIB - 1)),
        (1, word(u32::MAX)),
        (5, word(2)),
        (5, word(65)),
        (9, word(0)),
        (9, word(65)),
    ] {
        let mut weakened = row.clone();
        weakened[at..at + 4].copy_from_slice(&bytes);
        raw = Raw::open(&path);
        raw.put("slots", &id, &weakened);
        drop(raw);
        assert!(matches!(refused(&path), Error::WeakenedKdf), "{at}: {bytes:?}");
    }
    // Another slot, weaker than the first, is no way in either.
    let mut second = row.clone();
    (second[0], second[5]) = (2, 1);
    raw = Raw::open(&path);
    raw.put("slots", &id, &row);
    raw.put("slots", &[1], &second);
    drop(raw);
    assert!(matches!(refused(&path), Error::WeakenedKdf));
}

#[test]
fn slots_that_cannot_be_read() {
    let (path, _directory) = closed(fresh());
    let raw = Raw::open(&path);
    let (id, row) = raw.rows("slots").remove(0);
    drop(raw);
    let mut kind = row.clone();
    kind[0] = 9;
    let short = &row[..row.len() - 1];
    let mut salt = row.clone();
    salt[13] = 255;
    for bad in [&kind[..], short, &salt, b""] {
        let mut raw = Raw::open(&path);
        raw.put("slots", &id, bad);
        drop(raw);
        assert!(matches!(refused(&path), Error::Corrupt(Damage::Slot)));
    }
    let mut raw = Raw::open(&path);
    raw.put("slots", &id, &row);
    raw.put("slots", &[1], &row);
    drop(raw);
    assert!(matches!(refused(&path), Error::Corrupt(Damage::Slot)), "the password's kind under another id");
    let mut raw = Raw::open(&path);
    let mut code = row.clone();
    code[0] = 2;
    raw.delete("slots", &id);
    raw.put("slots", &[1], &code);
    drop(raw);
    assert!(matches!(refused(&path), Error::Corrupt(Damage::Slot)), "no slot with a password");
    let mut raw = Raw::open(&path);
    raw.delete("slots", &[1]);
    drop(raw);
    assert!(matches!(refused(&path), Error::Corrupt(Damage::Slot)), "no slot");
}

#[test]
fn a_vault_in_use_is_not_opened_twice() {
    let it = fresh();
    assert!(matches!(Vault::open(&it.path), Err(Error::InUse)));
    it.set("s", b"v");
    let path = it.path.clone();
    drop(it.vault);
    drop(present(&path));
}

#[test]
fn a_truncated_file_never_panics_and_is_not_touched_if_refused() {
    let it = fresh();
    it.set("s", &[7; 50_000]);
    let (path, _directory) = closed(it);
    let whole = fs::read(&path).unwrap();
    let mut refusals = 0;
    for length in (1..whole.len()).step_by(whole.len() / 97) {
        fs::write(&path, &whole[..length]).unwrap();
        match Vault::open(&path) {
            Ok(Found::Present(_)) => {}
            Ok(Found::Missing) => panic!("a file is there"),
            Err(Error::Corrupt(_)) => {
                refusals += 1;
                assert!(fs::read(&path).unwrap() == whole[..length], "changed at length {length}");
            }
            Err(other) => panic!("length {length}: {other:?}"),
        }
    }
    assert!(refusals > 50, "{refusals}");
}

/// A page says itself where its rows lie. Whoever can write the file can make that lead out of the page, where
/// redb looks only when the row is used: found by fuzzing.
#[test]
fn a_row_that_lies_outside_its_page_is_damage() {
    let it = fresh();
    it.set("a", b"v");
    let (path, _directory) = closed(it);
    let keys = present(&path).unwrap(&kek().1).unwrap();
    let whole = fs::read(&path).unwrap();
    quiet_store();
    let mut damaged = 0;
    for page in (0..whole.len()).step_by(4096) {
        // A leaf page: its first byte is 1; behind its header, where its rows end.
        if whole[page] != 1 {
            continue;
        }
        for at in page + 4..page + 20 {
            let mut file = whole.clone();
            file[at] = 0x7a;
            fs::write(&path, &file).unwrap();
            if let Ok(Found::Present(vault)) = Vault::open(&path) {
                for result in [
                    vault.read(&keys, "a").map(drop),
                    vault.info(&keys, "a").map(drop),
                    vault.throttle().map(drop),
                    vault.unwrap(&kek().1).map(drop),
                ] {
                    damaged += u32::from(matches!(result, Err(Error::Corrupt(_))));
                }
            }
        }
    }
    assert!(damaged > 20, "{damaged}");
}

/// redb's panics, which are caught, would fill the tests' output.
fn quiet_store() {
    static ONCE: std::sync::Once = std::sync::Once::new();
    ONCE.call_once(|| {
        let hook = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            if !panic.location().is_some_and(|location| location.file().contains("/redb-")) {
                hook(panic);
            }
        }));
    });
}

/// Damaged pages can make redb panic, deep inside. None of that may end the process, whatever is done next.
#[test]
fn a_damaged_file_gives_errors_and_never_a_panic() {
    let it = fresh();
    for name in ["a", "b", "c"] {
        it.set(name, &[7; 3000]);
    }
    let (path, _directory) = closed(it);
    let keys = present(&path).unwrap(&kek().1).unwrap();
    let whole = fs::read(&path).unwrap();
    quiet_store();
    let mut random = 0x9E37_79B9_7F4A_7C15_u64;
    let mut next = || {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        random as usize
    };
    let used: Vec<usize> = (0..whole.len()).filter(|&at| whole[at] != 0).collect();
    let (mut refused, mut survived) = (0, 0);
    for _ in 0..1500 {
        let mut damaged = whole.clone();
        for _ in 0..1 + next() % 3 {
            // Headers and tree pages are where structure is.
            let at = if next() % 4 == 0 { next() % 512 } else { used[next() % used.len()] };
            damaged[at] ^= 1 << (next() % 8);
        }
        fs::write(&path, &damaged).unwrap();
        match Vault::open(&path) {
            Ok(Found::Present(vault)) => {
                survived += 1;
                let _ = vault.unwrap(&kek().1);
                let _ = vault.read(&keys, "a");
                let _ = vault.page(&keys, None, 10);
                let _ = vault.check(&keys).and_then(|mut check| check.step(&keys, 100).map(drop));
                let _ = vault.rows(|_, _, _| Ok(()));
                let _ = vault.throttle();
                let change = vault.draft(&keys).and_then(|mut draft| {
                    draft.set("d", value_edit(b"v"), NOW)?;
                    draft.finish()
                });
                if let Ok(change) = change {
                    let _ = vault.commit(change);
                }
            }
            Ok(Found::Missing) => panic!("a file is there"),
            Err(Error::Corrupt(_) | Error::NewerVersion { .. } | Error::WeakenedKdf) => {
                refused += 1;
                assert!(fs::read(&path).unwrap() == damaged, "a refused file was changed");
            }
            Err(other) => panic!("not a kind for a damaged file: {other:?}"),
        }
    }
    assert!(refused > 100 && survived > 100, "{refused} refused, {survived} survived");
}
