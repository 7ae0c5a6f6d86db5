//! Nothing is lost: not when the daemon is killed at any moment under load, not when a disk is full.
#![allow(clippy::unwrap_used, reason = "what is not there fails the test")]

use std::collections::{BTreeSet, HashMap};
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{Duration, SystemTime};

use glassdome_tests::{PASSWORD, User, World, left_out_without_root, wait_until};

/// Numbers that differ from run to run; the seed is told, so that a failure can be looked at.
struct Dice(u64);

impl Dice {
    fn new() -> Self {
        let seed = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_nanos() as u64 | 1;
        eprintln!("seed {seed}");
        Self(seed)
    }

    fn roll(&mut self, below: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % below
    }
}

/// FNV-1a.
fn checksum(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .fold(0xcbf2_9ce4_8422_2325, |sum, byte| (sum ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3))
}

/// A value that tells which one it is, and whether it is whole.
fn value(number: u64, len: u64) -> Vec<u8> {
    let body: Vec<u8> = (0..len).map(|i| (i.wrapping_mul(number + 7) >> 3) as u8).collect();
    let mut value = format!("{number} {len} {:016x}\n", checksum(&body)).into_bytes();
    value.extend(body);
    value
}

/// Which one it is, if it is whole.
fn number_of(value: &[u8]) -> Option<u64> {
    let end = value.iter().position(|byte| *byte == b'\n')?;
    let (head, body) = (std::str::from_utf8(&value[..end]).ok()?, &value[end + 1..]);
    let mut words = head.split(' ');
    let (number, len, sum) = (words.next()?.parse().ok()?, words.next()?, words.next()?);
    (len == body.len().to_string() && sum == format!("{:016x}", checksum(body))).then_some(number)
}

/// The check of every row that this run of the daemon began when it was unlocked.
fn assert_sound(world: &World) {
    let sound = || world.daemon_log().rsplit("listening").next().unwrap().contains("the vault is sound");
    assert!(wait_until(sound, Duration::from_secs(20)), "{}", world.daemon_log());
}

#[test]
fn what_was_acknowledged_survives_kills_under_load() {
    const ROUNDS: u64 = 14;
    const CLIENTS: u64 = 4;
    let world = World::unlocked();
    let mut dice = Dice::new();
    // The last number of each name that was acknowledged.
    let mut acknowledged: HashMap<String, u64> = HashMap::new();
    let mut sets = 0;
    for round in 0..ROUNDS {
        let seed = dice.roll(u64::MAX) | 1;
        let wait = Duration::from_millis(50 + dice.roll(950));
        let load = |client: u64| {
            let mut dice = Dice(seed.wrapping_add(client * 2));
            let mut stored = Vec::new();
            for step in 0.. {
                let name = format!("client {client}/{}", dice.roll(4));
                let number = round * 1_000_000 + step;
                let len = [10, 700, 5_000, 150_000][dice.roll(4) as usize];
                let set = world.ctl(&["set", &name, "--stdin"]).stdin(value(number, len)).output();
                match set.code {
                    0 => stored.push((name, number)),
                    6 => return stored,
                    code => panic!("code {code}: {}", set.stderr),
                }
            }
            stored
        };
        let stored: Vec<(String, u64)> = thread::scope(|scope| {
            let load = &load;
            let clients: Vec<_> = (0..CLIENTS).map(|client| scope.spawn(move || load(client))).collect();
            thread::sleep(wait);
            world.daemon().expect("a daemon runs").kill();
            clients.into_iter().flat_map(|client| client.join().unwrap()).collect()
        });
        sets += stored.len();
        acknowledged.extend(stored);
        world.start(PASSWORD);
        for (name, last) in &acknowledged {
            let there = world.ctl(&["get", name]).ok();
            let number = number_of(&there).unwrap_or_else(|| panic!("round {round}: {name} is half-written"));
            // One that was under way at the kill may be there without having been acknowledged.
            assert!(number >= *last, "round {round}: {name} is {number}, and {last} was acknowledged");
        }
        assert_eq!(world.status()["vault"]["state"], "present");
    }
    eprintln!("{sets} sets of {} names were acknowledged", acknowledged.len());
    assert!(acknowledged.len() >= 8 && sets >= 40, "there was load");
    // What nobody heard an answer to is whole as well, and so is every former version.
    for name in world.ctl(&["list", "client*/*"]).text().lines() {
        assert!(number_of(&world.ctl(&["get", name]).ok()).is_some(), "{name} is half-written");
    }
    assert_sound(&world);
    assert!(!world.daemon_log().contains("damaged"), "{}", world.daemon_log());
}

