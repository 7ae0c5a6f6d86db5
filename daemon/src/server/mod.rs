//! The socket and what comes in by it: accepting, the handshake, frames, limits. A slow, hostile or
//! waiting peer costs its own connection and nobody else's.

mod accept;
mod connection;
mod door;
mod handshake;
mod inbox;
mod listen;
mod places;
mod sending;
mod streaming;
mod tap;
mod unserved;
mod waiting;
mod watching;
mod wire;

pub use accept::serve;
pub use listen::{Listener, Unbindable};
pub use wire::watched;
