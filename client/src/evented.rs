//! A connection for an event loop: many requests at a time, and nothing of it waits. Its host waits for the
//! descriptor, and says when there is something to be read, or room to write.
//!
//! A request that waits for a person holds up no other. Its reply is dropped, and wiped, if nobody is interested in
//! it any longer ([`Evented::forget`]).

use std::collections::{HashMap, VecDeque};
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Instant;

use glassdome_proto::secrets::{Entry, Info};
use glassdome_proto::session::Status;
use glassdome_proto::{Answer, Body, Field, Glob, Name, Outcome, limits};
use zeroize::Zeroizing;

use crate::connection::asked;
use crate::errand::{Errand, Heard};
use crate::error::Error;
use crate::exchange::Exchange;
use crate::gather::Gather;
use crate::listing::{About, Listing};
use crate::reference::Reference;
use crate::session::{Lock, Look};
use crate::transfer::{Fetch, Remove, Store, Upload, Value};
use crate::wait::Wait;

/// Requests that the daemon works on at one time; of [`limits::IN_FLIGHT`], since it counts one until its reply has
/// left. More wait here.
const WINDOW: usize = limits::IN_FLIGHT / 2;

/// Bytes that are put together for one write.
const TOGETHER: usize = 16 * 1024;

/// Reads in a row, before others of the event loop have their turn.
const READS: usize = 16;

