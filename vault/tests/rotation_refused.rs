//! The system refuses a step of a rotation: by a mode, a sticky directory, a link that nobody may make. One whole vault
//! stands in the place at each moment, and whoever asked is told which.
#![allow(clippy::unwrap_used, reason = "what is not there fails the test")]

mod support;

use std::fs::{self, File, Permissions};
use std::io::ErrorKind;
use std::os::unix::fs::{FileExt, MetadataExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};

use glassdome_vault::{Cleared, Error, Keys, Rotation, clear_up, discard_unfinished, unfinished_since};

use support::ordinary::{ORDINARY, as_ordinary_user};
use support::rotating::{begin, carry, name_of, resume, sound};
use support::{Fresh, fresh, kek, present};

fn filled() -> Fresh {
    let it = fresh();
    for number in 0..6_u8 {
        it.set(&name_of(number), &[number; 1000]);
    }
    it
}

/// Up to the move: the new file has all.
fn ready(it: &Fresh) -> (Rotation, Keys) {
    let (rotation, new) = begin(&it.vault, &it.keys, &it.path);
    let pass = carry(&it.vault, &it.keys, &rotation, &new, |_| {}).unwrap();
    rotation.commit(rotation.finish(&pass, &it.vault, &it.keys, &new).unwrap()).unwrap();
    drop(pass);
    (rotation, new)
}

fn directory(it: &Fresh) -> PathBuf {
    it.path.with_file_name("vault.rotation")
}

