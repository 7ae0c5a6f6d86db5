//! Connections for other people's programs: this crate as a library in a process that is not ours. It changes
//! nothing about that process, and the daemon judges it as what it is, by the rules about its program.
//!
//! What a library owes its host, beside that: it does not panic or exit, raises no `SIGPIPE`, and passes none of
//! its descriptors on by `exec`. A wait can be broken off ([`Interruption`]).
//!
//! After `fork` a connection is the parent's alone: a byte from the child ends it for both. The child drops what it
//! has of it, which says nothing to the daemon, and opens its own. Where the child has closed it already, and opened
//! something else by its number, that is left alone.

use std::fmt;
use std::ops::ControlFlow;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::time::Duration;

use crate::connection::Connection;
use crate::error::Error;
use crate::evented::Evented;
use crate::greeting::{Greeting, Host, reach};
use crate::shared_fd::SharedFd;
use crate::socket_path::SocketPath;
use crate::tap::Tap;
use crate::wait::Wait;

/// A program that is not ours, as it opens connections.
///
/// Values that it receives lie in a process that others of the same user may look into, unless it prevents that
/// itself (`PR_SET_DUMPABLE`, prctl(2); not before its connection is open, or it is refused as one that hides;
/// and a yes that was given to its process alone does not hold behind that).
#[derive(Debug, Clone, Copy)]
pub struct Guest<'a> {
    /// What it calls itself, at most 64 bytes of it: told to the daemon and its log, and believed by nobody.
    pub client: &'a str,
    /// Its version, likewise, at most 32 bytes.
    pub version: &'a str,
    /// For how long a person is waited for where no rule speaks.
    pub wait: Wait,
}

impl Guest<'_> {
    /// Opens a connection: by the handle that this process was started with (`GLASSDOME_FD`), if it was, and
    /// never in another way then; otherwise at the socket ([`SocketPath::find`]). Reads the environment.
    ///
    /// # Errors
    /// As [`Guest::connect`] and [`Guest::connect_by_handle`].
    pub fn open(&self) -> Result<Connection, Error> {
        match self.connect_by_handle()? {
            Some(connection) => Ok(connection),
            None => self.connect(&SocketPath::find()?.path),
        }
    }

    /// Opens a connection to the daemon at `socket`, within [`HANDSHAKE`](crate::HANDSHAKE); an answer may take
    /// [`limits::ANSWER`](glassdome_proto::limits::ANSWER).
    ///
    /// # Errors
    /// As [`Connection::open`].
    pub fn connect(&self, socket: &Path) -> Result<Connection, Error> {
        Connection::open_as(socket, self.wait, self.host())
    }

    /// Opens a connection by the handle that `GLASSDOME_FD` names; `None` if it is not set. It gives the values
    /// that the handle was made for; nobody is asked. Several connections can come out of one handle.
    ///
    /// # Errors
    /// [`Error::Usage`] for a handle that did not come along; [`Error::HandleEnded`]; as
    /// [`Connection::open`].
    pub fn connect_by_handle(&self) -> Result<Option<Connection>, Error> {
        Tap::given()?.map(|tap| Connection::through_as(tap, self.host())).transpose()
    }

    /// Begins to open a connection to the daemon at `socket`, for an event loop: nothing of it waits. `None` if there
    /// is no room in the socket's queue now: to be tried again soon, for [`HANDSHAKE`](crate::HANDSHAKE) at most.
    ///
    /// # Errors
    /// As [`Connection::open`].
    pub fn begin(&self, socket: &Path) -> Result<Option<Opening>, Error> {
        Ok(reach(socket, None, self.host())?.map(|accepted| self.opening(accepted, self.wait)))
    }

    /// As [`Guest::begin`], by the handle that `GLASSDOME_FD` names; `None` if it is not set.
    ///
    /// # Errors
    /// As [`Guest::connect_by_handle`].
    pub fn begin_by_handle(&self) -> Result<Option<Opening>, Error> {
        let Some(tap) = Tap::given()? else { return Ok(None) };
        Ok(Some(self.opening(tap.ask()?, Wait::NOT)))
    }

    fn opening(&self, accepted: OwnedFd, wait: Wait) -> Opening {
        let greeting = Some(Greeting::new(SharedFd::of(accepted, self.host())));
        Opening { greeting, client: self.client.to_owned(), version: self.version.to_owned(), wait }
    }

    fn host(&self) -> Host<'_> {
        Host::Other { client: self.client, version: self.version }
    }
}

/// A connection that is being opened without a wait.
pub struct Opening {
    /// Until the daemon has greeted.
    greeting: Option<Greeting>,
    client: String,
    version: String,
    wait: Wait,
}

impl Opening {
    /// Where the daemon's greeting is waited for; nowhere once it came.
    pub fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        self.greeting.as_ref().map(Greeting::as_fd)
    }

    /// Goes on when there is something to be read; gives the connection when the daemon has greeted.
    ///
    /// # Errors
    /// As [`Connection::open`]; [`Error::Unexpected`] once the connection was given.
    pub fn advance(&mut self) -> Result<Option<Evented>, Error> {
        let mut greeting = self.greeting.take().ok_or(Error::Unexpected)?;
        let Some(challenge) = greeting.advance()? else {
            self.greeting = Some(greeting);
            return Ok(None);
        };
        let host = Host::Other { client: &self.client, version: &self.version };
        Ok(Some(Evented::new(greeting.answer(challenge, host, self.wait)?, self.wait)))
    }
}

