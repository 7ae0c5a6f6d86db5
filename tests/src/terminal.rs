//! A program at a terminal that the test types on.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::process::{Child, Command};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

use rustix::fs::{Mode, OFlags};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

use crate::confine;
use crate::user::User;

/// How long an expected word may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// A terminal with a program at it; the program is killed if the test ends first.
pub struct Pty {
    child: Child,
    keyboard: File,
    screen: Receiver<Vec<u8>>,
    shown: String,
    seen: usize,
}

impl Pty {
    pub(crate) fn start(mut command: Command, user: User) -> Self {
        let keyboard = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC)
            .expect("a pseudo-terminal can be had");
        grantpt(&keyboard).and_then(|()| unlockpt(&keyboard)).expect("a new terminal is ours");
        let name = ptsname(&keyboard, Vec::new()).expect("a new terminal has a name");
        let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
        let terminal = rustix::fs::open(&*name, flags, Mode::empty()).expect("a new terminal opens");
        // As login does: `/dev/tty` aside, a program may open its terminal by name.
        user.own(std::path::Path::new(name.to_str().expect("its name is ASCII")))
            .expect("it can be given away");
        let side = || -> OwnedFd { terminal.try_clone().expect("a descriptor is left") };
        user.put_on(&mut command);
        command.stdin(side()).stdout(side()).stderr(side());
        confine::with_terminal(&mut command);
        let child = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
        // Its copies would keep the terminal open when the program has ended.
        drop((command, terminal));
        let keyboard = File::from(keyboard);
        let screen = read_all(keyboard.try_clone().expect("a descriptor is left"));
        Self { child, keyboard, screen, shown: String::new(), seen: 0 }
    }

    /// Waits until `words` are shown, and gives what was shown up to their end since the last call.
    #[track_caller]
    pub fn expect(&mut self, words: &str) -> String {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(at) = self.shown[self.seen..].find(words) {
                let from = self.seen;
                self.seen += at + words.len();
                return self.shown[from..self.seen].to_owned();
            }
            let ended = !self.read_until(deadline);
            assert!(!ended || self.shown[self.seen..].contains(words), "no {words:?} in {:?}", self.shown);
        }
    }

    /// Types these bytes.
    pub fn send(&mut self, bytes: &str) {
        self.keyboard.write_all(bytes.as_bytes()).expect("the program is at its terminal");
    }

    /// Types a line.
    pub fn send_line(&mut self, line: &str) {
        self.send(&format!("{line}\r"));
    }

    /// Types a command to a shell that shows what is typed.
    #[track_caller]
    pub fn run(&mut self, command: &str) {
        self.send_line(command);
        self.expect(&format!("{command}\n"));
    }

    /// Waits for the program's end, and gives its exit code.
    #[track_caller]
    pub fn end(&mut self) -> i32 {
        let deadline = Instant::now() + PATIENCE;
        while self.read_until(deadline) {}
        assert!(Instant::now() < deadline, "it does not end: {:?}", self.shown);
        self.child.wait().expect("our own child can be waited for").code().expect("no signal ended it")
    }

    /// Everything that was shown so far.
    pub fn shown(&self) -> &str {
        &self.shown
    }

    /// Reads a little; `false` when there is nothing more to come.
    fn read_until(&mut self, deadline: Instant) -> bool {
        match self.screen.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            Ok(bytes) => {
                self.shown.push_str(&String::from_utf8_lossy(&bytes).replace("\r\n", "\n"));
                true
            }
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => false,
        }
    }
}

impl Drop for Pty {
    fn drop(&mut self) {
        // It has ended, unless the test failed.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// Hands on what is shown, until the program and all that it started have left the terminal.
fn read_all(mut screen: File) -> Receiver<Vec<u8>> {
    let (sender, receiver) = channel();
    thread::spawn(move || {
        let mut bytes = [0; 4096];
        // A terminal that nobody is at gives EIO.
        while let Ok(len @ 1..) = screen.read(&mut bytes) {
            if sender.send(bytes[..len].to_vec()).is_err() {
                return;
            }
        }
    });
    receiver
}
