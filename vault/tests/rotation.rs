//! A vault gets a new master key: whatever was written or killed meanwhile, nothing is lost, and nothing that opened the
//! old one opens the new one.
#![allow(clippy::unwrap_used, reason = "what is not there fails the test")]

mod support;

use std::cell::Cell;
use std::fs;
use std::path::{Path, PathBuf};

use glassdome_vault::kdf::KdfParams;
use glassdome_vault::{CheckStep, Damaged, Error, Found, SlotKind, Unfinished, Vault};

use support::rotating::{Seen, begin, begin_or_resume, carry, finish, name_of, resume, seen, sound};
use support::{Fresh, NOW, Raw, derive, fresh, kek, present, slot_row, value_edit};

fn filled() -> Fresh {
    let it = fresh();
    for number in 0..12_u8 {
        it.set(&name_of(number), &[number; 100]);
        it.set(&name_of(number % 5), &[number; 1000]);
    }
    it.change(|draft| draft.setting("policy", Some(b"deny"))).unwrap();
    it
}

/// All files of a vault and of what lies beside it, as a kill leaves them, in a directory of their own.
fn as_it_lies(path: &Path) -> (tempfile::TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    copy_all(path.parent().unwrap(), directory.path());
    let copy = directory.path().join("vault");
    // As it was: the former file is the vault by a second name.
    let former = copy.with_file_name("vault.rotation").join("former");
    if former.exists() && copy.with_file_name("vault.rotation").join("new").exists() {
        fs::remove_file(&former).unwrap();
        fs::hard_link(&copy, &former).unwrap();
    }
    (directory, copy)
}

fn copy_all(from: &Path, to: &Path) {
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            fs::create_dir(&to).unwrap();
            copy_all(&entry.path(), &to);
        } else {
            fs::copy(entry.path(), to).unwrap();
        }
    }
}

fn names() -> Vec<String> {
    (0..13).map(name_of).collect()
}

/// A vault that was killed is opened: it has all, and its rotation comes to its end from there.
fn comes_to_its_end(path: &Path, expected: &Seen) -> bool {
    glassdome_vault::clear_up(path).unwrap();
    let vault = present(path);
    let keys = vault.unwrap(&kek().1).unwrap();
    assert_eq!(&seen(&vault, &keys, &names()), expected);
    sound(&vault, &keys);
    let resumed = resume(&vault, &keys, path);
    let went_on = resumed.is_some();
    let (rotation, new) = resumed.unwrap_or_else(|| begin(&vault, &keys, path));
    finish(&vault, &keys, rotation, &new);
    assert_eq!(&seen(&vault, &new, &names()), expected);
    assert!(!path.with_file_name("vault.rotation").exists());
    drop(vault);
    let vault = present(path);
    assert_eq!(&seen(&vault, &vault.unwrap(&kek().1).unwrap(), &names()), expected);
    went_on
}

#[test]
fn killed_at_every_step_nothing_is_lost_and_it_goes_on() {
    let it = filled();
    let expected = seen(&it.vault, &it.keys, &names());
    let mut lies = Vec::new();
    let (rotation, new) = begin(&it.vault, &it.keys, &it.path);
    lies.push(as_it_lies(&it.path));
    let mut at = 0;
    let pass = carry(&it.vault, &it.keys, &rotation, &new, |pass| {
        assert!(pass.progress().0 >= at && pass.progress().0 <= pass.progress().1);
        at = pass.progress().0;
        lies.push(as_it_lies(&it.path));
    })
    .unwrap();
    assert_eq!(pass.progress().0, pass.progress().1);
    assert!(lies.len() > 10, "{}", lies.len());
    rotation.vault().commit(rotation.finish(&pass, &it.vault, &it.keys, &new).unwrap()).unwrap();
    lies.push(as_it_lies(&it.path));
    drop(pass);
    // With a second name for the old file, just before the new one takes its place.
    let (directory, second) = as_it_lies(&it.path);
    fs::hard_link(&second, second.with_file_name("vault.rotation").join("former")).unwrap();
    lies.push((directory, second));
    for (directory, path) in &lies {
        assert!(comes_to_its_end(path, &expected), "{}", directory.path().display());
    }

    // In its place, and the old one not yet overwritten.
    let moved = it.vault.move_in(rotation).unwrap();
    let (_place, placed) = as_it_lies(&it.path);
    let former = it.vault.take_up(moved);
    let (_taken, taken) = as_it_lies(&it.path);
    // As far as it was overwritten.
    let (_wiped, wiped) = as_it_lies(&it.path);
    let old = wiped.with_file_name("vault.rotation").join("former");
    let length = old.metadata().unwrap().len();
    fs::write(&old, vec![0; length as usize]).unwrap();
    fs::remove_file(wiped.with_file_name("vault.rotation").join("key")).unwrap();
    for path in [placed, taken, wiped] {
        assert!(path.with_file_name("vault.rotation").exists(), "control");
        assert!(present(&path).unwrap(&kek().1).is_ok());
        assert!(present(&path).setting(&new, "policy").is_ok(), "it is the new one");
        assert!(!comes_to_its_end(&path, &expected), "there was nothing to go on with");
    }
    former.erase().unwrap();
    assert!(!it.path.with_file_name("vault.rotation").exists());
    let (_end, end) = as_it_lies(&it.path);
    comes_to_its_end(&end, &expected);
}

