//! Programs that run meanwhile, seen from outside.

use std::io::BufRead;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rustix::fs::{Mode, OFlags};
use sha2::{Digest, Sha256};

use super::*;

const ALL: Want = Want { exe_digest: true, script: true };

/// Says that it runs, and ends with its standard input.
const SHELL: &str = "echo; read line\n";
const PYTHON: &str = "print(flush=True); input()\n";

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(60)
}

fn sha256(path: impl AsRef<Path>) -> Option<[u8; 32]> {
    Some(Sha256::digest(std::fs::read(path).unwrap()).into())
}

fn directory() -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().canonicalize().unwrap();
    (dir, path)
}

/// A program that has said that it runs; it ends with this.
struct Running {
    child: Child,
    dir: OwnedFd,
}

impl Running {
    fn new(command: &mut Command) -> Self {
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        std::io::BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        assert_eq!(line, "\n", "it did not start");
        let path = format!("/proc/{}", child.id());
        let dir = rustix::fs::open(path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty()).unwrap();
        Self { child, dir }
    }

    fn read(&self, want: Want) -> Program {
        read(self.dir.as_fd(), want, soon()).unwrap()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_python_script_is_read_with_its_interpreter() {
    let (_dir, dir) = directory();
    std::fs::write(dir.join("script.py"), PYTHON).unwrap();
    let running = Running::new(Command::new("python3").arg("-u").arg(dir.join("script.py")));
    let program = running.read(ALL);
    assert_eq!(program.interpreter, Some(Interpreter::Python));
    let exe = std::fs::metadata(&program.exe.path).unwrap();
    assert_eq!((program.exe.dev, program.exe.ino), (exe.dev(), exe.ino()));
    assert_eq!(program.exe.sha256, sha256(&program.exe.path));
    let script = program.script.unwrap();
    let meta = std::fs::metadata(dir.join("script.py")).unwrap();
    assert_eq!((script.dev, script.ino, script.owner), (meta.dev(), meta.ino(), meta.uid()));
    assert_eq!(script.path, dir.join("script.py").to_str().unwrap());
    assert_eq!(script.sha256, sha256(dir.join("script.py")));
}

#[test]
fn code_that_is_no_file_is_no_script() {
    let running = Running::new(Command::new("python3").args(["-c", PYTHON]));
    let program = running.read(ALL);
    assert_eq!((program.interpreter, program.script), (Some(Interpreter::Python), None));
}

#[test]
fn a_relative_script_is_found_from_the_directory_of_its_process() {
    let (_dir, dir) = directory();
    std::fs::create_dir(dir.join("below")).unwrap();
    std::fs::write(dir.join("script.sh"), SHELL).unwrap();
    symlink("script.sh", dir.join("link.sh")).unwrap();
    for word in ["../script.sh", "./../below/../script.sh", "../link.sh"] {
        let mut bash = Command::new("bash");
        let running = Running::new(bash.args(["-eu", "-o", "pipefail", word]).current_dir(dir.join("below")));
        let program = running.read(Want { exe_digest: false, script: true });
        assert_eq!((program.interpreter, program.exe.sha256), (Some(Interpreter::Bash), None));
        let script = program.script.unwrap();
        assert_eq!(
            (script.path.as_str(), script.sha256),
            (dir.join("script.sh").to_str().unwrap(), sha256(dir.join("script.sh")))
        );
    }
}

#[test]
fn a_script_is_what_lies_at_its_path_now() {
    let (_dir, dir) = directory();
    let path = dir.join("script.sh");
    std::fs::write(&path, SHELL).unwrap();
    let running = Running::new(Command::new("bash").arg(&path));
    let before = running.read(ALL).script.unwrap();
    std::fs::write(dir.join("other"), "other").unwrap();
    std::fs::rename(dir.join("other"), &path).unwrap();
    let after = running.read(ALL).script.unwrap();
    assert_ne!((after.ino, after.sha256), (before.ino, before.sha256));
    assert_eq!(after.sha256, Some(Sha256::digest("other").into()));
    std::fs::remove_file(&path).unwrap();
    assert_eq!(running.read(ALL).script, None);
    std::fs::create_dir(&path).unwrap();
    assert_eq!(running.read(ALL).script, None);
}

#[test]
fn a_process_that_left_its_directory_has_no_relative_script() {
    let (_dir, dir) = directory();
    std::fs::create_dir(dir.join("below")).unwrap();
    std::fs::write(dir.join("script.sh"), format!("cd below\n{SHELL}")).unwrap();
    let running = Running::new(Command::new("bash").arg("script.sh").current_dir(&dir));
    assert_eq!(running.read(ALL).script, None);
    std::fs::remove_dir(dir.join("below")).unwrap();
    assert_eq!(running.read(ALL).script, None);
}

#[test]
fn a_linked_interpreter_is_the_file_behind_the_link() {
    let (_dir, dir) = directory();
    std::fs::write(dir.join("script"), SHELL).unwrap();
    symlink("/bin/bash", dir.join("harmless")).unwrap();
    let running = Running::new(Command::new(dir.join("harmless")).arg(dir.join("script")));
    let program = running.read(ALL);
    assert_eq!(program.interpreter, Some(Interpreter::Bash));
    assert_eq!(program.script.unwrap().sha256, Some(Sha256::digest(SHELL).into()));
}

#[test]
fn a_removed_executable_is_still_read() {
    let (_dir, dir) = directory();
    std::fs::copy("/bin/bash", dir.join("bash")).unwrap();
    let running = Running::new(Command::new(dir.join("bash")).args(["-c", SHELL]));
    std::fs::remove_file(dir.join("bash")).unwrap();
    std::fs::write(dir.join("bash"), "another").unwrap();
    let program = running.read(ALL);
    assert_eq!(program.interpreter, Some(Interpreter::Bash));
    assert_eq!(program.exe.sha256, sha256("/bin/bash"));
}

#[test]
fn the_loader_hides_what_an_interpreter_runs() {
    let (_dir, dir) = directory();
    std::fs::write(dir.join("script"), SHELL).unwrap();
    let loader = ["/lib64/ld-linux-x86-64.so.2", "/lib/ld-linux-aarch64.so.1"];
    let loader = loader.into_iter().find(|path| Path::new(path).exists()).unwrap();
    let running = Running::new(Command::new(loader).arg("/bin/bash").arg(dir.join("script")));
    let program = running.read(ALL);
    assert_eq!((program.interpreter, program.script), (Some(Interpreter::Loader), None));
}

#[test]
fn what_is_not_asked_for_is_not_read() {
    let (_dir, dir) = directory();
    std::fs::write(dir.join("script"), SHELL).unwrap();
    let running = Running::new(Command::new("bash").arg(dir.join("script")));
    let none = Want { exe_digest: false, script: false };
    let program = read(running.dir.as_fd(), none, Instant::now()).unwrap();
    assert_eq!((program.exe.sha256, program.script), (None, None));
    assert_eq!(program.interpreter, Some(Interpreter::Bash));
}

#[test]
fn an_ordinary_program_has_no_interpreter() {
    let own = rustix::fs::open("/proc/self", OFlags::PATH | OFlags::CLOEXEC, Mode::empty()).unwrap();
    let program = read(own.as_fd(), ALL, soon()).unwrap();
    assert_eq!((program.interpreter, program.script), (None, None));
    assert_eq!(program.exe.sha256, sha256("/proc/self/exe"));
}

#[test]
fn a_process_that_ended_is_not_read() {
    let mut running = Running::new(Command::new("bash").args(["-c", SHELL]));
    running.child.kill().unwrap();
    running.child.wait().unwrap();
    let read = read(running.dir.as_fd(), ALL, soon());
    assert!(matches!(read, Err(Unreadable::Io { what: "the executable", .. })));
}

#[test]
fn a_rule_names_a_file_by_an_absolute_path() {
    let (_dir, dir) = directory();
    std::fs::write(dir.join("file"), "bytes").unwrap();
    symlink("file", dir.join("link")).unwrap();
    let facts = file(&dir.join("link"), true, soon()).unwrap();
    assert_eq!(facts.path, dir.join("file").to_str().unwrap());
    assert_eq!(facts.sha256, Some(Sha256::digest("bytes").into()));
    assert_eq!(file(&dir.join("link"), false, Instant::now()).unwrap(), FileFacts { sha256: None, ..facts });
    assert!(matches!(file(&dir.join("link"), true, Instant::now()), Err(Unreadable::Late { .. })));
    assert!(matches!(file(Path::new("file"), true, soon()), Err(Unreadable::NotAbsolute { .. })));
    assert!(matches!(file(&dir, true, soon()), Err(Unreadable::Irregular { .. })));
    assert!(matches!(file(&dir.join("none"), true, soon()), Err(Unreadable::NoFile { .. })));
}

#[test]
fn the_first_line_names_the_interpreter() {
    let path = |path| Some(Named::Path(Path::new(path)));
    let search = |name| Some(Named::Search(OsStr::new(name)));
    assert_eq!(named(b"#!/usr/bin/python3\n"), path("/usr/bin/python3"));
    assert_eq!(named(b"#! \t/bin/sh -e -u\nrest"), path("/bin/sh"));
    assert_eq!(named(b"#!/usr/bin/env python3\n"), search("python3"));
    assert_eq!(named(b"#!/bin/env -S node --no-warnings\n"), search("node"));
    assert_eq!(named(b"#!/usr/bin/env -Snode x\n"), search("node"));
    assert_eq!(named(b"#!/usr/bin/env /opt/x\n"), path("/opt/x"));
    let none: [&[u8]; 12] = [
        b"",
        b"#!",
        b"#!\n",
        b"#!/bin/sh",
        b"/bin/sh\n",
        b"#!bin/sh\n",
        b"#!/usr/bin/env\n",
        b"#!/usr/bin/env -i sh\n",
        b"#!/usr/bin/env A=b sh\n",
        b"#!/usr/bin/env ../sh\n",
        b"#!/usr/bin/env -S\n",
        b"\x7fELF\n",
    ];
    for line in none {
        assert_eq!(named(line), None, "{line:?}");
    }
}

#[test]
fn the_interpreter_of_a_script_is_looked_up() {
    let (_dir, dir) = directory();
    let path = dir.join("script");
    let of = |line: &str| {
        std::fs::write(&path, line).unwrap();
        interpreter_of(&path, soon())
    };
    assert_eq!(of("#!/opt/any\n").unwrap(), Path::new("/opt/any"));
    let sh = of("#!/usr/bin/env sh\n").unwrap();
    assert!(sh.is_absolute() && sh.metadata().unwrap().permissions().mode() & 0o111 != 0);
    assert!(matches!(of("#!/usr/bin/env no-such-interpreter\n"), Err(Unreadable::NoInterpreter)));
    assert!(matches!(of("echo\n"), Err(Unreadable::NoInterpreter)));
    assert!(of(&format!("#!/{}\n", "x".repeat(252))).is_ok());
    assert!(matches!(of(&format!("#!/{}\n", "x".repeat(253))), Err(Unreadable::NoInterpreter)));
    assert!(matches!(interpreter_of(&path, Instant::now()), Err(Unreadable::Late { .. })));
    assert!(matches!(interpreter_of(&dir, soon()), Err(Unreadable::Irregular { .. })));
}
