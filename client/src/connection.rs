//! A connection: the handshake, then one request after the other, each with its reply.
//!
//! ```text
//! judge the socket's place ─► connect, stamped ─► judge the peer ─► Challenge + descriptor
//!   ─► become non-dumpable ─► Hello and the first request, in one write, on the descriptor
//! ```
//!
//! With a shell's token, a request that shows it stands between the greeting and the first request, in
//! the same write; its answer is passed over, and its refusal is the refusal of whatever is asked.
//!
//! The accepted socket stays open and silent: the daemon watches it to see the client go. Every
//! wait has a deadline. A frame lives in a buffer that is wiped before the next one and on drop.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::time::{Duration, Instant};

use glassdome_proto::{
    Answer, Body, Challenge, HEADER_LEN, Hello, Outcome, Range, Reply, Request, Text, decode, encode, limits,
    payload_len, session,
};
use glassdome_sys::Stamp;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::sockopt::{Timeout, set_socket_timeout};
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketAddrUnix, SocketFlags, SocketType, connect, recv, send,
    socket_with,
};

use crate::daemon_check::{Found, judge_peer, judge_place};
use crate::error::{Error, Side};
use crate::shell_token::ShellToken;
use crate::tap::Tap;
use crate::wait::Wait;
use crate::wire_buffer::WireBuffer;

/// From the connection to the daemon's challenge.
pub const HANDSHAKE: Duration = Duration::from_secs(3);

/// From the daemon's word that it ends to its end: it brings its log to the disk.
const END: Duration = Duration::from_secs(10);

/// Longer than anybody waits, in the range of every timer.
const EVER: Duration = Duration::from_secs(100 * 365 * 86_400);

/// An open connection to the daemon.
pub struct Connection {
    wire: OwnedFd,
    /// Where the daemon sees this client go; nothing is ever sent on it.
    accepted: OwnedFd,
    inbox: WireBuffer,
    outbox: WireBuffer,
    last_id: u32,
    /// The request that shows the shell's token, until it is answered.
    token: Option<u32>,
    /// How long an answer may take.
    patience: Duration,
    /// Whether a descriptor comes with the next answer.
    expects_descriptor: bool,
    descriptor: Option<OwnedFd>,
    /// For how long a person is waited for.
    wait: Wait,
}

impl Connection {
    /// Connects to the daemon at `socket` and greets it; an answer may take [`limits::ANSWER`].
    /// The process becomes non-dumpable.
    ///
    /// # Errors
    /// [`Error::NoDaemon`], [`Error::NotOurs`], [`Error::Upgrade`], a refusal of the daemon, or what
    /// failed underneath.
    pub fn open(socket: &Path) -> Result<Self, Error> {
        Self::open_to_wait(socket, Wait::NOT)
    }

    /// As [`Connection::open`]; what nothing speaks about waits for a person's answer, for as long as
    /// `wait` says beside that.
    ///
    /// # Errors
    /// As [`Connection::open`].
    pub fn open_to_wait(socket: &Path, wait: Wait) -> Result<Self, Error> {
        let mut connection = Self::reach_and_greet(socket, HANDSHAKE, wait)?;
        connection.patience = limits::ANSWER;
        Ok(connection)
    }

    /// As [`Connection::open`], with one deadline for everything: what is left of `patience` after
    /// the handshake is what each answer may take.
    ///
    /// # Errors
    /// As [`Connection::open`].
    pub fn open_within(socket: &Path, patience: Duration) -> Result<Self, Error> {
        Self::reach_and_greet(socket, patience, Wait::NOT)
    }

    fn reach_and_greet(socket: &Path, patience: Duration, wait: Wait) -> Result<Self, Error> {
        let deadline = Instant::now() + patience;
        let accepted = reach(socket, patience)?;
        judge_peer(accepted.as_fd(), Stamp::taken()).map_err(Error::Exchange)??;
        Self::greet(accepted, deadline, wait)
    }

    /// Asks for a connection by a tap, and greets the daemon on it. Who is at the tap's other end is not
    /// looked at: this process was started with it, and says nothing by it but names.
    pub(crate) fn through(tap: Tap) -> Result<Self, Error> {
        let mut connection = Self::greet(tap.ask()?, Instant::now() + HANDSHAKE, Wait::NOT)?;
        connection.patience = limits::ANSWER;
        Ok(connection)
    }

