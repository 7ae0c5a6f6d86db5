//! One end of a connection, without a wait: messages are put in and taken out, and what the socket takes or has of
//! them goes through at once. Who waits, and how, is for others: [`Connection`](crate::Connection) in poll(2),
//! [`Evented`](crate::Evented) in its host's event loop.
//!
//! A frame lives in a buffer that is wiped before the next one and on drop.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use glassdome_proto::{Body, HEADER_LEN, Reply, Request, decode, encode, payload_len};
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, recv, send};

use crate::error::Error;
use crate::shared_fd::SharedFd;
use crate::wire_buffer::WireBuffer;

/// The descriptors of a connection, and what is on its way.
pub(crate) struct Exchange {
    wire: SharedFd,
    /// Where the daemon sees this client go; nothing is ever sent on it.
    accepted: SharedFd,
    inbox: WireBuffer,
    outbox: WireBuffer,
    last_id: u32,
    /// Whether a descriptor comes with the next answer.
    expects_descriptor: bool,
    descriptor: Option<OwnedFd>,
}

impl Exchange {
    pub(crate) fn new(accepted: SharedFd, wire: SharedFd) -> Self {
        Self {
            wire,
            accepted,
            inbox: WireBuffer::new(),
            outbox: WireBuffer::new(),
            last_id: 0,
            expects_descriptor: false,
            descriptor: None,
        }
    }

