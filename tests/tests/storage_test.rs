//! `ctl storage test` says what is wrong where, and exits with 10; of a vault in which nothing is, it says so. What the
//! page on recovery says about a damaged file is done as it stands there.
#![allow(clippy::unwrap_used, reason = "what is not there fails the test")]

#[path = "support/damage.rs"]
mod damage;
#[path = "support/recovery_page.rs"]
#[allow(dead_code, reason = "other tests use the rest")]
mod recovery_page;

use std::fs;
use std::os::unix::fs::{FileExt, PermissionsExt};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use damage::{flip, rows, spoil};
use glassdome_tests::{PASSWORD, World, left_out_without_root, wait_until};
use recovery_page::follow;
use serde_json::{Value, json};

const SOON: Duration = Duration::from_secs(20);

fn test(world: &World) -> (i32, Value) {
    let out = world.ctl(&["storage", "test", "--json"]).output();
    (out.code, serde_json::from_slice(&out.stdout).unwrap())
}

fn storage(world: &World) -> Value {
    serde_json::from_slice(&world.ctl(&["storage", "status", "--json"]).ok()).unwrap()
}

fn stop(world: &World) {
    world.ctl(&["stop"]).ok();
    assert!(wait_until(|| world.daemon().is_none(), SOON));
}

#[test]
fn a_sound_vault_is_sound_and_a_locked_one_is_not_read() {
    let world = World::unlocked();
    for number in 0..12 {
        world.set(&format!("n/{number}"), vec![7; 300]);
    }
    world.set("n/0", "again");
    assert_eq!(storage(&world)["last_test"], Value::Null);
    let text = String::from_utf8(world.ctl(&["storage"]).ok()).unwrap();
    assert!(text.contains("last test    never: ctl storage test\n"), "{text}");
    assert!(text.contains("holds        12 secrets, 1 former version, in "), "{text}");
    assert!(text.contains("iB\n"), "{text}");

    let (code, found) = test(&world);
    assert_eq!((code, &found["sound"]), (0, &true.into()), "{found}");
    assert!(found["rows"].as_u64().unwrap() > 37 && found["log_records"].as_u64().unwrap() > 13, "{found}");
    let said = world.ctl(&["storage", "test"]).output();
    assert!(said.stderr.contains("every row opens"), "{}", said.stderr);
    let last = storage(&world);
    assert_eq!((&last["last_test"]["faults"], &last["damaged"]), (&0.into(), &false.into()), "{last}");
    let text = String::from_utf8(world.ctl(&["storage"]).ok()).unwrap();
    assert!(text.contains("(just now): sound\n"), "{text}");

    world.ctl(&["lock"]).ok();
    // Whoever unlocks would wait behind it.
    let said = world.ctl(&["storage", "test"]).output();
    assert_eq!(said.code, 3, "{}", said.stderr);
    let records = world.audit();
    let of = records.iter().filter(|record| record["event"] == "storage-test");
    let outcomes: Vec<_> = of.map(|record| (record["outcome"].clone(), record["by"].clone())).collect();
    assert_eq!(outcomes.len(), 3, "{outcomes:?}");
    assert_eq!(outcomes[2], ("denied".into(), "locked".into()));
    // It is remembered in the vault.
    stop(&world);
    world.start(PASSWORD);
    assert_eq!(storage(&world)["last_test"], last["last_test"]);
}