#[test]
fn what_is_written_meanwhile_is_there_and_what_was_begun_before_goes_on() {
    let it = filled();
    let (rotation, new) = begin(&it.vault, &it.keys, &it.path);
    let written = Cell::new(0_u8);
    let pass = carry(&it.vault, &it.keys, &rotation, &new, |_| {
        if written.get() < 60 {
            written.set(written.get() + 1);
            it.set(&format!("w/{}", written.get()), &[written.get()]);
        }
    })
    .unwrap();
    rotation.vault().commit(rotation.finish(&pass, &it.vault, &it.keys, &new).unwrap()).unwrap();
    drop(pass);
    let mut backup = it.vault.backup().unwrap();
    let late = it.vault.draft(&it.keys).unwrap();
    let moved = it.vault.move_in(rotation).unwrap();
    assert!(it.vault.read(&it.keys, "w/1").is_ok(), "it is served until the last moment");
    let refused = it.change(|draft| draft.set("late", value_edit(b"1"), NOW));
    assert!(matches!(refused, Err(Error::Conflict)), "what would be lost is not taken");
    assert!(matches!(it.vault.store_panic(Some(1)), Err(Error::Conflict)));
    let former = it.vault.take_up(moved);
    // What was drafted before is of the old file; and that is read to its end.
    let mut late = late;
    late.set("late", value_edit(b"1"), NOW).unwrap();
    assert!(matches!(it.vault.commit(late.finish().unwrap()), Err(Error::Conflict)));
    assert!(!former.is_free());
    let mut copy = vec![0; 1 << 20];
    let length = backup.read(&it.vault, &mut copy).unwrap();
    drop(backup);
    assert!(former.is_free());
    former.erase().unwrap();
    assert_eq!(&copy[..8], b"GLDMBAK1");
    let place = tempfile::tempdir().unwrap();
    let copied = glassdome_vault::Recovered::build(&copy[..length], &place.path().join("vault")).unwrap();
    assert!(copied.check(&it.keys).is_ok(), "of the moment at which it began");
    for number in 1..=60_u8 {
        let found = it.vault.read(&new, &format!("w/{number}")).unwrap();
        assert_eq!(found.value(), Some(&[number][..]));
    }
    // The file beside it is the new one's.
    let mut draft = it.vault.draft(&new).unwrap();
    draft.set("after", value_edit(b"2"), NOW).unwrap();
    it.vault.commit(draft.finish().unwrap()).unwrap();
    let (_copy, killed) = as_it_lies(&it.path);
    let vault = present(&killed);
    assert_eq!(vault.read(&new, "after").unwrap().value(), Some(&b"2"[..]));
    sound(&vault, &new);
}

fn lies_in(directory: &Path, row: &[u8]) -> usize {
    let mut count = 0;
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            count += lies_in(&path, row);
        } else {
            count += fs::read(&path).unwrap().windows(row.len()).filter(|there| *there == row).count();
        }
    }
    count
}

#[test]
fn nothing_that_opened_the_old_file_opens_the_new_one() {
    let it = filled();
    let input = Vault::new_kdf_input(SlotKind::Recovery, KdfParams::FLOOR).unwrap();
    let code = derive(&input, "a recovery code");
    it.vault.commit(it.vault.rewrap(&it.keys, &input, &code).unwrap()).unwrap();
    let rows = [0, 1].map(|id| slot_row(&it.vault, id));
    let mut values = Vec::new();
    it.vault
        .rows(|table, _, row| {
            if matches!(table, "values" | "meta" | "history" | "sealed") {
                values.push(row.to_vec());
            }
            Ok(())
        })
        .unwrap();
    let directory = it.directory.path();
    for row in rows.iter().chain(&values) {
        assert!(lies_in(directory, row) > 0, "control");
    }
    // The former file, by a name of its own, as whoever held it open has it.
    let held = fs::File::open(&it.path).unwrap();
    let (rotation, new) = begin(&it.vault, &it.keys, &it.path);
    let key = fs::read(it.path.with_file_name("vault.rotation").join("key")).unwrap();
    finish(&it.vault, &it.keys, rotation, &new);
    for row in rows.iter().chain(&values).chain([&key]) {
        assert_eq!(lies_in(directory, row), 0);
    }
    let length = held.metadata().unwrap().len() as usize;
    let mut bytes = vec![1; length];
    std::os::unix::fs::FileExt::read_exact_at(&held, &mut bytes, 0).unwrap();
    assert!(bytes.iter().all(|byte| *byte == 0), "the old file is overwritten");
    assert!(it.vault.unwrap(&kek().1).is_ok(), "control: the password does");
    assert!(matches!(it.vault.unwrap(&code), Err(Error::Corrupt(_))), "its slot is not there");
    assert!(it.vault.read(&it.keys, &name_of(1)).is_err());
    let page = it.vault.page(&it.keys, None, 10).unwrap();
    assert!(page.secrets.is_empty(), "nothing is known of any");
    assert!(!page.damaged.is_empty() && page.damaged.iter().all(|one| matches!(one, Damaged::Sealed)));
    assert!(it.vault.draft(&it.keys).unwrap().finish().is_err());
}

