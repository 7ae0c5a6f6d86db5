//! The programs that do as little as can be done, and the servers among them.

use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::error::Error;

/// Bytes of a question and of an answer, as a `get` of a small value has them.
pub(crate) const ASKED: usize = 64;
/// See [`ASKED`].
pub(crate) const ANSWERED: usize = 128;

/// Where they lie: beside this program.
pub(crate) struct Floors {
    /// Starts and ends.
    pub(crate) nothing: PathBuf,
    /// Connects, asks, prints.
    pub(crate) ask: PathBuf,
    echo: PathBuf,
}

/// A server that answers 64 bytes with 128. Ends with this.
pub(crate) struct Echo(Child);

impl Floors {
    /// Finds them.
    pub(crate) fn find() -> Result<Self, Error> {
        let place = crate::home::floors();
        let find = |name| {
            let path = place.join(name);
            if path.is_file() { Ok(path) } else { Err(Error::NotBuilt(path)) }
        };
        Ok(Self { nothing: find("floor_nothing")?, ask: find("floor_ask")?, echo: find("floor_echo")? })
    }

    /// The least that a server can be: blocking, over one end of a socket pair. Gives the other.
    pub(crate) fn pair(&self) -> Result<(Echo, UnixStream), Error> {
        let (ours, theirs) = UnixStream::pair().map_err(Error::system("make a socket pair"))?;
        let mut command = Command::new(&self.echo);
        command.arg("pair").stdin(Stdio::from(OwnedFd::from(theirs)));
        Ok((Echo(start(command)?), ours))
    }

    /// Accepts, answers, closes, one after the other.
    pub(crate) fn accepting(&self, socket: &Path) -> Result<Echo, Error> {
        self.listening("accept", socket)
    }

    /// Serves many connections with epoll.
    pub(crate) fn epoll(&self, socket: &Path) -> Result<Echo, Error> {
        self.listening("epoll", socket)
    }

    fn listening(&self, kind: &str, socket: &Path) -> Result<Echo, Error> {
        // One that was there before has ended.
        let _ = std::fs::remove_file(socket);
        let mut command = Command::new(&self.echo);
        command.arg(kind).arg(socket).stdin(Stdio::null());
        let echo = Echo(start(command)?);
        let until = Instant::now() + Duration::from_secs(5);
        // The first one is answered by nobody's question: it only finds out.
        while let Err(error) = UnixStream::connect(socket) {
            if Instant::now() > until {
                return Err(Error::system("reach the echo server")(error));
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        Ok(echo)
    }
}

impl Echo {
    /// Its process id.
    pub(crate) fn pid(&self) -> u32 {
        self.0.id()
    }
}

impl Drop for Echo {
    fn drop(&mut self) {
        // It has ended already if its socket pair was closed.
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

fn start(mut command: Command) -> Result<Child, Error> {
    command.env_clear().spawn().map_err(Error::system("start the echo server"))
}
