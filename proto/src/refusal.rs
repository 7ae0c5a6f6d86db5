//! Why something was not done: a code that programs act on, and one line for the person.

use serde::{Deserialize, Serialize};

use crate::{Text, limits};

/// Kinds of refusal. Numbers on the wire are the order here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Code {
    /// Anything that is none of the below.
    Error,
    /// Bad arguments, or a value over its limit.
    Usage,
    /// No session.
    Locked,
    /// Policy said no.
    Denied,
    /// No such secret, field or version.
    NotFound,
    /// The password does not open the vault.
    WrongPassword,
    /// Too many attempts, requests or connections.
    Throttled,
    /// It exists already, or changed since it was read.
    Conflict,
    /// Something sealed fails its authentication.
    Corrupt,
    /// The two sides do not understand each other.
    Protocol,
    /// The disk refused; nothing was changed.
    Storage,
    /// The new master password is too easy to guess.
    WeakPassword,
    /// No vault has been created yet.
    NoVault,
    /// The session is open, but what would allow it rests while a screen is locked.
    Paused,
}

/// Something was not done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal<'a> {
    /// What kind.
    pub code: Code,
    /// One line: what happened, and what to do next.
    #[serde(borrow)]
    pub message: Text<'a, { limits::MESSAGE }>,
    /// When another try makes sense, in milliseconds from now.
    pub retry_after_ms: Option<u32>,
}

impl Refusal<'static> {
    /// A refusal with its line.
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self { code, message: Text::cut(message.into()), retry_after_ms: None }
    }
}
