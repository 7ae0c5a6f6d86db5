//! Serves whoever the threads at the socket have taken in.

use std::cell::Cell;
use std::io;
use std::rc::Rc;
use std::sync::Arc;

use glassdome_proto::limits;
use tokio::sync::Semaphore;

use super::connection::{self, Shared};
use super::door::Door;
use super::handshake::{Serves, look};
use super::wire::Outbox;
use crate::server::Listener;
use crate::state::State;

/// Holders of taps whose identity is being read at one time.
const IDENTIFYING: usize = 64;

/// Accepts for as long as the daemon runs.
///
/// # Errors
/// When the socket itself is broken, or nobody can be put there.
pub async fn serve(state: Rc<State>, listener: &Listener) -> io::Result<()> {
    let serves = Serves { owner: state.owner(), stamp: state.stamp() };
    let shared = Rc::new(Shared {
        state,
        outbox: Outbox::new(),
        large: Arc::new(Semaphore::new(limits::LARGE_IN_TRANSIT)),
        in_flight: Cell::new(0),
        waiting: Rc::default(),
        streams: tokio::sync::Mutex::new(()),
        identifying: Arc::new(Semaphore::new(IDENTIFYING)),
    });
    let (_door, mut arrivals) =
        Door::open(listener.socket()?, move |accepted, challenge| look(accepted, serves, challenge))?;
    while let Some(arrived) = arrivals.recv().await {
        tokio::task::spawn_local(connection::run(shared.clone(), arrived));
    }
    Err(io::Error::other("the socket takes no connections any more"))
}
