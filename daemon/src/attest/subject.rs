//! Whom a person is asked about: looked at once more when the question is put, with everything that an
//! answer can bind to. What is remembered is about this process, or about the bytes that its files had
//! when it asked, whatever they become while somebody reads the question.
//!
//! All of this blocks: see [`super::program`].

use std::io;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::Instant;

use super::lineage::{self, Held, Member};
use super::program::{self, Program, Want};

/// Whoever is asked about.
#[derive(Debug)]
pub struct Subject {
    /// The process.
    pub member: Member,
    /// A hold on it; nothing of one that hides itself.
    pub held: Option<Arc<Held>>,
    /// What it runs, as far as that can be told.
    pub program: Option<Arc<Program>>,
    /// Whether that lay, when it was looked at, where it could be found again.
    pub in_place: bool,
    /// Whether it asks through a client of ours, which it ran.
    pub through_client: bool,
}

/// What makes two askers one: whoever says no says it to all processes of a program.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Key {
    /// A program: the file, and the script by its path.
    Program {
        /// Device and inode number of the executable.
        exe: (u64, u64),
        /// The script.
        script: Option<String>,
    },
    /// A process without an identity of its own.
    Process {
        /// Its number.
        pid: i32,
        /// When it started, in clock ticks since the machine did.
        start: u64,
    },
}

impl Subject {
    /// Looks at whoever asks: the process `pid` itself, or whoever ran it if it is a client of ours.
    ///
    /// # Errors
    /// `ESRCH` if it is gone, or became another program meanwhile.
    pub fn look(pid: i32, is_client: bool, until: Instant) -> io::Result<Self> {
        let gone = || io::Error::from(rustix::io::Errno::SRCH);
        let peer = Member::of(pid)?;
        let member = if is_client { lineage::ran(&peer).ok_or_else(gone)? } else { peer };
        let held = Held::take(&member).ok().map(Arc::new);
        let want = Want { exe_digest: true, script: true };
        let program = program::read(member.dir.as_fd(), want, until).ok();
        // In another namespace it could have the kernel show any file as its own.
        let program = program.filter(|_| member.is_in_our_namespaces()).map(Arc::new);
        let in_place = program.as_ref().is_some_and(|program| program.is_in_place(until));
        let now = Member::of(member.stat.pid)?.stat;
        let same = (now.start, now.layout) == (member.stat.start, member.stat.layout);
        if !same || held.as_ref().is_some_and(|held| !held.alive()) {
            return Err(gone());
        }
        Ok(Self { member, held, program, in_place, through_client: is_client })
    }

    /// What makes it the same asker as another.
    pub fn key(&self) -> Key {
        match self.named_program() {
            Some(program) => Key::Program {
                exe: (program.exe.dev, program.exe.ino),
                script: program.script.as_ref().map(|script| script.path.clone()),
            },
            None => Key::Process { pid: self.member.stat.pid, start: self.member.stat.start },
        }
    }

    /// Its program, if that has an identity: an interpreter has none without a script.
    pub fn named_program(&self) -> Option<&Arc<Program>> {
        self.program.as_ref().filter(|program| program.interpreter.is_none() || program.script.is_some())
    }

    /// Whether it asks by what it runs, and runs whatever it is given: a shell, above all.
    pub fn stands_for_others(&self) -> bool {
        self.through_client && self.named_program().is_none()
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::attest::lineage::tests::begun;
    use std::io::{Read, Write};
    use std::process::{Child, Command, Stdio};
    use std::time::Duration;

    fn look(pid: i32, is_client: bool) -> io::Result<Subject> {
        Subject::look(pid, is_client, Instant::now() + Duration::from_secs(10))
    }

    /// A program that waits to be ended, and has begun: it answers.
    pub(crate) fn running(program: impl AsRef<std::ffi::OsStr>) -> Child {
        let mut child = Command::new(program).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        child.stdin.as_mut().unwrap().write_all(b"echo\n").unwrap();
        child.stdout.as_mut().unwrap().read_exact(&mut [0]).unwrap();
        child
    }

    #[test]
    fn a_program_is_one_asker_and_a_bare_interpreter_is_its_process() {
        let mut cats: Vec<_> = (0..2).map(|_| running("/bin/cat")).collect();
        let keys: Vec<Key> =
            cats.iter().map(|child| look(child.id().cast_signed(), false).unwrap().key()).collect();
        assert!(matches!(keys[0], Key::Program { script: None, .. }));
        assert_eq!(keys[0], keys[1]);
        for child in &mut cats {
            child.kill().unwrap();
            child.wait().unwrap();
        }

        let mut shells: Vec<_> = (0..2).map(|_| running("/bin/bash")).collect();
        let looked: Vec<Subject> =
            shells.iter().map(|child| look(child.id().cast_signed(), false).unwrap()).collect();
        assert!(looked[0].named_program().is_none());
        assert_ne!(looked[0].key(), looked[1].key());
        for child in &mut shells {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    #[test]
    fn of_a_client_whoever_ran_it_is_looked_at() {
        let mut runner = Command::new("bash").args(["-c", "sleep 100; :"]).spawn().unwrap();
        let children = format!("/proc/{0}/task/{0}/children", runner.id());
        let client: i32 = std::iter::repeat_with(|| std::fs::read_to_string(&children).unwrap())
            .find_map(|pids| pids.trim().parse().ok())
            .unwrap();
        begun(client);
        let subject = look(client, true).unwrap();
        assert_eq!(subject.member.stat.pid, runner.id().cast_signed());
        rustix::process::kill_process(
            rustix::process::Pid::from_raw(client).unwrap(),
            rustix::process::Signal::KILL,
        )
        .unwrap();
        runner.kill().unwrap();
        runner.wait().unwrap();
        assert!(!subject.held.as_ref().unwrap().alive());
    }
}