#[test]
fn what_was_begun_takes_both_the_password_and_the_old_keys() {
    let it = filled();
    let (rotation, _) = begin(&it.vault, &it.keys, &it.path);
    drop(rotation);
    let unfinished = Unfinished::find(&it.path).unwrap().unwrap();
    let other = fresh();
    let wrong = derive(unfinished.input(), "another password");
    assert!(unfinished.unwrap(&it.vault, &it.keys, &wrong).unwrap().is_none());
    assert!(unfinished.unwrap(&it.vault, &other.keys, &kek().1).unwrap().is_none());
    assert!(unfinished.unwrap(&other.vault, &it.keys, &kek().1).unwrap().is_none(), "of another vault");
    assert!(unfinished.unwrap(&it.vault, &it.keys, &kek().1).unwrap().is_some(), "control");

    // One of an earlier rotation, kept and put back: its key may be known by now.
    let (_kept, kept) = as_it_lies(&it.path);
    let (rotation, new) = resume(&it.vault, &it.keys, &it.path).unwrap();
    finish(&it.vault, &it.keys, rotation, &new);
    let put_back = it.path.with_file_name("vault.rotation");
    fs::create_dir(&put_back).unwrap();
    copy_all(&kept.with_file_name("vault.rotation"), &put_back);
    assert!(resume(&it.vault, &it.keys, &it.path).is_some(), "control: with the keys of then");
    assert!(resume(&it.vault, &new, &it.path).is_none());
    // What cannot be gone on with is begun anew.
    let (rotation, newer) = begin_or_resume(&it.vault, &new, &it.path);
    finish(&it.vault, &new, rotation, &newer);
    assert_eq!(it.vault.read(&newer, &name_of(1)).unwrap().value().unwrap().len(), 1000);
}

#[test]
fn what_lies_there_in_its_place_is_looked_at() {
    let it = filled();
    assert!(Unfinished::find(&it.path).unwrap().is_none());
    assert_eq!(glassdome_vault::unfinished_since(&it.path).unwrap(), None);
    let directory = it.path.with_file_name("vault.rotation");
    let (rotation, new) = begin(&it.vault, &it.keys, &it.path);
    assert!(glassdome_vault::unfinished_since(&it.path).unwrap().is_some());
    drop(rotation);
    let whole = fs::read(directory.join("key")).unwrap();
    for bad in [&b""[..], &whole[1..], &[&whole[..], &[0]].concat(), &[7; 5000]] {
        fs::write(directory.join("key"), bad).unwrap();
        assert!(Unfinished::find(&it.path).unwrap().is_none());
    }
    fs::write(directory.join("key"), &whole).unwrap();
    // Another vault's file; none; no vault at all.
    let other = fresh();
    let Fresh { vault, path, .. } = &other;
    vault.settle().unwrap();
    let new_file = fs::read(directory.join("new")).unwrap();
    fs::copy(path, directory.join("new")).unwrap();
    assert!(resume(&it.vault, &it.keys, &it.path).is_none());
    fs::write(directory.join("new"), b"nothing").unwrap();
    assert!(resume(&it.vault, &it.keys, &it.path).is_none());
    fs::remove_file(directory.join("new")).unwrap();
    assert!(resume(&it.vault, &it.keys, &it.path).is_none());
    fs::write(directory.join("new"), new_file).unwrap();
    let (rotation, again) = resume(&it.vault, &it.keys, &it.path).unwrap();
    assert!(rotation.fits(&it.vault, &new).unwrap() && rotation.fits(&it.vault, &again).unwrap());
    rotation.discard().unwrap();
    assert!(!directory.exists());
    assert!(matches!(Vault::open(&it.path), Err(Error::InUse)), "the vault is as it was");
}

