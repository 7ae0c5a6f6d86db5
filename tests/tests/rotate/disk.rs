//! There is no room: the vault goes on as it was, nothing is left lying, and with room it comes to its end.

use std::fs;

use glassdome_tests::{PASSWORD, World, left_out_without_root, text};
use serde_json::json;

use super::{code, directory, letters, recorded, script, told, when_allowed, with_password};

/// A vault on a small file system.
fn small(kib: u32) -> World {
    let world = World::new();
    world.mount_tmpfs(&world.data(), kib);
    world.start(PASSWORD);
    for number in 0..5 {
        world.set(&format!("n/{number}"), vec![number; 250_000]);
    }
    world
}

fn is_as_it_was(world: &World) {
    assert!(!directory(world).exists(), "it takes no room");
    for number in 0..5 {
        assert_eq!(world.ctl(&["get", &format!("n/{number}")]).ok(), vec![number; 250_000]);
    }
}

#[test]
fn a_full_disk_leaves_the_vault_as_it_was() {
    if left_out_without_root("a small file system") {
        return;
    }
    let world = small(4096);
    let (first, second) = (code(&world, &["slots", "add", "recovery"], "first"), world.home("second"));
    let rotate = || with_password(&world, &["rotate", "--code-file", text(&second)]);
    let left = || {
        let found = rustix::fs::statvfs(world.data()).unwrap();
        found.f_bavail * found.f_bsize
    };
    let filler = world.data().join("filler");
    assert!(left() > 1_200_000, "{}", left());
    fs::write(&filler, vec![7; (left() - 1_100_000) as usize]).unwrap();
    let line = rotate().refused(12);
    assert!(line.contains("nothing was changed") && line.contains("Make room"), "{line}");
    assert_eq!(recorded(&world).last().unwrap(), &("failed".to_owned(), "given-up".to_owned()));
    assert!(!second.exists() && !line.contains("may be in force"), "a code that is nobody's: {line}");
    is_as_it_was(&world);
    world.set("small", "1");
    world.ctl(&["lock"]).ok();
    when_allowed(|| world.unlock(&first, &[])).ok();
    fs::remove_file(filler).unwrap();
    rotate().ok();
    world.ctl(&["lock"]).ok();
    world.start(PASSWORD);
    is_as_it_was(&world);
    assert_eq!(world.ctl(&["get", "small"]).ok(), b"1");
}

#[test]
fn a_disk_that_is_full_at_its_last_step_leaves_the_vault_as_it_was() {
    if left_out_without_root("a small file system") {
        return;
    }
    // Also where something was changed since it was ready, which is carried at the end.
    for late in ["", "rotation.set('n/late', bytes(20000))\n"] {
        let world = small(8192);
        let next = letters(&code(&world, &["slots", "add", "recovery"], "next"));
        let first = code(&world, &["slots", "rotate-recovery"], "first");
        let lines = format!(
            r#"
filler = os.environ["XDG_DATA_HOME"] + "/filler"
def fill():
    with open(filler, "wb", buffering=0) as file:
        try:
            while file.write(bytes(4096)):
                pass
        except OSError:
            pass
rotation = Rotation()
rotation.begin("{next}")
rotation.carry()
{late}fill()
ended = rotation.has_ended(rotation.ask_for_the_end())
there = [entry["name"] for entry in rotation.list()]
os.remove(filler)
print(json.dumps([ended, len(there)]))
"#
        );
        let run = script(&world, &lines);
        world.allow_python(&world.home("script.py"));
        assert_eq!(told(run), json!(["storage", if late.is_empty() { 5 } else { 6 }]));
        is_as_it_was(&world);
        assert_eq!(recorded(&world).last().unwrap().0, "failed");
        world.set("small", "1");
        // The refusal has said so: the recovery code from before is the one.
        world.ctl(&["lock"]).ok();
        when_allowed(|| world.unlock(&first, &[])).ok();
        with_password(&world, &["rotate", "--code-file", text(&world.home("second"))]).ok();
        is_as_it_was(&world);
    }
}
