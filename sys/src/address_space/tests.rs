//! Real processes that exec, exit, and hide.

use super::{AddressSpace, Kind};
use rustix::fs::{CWD, Mode, OFlags, openat};
use rustix::process::{DumpableBehavior, set_dumpable_behavior};
use std::io::{Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};

const BOTH: [Kind; 2] = [Kind::Pagemap, Kind::Maps];

fn proc_dir(pid: u32) -> OwnedFd {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    openat(CWD, format!("/proc/{pid}"), flags, Mode::empty()).unwrap()
}

fn open_as(child: &Child, kind: Kind) -> AddressSpace {
    AddressSpace::open_as(proc_dir(child.id()).as_fd(), kind).unwrap()
}

/// A shell that turns into another program when it reads a line.
fn shell_that_execs() -> Child {
    let mut command = Command::new("sh");
    command.args(["-c", "echo ready; read line; exec cat"]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().unwrap();
    expect(&mut child, b"ready\n");
    child
}

fn expect(child: &mut Child, text: &[u8]) {
    let mut seen = vec![0; text.len()];
    child.stdout.as_mut().unwrap().read_exact(&mut seen).unwrap();
    assert_eq!(seen, text);
}

fn tell(child: &mut Child, text: &[u8]) {
    child.stdin.as_mut().unwrap().write_all(text).unwrap();
}

/// Ends a child and leaves it a zombie.
fn kill_unreaped(child: &mut Child) {
    use rustix::process::{Pid, WaitId, WaitIdOptions, waitid};
    child.kill().unwrap();
    let zombie = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
    waitid(WaitId::Pid(Pid::from_child(child)), zombie).unwrap().unwrap();
}

#[test]
fn this_kernel_has_pagemap() {
    let child = shell_that_execs();
    assert_eq!(AddressSpace::open(proc_dir(child.id()).as_fd()).unwrap().kind, Kind::Pagemap);
    end(child);
}

fn end(mut child: Child) {
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn dies_with_exec_under_the_same_pid() {
    for kind in BOTH {
        let mut child = shell_that_execs();
        let shell = open_as(&child, kind);
        assert!(shell.alive());
        // `cat` answers, so the exec has happened.
        tell(&mut child, b"go\nhello");
        expect(&mut child, b"hello");
        assert!(!shell.alive(), "{kind:?}");
        let cat = open_as(&child, kind);
        assert!(cat.alive(), "control: the new program's own handle lives");
        end(child);
        assert!(!cat.alive(), "{kind:?}");
    }
}

#[test]
fn dies_with_the_exit_reaped_or_not() {
    for kind in BOTH {
        let mut child = shell_that_execs();
        let handle = open_as(&child, kind);
        assert!(handle.alive());
        kill_unreaped(&mut child);
        assert!(!handle.alive(), "{kind:?}: zombie");
        child.wait().unwrap();
        assert!(!handle.alive(), "{kind:?}: reaped");
    }
}

#[test]
fn a_process_that_is_gone_cannot_be_opened() {
    let mut child = shell_that_execs();
    let directory = proc_dir(child.id());
    kill_unreaped(&mut child);
    AddressSpace::open(directory.as_fd()).unwrap_err();
    child.wait().unwrap();
    AddressSpace::open(directory.as_fd()).unwrap_err();
}

#[test]
fn a_kernel_thread_has_no_address_space() {
    if !std::fs::read_to_string("/proc/2/comm").is_ok_and(|name| name.trim() == "kthreadd") {
        eprintln!("no kernel threads can be seen here: nothing was tested");
        return;
    }
    AddressSpace::open(proc_dir(2).as_fd()).unwrap_err();
}

#[test]
fn stays_usable_when_the_process_becomes_non_dumpable() {
    for kind in BOTH {
        // A child that is this test, so that it can hide by itself; its first line is an address space already.
        let mut child = Command::new("/proc/self/exe")
            .args(["--exact", "address_space::tests::hides_for_another_test", "--ignored", "--nocapture"])
            .env("SYS_TEST_HIDE", "1")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        wait_for(&mut child, "dumpable");
        let handle = open_as(&child, kind);
        assert!(handle.alive());
        tell(&mut child, b"\n");
        wait_for(&mut child, "hidden");
        assert!(handle.alive(), "{kind:?}");
        if !rustix::process::geteuid().is_root() {
            let refused = AddressSpace::open(proc_dir(child.id()).as_fd()).unwrap_err();
            assert_eq!(refused.raw_os_error(), Some(libc::EACCES), "control: it is hidden");
        }
        tell(&mut child, b"\n");
        wait_for(&mut child, "exec");
        assert!(!handle.alive(), "{kind:?}");
        end(child);
    }
}

/// Reads the child's output up to a word.
fn wait_for(child: &mut Child, word: &str) {
    let mut seen = String::new();
    while !seen.contains(word) {
        let mut byte = [0];
        child.stdout.as_mut().unwrap().read_exact(&mut byte).unwrap();
        seen.push(char::from(byte[0]));
    }
}

#[test]
#[ignore = "the second process of `stays_usable_when_the_process_becomes_non_dumpable`"]
fn hides_for_another_test() {
    if std::env::var_os("SYS_TEST_HIDE").is_none() {
        return;
    }
    let wait_for_line = || std::io::stdin().lock().read_exact(&mut [0]).unwrap();
    println!("dumpable");
    wait_for_line();
    set_dumpable_behavior(DumpableBehavior::NotDumpable).unwrap();
    println!("hidden");
    wait_for_line();
    let error = Command::new("sh").args(["-c", "echo exec; sleep 100"]).exec();
    panic!("{error}");
}

#[test]
fn another_users_process_cannot_be_opened() {
    if !rustix::process::geteuid().is_root() {
        let refused = AddressSpace::open(proc_dir(1).as_fd()).unwrap_err();
        assert_eq!(refused.raw_os_error(), Some(libc::EACCES));
        return;
    }
    let child = shell_that_execs();
    let test = "address_space::tests::opens_for_another_test";
    let output = Command::new("/proc/self/exe")
        .args(["--exact", test, "--ignored"])
        .env("SYS_TEST_OPEN", child.id().to_string())
        .uid(54321)
        .gid(12345)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    end(child);
}

#[test]
#[ignore = "the second process of `another_users_process_cannot_be_opened`"]
fn opens_for_another_test() {
    let Some(pid) = std::env::var("SYS_TEST_OPEN").ok() else { return };
    let refused = AddressSpace::open(proc_dir(pid.parse().unwrap()).as_fd()).unwrap_err();
    assert_eq!(refused.raw_os_error(), Some(libc::EACCES));
    AddressSpace::open(proc_dir(std::process::id()).as_fd()).expect("control: its own it may");
}