/// What came of a request.
pub enum Told {
    /// Of [`Evented::get`].
    Value(Value),
    /// Of [`Evented::get_many`], in their order.
    Values(Vec<Value>),
    /// Of [`Evented::set`]: the version that it became.
    Stored(u64),
    /// Of [`Evented::list`], sorted by name.
    Names(Vec<Entry<'static>>),
    /// Of [`Evented::info`].
    Info(Info<'static>),
    /// Of [`Evented::status`], and each of [`Evented::watch`].
    Status(Status<'static>),
    /// Of [`Evented::remove`] and [`Evented::lock`].
    Done,
}

/// Of which request, by its number, and what came of it.
pub type Telling = (u32, Result<Told, Error>);

/// A connection that never waits.
pub struct Evented {
    exchange: Exchange,
    wait: Wait,
    running: HashMap<u32, Running>,
    /// Those whose next message is still to be put together.
    queue: VecDeque<u32>,
    /// How many the daemon works on.
    in_flight: usize,
    /// Whose parts are being sent, and how many are.
    upload: Option<(u32, usize)>,
    /// Whether a person is asked, or was, about what is forgotten.
    for_nobody: bool,
}

/// A request that is not done.
struct Running {
    errand: Box<dyn Errand<Told = Told> + Send>,
    /// Whether the daemon works on it.
    in_flight: bool,
    /// Whether a person is asked about it.
    asked: bool,
    /// Whether nobody is interested any longer.
    forgotten: bool,
    /// When its next answer is overdue.
    due: Option<Instant>,
}

impl Evented {
    pub(crate) fn new(exchange: Exchange, wait: Wait) -> Self {
        let (running, queue) = (HashMap::new(), VecDeque::new());
        Self { exchange, wait, running, queue, in_flight: 0, upload: None, for_nobody: false }
    }

    // What can be asked for. Each gives the number by which it is told of; `send` sends it.

    /// A value, or one field of it.
    pub fn get(&mut self, name: Name<'static>, field: Option<Field<'static>>) -> u32 {
        self.start(Fetch::new(name, field), Told::Value)
    }

    /// Many values, at least one: all, or none.
    pub fn get_many(&mut self, wanted: Vec<Reference>) -> u32 {
        self.start(Gather::of(wanted), Told::Values)
    }

    /// Stores `value`; that of `upload` is not looked at. One of more than [`limits::CHUNK`] bytes goes in parts,
    /// one such value at a time; if it is refused, the daemon closes the connection when further parts come: it
    /// is best sent on a connection of its own.
    pub fn set(&mut self, upload: Upload<'static>, value: Zeroizing<Vec<u8>>) -> u32 {
        self.start(Store { upload, value: Owned(value) }, Told::Stored)
    }

    /// Takes a secret away; its last versions are kept unless it is purged.
    pub fn remove(&mut self, name: Name<'static>, purge: bool) -> u32 {
        self.start(Remove { name, purge }, |()| Told::Done)
    }

    /// Names and what is known about them.
    pub fn list(&mut self, glob: Option<Glob>) -> u32 {
        self.start(Listing::of(glob), Told::Names)
    }

    /// Everything about a secret but its value.
    pub fn info(&mut self, name: Name<'static>) -> u32 {
        self.start(About { name }, Told::Info)
    }

    /// The daemon's state.
    pub fn status(&mut self) -> u32 {
        self.start(Look { again: false }, Told::Status)
    }

    /// The daemon's state now, and whenever it changes; once on a connection.
    pub fn watch(&mut self) -> u32 {
        self.start(Look { again: true }, Told::Status)
    }

    /// Ends the session.
    pub fn lock(&mut self) -> u32 {
        self.start(Lock, |()| Told::Done)
    }

    // What its host does.

    /// Sends what there is room for. Whether more is to be sent when there is room again; the rest of the requests
    /// goes out as others are answered.
    ///
    /// # Errors
    /// [`Error::Closed`], or what failed underneath: the connection is of no use any more, except that a last
    /// word of the daemon may still be there to be received.
    pub fn send(&mut self, told: &mut Vec<Telling>) -> Result<bool, Error> {
        loop {
            self.put_together(told);
            if self.exchange.unsent() == 0 {
                return Ok(false);
            }
            if !self.exchange.send_some()? {
                return Ok(true);
            }
        }
    }

    /// Receives what is there, and tells what came of which request.
    ///
    /// # Errors
    /// [`Error::Closed`] when the daemon hung up; its refusal of the connection as a whole; or what failed
    /// underneath: the connection is of no use any more.
    pub fn receive(&mut self, told: &mut Vec<Telling>) -> Result<(), Error> {
        let before = told.len();
        for _ in 0..READS {
            self.exchange.settle();
            match self.exchange.receive_some() {
                Ok(true) => {}
                Ok(false) => break,
                // What was said before is told first; the end is still there.
                Err(Error::Closed) if told.len() > before => break,
                Err(error) => return Err(error),
            }
            while let Some(len) = self.exchange.frame()? {
                told.extend(self.hear(len)?);
            }
        }
        self.exchange.settle();
        Ok(())
    }

    /// Nobody is interested in it any longer: it is not told of. If a person is asked about it, see
    /// [`Evented::asks_for_nobody`].
    pub fn forget(&mut self, id: u32) {
        let Some(running) = self.running.get_mut(&id) else { return };
        running.forgotten = true;
        self.for_nobody |= running.asked;
        if !running.in_flight && !running.asked && self.upload.is_none_or(|(of, _)| of != id) {
            self.running.remove(&id);
        }
    }

    /// The requests whose answers are overdue. They are not told of any more.
    pub fn overdue(&mut self, now: Instant) -> Vec<u32> {
        let is_overdue = |running: &Running| !running.forgotten && running.due.is_some_and(|due| due <= now);
        let overdue: Vec<u32> =
            self.running.iter().filter(|(_, running)| is_overdue(running)).map(|(id, _)| *id).collect();
        for id in &overdue {
            self.forget(*id);
        }
        overdue
    }

    /// Whether a person is asked for nobody, since what it is about was forgotten, before or after they were: the
    /// question ends with the connection, which its host replaces when nothing else needs it.
    pub fn asks_for_nobody(&self) -> bool {
        self.for_nobody
    }

    /// How many requests somebody is interested in.
    pub fn interesting(&self) -> usize {
        self.running.values().filter(|running| !running.forgotten).count()
    }

    /// Whether the daemon has not hung up, as far as is known here.
    pub fn is_open(&self) -> bool {
        self.exchange.is_open()
    }

    fn start<E>(&mut self, errand: E, wrap: fn(E::Told) -> Told) -> u32
    where
        E: Errand + Send + 'static,
        E::Told: 'static,
    {
        // Four billion requests ago another one had the same.
        let mut id = self.exchange.next_id();
        while self.running.contains_key(&id) {
            id = self.exchange.next_id();
        }
        let errand = Box::new(Wrapped { errand, wrap });
        let running = Running { errand, in_flight: false, asked: false, forgotten: false, due: None };
        self.running.insert(id, running);
        self.queue.push_back(id);
        id
    }

    /// Puts messages behind what waits to be sent, as long as they are few bytes and the daemon has room for them.
    fn put_together(&mut self, told: &mut Vec<Telling>) {
        while self.exchange.unsent() < TOGETHER {
            if let Some((id, number)) = self.upload {
                let part = self.running.get(&id).and_then(|running| running.errand.part(number));
                let Some(part) = part else {
                    self.upload = None;
                    continue;
                };
                if self.exchange.put_request(id, part).is_err() {
                    // It fits once the rest has left.
                    return;
                }
                self.upload = Some((id, number + 1));
                continue;
            }
            if self.in_flight >= WINDOW {
                return;
            }
            let Some(id) = self.queue.pop_front() else { return };
            // It may have been forgotten meanwhile.
            let Some(running) = self.running.get_mut(&id) else { continue };
            let first = running.errand.ask().and_then(|body| self.exchange.put_request(id, body));
            match first {
                Ok(()) => {
                    running.in_flight = true;
                    running.due = Some(Instant::now() + limits::ANSWER);
                    self.in_flight += 1;
                    self.upload = running.errand.part(0).is_some().then_some((id, 0));
                }
                Err(Error::Encode(_)) if self.exchange.unsent() > 0 => {
                    self.queue.push_front(id);
                    return;
                }
                Err(error) => {
                    if self.running.remove(&id).is_some_and(|running| !running.forgotten) {
                        told.push((id, Err(error)));
                    }
                }
            }
        }
    }

    /// Takes the reply that stands first.
    fn hear(&mut self, len: usize) -> Result<Option<Telling>, Error> {
        let reply = self.exchange.take(len)?;
        let id = reply.id;
        let Some(running) = self.running.get_mut(&id) else {
            return match reply.outcome {
                // Zero is nobody's id: the daemon refuses the connection as a whole.
                Outcome::Err(refusal) if id == 0 => Err(refusal.into()),
                _ => Err(Error::Unexpected),
            };
        };
        if let Some((question, left)) = asked(&reply.outcome) {
            running.asked = true;
            running.due = Some(Instant::now() + left + limits::ANSWER);
            if std::mem::take(&mut running.in_flight) {
                self.in_flight -= 1;
            }
            if running.forgotten {
                self.for_nobody = true;
            } else {
                (self.wait.told)(question, left);
            }
            return Ok(None);
        }
        running.due = Some(Instant::now() + limits::ANSWER);
        let told = match reply.outcome {
            Outcome::Ok(answer) => match running.errand.hear(answer) {
                Ok(Heard::All(told)) => Ok(told),
                Ok(Heard::Part) => return Ok(None),
                Ok(Heard::Now(told)) => {
                    running.due = None;
                    return Ok((!running.forgotten).then_some((id, Ok(told))));
                }
                Ok(Heard::Page) if !running.forgotten => {
                    running.asked = false;
                    if std::mem::take(&mut running.in_flight) {
                        self.in_flight -= 1;
                    }
                    self.queue.push_back(id);
                    return Ok(None);
                }
                Ok(Heard::Page) => Err(Error::BrokenOff),
                // What else comes under this id makes no sense either.
                Err(error) => return Err(error),
            },
            Outcome::Err(refusal) => Err(refusal.into()),
            Outcome::Asked { .. } => return Err(Error::Unexpected),
        };
        let ended = self.running.remove(&id);
        if ended.as_ref().is_some_and(|running| running.in_flight) {
            self.in_flight -= 1;
        }
        Ok(ended.filter(|running| !running.forgotten).map(|_| (id, told)))
    }
}

impl AsFd for Evented {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.exchange.wire()
    }
}

/// An errand, told of as all others are.
struct Wrapped<E: Errand> {
    errand: E,
    wrap: fn(E::Told) -> Told,
}

impl<E: Errand> Errand for Wrapped<E> {
    type Told = Told;

    fn ask(&self) -> Result<Body<'_>, Error> {
        self.errand.ask()
    }

    fn part(&self, number: usize) -> Option<Body<'_>> {
        self.errand.part(number)
    }

    fn hear(&mut self, answer: Answer<'_>) -> Result<Heard<Told>, Error> {
        Ok(match self.errand.hear(answer)? {
            Heard::All(told) => Heard::All((self.wrap)(told)),
            Heard::Now(told) => Heard::Now((self.wrap)(told)),
            Heard::Part => Heard::Part,
            Heard::Page => Heard::Page,
        })
    }
}

/// A value's bytes, wiped when they have been sent.
struct Owned(Zeroizing<Vec<u8>>);

impl AsRef<[u8]> for Owned {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}