    fn greet(accepted: OwnedFd, deadline: Instant, wait: Wait) -> Result<Self, Error> {
        let (challenge, wire) = receive_challenge(&accepted, left(deadline)?)?;
        // The daemon has seen it, and nothing that follows needs it.
        Stamp::taken().map_or(Ok(()), Stamp::give_up).map_err(Error::Harden)?;
        let protocol = challenge.protocol.common(Range::OURS).ok_or(Error::Upgrade {
            side: if challenge.protocol.min > Range::OURS.max { Side::Client } else { Side::Daemon },
        })?;
        glassdome_sys::harden_process().map_err(Error::Harden)?;
        set_socket_timeout(&wire, Timeout::Send, Some(limits::WRITE)).map_err(exchange)?;
        let mut connection = Self {
            wire,
            accepted,
            inbox: WireBuffer::new(),
            outbox: WireBuffer::new(),
            last_id: 0,
            token: None,
            patience: left(deadline)?,
            expects_descriptor: false,
            descriptor: None,
            wait,
        };
        // It waits in the outbox for the first request: both go out in one write.
        connection.put(&Hello {
            protocol,
            nonce: challenge.nonce,
            client: Text::cut(env!("CARGO_PKG_NAME")),
            version: Text::cut(env!("CARGO_PKG_VERSION")),
            wait_s: wait.seconds(),
        })?;
        Ok(connection)
    }

    /// Shows the shell's token together with the next request; before the first one.
    ///
    /// # Errors
    /// [`Error::Encode`].
    pub(crate) fn show_token(&mut self, token: &ShellToken) -> Result<(), Error> {
        self.last_id = self.last_id.wrapping_add(1);
        self.token = Some(self.last_id);
        let body = Body::Session(session::Request::Token { token: token.wire() });
        self.put(&Request { id: self.last_id, body })
    }

    /// Asks, and waits for the answer. It borrows from a buffer that is wiped by the next call.
    ///
    /// # Errors
    /// [`Error::Refused`] with the daemon's line, or what failed underneath; after anything but a
    /// refusal the connection is of no use any more.
    pub fn call(&mut self, body: Body<'_>) -> Result<Answer<'_>, Error> {
        let id = self.begin(body)?;
        self.answer(id)
    }

    /// Sends a request; the id names it in [`Connection::answer`] and [`Connection::send`].
    pub(crate) fn begin(&mut self, body: Body<'_>) -> Result<u32, Error> {
        self.last_id = self.last_id.wrapping_add(1);
        let id = self.last_id;
        self.send(id, body)?;
        Ok(id)
    }

    /// Sends one more message of the request `id`.
    pub(crate) fn send(&mut self, id: u32, body: Body<'_>) -> Result<(), Error> {
        self.put(&Request { id, body })?;
        let sent = send_all(&self.wire, self.outbox.filled());
        self.outbox.wipe();
        match sent {
            // The daemon may have hung up because it refused: then its reply is still to be read.
            Err(Error::Closed) if self.has_input()? => Ok(()),
            other => other,
        }
    }

    /// Waits for the next answer to the request `id`.
    pub(crate) fn answer(&mut self, id: u32) -> Result<Answer<'_>, Error> {
        self.pass_over_token()?;
        let mut len = self.receive_frame(Duration::ZERO)?;
        if !self.wait.at_most.is_zero() {
            while let Some((question, left)) = self.asked(len)? {
                (self.wait.told)(question, left);
                len = self.receive_frame(left)?;
            }
        }
        let payload = &self.inbox.take(HEADER_LEN + len)[HEADER_LEN..];
        let reply: Reply<'_> = decode(payload)?;
        match reply.outcome {
            // Zero is nobody's id: the daemon refuses the connection as a whole.
            Outcome::Err(refusal) if reply.id == id || reply.id == 0 => Err(refusal.into()),
            Outcome::Ok(answer) if reply.id == id => Ok(answer),
            _ => Err(Error::Unexpected),
        }
    }

    /// Takes out a reply that says that a person is asked, about whichever request: the question's number,
    /// and for how long it stays open. Another reply stays.
    fn asked(&mut self, len: usize) -> Result<Option<(u32, Duration)>, Error> {
        let reply: Reply<'_> = decode(&self.inbox.filled()[HEADER_LEN..HEADER_LEN + len])?;
        let Outcome::Asked { question, left_ms } = reply.outcome else { return Ok(None) };
        self.inbox.take(HEADER_LEN + len);
        let left = Duration::from_millis(left_ms.into());
        Ok(Some((question, left.min(Duration::from_secs(limits::WAIT.into())))))
    }

