//! How a connection begins: the daemon is reached, judged, and says its challenge; and what differs when it is
//! not a program of ours that begins it.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::time::Duration;

use glassdome_proto::{
    Challenge, HEADER_LEN, Hello, Outcome, Range, Reply, Text, decode, limits, payload_len,
};
use glassdome_sys::Stamp;
use rustix::io::Errno;
use rustix::net::sockopt::{Timeout, set_socket_timeout};
use rustix::net::{
    AddressFamily, RecvFlags, SocketAddrUnix, SocketFlags, SocketType, connect, recv, socket_with,
};

use crate::daemon_check::{Found, judge_peer, judge_place};
use crate::error::{Error, Side};
use crate::exchange::{Exchange, waited};
use crate::shared_fd::SharedFd;
use crate::wait::Wait;

/// In whose process a connection is opened.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Host<'a> {
    /// In a program of ours: it shows its stamp, gives it up, and closes itself to its neighbours.
    Ours,
    /// In another, which stays as it is, and is judged as what it is.
    Other {
        /// What it calls itself.
        client: &'a str,
        /// Its version, in its own words.
        version: &'a str,
    },
}

impl<'a> Host<'a> {
    fn stamp(self) -> Option<Stamp> {
        match self {
            Self::Ours => Stamp::taken(),
            Self::Other { .. } => None,
        }
    }

    /// The daemon has seen who this is, and nothing that follows needs the stamp.
    ///
    /// # Errors
    /// [`Error::Harden`].
    pub(crate) fn close_process(self) -> Result<(), Error> {
        match self {
            Self::Ours => {
                Stamp::taken().map_or(Ok(()), Stamp::give_up).map_err(Error::Harden)?;
                glassdome_sys::harden_process().map_err(Error::Harden)
            }
            Self::Other { .. } => Ok(()),
        }
    }

    /// What is said to the daemon's challenge.
    ///
    /// # Errors
    /// [`Error::Upgrade`].
    pub(crate) fn hello(self, challenge: &Challenge, wait: Wait) -> Result<Hello<'a>, Error> {
        let protocol = challenge.protocol.common(Range::OURS).ok_or(Error::Upgrade {
            side: if challenge.protocol.min > Range::OURS.max { Side::Client } else { Side::Daemon },
        })?;
        let (client, version) = match self {
            Self::Ours => (env!("CARGO_PKG_NAME"), env!("CARGO_PKG_VERSION")),
            Self::Other { client, version } => (client, version),
        };
        Ok(Hello {
            protocol,
            nonce: challenge.nonce,
            client: Text::cut(client),
            version: Text::cut(version),
            wait_s: wait.seconds(),
        })
    }
}

/// Connects to a socket that may be trusted, and judges who listens; waits for room in its queue as long as
/// `patience`, or not at all. `None` if there is no room. A stamped program of ours shows its stamp; it is given up
/// when a daemon has greeted.
///
/// # Errors
/// [`Error::NoDaemon`], [`Error::NotOurs`], [`Error::Connect`].
pub(crate) fn reach(
    path: &Path,
    patience: Option<Duration>,
    host: Host<'_>,
) -> Result<Option<OwnedFd>, Error> {
    let failed = |source: io::Error| Error::Connect { socket: path.to_owned(), source };
    let nobody = || Error::NoDaemon { socket: path.to_owned() };
    if judge_place(path).map_err(failed)?? == Found::Nothing {
        return Err(nobody());
    }
    let address = SocketAddrUnix::new(path).map_err(|error| failed(error.into()))?;
    let flags = match patience {
        Some(_) => SocketFlags::CLOEXEC,
        None => SocketFlags::CLOEXEC | SocketFlags::NONBLOCK,
    };
    let socket = socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)
        .map_err(|error| failed(error.into()))?;
    if patience.is_some() {
        set_socket_timeout(&socket, Timeout::Send, patience).map_err(|error| failed(error.into()))?;
    }
    // Interrupted while it waited for room, it did not connect: connect(2) of such a socket begins anew.
    let connecting = || rustix::io::retry_on_intr(|| connect(&socket, &address));
    let connected = match host.stamp() {
        Some(stamp) => stamp.worn(connecting).map_err(Error::Harden)?,
        None => connecting(),
    };
    match connected {
        Ok(()) => {}
        Err(Errno::NOENT | Errno::CONNREFUSED) => return Err(nobody()),
        Err(Errno::AGAIN) => return Ok(None),
        Err(error) => return Err(failed(error.into())),
    }
    judge_peer(socket.as_fd(), host.stamp()).map_err(Error::Exchange)??;
    Ok(Some(socket))
}

