//! Takes connections in, up to a limit; past it, each is told so, and a few places are kept for
//! short questions, so that status and lock answer whatever else goes on.

use std::cell::Cell;
use std::io;
use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use glassdome_proto::{Outcome, Reply, limits};
use rustix::io::Errno;
use rustix::net::{SocketFlags, accept_with};
use tokio::io::Interest;
use tokio::sync::Semaphore;

use super::connection::{self, Shared};
use super::wire::{Outbox, send_last, watched};
use crate::refuse;
use crate::server::Listener;
use crate::state::State;

/// Places past [`limits::CONNECTIONS`] for connections that may only ask what needs no permit, and
/// only for [`limits::HANDSHAKE`].
const SHORT: usize = 16;
/// When the system has no descriptor or memory left for one more.
const EXHAUSTED: Duration = Duration::from_millis(100);
/// Peers whose identity is being read at one time.
const IDENTIFYING: usize = 64;

/// Accepts for as long as the daemon runs.
///
/// # Errors
/// When the socket itself is broken.
pub async fn serve(state: Rc<State>, listener: &Listener) -> io::Result<()> {
    let socket = watched(OwnedFd::from(listener.socket()?), Interest::READABLE)?;
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let shared = Rc::new(Shared {
        state,
        outbox: Outbox::new(),
        large: Arc::new(Semaphore::new(limits::LARGE_IN_TRANSIT)),
        in_flight: Cell::new(0),
        waiting: Rc::default(),
        streams: tokio::sync::Mutex::new(()),
        identifying: Arc::new(Semaphore::new(IDENTIFYING)),
    });
    let count = Rc::new(Cell::new(0));
    loop {
        let accepting = socket.async_io(Interest::READABLE, |socket| Ok(accept_with(socket, flags)?));
        let accepted = match accepting.await {
            Ok(accepted) => accepted,
            Err(error) if exhausted(&error) => {
                tracing::warn!("no room for one more connection");
                tokio::time::sleep(EXHAUSTED).await;
                continue;
            }
            // The peer gave up before it was accepted, and such (accept(2)).
            Err(error) => {
                tracing::debug!("accept: {error}");
                continue;
            }
        };
        let seat = Seat::take(&count);
        match count.get() {
            n if n <= limits::CONNECTIONS => {
                tokio::task::spawn_local(connection::run(
                    shared.clone(),
                    accepted,
                    connection::Kind::Whole,
                    seat,
                ));
            }
            n if n <= limits::CONNECTIONS + SHORT => {
                tokio::task::spawn_local(connection::run(
                    shared.clone(),
                    accepted,
                    connection::Kind::Short,
                    seat,
                ));
            }
            _ => turn_away(accepted, &shared.outbox).await,
        }
    }
}

/// One connection's place in the count, given back when it is dropped.
pub struct Seat(Rc<Cell<usize>>);

impl Seat {
    fn take(count: &Rc<Cell<usize>>) -> Self {
        count.set(count.get() + 1);
        Self(count.clone())
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.0.set(self.0.get() - 1);
    }
}

fn exhausted(error: &io::Error) -> bool {
    let kinds = [Errno::MFILE, Errno::NFILE, Errno::NOBUFS, Errno::NOMEM];
    kinds.iter().any(|kind| error.raw_os_error() == Some(kind.raw_os_error()))
}

async fn turn_away(accepted: OwnedFd, outbox: &Outbox) {
    let refusal = refuse::throttled(
        format!("{} connections are open. Close some", limits::CONNECTIONS),
        Duration::from_secs(1),
    );
    let reply = Reply { id: 0, outcome: Outcome::Err(refusal) };
    // A fresh socket has room for one small frame; if not, closing says enough.
    let _ = send_last(accepted, outbox, &reply).await;
}