    /// Waits for the answer about the token, if one is awaited, and takes it out. Answers come in any
    /// order: another one that is there first stays.
    pub(crate) fn pass_over_token(&mut self) -> Result<(), Error> {
        let Some(id) = self.token else { return Ok(()) };
        let len = self.receive_frame(Duration::ZERO)?;
        let reply: Reply<'_> = decode(&self.inbox.filled()[HEADER_LEN..HEADER_LEN + len])?;
        if reply.id != id {
            return Ok(());
        }
        match reply.outcome {
            Outcome::Ok(Answer::Session(session::Answer::TokenTaken)) => {}
            Outcome::Ok(_) | Outcome::Asked { .. } => return Err(Error::Unexpected),
            Outcome::Err(refusal) => return Err(refusal.into()),
        }
        self.token = None;
        self.inbox.take(HEADER_LEN + len);
        Ok(())
    }

    /// Whether a reply is there already, or the daemon hung up.
    pub(crate) fn has_input(&self) -> Result<bool, Error> {
        if !self.inbox.filled().is_empty() {
            return Ok(true);
        }
        let mut byte = [0u8; 1];
        match recv(&self.wire, &mut byte[..], RecvFlags::PEEK | RecvFlags::DONTWAIT) {
            Ok((_, len)) => Ok(len > 0),
            Err(Errno::AGAIN) => Ok(false),
            Err(error) => Err(exchange(error)),
        }
    }

    /// Waits until the daemon's process has ended.
    pub(crate) fn wait_for_end(&self) -> Result<(), Error> {
        // It may be gone so thoroughly that nothing is left to wait for.
        let Ok(daemon) = glassdome_sys::peer_pidfd(self.accepted.as_fd()) else { return Ok(()) };
        let deadline = Instant::now() + END;
        loop {
            let wait = Timespec::try_from(left(deadline)?)
                .map_err(|error| Error::Exchange(io::Error::other(error)))?;
            match poll(&mut [PollFd::new(&daemon, PollFlags::IN)], Some(&wait)) {
                Ok(0) => return Err(Error::TimedOut),
                Ok(_) => return Ok(()),
                Err(Errno::INTR) => {}
                Err(error) => return Err(exchange(error)),
            }
        }
    }

    /// The next answers may take any time.
    pub(crate) fn wait_for_ever(&mut self) {
        self.patience = EVER;
    }

    /// A descriptor comes with the next answer.
    pub(crate) fn expect_descriptor(&mut self) {
        self.expects_descriptor = true;
    }

    /// The descriptor that came.
    pub(crate) fn take_descriptor(&mut self) -> Option<OwnedFd> {
        self.expects_descriptor = false;
        self.descriptor.take()
    }

    /// Wipes what was received.
    pub(crate) fn forget(&mut self) {
        self.inbox.wipe();
    }

    fn put<T: serde::Serialize>(&mut self, message: &T) -> Result<(), Error> {
        match encode(message, self.outbox.room()) {
            Ok(len) => {
                self.outbox.advance(len);
                Ok(())
            }
            Err(error) => {
                self.outbox.spoil();
                Err(error.into())
            }
        }
    }

    /// Waits until the inbox starts with a whole frame, and returns the length of its payload. `more` is
    /// how much longer than usual it may take.
    fn receive_frame(&mut self, more: Duration) -> Result<usize, Error> {
        if self.inbox.filled().is_empty() {
            self.inbox.wipe();
        } else {
            self.inbox.compact();
        }
        let mut wait = self.patience + more;
        let deadline = Instant::now() + wait;
        loop {
            if let Some((header, rest)) = self.inbox.filled().split_first_chunk::<HEADER_LEN>() {
                let len = payload_len(*header)?;
                if rest.len() >= len {
                    return Ok(len);
                }
            }
            // Whoever waits in recv(2) is woken once more, when the daemon takes the request away and there
            // is room to write again; whoever waits in poll(2) for input is not.
            let timer = Timespec::try_from(wait).map_err(|error| Error::Exchange(io::Error::other(error)))?;
            match poll(&mut [PollFd::new(&self.wire, PollFlags::IN)], Some(&timer)) {
                Ok(0) => return Err(Error::TimedOut),
                Ok(_) | Err(Errno::INTR) => {}
                Err(error) => return Err(exchange(error)),
            }
            match self.receive() {
                Ok(0) => return Err(Error::Closed),
                Ok(len) => self.inbox.advance(len),
                Err(error)
                    if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => {}
                Err(error) => return Err(waited(error)),
            }
            wait = left(deadline)?;
        }
    }

