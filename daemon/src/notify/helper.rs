//! The helper that runs the notification command, as a process of its own (`glassdomed --notifier`).
//!
//! The daemon starts nothing while it holds a key: whatever it forked would have its memory and descriptors for a
//! moment, and a `vfork` waits for a program's file, which may lie on a file system that hangs. So this process
//! is started before there is any key, and is told by a socket of packets what to run; it answers each packet
//! with one line, which is empty if all went well. It ends when the daemon does, one that was stopped (`SIGSTOP`) too.
//!
//! It is handed the words, and knows no more: no key, no descriptor but that socket, and of the environment only
//! [`VARIABLES`].

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use glassdome_sys::{let_go_of_code, spawn_detached};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, recv, send, socketpair};
use rustix::process::{
    Pid, PidfdFlags, Resource, Rlimit, Signal, getrlimit, kill_process_group, pidfd_open,
    set_parent_process_death_signal, setrlimit,
};
use rustix::thread::set_name;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use crate::server::watched;

/// What a desktop needs to show a notification, and no more of the daemon's environment.
const VARIABLES: [&str; 8] = [
    "DBUS_SESSION_BUS_ADDRESS",
    "DISPLAY",
    "HOME",
    "LANG",
    "PATH",
    "WAYLAND_DISPLAY",
    "XAUTHORITY",
    "XDG_RUNTIME_DIR",
];
/// How long a command may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long the daemon waits to be told what became of one: whoever says nothing by then was stopped, or hangs.
pub const ANSWERS_WITHIN: Duration = PATIENCE.saturating_add(Duration::from_secs(2));
/// Words and the zero bytes between them: more than a sealed command has with a note in each of its places.
const PACKET: usize = 32 * 1024;
/// Open files of a command: what programs take for usual.
const FILES: u64 = 1024;

/// The daemon's end: the socket, and the process at its other end.
#[derive(Debug)]
pub struct Helper {
    socket: AsyncFd<OwnedFd>,
    child: Child,
}

/// A helper that was started, before there is an event loop to watch it.
#[derive(Debug)]
pub struct Started(OwnedFd, Child);

/// Starts one. To be called before there is a key.
///
/// # Errors
/// What the system says.
pub fn start() -> io::Result<Started> {
    let (ours, theirs) = socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)?;
    rustix::io::ioctl_fionbio(&ours, true)?;
    let mut command = Command::new("/proc/self/exe");
    command.arg0("glassdomed").arg("--notifier").current_dir("/").env_clear();
    command.envs(VARIABLES.into_iter().filter_map(|name| Some((name, std::env::var_os(name)?))));
    command.stdin(theirs).stdout(Stdio::null()).stderr(Stdio::null());
    Ok(Started(ours, spawn_detached(command)?))
}

impl Started {
    /// Watches it from now on.
    ///
    /// # Errors
    /// What the system says.
    pub fn watch(self) -> io::Result<Helper> {
        Ok(Helper { socket: watched(self.0, Interest::READABLE)?, child: self.1 })
    }
}

impl Helper {
    /// Hands it a command, and does not wait.
    ///
    /// # Errors
    /// What the system says; `AGAIN` where it takes no more, `E2BIG` of more than it reads.
    pub fn run(&self, words: &[String]) -> io::Result<()> {
        let packet = words.join("\0");
        if packet.len() > PACKET {
            return Err(Errno::TOOBIG.into());
        }
        send(&self.socket, packet.as_bytes(), SendFlags::NOSIGNAL | SendFlags::DONTWAIT)?;
        Ok(())
    }

    /// Waits for what became of one; `None` when the helper has ended.
    pub async fn became(&self) -> Option<String> {
        let mut line = [0; 256];
        let read = |socket: &OwnedFd| Ok(recv(socket, &mut line[..], RecvFlags::DONTWAIT)?.1);
        match self.socket.async_io(Interest::READABLE, read).await {
            // A line is never quite empty, the end is.
            Ok(0) | Err(_) => None,
            Ok(len) => Some(String::from_utf8_lossy(&line[1..len.max(1)]).into_owned()),
        }
    }

    /// Takes leave of one that has ended, or shall.
    pub fn bury(mut self) {
        // On a thread: its socket closes a moment before it is gone, and nobody else waits for that.
        tokio::task::spawn_blocking(move || {
            // It may be gone already.
            let _ = self.child.kill().and_then(|()| self.child.wait());
        });
    }
}

