//! A process that rotates a vault is killed before each call by which it changes a file: nothing is lost, and the rotation
//! goes on from there or has come to its end.
#![allow(clippy::unwrap_used, reason = "what is not there fails the test")]

mod support;

use std::path::Path;

use glassdome_vault::{Cleared, Mark, Plan, Rotation, SlotKind, Unfinished, clear_up};

use support::at_each_call::{is_killed, killed_at_each_call};
use support::rotating::{Seen, begin, carry, finish, name_of, resume, seen, sound};
use support::{PASSWORD, derive, fresh, kek, present};

const NAME: &str = "killed_before_each_call_that_changes_a_file_nothing_is_lost";
const SECRETS: u8 = 3;

/// Has a vault rotated, or goes on where that was left, as the daemon does at a start and by `ctl rotate`.
fn rotate(path: &Path) {
    assert_eq!(clear_up(path).unwrap(), Cleared::Whole);
    let vault = present(path);
    let input = vault.kdf_input(SlotKind::Password).unwrap().unwrap();
    let kek = derive(&input, PASSWORD);
    let old = vault.unwrap(&kek).unwrap();
    let resumed = Unfinished::find(path).unwrap().and_then(|unfinished| {
        let new = unfinished.unwrap(&vault, &old, &kek).unwrap()?;
        let rotation = Rotation::open(path).unwrap()?;
        rotation.fits(&vault, &new).unwrap().then_some((rotation, new))
    });
    let (rotation, new) = resumed.unwrap_or_else(|| {
        let (plan, new) = Plan::new(&vault, &old, &input, &kek).unwrap();
        (plan.build(path).unwrap(), new)
    });
    let pass = carry(&vault, &old, &rotation, &new, |_| {}).unwrap();
    rotation.commit(rotation.finish(&pass, &vault, &old, &new).unwrap()).unwrap();
    drop(pass);
    let former = vault.take_up(vault.move_in(rotation).unwrap());
    former.erase().unwrap();
}

/// What a kill left.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Left {
    /// The vault as it was, and nothing to go on with.
    Nothing,
    /// The vault as it was, and a rotation to go on with.
    Unfinished,
    /// The vault under its new key.
    Rotated,
}

/// What was killed is opened, and a rotation of it comes to its end. `first`: the state that it was in at first.
fn comes_to_its_end(path: &Path, first: Mark, expected: &Seen, names: &[String]) -> Left {
    assert_eq!(clear_up(path).unwrap(), Cleared::Whole);
    let vault = present(path);
    let keys = vault.unwrap(&kek().1).unwrap();
    assert_eq!(&seen(&vault, &keys, names), expected);
    sound(&vault, &keys);
    let rotated = vault.mark(&keys).unwrap().key != first.key;
    let resumed = resume(&vault, &keys, path);
    let left = match (rotated, resumed.is_some()) {
        (true, false) => Left::Rotated,
        (false, true) => Left::Unfinished,
        (false, false) => Left::Nothing,
        (true, true) => panic!("there is nothing to go on with"),
    };
    let (rotation, new) = resumed.unwrap_or_else(|| begin(&vault, &keys, path));
    finish(&vault, &keys, rotation, &new);
    assert_eq!(&seen(&vault, &new, names), expected);
    assert!(!path.with_file_name("vault.rotation").exists());
    left
}

#[test]
fn killed_before_each_call_that_changes_a_file_nothing_is_lost() {
    if let Some(path) = is_killed() {
        return rotate(&path);
    }
    let it = fresh();
    for number in 0..SECRETS {
        it.set(&name_of(number), &[number; 500]);
    }
    it.change(|draft| draft.setting("policy", Some(b"deny"))).unwrap();
    it.vault.settle().unwrap();
    let names: Vec<String> = (0..SECRETS).map(name_of).collect();
    let (expected, first) = (seen(&it.vault, &it.keys, &names), it.vault.mark(&it.keys).unwrap());
    let (path, _home) = (it.path, it.directory);
    it.vault.close().unwrap();

    let left = killed_at_each_call(NAME, &path, |path| comes_to_its_end(path, first, &expected, &names));
    for (name, least) in [("mkdir", 1), ("write", 1), ("rename", 1), ("link", 2), ("unlink", 4), ("rmdir", 1)]
    {
        let times = left.iter().filter(|(call, _)| call.starts_with(name)).count();
        assert!(times >= least, "control: {name} {times}");
    }
    let is_key = |call: &str| call.starts_with("write(") && call.contains("/vault.rotation/key>");
    assert!(left.iter().any(|(call, _)| is_key(call)), "control: {left:?}");
    assert!(left.is_sorted_by_key(|(_, left)| *left), "{left:?}");
    for found in [Left::Nothing, Left::Unfinished, Left::Rotated] {
        assert!(left.iter().any(|(_, left)| *left == found), "control: {found:?}");
    }
}
