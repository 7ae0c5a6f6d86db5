//! Joins a bus, the session's or the system's, and says how long to wait before the next try where that fails: a
//! bus that is missing, hangs or restarts in a loop costs next to nothing, and nobody waits for it.

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::net::UnixStream;
use tokio::time::timeout;
use zbus::address::transport::{Transport, UnixSocket};
use zbus::connection::Builder;
use zbus::{Address, Connection};

use super::no_descriptors;

/// What signals miss is seen after this long: not everybody sends them, and a login that lingers on is told of
/// by none.
pub const POLL: Duration = Duration::from_secs(5);
/// Who has not answered after this long counts as silent.
pub const ANSWER: Duration = Duration::from_secs(5);
/// Between two looks, however many signals come.
pub const SETTLE: Duration = Duration::from_millis(20);

/// The pause before the second try, and that before each from the sixth on.
const PAUSES: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(30));

/// Why there is no connection, or no more. Not in the bus's words: anybody may be at the other end.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The system cannot reach it, or it has ended.
    #[error("the bus cannot be reached ({0})")]
    Unreachable(#[source] Arc<io::Error>),
    /// It has hung up.
    #[error("the bus has ended the connection")]
    Ended,
    /// It does not answer.
    #[error("the bus does not answer")]
    Silent,
    /// It does not speak D-Bus as one expects it.
    #[error("what answers is no bus that we understand")]
    Garbled,
    /// It is of another user.
    #[error("the bus is another user's")]
    Foreign,
}

impl From<zbus::Error> for Error {
    fn from(error: zbus::Error) -> Self {
        match error {
            zbus::Error::InputOutput(error) if error.kind() == io::ErrorKind::TimedOut => Self::Silent,
            zbus::Error::InputOutput(error) | zbus::Error::Connection(error, _) => Self::Unreachable(error),
            _ => Self::Garbled,
        }
    }
}

/// The socket of a bus on this machine; a leading NUL says that it is in the abstract namespace.
///
/// `named` is an address as `DBUS_SESSION_BUS_ADDRESS` has it, a list: the first of it that is a Unix socket is taken, and
/// never one that would leave the machine. Without it, the bus is in the runtime directory, where
/// systemd puts it. See the D-Bus specification, "Server Addresses".
pub fn socket(named: Option<&str>, runtime_dir: Option<&Path>) -> Option<PathBuf> {
    let Some(named) = named else { return Some(runtime_dir?.join("bus")) };
    named.split(';').find_map(|one| match one.parse::<Address>().ok()?.transport() {
        Transport::Unix(unix) => match unix.path() {
            UnixSocket::File(path) => Some(path.clone()),
            UnixSocket::Abstract(name) => {
                let mut path = OsString::from("\0");
                path.push(name);
                Some(path.into())
            }
            _ => None,
        },
        _ => None,
    })
}

/// Where a bus is, and whose it must be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Its socket.
    pub socket: PathBuf,
    /// The user that it must be of, if not root's.
    pub owner: u32,
}

/// Joins it. It is given up if it says nothing for `patience`, and so is each call over it. No descriptor comes
/// over it.
///
/// # Errors
/// [`Error`], after `patience` at the latest.
pub async fn join(bus: &Place, patience: Duration) -> Result<Connection, Error> {
    let socket = no_descriptors::over(connect(bus).await?).map_err(unreachable)?;
    build(Builder::socket(socket), patience).await
}

/// As [`join`], but for answers with descriptors. Anybody on the bus can send some: not to be kept.
///
/// # Errors
/// As [`join`].
pub async fn join_for_descriptors(bus: &Place, patience: Duration) -> Result<Connection, Error> {
    let stream = connect(bus).await?.into_std().map_err(unreachable)?;
    build(Builder::unix_stream(stream), patience).await
}

async fn connect(bus: &Place) -> Result<UnixStream, Error> {
    let stream = UnixStream::connect(&bus.socket).await.map_err(unreachable)?;
    // Not asked of zbus, which would look up the user's groups, and with them load what no static program can.
    let uid = stream.peer_cred().map_err(unreachable)?.uid();
    if uid != bus.owner && uid != 0 {
        return Err(Error::Foreign);
    }
    Ok(stream)
}

async fn build(builder: Builder<'_>, patience: Duration) -> Result<Connection, Error> {
    let building = builder.method_timeout(patience).build();
    Ok(timeout(patience, building).await.map_err(|_| Error::Silent)??)
}

fn unreachable(error: io::Error) -> Error {
    Error::Unreachable(error.into())
}

/// How long to wait between tries.
#[derive(Debug)]
pub struct Retry(Duration);

impl Default for Retry {
    fn default() -> Self {
        Self(PAUSES.0)
    }
}

impl Retry {
    /// The pause after a try that came to nothing, or whose connection lasted for `lasted`.
    pub fn pause(&mut self, lasted: Duration) -> Duration {
        // What lasted longer than the longest pause is not a loop.
        let pause = if lasted > PAUSES.1 { PAUSES.0 } else { self.0 };
        self.0 = (pause * 2).min(PAUSES.1);
        pause
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_sockets_of_this_machine_are_taken() {
        let run = Some(Path::new("/run/user/7"));
        let found = |named| socket(named, run).map(|path| path.to_str().unwrap().to_owned());
        assert_eq!(found(None).as_deref(), Some("/run/user/7/bus"));
        assert_eq!(
            found(Some("unix:path=/tmp/x,guid=0123456789abcdef0123456789abcdef")).as_deref(),
            Some("/tmp/x")
        );
        assert_eq!(found(Some("tcp:host=h,port=1;unix:abstract=x")).as_deref(), Some("\0x"));
        for named in
            ["", "tcp:host=h,port=1", "unixexec:path=/bin/sh", "autolaunch:", "unix:dir=/tmp", "nonsense"]
        {
            assert_eq!(found(Some(named)), None, "{named}");
        }
        assert_eq!(socket(None, None), None);
    }

    #[test]
    fn a_bus_that_does_not_last_is_tried_ever_more_rarely() {
        let mut retry = Retry::default();
        let pauses: Vec<u64> = (0..7).map(|_| retry.pause(Duration::from_secs(3)).as_secs()).collect();
        assert_eq!(pauses, [1, 2, 4, 8, 16, 30, 30]);
        assert_eq!(retry.pause(Duration::from_secs(3600)).as_secs(), 1, "it had lasted");
        assert_eq!(retry.pause(Duration::ZERO).as_secs(), 2);
    }

    #[test]
    fn a_bus_that_is_missing_or_says_nothing_is_given_up() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let dir = tempfile::tempdir().unwrap();
        let (there, missing) = (dir.path().join("bus"), dir.path().join("no-bus"));
        let silent = std::os::unix::net::UnixListener::bind(&there).unwrap();
        let ours = rustix::process::geteuid().as_raw();
        let join = |socket: &Path, owner| {
            let place = Place { socket: socket.to_owned(), owner };
            runtime.block_on(async { join(&place, Duration::from_millis(100)).await })
        };
        assert!(matches!(join(&missing, ours), Err(Error::Unreachable(_))));
        assert!(matches!(join(&there, ours), Err(Error::Silent)));
        // Root's bus is taken: root could have the key anyway.
        let foreign = join(&there, ours + 1);
        assert_eq!(matches!(foreign, Err(Error::Foreign)), ours != 0);
        drop(silent);
    }
}
