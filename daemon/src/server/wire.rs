//! Frames over one end of a socket pair that nobody else ever held. Every read tells who sent the
//! bytes; every buffer that may have held a secret is wiped when the frame is done.

use std::cell::{Cell, RefCell};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::rc::Rc;

use glassdome_proto::{EncodeError, FrameError, HEADER_LEN, encode, encode_around, limits, wipe};
use glassdome_sys::{Creds, Received, recv, send_with_fd};
use rustix::net::{RecvFlags, SendFlags, Shutdown, send, shutdown};
use serde::Serialize;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout, timeout_at};
use zeroize::Zeroizing;

use super::inbox::Inbox;
use crate::attest::Unattested;

/// After so many reads in a row that leave nothing behind, other connections have their turn.
const READS: u8 = 16;

/// Why a connection ends.
#[derive(Debug, thiserror::Error)]
pub enum Ended {
    /// The peer closed it.
    #[error("the peer closed the connection")]
    Closed,
    /// A lock came while a value was being sent.
    #[error("a lock came while a value was being sent")]
    Locked,
    /// A frame that is none.
    #[error(transparent)]
    Frame(#[from] FrameError),
    /// A frame did not arrive, or a reply was not read, in time.
    #[error("the peer took too long to {0}")]
    TooSlow(&'static str),
    /// It is not, or no longer, the process that connected.
    #[error(transparent)]
    Unattested(#[from] Unattested),
    /// A reply does not fit a frame.
    #[error(transparent)]
    Encode(#[from] EncodeError),
    /// The system refused.
    #[error("the connection broke")]
    Io(#[from] io::Error),
}

/// Why a message was not sent that was to be filled.
#[derive(Debug)]
pub enum Unfilled<E> {
    /// It was not filled.
    Stopped(E),
    /// The connection ends.
    Ended(Ended),
}

/// Where every reply is encoded: one buffer for all connections, wiped after each frame.
#[derive(Debug, Clone)]
pub struct Outbox(Rc<RefCell<Zeroizing<Vec<u8>>>>);

impl Outbox {
    /// Room for the largest frame.
    pub fn new() -> Self {
        Self(Rc::new(RefCell::new(Zeroizing::new(vec![0; HEADER_LEN + limits::FRAME]))))
    }
}

/// One connection's stream of frames.
#[derive(Debug)]
pub struct Wire {
    socket: AsyncFd<OwnedFd>,
    outbox: Outbox,
    turn: Mutex<()>,
    /// Reads since the event loop last said that there is something.
    reads: Cell<u8>,
}

impl Wire {
    /// Frames over `socket`, which does not block, and has credentials switched on where somebody
    /// judges senders.
    ///
    /// # Errors
    /// When the event loop does not take it.
    pub fn new(socket: OwnedFd, outbox: Outbox) -> io::Result<Self> {
        Ok(Self {
            socket: watched(socket, Interest::READABLE)?,
            outbox,
            turn: Mutex::new(()),
            reads: Cell::new(0),
        })
    }

    /// The next frame's payload, in `inbox`. `judge` sees the sender of every read before a byte of
    /// it is used.
    ///
    /// # Errors
    /// [`Ended`]: the connection must be closed.
    pub async fn receive<'b>(
        &self,
        inbox: &'b mut Inbox,
        judge: impl Fn(Option<Creds>) -> Result<(), Unattested>,
    ) -> Result<&'b [u8], Ended> {
        inbox.drop_read();
        let mut deadline = None;
        let payload = loop {
            if let Some(payload) = inbox.frame()? {
                break payload;
            }
            if !inbox.is_empty() && deadline.is_none() {
                deadline = Some(Instant::now() + limits::PARTIAL_FRAME);
            }
            let (idles, reading) = (inbox.is_grown() && inbox.is_empty(), self.read(inbox));
            let Received { len, creds, .. } = match deadline {
                Some(at) => timeout_at(at, reading).await.map_err(|_| Ended::TooSlow("finish a frame"))??,
                None if idles => match timeout(limits::PARTIAL_FRAME, reading).await {
                    Ok(received) => received?,
                    Err(_) => {
                        inbox.give_back();
                        continue;
                    }
                },
                None => reading.await?,
            };
            if len == 0 {
                return Err(Ended::Closed);
            }
            judge(creds)?;
        };
        Ok(inbox.take(payload))
    }

    async fn read(&self, inbox: &mut Inbox) -> io::Result<Received> {
        loop {
            let mut ready = self.socket.readable().await?;
            let room = inbox.room();
            match recv(self.socket.as_fd(), room) {
                Ok(received) => {
                    // A short read leaves nothing behind, but a peer on the same core has asked again by the time that
                    // it is answered: to look is less than to be told by the event loop, which still has its turn.
                    let reads = self.reads.get() + 1;
                    let all = received.len < room.len() && reads >= READS;
                    self.reads.set(if all { 0 } else { reads.min(READS) });
                    if all {
                        ready.clear_ready();
                    }
                    inbox.filled(received.len);
                    return Ok(received);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.reads.set(0);
                    ready.clear_ready();
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Sends one message. Small ones leave at once; a peer that does not read is waited for, for
    /// [`limits::WRITE`].
    ///
    /// # Errors
    /// [`Ended`]: the connection is closed, since part of a frame may have left.
    pub async fn send<T: Serialize>(&self, message: &T) -> Result<(), Ended> {
        let _turn = self.turn.lock().await;
        let sent = self.send_whole(message).await;
        if sent.is_err() {
            self.close();
        }
        sent
    }

    /// Sends one message whose last member is bytes, which `fill` makes where they are sent from, `length` of them: in
    /// one step with the first of it leaving, when it is this connection's turn to send, and then `turn`.
    ///
    /// # Errors
    /// What `fill` says: then nothing has left. Or as [`Wire::send`].
    pub async fn send_filled<T: Serialize, G, E>(
        &self,
        message: &T,
        length: usize,
        turn: impl Future<Output = G>,
        fill: impl FnOnce(&mut [u8]) -> Result<(), E>,
    ) -> Result<(), Unfilled<E>> {
        let _own = self.turn.lock().await;
        let turn = turn.await;
        let begun = {
            let mut outbox = self.outbox.0.borrow_mut();
            let encoded = encode_around(message, length, &mut outbox);
            let encoded = encoded.map_err(|error| Unfilled::Ended(error.into()));
            encoded.and_then(|room| {
                let end = room.end;
                match fill(&mut outbox[room]) {
                    Ok(()) => Ok(self.send_at_once(&mut outbox[..end])),
                    Err(error) => {
                        wipe(&mut outbox[..end]);
                        Err(Unfilled::Stopped(error))
                    }
                }
            })
        }?;
        drop(turn);
        let sent = match begun {
            Ok(rest) => self.send_slowly(&rest).await,
            Err(ended) => Err(ended),
        };
        sent.inspect_err(|_| self.close()).map_err(Unfilled::Ended)
    }

    /// Sends one small message with a descriptor, at once or not at all.
    ///
    /// # Errors
    /// As [`Wire::send`].
    pub async fn send_with<T: Serialize>(
        &self,
        message: &T,
        descriptor: BorrowedFd<'_>,
    ) -> Result<(), Ended> {
        let _turn = self.turn.lock().await;
        let mut frame = [0; HEADER_LEN + 64];
        let len = encode(message, &mut frame)?;
        match send_with_fd(self.socket.as_fd(), &frame[..len], descriptor) {
            Ok(sent) if sent == len => Ok(()),
            sent => {
                self.close();
                Err(sent.map_or_else(Ended::Io, |_| Ended::TooSlow("read a reply")))
            }
        }
    }

    /// Ends the stream both ways: whoever waits to read or to write on it wakes up and fails.
    pub fn close(&self) {
        // It may be closed already.
        let _ = shutdown(&self.socket, Shutdown::Both);
    }

    async fn send_whole<T: Serialize>(&self, message: &T) -> Result<(), Ended> {
        let rest = {
            let mut outbox = self.outbox.0.borrow_mut();
            match encode(message, &mut outbox) {
                Ok(len) => self.send_at_once(&mut outbox[..len])?,
                Err(error) => {
                    // What was encoded until then may be secret.
                    wipe(&mut outbox);
                    return Err(error.into());
                }
            }
        };
        self.send_slowly(&rest).await
    }

    /// Sends what the socket has room for, wipes all of it, and gives the rest.
    fn send_at_once(&self, frame: &mut [u8]) -> Result<Zeroizing<Vec<u8>>, Ended> {
        let sent = match send(&self.socket, frame, SendFlags::NOSIGNAL) {
            Ok(sent) => Ok(sent),
            Err(rustix::io::Errno::AGAIN) => Ok(0),
            Err(error) => Err(io::Error::from(error).into()),
        };
        let rest = sent.map(|sent| Zeroizing::new(frame[sent..].to_vec()));
        wipe(frame);
        rest
    }

    async fn send_slowly(&self, rest: &[u8]) -> Result<(), Ended> {
        if rest.is_empty() {
            return Ok(());
        }
        // Hardly ever: not to be room that each connection keeps.
        let sending = Box::pin(timeout(limits::WRITE, self.send_rest(rest)));
        sending.await.map_err(|_| Ended::TooSlow("read a reply"))?
    }

    /// Watches the socket for room only now: room comes back whenever the peer has read a reply, and
    /// being woken for that each time would cost as much as the reply.
    async fn send_rest(&self, mut rest: &[u8]) -> Result<(), Ended> {
        let socket = watched(self.socket.get_ref().try_clone()?, Interest::WRITABLE)?;
        while !rest.is_empty() {
            let sent = socket
                .async_io(Interest::WRITABLE, |socket| Ok(send(socket, rest, SendFlags::NOSIGNAL)?))
                .await?;
            rest = &rest[sent..];
        }
        Ok(())
    }
}

/// Sends one message to a peer that is told no more, and closes.
///
/// # Errors
/// As [`Wire::send`].
pub async fn send_last<T: Serialize>(socket: OwnedFd, outbox: &Outbox, message: &T) -> Result<(), Ended> {
    Wire::new(socket, outbox.clone())?.send(message).await
}

/// Waits until the peer closes `socket`, or sends on it what nobody may send.
pub async fn closed(socket: impl AsFd + AsRawFd) {
    // One that cannot be watched is an end too.
    let Ok(socket) = watched(socket, Interest::READABLE) else { return };
    let mut byte = [0; 1];
    let look = |socket: &_| Ok(rustix::net::recv(socket, &mut byte, RecvFlags::PEEK | RecvFlags::DONTWAIT)?);
    // Bytes, the end and an error are all an end.
    let _ = socket.async_io(Interest::READABLE, look).await;
}

/// Tells the event loop to watch `socket`, for no more than what is waited for.
///
/// # Errors
/// When it does not take it.
#[expect(
    deprecated,
    reason = "sound for an OwnedFd, owned or shared, which stays the same descriptor for as long as it lives"
)]
pub fn watched<S: AsRawFd>(socket: S, interest: Interest) -> io::Result<AsyncFd<S>> {
    AsyncFd::with_interest(socket, interest)
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::os::unix::net::UnixStream;

    use super::*;
    use crate::server::inbox::tests::framed;

    /// Has `first` ask again whenever it was read, and says how many reads that were before `second` was read.
    fn reads_before_another(ask_again: bool) -> usize {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let pair = || {
                let (ours, theirs) = UnixStream::pair().unwrap();
                ours.set_nonblocking(true).unwrap();
                (Wire::new(ours.into(), Outbox::new()).unwrap(), theirs)
            };
            let ((first, mut asks), (second, mut waits)) = (pair(), pair());
            let frame = framed(b"request");
            asks.write_all(&frame).unwrap();
            waits.write_all(&frame).unwrap();
            let reads = Cell::new(0);
            let busy = async {
                let mut inbox = Inbox::new();
                while reads.get() < 10_000 {
                    first.receive(&mut inbox, |_| Ok(())).await.unwrap();
                    reads.set(reads.get() + 1);
                    if ask_again {
                        asks.write_all(&frame).unwrap();
                    }
                }
            };
            let mut inbox = Inbox::new();
            tokio::select! {
                biased;
                () = busy => {}
                received = second.receive(&mut inbox, |_| Ok(())) => assert_eq!(received.unwrap(), b"request"),
            }
            reads.get()
        })
    }

    #[test]
    fn who_asks_again_and_again_leaves_the_others_their_turn() {
        assert_eq!(reads_before_another(false), 1);
        let reads = reads_before_another(true);
        assert!((2..=usize::from(READS)).contains(&reads), "{reads}");
    }
}
