//! The chunks of a stream: each is encrypted or decrypted straight out of the frame that it came in into the frame
//! that it leaves in, and nobody waits for more than one.

use std::cell::Cell;

use glassdome_proto::{Answer, Bytes, Outcome, Refusal, Reply, crypto};

use super::connection::Connection;
use super::wire::{Ended, Unfilled};
use crate::attest::Unattested;
use crate::ops::{self, Asking, Chunk};
use crate::{clock, refuse};

/// How often what speaks for a stream is found out again for one chunk, where it changes while that waits.
const LOOKS: usize = 8;

/// Why a chunk was not made.
enum Stopped {
    /// What may be had changed while it waited for its turn.
    Late,
    Refused(Refusal<'static>),
    Unattested(Unattested),
}

impl Connection {
    /// The next chunk of the stream that this connection has begun. What came behind it waits until it is sent: a peer
    /// that does not read is not read from.
    pub(super) async fn next_chunk(&self, id: u32, chunk: Chunk<'_>) -> Result<(), Ended> {
        for _ in 0..LOOKS {
            if let Some(done) = self.try_next_chunk(id, chunk).await {
                return done;
            }
        }
        self.asking.stream.replace(None);
        self.refuse(id, refuse::late_change()).await
    }

    /// As [`Connection::next_chunk`]; `None` if what may be had changed while the chunk waited for its turn.
    async fn try_next_chunk(&self, id: u32, chunk: Chunk<'_>) -> Option<Result<(), Ended>> {
        if let Err(refusal) = self.asking.find_out_again().await {
            self.asking.stream.replace(None);
            return Some(self.refuse(id, refusal).await);
        }
        let length = match ops::chunk_length(&self.asking, chunk) {
            Ok(length) => length,
            Err(refusal) => {
                self.asking.stream.replace(None);
                return Some(self.refuse(id, refusal).await);
            }
        };
        let data = Bytes::new(&[]).expect("nothing is not too much");
        let reply = Reply { id, outcome: Outcome::Ok(Answer::Crypto(crypto::Answer::Next { data })) };
        let mut locks = self.asking.state.locks();
        let turn = async {
            let turn = self.shared.streams.lock().await;
            // All who are ready are served first, whoever else has chunks waits.
            tokio::task::yield_now().await;
            turn
        };
        let leaves = Cell::new(false);
        // Everything is looked at here, in one step with the work: nothing that came while it waited is missed.
        let fill = |out: &mut [u8]| {
            self.peer().still().map_err(Stopped::Unattested)?;
            let Asking { state, stand, .. } = &self.asking;
            if state.is_open(clock::now()) && !stand.is_current(state, clock::now()) {
                return Err(Stopped::Late);
            }
            ops::go_on(&self.asking, chunk, out).map_err(Stopped::Refused)?;
            leaves.set(true);
            Ok(())
        };
        let sent = tokio::select! {
            biased;
            sent = self.wire.send_filled(&reply, length, turn, fill) => sent,
            // A lock while a peer is slow to read cuts a message in its middle, and so ends the connection.
            _ = locks.changed() => match leaves.get() {
                true => return Some(Err(Ended::Locked)),
                // It still waited for its turn.
                false => {
                    self.asking.stream.replace(None);
                    return Some(self.refuse(id, refuse::lock_came()).await);
                }
            },
        };
        Some(match sent {
            Ok(()) => Ok(()),
            Err(Unfilled::Stopped(Stopped::Late)) => return None,
            Err(Unfilled::Stopped(Stopped::Refused(refusal))) => self.refuse(id, refusal).await,
            Err(Unfilled::Stopped(Stopped::Unattested(reason))) => Err(reason.into()),
            Err(Unfilled::Ended(ended)) => Err(ended),
        })
    }
}
