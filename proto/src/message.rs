//! Requests and replies: an id, and one message of one family. New families and messages are
//! appended, never renumbered.

use serde::{Deserialize, Serialize};

use crate::{Bytes, Refusal, crypto, limits, policy, rotation, secrets, session, settings, storage};

/// From the client. Replies carry the same id and may come in another order.
#[derive(Debug, Serialize, Deserialize)]
pub struct Request<'a> {
    /// Chosen by the client; one in flight at a time.
    pub id: u32,
    /// What is asked.
    #[serde(borrow)]
    pub body: Body<'a>,
}

/// The families of requests.
#[derive(Debug, Serialize, Deserialize)]
pub enum Body<'a> {
    /// The session: status, unlock, lock.
    #[serde(borrow)]
    Session(session::Request<'a>),
    /// Secrets by name.
    #[serde(borrow)]
    Secrets(secrets::Request<'a>),
    /// Sealed settings.
    #[serde(borrow)]
    Settings(settings::Request<'a>),
    /// The next part of the value that the request with this id began.
    #[serde(borrow)]
    More(Chunk<'a>),
    /// Rules, grants, and who is who.
    #[serde(borrow)]
    Policy(policy::Request<'a>),
    /// The vault's file.
    Storage(#[serde(borrow)] storage::Request<'a>),
    /// Data outside the vault.
    #[serde(borrow)]
    Crypto(crypto::Request<'a>),
    /// A new master key.
    #[serde(borrow)]
    Rotation(rotation::Request<'a>),
}

/// From the daemon.
#[derive(Debug, Serialize, Deserialize)]
pub struct Reply<'a> {
    /// The request's.
    pub id: u32,
    /// How it went.
    #[serde(borrow)]
    pub outcome: Outcome<'a>,
}

/// How a request went.
#[derive(Debug, Serialize, Deserialize)]
pub enum Outcome<'a> {
    /// As asked.
    #[serde(borrow)]
    Ok(Answer<'a>),
    /// Not done.
    #[serde(borrow)]
    Err(Refusal<'a>),
    /// Not yet: a person is asked. What became of it comes in another reply with this id.
    Asked {
        /// The question's number.
        question: u32,
        /// For how long it stays open, in milliseconds.
        left_ms: u32,
    },
}

/// The families of answers.
#[derive(Debug, Serialize, Deserialize)]
pub enum Answer<'a> {
    /// Of a [`Body::Session`].
    #[serde(borrow)]
    Session(session::Answer<'a>),
    /// Of a [`Body::Secrets`].
    #[serde(borrow)]
    Secrets(secrets::Answer<'a>),
    /// Of a [`Body::Settings`].
    #[serde(borrow)]
    Settings(settings::Answer<'a>),
    /// The next part of the value that the answer with this id began.
    #[serde(borrow)]
    More(Chunk<'a>),
    /// Of a [`Body::Policy`].
    #[serde(borrow)]
    Policy(policy::Answer<'a>),
    /// Of a [`Body::Storage`].
    #[serde(borrow)]
    Storage(storage::Answer<'a>),
    /// Of a [`Body::Crypto`].
    #[serde(borrow)]
    Crypto(crypto::Answer<'a>),
    /// Of a [`Body::Rotation`].
    Rotation(rotation::Answer),
}

/// Part of a value that is larger than a frame.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct Chunk<'a> {
    /// The bytes that follow those already sent. The announced total says which part is the last.
    #[serde(borrow)]
    pub data: Bytes<'a, { limits::CHUNK }>,
}
