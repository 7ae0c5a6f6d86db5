//! One connection, from the handshake to its end: the way of every request. Frame, attest, judge and
//! operate ([`ops`]), record, and only then the reply.

use std::cell::Cell;
use std::os::fd::AsFd;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use glassdome_proto::{
    Answer, Body, Bytes, Chunk, Code, Outcome, Refusal, Reply, Request, Text, crypto, decode, limits, policy,
    session,
};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::{Instant, timeout, timeout_at};

use super::door::Arrived;
use super::handshake::{Met, meet};
use super::inbox::Inbox;
use super::places::Places;
use super::tap;
use super::unserved::{refused, see_off};
use super::wire::{Ended, Outbox, Wire, closed};
use crate::attest::Peer;
use crate::handles::Handle;
use crate::journal::Who;
use crate::ops::{self, Arriving, Asking, Done, Later, Work};
use crate::refuse;
use crate::standing::Stand;
use crate::state::State;

/// What all connections share.
pub struct Shared {
    /// The daemon.
    pub state: Rc<State>,
    /// Where replies are encoded.
    pub outbox: Outbox,
    /// Room for values on their way in parts, in or out.
    pub large: Arc<Semaphore>,
    /// Requests in flight on all connections.
    pub in_flight: Cell<usize>,
    /// Requests that wait for a person, on all connections.
    pub waiting: Rc<Places>,
    /// Whose turn it is to encrypt or decrypt a chunk: between two of them all others are served that are ready.
    pub streams: tokio::sync::Mutex<()>,
    /// Room for holders of taps whose identity is being read.
    pub identifying: Arc<Semaphore>,
}

/// What a connection may ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Everything.
    Whole,
    /// What needs no permit, for a moment: it came past the limit.
    Short,
    /// What a handle gives: it came out of its tap.
    Handle,
}

/// Serves one connection to its end.
pub async fn run(shared: Rc<Shared>, arrived: Arrived) {
    let Arrived { accepted, kind, seat: _seat, looked } = arrived;
    // In a box, as everything here that is dear and soon over or hardly ever happens: what a connection keeps is the
    // room of its largest step.
    match Box::pin(meet(&shared, looked)).await {
        Ok(met) => {
            let (connection, inbox) = Connection::of(&shared, met, Stand::default());
            let ended = tokio::select! {
                ended = connection.clone().serve(inbox, &shared, kind) => ended,
                // It carries nothing after the challenge: it is closed, or misused.
                () = closed(accepted) => Ended::Closed,
            };
            connection.end(&ended);
        }
        Err(not_met) => Box::pin(see_off(shared, accepted, not_met)).await,
    }
}

/// Serves one connection that came out of a handle to its end, or to the handle's.
pub async fn run_by(shared: Rc<Shared>, met: Met, handle: Rc<Handle>) {
    let (connection, inbox) = Connection::of(&shared, met, Stand::by(handle.clone()));
    let ended = tokio::select! {
        ended = connection.clone().serve(inbox, &shared, Kind::Handle) => ended,
        () = handle.ended() => Ended::Closed,
    };
    connection.end(&ended);
}

pub(super) struct Connection {
    pub(super) asking: Asking,
    pub(super) shared: Rc<Shared>,
    pub(super) wire: Rc<Wire>,
    in_flight: Cell<usize>,
    /// Whether it is told how the session changes.
    pub(super) watches: Cell<bool>,
    /// Whether it has ended: nothing of it waits for a person any longer.
    pub(super) over: watch::Sender<bool>,
}

/// A value that is arriving in parts.
struct Upload {
    id: u32,
    what: Arriving,
    until: Instant,
    _room: OwnedSemaphorePermit,
}

impl Connection {
    fn of(shared: &Rc<Shared>, met: Met, stand: Stand) -> (Rc<Self>, Inbox) {
        let Met { peer, wire, inbox, wait } = met;
        let (state, stand) = (shared.state.clone(), Rc::new(stand));
        let asking = Asking {
            state,
            peer,
            stand,
            cleared: None,
            renames: None,
            wait,
            listing: Rc::default(),
            unlisted: Rc::default(),
            listing_cleared: Rc::default(),
            editing: Rc::default(),
            backup: Rc::default(),
            tested: Rc::default(),
            stream: Rc::default(),
            rotation: Rc::default(),
        };
        let over = watch::Sender::new(false);
        let (in_flight, watches) = (Cell::new(0), Cell::new(false));
        (Rc::new(Self { asking, shared: shared.clone(), wire, in_flight, watches, over }), inbox)
    }

