//! A test that runs itself again as a process of its own, which is killed before each call by which it changes a file, or
//! has the system refuse it one, and all of its kind from there on.
//!
//! Both are real, and where they are to be: `strace` brings them about as the process enters the call. It counts the calls
//! of each thread by themselves, and the test harness has a thread of its own that writes, too: so only calls are counted
//! that name something beside the vault, or are about a file there.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::Command;
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
/// What lies beside the vault when the process comes to where calls are refused.
const FROM_HERE: &str = "from-here";

/// The vault's path, in the process that is to be killed, or refused something.
pub fn is_killed() -> Option<PathBuf> {
    std::env::var_os(KILLED).map(PathBuf::from)
}

/// From here on this process is to be refused something: see [`refused_from_each_call`].
pub fn from_here(path: &Path) {
    fs::create_dir(path.with_file_name(FROM_HERE)).unwrap();
}

/// Has the test of that name, which asks [`is_killed`] first, run over a copy of the vault at `path`, once for each call,
/// and gives for each of them in their order what `look` made of what the kill left.
pub fn killed_at_each_call<T: Send>(
    test: &str,
    path: &Path,
    look: impl Fn(&Path) -> T + Sync,
) -> Vec<(String, T)> {
    let (_counted, whole, names) = named(test, path);
    let calls = changes(calls(test, &whole, &names, &format!("{CALLS},{SYNCS}")));
    at_each(&calls, |Call { name, count, .. }| {
        let (_home, path) = copied(path);
        let kill = [format!("trace={name}"), format!("inject={name}:signal=KILL:when={count}")];
        let (signal, log) = traced(test, &path, &names, &kill);
        assert_eq!(signal, Some(KILL), "{name} {count}: {log}");
        // Before that one, and no other, it was killed.
        let entered = parsed(&log, &path);
        let last = entered.last().map(|call| (&call.name, call.count));
        assert_eq!(last, Some((name, *count)), "{log}");
        look(&path)
    })
}

/// The same, but from each call of these names on behind [`from_here`] all of them fail with `error`. The process comes to
/// its end, and finds for itself whether that is right; `look` has what it left, and the log of those calls.
pub fn refused_from_each_call<T: Send>(
    test: &str,
    path: &Path,
    (kinds, error): (&[&str], &str),
    look: impl Fn(&Path, &str) -> T + Sync,
) -> Vec<(String, T)> {
    let (_counted, whole, names) = named(test, path);
    let traced_kinds = format!("mkdir,rename,{}", kinds.join(","));
    let all = calls(test, &whole, &names, &traced_kinds);
    let here = all.iter().position(|call| call.about.contains(FROM_HERE)).unwrap();
    let calls: Vec<Call> =
        all[here..].iter().filter(|call| kinds.contains(&call.name.as_str())).cloned().collect();
    at_each(&calls, |call| {
        let at = all.iter().position(|other| (&other.name, other.count) == (&call.name, call.count)).unwrap();
        let before = |kind: &str| all[..at].iter().filter(|call| call.name == kind).count();
        let refuse =
            kinds.iter().map(|kind| format!("inject={kind}:error={error}:when={}+", before(kind) + 1));
        let rules: Vec<_> = [format!("trace={traced_kinds}")].into_iter().chain(refuse).collect();
        let (_home, path) = copied(path);
        let (_, log) = traced(test, &path, &names, &rules);
        assert!(log.contains("(INJECTED)"), "{} {}: {log}", call.name, call.count);
        look(&path, &log)
    })
}

/// What `run` makes of each, in their order, behind the call.
fn at_each<T: Send>(calls: &[Call], run: impl Fn(&Call) -> T + Sync) -> Vec<(String, T)> {
    let (next, made) = (AtomicUsize::new(0), Mutex::new(BTreeMap::new()));
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().unwrap().get() {
            scope.spawn(|| {
                loop {
                    let at = next.fetch_add(1, Ordering::Relaxed);
                    let Some(call) = calls.get(at) else { break };
                    let found = run(call);
                    made.lock().unwrap().insert(at, (format!("{}({}", call.name, call.about), found));
                }
            });
        }
    });
    made.into_inner().unwrap().into_values().collect()
}

