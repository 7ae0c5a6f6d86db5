//! There is no room: the vault goes on as it was, nothing is left lying, and with room it comes to its end.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::time::Duration;

use glassdome_tests::{PASSWORD, World, left_out_without_root, text, wait_until};
use serde_json::json;

use super::held::Held;
use super::{code, directory, recorded, script, told, when_allowed, with_password};

/// A vault on a small file system.
fn small(kib: u32) -> World {
    let world = World::unlocked_on_small_disk(kib);
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

/// Takes all room there is, in that file.
fn fill(filler: &Path) {
    let mut file = fs::File::create(filler).unwrap();
    while file.write_all(&[7; 4096]).is_ok() {}
}

#[test]
fn a_disk_that_is_full_at_its_last_step_leaves_the_vault_as_it_was() {
    if left_out_without_root("a small file system") {
        return;
    }
    let world = small(8192);
    let next = code(&world, &["slots", "add", "recovery"], "next");
    let first = code(&world, &["slots", "rotate-recovery"], "first");
    let (second, filler) = (world.home("second"), world.data().join("filler"));
    let held = Held::before_its_end(&world, Some(&next), &format!("--code-file {}", text(&second)));
    assert!(second.exists(), "control");
    fill(&filler);
    let (exit, said) = held.end();
    assert_eq!(exit, 12, "{said}");
    assert!(said.contains("nothing was changed") && said.contains("Make room"), "{said}");
    assert!(!second.exists() && !said.contains("may be in force"), "a code that is nobody's: {said}");
    assert_eq!(recorded(&world).last().unwrap(), &("failed".to_owned(), "done".to_owned()));
    is_as_it_was(&world);
    fs::remove_file(filler).unwrap();
    world.set("small", "1");
    world.ctl(&["lock"]).ok();
    when_allowed(|| world.unlock(&first, &[])).ok();
    with_password(&world, &["rotate", "--code-file", text(&second)]).ok();
    is_as_it_was(&world);
    world.ctl(&["lock"]).ok();
    when_allowed(|| world.unlock(&first, &[])).refused(7);
    when_allowed(|| world.unlock(fs::read_to_string(&second).unwrap().trim_end(), &[])).ok();
    assert_eq!(world.ctl(&["get", "small"]).ok(), b"1");
}

#[test]
fn a_disk_that_is_full_for_what_was_changed_since_it_was_ready_leaves_the_vault_as_it_was() {
    if left_out_without_root("a small file system") {
        return;
    }
    let world = small(8192);
    let lines = r#"
filler = os.environ["XDG_DATA_HOME"] + "/filler"
def fill():
    with open(filler, "wb", buffering=0) as file:
        try:
            while file.write(bytes(4096)):
                pass
        except OSError:
            pass
rotation = Rotation()
rotation.begin()
rotation.carry()
rotation.set('n/late', bytes(20000))
fill()
ended = rotation.has_ended(rotation.ask_for_the_end())
there = [entry["name"] for entry in rotation.list()]
os.remove(filler)
print(json.dumps([ended, len(there)]))
"#;
    let run = script(&world, lines);
    world.allow_python(&world.home("script.py"));
    assert_eq!(told(run), json!(["storage", 6]));
    is_as_it_was(&world);
    assert_eq!(recorded(&world).last().unwrap().0, "failed");
    with_password(&world, &["rotate"]).ok();
    is_as_it_was(&world);
}

#[test]
fn a_log_that_cannot_take_its_end_ends_the_session_and_the_new_key_is_in_force() {
    if left_out_without_root("a small file system") {
        return;
    }
    let world = World::with_vault();
    world.mount_tmpfs(&world.state(), 256);
    world.start(PASSWORD);
    world.set("a", "1");
    let next = code(&world, &["slots", "add", "recovery"], "next");
    let first = code(&world, &["slots", "rotate-recovery"], "first");
    let (second, filler) = (world.home("second"), world.state().join("filler"));
    let held = Held::before_its_end(&world, Some(&next), &format!("--code-file {}", text(&second)));
    // The log's last page has room of its own: until no line has.
    let log = world.state().join("glassdome/audit.jsonl");
    let left = || 4096 - log.metadata().unwrap().len() % 4096;
    let filled = wait_until(
        || {
            world.ctl(&["get", "a"]).ok();
            left() < 150
        },
        Duration::from_secs(60),
    );
    assert!(filled, "{}", left());
    fill(&filler);
    let (exit, said) = held.end();
    assert_eq!(exit, 0, "{said}");
    assert!(said.contains("another master key") && said.contains("it is locked"), "{said}");
    let status = world.status();
    assert_eq!((&status["state"], &status["reason"]), (&"locked".into(), &"unlogged".into()));
    assert!(!directory(&world).exists());
    fs::remove_file(filler).unwrap();
    assert!(!recorded(&world).iter().any(|(_, by)| by == "done"), "control");
    when_allowed(|| world.unlock(&first, &[])).refused(7);
    for opener in [fs::read_to_string(&second).unwrap().trim_end(), PASSWORD] {
        when_allowed(|| world.unlock(opener, &["--renew"])).ok();
        assert_eq!(world.ctl(&["get", "a"]).ok(), b"1");
    }
    world.ctl(&["audit", "verify"]).ok();
}
