//! The threads at the socket. Each takes a connection in, reads who is at its other end, and sends the challenge:
//! opening a process's files can wait for that process, and so never happens on the event loop.
//!
//! A look that hangs keeps its thread, and whoever connects next meets another one, up to [`THREADS`] of them. The
//! event loop gets what is known of the peer, and need not wake up before.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixListener;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use glassdome_proto::{HEADER_LEN, Outcome, Reply, encode, limits};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use rustix::net::{SendFlags, Shutdown, SocketFlags, accept_with, send, shutdown};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::connection::Kind;
use super::handshake::{Challenge, Looked};
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

/// The socket with its threads, which end when this is dropped.
pub struct Door(Arc<Inside>);

/// Reads who is at the other end of a socket, and sends the challenge.
type Look = dyn Fn(BorrowedFd<'_>, Result<Challenge, Ended>) -> Looked + Send + Sync;

struct Inside {
    socket: UnixListener,
    look: Box<Look>,
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
    pub fn open(
        socket: UnixListener,
        look: impl Fn(BorrowedFd<'_>, Result<Challenge, Ended>) -> Looked + Send + Sync + 'static,
    ) -> io::Result<(Self, UnboundedReceiver<Arrived>)> {
        // Only the threads have it: where all have ended, nobody waits for more.
        let (arrived, arrivals) = unbounded_channel();
        let (seats, waiting, threads) = Default::default();
        let door = Self(Arc::new(Inside { socket, look: Box::new(look), seats, waiting, threads }));
        for _ in 0..WAITING {
            door.0.one_more(&arrived)?;
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
    /// Starts one more thread.
    fn one_more(self: &Arc<Self>, arrived: &UnboundedSender<Arrived>) -> io::Result<()> {
        let room = |threads: usize| (threads < THREADS).then_some(threads + 1);
        if self.threads.fetch_update(Ordering::SeqCst, Ordering::SeqCst, room).is_err() {
            return Err(io::Error::other(format!("{THREADS} looks are under way")));
        }
        let (inside, arrived) = (self.clone(), arrived.clone());
        let thread = thread::Builder::new().name("door".into()).stack_size(STACK);
        let started = thread.spawn(move || {
            inside.stand(&arrived);
            inside.threads.fetch_sub(1, Ordering::SeqCst);
        });
        if started.is_err() {
            self.threads.fetch_sub(1, Ordering::SeqCst);
        }
        started.map(drop)
    }

    /// Takes in one connection after the other, until enough others wait for one, or the door is shut.
    fn stand(self: &Arc<Self>, arrived: &UnboundedSender<Arrived>) {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let mut is_exhausted = false;
        while self.waits() {
            // Before it waits, so that whoever connects need not.
            let challenge = Challenge::new();
            let accepted = accept_with(&self.socket, flags);
            let others = self.waiting.fetch_sub(1, Ordering::SeqCst) - 1;
            match accepted {
                Ok(accepted) => {
                    is_exhausted = false;
                    // Before the look, which may hang.
                    if others == 0
                        && let Err(error) = self.one_more(arrived)
                    {
                        tracing::warn!("nobody else waits for a connection meanwhile: {error}");
                    }
                    // What a panic leaves undone is this connection.
                    let _ = catch_unwind(AssertUnwindSafe(|| self.take_in(accepted, challenge, arrived)));
                }
                // Shut (unix(7): no more is received there).
                Err(Errno::INVAL) => return,
                // The peer gave up before it was accepted, and such (accept(2)).
                Err(error @ (Errno::CONNABORTED | Errno::INTR)) => tracing::debug!("accept: {error}"),
                Err(error) => {
                    if !is_exhausted {
                        tracing::warn!("no room for one more connection: {error}");
                    }
                    is_exhausted = true;
                    drop(challenge);
                    thread::sleep(EXHAUSTED);
                    // accept(2) takes its descriptor before it waits: without one it fails also where nobody is.
                    let _ = poll(&mut [PollFd::new(&self.socket, PollFlags::IN)], None);
                }
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

    fn take_in(
        &self,
        accepted: OwnedFd,
        challenge: Result<Challenge, Ended>,
        arrived: &UnboundedSender<Arrived>,
    ) {
        let seat = Seat::take(&self.seats);
        let kind = match seat.number {
            n if n <= limits::CONNECTIONS => Kind::Whole,
            n if n <= limits::CONNECTIONS + SHORT => Kind::Short,
            _ => return turn_away(&accepted),
        };
        // There may be room for it by now.
        let challenge = challenge.or_else(|_| Challenge::new());
        let looked = (self.look)(accepted.as_fd(), challenge);
        // Nobody is there to serve it any more: it is closed.
        let _ = arrived.send(Arrived { accepted, kind, seat, looked });
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
    let mut frame = [0; HEADER_LEN + 256];
    if let Ok(len) = encode(&Reply { id: 0, outcome: Outcome::Err(refuse::no_place()) }, &mut frame) {
        let _ = send(accepted, &frame[..len], SendFlags::NOSIGNAL | SendFlags::DONTWAIT);
    }
}

#[cfg(test)]
mod tests {
    use super::super::handshake::{Serves, look};
    use super::*;
    use std::io::Read;
    use std::os::unix::net::UnixStream;
    use std::sync::mpsc;
    use std::time::Instant;

    struct Place {
        _directory: tempfile::TempDir,
        path: std::path::PathBuf,
        door: Option<Door>,
        arrivals: UnboundedReceiver<Arrived>,
    }

    fn place() -> Place {
        let serves = Serves { owner: rustix::process::getuid().as_raw(), stamp: None };
        place_with(move |accepted, challenge| look(accepted, serves, challenge))
    }

    fn place_with(
        look: impl Fn(BorrowedFd<'_>, Result<Challenge, Ended>) -> Looked + Send + Sync + 'static,
    ) -> Place {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("socket");
        let socket = UnixListener::bind(&path).unwrap();
        let (door, arrivals) = Door::open(socket, look).unwrap();
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
    fn looks_that_hang_hold_up_nobody_else_until_there_are_too_many() {
        let (hang, hung) = mpsc::channel::<()>();
        let hung = std::sync::Mutex::new(hung);
        let looks = Arc::new(AtomicUsize::new(0));
        let (counted, hanging) = (looks.clone(), 10);
        let mut place = place_with(move |_, _| {
            if counted.fetch_add(1, Ordering::SeqCst) < hanging {
                // Until its end is gone.
                let _ = hung.lock().unwrap_or_else(std::sync::PoisonError::into_inner).recv();
            }
            Err(crate::attest::Unattested::NoCredentials)
        });
        let _hang: Vec<UnixStream> = (0..hanging).map(|_| place.connect()).collect();
        wait_until(|| looks.load(Ordering::SeqCst) == hanging);
        assert!(place.arrivals.try_recv().is_err(), "control: they hang");
        let _next = place.connect();
        assert!(place.arrivals.blocking_recv().is_some());
        drop(hang);
        for _ in 0..hanging {
            assert!(place.arrivals.blocking_recv().is_some());
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
        assert!(place.arrivals.blocking_recv().is_none(), "whoever serves is told");
    }
}
