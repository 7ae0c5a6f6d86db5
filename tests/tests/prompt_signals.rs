//! A terminal that a password was asked at is as it was before, however the question ends: by a key,
//! by a signal from outside, or by a stop; and what was typed is never seen.
#![allow(clippy::unwrap_used, reason = "what is not there fails the test")]

use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;
use std::time::Duration;

use glassdome_tests::{PASSWORD, Pty, World, wait_until};
use rustix::fs::OFlags;
use rustix::process::{Pid, Signal, kill_process};
use rustix::termios::{LocalModes, tcgetattr};

const SOON: Duration = Duration::from_secs(20);
const PROMPT: &str = "Master password: ";
/// What is typed of a password that is never finished.
const HALF: &str = "half a secret";

/// A shell at a terminal, with job control, that does its part and waits for Enter before and after.
struct Shell<'a> {
    world: &'a World,
    terminal: Pty,
    tty: File,
    before: String,
}

impl<'a> Shell<'a> {
    /// `$ask` is `glassdome_start`, and writes down its process id; `$modes` are those of the terminal.
    fn begin(world: &'a World, part: &str) -> Self {
        // A shell that lost its foreground to a program that was interrupted interrupts itself.
        let line = format!(
            "set -m; trap : INT; tty > tty; modes=$(stty -g); \
             ask() {{ sh -c 'echo $$ > pid; exec glassdome_start'; }}; \
             echo begin; read _; {part}; echo end; read _"
        );
        let mut terminal = world.terminal(&line);
        terminal.expect("begin");
        let name = fs::read_to_string(world.home("tty")).unwrap();
        let flags = OFlags::NOCTTY.bits() as i32;
        let tty = OpenOptions::new().read(true).write(true).custom_flags(flags).open(name.trim()).unwrap();
        let before = modes(&tty);
        assert!(is_echoed(&tty), "control");
        terminal.send_line("");
        Self { world, terminal, tty, before }
    }

    /// Waits for the prompt, and types at it.
    fn types_half(&mut self) {
        self.terminal.expect(PROMPT);
        assert!(!is_echoed(&self.tty), "control: nothing is echoed while it asks");
        self.terminal.send(HALF);
    }

    fn types_password(&mut self) {
        self.terminal.expect(PROMPT);
        assert!(!is_echoed(&self.tty));
        self.terminal.send_line(PASSWORD);
        self.terminal.expect("✓ unlocked until ");
    }

    fn pid(&self) -> Pid {
        let written = fs::read_to_string(self.world.home("pid")).unwrap();
        Pid::from_raw(written.trim().parse().unwrap()).unwrap()
    }

    fn signal(&self, signal: Signal) {
        kill_process(self.pid(), signal).unwrap();
    }

    /// Waits until the program's exit code is told.
    #[track_caller]
    fn code(&mut self, code: i32) {
        let told = self.terminal.expect(";");
        assert!(told.ends_with(&format!("code={code};")), "{told:?}");
    }

    #[track_caller]
    fn is_as_before(&self) {
        assert_eq!(modes(&self.tty), self.before);
    }

    #[track_caller]
    fn end(mut self) {
        self.terminal.expect("end");
        self.is_as_before();
        self.terminal.send_line("");
        // While anybody has it open, it is not at its end.
        drop(self.tty);
        assert_eq!(self.terminal.end(), 0);
        for typed in [HALF, PASSWORD] {
            assert!(!self.terminal.shown().contains(typed), "it was shown: {:?}", self.terminal.shown());
        }
    }
}

fn modes(tty: &File) -> String {
    format!("{:?}", tcgetattr(tty).unwrap())
}

fn is_echoed(tty: &File) -> bool {
    tcgetattr(tty).unwrap().local_modes.contains(LocalModes::ECHO | LocalModes::ICANON)
}

fn locked() -> World {
    let world = World::unlocked();
    world.ctl(&["lock"]).ok();
    world
}

#[test]
fn a_signal_from_outside_ends_it_with_the_terminal_as_it_was() {
    let world = locked();
    for signal in [Signal::HUP, Signal::INT, Signal::QUIT, Signal::TERM] {
        let mut shell = Shell::begin(&world, "ask; echo \"code=$?;\"");
        shell.types_half();
        shell.signal(signal);
        shell.code(128 + signal.as_raw());
        shell.end();
    }
}

#[test]
fn the_keys_that_end_a_program_do_so() {
    let world = locked();
    for (key, signal) in [("\x03", Signal::INT), ("\x1c", Signal::QUIT)] {
        let mut shell = Shell::begin(&world, "ask; echo \"code=$?;\"");
        shell.types_half();
        shell.terminal.send(key);
        shell.code(128 + signal.as_raw());
        shell.end();
    }
}

#[test]
fn what_is_ignored_stays_ignored() {
    let world = locked();
    let mut shell = Shell::begin(&world, "trap '' HUP; ask; echo \"code=$?;\"");
    shell.terminal.expect(PROMPT);
    shell.signal(Signal::HUP);
    shell.terminal.send_line(PASSWORD);
    shell.terminal.expect("✓ unlocked until ");
    shell.code(0);
    shell.end();
}

#[test]
fn stopped_and_continued_it_asks_again() {
    let world = locked();
    // As shells for people do, this one has the terminal its own way meanwhile.
    let part = "ask; echo \"code=$?;\"; stty $modes; read _; fg; echo \"code=$?;\"; ctl lock";
    for how in ["key", "signal"] {
        let mut shell = Shell::begin(&world, part.replace("stty $modes; ", "").as_str());
        shell.types_half();
        if how == "key" {
            shell.terminal.send("\x1a");
        } else {
            shell.signal(Signal::TSTP);
        }
        shell.code(128 + Signal::TSTP.as_raw());
        shell.is_as_before();
        shell.terminal.send_line("");
        shell.types_password();
        shell.code(0);
        shell.end();
    }
    // Nothing can hold this one back; what matters is that nothing is shown afterwards.
    let mut shell = Shell::begin(&world, part);
    shell.types_half();
    shell.signal(Signal::STOP);
    shell.code(128 + Signal::STOP.as_raw());
    // Nobody types ahead of the shell, which is about to put the terminal back.
    assert!(wait_until(|| modes(&shell.tty) == shell.before, SOON), "the shell has not put it back");
    shell.terminal.send_line("");
    shell.types_password();
    shell.code(0);
    shell.end();
}

#[test]
fn begun_in_the_background_it_waits_and_leaves_the_shells_own_modes_alone() {
    let world = locked();
    let part = "stty -echo; ask & read _; stty $modes; fg; echo \"code=$?;\"";
    let mut shell = Shell::begin(&world, part);
    let is_stopped = || {
        let Ok(pid) = fs::read_to_string(world.home("pid")) else { return false };
        let stat = fs::read_to_string(format!("/proc/{}/stat", pid.trim())).unwrap_or_default();
        stat.contains("(glassdome_start) T")
    };
    assert!(wait_until(is_stopped, SOON), "it does not ask in the background");
    assert!(!is_echoed(&shell.tty), "control: so the shell has it now");
    shell.terminal.send_line("");
    shell.types_password();
    shell.code(0);
    shell.end();
}