#[test]
fn the_page_for_a_damaged_file_is_followed() {
    let section = follow("The vault's file is damaged or gone");
    let [status, unlock, test_it, is_whole, recover, start, stop_it, place, aside, copy, accept] =
        section.lines();

    let world = World::unlocked();
    let values: Vec<(String, Vec<u8>)> =
        (0..20_usize).map(|number| (format!("n/{number}"), vec![number as u8; 20 + 15 * number])).collect();
    for (name, value) in &values {
        world.set(name, value.clone());
    }
    // Whose, only the vault's key can tell: not that of the one to come.
    stop(&world);
    let (index, _) = rows(&world, "names").swap_remove(4);
    world.start(PASSWORD);
    world.set("long", vec![b'x'; 1500]);
    let get = |name: &str| world.ctl(&["get", name]).output();
    assert_eq!(get("none").code, 5, "the control");
    world.ctl(&["storage", "backup", world.home("vault.backup").to_str().unwrap()]).ok();

    // A bit of a sealed value, and one of a key of the index.
    stop(&world);
    let (_, longest) = rows(&world, "values").into_iter().max_by_key(|(_, row)| row.len()).unwrap();
    flip(&world, &longest);
    flip(&world, &index);
    world.start(PASSWORD);
    let damaged = || String::from_utf8_lossy(&world.ctl(&["status"]).output().stdout).contains("damaged");
    assert!(wait_until(damaged, SOON), "the look behind the unlock");

    // What is not there is not told from what is not found, until a test has said what is.
    let said = get("none");
    assert_eq!(said.code, 10, "{}", said.stderr);
    assert!(said.stderr.contains("none is not found, and may be there"), "{}", said.stderr);
    let said = get("long");
    assert_eq!(said.code, 10, "{}", said.stderr);
    assert!(
        said.stderr.contains("long is damaged: ") && said.stderr.contains("storage recover"),
        "{}",
        said.stderr
    );
    let unread: Vec<&str> = values
        .iter()
        .filter(|(name, value)| {
            let got = get(name);
            assert!(got.code == 10 || (got.code == 0 && got.stdout == *value), "{name}: {}", got.stderr);
            got.code == 10
        })
        .map(|(name, _)| name.as_str())
        .collect();
    let [unfound] = unread[..] else { panic!("{unread:?}") };
    // Nor is a second one made of that name, or any where one may be.
    world.file("two.json", json!({unfound: "2"}).to_string());
    for refused in [
        &["set", unfound, "--stdin"][..],
        &["set", "none", "--stdin"],
        &["import", "two.json"],
        &["mv", unfound, "other"],
        &["mv", "long", "none"],
        &["rm", unfound],
        &["restore", &format!("{unfound}@1")],
        // What is damaged is neither replaced nor removed: nobody could tell then that nothing else is.
        &["set", "long", "--stdin"],
        &["mv", "long", "longer"],
        &["rm", "long"],
        &["rm", "--purge", "long"],
    ] {
        let said = world.ctl(refused).stdin("2").output();
        assert_eq!(said.code, 10, "{refused:?}: {}", said.stderr);
        assert!(said.stderr.contains("ctl storage "), "{}", said.stderr);
    }
    let (found, _) = values.iter().find(|(name, _)| name != unfound).unwrap();
    world.set(found, "another");
    world.ctl(&["restore", &format!("{found}@1")]).ok();

    // The backup that is whole is not replaced by one that is not.
    let backup = world.home("vault.backup");
    let (whole, kept) = (fs::read(&backup).unwrap(), storage(&world)["last_backup"].clone());
    let said = world.ctl(&["storage", "backup", "--replace", backup.to_str().unwrap()]).output();
    assert_eq!(said.code, 10, "{}", said.stderr);
    assert!(said.stderr.contains("vault.backup was left"), "{}", said.stderr);
    assert_eq!(fs::read(&backup).unwrap(), whole);
    let other = world.home("other.backup");
    let said = world.ctl(&["storage", "backup", other.to_str().unwrap()]).output();
    assert_eq!(said.code, 10, "{}", said.stderr);
    assert!(said.stderr.contains("does not count as a backup"), "{}", said.stderr);
    assert_eq!(storage(&world)["last_backup"], kept);
    let check = ["storage", "recover", "--password-stdin", "--check", other.to_str().unwrap()];
    assert_eq!(world.ctl(&check).stdin(format!("{PASSWORD}\n")).output().code, 10);

    let (code, found) = test(&world);
    assert_eq!(code, 10, "{found}");
    let told = found["told"].as_array().unwrap();
    for fault in [
        json!({"table": "values", "name": "long", "version": 1, "kind": "sealed"}),
        json!({"table": "names", "name": unfound, "version": null, "kind": "missing"}),
        json!({"table": "names", "name": null, "version": null, "kind": "astray"}),
    ] {
        assert!(told.contains(&fault), "{fault} is not in {found}");
    }
    assert!(
        told.iter()
            .all(|fault| fault["name"].is_null() || fault["name"] == "long" || fault["name"] == unfound)
    );
    assert_eq!(storage(&world)["last_test"]["faults"], found["faults"]);
    assert!(
        world.audit().iter().any(|record| record["event"] == "storage-test" && record["outcome"] == "failed")
    );

    // As the page says.
    section.begun_at(&world, status, &[]).expect("damaged");
    let mut terminal = world.terminal(&[unlock, test_it].map(|line| section.takes(line)).join(" && "));
    terminal.expect("Master password, to grant this terminal: ");
    terminal.send_line(PASSWORD);
    terminal.expect("values long version 1: does not open");
    terminal.expect("ctl storage recover FILE");
    let asked = [("Master password of the backup, or its recovery code: ", PASSWORD)];
    section.typed_at(&world, is_whole, &asked);
    section.typed_at(&world, recover, &asked);
    section.typed_at(&world, start, &[("Master password: ", PASSWORD)]);
    // That terminal is granted, and this test is none.
    world.unlock(PASSWORD, &[]).ok();
    for (name, value) in &values {
        assert_eq!(get(name).stdout, *value, "{name}");
    }
    assert_eq!(get("long").stdout, vec![b'x'; 1500]);
    assert_eq!(get("none").code, 5);
    assert_eq!(storage(&world)["last_test"], Value::Null, "of the vault that was there");
    assert_eq!(test(&world).0, 0);

    // Without a backup: by a copy of the file from before the last change.
    stop(&world);
    world.file("copy", fs::read(world.vault()).unwrap());
    world.start(PASSWORD);
    world.set("long", "changed");
    // Followed once more, it loses nothing either.
    for times in 1..=2 {
        let lines = [stop_it, place, aside, copy, accept].map(|line| section.takes(line)).join("\n");
        let mut terminal = world.terminal(&lines);
        terminal.expect("Master password, to go on with this vault: ");
        terminal.send_line(PASSWORD);
        terminal.expect("✓");
        world.unlock(PASSWORD, &[]).ok();
        assert_eq!(get("long").stdout, vec![b'x'; 1500]);
        let beside = fs::read_dir(world.vault().parent().unwrap()).unwrap();
        let kept = beside.filter(|one| one.as_ref().unwrap().path().join("vault").exists()).count();
        assert_eq!(kept, times, "each is kept apart");
        world.set("long", "changed");
    }
    assert_eq!(test(&world).0, 0);
}

