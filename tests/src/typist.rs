//! Who types what a test runs: a process of the home's owner, in a session of its own and without a
//! terminal, that starts programs as a shell does. What the master password grants is whoever started
//! the program that it was given to, and that cannot be the test itself: where tests run as root, the
//! daemon sees nothing of them.
//!
//! ```text
//! test ── order: program, arguments, its three streams ──► typist ── fork, exec ──► program
//!      ◄─────────────── process id, then exit code ───────
//! ```

use std::ffi::OsStr;
use std::io::{self, IoSlice, IoSliceMut, Read, Write};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, SocketFlags, SocketType, recvmsg, sendmsg, socketpair,
};
use rustix::process::{Pid, WaitId, WaitIdOptions, waitid};
use serde::{Deserialize, Serialize};

use crate::confine::{self, Confine};
use crate::programs::typist;
use crate::user::User;

/// The three streams, and where the process id and the exit code go.
const DESCRIPTORS: usize = 4;
/// The longest order, in bytes.
const LONGEST: usize = 128 << 10;
/// How often a program that was just written is tried: a process that another test is starting may have it open yet.
const BUSY: u32 = 100;

/// The typist of a home. It ends with this.
pub(crate) struct Typist {
    process: Child,
    /// Orders go out here; taken away first, which is its end.
    orders: Option<OwnedFd>,
}

/// A program that the typist started.
pub(crate) struct Typed {
    pid: Pid,
    told: UnixStream,
    code: Option<i32>,
}

#[derive(Serialize, Deserialize)]
struct Order {
    program: String,
    args: Vec<String>,
    env: Vec<(String, String)>,
    directory: Option<PathBuf>,
    confine: Option<Confine>,
}

impl Typist {
    /// Sits down.
    pub(crate) fn new() -> Self {
        let (ours, theirs) =
            socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)
                .expect("a pair of sockets can be had");
        let mut command = Command::new(typist());
        command.env_clear().current_dir("/").stdin(theirs);
        User::A.put_on(&mut command);
        confine::without_terminal(&mut command);
        let process = command.spawn().expect("the typist starts");
        Self { process, orders: Some(ours) }
    }

    /// Starts a program, whose environment is exactly what the command sets.
    pub(crate) fn start(
        &self,
        command: &Command,
        confine: Option<Confine>,
        [stdin, stdout, stderr]: [OwnedFd; 3],
    ) -> io::Result<Typed> {
        let text = |word: &OsStr| word.to_str().expect("words of tests are text").to_owned();
        let set = command.get_envs().filter_map(|(key, value)| Some((text(key), text(value?))));
        let order = Order {
            program: text(command.get_program()),
            args: command.get_args().map(text).collect(),
            env: set.collect(),
            directory: command.get_current_dir().map(Into::into),
            confine,
        };
        let order = serde_json::to_vec(&order).expect("an order is text");
        assert!(order.len() <= LONGEST, "an order of {} bytes", order.len());
        for _ in 0..BUSY {
            let (mut told, telling) = UnixStream::pair()?;
            let descriptors = [stdin.as_fd(), stdout.as_fd(), stderr.as_fd(), telling.as_fd()];
            let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(DESCRIPTORS))];
            let mut control = SendAncillaryBuffer::new(&mut space);
            assert!(
                control.push(SendAncillaryMessage::ScmRights(&descriptors)),
                "the space was measured for them"
            );
            let orders = self.orders.as_ref().expect("taken away in drop only");
            sendmsg(orders, &[IoSlice::new(&order)], &mut control, SendFlags::NOSIGNAL)?;
            drop(telling);
            let number = read_number(&mut told)?;
            if number > 0 {
                let pid = Pid::from_raw(number).expect("it is no zero");
                return Ok(Typed { pid, told, code: None });
            }
            let error = io::Error::from_raw_os_error(-number);
            if error.kind() != io::ErrorKind::ExecutableFileBusy {
                return Err(error);
            }
            thread::sleep(Duration::from_millis(10));
        }
        Err(io::ErrorKind::ExecutableFileBusy.into())
    }
}

impl Drop for Typist {
    fn drop(&mut self) {
        self.orders = None;
        // It may have been killed, by a test that kills all of a user's processes.
        self.process.wait().ok();
    }
}

impl Typed {
    /// Its process id, which nobody else has until this is dropped.
    pub(crate) fn pid(&self) -> Pid {
        self.pid
    }

    /// Its exit code if it has ended; 128 and the signal's number if a signal ended it.
    pub(crate) fn code(&mut self) -> Option<i32> {
        if self.code.is_none() {
            self.told.set_nonblocking(true).expect("a socket of ours");
            match read_number(&mut self.told) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                told => self.code = Some(told.expect("the typist tells how it ended")),
            }
        }
        self.code
    }
}

/// The typist's own part: starts what is ordered on stdin until nobody orders any more.
///
/// # Errors
/// An order that is none.
pub fn type_orders() -> io::Result<()> {
    let mut order = vec![0; LONGEST];
    loop {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(DESCRIPTORS))];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let parts = &mut [IoSliceMut::new(&mut order)];
        let received = recvmsg(io::stdin(), parts, &mut control, RecvFlags::CMSG_CLOEXEC)?;
        if received.bytes == 0 {
            return Ok(());
        }
        let mut descriptors = Vec::new();
        for message in control.drain() {
            if let RecvAncillaryMessage::ScmRights(rights) = message {
                descriptors.extend(rights);
            }
        }
        let descriptors: [OwnedFd; DESCRIPTORS] =
            descriptors.try_into().map_err(|_| io::ErrorKind::InvalidData)?;
        obey(serde_json::from_slice(&order[..received.bytes])?, descriptors)?;
    }
}

fn obey(order: Order, [stdin, stdout, stderr, telling]: [OwnedFd; DESCRIPTORS]) -> io::Result<()> {
    let mut command = Command::new(&order.program);
    command.args(&order.args).env_clear().envs(order.env);
    command.stdin(stdin).stdout(stdout).stderr(Stdio::from(stderr));
    if let Some(directory) = order.directory {
        command.current_dir(directory);
    }
    if let Some(confine) = order.confine {
        confine.put_on(&mut command);
    }
    let mut telling = UnixStream::from(telling);
    match command.spawn() {
        Err(error) => telling.write_all(&(-error.raw_os_error().unwrap_or(libc::EINVAL)).to_ne_bytes()),
        Ok(child) => {
            telling.write_all(&child.id().cast_signed().to_ne_bytes())?;
            thread::spawn(move || see_off(child, telling));
            Ok(())
        }
    }
}

/// Tells how it ended. As long as the test asks for it, its process id is not given to another.
fn see_off(mut child: Child, mut telling: UnixStream) -> io::Result<()> {
    let ended = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
    let status = loop {
        match waitid(WaitId::Pid(Pid::from_child(&child)), ended) {
            Ok(status) => break status.expect("without NOHANG it waits"),
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    };
    let code = status.exit_status().or_else(|| Some(128 + status.terminating_signal()?));
    telling.write_all(&code.expect("it ended by itself or by a signal").to_ne_bytes())?;
    // Until the other side has hung up.
    telling.read_to_end(&mut Vec::new())?;
    child.wait()?;
    Ok(())
}

fn read_number(told: &mut UnixStream) -> io::Result<i32> {
    let mut number = [0; 4];
    told.read_exact(&mut number)?;
    Ok(i32::from_ne_bytes(number))
}
