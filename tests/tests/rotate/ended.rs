//! What comes upon it in its last moment: a lock, another password, a second one, whoever reads the former file.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::time::Duration;

use glassdome_tests::{PASSWORD, World, text, wait_until};
use serde_json::{Value, json};

use super::{code, directory, letters, rotate, script, told, when_allowed};

#[test]
fn a_lock_in_its_last_moment_leaves_nobody_without_the_recovery_code_that_is_in_force() {
    let world = World::unlocked();
    world.set("a", "1");
    let other = code(&world, &["slots", "add", "recovery"], "other");
    let mut in_force = code(&world, &["slots", "rotate-recovery"], "first");
    let mut next = other;
    let mut ended = Vec::new();
    for round in 0..4 {
        let lines = format!(
            "rotation, other = Rotation(), Connection(SOCKET)\nrotation.begin('{}')\nrotation.carry()\n\
             import time\nnumber = rotation.ask_for_the_end()\ntime.sleep([0, 0.002, 0.006, 1][{round}])\nother.lock()\n\
             print(json.dumps([rotation.has_ended(number), other.status()['state']]))",
            letters(&next)
        );
        let seen = told(script(&world, &lines));
        assert_eq!(seen[1], "locked", "{seen}");
        // Who is answered knows which code it is.
        if seen[0].is_boolean() {
            (in_force, next) = (next, in_force);
        } else {
            assert_eq!(seen[0], "locked", "{seen}");
        }
        ended.push(seen[0].is_boolean());
        let out = when_allowed(|| world.unlock(&in_force, &[]));
        assert_eq!(out.code, 0, "round {round}: {seen} {}", out.stderr);
        assert_eq!(world.ctl(&["get", "a"]).ok(), b"1");
    }
    assert!(ended.contains(&true), "in no round it had come to its end: {ended:?}");
    assert!(!world.daemon_log().contains("damaged"), "{}", world.daemon_log());
}

#[test]
fn a_lock_while_the_code_is_replaced_is_answered_by_what_became_of_it() {
    let world = World::unlocked();
    let other = code(&world, &["slots", "add", "recovery"], "other");
    let mut in_force = code(&world, &["slots", "rotate-recovery"], "first");
    let mut next = other;
    let mut took = None;
    // Once to see how long it takes; then so that the lock comes about when it comes into force.
    for part in [None, Some(0.5), Some(0.96), Some(0.98), Some(1.0)] {
        let wait = part.zip(took).map_or_else(
            || "rotation.answer(asked, 2, 6); asked = None".to_owned(),
            |(part, took): (f64, f64)| format!("time.sleep({})", part * took),
        );
        let lines = format!(
            "import time\nrotation, other = Rotation(), Connection(SOCKET)\nbegan = time.monotonic()\n\
             asked = rotation.ask(b'\\x02\\x06' + blob(PASSWORD) + b'\\x01' + blob('{}'))\n{wait}\n\
             took = time.monotonic() - began\nother.lock()\ntry:\n    if asked: rotation.answer(asked, 2, 6)\n    \
             told = 'done'\nexcept Refused as refused:\n    told = refused.code\nprint(json.dumps([told, took]))",
            letters(&next)
        );
        let seen = told(script(&world, &lines));
        took = took.or(seen[1].as_f64());
        match seen[0].as_str() {
            Some("done") => (in_force, next) = (next, in_force),
            told => assert_eq!(told, Some("locked")),
        }
        let out = when_allowed(|| world.unlock(&in_force, &[]));
        assert_eq!(out.code, 0, "{part:?}: {seen} {}", out.stderr);
    }
}