/// What is said before the first request, as far as it has come, without a wait.
pub(crate) struct Greeting {
    accepted: SharedFd,
    wire: Option<SharedFd>,
    /// The one frame that comes on the accepted socket: the challenge with a descriptor, or a refusal without.
    frame: [u8; HEADER_LEN + limits::MESSAGE + 64],
    have: usize,
}

impl Greeting {
    pub(crate) fn new(accepted: SharedFd) -> Self {
        Self { accepted, wire: None, frame: [0; HEADER_LEN + limits::MESSAGE + 64], have: 0 }
    }

    /// Receives what is there: the challenge and the descriptor for what follows, once they are whole.
    ///
    /// # Errors
    /// A refusal; [`Error::Closed`], [`Error::Unexpected`], or what failed underneath.
    pub(crate) fn advance(&mut self) -> Result<Option<(Challenge, SharedFd)>, Error> {
        let Some(len) = self.receive()? else { return Ok(None) };
        let payload = &self.frame[HEADER_LEN..HEADER_LEN + len];
        match self.wire.take() {
            Some(wire) => Ok(Some((decode(payload)?, wire))),
            None => match decode::<Reply<'_>>(payload)?.outcome {
                Outcome::Err(refusal) => Err(refusal.into()),
                Outcome::Ok(_) | Outcome::Asked { .. } => Err(Error::Unexpected),
            },
        }
    }

    /// Says Hello to the challenge: it waits to be sent with the first request, since both go out in one write.
    ///
    /// # Errors
    /// [`Error::Upgrade`], [`Error::Harden`].
    pub(crate) fn answer(
        self,
        (challenge, wire): (Challenge, SharedFd),
        host: Host<'_>,
        wait: Wait,
    ) -> Result<Exchange, Error> {
        host.close_process()?;
        let mut exchange = Exchange::new(self.accepted, wire);
        exchange.put(&host.hello(&challenge, wait)?)?;
        Ok(exchange)
    }

    /// The length of the frame's payload, once it is whole.
    fn receive(&mut self) -> Result<Option<usize>, Error> {
        let received = match self.have {
            0 => glassdome_sys::try_recv_with_fd(self.accepted.as_fd(), &mut self.frame),
            have => recv(self.accepted.as_fd(), &mut self.frame[have..], RecvFlags::DONTWAIT)
                .map(|(_, len)| (len, None))
                .map_err(Into::into),
        };
        match received {
            Ok((0, _)) => return Err(Error::Closed),
            Ok((len, wire)) => {
                self.have += len;
                self.wire = wire.map(|wire| self.accepted.beside(wire)).or(self.wire.take());
            }
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => {}
            Err(error) => return Err(waited(error)),
        }
        let Some((header, rest)) = self.frame[..self.have].split_first_chunk::<HEADER_LEN>() else {
            return Ok(None);
        };
        let len = payload_len(*header)?;
        match rest.len() {
            there if there >= len => Ok(Some(len)),
            _ if HEADER_LEN + len > self.frame.len() => Err(Error::Unexpected),
            _ => Ok(None),
        }
    }
}

impl AsFd for Greeting {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.accepted.as_fd()
    }
}
