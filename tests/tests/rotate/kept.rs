//! What is beside the vault: streams that were encrypted before, and what others put in a rotation's place.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
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

#[test]
fn what_nobody_may_enter_is_set_aside_and_another_name_of_the_vault_is_told_of_before_the_work() {
    let world = World::unlocked();
    world.set("a", "1");
    fs::create_dir(directory(&world)).unwrap();
    fs::write(directory(&world).join("former"), "mine").unwrap();
    User::A.own(&directory(&world)).unwrap();
    fs::set_permissions(directory(&world), Permissions::from_mode(0o000)).unwrap();
    let copy = world.home("copy");
    fs::hard_link(world.vault(), &copy).unwrap();
    // It is told to whoever does not know the password, too: they may want to see to it first.
    let line = world.ctl(&["rotate", "--password-stdin"]).stdin("not the password\n").output();
    let told = |said: &str| said.find("has 1 other name (a hard link). It will not be overwritten");
    assert!(line.code == 7 && told(&line.stderr).is_some(), "{}", line.stderr);
    let out = rotate(&world);
    assert_eq!(out.code, 0, "{}", out.stderr);
    assert!(
        told(&out.stderr) < out.stderr.find("was not overwritten: it has 1 other name (a hard link)"),
        "{}",
        out.stderr
    );
    assert!(fs::read(&copy).unwrap().starts_with(b"redb"));
    let aside = world.vault().with_file_name("vault.rotation.aside-1");
    assert_eq!(fs::read(aside.join("former")).unwrap(), b"mine");
    assert!(!directory(&world).exists());
    assert_eq!(world.ctl(&["get", "a"]).ok(), b"1");
    fs::remove_file(copy).unwrap();
    assert!(!rotate(&world).stderr.contains("other name"), "control");
}
