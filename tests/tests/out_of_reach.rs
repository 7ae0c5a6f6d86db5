//! The unlocked daemon's memory and descriptors, for other processes of its user and for root's
//! ordinary means: each way is tried, and works on a process that does not resist.

#[path = "support/scripts.rs"]
mod scripts;

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use glassdome_tests::{PASSWORD, User, World, left_out_without_root, wait_until};
use rustix::process::Signal;
use serde_json::{Map, Value};

/// What the spy tells, by way.
fn spy(world: &World, user: User, args: &[&str]) -> Map<String, Value> {
    let script = scripts::scripts(world).join("spy.py");
    let out = world.python(&script, args).as_user(user).ok();
    serde_json::from_slice(&out).expect("it prints JSON")
}

/// Mappings of the daemon: range, and name.
fn mappings(pid: i32) -> Vec<(u64, u64, String)> {
    let maps = fs::read_to_string(format!("/proc/{pid}/maps")).expect("root reads maps");
    let mapping = |line: &str| {
        let (range, rest) = line.split_once(' ').expect("a line has a range");
        let (start, end) = range.split_once('-').expect("a range has two ends");
        let hex = |text| u64::from_str_radix(text, 16).expect("addresses are hexadecimal");
        (hex(start), hex(end), rest.split_ascii_whitespace().skip(4).collect::<Vec<_>>().join(" "))
    };
    maps.lines().map(mapping).collect()
}

#[track_caller]
fn secret_pages(pid: i32) -> (u64, u64) {
    let secret = mappings(pid).into_iter().find(|(_, _, name)| name.contains("secretmem"));
    let (start, end, _) = secret.expect("the keys lie on secret pages");
    (start, end - start)
}

#[test]
fn another_process_of_the_user_reaches_nothing() {
    let world = World::unlocked();
    let control = spy(&world, User::A, &["control"]);
    assert!(control.len() >= 9 && control.values().all(|told| told == "ok"), "control: {control:?}");

    let pid = world.daemon_pid();
    // Only root can tell where its memory is; the user would have to guess.
    let known = fs::read_to_string(format!("/proc/{pid}/maps")).is_ok();
    let (start, _, _) = if known { mappings(pid).remove(0) } else { (0x40_0000, 0, String::new()) };
    let reached = spy(&world, User::A, &["reach", &pid.to_string(), &start.to_string(), "64"]);
    assert_eq!(reached.len(), control.len());
    for (way, told) in &reached {
        assert!(told == "EPERM" || told == "EACCES", "{way}: {told}");
    }
    assert_eq!(world.status()["state"], "unlocked", "and it goes on");
}

#[test]
fn root_reads_no_secret_page_and_finds_no_descriptor_of_one() {
    if left_out_without_root("what root can read") {
        return;
    }
    let world = World::unlocked();
    let pid = world.daemon_pid();
    let read = |(start, len): (u64, u64)| {
        spy(&world, User::Root, &["read", &pid.to_string(), &start.to_string(), &len.to_string()])
    };
    let heap = mappings(pid).into_iter().find(|(_, _, name)| name == "[heap]").expect("it has a heap");
    let control = read((heap.0, 64));
    assert!(control.values().all(|told| told == "ok"), "control: {control:?}");
    let secret = read(secret_pages(pid));
    assert!(secret.values().all(|told| told == "EIO" || told == "EFAULT"), "{secret:?}");

    let control = spy(&world, User::Root, &["control-descriptors"]);
    assert_eq!(control["secret"], 1, "control: one that was forgotten is found");
    let found = spy(&world, User::Root, &["descriptors", &pid.to_string()]);
    assert!(found["descriptors"].as_u64() > Some(4), "{found:?}");
    assert_eq!(found["secret"], 0, "root could map it: {found:?}");

    world.ctl(&["lock"]).ok();
    assert!(!mappings(pid).iter().any(|(_, _, name)| name.contains("secretmem")), "gone with the session");
}

/// The kernel's own word for each protection of the pages (proc_pid_smaps(5)).
#[test]
fn secret_pages_are_neither_swapped_nor_dumped_nor_inherited() {
    if left_out_without_root("reading smaps") {
        return;
    }
    let world = World::unlocked();
    let pid = world.daemon_pid();
    let (start, _) = secret_pages(pid);
    let smaps = fs::read_to_string(format!("/proc/{pid}/smaps")).expect("root reads smaps");
    let about = smaps.split_once(&format!("{start:x}-")).expect("it is there").1;
    let line = |key: &str| {
        let line = about.lines().find_map(|line| line.strip_prefix(key));
        line.unwrap_or_else(|| panic!("no {key}")).split_ascii_whitespace().collect::<Vec<_>>()
    };
    assert_eq!(line("Swap:"), ["0", "kB"]);
    let flags = line("VmFlags:");
    for (flag, meaning) in [("lo", "locked"), ("dd", "not dumped"), ("dc", "not copied by fork")] {
        assert!(flags.contains(&flag), "{meaning}: {flags:?}");
    }
}

#[test]
fn a_crash_leaves_no_core() {
    let pattern = fs::read_to_string("/proc/sys/kernel/core_pattern").expect("/proc is mounted");
    let named = pattern.trim().to_owned();
    let cores = |world: &World| -> Vec<PathBuf> {
        let owned = |path: &PathBuf| fs::metadata(path).is_ok_and(|file| file.uid() == User::A.uid());
        files(world.top()).into_iter().filter(|path| name(path).starts_with(&named) && owned(path)).collect()
    };
    for signal in [Signal::SEGV, Signal::ABORT] {
        let world = World::new();
        let start = format!(
            "ulimit -c unlimited && echo '{PASSWORD}' | glassdome_start --password-stdin --accept-weak"
        );
        world.shell(&start).ok();
        let daemon = world.daemon().expect("it runs");
        let limits = fs::read_to_string(format!("/proc/{}/limits", daemon.pid())).expect("limits are public");
        let core = limits.lines().find(|line| line.starts_with("Max core file size")).expect("it is listed");
        assert_eq!(core.split_ascii_whitespace().skip(4).take(2).collect::<Vec<_>>(), ["0", "0"]);

        daemon.signal(signal);
        if signal == Signal::SEGV && !wait_until(|| !daemon.lives(), Duration::from_secs(1)) {
            // Rust's runtime takes the first for a stack that ran over, and lets the fault come again.
            daemon.signal(signal);
        }
        daemon.wait_for_end();
        assert!(cores(&world).is_empty(), "{:?}", cores(&world));

        if named.starts_with(['|', '/']) {
            eprintln!(
                "LEFT OUT: cores go to {named}: what an ordinary program leaves there was not looked at"
            );
            continue;
        }
        world.shell("ulimit -c unlimited; sh -c 'kill -SEGV $$'; true").ok();
        assert!(!cores(&world).is_empty(), "control: an ordinary program leaves one");
    }
}

fn name(path: &Path) -> &str {
    path.file_name().and_then(|name| name.to_str()).expect("paths of tests are text")
}

/// All files below.
fn files(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).expect("it can be read");
    let paths = entries.map(|entry| entry.expect("it can be read").path());
    paths.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}