    async fn serve(self: Rc<Self>, mut inbox: Inbox, shared: &Shared, kind: Kind) -> Ended {
        let until = (kind == Kind::Short).then(|| Instant::now() + limits::HANDSHAKE);
        let mut upload: Option<Upload> = None;
        loop {
            inbox.keep_room(self.asking.stream.borrow().is_some());
            let deadline = upload.as_ref().map(|upload| upload.until).or(until);
            let request = self.next(&mut inbox, deadline).await;
            let served = match request {
                Ok(request) => self.serve_one(&mut upload, request, shared, kind).await,
                Err(ended) => Err(ended),
            };
            if let Err(ended) = served {
                return ended;
            }
        }
    }

    async fn serve_one(
        self: &Rc<Self>,
        upload: &mut Option<Upload>,
        Request { id, body }: Request<'_>,
        shared: &Shared,
        kind: Kind,
    ) -> Result<(), Ended> {
        // Before each answer it is asked once more, and that answers for now too: see `Peer::still`. Where it is
        // no longer who it was, the connection ends and is recorded the same, now or then.
        let looks = self.asking.only_looks(&body);
        if !looks {
            self.peer().asks()?;
        }
        match body {
            Body::More(part) => Box::pin(self.add(upload, id, part)).await,
            Body::Crypto(crypto::Request::Next { last, data }) if kind == Kind::Whole => {
                Box::pin(self.next_chunk(id, ops::Chunk { last, data: data.expose() })).await
            }
            body => self.begin(upload, id, body, shared, kind, looks).await,
        }
    }

