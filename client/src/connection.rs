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
//! The accepted socket stays open and silent: the daemon watches it to see the client go. Every wait has a
//! deadline; what is sent and received in between is [`Exchange`].

use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::time::{Duration, Instant};

use glassdome_proto::{Answer, Body, Outcome, limits, session};
use rustix::event::PollFlags;

use crate::errand::{Errand, Heard};
use crate::error::Error;
use crate::exchange::Exchange;
use crate::greeting::{Greeting, Host, reach};
use crate::guest::Interruption;
use crate::ready::{awake, left, sleep_until};
use crate::shared_fd::SharedFd;
use crate::shell_token::ShellToken;
use crate::tap::Tap;
use crate::wait::Wait;

/// From the connection to the daemon's challenge.
pub const HANDSHAKE: Duration = Duration::from_secs(3);

/// From the daemon's word that it ends to its end: it brings its log to the disk.
const END: Duration = Duration::from_secs(10);

/// Longer than anybody waits, in the range of every timer.
const EVER: Duration = Duration::from_secs(100 * 365 * 86_400);

/// An open connection to the daemon.
pub struct Connection {
    exchange: Exchange,
    /// The request that shows the shell's token, until it is answered.
    token: Option<u32>,
    /// How long an answer may take.
    patience: Duration,
    /// For how long a person is waited for.
    wait: Wait,
    /// What breaks a wait off.
    interruption: Option<Interruption>,
    /// Whether nothing was answered yet: many a program is there for one answer alone.
    new: bool,
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
        Self::open_as(socket, wait, Host::Ours)
    }

    /// As [`Connection::open`], with one deadline for everything: what is left of `patience` after
    /// the handshake is what each answer may take.
    ///
    /// # Errors
    /// As [`Connection::open`].
    pub fn open_within(socket: &Path, patience: Duration) -> Result<Self, Error> {
        Self::reach_and_greet(socket, patience, Wait::NOT, Host::Ours)
    }

    /// As [`Connection::open_to_wait`], in whosever process.
    pub(crate) fn open_as(socket: &Path, wait: Wait, host: Host<'_>) -> Result<Self, Error> {
        let mut connection = Self::reach_and_greet(socket, HANDSHAKE, wait, host)?;
        connection.patience = limits::ANSWER;
        Ok(connection)
    }

    fn reach_and_greet(socket: &Path, patience: Duration, wait: Wait, host: Host<'_>) -> Result<Self, Error> {
        let deadline = Instant::now() + patience;
        let accepted = reach(socket, Some(patience), host)?.ok_or(Error::TimedOut)?;
        Self::greet(accepted, deadline, wait, host)
    }

    /// Asks for a connection by a tap, and greets the daemon on it. Who is at the tap's other end is not
    /// looked at: this process was started with it, and says nothing by it but names.
    pub(crate) fn through(tap: Tap) -> Result<Self, Error> {
        Self::through_as(tap, Host::Ours)
    }

    /// As [`Connection::through`], in whosever process.
    pub(crate) fn through_as(tap: Tap, host: Host<'_>) -> Result<Self, Error> {
        let mut connection = Self::greet(tap.ask()?, Instant::now() + HANDSHAKE, Wait::NOT, host)?;
        connection.patience = limits::ANSWER;
        Ok(connection)
    }

    fn greet(accepted: OwnedFd, deadline: Instant, wait: Wait, host: Host<'_>) -> Result<Self, Error> {
        let mut greeting = Greeting::new(SharedFd::of(accepted, host));
        let challenge = loop {
            if !awake(greeting.as_fd(), PollFlags::IN) {
                sleep_until(greeting.as_fd(), PollFlags::IN, deadline, &mut None)?;
            }
            if let Some(challenge) = greeting.advance()? {
                break challenge;
            }
        };
        let exchange = greeting.answer(challenge, host, wait)?;
        Ok(Self { exchange, token: None, patience: left(deadline)?, wait, interruption: None, new: true })
    }

    /// From now on waits can be broken off: [`Error::BrokenOff`], after which the connection is of no use any
    /// more. A frame that is on its way out is still sent.
    pub fn interrupt_by(&mut self, interruption: Interruption) {
        self.interruption = Some(interruption);
    }

    /// Whether the daemon has not hung up, as far as is known here: a daemon that was stopped, or a session that
    /// closed this connection, leaves it so. For whoever keeps a connection while it is idle; nothing was sent
    /// then, and another one can be opened.
    pub fn is_open(&self) -> bool {
        self.exchange.is_open()
    }

    /// Shows the shell's token together with the next request; before the first one.
    ///
    /// # Errors
    /// [`Error::Encode`].
    pub(crate) fn show_token(&mut self, token: &ShellToken) -> Result<(), Error> {
        let id = self.exchange.next_id();
        self.token = Some(id);
        self.exchange.put_request(id, Body::Session(session::Request::Token { token: token.wire() }))
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

    /// Does an errand from its beginning to its end.
    ///
    /// # Errors
    /// As [`Connection::call`], and what the errand says to an answer.
    pub(crate) fn run<E: Errand>(&mut self, errand: &mut E) -> Result<E::Told, Error> {
        loop {
            let id = self.begin(errand.ask()?)?;
            self.send_parts(id, errand)?;
            loop {
                match errand.hear(self.answer(id)?)? {
                    Heard::All(told) | Heard::Now(told) => {
                        self.forget();
                        return Ok(told);
                    }
                    Heard::Part => {}
                    Heard::Page => break,
                }
            }
        }
    }

    fn send_parts(&mut self, id: u32, errand: &impl Errand) -> Result<(), Error> {
        let mut sent = 0;
        while let Some(part) = errand.part(sent) {
            if sent == 0 {
                // From here on, input means that the daemon has something to say about this value.
                self.pass_over_token()?;
            }
            // A refusal may come before the last part: then nobody waits for the rest.
            if self.exchange.has_input()? {
                break;
            }
            self.send(id, part)?;
            sent += 1;
        }
        Ok(())
    }

    /// Sends a request; the id names it in [`Connection::answer`] and [`Connection::send`].
    pub(crate) fn begin(&mut self, body: Body<'_>) -> Result<u32, Error> {
        let id = self.exchange.next_id();
        self.send(id, body)?;
        Ok(id)
    }

    /// Sends one more message of the request `id`.
    fn send(&mut self, id: u32, body: Body<'_>) -> Result<(), Error> {
        self.exchange.put_request(id, body)?;
        match self.send_all() {
            // The daemon may have hung up because it refused: then its reply is still to be read.
            Err(Error::Closed) if self.exchange.has_input()? => Ok(()),
            other => other,
        }
    }

    fn send_all(&mut self) -> Result<(), Error> {
        while !self.exchange.send_some()? {
            let deadline = Instant::now() + limits::WRITE;
            sleep_until(self.exchange.wire(), PollFlags::OUT, deadline, &mut self.interruption)?;
        }
        Ok(())
    }

    /// Waits for the next answer to the request `id`.
    pub(crate) fn answer(&mut self, id: u32) -> Result<Answer<'_>, Error> {
        self.pass_over_token()?;
        let mut len = self.receive_frame(Duration::ZERO)?;
        self.new = false;
        if !self.wait.at_most.is_zero() {
            while let Some((question, left)) = asked(&self.exchange.look(len)?.outcome) {
                self.exchange.pass_over(len);
                (self.wait.told)(question, left);
                // Whoever was told may have had enough.
                self.interruption.as_mut().map_or(Ok(()), Interruption::heed)?;
                len = self.receive_frame(left)?;
            }
        }
        let reply = self.exchange.take(len)?;
        match reply.outcome {
            // Zero is nobody's id: the daemon refuses the connection as a whole.
            Outcome::Err(refusal) if reply.id == id || reply.id == 0 => Err(refusal.into()),
            Outcome::Ok(answer) if reply.id == id => Ok(answer),
            _ => Err(Error::Unexpected),
        }
    }

    /// Waits for the answer about the token, if one is awaited, and takes it out. Answers come in any
    /// order: another one that is there first stays.
    fn pass_over_token(&mut self) -> Result<(), Error> {
        let Some(id) = self.token else { return Ok(()) };
        let len = self.receive_frame(Duration::ZERO)?;
        let reply = self.exchange.look(len)?;
        if reply.id != id {
            return Ok(());
        }
        match reply.outcome {
            Outcome::Ok(Answer::Session(session::Answer::TokenTaken)) => {}
            Outcome::Ok(_) | Outcome::Asked { .. } => return Err(Error::Unexpected),
            Outcome::Err(refusal) => return Err(refusal.into()),
        }
        self.token = None;
        self.exchange.pass_over(len);
        Ok(())
    }

    /// Waits until the daemon's process has ended.
    pub(crate) fn wait_for_end(&self) -> Result<(), Error> {
        // It may be gone so thoroughly that nothing is left to wait for.
        let Ok(daemon) = glassdome_sys::peer_pidfd(self.exchange.accepted()) else { return Ok(()) };
        sleep_until(daemon.as_fd(), PollFlags::IN, Instant::now() + END, &mut None)
    }

    /// The next answers may take any time.
    pub(crate) fn wait_for_ever(&mut self) {
        self.patience = EVER;
    }

    /// A descriptor comes with the next answer.
    pub(crate) fn expect_descriptor(&mut self) {
        self.exchange.expect_descriptor();
    }

    /// The descriptor that came.
    pub(crate) fn take_descriptor(&mut self) -> Option<OwnedFd> {
        self.exchange.take_descriptor()
    }

    /// Wipes what was received.
    pub(crate) fn forget(&mut self) {
        self.exchange.forget();
    }

    /// Waits until a whole frame stands first, and returns the length of its payload. `more` is how much longer than
    /// usual it may take.
    fn receive_frame(&mut self, more: Duration) -> Result<usize, Error> {
        self.exchange.settle();
        let deadline = Instant::now() + self.patience + more;
        loop {
            if let Some(len) = self.exchange.frame()? {
                return Ok(len);
            }
            // Whoever waits in recv(2) is woken once more, when the daemon takes the request away and there
            // is room to write again; whoever waits in poll(2) for input is not.
            if !(self.new && awake(self.exchange.wire(), PollFlags::IN)) {
                sleep_until(self.exchange.wire(), PollFlags::IN, deadline, &mut self.interruption)?;
            }
            self.exchange.receive_some()?;
        }
    }
}

/// What a reply says of a person who is asked, about whichever request: the question's number, and for how long it
/// stays open.
pub(crate) fn asked(outcome: &Outcome<'_>) -> Option<(u32, Duration)> {
    let Outcome::Asked { question, left_ms } = *outcome else { return None };
    let left = Duration::from_millis(left_ms.into());
    Some((question, left.min(Duration::from_secs(limits::WAIT.into()))))
}
