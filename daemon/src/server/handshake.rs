//! The handshake: the peer's identity is read, and only then does the nonce travel, together with
//! one end of a fresh socket pair that nobody else ever held. See `docs/protocol.md` for the attack
//! that each step answers.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::rc::Rc;

use glassdome_proto::{Challenge, Code, Hello, Outcome, Range, Refusal, Reply, decode, encode, limits};
use glassdome_sys::{pass_credentials, refuse_descriptors, send_with_fd, stream_pair};
use subtle::ConstantTimeEq;
use tokio::time::{Instant, timeout, timeout_at};

use super::connection::Shared;
use super::wire::{Ended, Inbox, Wire};
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
}

/// How far a handshake came that failed.
pub enum Failed {
    /// Nobody was identified.
    Unknown(Unattested),
    /// The peer was identified, and then did not fit.
    Known(Identity, Ended),
    /// It never got to the peer.
    Early(Ended),
}

/// Meets the peer behind `accepted`.
pub async fn meet(shared: &Shared, accepted: BorrowedFd<'_>) -> Result<Met, Failed> {
    let early = |error: io::Error| Failed::Early(error.into());
    let identity = identify(shared, accepted).await?;
    let (ours, theirs) = stream_pair().map_err(early)?;
    pass_credentials(ours.as_fd()).map_err(early)?;
    refuse_descriptors(ours.as_fd()).map_err(early)?;
    let mut nonce = [0; 32];
    getrandom::fill(&mut nonce).map_err(|error| early(error.into()))?;
    let challenge = Challenge { protocol: Range::OURS, nonce };
    let mut frame = [0; 128];
    let len = encode(&challenge, &mut frame).map_err(|error| Failed::Early(error.into()))?;
    send_with_fd(accepted, &frame[..len], theirs.as_fd()).map_err(early)?;
    drop(theirs);

    rustix::io::ioctl_fionbio(&ours, true).map_err(|error| early(error.into()))?;
    let wire = Wire::new(ours, shared.outbox.clone()).map_err(early)?;
    let mut inbox = Inbox::new();
    let hello = timeout(limits::HANDSHAKE, hello(&wire, &mut inbox, &identity, &nonce)).await;
    match hello.unwrap_or(Err(Ended::TooSlow("answer the challenge"))) {
        Ok(claims) => match identity.confirmed(claims) {
            Ok(peer) => Ok(Met { peer: Rc::new(peer), wire: Rc::new(wire), inbox }),
            Err(failed) => {
                let (identity, reason) = *failed;
                let refusal = refuse::unattested(&reason);
                // It is told if it still listens.
                let _ = wire.send(&Reply { id: 0, outcome: Outcome::Err(refusal) }).await;
                Err(Failed::Known(identity, reason.into()))
            }
        },
        Err(ended) => Err(Failed::Known(identity, ended)),
    }
}

async fn identify(shared: &Shared, accepted: BorrowedFd<'_>) -> Result<Identity, Failed> {
    let early = |error: io::Error| Failed::Early(error.into());
    let late = || Failed::Early(Ended::TooSlow("be identified"));
    let until = Instant::now() + limits::HANDSHAKE;
    let room = timeout_at(until, shared.identifying.clone().acquire_owned()).await;
    let room = room.map_err(|_| late())?.map_err(|_| late())?;
    let owner = shared.state.owner();
    let stamp = shared.state.stamp();
    let socket = accepted.try_clone_to_owned().map_err(early)?;
    let reading = tokio::task::spawn_blocking(move || {
        let read = attest::identify(socket.as_fd(), owner, stamp);
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
    identity: &Identity,
    nonce: &[u8; 32],
) -> Result<Claims, Ended> {
    let payload = wire.receive(inbox, |sender| identity.sent(sender)).await?;
    let answer = match decode::<Hello<'_>>(payload) {
        Ok(hello) if !Range::OURS.contains(hello.protocol) => Err(refuse::protocol(format!(
            "the client speaks protocol {}, this daemon {}: upgrade the {}",
            hello.protocol,
            Range::OURS.max,
            if hello.protocol > Range::OURS.max { "daemon" } else { "client" }
        ))),
        Ok(hello) if bool::from(hello.nonce.ct_eq(nonce)) => {
            Ok(Claims { client: hello.client.into_owned(), version: hello.version.into_owned() })
        }
        Ok(_) => Err(Refusal::new(Code::Denied, "denied: the nonce is not that of this connection")),
        Err(error) => Err(refuse::protocol(format!("the first message is no hello: {error}"))),
    };
    match answer {
        Ok(claims) => Ok(claims),
        Err(refusal) => {
            wire.send(&Reply { id: 0, outcome: Outcome::Err(refusal) }).await?;
            Err(Ended::Closed)
        }
    }
}