#[test]
fn a_damaged_value_hides_no_name_and_a_sound_test_takes_that_back() {
    let world = World::unlocked();
    world.set("short", "1");
    world.set("long", vec![b'x'; 1500]);
    stop(&world);
    let (_, longest) = rows(&world, "values").into_iter().max_by_key(|(_, row)| row.len()).unwrap();
    flip(&world, &longest);
    world.start(PASSWORD);
    let damaged = || String::from_utf8_lossy(&world.ctl(&["status"]).output().stdout).contains("damaged");
    assert!(wait_until(damaged, SOON), "the look behind the unlock");
    let get = |name: &str| world.ctl(&["get", name]).output().code;
    assert_eq!(get("none"), 10, "what is damaged is not known yet");

    let state = world.state().join("glassdome");
    // What is known of the vault does not depend on the log: its directory cannot be listed.
    let mode = |mode| fs::set_permissions(&state, fs::Permissions::from_mode(mode)).unwrap();
    mode(0o300);
    let (code, found) = test(&world);
    mode(0o700);
    assert_eq!((code, &found["log"]["kind"]), (10, &"unreadable".into()), "{found}");
    let last = storage(&world)["last_test"].clone();
    assert_eq!((&last["faults"], &last["log_sound"]), (&found["faults"], &false.into()), "{last}");
    assert_eq!(["none", "short", "long"].map(get), [5, 0, 10]);
    world.file("new.env", "NEW=1\n");
    world.ctl(&["import", "new.env", "--dry-run"]).ok();

    // The disk gives again what was written.
    let mut flipped = longest.clone();
    *flipped.last_mut().unwrap() ^= 1;
    let now = fs::read(world.vault()).unwrap();
    let file = fs::File::options().write(true).open(world.vault()).unwrap();
    let there: Vec<usize> = (0..now.len()).filter(|at| now[*at..].starts_with(&flipped)).collect();
    assert!(!there.is_empty());
    for at in there {
        file.write_all_at(&longest, at as u64).unwrap();
    }
    let (code, found) = test(&world);
    assert_eq!((code, &found["sound"]), (0, &true.into()), "{found}");
    let is = storage(&world);
    assert_eq!((&is["damaged"], &is["last_test"]["log_sound"]), (&false.into(), &true.into()), "{is}");
}

/// A vault that is larger than what the daemon keeps of it in memory, and the rows of its values; nobody has it open.
fn large(world: &World) -> Vec<(Vec<u8>, Vec<u8>)> {
    let lines: String =
        (0..LARGE).map(|number| format!("N{number}={}\n", number.to_string().repeat(15_000))).collect();
    world.file("large.env", lines);
    world.ctl(&["import", "large.env"]).ok();
    stop(world);
    rows(world, "values")
}

/// How many secrets there are in that.
const LARGE: usize = 60;

fn is_damaged(world: &World) -> bool {
    String::from_utf8_lossy(&world.ctl(&["status"]).output().stdout).contains("damaged")
}

