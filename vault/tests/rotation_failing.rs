//! The system refuses a rotation something in its last moment, at each place where it could: the vault's place has one whole
//! vault, and whoever asked is told which. They keep or throw a recovery code away by that.
#![allow(clippy::unwrap_used, reason = "what is not there fails the test")]

mod support;

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use glassdome_vault::{Cleared, Error, Plan, SlotKind, clear_up};

use support::at_each_call::{from_here, is_killed, refused_from_each_call};
use support::rotating::{carry, name_of, resume, sound};
use support::{NOW, PASSWORD, derive, fresh, kek, present, value_edit};

const SECRETS: u8 = 3;

fn inode(path: &Path) -> u64 {
    path.symlink_metadata().unwrap().ino()
}

fn directory(path: &Path) -> PathBuf {
    path.with_file_name("vault.rotation")
}

/// Up to the move and no further; what that says is right.
fn moves_in(path: &Path) {
    let vault = present(path);
    let input = vault.kdf_input(SlotKind::Password).unwrap().unwrap();
    let kek = derive(&input, PASSWORD);
    let old = vault.unwrap(&kek).unwrap();
    let (plan, new) = Plan::new(&vault, &old, &input, &kek).unwrap();
    let rotation = plan.build(path).unwrap();
    let pass = carry(&vault, &old, &rotation, &new, |_| {}).unwrap();
    rotation.commit(rotation.finish(&pass, &vault, &old, &new).unwrap()).unwrap();
    drop(pass);
    let names = [path.to_owned(), directory(path).join("new")];
    let [former, newer] = names.each_ref().map(|name| inode(name));
    from_here(path);
    let moved = vault.move_in(rotation);
    let late = || {
        let mut draft = vault.draft(&old)?;
        draft.set("late", value_edit(b"1"), NOW)?;
        vault.commit(draft.finish()?)
    };
    let word = match moved {
        Ok(_) => {
            assert_eq!(inode(path), newer);
            "moved"
        }
        Err(Error::InPlace(_)) => {
            assert_eq!(inode(path), newer);
            assert!(matches!(late(), Err(Error::Conflict)), "nothing is taken that a crash could lose");
            "in-place"
        }
        Err(Error::MovedBack(_)) => {
            assert_eq!(names.each_ref().map(|name| inode(name)), [former, newer]);
            assert!(matches!(late(), Err(Error::Conflict)), "nothing is taken that a crash could lose");
            "moved-back"
        }
        Err(error) => {
            assert_eq!(names.each_ref().map(|name| inode(name)), [former, newer], "{error:?}");
            assert!(!matches!(late(), Err(Error::Conflict)), "{error:?}: the vault goes on");
            assert!(!directory(path).join("former").exists(), "{error:?}: a name too many");
            "refused"
        }
    };
    fs::create_dir(path.with_file_name(word)).unwrap();
}

/// What it said; and the rotation that was left is gone on with, where the old vault is in the place.
fn ended(path: &Path) -> &'static str {
    let word = ["moved", "in-place", "moved-back", "refused"];
    let word = word.into_iter().find(|word| path.with_file_name(word).exists()).unwrap();
    assert_eq!(clear_up(path).unwrap(), Cleared::Whole);
    let vault = present(path);
    let keys = vault.unwrap(&kek().1).unwrap();
    assert_eq!(vault.read(&keys, &name_of(2)).unwrap().value(), Some(&[2; 500][..]));
    sound(&vault, &keys);
    let left = resume(&vault, &keys, path);
    assert_eq!(left.is_some(), ["moved-back", "refused"].contains(&word), "{word}: what was done is kept");
    word
}

/// What was said of each call that failed from there on, and whether the new file had been in the place before.
fn failing(test: &str, kinds: &[&str], error: &str) -> Vec<(String, (&'static str, bool))> {
    let it = fresh();
    for number in 0..SECRETS {
        it.set(&name_of(number), &[number; 500]);
    }
    let (path, _home) = (it.path, it.directory);
    it.vault.close().unwrap();
    refused_from_each_call(test, &path, (kinds, error), |path, log| {
        let first = log.lines().position(|line| line.contains("(INJECTED)")).unwrap();
        let is_move = |line: &str| line.contains("rename(") && line.contains("vault.rotation/new");
        (ended(path), log.lines().take(first).any(is_move))
    })
}

const NO_FILES: &str = "without_another_open_file_the_vault_from_before_stays";

#[test]
fn without_another_open_file_the_vault_from_before_stays() {
    if let Some(path) = is_killed() {
        return moves_in(&path);
    }
    let said = failing(NO_FILES, &["openat", "fcntl"], "EMFILE");
    // It is taken back with what it has open.
    assert!(said.iter().any(|(_, said)| *said == ("refused", true)), "control: {said:?}");
    assert!(said.iter().any(|(_, said)| *said == ("refused", false)), "control: {said:?}");
    assert!(said.iter().all(|(_, (word, _))| ["refused", "moved"].contains(word)), "{said:?}");
}

const NO_DISK: &str = "where_the_disk_may_not_have_the_move_it_is_taken_back_and_what_was_done_is_kept";

#[test]
fn where_the_disk_may_not_have_the_move_it_is_taken_back_and_what_was_done_is_kept() {
    if let Some(path) = is_killed() {
        return moves_in(&path);
    }
    let said = failing(NO_DISK, &["fsync", "fdatasync"], "EIO");
    assert!(said.iter().all(|(_, (word, moved))| *moved || *word == "refused"), "{said:?}");
    assert!(said.iter().any(|(_, said)| *said == ("moved-back", true)), "control: {said:?}");
    assert!(said.iter().any(|(_, said)| *said == ("refused", false)), "control: {said:?}");
}