#[test]
fn what_was_typed_before_its_end_is_told_to_be_tried_again() {
    const NEXT: &str = "eleven badgers weave soft rope";
    let world = World::unlocked();
    world.set("a", "1");
    // Each of them reads the vault's settings with the keys that the password has opened: those of before open none.
    let asked = [
        "b'\\x02\\x01' + blob(PASSWORD) + blob('idle') + blob('10m')".to_owned(),
        "b'\\x00\\x0d' + blob(PASSWORD) + option('402913', blob)".to_owned(),
        "b'\\x00\\x03' + blob(PASSWORD) + option(None) + option(None)".to_owned(),
        format!("b'\\x00\\x07' + blob(PASSWORD) + blob('{NEXT}') + b'\\x00'"),
    ];
    let mut again = 0;
    for body in asked {
        let lines = format!(
            "import time\nrotation, other = Rotation(), Connection(SOCKET)\nrotation.begin()\nrotation.carry()\n\
             asked = other.ask({body})\ntime.sleep(0.02)\nended = rotation.has_ended(rotation.ask_for_the_end())\n\
             try:\n    other.answer(asked, 99, 99)\nexcept Refused as refused:\n    told = str(refused)\n\
             except ValueError:\n    told = 'done'\nprint(json.dumps([ended, told]))"
        );
        let seen = told(script(&world, &lines));
        let said = seen[1].as_str().unwrap();
        assert!(!said.contains("damaged"), "{body}: {seen}");
        if said != "done" {
            assert!(said.starts_with("conflict: "), "{body}: {seen}");
            again += u32::from(said.contains("another master key"));
        }
        // One of the two has come first.
        assert!(seen[0].is_boolean() || said == "done", "{body}: {seen}");
        world.ctl(&["lock"]).ok();
        let password = if said == "done" && body.contains(NEXT) { NEXT } else { PASSWORD };
        assert_eq!(when_allowed(|| world.unlock(password, &[])).code, 0, "{body}: {seen}");
        assert_eq!(world.ctl(&["get", "a"]).ok(), b"1");
    }
    assert!(again >= 2, "{again}");
    assert!(!world.daemon_log().contains("damaged"), "{}", world.daemon_log());
}

#[test]
fn what_opens_the_vault_is_not_changed_under_it() {
    const NEXT: &str = "eleven badgers weave soft rope";
    let world = World::unlocked();
    world.set("a", "1");
    let lines = format!(
        "rotation = Rotation()\nrotation.begin()\nrotation.carry()\n\
         changed = ctl('passwd', '--password-stdin', lines=[PASSWORD, '{NEXT}'])['code']\n\
         print(json.dumps([changed, rotation.has_ended(rotation.ask_for_the_end())]))"
    );
    assert_eq!(told(script(&world, &lines)), json!([0, "conflict"]));
    // Under the new password it is begun anew, and that opens it.
    rotate(&world).refused(7);
    let out = when_allowed(|| world.ctl(&["rotate", "--password-stdin"]).stdin(format!("{NEXT}\n")).output());
    assert!(!out.stderr.contains("going on"), "{}", out.stderr);
    out.ok();
    world.ctl(&["lock"]).ok();
    world.start(NEXT);
    assert_eq!(world.ctl(&["get", "a"]).ok(), b"1");
}

#[test]
fn the_former_file_is_overwritten_behind_a_backup_of_it_and_no_other_rotation_begins_before() {
    let world = World::unlocked();
    super::fill(&world);
    world.ctl(&["storage", "backup", text(&world.home("settled"))]).ok();
    let held = File::open(world.vault()).unwrap();
    let lines = "backup = Connection(SOCKET)\nbackup.call(b'\\x05\\x01\\x00', 5, None)\n\
                 first = ctl('rotate', '--password-stdin', lines=[PASSWORD])\n\
                 there = os.path.exists(os.environ['XDG_DATA_HOME'] + '/glassdome/vault.rotation/former')\n\
                 second = ctl('rotate', '--password-stdin', lines=[PASSWORD])\n\
                 backup.call(b'\\x05\\x01\\x01', 5, None)\nprint(json.dumps([first, second, there]))";
    let seen = told(script(&world, lines));
    assert_eq!(seen[0]["code"], 0, "{seen}");
    let first = seen[0]["stderr"].as_str().unwrap();
    assert!(first.contains("the former file is overwritten when nobody reads it any more"), "{seen}");
    assert_eq!((&seen[1]["code"], &seen[2]), (&json!(9), &Value::Bool(true)), "{seen}");
    assert!(seen[1]["stderr"].as_str().unwrap().contains("is read still, by a backup"), "{seen}");
    assert!(wait_until(|| !directory(&world).exists(), Duration::from_secs(20)));
    let mut bytes = vec![1; usize::try_from(held.metadata().unwrap().len()).unwrap()];
    assert!(bytes.len() > 5_000_000, "what was in use of it is there still: {}", bytes.len());
    held.read_exact_at(&mut bytes, 0).unwrap();
    assert!(bytes.iter().all(|byte| *byte == 0));
    assert!(wait_until(|| rotate(&world).code == 0, Duration::from_secs(20)));
    super::is_filled(&world);
    assert!(fs::metadata(world.vault()).unwrap().len() > 1_000_000);
}