#[test]
fn a_change_survives_a_kill_before_it_is_settled_and_after() {
    let world = World::unlocked();
    world.set("settled", b"1");
    let redo = world.data().join("glassdome/vault.redo");
    // Until it is settled, the change is a record beside the vault's file.
    let vault = world.data().join("glassdome/vault");
    let before = fs::read(&vault).unwrap();
    assert!(wait_until(|| fs::read(&vault).unwrap() != before, Duration::from_secs(10)), "it is settled");
    for round in 0..3 {
        world.set("new", format!("{round}").into_bytes());
        world.daemon().expect("a daemon runs").kill();
        assert!(redo.exists());
        world.start(PASSWORD);
        assert_eq!(world.ctl(&["get", "new"]).ok(), format!("{round}").into_bytes());
        assert_eq!(world.ctl(&["get", "settled"]).ok(), b"1");
    }
    assert_sound(&world);
    // A lock does not wait for its second; a disk that is busy may take longer than that, once or twice.
    let mut tries = 0;
    loop {
        world.set("new", b"last".to_vec());
        let before = fs::read(&vault).unwrap();
        world.ctl(&["lock"]).ok();
        let settled = || fs::read(&vault).unwrap() != before;
        if wait_until(settled, Duration::from_millis(700)) {
            break;
        }
        tries += 1;
        assert!(tries < 8, "it waits for its second");
        world.start(PASSWORD);
    }
    world.ctl(&["stop"]).ok();
    assert!(wait_until(|| !redo.exists(), Duration::from_secs(10)), "a vault that is closed is one file");
    world.start(PASSWORD);
    assert_eq!(world.ctl(&["get", "new"]).ok(), b"last");
}

fn available(directory: &Path) -> u64 {
    let found = rustix::fs::statvfs(directory).unwrap();
    found.f_bavail * found.f_bsize
}

fn enlarge(directory: &Path) {
    let done = Command::new("mount").args(["-o", "remount,size=16m"]).arg(directory).status().unwrap();
    assert!(done.success());
}

/// Takes all the room that is left, by a file that is given. What the last page of another file has left is its own.
fn fill(directory: &Path) -> PathBuf {
    let path = directory.join("filler");
    let mut filler = fs::OpenOptions::new().append(true).create(true).open(&path).unwrap();
    while available(directory) > 0 && filler.write_all(&[0; 4096]).is_ok() {}
    assert_eq!(available(directory), 0);
    path
}

#[test]
fn a_full_disk_loses_nothing() {
    if left_out_without_root("a small file system") {
        return;
    }
    let world = World::unlocked_on_small_disk(2048);
    world.set("first", value(0, 20_000));
    let mut stored = 0;
    let refusal = loop {
        let number = stored + 1;
        let set =
            world.ctl(&["set", &format!("n/{number}"), "--stdin"]).stdin(value(number, 20_000)).output();
        if set.code != 0 {
            break set.refused(12);
        }
        stored = number;
        assert!(stored < 200, "the disk never fills");
    };
    assert!(refusal.contains("nothing was changed") && refusal.contains("Make room"), "{refusal}");
    eprintln!("{stored} stored, {} bytes left", available(&world.data()));
    assert!(stored >= 3);
    let all_there = || {
        assert_eq!(number_of(&world.ctl(&["get", "first"]).ok()), Some(0));
        for number in 1..=stored {
            assert_eq!(number_of(&world.ctl(&["get", &format!("n/{number}")]).ok()), Some(number));
        }
        world.ctl(&["get", &format!("n/{}", stored + 1)]).refused(5);
    };
    all_there();
    // One that is there keeps its value when a larger one does not fit.
    world.ctl(&["set", "first", "--stdin"]).stdin(value(1, 1_000_000)).refused(12);
    all_there();
    world.daemon().expect("a daemon runs").kill();
    enlarge(&world.data());
    world.start(PASSWORD);
    all_there();
    world.set("first", value(1, 1_000_000));
    assert_eq!(number_of(&world.ctl(&["get", "first"]).ok()), Some(1));
    assert_sound(&world);
}

#[test]
fn what_fits_into_the_vault_is_stored_without_room_for_its_record() {
    if left_out_without_root("a small file system") {
        return;
    }
    let world = World::new();
    world.mount_tmpfs(&world.data(), 4096);
    let redo = world.data().join("glassdome/vault.redo");
    let left = 160 * 1024;
    // Before the unlock, which writes, too.
    fs::write(world.data().join("filler"), vec![7; (available(&world.data()) - left) as usize]).unwrap();
    assert!(available(&world.data()) <= left);
    // What is tried and does not fit is there for a moment.
    let gone = || wait_until(|| !redo.exists(), Duration::from_secs(10));
    world.start(PASSWORD);
    assert!(gone());
    for number in 0..3 {
        world.set("small", value(number, 100));
        assert!(gone(), "it would take what the vault needs");
    }
    world.daemon().expect("a daemon runs").kill();
    world.start(PASSWORD);
    assert_eq!(number_of(&world.ctl(&["get", "small"]).ok()), Some(2));
    assert_sound(&world);
}

