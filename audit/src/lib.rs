//! The audit log: who got what, when and by which right, one JSON line a record, chained by hash
//! and sealed to an auditor. It reads no clock, and of the disk only what [`files`] lists, so that
//! whoever has only the log can read and check it with this crate; `docs/audit.md` says how others can.
//!
//! A record never holds a value, a password or a key. Names of secrets stand in it in plain. What
//! the kernel says of a peer (`peer.kernel`) and what the peer says of itself (`peer.claims`) are
//! kept apart in every line.
//!
//! | room | knows |
//! |---|---|
//! | [`record`](Record) | what a line says |
//! | [`Lines`] | lines in bounded memory, whoever wrote them |
//! | [`chain`] | a line after another, hashed in one pass |
//! | [`seal`] | keys, one for each record, and what ties one run's to the next's |
//! | [`link`] | the block that a run leaves for the next |
//! | [`auditor`] | the auditor's secret as text |
//! | [`verify`] | whether a log is as it was written |
//! | [`export`] | a record in the schemas of SIEMs |
//! | [`files`] | which files a log is |
#![forbid(unsafe_code)]

pub mod auditor;
pub mod chain;
pub mod export;
pub mod files;
mod line;
mod lines;
pub mod link;
mod marks;
mod record;
pub mod seal;
mod sealed_box;
pub mod verify;

pub use line::{LineError, WrittenPeer, read, time, write};
pub use lines::{Line, Lines, MAX_LINE};
pub use marks::{After, Hex, Key, Linked, Log, Vault};
pub use record::{Claims, Event, Exe, Judged, Kernel, Outcome, Peer, Record};

/// Of the log, as its first line says: a reader that knows another leaves it alone.
pub const FORMAT: u32 = 1;