/// What breaks a wait off: a host's signals, its cancellations.
pub struct Interruption {
    /// How often it is asked while nothing happens; a wait of several hours costs a wake-up each time.
    pub every: Duration,
    /// Whether to go on waiting. Asked also when a signal interrupts poll(2) and when a person was told to be asked,
    /// and never on an exchange that does not wait.
    pub look: Box<dyn FnMut() -> ControlFlow<()> + Send>,
}

impl Interruption {
    /// Asks whether to go on.
    ///
    /// # Errors
    /// [`Error::BrokenOff`].
    pub(crate) fn heed(&mut self) -> Result<(), Error> {
        match (self.look)() {
            ControlFlow::Continue(()) => Ok(()),
            ControlFlow::Break(()) => Err(Error::BrokenOff),
        }
    }
}

impl fmt::Debug for Interruption {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Interruption").field("every", &self.every).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::time::Instant;

    use glassdome_proto::{Hello, Name, Range, decode};
    use rustix::process::{DumpableBehavior, dumpable_behavior};

    use super::*;
    use crate::connection_tests::{Daemon, id_of, listen};

    const GUEST: Guest<'_> = Guest { client: "a guest", version: "7", wait: Wait::NOT };

    /// In a process of its own, since other tests of this one open connections as our programs do.
    #[test]
    fn its_process_stays_as_it_is() {
        const INSIDE: &str = "GLASSDOME_TEST_OF_A_GUEST";
        if std::env::var_os(INSIDE).is_none() {
            let test = "guest::tests::its_process_stays_as_it_is";
            let own = std::env::current_exe().unwrap();
            let ran =
                std::process::Command::new(own).args(["--exact", test]).env(INSIDE, "1").output().unwrap();
            assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stdout));
            return;
        }
        let (_above, socket, daemon) = listen(|accepted| {
            let mut daemon = Daemon::challenge(accepted, Range::OURS);
            let frame = daemon.receive();
            let hello: Hello<'_> = decode(&frame).unwrap();
            assert_eq!((&*hello.client, &*hello.version, hello.wait_s), ("a guest", "7", 0));
            let id = id_of(&daemon.receive());
            daemon.value(id, 1, b"a");
        });
        let mut connection = GUEST.connect(&socket).unwrap();
        assert_eq!(*connection.get(Name::parse("a").unwrap(), None).unwrap().bytes, b"a");
        daemon.join().unwrap();
        assert_eq!(dumpable_behavior().unwrap(), DumpableBehavior::Dumpable);
    }

    #[test]
    fn a_wait_is_broken_off_and_not_before_it_is_asked_for() {
        let (_above, socket, daemon) = listen(|accepted| {
            let mut daemon = Daemon::greeted(accepted);
            let id = id_of(&daemon.receive());
            daemon.value(id, 1, b"a");
            daemon.receive();
            // Says nothing until the client goes.
            assert_eq!((&daemon.accepted).read(&mut [0; 1]).unwrap(), 0);
        });
        let looks = Arc::new(AtomicU32::new(0));
        let counted = looks.clone();
        let look = move || match counted.fetch_add(1, Ordering::Relaxed) {
            0..3 => ControlFlow::Continue(()),
            _ => ControlFlow::Break(()),
        };
        let mut connection = GUEST.connect(&socket).unwrap();
        connection
            .interrupt_by(Interruption { every: Duration::from_secs(60), look: Box::new(look.clone()) });
        connection.get(Name::parse("a").unwrap(), None).unwrap();
        assert_eq!(looks.load(Ordering::Relaxed), 0, "an answer that comes needs no look");
        connection.interrupt_by(Interruption { every: Duration::from_millis(10), look: Box::new(look) });
        let begin = Instant::now();
        assert!(matches!(connection.get(Name::parse("a").unwrap(), None), Err(Error::BrokenOff)));
        assert!(begin.elapsed() >= Duration::from_millis(40));
        assert_eq!(looks.load(Ordering::Relaxed), 4);
        drop(connection);
        daemon.join().unwrap();
    }

    #[test]
    fn a_daemon_that_hung_up_is_seen_before_anything_is_sent() {
        let (_above, socket, daemon) = listen(|accepted| {
            let mut daemon = Daemon::greeted(accepted);
            let id = id_of(&daemon.receive());
            daemon.value(id, 1, b"a");
        });
        let mut connection = GUEST.connect(&socket).unwrap();
        assert!(connection.is_open());
        connection.get(Name::parse("a").unwrap(), None).unwrap();
        daemon.join().unwrap();
        assert!(!connection.is_open());
    }

    #[test]
    fn all_states_are_told_one_after_the_other() {
        use crate::text::prompt::tests::unlocked;
        use glassdome_proto::{Answer, Outcome, session};
        let (_above, socket, daemon) = listen(|accepted| {
            let mut daemon = Daemon::greeted(accepted);
            let id = id_of(&daemon.receive());
            for left in [60, 30] {
                let answer = Answer::Session(session::Answer::Status(unlocked(left)));
                daemon.reply(id, Outcome::Ok(answer));
            }
        });
        let mut watching = GUEST.connect(&socket).unwrap().into_watching().unwrap();
        assert_eq!(watching.next().unwrap(), unlocked(60));
        assert_eq!(watching.next().unwrap(), unlocked(30));
        assert!(matches!(watching.next(), Err(Error::Closed)));
        daemon.join().unwrap();
    }
}