    /// Where it is waited for.
    pub(crate) fn wire(&self) -> BorrowedFd<'_> {
        self.wire.as_fd()
    }

    pub(crate) fn accepted(&self) -> BorrowedFd<'_> {
        self.accepted.as_fd()
    }

    // Out.

    /// Another id for a request. Zero is nobody's.
    pub(crate) fn next_id(&mut self) -> u32 {
        self.last_id = self.last_id.checked_add(1).unwrap_or(1);
        self.last_id
    }

    /// Puts a message of the request `id` behind what waits to be sent.
    ///
    /// # Errors
    /// As [`Exchange::put`].
    pub(crate) fn put_request(&mut self, id: u32, body: Body<'_>) -> Result<(), Error> {
        self.put(&Request { id, body })
    }

    /// Puts a message behind what waits to be sent.
    ///
    /// # Errors
    /// [`Error::Encode`] for one that fits no frame, or for which the others left no room.
    pub(crate) fn put<T: serde::Serialize>(&mut self, message: &T) -> Result<(), Error> {
        loop {
            match encode(message, self.outbox.room()) {
                Ok(len) => {
                    self.outbox.advance(len);
                    return Ok(());
                }
                Err(_) if self.outbox.grow() => {}
                Err(error) => {
                    self.outbox.spoil();
                    return Err(error.into());
                }
            }
        }
    }

    /// How many bytes wait to be sent.
    pub(crate) fn unsent(&self) -> usize {
        self.outbox.filled().len()
    }

    /// Sends what the socket has room for; whether all is gone.
    ///
    /// # Errors
    /// [`Error::Closed`], or what failed underneath; what was to be sent is forgotten.
    pub(crate) fn send_some(&mut self) -> Result<bool, Error> {
        while !self.outbox.filled().is_empty() {
            match send(self.wire(), self.outbox.filled(), SendFlags::NOSIGNAL | SendFlags::DONTWAIT) {
                Ok(sent) => {
                    self.outbox.take(sent);
                }
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => return Ok(false),
                Err(error) => {
                    self.outbox.wipe();
                    return Err(exchange(error));
                }
            }
        }
        self.outbox.wipe();
        Ok(true)
    }

    // In.

    /// Wipes what was taken, and makes room for a whole frame behind the rest.
    pub(crate) fn settle(&mut self) {
        if self.inbox.filled().is_empty() {
            self.inbox.wipe();
        } else {
            self.inbox.compact();
        }
    }

    /// Wipes what was received.
    pub(crate) fn forget(&mut self) {
        self.inbox.wipe();
    }

    /// The length of the payload of the frame that stands first, if it is whole.
    ///
    /// # Errors
    /// [`Error::Frame`].
    pub(crate) fn frame(&mut self) -> Result<Option<usize>, Error> {
        let Some((header, rest)) = self.inbox.filled().split_first_chunk::<HEADER_LEN>() else {
            return Ok(None);
        };
        let len = payload_len(*header)?;
        if rest.len() >= len {
            return Ok(Some(len));
        }
        if !self.inbox.holds(HEADER_LEN + len) {
            self.inbox.grow();
        }
        Ok(None)
    }

    /// Receives what is there; whether there was something. There must be room: see [`Exchange::settle`].
    ///
    /// # Errors
    /// [`Error::Closed`] at the end, or what failed underneath.
    pub(crate) fn receive_some(&mut self) -> Result<bool, Error> {
        match self.receive() {
            Ok(0) => Err(Error::Closed),
            Ok(len) => {
                self.inbox.advance(len);
                Ok(true)
            }
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => {
                Ok(false)
            }
            Err(error) => Err(waited(error)),
        }
    }

    fn receive(&mut self) -> io::Result<usize> {
        if !self.expects_descriptor {
            return Ok(recv(self.wire.as_fd(), self.inbox.room(), RecvFlags::DONTWAIT)?.1);
        }
        let (len, descriptor) = glassdome_sys::try_recv_with_fd(self.wire.as_fd(), self.inbox.room())?;
        self.descriptor = descriptor.or(self.descriptor.take());
        Ok(len)
    }

    /// The reply in the frame that stands first, with a payload of `len` bytes; it stays there.
    ///
    /// # Errors
    /// [`Error::Decode`].
    pub(crate) fn look(&self, len: usize) -> Result<Reply<'_>, Error> {
        Ok(decode(&self.inbox.filled()[HEADER_LEN..HEADER_LEN + len])?)
    }

    /// As [`Exchange::look`], and takes it out: it is readable until the next change.
    ///
    /// # Errors
    /// [`Error::Decode`].
    pub(crate) fn take(&mut self, len: usize) -> Result<Reply<'_>, Error> {
        Ok(decode(&self.inbox.take(HEADER_LEN + len)[HEADER_LEN..])?)
    }

    /// Passes over the frame that stands first.
    pub(crate) fn pass_over(&mut self, len: usize) {
        self.inbox.take(HEADER_LEN + len);
    }

    /// Whether a reply is there already, or something of it.
    ///
    /// # Errors
    /// What failed underneath.
    pub(crate) fn has_input(&self) -> Result<bool, Error> {
        if !self.inbox.filled().is_empty() {
            return Ok(true);
        }
        match self.peek() {
            Ok(len) => Ok(len > 0),
            Err(Errno::AGAIN | Errno::INTR) => Ok(false),
            Err(error) => Err(exchange(error)),
        }
    }

    /// Whether the daemon has not hung up, as far as is known here.
    pub(crate) fn is_open(&self) -> bool {
        match self.peek() {
            Ok(len) => len > 0,
            Err(error) => matches!(error, Errno::AGAIN | Errno::INTR),
        }
    }

    fn peek(&self) -> Result<usize, Errno> {
        Ok(recv(self.wire(), &mut [0u8; 1][..], RecvFlags::PEEK | RecvFlags::DONTWAIT)?.1)
    }

    /// A descriptor comes with the next answer.
    pub(crate) fn expect_descriptor(&mut self) {
        self.expects_descriptor = true;
    }

    /// The descriptor that came.
    pub(crate) fn take_descriptor(&mut self) -> Option<OwnedFd> {
        self.expects_descriptor = false;
        self.descriptor.take()
    }
}

pub(crate) fn exchange(error: Errno) -> Error {
    waited(error.into())
}

pub(crate) fn waited(error: io::Error) -> Error {
    match error.kind() {
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => Error::TimedOut,
        io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset => Error::Closed,
        _ => Error::Exchange(error),
    }
}
