//! Answers that take more than one message. A lock in between ends them, and so does a peer that is no longer who it
//! was: both are looked at before each part.

use std::slice::Chunks;

use glassdome_proto::secrets::Answer as Secrets;
use glassdome_proto::{Answer, Bytes, Chunk, Outcome, Refusal, limits};
use tokio::sync::watch;

use super::connection::{Connection, too_many_large};
use super::wire::Ended;
use crate::clock;
use crate::ops::{Export, Value};
use crate::refuse;

impl Connection {
    /// A value in as many parts as it takes. A lock in between ends it with a refusal, and so does
    /// a peer that is no longer who it was.
    pub(super) async fn send_value(&self, id: u32, value: &Value) -> Result<(), Ended> {
        let bytes = value.bytes();
        let (version, expires) = value.about();
        let mut parts = bytes.chunks(limits::CHUNK);
        let first = part(parts.next().unwrap_or_default());
        let total = bytes.len() as u32;
        let mut locks = self.asking.state.locks();
        let first = Answer::Secrets(Secrets::Value { version, expires, total, first });
        self.reply_unless_locked(&mut locks, id, first).await?;
        match self.send_rest(&mut locks, id, parts).await? {
            true => Ok(()),
            false => self.refuse(id, refuse::lock_came()).await,
        }
    }

    /// What is left of a value; `false` if a lock came, which is to be said.
    async fn send_rest(
        &self,
        locks: &mut watch::Receiver<u64>,
        id: u32,
        parts: Chunks<'_, u8>,
    ) -> Result<bool, Ended> {
        for data in parts {
            if self.is_over(locks) {
                return Ok(false);
            }
            self.peer().still()?;
            self.reply_unless_locked(locks, id, Answer::More(Chunk { data: part(data) })).await?;
        }
        Ok(true)
    }

    /// Whether the session that the answer began in has ended.
    fn is_over(&self, locks: &watch::Receiver<u64>) -> bool {
        !self.asking.state.is_open(clock::now()) || locks.has_changed().unwrap_or(true)
    }

    /// A lock while a peer is slow to read cuts a message in its middle, and so ends the connection.
    pub(super) async fn reply_unless_locked(
        &self,
        locks: &mut watch::Receiver<u64>,
        id: u32,
        answer: Answer<'_>,
    ) -> Result<(), Ended> {
        tokio::select! {
            biased;
            sent = self.reply(id, Outcome::Ok(answer)) => sent,
            _ = locks.changed() => Err(Ended::Locked),
        }
    }

    /// Secrets as a whole, parcel by parcel: the next is opened when the peer has taken the one before it.
    pub(super) async fn send_export(&self, id: u32, export: Export) -> Result<(), Ended> {
        // The keys of the export, and what was opened with them, are gone before a peer is waited for that may not
        // read why.
        match self.send_parcels(id, export).await? {
            None => Ok(()),
            Some(refusal) => self.refuse(id, refusal).await,
        }
    }

    /// All of an export; the refusal to send if it does not come to its end.
    async fn send_parcels(&self, id: u32, mut export: Export) -> Result<Option<Refusal<'static>>, Ended> {
        // What it holds of an export is as much as a large value, or twice that.
        let Ok(_room) = self.shared.large.clone().try_acquire_owned() else {
            return Ok(Some(too_many_large()));
        };
        let mut locks = self.asking.state.locks();
        loop {
            if self.is_over(&locks) {
                return Ok(Some(refuse::lock_came()));
            }
            let parcel = match export.next(&self.asking) {
                Ok(parcel) => parcel,
                Err(refusal) => return Ok(Some(refusal)),
            };
            let mut parts = parcel.bytes().chunks(limits::CHUNK);
            let first = part(parts.next().unwrap_or_default());
            let total = parcel.bytes().len() as u32;
            self.peer().still()?;
            let first = Answer::Secrets(Secrets::Exported { last: parcel.last, total, first });
            self.reply_unless_locked(&mut locks, id, first).await?;
            if !self.send_rest(&mut locks, id, parts).await? {
                return Ok(Some(refuse::lock_came()));
            }
            if parcel.last {
                return Ok(None);
            }
        }
    }
}

/// At most a chunk, as `chunks` gives it.
fn part(bytes: &[u8]) -> Bytes<'_, { limits::CHUNK }> {
    Bytes::new(bytes).unwrap_or_else(|| unreachable!("at most {} bytes", limits::CHUNK))
}
