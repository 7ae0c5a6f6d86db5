//! Starting a daemon from a terminal without leaving it a thread back: not the terminal, not a descriptor.

use crate::stamp::Stamp;
use std::io;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command};

/// The first descriptor that is none of the standard three.
const AFTER_STDERR: libc::c_uint = 3;

/// Starts a program in a session of its own (`setsid(2)`: no controlling terminal, no signals from one), with no open
/// descriptor but the three that the command says, and without our [`Stamp`]: a program that has one of its own gets it
/// by being executed. What else the command says (environment, directory) holds.
///
/// # Errors
/// What fork, setsid(2), close_range(2) (`ENOSYS` or `EINVAL` before Linux 5.11) or exec says.
pub fn spawn_detached(mut cmd: Command) -> io::Result<Child> {
    // SAFETY: between fork and exec the closure makes system calls only and allocates nothing.
    unsafe { cmd.pre_exec(detach) };
    cmd.spawn()
}

fn detach() -> io::Result<()> {
    rustix::process::setsid()?;
    if let Some(stamp) = Stamp::taken() {
        stamp.give_up_in_child()?;
    }
    // On exec rather than now: the standard library reports a failed exec through a descriptor of its own.
    let flags = libc::CLOSE_RANGE_CLOEXEC;
    // SAFETY: three integers; descriptors are marked, not closed, so that nobody loses one that he owns.
    let result = unsafe { libc::syscall(libc::SYS_close_range, AFTER_STDERR, libc::c_uint::MAX, flags) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

#[cfg(test)]
mod tests {
    use super::spawn_detached;
    use rustix::io::{FdFlags, fcntl_setfd};
    use std::process::{Child, Command, Stdio};

    /// Field 6 of `/proc/PID/stat` (proc_pid_stat(5)). Zero if the session began outside our pid namespace.
    fn session(child: &Child) -> u32 {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", child.id())).unwrap();
        let (_, fields) = stat.rsplit_once(')').unwrap();
        fields.split_whitespace().nth(3).unwrap().parse().unwrap()
    }

    #[test]
    fn has_a_session_of_its_own() {
        let sleep = || {
            let mut command = Command::new("sleep");
            command.arg("100");
            command
        };
        let (mut ordinary, mut detached) = (sleep().spawn().unwrap(), spawn_detached(sleep()).unwrap());
        let told = [&ordinary, &detached].map(|child| session(child) == child.id());
        for child in [&mut ordinary, &mut detached] {
            child.kill().unwrap();
            child.wait().unwrap();
        }
        assert_eq!(told, [false, true], "control: an ordinary child stays in our session");
    }

    #[test]
    fn inherits_three_descriptors_and_no_more() {
        // One that a careless parent, or the shell before it, left open across exec.
        let leaked = std::fs::File::open("/dev/null").unwrap();
        fcntl_setfd(&leaked, FdFlags::empty()).unwrap();
        let list = || {
            let mut command = Command::new("ls");
            command.arg("/proc/self/fd").stdin(Stdio::null()).stdout(Stdio::piped());
            command
        };
        let names = |output: std::process::Output| {
            String::from_utf8(output.stdout)
                .unwrap()
                .split_whitespace()
                .map(str::to_owned)
                .collect::<Vec<_>>()
        };
        let careless = names(list().spawn().unwrap().wait_with_output().unwrap());
        assert!(careless.len() > 4, "control: an ordinary child inherits it: {careless:?}");
        // The fourth is the directory that `ls` reads.
        assert_eq!(names(spawn_detached(list()).unwrap().wait_with_output().unwrap()), ["0", "1", "2", "3"]);
    }

    #[test]
    fn a_program_that_is_not_there_is_an_error_here() {
        let error = spawn_detached(Command::new("/nonexistent/program")).unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::NotFound);
    }
}
