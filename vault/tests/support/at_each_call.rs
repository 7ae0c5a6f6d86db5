//! A test that runs itself again as a process of its own, which is killed before each call by which it changes a file.
//!
//! The kill is real, and where it is to be: `strace` brings it about as the process enters the call.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

/// Set where the process is that is killed: the vault's path.
const KILLED: &str = "GLASSDOME_TEST_KILLED";
/// Whatever changes a file or a directory.
const CALLS: &str = "openat,mkdir,mkdirat,rename,renameat,renameat2,link,linkat,unlink,unlinkat,rmdir,ftruncate,fallocate,\
                     write,pwrite64";
/// What brings it to the disk. To be killed before one of these is to be killed before the next of the others.
const SYNCS: &str = "fsync,fdatasync";
const KILL: i32 = 9;

/// The vault's path, in the process that is to be killed.
pub fn is_killed() -> Option<PathBuf> {
    std::env::var_os(KILLED).map(PathBuf::from)
}

/// Has the test of that name, which asks [`is_killed`] first, run over a copy of the vault at `path`, once for each call,
/// and gives for each of them in their order what `look` made of what the kill left.
pub fn killed_at_each_call<T: Send>(
    test: &str,
    path: &Path,
    look: impl Fn(&Path) -> T + Sync,
) -> Vec<(String, T)> {
    let (_counted, whole) = copied(path);
    let calls = calls(test, &whole);
    let (next, left) = (AtomicUsize::new(0), Mutex::new(BTreeMap::new()));
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().unwrap().get() {
            scope.spawn(|| {
                loop {
                    let at = next.fetch_add(1, Ordering::Relaxed);
                    let Some((name, count)) = calls.get(at) else { break };
                    let (_home, path) = copied(path);
                    let kill = format!("inject={name}:signal=KILL:when={count}");
                    let (status, log) = traced(test, &path, &["-e", &format!("trace={name}"), "-e", &kill]);
                    assert_eq!(status.signal(), Some(KILL), "{name} {count}: {log}");
                    let found = look(&path);
                    left.lock().unwrap().insert(at, (format!("{name} {count}"), found));
                }
            });
        }
    });
    left.into_inner().unwrap().into_values().collect()
}

/// This program again, which changes the vault at `path`, under `strace` with these arguments.
fn traced(test: &str, path: &Path, args: &[&str]) -> (ExitStatus, String) {
    let log = path.with_file_name("calls");
    let output = Command::new("strace")
        .args(["-f", "-qq", "-o"])
        .arg(&log)
        .args(args)
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", test, "--test-threads=1"])
        .env(KILLED, path)
        .stdout(Stdio::null())
        .output()
        .unwrap_or_else(|error| panic!("strace: {error}. Install it: scripts/prepare test"));
    (output.status, fs::read_to_string(log).unwrap())
}

/// The calls that change something of the vault at `path`, in their order: the name of each, and which of that name it is.
/// Of pages that are written between two syncs, the first and the last: what is in between is the store's.
fn calls(test: &str, path: &Path) -> Vec<(String, usize)> {
    let (status, log) = traced(test, path, &["-y", "-e", &format!("trace={CALLS},{SYNCS}")]);
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
    let is_one = |at: &usize| !is_between(*at) && !SYNCS.split(',').any(|sync| sync == found[*at].0);
    (0..found.len()).filter(is_one).map(|at| found[at].clone()).collect()
}

/// A copy where no disk is waited for: what a kill leaves is what the system has in memory, on a disk too.
fn copied(from: &Path) -> (tempfile::TempDir, PathBuf) {
    let directory = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap();
    let copy = directory.path().join("vault");
    fs::copy(from, &copy).unwrap();
    (directory, copy)
}
