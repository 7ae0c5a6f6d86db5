//! The wire protocol, version 1: what may be said between a client and the daemon, and how many
//! bytes it may take. No I/O, no clock, no cryptography: every byte that comes in from outside is
//! parsed here, by code that can be fuzzed whole.
//!
//! | message | from | carries |
//! |---|---|---|
//! | [`Challenge`] | daemon, on the accepted socket, with one end of a fresh socket pair | protocol range, nonce |
//! | [`Hello`] | client, on the fresh pair | protocol, nonce, client name and version |
//! | [`Request`] | client | id, one message of a family |
//! | [`Reply`] | daemon | the request's id, an answer or a refusal |
//!
//! ```text
//! client ──connect──────────────────────────────► daemon   identity of the peer is read first
//! client ◄─Challenge{nonce} + descriptor───────── daemon   everything below runs on that descriptor
//! client ──Hello{nonce} Request Request …───────► daemon   sender credentials checked on each
//! client ◄─Reply Reply …───────────────────────── daemon
//! ```
//!
//! The attacker is a process of the same user that sends whatever it likes. Hence: lengths are
//! checked before anything is allocated, no type is recursive, no element has size zero, every
//! field has its own maximum, and bytes behind a message are an error. Fields that carry secrets
//! borrow from the caller's buffer, which the caller wipes.
#![forbid(unsafe_code)]

mod bounded;
mod codec;
pub mod crypto;
pub mod date;
mod deceiving;
mod frame;
mod glob;
mod handshake;
pub mod leftovers;
pub mod limits;
mod message;
mod name;
pub mod pin;
pub mod policy;
mod rate;
pub mod recovery;
mod refusal;
pub mod rotation;
pub mod secrets;
pub mod session;
pub mod settings;
pub mod socket;
pub mod span;
pub mod storage;
pub mod whole;
mod wiped;

pub use bounded::{Bytes, List, Text};
pub use codec::{DecodeError, EncodeError, decode, encode, encode_around};
pub use deceiving::{deceives, shows_as_itself, stands_in_quotes};
pub use frame::{FrameError, HEADER_LEN, payload_len};
pub use glob::{Glob, GlobError};
pub use handshake::{Challenge, Hello, Nonce, PROTOCOL, Range};
pub use message::{Answer, Body, Chunk, Outcome, Reply, Request};
pub use name::{Field, Name, NameError};
pub use rate::{Per, Rate};
pub use refusal::{Code, Refusal};
pub use wiped::wipe;