#[test]
fn a_vault_that_was_tampered_with_is_not_made_whole() {
    // A row put back, one taken away, and one that does not open.
    let former = |it: &Fresh| {
        it.vault.settle().unwrap();
        let (_directory, copy) = as_it_lies(&it.path);
        Raw::open(&copy).rows("values")
    };
    for which in 0..3 {
        let it = filled();
        let rows = former(&it);
        it.set(&name_of(1), b"newer");
        let it = it.tampered(|raw| match which {
            0 => rows.iter().for_each(|(key, row)| raw.put("values", key, row)),
            1 => raw.delete("names", &raw.rows("names")[0].0),
            _ => {
                let (key, mut row) = raw.rows("history")[0].clone();
                *row.last_mut().unwrap() ^= 1;
                raw.put("history", &key, &row);
            }
        });
        let (rotation, new) = begin(&it.vault, &it.keys, &it.path);
        let carried = carry(&it.vault, &it.keys, &rotation, &new, |_| {});
        assert!(matches!(carried, Err(Error::Corrupt(_))), "{which}: {carried:?}");
    }
}

#[test]
fn the_new_file_is_not_taken_as_it_is_found() {
    let it = filled();
    let (rotation, new) = begin(&it.vault, &it.keys, &it.path);
    drop(carry(&it.vault, &it.keys, &rotation, &new, |_| {}).unwrap());
    drop(rotation);
    let file = it.path.with_file_name("vault.rotation").join("new");
    let mut raw = Raw::open(&file);
    let (key, mut row) = raw.rows("values")[0].clone();
    *row.last_mut().unwrap() ^= 1;
    raw.put("values", &key, &row);
    drop(raw);
    // It has the nonce that it is to have, so a pass takes it for what it was; the sum does not.
    let (rotation, new) = resume(&it.vault, &it.keys, &it.path).unwrap();
    let pass = carry(&it.vault, &it.keys, &rotation, &new, |_| {}).unwrap();
    let mut check = rotation.vault().check(&new).unwrap();
    assert!(matches!(check.step(&new, 100_000).unwrap(), CheckStep::Altered { .. }));
    drop((pass, check));
    rotation.discard().unwrap();
    // One that has too much is noticed where it is to be finished.
    let (rotation, new) = begin(&it.vault, &it.keys, &it.path);
    let pass = carry(&it.vault, &it.keys, &rotation, &new, |_| {}).unwrap();
    let mut draft = rotation.vault().draft(&new).unwrap();
    draft.set("planted", value_edit(b"1"), NOW).unwrap();
    rotation.vault().commit(draft.finish().unwrap()).unwrap();
    assert!(matches!(rotation.finish(&pass, &it.vault, &it.keys, &new), Err(Error::HalfRotated)));
}

#[test]
fn a_former_file_that_somebody_kept_is_left_alone() {
    let it = filled();
    let kept = it.directory.path().join("kept");
    fs::hard_link(&it.path, &kept).unwrap();
    let (rotation, new) = begin(&it.vault, &it.keys, &it.path);
    finish(&it.vault, &it.keys, rotation, &new);
    let Found::Present(vault) = Vault::open(&kept).unwrap() else { panic!("it is there") };
    assert_eq!(vault.read(&it.keys, &name_of(11)).unwrap().value(), Some(&[11; 100][..]));
}

#[test]
fn nothing_can_be_finished_that_was_changed_since() {
    let it = filled();
    let (rotation, new) = begin(&it.vault, &it.keys, &it.path);
    let pass = carry(&it.vault, &it.keys, &rotation, &new, |_| {}).unwrap();
    it.set("later", b"1");
    assert!(matches!(rotation.finish(&pass, &it.vault, &it.keys, &new), Err(Error::Conflict)));
}

#[test]
fn what_is_planted_beside_the_new_file_is_not_told_as_a_change_in_force() {
    let it = filled();
    let (rotation, new) = begin(&it.vault, &it.keys, &it.path);
    let code = |code: &str| {
        let input = Vault::new_kdf_input(SlotKind::Recovery, KdfParams::FLOOR).unwrap();
        rotation.vault().rewrap(&new, &input, &derive(&input, code)).unwrap()
    };
    rotation.commit(code("one")).unwrap();
    let redo = it.path.with_file_name("vault.rotation").join("new.redo");
    fs::remove_file(&redo).ok();
    std::os::unix::fs::symlink(it.path.with_file_name("elsewhere"), &redo).unwrap();
    let committed = rotation.commit(code("another"));
    assert!(matches!(committed, Err(Error::HalfRotated)), "{committed:?}");
    rotation.discard().unwrap();
    assert!(it.vault.unwrap(&kek().1).is_ok(), "the vault is as it was");
}