#[test]
fn a_full_disk_is_no_reason_not_to_unlock() {
    if left_out_without_root("a small file system") {
        return;
    }
    let world = World::unlocked_on_small_disk(4096);
    world.set("first", value(0, 100));
    assert!(world.data().join("glassdome/vault.redo").exists());
    let filler = fill(&world.data());
    let mut stored = 0;
    while stored < 20 {
        let number = stored + 1;
        let name = format!("n/{number}");
        let set = world.ctl(&["set", &name, "--stdin"]).stdin(value(number, 5_000)).output();
        if set.code != 0 {
            set.refused(12);
            break;
        }
        stored = number;
    }
    eprintln!("{stored} stored on the full disk");
    assert!(stored >= 3);
    world.daemon().expect("a daemon runs").kill();
    for _ in 0..2 {
        world.unlock("wrong", &[]).refused(7);
        // The wait that it costs is as long as ever, and no longer.
        assert!(wait_until(|| world.unlock(PASSWORD, &[]).code == 0, Duration::from_secs(10)));
        for number in 1..=stored {
            assert_eq!(number_of(&world.ctl(&["get", &format!("n/{number}")]).ok()), Some(number));
        }
        world.daemon().expect("a daemon runs").kill();
    }
    fs::remove_file(filler).unwrap();
    world.start(PASSWORD);
    world.set("first", value(1, 100_000));
    world.ctl(&["stop"]).ok();
    assert!(wait_until(|| !world.data().join("glassdome/vault.redo").exists(), Duration::from_secs(10)));
    world.start(PASSWORD);
    for number in 1..=stored {
        assert_eq!(number_of(&world.ctl(&["get", &format!("n/{number}")]).ok()), Some(number));
    }
    assert_sound(&world);
}

#[test]
fn a_copy_put_back_stays_as_it_was() {
    let world = World::unlocked();
    world.set("a/b", b"1");
    world.ctl(&["stop"]).ok();
    let vault = world.data().join("glassdome/vault");
    assert!(wait_until(|| !vault.with_file_name("vault.redo").exists(), Duration::from_secs(10)));
    let backup = fs::read(&vault).unwrap();
    world.start(PASSWORD);
    // What the unlock wrote is not in the copy; the sealed state is the same.
    let before = fs::read(&vault).unwrap();
    world.ctl(&["rm", "a/b"]).ok();
    assert!(wait_until(|| fs::read(&vault).unwrap() != before, Duration::from_secs(10)), "it is settled");
    thread::sleep(Duration::from_millis(500));
    world.daemon().expect("a daemon runs").kill();
    assert!(vault.with_file_name("vault.redo").exists());
    fs::write(&vault, backup).unwrap();
    world.unlock(PASSWORD, &[]).refused(10);
    assert_eq!(world.unlock(PASSWORD, &["--accept-rollback"]).code, 0);
    assert_eq!(world.ctl(&["get", "a/b"]).ok(), b"1");
}

#[test]
fn nothing_is_acknowledged_in_a_file_that_was_moved_away() {
    let world = World::unlocked();
    world.set("a", b"1");
    let vault = world.data().join("glassdome/vault");
    let away = world.data().join("away");
    for replaced in [false, true] {
        fs::rename(&vault, &away).unwrap();
        if replaced {
            fs::copy(&away, &vault).unwrap();
        }
        for change in [&["set", "a", "--generate"][..], &["rm", "a"], &["mv", "a", "b"]] {
            let refusal = world.ctl(change).refused(10);
            assert!(
                refusal.contains("moved, removed or replaced") && refusal.contains("Put it back"),
                "{refusal}"
            );
        }
        assert_eq!(world.ctl(&["get", "a"]).ok(), b"1");
        // A password would be counted in it.
        let refused = || world.unlock(PASSWORD, &["--renew"]).code == 10;
        assert!(wait_until(refused, Duration::from_secs(10)));
        fs::rename(&away, &vault).unwrap();
    }
    world.set("a", b"2");
    world.daemon().expect("a daemon runs").kill();
    world.start(PASSWORD);
    assert_eq!(world.ctl(&["get", "a"]).ok(), b"2");
}

/// An open vault with a secret, where what is recorded has little room.
fn with_a_small_log() -> World {
    let world = World::with_vault();
    world.mount_tmpfs(&world.state(), 256);
    world.start(PASSWORD);
    world.set("a", "the secret");
    world
}