    async fn next<'b>(&self, inbox: &'b mut Inbox, deadline: Option<Instant>) -> Result<Request<'b>, Ended> {
        let receiving = self.wire.receive(inbox, |sender| self.asking.peer.sent(sender));
        let payload = match deadline {
            None => receiving.await?,
            Some(at) => timeout_at(at, receiving).await.map_err(|_| Ended::TooSlow("go on"))??,
        };
        match decode(payload) {
            Ok(request) => Ok(request),
            Err(error) => {
                self.peer().still()?;
                // What follows cannot be told apart from more of the same: one answer, and the end.
                let refusal = refuse::protocol(format!("{error}. Are both sides of one version?"));
                self.refuse(0, refusal).await?;
                Err(Ended::Closed)
            }
        }
    }

    async fn begin(
        self: &Rc<Self>,
        upload: &mut Option<Upload>,
        id: u32,
        body: Body<'_>,
        shared: &Shared,
        kind: Kind,
        is_known: bool,
    ) -> Result<(), Ended> {
        if kind == Kind::Short && !needs_no_permit(&body) {
            return self.refuse(id, refuse::no_place()).await;
        }
        if let (Kind::Handle, Some(handle)) = (kind, self.asking.stand.handle())
            && !may_come_by_handle(&body)
        {
            let refusal = ops::beyond_handle(&self.asking, handle);
            return self.refuse(id, refusal).await;
        }
        if self.in_flight.get() >= limits::IN_FLIGHT {
            let message = format!("{} requests are in flight on this connection", limits::IN_FLIGHT);
            return self.refuse(id, refuse::throttled(message, Duration::from_millis(100))).await;
        }
        if self.shared.in_flight.get() >= limits::IN_FLIGHT_IN_ALL && !needs_no_permit(&body) {
            let message = format!("{} requests are in flight", limits::IN_FLIGHT_IN_ALL);
            return self.refuse(id, refuse::throttled(message, Duration::from_millis(100))).await;
        }
        // Other requests of this connection wait meanwhile; of other connections none does.
        if !is_known {
            let found = Box::pin(self.asking.find_out(&body)).await;
            self.peer().let_go();
            if let Err(refusal) = found {
                return self.finish(id, Err(refusal)).await;
            }
        }
        match ops::start(&self.asking, body) {
            Ok(Work::Now(done)) => self.answer(id, done).await,
            Ok(Work::Later(work)) => {
                // What takes its time is not begun for somebody who is gone.
                self.peer().still()?;
                self.spawn(id, work);
                Ok(())
            }
            Ok(Work::ToEnd(work)) => {
                self.peer().still()?;
                self.spawn_to_end(id, work);
                Ok(())
            }
            Ok(Work::Ask(pending)) => Box::pin(self.ask(id, pending)).await,
            Ok(Work::Watch) => self.watch(id).await,
            Ok(Work::Upload(_)) if upload.is_some() => {
                self.refuse(id, refuse::protocol("a value is still arriving on this connection")).await
            }
            Ok(Work::Upload(what)) => match shared.large.clone().try_acquire_owned() {
                Ok(room) => {
                    let until = Instant::now() + limits::PARTIAL_FRAME;
                    *upload = Some(Upload { id, what, until, _room: room });
                    Ok(())
                }
                Err(_) => {
                    self.refuse(id, too_many_large()).await?;
                    // Its parts are on their way and mean nothing now.
                    Err(Ended::Closed)
                }
            },
            Err(refusal) => self.finish(id, Err(refusal)).await,
        }
    }

    /// Sends what is there already.
    pub(super) async fn answer(&self, id: u32, done: Done) -> Result<(), Ended> {
        let is_large = matches!(&done, Done::Value(value) if value.is_large());
        if !is_large {
            return self.finish(id, Ok(done)).await;
        }
        // Held for as long as the peer takes to read it.
        match self.shared.large.clone().try_acquire_owned() {
            Ok(_room) => self.finish(id, Ok(done)).await,
            Err(_) => self.refuse(id, too_many_large()).await,
        }
    }

    /// The next part of a value.
    async fn add(
        self: &Rc<Self>,
        upload: &mut Option<Upload>,
        id: u32,
        part: Chunk<'_>,
    ) -> Result<(), Ended> {
        let Some(mut arriving) = upload.take().filter(|upload| upload.id == id) else {
            self.refuse(id, refuse::protocol("a part of a value that nothing began")).await?;
            return Err(Ended::Closed);
        };
        if let Err(refusal) = arriving.what.add(part.data.expose()) {
            self.refuse(id, refusal).await?;
            return Err(Ended::Closed);
        }
        if arriving.what.is_whole() {
            let Upload { what, _room: room, .. } = arriving;
            let storing = ops::arrived(&self.asking, what);
            self.spawn(
                id,
                Box::pin(async move {
                    let answer = storing.await;
                    drop(room);
                    answer
                }),
            );
        } else {
            arriving.until = Instant::now() + limits::PARTIAL_FRAME;
            *upload = Some(arriving);
        }
        Ok(())
    }

    /// Answers when `work` is done, or as soon as a lock comes.
    pub(super) fn spawn(self: &Rc<Self>, id: u32, work: Later) {
        let mut locks = self.asking.state.locks();
        self.spawn_to_end(
            id,
            Box::pin(async move {
                tokio::select! {
                    biased;
                    // First: a lock wins also over what is ready at the same moment.
                    _ = locks.changed() => Err(refuse::lock_came()),
                    answer = work => answer,
                }
            }),
        );
    }

    /// Answers when `work` is done, whatever comes in between.
    pub(super) fn spawn_to_end(self: &Rc<Self>, id: u32, work: Later) {
        let connection = self.clone();
        for count in [&self.in_flight, &self.shared.in_flight] {
            count.set(count.get() + 1);
        }
        tokio::task::spawn_local(async move {
            let answer = timeout(limits::ANSWER, work).await.unwrap_or_else(|_| Err(too_slow()));
            let finished = connection.finish(id, answer).await;
            // Only now: replies that wait for their turn are in flight too, or they could pile up.
            for count in [&connection.in_flight, &connection.shared.in_flight] {
                count.set(count.get() - 1);
            }
            if let Err(ended) = finished {
                connection.end(&ended);
            }
        });
    }

    /// Records why, and closes it, so that nothing that is still under way waits for the peer.
    pub(super) fn end(&self, ended: &Ended) {
        match ended {
            Ended::Closed => {}
            Ended::Unattested(reason) => {
                refused(&self.asking.state, Who::Peer(self.peer().evidence()), reason);
            }
            other => tracing::debug!("a connection ended: {other}"),
        }
        self.wire.close();
        self.over.send_replace(true);
    }

    /// Sends what was decided and recorded, if the peer is still who it was.
    pub(super) async fn finish(&self, id: u32, done: Result<Done, Refusal<'static>>) -> Result<(), Ended> {
        self.peer().still()?;
        match done {
            Ok(Done::Answer(answer)) => self.reply(id, Outcome::Ok(answer)).await,
            Ok(Done::Value(value)) => self.send_value(id, &value).await,
            Ok(Done::Export(export)) => Box::pin(self.send_export(id, *export)).await,
            Ok(Done::Values(values)) => {
                let mut locks = self.asking.state.locks();
                self.reply_unless_locked(&mut locks, id, values.answer()).await
            }
            Ok(Done::Leftover(held)) => {
                let value = held.value.as_ref();
                let value = value.map(|value| Bytes::new(value).expect("what is longer is not given"));
                let mut locks = self.asking.state.locks();
                let answer = Answer::Session(session::Answer::Leftover { mark: held.mark, value });
                self.reply_unless_locked(&mut locks, id, answer).await
            }
            Ok(Done::Backup(part)) => self.reply(id, Outcome::Ok(part.answer())).await,
            Ok(Done::Header(header)) => {
                let header = Bytes::new(&header).expect("a header is as long as the protocol has it");
                self.reply(id, Outcome::Ok(Answer::Crypto(crypto::Answer::Encrypt { header }))).await
            }
            Ok(Done::Handle(handle)) => self.hand_over(id, handle).await,
            Ok(Done::Last(answer)) => {
                let sent = self.reply(id, Outcome::Ok(answer)).await;
                self.asking.state.stop();
                sent
            }
            Err(refusal) => self.refuse(id, refusal).await,
        }
    }

    /// Opens the tap of a handle, and sends it along with the answer.
    async fn hand_over(&self, id: u32, handle: Rc<Handle>) -> Result<(), Ended> {
        let tap = tap::open(&self.shared, handle.clone()).inspect_err(|_| handle.end())?;
        let answer =
            Answer::Policy(policy::Answer::Handle { id: handle.id(), unit: handle.unit().map(Text::cut) });
        let sent = self.wire.send_with(&Reply { id, outcome: Outcome::Ok(answer) }, tap.as_fd()).await;
        if sent.is_err() {
            handle.end();
        }
        sent
    }

    pub(super) async fn refuse(&self, id: u32, refusal: Refusal<'static>) -> Result<(), Ended> {
        self.reply(id, Outcome::Err(refusal)).await
    }

    pub(super) async fn reply(&self, id: u32, outcome: Outcome<'_>) -> Result<(), Ended> {
        self.wire.send(&Reply { id, outcome }).await
    }

    pub(super) fn peer(&self) -> &Peer {
        &self.asking.peer
    }
}

