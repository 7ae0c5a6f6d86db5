//! What lies in the place of a rotation that no rotation left there, or that may be the last of a vault: it keeps nobody
//! from a new master key or from a recovery, and nothing is overwritten that may be needed.
#![allow(clippy::unwrap_used, reason = "what is not there fails the test")]

mod support;

use std::fs::{self, File};
use std::os::unix::fs::{FileExt, symlink};
use std::path::{Path, PathBuf};

use glassdome_vault::{
    Carried, Cleared, Former, Keys, Plan, Rotation, Unfinished, Vault, clear_up, discard_unfinished,
    make_way, unfinished_since,
};

use support::{Fresh, fresh, kek, present};

fn begin(it: &Fresh) -> (Rotation, Keys) {
    let (input, kek) = kek();
    let (plan, new) = Plan::new(&it.vault, &it.keys, input, kek).unwrap();
    (plan.build(&it.path).unwrap(), new)
}

/// To its end, but for the former file.
fn rotate(it: &Fresh) -> Former {
    let (rotation, new) = begin(it);
    fill(it, &rotation, &new);
    it.vault.take_up(it.vault.move_in(rotation).unwrap())
}

fn fill(it: &Fresh, rotation: &Rotation, new: &Keys) {
    let mut pass = rotation.pass(&it.vault, &it.keys).unwrap();
    while pass.carry(rotation, &it.keys, new, 100).unwrap() != Carried::All {}
    rotation.commit(rotation.change(&mut pass, new).unwrap()).unwrap();
    rotation.commit(rotation.finish(&pass, &it.vault, &it.keys, new).unwrap()).unwrap();
}

#[test]
fn a_file_that_took_the_new_ones_name_does_not_take_the_vaults_place() {
    let it = fresh();
    it.set("a", b"1");
    let (rotation, new) = begin(&it);
    let named = directory(&it).join("new");
    // As it was when it had nothing yet: it opens under the new keys.
    let early = fs::read(&named).unwrap();
    fill(&it, &rotation, &new);
    let planted = it.path.with_file_name("planted");
    fs::write(&planted, early).unwrap();
    fs::rename(planted, named).unwrap();
    assert!(matches!(it.vault.move_in(rotation), Err(glassdome_vault::Error::HalfRotated)));
    // The former one goes on, also from its file.
    it.set("b", b"2");
    assert_eq!(clear_up(&it.path).unwrap(), Cleared::Whole);
    let Fresh { vault, path, keys, directory: _home } = it;
    vault.close().unwrap();
    let vault = present(&path);
    for name in ["a", "b"] {
        vault.read(&keys, name).unwrap();
    }
}

fn directory(it: &Fresh) -> PathBuf {
    it.path.with_file_name("vault.rotation")
}

fn aside(it: &Fresh) -> PathBuf {
    it.path.with_file_name("vault.rotation.aside-1")
}

/// Puts something at that path.
type Plant = Box<dyn Fn(&Path)>;

/// What others may have put there, each by its name.
fn planted() -> Vec<(&'static str, Plant)> {
    vec![
        ("a file in its place", Box::new(|it| fs::write(it, b"mine").unwrap())),
        ("a link in its place", Box::new(|it| symlink("/nowhere", it).unwrap())),
        (
            "a file too many",
            Box::new(|it| {
                fs::create_dir(it).unwrap();
                fs::write(it.join("mine"), b"mine").unwrap();
            }),
        ),
        ("a directory for the new file", Box::new(|it| fs::create_dir_all(it.join("new/deep")).unwrap())),
        (
            "a directory for the former one",
            Box::new(|it| fs::create_dir_all(it.join("former/deep")).unwrap()),
        ),
        (
            "a directory for the key",
            Box::new(|it| {
                fs::create_dir_all(it.join("key")).unwrap();
                fs::write(it.join("new"), b"").unwrap();
            }),
        ),
    ]
}

#[test]
fn what_others_put_there_keeps_nobody_from_a_new_key() {
    for (what, plant) in planted() {
        let it = fresh();
        it.set("a", b"1");
        plant(&directory(&it));
        let (rotation, _) = begin(&it);
        assert!(unfinished_since(&it.path).unwrap().is_some(), "{what}");
        assert!(aside(&it).symlink_metadata().is_ok(), "{what}: it is kept");
        rotation.discard().unwrap();
        assert!(!directory(&it).exists());
    }
}

