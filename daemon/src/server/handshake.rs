//! The handshake: the peer's identity is read, and only then does the nonce travel, together with
//! one end of a fresh socket pair that nobody else ever held. See `docs/protocol.md` for the attack
//! that each step answers.

use std::cell::Cell;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::rc::Rc;
use std::time::Duration;

use glassdome_proto::{
    self as proto, Code, Hello, Nonce, Outcome, Range, Refusal, Reply, decode, encode, limits,
};
use glassdome_sys::{Creds, pass_credentials, refuse_descriptors, send_with_fd, stream_pair};
use subtle::ConstantTimeEq;
use tokio::time::{Instant, timeout, timeout_at};

use super::connection::Shared;
use super::inbox::Inbox;
use super::wire::{Ended, Wire};
use crate::attest::{self, Claims, Identity, Peer, Unattested};
use crate::refuse;

/// What a completed handshake leaves.
pub struct Met {
    /// The peer.
    pub peer: Rc<Peer>,
    /// Its stream of frames.
    pub wire: Rc<Wire>,
    /// What has arrived on it beyond the hello.
    pub inbox: Inbox,
    /// For how long its requests may wait for a person.
    pub wait: Duration,
}

/// How far a handshake came that failed.
pub enum Failed {
    /// Nobody was identified.
    Unknown(Unattested),
    /// The peer was identified, and then did not fit.
    Known(Identity, Ended),
    /// It never got to the peer.
    Early(Ended),
    /// Whoever greeted is not served, and is to be told so when that is recorded. `None` if it was not identified.
    Untold(Option<Identity>, Unattested, Wire),
}

impl Failed {
    /// Tells whoever greeted, if it still listens.
    pub async fn tell(self) {
        let Self::Untold(_, reason, wire) = self else { return };
        let refusal = refuse::unattested(&reason);
        let _ = wire.send(&Reply { id: 0, outcome: Outcome::Err(refusal) }).await;
    }
}

/// Whom a daemon serves.
#[derive(Debug, Clone, Copy)]
pub struct Serves {
    /// The user.
    pub owner: u32,
    /// The group of the installed programs.
    pub stamp: Option<u32>,
}

/// Who connected.
pub type Looked = Result<Seen, Unattested>;

/// A peer that was sent the challenge.
pub struct Seen {
    identity: Identity,
    challenged: Result<Challenged, Ended>,
    /// What was found while the challenge was on its way.
    amiss: Option<Unattested>,
}

/// Reads who is at the other end, and sends it the challenge. Not for the event loop: see [`attest::identify`].
pub fn look(accepted: BorrowedFd<'_>, serves: Serves, challenge: Result<Challenge, Ended>) -> Looked {
    let identity = attest::identify(accepted, serves.owner, serves.stamp)?;
    // A socket that is closed while a descriptor is on its way has the kernel search all sockets for descriptors that
    // nobody can receive any more (net/unix/garbage.c): the event loop is to close what it has to close before.
    std::thread::yield_now();
    let challenged = challenge.and_then(|challenge| challenge.send(accepted));
    // Open to everybody, and the dearest to read: the peer need not wait for it. Its life last.
    let amiss = identity.held_by_nobody().and_then(|()| identity.still()).err();
    Ok(Seen { identity, challenged, amiss })
}

