//! What is beside the vault: streams that were encrypted before, and what others put in a rotation's place.

use std::fs;
use std::os::unix::fs::symlink;
use std::time::Duration;

use glassdome_tests::{PASSWORD, User, World, text, wait_until};

use super::{directory, rotate};

#[test]
fn what_was_encrypted_before_is_decrypted_with_each_key_since() {
    let world = World::unlocked();
    let encrypt = |data: &str| world.ctl(&["encrypt", "--context", "backups"]).stdin(data).ok();
    let decrypted = |stream: &[u8]| world.ctl(&["decrypt", "--context", "backups"]).stdin(stream).ok();
    let first = encrypt("of the first");
    rotate(&world).ok();
    let second = encrypt("of the second");
    assert_eq!(decrypted(&first), b"of the first");
    rotate(&world).ok();
    world.ctl(&["lock"]).ok();
    world.start(PASSWORD);
    assert_eq!(decrypted(&first), b"of the first");
    assert_eq!(decrypted(&second), b"of the second");
    // Control: of another context it is refused.
    world.ctl(&["decrypt", "--context", "other"]).stdin(first).refused(10);
}

#[test]
fn what_others_put_in_its_place_keeps_nobody_from_anything_and_is_left_as_it_is() {
    let world = World::unlocked();
    world.set("a", "1");
    let backup = world.home("vault.backup");
    world.ctl(&["storage", "backup", text(&backup)]).ok();
    let mine = world.home("mine").join("former");
    fs::create_dir(mine.parent().unwrap()).unwrap();
    fs::write(&mine, "mine").unwrap();
    let is_aside = |number: u32| {
        let aside = world.vault().with_file_name(format!("vault.rotation.aside-{number}"));
        assert!(aside.is_symlink(), "{number}");
        assert_eq!(fs::read(&mine).unwrap(), b"mine");
    };
    let plant = || {
        symlink(mine.parent().unwrap(), directory(&world)).unwrap();
        std::os::unix::fs::lchown(directory(&world), Some(User::A.uid()), None).unwrap();
    };
    plant();
    rotate(&world).ok();
    is_aside(1);
    plant();
    world.ctl(&["stop"]).ok();
    assert!(wait_until(|| world.daemon().is_none(), Duration::from_secs(10)));
    world.start(PASSWORD);
    assert!(world.daemon_log().contains("what no rotation leaves lay in its place, and is "));
    is_aside(2);
    assert_eq!(world.ctl(&["get", "a"]).ok(), b"1");
    world.ctl(&["stop"]).ok();
    assert!(wait_until(|| world.daemon().is_none(), Duration::from_secs(10)));
    plant();
    let args = ["storage", "recover", "--password-stdin", text(&backup)];
    let out = world.ctl(&args).stdin(format!("{PASSWORD}\n")).output();
    assert_eq!(out.code, 0, "{}", out.stderr);
    assert!(out.stderr.contains("vault.rotation.aside-3"), "{}", out.stderr);
    is_aside(3);
}