#[test]
fn a_page_that_cannot_be_read_is_nothing_to_whoever_asks_for_something_else() {
    let world = World::unlocked();
    let (_, row) = large(&world).swap_remove(LARGE / 2);
    spoil(&world, [&row[..]].into_iter());
    world.start(PASSWORD);
    assert!(wait_until(|| is_damaged(&world), SOON), "the look behind the unlock");
    let by = |world: &World| {
        let records = world.audit();
        let of = records.iter().filter(|record| record["event"] == "vault-damaged");
        of.map(|record| record["by"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(by(&world), ["unreadable"]);

    let get = |number: usize| world.ctl(&["get", &format!("N{number}")]).output();
    let unread: Vec<usize> = (0..LARGE).filter(|&number| get(number).code != 0).collect();
    let [bad] = unread[..] else { panic!("{unread:?}") };
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        let done = Over(&over);
        let asking = scope.spawn(|| {
            let mut asked = 0;
            while !over.load(Ordering::SeqCst) {
                let said = get(bad);
                assert_eq!(said.code, 10, "{}", said.stderr);
                assert!(said.stderr.contains("is damaged: its pages cannot be read"), "{}", said.stderr);
                asked += 1;
            }
            asked
        });
        for number in (0..LARGE).filter(|number| *number != bad).step_by(4) {
            assert_eq!(get(number).stdout, number.to_string().repeat(15_000).as_bytes(), "N{number}");
            world.set(&format!("N{number}"), number.to_string());
        }
        // Whoever reads all of it says what is wrong, and with what.
        for _ in 0..3 {
            let (code, found) = test(&world);
            assert_eq!(code, 10, "{found}");
            let is_bad = |fault: &Value| fault["name"] == format!("N{bad}") && fault["kind"] == "page";
            assert!(found["told"].as_array().unwrap().iter().any(is_bad), "{found}");
            let said = world.ctl(&["storage", "backup", "-"]).output();
            assert_eq!(said.code, 10, "{}", said.stderr);
            assert!(said.stderr.contains("its pages cannot be read. No backup was made"), "{}", said.stderr);
        }
        drop(done);
        assert!(asking.join().unwrap() > 3);
    });
}

/// Ends what goes on beside a test, also where that fails.
struct Over<'a>(&'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

#[test]
fn a_backup_that_meets_damage_leaves_none_and_keeps_the_one_before() {
    let world = World::unlocked();
    let values = large(&world);
    world.start(PASSWORD);
    let (whole, other) = (world.home("whole.backup"), world.home("other.backup"));
    world.ctl(&["storage", "backup", whole.to_str().unwrap()]).ok();
    let (bytes, kept) = (fs::read(&whole).unwrap(), storage(&world)["last_backup"].clone());
    assert!(kept.is_u64() && !is_damaged(&world), "the control");

    // Behind the look that follows an unlock, as a disk wears out.
    spoil(&world, values.iter().step_by(LARGE / 5).map(|(_, row)| &row[..]));
    let refused = |to: &[&str]| {
        let said = world.ctl(&[&["storage", "backup"], to].concat()).output();
        assert_eq!(said.code, 10, "{to:?}: {}", said.stderr);
        (said.stdout, said.stderr)
    };
    let (_, said) = refused(&["--replace", whole.to_str().unwrap()]);
    assert!(said.contains("No backup was made: keep those from before"), "{said}");
    assert!(is_damaged(&world), "it is known from now on");
    let (_, said) = refused(&[other.to_str().unwrap()]);
    assert!(said.contains("No backup was made"), "{said}");
    assert!(!other.exists());
    let (begun, said) = refused(&["-"]);
    assert!(said.contains("No backup was made"), "{said}");
    let begun = world.file("begun.backup", begun);
    let check = |file: &std::path::Path| {
        let check = ["storage", "recover", "--password-stdin", "--check", file.to_str().unwrap()];
        world.ctl(&check).stdin(format!("{PASSWORD}\n")).output().code
    };
    assert_eq!((check(&begun), check(&whole)), (10, 0));

    assert_eq!(fs::read(&whole).unwrap(), bytes);
    let names = fs::read_dir(world.home("")).unwrap().map(|entry| entry.unwrap().file_name());
    let left: Vec<_> = names.filter(|name| name.to_string_lossy().ends_with(".tmp")).collect();
    assert!(left.is_empty(), "{left:?}");
    assert_eq!(storage(&world)["last_backup"], kept);
    let failed = |record: &Value| {
        record["event"] == "backup" && record["outcome"] == "failed" && record["by"] == "unreadable"
    };
    assert_eq!(world.audit().iter().filter(|record| failed(record)).count(), 3);
}

#[test]
fn a_vault_that_gets_another_master_key_meanwhile_is_sound() {
    let world = World::unlocked();
    let lines: String = (0..800).map(|number| format!("N{number}={number}\n")).collect();
    world.file("many.env", lines);
    world.ctl(&["import", "many.env", "--prefix", "many"]).ok();
    let over = AtomicBool::new(false);
    let tested = thread::scope(|scope| {
        let testing = scope.spawn(|| {
            let mut tested = 0;
            while !over.load(Ordering::SeqCst) {
                let (code, found) = test(&world);
                assert_eq!((code, &found["sound"]), (0, &true.into()), "{found}");
                tested += 1;
            }
            tested
        });
        let rotated = [(); 2]
            .map(|()| world.ctl(&["rotate", "--password-stdin"]).stdin(format!("{PASSWORD}\n")).output());
        over.store(true, Ordering::SeqCst);
        for rotate in rotated {
            assert_eq!(rotate.code, 0, "{}", rotate.stderr);
        }
        testing.join().unwrap()
    });
    assert!(tested > 1, "{tested}");
    assert_eq!(storage(&world)["damaged"], false);
}

#[test]
fn nothing_is_said_of_a_vault_whose_file_is_opened_anew_each_time() {
    if left_out_without_root("a test of the storage on a full disk") {
        return;
    }
    let world = World::with_vault();
    world.mount_tmpfs(&world.data(), 4096);
    world.start(PASSWORD);
    // Enough that it is not read between two changes.
    let lines: String = (0..600).map(|number| format!("N{number}={number}\n")).collect();
    world.file("many.env", lines);
    world.ctl(&["import", "many.env"]).ok();
    world.set("long", vec![b'x'; 1500]);
    stop(&world);
    let (_, longest) = rows(&world, "values").into_iter().max_by_key(|(_, row)| row.len()).unwrap();
    flip(&world, &longest);
    world.start(PASSWORD);
    assert_eq!(test(&world).0, 10, "the control: its disk takes what comes");

    let disk = rustix::fs::statvfs(world.data()).unwrap();
    let room = usize::try_from(disk.f_bavail * disk.f_frsize).unwrap();
    fs::write(world.data().join("in the way"), vec![0; room - 300_000]).unwrap();
    let over = AtomicBool::new(false);
    let said = thread::scope(|scope| {
        for name in ["one", "two"] {
            let (world, over) = (&world, &over);
            scope.spawn(move || {
                while !over.load(Ordering::SeqCst) {
                    world.ctl(&["set", name, "--stdin"]).stdin(vec![7; 1_000_000]).refused(12);
                }
            });
        }
        // One that was read between two of them says what is wrong.
        let tested = || world.ctl(&["storage", "test"]).output();
        let said = (0..10).map(|_| tested()).find(|said| said.code != 10);
        over.store(true, Ordering::SeqCst);
        said.expect("they come again and again")
    });
    assert_eq!(said.code, 9, "{}", said.stderr);
    assert!(
        said.stderr.contains("opened anew again and again") && said.stderr.contains("try again"),
        "{}",
        said.stderr
    );
    let (code, found) = test(&world);
    assert!(code == 10 && found["told"][1]["name"] == "long", "it is told once they have ended: {found}");
}

#[test]
fn what_is_wrong_with_the_log_is_told_with_its_place() {
    let world = World::unlocked();
    world.set("a", "1");
    assert_eq!(test(&world).0, 0, "the control");
    let path = world.state().join("glassdome/audit.jsonl");
    let log = fs::read_to_string(&path).unwrap();
    let (at, _) = log.match_indices("\"allowed\"").next().unwrap();
    let line = 1 + log[..at].matches('\n').count();
    // In its place, as somebody would who hopes that nobody looks.
    let file = fs::File::options().write(true).open(&path).unwrap();
    file.write_all_at(b"\"ALLOWED\"", at as u64).unwrap();
    let (code, found) = test(&world);
    assert_eq!((code, &found["faults"]), (10, &0.into()), "{found}");
    assert_eq!((&found["log"]["kind"], &found["log"]["line"]), (&"edited".into(), &line.into()), "{found}");
    assert!(found["log"]["file"].as_str().unwrap().ends_with("audit.jsonl"), "{found}");
    let last = storage(&world);
    assert_eq!((&last["last_test"]["log_sound"], &last["damaged"]), (&false.into(), &false.into()), "{last}");
}