fn mode(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

fn inode(path: &Path) -> u64 {
    path.symlink_metadata().unwrap().ino()
}

/// The vault is the one of before, opened anew, and its rotation comes to its end from where it stood.
fn goes_on(it: Fresh) {
    let Fresh { vault, path, keys, directory: _home } = it;
    drop(vault);
    assert_eq!(clear_up(&path).unwrap(), Cleared::Whole);
    let vault = present(&path);
    assert_eq!(vault.read(&keys, &name_of(5)).unwrap().value(), Some(&[5; 1000][..]));
    sound(&vault, &keys);
    let (rotation, new) = resume(&vault, &keys, &path).expect("what was done is not lost");
    assert!(rotation.rows().unwrap() >= 12, "all of it");
    support::rotating::finish(&vault, &keys, rotation, &new);
    assert_eq!(vault.read(&new, &name_of(5)).unwrap().value(), Some(&[5; 1000][..]));
    assert!(!path.with_file_name("vault.rotation").exists());
}

#[test]
fn where_the_new_file_cannot_be_moved_the_vault_goes_on_under_its_name_only() {
    // Nothing can be renamed there; or what was could not be brought to the disk.
    for refused in [0o500, 0o300] {
        as_ordinary_user(|| {
            let it = filled();
            let (rotation, _) = ready(&it);
            mode(it.directory.path(), refused);
            let before = inode(&it.path);
            let error = it.vault.move_in(rotation).unwrap_err();
            assert!(
                matches!(&error, Error::Storage(source) if source.kind() == ErrorKind::PermissionDenied),
                "{error:?}"
            );
            assert_eq!((inode(&it.path), it.path.metadata().unwrap().nlink()), (before, 1), "{refused:o}");
            it.set("after", b"1");
            mode(it.directory.path(), 0o700);
            goes_on(it);
        });
    }
}

#[test]
fn what_cannot_be_taken_back_is_the_vault_and_the_one_before_is_kept_until_the_disk_has_it() {
    if !rustix::process::geteuid().is_root() {
        return eprintln!("left out: it takes root to give a file to somebody else");
    }
    let (it, rotation, new) = as_ordinary_user(|| {
        let it = filled();
        let (rotation, new) = ready(&it);
        (it, rotation, new)
    });
    let (home, new_file) = (it.directory.path(), directory(&it).join("new"));
    // Where each may replace only what is theirs: the old file is, and the new one will not be.
    chown(home, Some(0), None).unwrap();
    mode(home, 0o1777);
    chown(&new_file, Some(0), None).unwrap();
    let (old, expected) = (inode(&it.path), inode(&new_file));
    let error = as_ordinary_user(|| it.vault.move_in(rotation).unwrap_err());
    assert!(matches!(error, Error::InPlace(_)), "{error:?}");
    assert_eq!((inode(&it.path), inode(&directory(&it).join("former"))), (expected, old));
    // Whoever starts next overwrites nothing before the disk has what replaced it.
    let Fresh { vault, path, keys: _, directory: home } = it;
    drop(vault);
    let former = path.with_file_name("vault.rotation").join("former");
    let there = fs::read(&former).unwrap();
    assert_eq!(
        as_ordinary_user(|| clear_up(&path)).unwrap(),
        Cleared::Kept(former.clone()),
        "it cannot be read"
    );
    chown(&path, Some(ORDINARY), None).unwrap();
    mode(home.path(), 0o1733);
    assert!(matches!(as_ordinary_user(|| clear_up(&path)), Err(Error::Storage(_))));
    assert!(fs::read(&former).unwrap() == there);
    chown(home.path(), Some(ORDINARY), None).unwrap();
    mode(home.path(), 0o700);
    as_ordinary_user(|| {
        assert_eq!(clear_up(&path).unwrap(), Cleared::Whole);
        let vault = present(&path);
        assert_eq!(vault.read(&new, &name_of(5)).unwrap().value(), Some(&[5; 1000][..]));
        sound(&vault, &new);
        assert!(vault.unwrap(&kek().1).is_ok());
    });
    assert!(!path.with_file_name("vault.rotation").exists());
}

#[test]
fn nothing_is_overwritten_before_the_disk_has_what_replaced_it() {
    as_ordinary_user(|| {
        let it = filled();
        let (rotation, _) = ready(&it);
        let (home, held) = (it.directory.path(), File::open(&it.path).unwrap());
        let former = it.vault.take_up(it.vault.move_in(rotation).unwrap());
        mode(home, 0o300);
        assert!(matches!(former.erase(), Err(Error::Storage(_))));
        // Only now: it may have become shorter as it was closed.
        let mut bytes = vec![0; usize::try_from(held.metadata().unwrap().len()).unwrap()];
        held.read_exact_at(&mut bytes, 0).unwrap();
        assert!(matches!(clear_up(&it.path), Err(Error::Storage(_))));
        let mut now = vec![0; bytes.len()];
        held.read_exact_at(&mut now, 0).unwrap();
        assert!(now == bytes && bytes.starts_with(b"redb"), "it is a vault still");
        mode(home, 0o700);
        assert_eq!(clear_up(&it.path).unwrap(), Cleared::Whole);
        held.read_exact_at(&mut now, 0).unwrap();
        assert!(now.iter().all(|byte| *byte == 0));
    });
}

#[test]
fn killed_while_it_is_taken_back_it_has_come_to_its_end() {
    let it = filled();
    let (rotation, new) = ready(&it);
    let moved = it.vault.move_in(rotation).unwrap();
    // The first step of the way back: a second name for what is in the place.
    fs::hard_link(&it.path, directory(&it).join("new")).unwrap();
    assert_eq!(unfinished_since(&it.path).unwrap(), None);
    drop(it.vault.take_up(moved));
    let Fresh { vault, path, keys: _, directory: _home } = it;
    drop(vault);
    assert_eq!(clear_up(&path).unwrap(), Cleared::Whole);
    assert!(!path.with_file_name("vault.rotation").exists());
    let vault = present(&path);
    sound(&vault, &new);
    assert!(vault.unwrap(&kek().1).is_ok());
}

#[test]
fn a_vault_that_can_have_no_second_name_is_told_of_before_anything_is_done() {
    let protected = fs::read_to_string("/proc/sys/fs/protected_hardlinks").unwrap_or_default();
    if !rustix::process::geteuid().is_root() || protected.trim() != "1" {
        return eprintln!("left out: it takes root, and a system that protects files from being linked to");
    }
    let it = as_ordinary_user(filled);
    // Another user's, whom this one may not link to: proc(5), protected_hardlinks.
    chown(&it.path, Some(0), None).unwrap();
    as_ordinary_user(|| {
        let (input, kek) = kek();
        let (plan, _) = glassdome_vault::Plan::new(&it.vault, &it.keys, input, kek).unwrap();
        let error = plan.build(&it.path).unwrap_err();
        assert!(
            matches!(&error, Error::Storage(source) if source.kind() == ErrorKind::PermissionDenied),
            "{error:?}"
        );
        assert!(!directory(&it).exists(), "nothing is left lying");
    });
    chown(&it.path, Some(ORDINARY), None).unwrap();
    as_ordinary_user(|| begin(&it.vault, &it.keys, &it.path).0.discard().unwrap());
}

#[test]
fn what_was_given_a_mode_that_lets_nobody_in_is_begun_anew_and_nothing_of_it_is_overwritten() {
    for name in ["", "new", "key"] {
        as_ordinary_user(|| {
            let it = filled();
            drop(begin(&it.vault, &it.keys, &it.path));
            mode(&directory(&it).join(name), 0);
            assert_eq!(matches!(clear_up(&it.path).unwrap(), Cleared::Aside(_)), name.is_empty(), "{name}");
            assert!(resume(&it.vault, &it.keys, &it.path).is_none(), "{name}");
            let (rotation, _) = begin(&it.vault, &it.keys, &it.path);
            rotation.discard().unwrap();
            discard_unfinished(&it.path).unwrap();
            assert!(!directory(&it).exists(), "{name}");
            let aside = it.path.with_file_name("vault.rotation.aside-1");
            assert_eq!(aside.exists(), name.is_empty(), "{name}: what is in it nobody knows");
            if aside.exists() {
                mode(&aside, 0o700);
            }
        });
    }
    // A former file: it cannot be overwritten, and is not thrown away as if it had been.
    as_ordinary_user(|| {
        let it = filled();
        let (rotation, _) = ready(&it);
        drop(it.vault.take_up(it.vault.move_in(rotation).unwrap()));
        let former = directory(&it).join("former");
        mode(&former, 0);
        let cleared = clear_up(&it.path).unwrap();
        let aside = it.path.with_file_name("vault.rotation.aside-1");
        assert!(matches!(&cleared, Cleared::Kept(kept) if kept == &former), "{cleared:?}");
        // Nor where the next one is begun.
        let new = it.vault.unwrap(&kek().1).unwrap();
        begin(&it.vault, &new, &it.path).0.discard().unwrap();
        assert!(aside.join("former").exists());
    });
}