/// A call that concerns what lies beside the vault: which of its name it is, and what it was called with, each path there
/// as it goes on behind the directory.
#[derive(Clone)]
struct Call {
    name: String,
    count: usize,
    about: String,
}

/// This program again, which changes the vault at `path`, under `strace` with these rules, for calls that concern one of
/// the names beside the vault; for all calls if there are no names. The signal that ended it, if one did, and the log.
fn traced(test: &str, path: &Path, names: &BTreeSet<String>, rules: &[String]) -> (Option<i32>, String) {
    let log = path.with_file_name("calls");
    let place = path.parent().unwrap().to_str().unwrap();
    let output = Command::new("strace")
        .args(["-f", "-qq", "-y", "-e", "signal=none", "-o"])
        .arg(&log)
        .args(names.iter().flat_map(|name| ["-P".to_owned(), format!("{place}{name}")]))
        .args(rules.iter().flat_map(|rule| ["-e", rule]))
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", test, "--test-threads=1"])
        .env(KILLED, path)
        .output()
        .unwrap_or_else(|error| panic!("strace: {error}. Install it: scripts/prepare test"));
    let log = fs::read_to_string(log).unwrap();
    let (signal, said) = (output.status.signal(), String::from_utf8_lossy(&output.stdout));
    assert!(output.status.success() || signal.is_some(), "{log}{said}");
    (signal, log)
}

/// A copy of the vault to count in, and what the test names beside it: each as it goes on behind their directory.
fn named(test: &str, path: &Path) -> (tempfile::TempDir, PathBuf, BTreeSet<String>) {
    let (_named, whole) = copied(path);
    let (_, log) = traced(test, &whole, &BTreeSet::new(), &[format!("trace={CALLS},{SYNCS}")]);
    let place = whole.parent().unwrap().to_str().unwrap();
    let told = log.split(['"', '<', '>']).filter_map(|told| told.strip_prefix(place));
    let names = told.filter(|name| name.is_empty() || name.starts_with('/')).map(str::to_owned).collect();
    let (counted, whole) = copied(path);
    (counted, whole, names)
}

/// The calls of a run to its end, in their order.
fn calls(test: &str, path: &Path, names: &BTreeSet<String>, traced_calls: &str) -> Vec<Call> {
    let (_, log) = traced(test, path, names, &[format!("trace={traced_calls}")]);
    parsed(&log, path)
}

/// The calls of a log. One thread has made all of them.
fn parsed(log: &str, path: &Path) -> Vec<Call> {
    let place = path.parent().unwrap().to_str().unwrap();
    let (mut counts, mut threads) = (BTreeMap::new(), BTreeSet::new());
    let mut found = Vec::new();
    for line in log.lines() {
        let Some((thread, call)) = line.split_once(' ') else { continue };
        let Some((name, about)) = call.trim_start().split_once('(') else { continue };
        assert!(about.contains(place), "{line}");
        threads.insert(thread);
        let count = counts.entry(name).or_default();
        *count += 1;
        found.push(Call { name: name.to_owned(), count: *count, about: about.replace(place, "") });
    }
    assert!(threads.len() <= 1, "{log}");
    found
}

/// Those that change something. Of pages that are written between two syncs, the first and the last: what is in between is
/// the store's.
fn changes(calls: Vec<Call>) -> Vec<Call> {
    let reads = |call: &Call| call.name == "openat" && !call.about.contains("O_CREAT");
    let found: Vec<_> =
        calls.into_iter().filter(|call| !reads(call) && !call.about.contains(") = -1 ")).collect();
    let is_page = |at: usize| found.get(at).is_some_and(|call| call.name == "pwrite64");
    let is_between = |at: usize| at > 0 && (at - 1..=at + 1).all(is_page);
    let is_one = |at: &usize| !is_between(*at) && !SYNCS.split(',').any(|sync| sync == found[*at].name);
    (0..found.len()).filter(is_one).map(|at| found[at].clone()).collect()
}

/// A copy where no disk is waited for: what a kill leaves is what the system has in memory, on a disk too.
fn copied(from: &Path) -> (tempfile::TempDir, PathBuf) {
    let directory = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap();
    let copy = directory.path().join("vault");
    fs::copy(from, &copy).unwrap();
    (directory, copy)
}
