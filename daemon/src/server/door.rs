//! The threads at the socket. Each takes a connection in, reads who is at its other end, and sends the challenge:
//! opening a process's files can wait for that process, and so never happens on the event loop.
//!
//! A look that hangs keeps its thread, and whoever connects next meets another one, up to [`THREADS`] of them. The
//! event loop gets what is known of the peer, and need not wake up before.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixListener;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use glassdome_proto::{HEADER_LEN, Outcome, Reply, encode, limits};
use rustix::io::Errno;
use rustix::net::{SendFlags, Shutdown, SocketFlags, accept_with, send, shutdown};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::connection::Kind;
use super::handshake::{Challenge, Looked, look};
use super::wire::Ended;
use crate::refuse;

/// Places past [`limits::CONNECTIONS`] for connections that may only ask what needs no permit, and
/// only for [`limits::HANDSHAKE`].
const SHORT: usize = 16;
/// When the system has no descriptor or memory left for one more.
const EXHAUSTED: Duration = Duration::from_millis(100);
/// Peers whose identity is being read at one time.
const THREADS: usize = 64;
/// Threads that wait for a connection.
const WAITING: usize = 2;
/// Bytes of stack: a look needs a few pages.
const STACK: usize = 256 * 1024;

/// A connection that was taken in.
pub struct Arrived {
    /// The socket it came by.
    pub accepted: OwnedFd,
    /// What it may ask.
    pub kind: Kind,
    /// Its place in the count.
    pub seat: Seat,
    /// Who is at its other end.
    pub looked: Looked,
}

/// Whom a daemon serves.
#[derive(Debug, Clone, Copy)]
pub struct Serves {
    /// The user.
    pub owner: u32,
    /// The group of the installed programs.
    pub stamp: Option<u32>,
}

/// The socket with its threads, which end when this is dropped.
pub struct Door(Arc<Inside>);

struct Inside {
    socket: UnixListener,
    serves: Serves,
    arrived: UnboundedSender<Arrived>,
    /// Connections that have a place.
    seats: Arc<AtomicUsize>,
    /// Threads that wait for a connection.
    waiting: AtomicUsize,
    /// All threads.
    threads: AtomicUsize,
}

impl Door {
    /// Takes connections in from now on. `socket` listens, and blocks.
    ///
    /// # Errors
    /// When no thread can be started.
    pub fn open(socket: UnixListener, serves: Serves) -> io::Result<(Self, UnboundedReceiver<Arrived>)> {
        let (arrived, arrivals) = unbounded_channel();
        let (seats, waiting, threads) = Default::default();
        let inside = Arc::new(Inside { socket, serves, arrived, seats, waiting, threads });
        let door = Self(inside);
        for _ in 0..WAITING {
            door.0.one_more()?;
        }
        Ok((door, arrivals))
    }
}

impl Drop for Door {
    fn drop(&mut self) {
        // Whoever waits in accept(2) wakes up and finds it shut.
        let _ = shutdown(&self.0.socket, Shutdown::Both);
    }
}

impl Inside {
    /// Starts one more thread, if there may be one.
    fn one_more(self: &Arc<Self>) -> io::Result<()> {
        let room = |threads: usize| (threads < THREADS).then_some(threads + 1);
        if self.threads.fetch_update(Ordering::SeqCst, Ordering::SeqCst, room).is_err() {
            return Ok(());
        }
        let inside = self.clone();
        let thread = thread::Builder::new().name("door".into()).stack_size(STACK);
        let started = thread.spawn(move || {
            inside.stand();
            inside.threads.fetch_sub(1, Ordering::SeqCst);
        });
        if started.is_err() {
            self.threads.fetch_sub(1, Ordering::SeqCst);
        }
        started.map(drop)
    }

    /// Takes in one connection after the other, until enough others wait for one, or the door is shut.
    fn stand(self: &Arc<Self>) {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        while self.waits() {
            // Before it waits, so that whoever connects need not.
            let challenge = Challenge::new();
            let accepted = accept_with(&self.socket, flags);
            let others = self.waiting.fetch_sub(1, Ordering::SeqCst) - 1;
            match accepted {
                Ok(accepted) => {
                    // Before the look, which may hang.
                    if others == 0
                        && let Err(error) = self.one_more()
                    {
                        tracing::warn!("nobody else waits for a connection meanwhile: {error}");
                    }
                    // What a panic leaves undone is this connection.
                    let _ = catch_unwind(AssertUnwindSafe(|| self.take_in(accepted, challenge)));
                }
                // Shut (unix(7): no more is received there).
                Err(Errno::INVAL) => return,
                Err(Errno::MFILE | Errno::NFILE | Errno::NOBUFS | Errno::NOMEM) => {
                    tracing::warn!("no room for one more connection");
                    thread::sleep(EXHAUSTED);
                }
                // The peer gave up before it was accepted, and such (accept(2)).
                Err(error) => tracing::debug!("accept: {error}"),
            }
        }
    }

    /// Counts this thread among those that wait, unless there are enough. It never is the last one to leave: whoever
    /// took a connection in while it was counted has relied on it.
    fn waits(&self) -> bool {
        loop {
            if self.waiting.fetch_add(1, Ordering::SeqCst) < WAITING {
                return true;
            }
            if self.waiting.fetch_sub(1, Ordering::SeqCst) > 1 {
                return false;
            }
        }
    }

