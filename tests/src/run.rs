//! One program, from its arguments to its output. Every run has a deadline: a program that hangs
//! fails its test instead of stalling it.

use std::ffi::OsStr;
use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::{Child, Command};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::confine::{self, Confine};
use crate::typist::{Typed, Typist};
use crate::user::User;

/// How long a program may take if the test says nothing else.
const PATIENCE: Duration = Duration::from_secs(60);

/// A program that is about to be run.
#[must_use]
pub struct Run {
    command: Command,
    typist: Arc<Typist>,
    confine: Option<Confine>,
    user: User,
    stdin: Vec<u8>,
    patience: Duration,
}

/// What a program did.
#[derive(Debug)]
pub struct Out {
    /// Its exit code; 128 and the signal's number if a signal ended it, as shells have it.
    pub code: i32,
    /// What it printed.
    pub stdout: Vec<u8>,
    /// What it told the person.
    pub stderr: String,
}

/// A program that runs. It is killed if the test ends first.
pub struct Started {
    process: Process,
    stdout: Receiver<Vec<u8>>,
    stderr: Receiver<Vec<u8>>,
    deadline: Instant,
}

enum Process {
    /// The owner's.
    Typed(Typed),
    /// Another user's.
    Child(Child),
}

impl Run {
    pub(crate) fn new(command: Command, typist: Arc<Typist>) -> Self {
        Self { command, typist, confine: None, user: User::A, stdin: Vec::new(), patience: PATIENCE }
    }

    /// What it reads; nothing if not said.
    pub fn stdin(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.stdin = bytes.into();
        self
    }

    /// One more variable of its environment.
    pub fn env(mut self, key: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Self {
        self.command.env(key, value);
        self
    }

    /// Where it runs.
    pub fn current_dir(mut self, directory: &Path) -> Self {
        self.command.current_dir(directory);
        self
    }

    /// Who runs it; the owner of the home if not said. Others, who cannot enter the home, run in `/`.
    pub fn as_user(mut self, user: User) -> Self {
        self.user = user;
        if user != User::A {
            self.command.current_dir("/");
        }
        self
    }

    /// What is taken away from it, and from what it starts.
    pub fn confined(mut self, confine: Confine) -> Self {
        self.confine = Some(confine);
        self
    }

    /// How long it may take.
    pub fn within(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// Runs it to its end.
    pub fn output(self) -> Out {
        self.start().output()
    }

    /// Runs it to its end, which must be code 0, and gives what it printed.
    pub fn ok(self) -> Vec<u8> {
        self.output().ok()
    }

    /// As [`Run::ok`], for what is text.
    pub fn text(self) -> String {
        String::from_utf8(self.ok()).expect("the output is text")
    }

    /// Runs it to its end, which must be that code with nothing printed, and gives its one line.
    pub fn refused(self, code: i32) -> String {
        self.output().refused(code)
    }

    /// Starts it, and lets it run beside the test.
    pub fn start(mut self) -> Started {
        let pipe = || io::pipe().expect("a pipe can be had");
        let ((stdin, mut input), (stdout, output), (stderr, errors)) = (pipe(), pipe(), pipe());
        let streams: [OwnedFd; 3] = [stdin.into(), output.into(), errors.into()];
        let process = self.spawn(streams).unwrap_or_else(|error| panic!("{:?}: {error}", self.command));
        let bytes = self.stdin;
        // A program may end without reading all of it.
        thread::spawn(move || input.write_all(&bytes).ok());
        let (stdout, stderr) = (collected(stdout), collected(stderr));
        Started { process, stdout, stderr, deadline: Instant::now() + self.patience }
    }

    fn spawn(&mut self, streams: [OwnedFd; 3]) -> io::Result<Process> {
        if self.user == User::A {
            return self.typist.start(&self.command, self.confine, streams).map(Process::Typed);
        }
        if let Some(confine) = self.confine {
            confine.put_on(&mut self.command);
        }
        self.user.put_on(&mut self.command);
        confine::without_terminal(&mut self.command);
        let [stdin, stdout, stderr] = streams;
        let child = self.command.stdin(stdin).stdout(stdout).stderr(stderr).spawn();
        // Its copies would keep the pipes open when the program has ended.
        self.command = Command::new(self.command.get_program());
        child.map(Process::Child)
    }
}

impl Started {
    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.id().as_raw_nonzero().get().cast_unsigned()
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) {
        kill_process(self.id(), signal).expect("it is there until it is waited for");
    }

    /// Whether it has ended.
    pub fn has_ended(&mut self) -> bool {
        self.code().is_some()
    }

    fn id(&self) -> Pid {
        match &self.process {
            Process::Typed(typed) => typed.pid(),
            Process::Child(child) => Pid::from_child(child),
        }
    }

    fn code(&mut self) -> Option<i32> {
        use std::os::unix::process::ExitStatusExt;
        match &mut self.process {
            Process::Typed(typed) => typed.code(),
            Process::Child(child) => {
                let status = child.try_wait().expect("our own child can be waited for")?;
                status.code().or_else(|| Some(128 + status.signal()?))
            }
        }
    }

    /// Waits for its end.
    pub fn output(mut self) -> Out {
        let code = loop {
            if let Some(code) = self.code() {
                break code;
            }
            assert!(Instant::now() < self.deadline, "process {} hangs", self.pid());
            thread::sleep(Duration::from_micros(500));
        };
        // A descendant that keeps the pipe open hangs whoever waits for its end.
        let whole = |pipe: &Receiver<Vec<u8>>| {
            let left = self.deadline.saturating_duration_since(Instant::now());
            pipe.recv_timeout(left).expect("somebody keeps the output open")
        };
        Out {
            code,
            stdout: whole(&self.stdout),
            stderr: String::from_utf8(whole(&self.stderr)).expect("messages are text"),
        }
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        // It has ended, unless the test failed.
        kill_process(self.id(), Signal::KILL).ok();
        if let Process::Child(child) = &mut self.process {
            child.wait().ok();
        }
    }
}

impl Out {
    /// What was printed, if all went well.
    #[track_caller]
    pub fn ok(self) -> Vec<u8> {
        assert_eq!(self.code, 0, "{}", self.stderr);
        self.stdout
    }

    /// The one line of a refusal with that code.
    #[track_caller]
    pub fn refused(self, code: i32) -> String {
        let Self { code: actual, stdout, stderr } = self;
        assert_eq!(actual, code, "{stderr}");
        assert!(stdout.is_empty(), "a refusal printed {} bytes", stdout.len());
        assert_eq!(stderr.lines().count(), 1, "not one line: {stderr:?}");
        stderr.trim_end().to_owned()
    }
}

fn collected(mut pipe: impl Read + Send + 'static) -> Receiver<Vec<u8>> {
    let (whole, receiver) = channel();
    thread::spawn(move || {
        let mut bytes = Vec::new();
        // What came before a failure is still what was printed; nobody may be left to be told.
        pipe.read_to_end(&mut bytes).ok();
        whole.send(bytes).ok();
    });
    receiver
}