/// The whole of the helper: serves the socket that is its standard input.
///
/// # Errors
/// What the system says, of a standard input that is no such socket above all.
pub fn serve() -> io::Result<()> {
    // Beside the daemon in a list of processes, where a name has 15 bytes: prctl(2), PR_SET_NAME.
    set_name(c"glassdomed-note")?;
    // A daemon that has ended before this has closed its end of the socket, which is looked at next.
    set_parent_process_death_signal(Some(Signal::KILL))?;
    let maximum = getrlimit(Resource::Nofile).maximum;
    let current = Some(maximum.map_or(FILES, |maximum| maximum.min(FILES)));
    setrlimit(Resource::Nofile, Rlimit { current, maximum })?;
    let stdin = io::stdin();
    let socket = stdin.as_fd();
    let mut packet = vec![0; PACKET];
    loop {
        // It waits, mostly for ever. What is not let go of only costs memory.
        let _ = let_go_of_code();
        let len = match recv(socket, &mut packet[..], RecvFlags::empty()) {
            Ok((_, 0)) => return Ok(()),
            Ok((_, len)) => len,
            Err(Errno::INTR) => continue,
            Err(error) => return Err(error.into()),
        };
        let words = String::from_utf8_lossy(&packet[..len]).into_owned();
        let words: Vec<&str> = words.split('\0').collect();
        let became = run(&words, PATIENCE).map_err(|error| format!("it could not be run ({error})"));
        let line = became.and_then(|became| became).err().unwrap_or_default();
        answer(socket, &line)?;
    }
}

fn answer(socket: BorrowedFd<'_>, line: &str) -> io::Result<()> {
    send(socket, format!(">{line}").as_bytes(), SendFlags::NOSIGNAL)?;
    Ok(())
}

/// Runs a command to its end, in a process group of its own, or kills it with all that it has started there. It
/// is killed and waited for whatever it did to leave that group.
fn run(words: &[&str], patience: Duration) -> io::Result<Result<(), String>> {
    let (program, args) = words.split_first().ok_or(io::ErrorKind::InvalidInput)?;
    let mut command = Command::new(program);
    command.args(args).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).process_group(0);
    let mut child = command.spawn()?;
    let group = Pid::from_child(&child);
    let ended = ended_within(group, patience);
    if !matches!(ended, Ok(true)) {
        // The group may be empty, when the command has left it; the command itself is here until it is waited for.
        let killed = kill_process_group(group, Signal::KILL);
        child.kill()?;
        child.wait()?;
        killed.or_else(|error| if error == Errno::SRCH { Ok(()) } else { Err(error) })?;
        return ended.map(|_| Err(format!("it took longer than {} s", patience.as_secs())));
    }
    let status = child.wait()?;
    Ok(match (status.code(), status.signal()) {
        (Some(0), _) => Ok(()),
        (Some(code), _) => Err(format!("it ended with {code}")),
        (None, signal) => Err(format!("signal {} ended it", signal.unwrap_or_default())),
    })
}

fn ended_within(process: Pid, patience: Duration) -> io::Result<bool> {
    let process = pidfd_open(process, PidfdFlags::empty())?;
    let deadline = std::time::Instant::now() + patience;
    loop {
        let left = deadline.saturating_duration_since(std::time::Instant::now());
        let timer = Timespec::try_from(left).map_err(io::Error::other)?;
        match poll(&mut [PollFd::new(&process, PollFlags::IN)], Some(&timer)) {
            Ok(ended) => return Ok(ended > 0),
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use glassdome_proto::limits;

    use super::*;

    #[test]
    fn what_became_of_a_command_is_told() {
        let run = |words: &[&str]| run(words, PATIENCE);
        assert_eq!(run(&["true"]).unwrap(), Ok(()));
        assert_eq!(run(&["sh", "-c", "exit 3"]).unwrap(), Err("it ended with 3".to_owned()));
        assert_eq!(run(&["sh", "-c", "kill -9 $$"]).unwrap(), Err("signal 9 ended it".to_owned()));
        assert_eq!(run(&["/nowhere/at/all"]).unwrap_err().kind(), io::ErrorKind::NotFound);
    }

    #[test]
    fn one_that_leaves_its_group_is_killed_all_the_same() {
        // It joins the group of whoever runs it: setpgid(2).
        let leave = "import os, time; os.setpgid(0, os.getpgid(os.getppid())); time.sleep(1000)";
        let patience = Duration::from_secs(3);
        let begun = std::time::Instant::now();
        let became = run(&["python3", "-c", leave], patience).unwrap();
        assert_eq!(became, Err("it took longer than 3 s".to_owned()));
        assert!(begun.elapsed() < Duration::from_secs(60), "it was killed and waited for");
    }

    #[test]
    fn the_longest_command_with_the_longest_notes_fits() {
        let longest = |place: &str| {
            let mut command = format!("n {}", place.repeat(limits::SETTING_VALUE));
            command.truncate(limits::SETTING_VALUE);
            crate::notify::Command::parse(&command).unwrap()
        };
        let deed = "d".repeat(limits::DEED);
        let note = crate::notify::Note::question(u32::MAX, &"n".repeat(100), i32::MAX, &deed, limits::ASKED);
        for note in [note, crate::notify::Note::alarm()] {
            for place in ["{body}", "{title}"] {
                let len = longest(place).filled(&note.title, &note.body).join("\0").len();
                assert!(len > 1000 && len <= PACKET, "{len}");
            }
        }
    }

    #[test]
    fn whether_it_ended_in_time_is_seen() {
        let mut child = Command::new("sleep").arg("100").spawn().unwrap();
        let pid = Pid::from_child(&child);
        assert!(!ended_within(pid, Duration::from_millis(20)).unwrap());
        child.kill().unwrap();
        assert!(ended_within(pid, Duration::from_secs(20)).unwrap());
        child.wait().unwrap();
    }
}