/// Meets the peer that was looked at.
pub async fn meet(shared: &Shared, looked: Looked) -> Result<Met, Failed> {
    let Seen { identity, challenged, amiss } = looked.map_err(Failed::Unknown)?;
    // What was read may be of another process by that number.
    if let Some(gone @ Unattested::Gone { .. }) = amiss {
        return Err(Failed::Unknown(gone));
    }
    let (wire, nonce) = match (challenged.and_then(|challenged| challenged.wire(shared)), amiss) {
        (Ok(challenged), None) => challenged,
        (Ok((wire, nonce)), Some(reason)) => return Err(turned_away(wire, &nonce, identity, reason).await),
        (Err(_), Some(reason)) => return Err(Failed::Known(identity, reason.into())),
        (Err(ended), None) => return Err(Failed::Early(ended)),
    };
    let mut inbox = Inbox::new();
    let hello = hello(&wire, &mut inbox, |sender| identity.sent(sender), &nonce);
    let hello = timeout(limits::HANDSHAKE, hello).await;
    match hello.unwrap_or(Err(Ended::TooSlow("answer the challenge"))) {
        Ok((claims, wait)) => match identity.confirmed(claims, inbox.has_more()) {
            Ok(peer) => Ok(Met { peer: Rc::new(peer), wire: Rc::new(wire), inbox, wait }),
            Err(failed) => {
                let (identity, reason) = *failed;
                Err(Failed::Untold(Some(identity), reason, wire))
            }
        },
        Err(ended) => Err(Failed::Known(identity, ended)),
    }
}

/// Hears the Hello of a peer that is not served: what is closed while its peer still writes is heard by nobody.
async fn turned_away(wire: Wire, nonce: &Nonce, identity: Identity, reason: Unattested) -> Failed {
    let mut inbox = Inbox::new();
    let hello = hello(&wire, &mut inbox, |sender| identity.sent(sender), nonce);
    match timeout(limits::HANDSHAKE, hello).await {
        Ok(Ok(_)) => Failed::Untold(Some(identity), reason, wire),
        _ => Failed::Known(identity, reason.into()),
    }
}

/// Meets whoever holds a tap, and sent a byte there as `creds`. Its peer is the process that greets first, if
/// `reaches` that by its pid.
pub async fn meet_holder(
    shared: &Shared,
    tap: BorrowedFd<'_>,
    creds: Option<Creds>,
    reaches: impl FnOnce(i32) -> Result<(), Unattested>,
) -> Result<Met, Failed> {
    let (owner, stamp) = (shared.state.owner(), shared.state.stamp());
    let asked = creds.ok_or(Failed::Unknown(Unattested::NoCredentials))?;
    // Read now: our clients hide themselves before they greet. What is wrong with it is said to whoever
    // greets, since another may take this answer.
    let read = identify(shared, move || attest::identify_holder(asked, owner, stamp)).await;
    let challenged = Challenge::new().and_then(|challenge| challenge.send(tap)?.wire(shared));
    let (wire, nonce) = challenged.map_err(Failed::Early)?;
    let mut inbox = Inbox::new();
    let first = Cell::new(None);
    let from_one = |sender: Option<Creds>| {
        let sender = sender.ok_or(Unattested::NoCredentials)?;
        match first.replace(Some(sender)) {
            Some(Creds { pid, .. }) if pid != sender.pid => {
                Err(Unattested::OtherSender { pid, sender: sender.pid })
            }
            _ => Ok(()),
        }
    };
    let hello = timeout(limits::HANDSHAKE, hello(&wire, &mut inbox, from_one, &nonce)).await;
    // What is beyond a handle is not asked about.
    let claims = match hello.unwrap_or(Err(Ended::TooSlow("answer the challenge"))) {
        Ok((claims, _)) => claims,
        Err(ended) => {
            return Err(match read {
                Ok(identity) => Failed::Known(identity, ended),
                Err(_) => Failed::Early(ended),
            });
        }
    };
    let read = match first.get().filter(|greeted| greeted.pid != asked.pid) {
        Some(greeted) => identify(shared, move || attest::identify_holder(greeted, owner, stamp)).await,
        None => read,
    };
    let peer = match read {
        Ok(identity) => identity.confirmed_holder(claims),
        Err(Failed::Unknown(reason)) => Err(reason),
        Err(failed) => return Err(failed),
    };
    // It still is who it was after that look: what was looked at by its number was it.
    let peer =
        peer.and_then(|peer| reaches(peer.evidence().kernel.pid).and_then(|()| peer.still()).map(|()| peer));
    match peer {
        Ok(peer) => Ok(Met { peer: Rc::new(peer), wire: Rc::new(wire), inbox, wait: Duration::ZERO }),
        Err(reason) => Err(Failed::Untold(None, reason, wire)),
    }
}

