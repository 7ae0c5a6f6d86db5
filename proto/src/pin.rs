//! The approval PIN: what answers questions where the master password was not typed, and does nothing else. A
//! program that takes it from the keyboard of such a terminal can answer questions; it opens nothing.

use serde::{Deserialize, Serialize};

use crate::session::Password;
use crate::{Bytes, limits};

/// A PIN on its way.
pub type Pin<'a> = Bytes<'a, { limits::PIN }>;

/// What shows that a person stands behind a connection.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub enum Proof<'a> {
    /// The approval PIN.
    Pin(#[serde(borrow)] Pin<'a>),
    /// The master password: for machines without a person, and without a PIN.
    Password(#[serde(borrow)] Password<'a>),
}

/// Whether there is a PIN.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum PinState {
    /// That is sealed, and no session is open.
    Unknown,
    /// None.
    Unset,
    /// One.
    Set,
    /// One, and so many wrong ones were tried that it is taken again only when the master password was typed.
    Spent,
}