#[test]
fn what_others_put_there_is_set_aside_at_a_start() {
    for (what, plant) in planted() {
        let it = fresh();
        plant(&directory(&it));
        let cleared = clear_up(&it.path).unwrap();
        if what == "a directory for the key" {
            // It is looked at when it is gone on with.
            assert_eq!(cleared, Cleared::Whole);
            discard_unfinished(&it.path).unwrap();
        } else {
            assert_eq!(cleared, Cleared::Aside(aside(&it)), "{what}");
        }
        assert!(directory(&it).symlink_metadata().is_err(), "{what}");
        assert!(aside(&it).symlink_metadata().is_ok(), "{what}");
        // And once more, beside what is there.
        plant(&directory(&it));
        discard_unfinished(&it.path).unwrap();
        assert!(it.path.with_file_name("vault.rotation.aside-2").symlink_metadata().is_ok(), "{what}");
    }
}

#[test]
fn a_link_to_a_former_file_overwrites_nothing() {
    let it = fresh();
    let mine = it.path.with_file_name("mine");
    fs::write(&mine, b"mine").unwrap();
    fs::create_dir(directory(&it)).unwrap();
    symlink(&mine, directory(&it).join("former")).unwrap();
    assert_eq!(clear_up(&it.path).unwrap(), Cleared::Aside(aside(&it)));
    assert!(!directory(&it).exists());
    fs::remove_dir_all(aside(&it)).unwrap();
    let others = it.path.with_file_name("others");
    fs::create_dir(&others).unwrap();
    fs::write(others.join("former"), b"mine").unwrap();
    symlink(&others, directory(&it)).unwrap();
    assert_eq!(clear_up(&it.path).unwrap(), Cleared::Aside(aside(&it)));
    for file in [mine, others.join("former")] {
        assert_eq!(fs::read(file).unwrap(), b"mine");
    }
}

#[test]
fn a_former_file_is_kept_that_nothing_is_known_to_have_replaced() {
    let it = fresh();
    it.set("a", b"1");
    it.vault.settle().unwrap();
    let there = fs::read(&it.path).unwrap();
    it.set("b", b"2");
    let Fresh { vault, path, keys: _, directory: _home } = it;
    vault.close().unwrap();
    let newer = fs::read(&path).unwrap();
    let left = path.with_file_name("vault.rotation");
    let former = left.join("former");
    let other = fresh();
    other.vault.settle().unwrap();
    let others = fs::read(&other.path).unwrap();
    for (what, in_place) in [
        ("none", None),
        ("a damaged one", Some(vec![7; there.len()])),
        ("an empty one", Some(Vec::new())),
        ("another vault", Some(others)),
        ("a copy of it", Some(there.clone())),
    ] {
        fs::create_dir_all(&left).unwrap();
        fs::write(&former, &there).unwrap();
        match in_place {
            None => fs::remove_file(&path).unwrap(),
            Some(bytes) => fs::write(&path, bytes).unwrap(),
        }
        assert_eq!(clear_up(&path).unwrap(), Cleared::Kept(former.clone()), "{what}");
        assert_eq!(fs::read(&former).unwrap(), there, "{what}");
    }
    // Where another file is to come, nothing is known of that.
    fs::write(&path, &newer).unwrap();
    assert_eq!(make_way(&path).unwrap(), Some(path.with_file_name("vault.rotation.aside-1")));
    fs::rename(path.with_file_name("vault.rotation.aside-1"), &left).unwrap();
    // Control: what is of the same vault, and ahead of it, has replaced it.
    let held = File::open(&former).unwrap();
    assert_eq!(clear_up(&path).unwrap(), Cleared::Whole);
    assert!(!left.exists());
    assert_zeros(&held, there.len());
    // And so it has one whose overwriting was begun.
    fs::create_dir(&left).unwrap();
    fs::write(&former, [vec![0; 9000], there[9000..].to_vec()].concat()).unwrap();
    let held = File::open(&former).unwrap();
    assert_eq!(clear_up(&path).unwrap(), Cleared::Whole);
    assert_zeros(&held, there.len());
}

#[test]
fn a_former_file_that_was_not_overwritten_is_before_the_next_rotation_begins() {
    let it = fresh();
    it.set("a", b"1");
    it.vault.settle().unwrap();
    let held = File::open(&it.path).unwrap();
    let length = held.metadata().unwrap().len();
    // As when it could not be.
    drop(rotate(&it));
    let (again, _) = {
        let vault = &it.vault;
        let keys = vault.unwrap(&kek().1).unwrap();
        let (plan, new) = Plan::new(vault, &keys, &kek().0, &kek().1).unwrap();
        (plan.build(&it.path).unwrap(), new)
    };
    assert_zeros(&held, usize::try_from(length).unwrap());
    again.discard().unwrap();
}