/// Asks until it cannot be recorded any more: then nothing is served, nor is a session opened. How often it was.
fn served_until_unlogged(world: &World) -> usize {
    let mut served = 0;
    let refused = loop {
        let out = world.ctl(&["get", "a"]).output();
        if out.code != 0 {
            break out.refused(12);
        }
        served += 1;
        assert!(served < 50, "the log never fills");
    };
    assert!(refused.contains("nothing is served unlogged") && refused.contains("Make room"), "{refused}");
    assert_unlogged(world);
    let out = world.ctl(&["get", "a"]).output();
    assert!([3, 12].contains(&out.code) && out.stdout.is_empty(), "{out:?}");
    world.unlock(PASSWORD, &[]).refused(12);
    assert_eq!(world.status()["state"], "locked");
    served
}

fn assert_unlogged(world: &World) {
    let status = world.status();
    assert_eq!((&status["state"], &status["reason"]), (&"locked".into(), &"unlogged".into()));
}

#[test]
fn a_full_log_lets_nothing_out() {
    if left_out_without_root("a small file system") {
        return;
    }
    let world = with_a_small_log();
    let filler = fill(&world.state());
    let served = served_until_unlogged(&world);
    // However often it is tried to set a log aside for which there is no room, nothing moves and nothing is left.
    let dir = world.state().join("glassdome");
    fs::rename(dir.join("audit.jsonl"), dir.join("held")).unwrap();
    fs::File::create(dir.join("audit.jsonl")).unwrap();
    User::A.own(&dir.join("audit.jsonl")).unwrap();
    fill(&world.state());
    let names =
        || fs::read_dir(&dir).unwrap().map(|entry| entry.unwrap().file_name()).collect::<BTreeSet<_>>();
    let before = names();
    for _ in 0..3 {
        let out = world.unlock(PASSWORD, &[]);
        // Whoever looks at the log first sees it: that locks, or the unlock says what it cannot make.
        let named = out.code == 12 && out.stderr.contains("audit.next");
        assert!(named || out.code == 3, "{}", out.stderr);
        assert_eq!((names(), &world.status()["state"]), (before.clone(), &"locked".into()));
    }
    fs::rename(dir.join("held"), dir.join("audit.jsonl")).unwrap();

    fs::remove_file(&filler).unwrap();
    assert!(wait_until(|| world.unlock(PASSWORD, &[]).code == 0, Duration::from_secs(20)));
    assert_eq!(world.ctl(&["get", "a"]).ok(), b"the secret");
    // Each line is whole and counted; every value that left is in it.
    let records = world.audit();
    let numbers: Vec<u64> = records.iter().map(|record| record["seq"].as_u64().unwrap()).collect();
    assert_eq!(numbers, (1..=records.len() as u64).collect::<Vec<_>>());
    let gets = records.iter().filter(|r| r["event"] == "get" && r["outcome"] == "allowed").count();
    assert_eq!(gets, served + 1);
    assert_eq!(
        fs::metadata(world.state().join("glassdome/audit.jsonl"))
            .map(|found| { std::os::unix::fs::MetadataExt::uid(&found) })
            .unwrap(),
        User::A.uid()
    );
}

#[test]
fn a_daemon_that_cannot_say_why_locks_all_the_same() {
    if left_out_without_root("a small file system") {
        return;
    }
    let world = with_a_small_log();
    // The diagnostics lie beside the audit log, and end with their page: not one line more is taken.
    let diagnostics = world.state().join("glassdome/daemon.log");
    let len = fs::metadata(&diagnostics).unwrap().len() as usize;
    let mut log = fs::OpenOptions::new().append(true).open(&diagnostics).unwrap();
    log.write_all(&vec![b'\n'; len.next_multiple_of(4096) - len]).unwrap();
    let filler = fill(&world.state());
    assert!(log.write_all(b"x").is_err(), "there is room for a line");
    served_until_unlogged(&world);
    world.ctl(&["lock"]).ok();
    assert_unlogged(&world);
    assert_eq!(fs::metadata(&diagnostics).unwrap().len() % 4096, 0, "it could say why");
    // Nothing of it is left behind.
    fs::remove_file(&filler).unwrap();
    assert!(wait_until(|| world.unlock(PASSWORD, &[]).code == 0, Duration::from_secs(20)));
    assert_eq!(world.ctl(&["get", "a"]).ok(), b"the secret");
    world.ctl(&["lock"]).ok();
    world.unlock("wrong", &[]).refused(7);
    fill(&world.state());
    world.ctl(&["stop"]).ok();
}