/// A nonce, and a fresh pair of sockets, one end of which goes with it: made before anybody connects.
pub struct Challenge {
    ours: OwnedFd,
    theirs: OwnedFd,
    nonce: Nonce,
}

impl Challenge {
    /// Draws and opens them.
    ///
    /// # Errors
    /// When the system has no descriptor or memory left.
    pub fn new() -> Result<Self, Ended> {
        let (ours, theirs) = stream_pair()?;
        pass_credentials(ours.as_fd())?;
        refuse_descriptors(ours.as_fd())?;
        rustix::io::ioctl_fionbio(&ours, true).map_err(io::Error::from)?;
        let mut nonce = [0; 32];
        getrandom::fill(&mut nonce).map_err(io::Error::from)?;
        Ok(Self { ours, theirs, nonce })
    }

    fn send(self, to: BorrowedFd<'_>) -> Result<Challenged, Ended> {
        let Self { ours, theirs, nonce } = self;
        let mut frame = [0; 128];
        let len = encode(&proto::Challenge { protocol: Range::OURS, nonce }, &mut frame)?;
        send_with_fd(to, &frame[..len], theirs.as_fd())?;
        Ok(Challenged { ours, nonce })
    }
}

/// A nonce that was sent, with one end of the pair.
struct Challenged {
    /// Our end.
    ours: OwnedFd,
    nonce: Nonce,
}

impl Challenged {
    fn wire(self, shared: &Shared) -> Result<(Wire, Nonce), Ended> {
        Ok((Wire::new(self.ours, shared.outbox.clone())?, self.nonce))
    }
}

async fn identify<T: Send + 'static>(
    shared: &Shared,
    read: impl FnOnce() -> Result<T, Unattested> + Send + 'static,
) -> Result<T, Failed> {
    let late = || Failed::Early(Ended::TooSlow("be identified"));
    let until = Instant::now() + limits::HANDSHAKE;
    let room = timeout_at(until, shared.identifying.clone().acquire_owned()).await;
    let room = room.map_err(|_| late())?.map_err(|_| late())?;
    let reading = tokio::task::spawn_blocking(move || {
        let read = read();
        // Only now: a look that hangs keeps its place.
        drop(room);
        read
    });
    match timeout_at(until, reading).await {
        Ok(Ok(read)) => read.map_err(Failed::Unknown),
        Ok(Err(_)) | Err(_) => Err(late()),
    }
}

async fn hello(
    wire: &Wire,
    inbox: &mut Inbox,
    judge: impl Fn(Option<Creds>) -> Result<(), Unattested>,
    nonce: &Nonce,
) -> Result<(Claims, Duration), Ended> {
    let payload = wire.receive(inbox, judge).await?;
    let answer = match decode::<Hello<'_>>(payload) {
        Ok(hello) if !Range::OURS.contains(hello.protocol) => Err(refuse::protocol(format!(
            "the client speaks protocol {}, this daemon {}: upgrade the {}",
            hello.protocol,
            Range::OURS.max,
            if hello.protocol > Range::OURS.max { "daemon" } else { "client" }
        ))),
        Ok(hello) if bool::from(hello.nonce.ct_eq(nonce)) => {
            let wait = Duration::from_secs(hello.wait_s.min(limits::WAIT).into());
            let claims = Claims { client: hello.client.into_owned(), version: hello.version.into_owned() };
            Ok((claims, wait))
        }
        Ok(_) => Err(Refusal::new(Code::Denied, "denied: the nonce is not that of this connection")),
        Err(error) => Err(refuse::protocol(format!("the first message is no hello: {error}"))),
    };
    match answer {
        Ok(hello) => Ok(hello),
        Err(refusal) => {
            wire.send(&Reply { id: 0, outcome: Outcome::Err(refusal) }).await?;
            Err(Ended::Closed)
        }
    }
}