    fn take_in(&self, accepted: OwnedFd, challenge: Result<Challenge, Ended>) {
        let seat = Seat::take(&self.seats);
        let kind = match seat.number {
            n if n <= limits::CONNECTIONS => Kind::Whole,
            n if n <= limits::CONNECTIONS + SHORT => Kind::Short,
            _ => return turn_away(&accepted),
        };
        // There may be room for it by now.
        let challenge = challenge.or_else(|_| Challenge::new());
        let looked = look(accepted.as_fd(), self.serves, challenge);
        // Nobody is there to serve it any more: it is closed.
        let _ = self.arrived.send(Arrived { accepted, kind, seat, looked });
    }
}

/// One connection's place in the count, given back when it is dropped.
pub struct Seat {
    seats: Arc<AtomicUsize>,
    /// How many there were with it.
    number: usize,
}

impl Seat {
    fn take(seats: &Arc<AtomicUsize>) -> Self {
        Self { seats: seats.clone(), number: seats.fetch_add(1, Ordering::SeqCst) + 1 }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.seats.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Says that there is no place. A fresh socket has room for one small frame; if not, closing says enough.
fn turn_away(accepted: &OwnedFd) {
    let message = format!("{} connections are open. Close some", limits::CONNECTIONS);
    let refusal = refuse::throttled(message, Duration::from_secs(1));
    let mut frame = [0; HEADER_LEN + 256];
    if let Ok(len) = encode(&Reply { id: 0, outcome: Outcome::Err(refusal) }, &mut frame) {
        let _ = send(accepted, &frame[..len], SendFlags::NOSIGNAL | SendFlags::DONTWAIT);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;
    use std::os::unix::net::UnixStream;
    use std::time::Instant;

    struct Place {
        _directory: tempfile::TempDir,
        path: std::path::PathBuf,
        door: Option<Door>,
        arrivals: UnboundedReceiver<Arrived>,
    }

    fn place() -> Place {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("socket");
        let socket = UnixListener::bind(&path).unwrap();
        let serves = Serves { owner: rustix::process::getuid().as_raw(), stamp: None };
        let (door, arrivals) = Door::open(socket, serves).unwrap();
        Place { _directory: directory, path, door: Some(door), arrivals }
    }

    impl Place {
        fn connect(&self) -> UnixStream {
            UnixStream::connect(&self.path).unwrap()
        }

        fn inside(&self) -> &Inside {
            &self.door.as_ref().unwrap().0
        }
    }

    fn wait_until(mut true_now: impl FnMut() -> bool) {
        let end = Instant::now() + Duration::from_secs(20);
        while !true_now() {
            assert!(Instant::now() < end, "not in time");
            thread::yield_now();
        }
    }

    #[test]
    fn whoever_connects_is_looked_at_and_challenged() {
        let mut place = place();
        let mut peer = place.connect();
        let arrived = place.arrivals.blocking_recv().unwrap();
        assert!(arrived.kind == Kind::Whole && arrived.looked.is_ok());
        let mut frame = [0; 64];
        let len = peer.read(&mut frame).unwrap();
        glassdome_proto::decode::<glassdome_proto::Challenge>(&frame[HEADER_LEN..len]).unwrap();
        drop(arrived);
        assert_eq!(place.inside().seats.load(Ordering::SeqCst), 0, "its place is free");
    }

    #[test]
    fn a_place_is_counted_until_it_is_left_and_beyond_them_nobody_is_looked_at() {
        let mut place = place();
        let taken: Vec<Seat> = (0..limits::CONNECTIONS).map(|_| Seat::take(&place.inside().seats)).collect();
        let _first = place.connect();
        let short = place.arrivals.blocking_recv().unwrap();
        assert_eq!(short.kind, Kind::Short);
        let more: Vec<Seat> = (1..SHORT).map(|_| Seat::take(&place.inside().seats)).collect();
        let mut said = Vec::new();
        place.connect().read_to_end(&mut said).unwrap();
        assert!(String::from_utf8_lossy(&said).contains("connections are open. Close some"), "{said:?}");
        drop((taken, more, short));
        let _again = place.connect();
        assert_eq!(place.arrivals.blocking_recv().unwrap().kind, Kind::Whole);
    }

    #[test]
    fn while_some_look_others_wait_and_no_more_than_needed() {
        let mut place = place();
        let burst: Vec<UnixStream> = (0..40).map(|_| place.connect()).collect();
        for _ in &burst {
            place.arrivals.blocking_recv().unwrap();
        }
        let inside = place.inside();
        wait_until(|| inside.threads.load(Ordering::SeqCst) == WAITING);
        wait_until(|| inside.waiting.load(Ordering::SeqCst) == WAITING);
    }

    #[test]
    fn a_door_that_is_shut_lets_nobody_in_and_keeps_no_thread() {
        let mut place = place();
        let inside = place.door.as_ref().unwrap().0.clone();
        place.door = None;
        wait_until(|| inside.threads.load(Ordering::SeqCst) == 0);
        assert!(UnixStream::connect(&place.path).is_err());
        assert!(place.arrivals.try_recv().is_err());
    }
}
