//! The audit record: who got what, when and by which right, as one JSON line. Pure: it neither
//! opens files nor reads clocks, so that whoever has only the log can read it with this crate.
//!
//! A record never holds a value, a password or a key. Names of secrets stand in it in plain. What
//! the kernel says of a peer (`peer.kernel`) and what the peer says of itself (`peer.claims`) are
//! kept apart in every line.
#![forbid(unsafe_code)]

mod line;
mod record;

pub use line::{LineError, WrittenPeer, read, time, write, write_by};
pub use record::{Claims, Event, Exe, Judged, Kernel, Outcome, Peer, Record};