    fn receive(&mut self) -> io::Result<usize> {
        if !self.expects_descriptor {
            return Ok(recv(&self.wire, self.inbox.room(), RecvFlags::DONTWAIT)?.1);
        }
        // There is something: nobody else reads here.
        let (len, descriptor) = glassdome_sys::recv_with_fd(self.wire.as_fd(), self.inbox.room())?;
        self.descriptor = descriptor.or(self.descriptor.take());
        Ok(len)
    }
}

/// Connects to a socket that may be trusted; waits for room in its queue as long as `patience`.
/// A stamped program shows its stamp; it is given up when a daemon has greeted.
fn reach(path: &Path, patience: Duration) -> Result<OwnedFd, Error> {
    let failed = |source: io::Error| Error::Connect { socket: path.to_owned(), source };
    let nobody = || Error::NoDaemon { socket: path.to_owned() };
    if judge_place(path).map_err(failed)?? == Found::Nothing {
        return Err(nobody());
    }
    let address = SocketAddrUnix::new(path).map_err(|error| failed(error.into()))?;
    let socket = socket_with(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None)
        .map_err(|error| failed(error.into()))?;
    set_socket_timeout(&socket, Timeout::Send, Some(patience)).map_err(|error| failed(error.into()))?;
    let connected = match Stamp::taken() {
        Some(stamp) => stamp.worn(|| connect(&socket, &address)).map_err(Error::Harden)?,
        None => connect(&socket, &address),
    };
    match connected {
        Ok(()) => Ok(socket),
        Err(Errno::NOENT | Errno::CONNREFUSED) => Err(nobody()),
        Err(Errno::AGAIN) => Err(Error::TimedOut),
        Err(error) => Err(failed(error.into())),
    }
}

/// Reads the one frame that comes on the accepted socket: the challenge with a descriptor, or a
/// refusal without.
fn receive_challenge(accepted: &OwnedFd, wait: Duration) -> Result<(Challenge, OwnedFd), Error> {
    set_socket_timeout(accepted, Timeout::Recv, Some(wait)).map_err(exchange)?;
    let mut frame = [0u8; HEADER_LEN + limits::MESSAGE + 64];
    let (mut have, wire) = glassdome_sys::recv_with_fd(accepted.as_fd(), &mut frame).map_err(waited)?;
    let end = loop {
        if have == 0 {
            return Err(Error::Closed);
        }
        if let Some((header, rest)) = frame[..have].split_first_chunk::<HEADER_LEN>() {
            let len = payload_len(*header)?;
            if rest.len() >= len {
                break HEADER_LEN + len;
            }
            if HEADER_LEN + len > frame.len() {
                return Err(Error::Unexpected);
            }
        }
        match recv(accepted, &mut frame[have..], RecvFlags::empty()) {
            Ok((_, 0)) => return Err(Error::Closed),
            Ok((_, len)) => have += len,
            Err(Errno::INTR) => {}
            Err(error) => return Err(exchange(error)),
        }
    };
    let payload = &frame[HEADER_LEN..end];
    match wire {
        Some(wire) => Ok((decode(payload)?, wire)),
        None => match decode::<Reply<'_>>(payload)?.outcome {
            Outcome::Err(refusal) => Err(refusal.into()),
            Outcome::Ok(_) | Outcome::Asked { .. } => Err(Error::Unexpected),
        },
    }
}

fn send_all(wire: &OwnedFd, mut bytes: &[u8]) -> Result<(), Error> {
    while !bytes.is_empty() {
        match send(wire, bytes, SendFlags::NOSIGNAL) {
            Ok(sent) => bytes = &bytes[sent..],
            Err(Errno::INTR) => {}
            Err(error) => return Err(exchange(error)),
        }
    }
    Ok(())
}

/// What is left until `deadline`; nothing left is an error.
fn left(deadline: Instant) -> Result<Duration, Error> {
    let left = deadline.saturating_duration_since(Instant::now());
    // A timer of zero would mean no timer at all, and the kernel counts in microseconds.
    if left < Duration::from_micros(1) { Err(Error::TimedOut) } else { Ok(left) }
}

fn exchange(error: Errno) -> Error {
    waited(error.into())
}

fn waited(error: io::Error) -> Error {
    match error.kind() {
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => Error::TimedOut,
        io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset => Error::Closed,
        _ => Error::Exchange(error),
    }
}