#[test]
fn a_former_file_that_has_another_name_is_not_overwritten_and_that_is_told() {
    let it = fresh();
    it.set("a", b"1");
    it.vault.settle().unwrap();
    let copy = it.path.with_file_name("copy");
    fs::hard_link(&it.path, &copy).unwrap();
    assert_eq!(rotate(&it).erase().unwrap().other_names, 1);
    assert!(!directory(&it).exists());
    let there = fs::read(&copy).unwrap();
    assert!(there.starts_with(b"redb"), "it is a vault still");
    // Also where it was left to the next start.
    fs::create_dir(directory(&it)).unwrap();
    let former = directory(&it).join("former");
    fs::hard_link(&copy, &former).unwrap();
    let Fresh { vault, path, keys: _, directory: _home } = it;
    vault.close().unwrap();
    assert_eq!(clear_up(&path).unwrap(), Cleared::Linked(1));
    assert!(fs::read(&copy).unwrap() == there && !former.exists());
}

#[test]
fn a_new_file_that_somebody_else_has_open_is_begun_anew() {
    let it = fresh();
    drop(begin(&it).0);
    assert!(Rotation::open(&it.path).unwrap().is_some(), "control");
    let held = File::open(directory(&it).join("new")).unwrap();
    held.lock().unwrap();
    assert!(Rotation::open(&it.path).unwrap().is_none());
    begin(&it).0.discard().unwrap();
}

#[test]
fn a_key_that_is_dearer_than_the_vaults_own_is_not_derived() {
    let it = fresh();
    drop(begin(&it).0);
    let own = kek().0.params();
    assert!(Unfinished::find(&it.path).unwrap().unwrap().is_affordable(own), "control");
    let name = directory(&it).join("key");
    let mut row = fs::read(&name).unwrap();
    let memory = own.m_kib().to_le_bytes();
    let at = row.windows(4).position(|bytes| bytes == memory).unwrap();
    row[at..at + 4].copy_from_slice(&(16 * own.m_kib()).to_le_bytes());
    fs::write(&name, row).unwrap();
    let found = Unfinished::find(&it.path).unwrap().unwrap();
    assert_eq!(found.input().params().m_kib(), 16 * own.m_kib());
    assert!(!found.is_affordable(own));
}

#[test]
fn what_has_the_name_of_the_former_file_by_then_is_not_overwritten() {
    let it = fresh();
    it.set("a", b"1");
    it.vault.settle().unwrap();
    let held = File::open(&it.path).unwrap();
    let length = usize::try_from(held.metadata().unwrap().len()).unwrap();
    let former = rotate(&it);
    let name = directory(&it).join("former");
    fs::remove_file(&name).unwrap();
    fs::write(&name, b"mine").unwrap();
    former.erase().unwrap();
    assert_zeros(&held, length);
    assert_eq!(fs::read(aside(&it).join("former")).unwrap(), b"mine");
    assert!(!directory(&it).exists());
}

#[test]
fn the_last_name_of_a_vault_is_kept_by_whoever_rotates_beside_it() {
    for unfinished in [true, false] {
        let (it, other) = (fresh(), fresh());
        other.vault.settle().unwrap();
        let last = fs::read(&other.path).unwrap();
        if unfinished {
            drop(begin(&it));
        } else {
            fs::create_dir(directory(&it)).unwrap();
        }
        fs::write(directory(&it).join("former"), &last).unwrap();
        assert_eq!(clear_up(&it.path).unwrap(), Cleared::Kept(directory(&it).join("former")));
        assert!(Rotation::open(&it.path).unwrap().is_none(), "it is begun anew");
        begin(&it).0.discard().unwrap();
        assert_eq!(fs::read(aside(&it).join("former")).unwrap(), last);
    }
}

fn assert_zeros(file: &File, length: usize) {
    let mut bytes = vec![1; length];
    file.read_exact_at(&mut bytes, 0).unwrap();
    assert!(bytes.iter().all(|byte| *byte == 0));
}

#[test]
fn a_vault_that_is_opened_has_its_name_only() {
    let it = fresh();
    let (rotation, _) = begin(&it);
    fs::hard_link(&it.path, directory(&it).join("former")).unwrap();
    assert_eq!(clear_up(&it.path).unwrap(), Cleared::Whole);
    assert!(!directory(&it).join("former").exists());
    rotation.discard().unwrap();
    assert!(matches!(Vault::open(&it.path), Err(glassdome_vault::Error::InUse)));
}
