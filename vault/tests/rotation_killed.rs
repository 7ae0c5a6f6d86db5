//! A process that rotates a vault is killed before each call by which it changes a file: nothing is lost, and the rotation
//! goes on from there or has come to its end.
//!
//! The kill is real, and where it is to be: `strace` brings it about as the process enters the call.
#![allow(clippy::unwrap_used, reason = "what is not there fails the test")]

mod support;

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use glassdome_vault::{Cleared, Mark, Plan, Rotation, SlotKind, Unfinished, clear_up};

use support::rotating::{Seen, begin, carry, finish, name_of, resume, seen, sound};
use support::{PASSWORD, derive, fresh, kek, present};

/// Set where the process is that is killed: the vault's path.
const ROTATES: &str = "GLASSDOME_TEST_ROTATES";
const NAME: &str = "killed_before_each_call_that_changes_a_file_nothing_is_lost";
/// Whatever changes a file or a directory. To be killed before a sync is to be killed before the next of these.
const CALLS: &str = "openat,mkdir,mkdirat,rename,renameat,renameat2,link,linkat,unlink,unlinkat,rmdir,ftruncate,fallocate,\
                     write,pwrite64";
const KILL: i32 = 9;
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
    rotation.vault().commit(rotation.finish(&pass, &vault, &old, &new).unwrap()).unwrap();
    drop(pass);
    let former = vault.take_up(vault.move_in(rotation).unwrap());
    former.erase().unwrap();
}

/// This program again, which rotates the vault at `path` under `strace` with these arguments.
fn traced(path: &Path, args: &[&str]) -> (ExitStatus, String) {
    let log = path.with_file_name("calls");
    let output = Command::new("strace")
        .args(["-f", "-qq", "-o"])
        .arg(&log)
        .args(args)
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", NAME, "--test-threads=1"])
        .env(ROTATES, path)
        .stdout(Stdio::null())
        .output()
        .unwrap_or_else(|error| panic!("strace: {error}. Install it: scripts/prepare test"));
    (output.status, fs::read_to_string(log).unwrap())
}

/// The calls that change something of the vault at `path`, in their order: the name of each, and which of that name it is.
/// Of pages that are written one behind the other, the first and the last: what is in between is the store's.
fn calls(path: &Path) -> Vec<(String, usize)> {
    let (status, log) = traced(path, &["-y", "-e", &format!("trace={CALLS}")]);
    assert!(status.success(), "{log}");
    let place = path.parent().unwrap().to_str().unwrap();
    let mut counts: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    let mut found = Vec::new();
    for line in log.lines() {
        let Some((thread, call)) = line.split_once(' ') else { continue };
        let Some((name, about)) = call.trim_start().split_once('(') else { continue };
        // Each thread's are counted by themselves.
        let count = counts.entry((thread, name)).or_default();
        *count += 1;
        let reads = name == "openat" && !about.contains("O_CREAT");
        if about.contains(place) && !reads && !about.contains(") = -1 ") {
            found.push((name.to_owned(), *count));
        }
    }
    let is_page = |at: usize| found.get(at).is_some_and(|call: &(String, usize)| call.0 == "pwrite64");
    let is_between = |at: usize| at > 0 && (at - 1..=at + 1).all(is_page);
    (0..found.len()).filter(|at| !is_between(*at)).map(|at| found[at].clone()).collect()
}

/// A copy where no disk is waited for: what a kill leaves is what the system has in memory, on a disk too.
fn copied(from: &Path) -> (tempfile::TempDir, std::path::PathBuf) {
    let directory = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap();
    let copy = directory.path().join("vault");
    fs::copy(from, &copy).unwrap();
    (directory, copy)
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
    if let Some(path) = std::env::var_os(ROTATES) {
        return rotate(Path::new(&path));
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

    let (_counted, whole) = copied(&path);
    let calls = calls(&whole);
    for (name, least) in [("mkdir", 1), ("write", 1), ("rename", 1), ("link", 2), ("unlink", 4), ("rmdir", 1)]
    {
        let times = calls.iter().filter(|call| call.0.starts_with(name)).count();
        assert!(times >= least, "control: {name} {times}");
    }
    let (next, left) = (AtomicUsize::new(0), Mutex::new(vec![None; calls.len()]));
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().unwrap().get() {
            scope.spawn(|| {
                loop {
                    let at = next.fetch_add(1, Ordering::Relaxed);
                    let Some((name, count)) = calls.get(at) else { break };
                    let (_home, path) = copied(&path);
                    let kill = format!("inject={name}:signal=KILL:when={count}");
                    let (status, log) = traced(&path, &["-e", &format!("trace={name}"), "-e", &kill]);
                    assert_eq!(status.signal(), Some(KILL), "{name} {count}: {log}");
                    let found = comes_to_its_end(&path, first, &expected, &names);
                    left.lock().unwrap()[at] = Some(found);
                }
            });
        }
    });
    let left = left.into_inner().unwrap();
    assert!(left.is_sorted(), "{:?}", calls.iter().zip(&left).collect::<Vec<_>>());
    for found in [Left::Nothing, Left::Unfinished, Left::Rotated] {
        assert!(left.contains(&Some(found)), "control: {found:?}");
    }
}