/// Whether a handle gives it, or the policy at least judges it. What takes the master password is neither: nobody who
/// holds a handle shall try one by it.
fn may_come_by_handle(body: &Body<'_>) -> bool {
    use glassdome_proto::secrets::Request;
    match body {
        Body::Secrets(request) => !matches!(request, Request::Export { .. }),
        body => matches!(body, Body::More(_) | Body::Session(session::Request::Status)),
    }
}

fn needs_no_permit(body: &Body<'_>) -> bool {
    use glassdome_proto::session::Request;
    matches!(
        body,
        Body::Session(Request::Status | Request::Doctor | Request::Lock | Request::Stop | Request::Panic)
    )
}

pub(super) fn too_many_large() -> Refusal<'static> {
    let message = format!("{} large values are on their way", limits::LARGE_IN_TRANSIT);
    refuse::throttled(message, Duration::from_secs(1))
}

fn too_slow() -> Refusal<'static> {
    Refusal::new(Code::Error, "no answer in time: the disk or the machine is too slow. See the daemon's log")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn size_of_future<A, B, F>(_: impl Fn(A, B) -> F) -> usize {
        size_of::<F>()
    }

    #[test]
    fn what_hardly_ever_happens_is_no_room_that_each_connection_keeps() {
        assert!(size_of_future(run) < 4096, "{}", size_of_future(run));
    }
}
