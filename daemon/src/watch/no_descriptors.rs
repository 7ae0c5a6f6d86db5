//! A socket to a bus over which no descriptor comes: anybody on a bus can send us one, and one that lingers on
//! close would hold up whoever receives it. The bus is told so, and keeps such messages back; and from whoever
//! is at the other end, the kernel does (Linux 6.16). Nor is a message kept that is longer than any that is asked
//! for. It does not end the connection: else anybody on the bus could keep us from listening.

use std::future::poll_fn;
use std::io;
use std::ops::RangeInclusive;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::pin::Pin;

use glassdome_sys::refuse_descriptors;
use tokio::io::AsyncWrite;
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use zbus::Message;
use zbus::connection::socket::{ReadHalf, Split, WriteHalf};
use zbus::export::async_trait::async_trait;

/// How long the messages are that are left out, in bytes. Longer ones there cannot be (D-Bus specification, "Message
/// Format"): zbus gives up on who sends one.
const LEFT_OUT: RangeInclusive<u64> = (1 << 20) + 1..=128 << 20;
/// How much of a message says how long it is.
const PREFIX: usize = 16;
/// How much of one that is left out is read at a time.
const CHUNK: usize = 16 << 10;

/// Both halves of it.
///
/// # Errors
/// What setsockopt(2) says.
pub fn over(stream: UnixStream) -> io::Result<Split<Box<dyn ReadHalf>, Box<dyn WriteHalf>>> {
    // An older kernel leaves it to the bus.
    refuse_descriptors(stream.as_fd())?;
    let (read, write) = stream.into_split();
    Ok(Split::new(Box::new(Reading(Bytes(read))), Box::new(Writing(write))))
}

/// Messages, but for those that are too long.
#[derive(Debug)]
struct Reading(Bytes);

#[derive(Debug)]
struct Bytes(OwnedReadHalf);

#[derive(Debug)]
struct Writing(OwnedWriteHalf);

#[async_trait]
impl ReadHalf for Reading {
    async fn receive_message(
        &mut self,
        number: u64,
        received: &mut Vec<u8>,
        descriptors: &mut Vec<OwnedFd>,
    ) -> zbus::Result<Message> {
        loop {
            let prefix = loop {
                match received.first_chunk::<PREFIX>() {
                    Some(prefix) => break prefix,
                    None => self.0.read_on(PREFIX - received.len(), received).await?,
                }
            };
            let length = length(prefix);
            if !LEFT_OUT.contains(&length) {
                return self.0.receive_message(number, received, descriptors).await;
            }
            let mut left = length;
            loop {
                let taken = received.len().min(usize::try_from(left).unwrap_or(usize::MAX));
                received.drain(..taken);
                left -= taken as u64;
                if left == 0 {
                    break;
                }
                self.0.read_on(CHUNK.min(usize::try_from(left).unwrap_or(CHUNK)), received).await?;
            }
        }
    }

    async fn recvmsg(&mut self, buffer: &mut [u8]) -> io::Result<(usize, Vec<OwnedFd>)> {
        self.0.recvmsg(buffer).await
    }
}

/// How long the message is that begins so, in bytes (D-Bus specification, "Message Format"): this and the header
/// fields, filled up to eight bytes, and the body.
fn length(prefix: &[u8; PREFIX]) -> u64 {
    let number = |at: usize| {
        let bytes = [prefix[at], prefix[at + 1], prefix[at + 2], prefix[at + 3]];
        u64::from(if prefix[0] == b'B' { u32::from_be_bytes(bytes) } else { u32::from_le_bytes(bytes) })
    };
    PREFIX as u64 + number(12).next_multiple_of(8) + number(4)
}

impl Bytes {
    /// Reads at most so many more bytes.
    async fn read_on(&mut self, most: usize, received: &mut Vec<u8>) -> io::Result<()> {
        let before = received.len();
        received.resize(before + most, 0);
        let read = self.recvmsg(&mut received[before..]).await;
        received.truncate(before + read.as_ref().map_or(0, |(read, _)| *read));
        if read?.0 == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(())
    }
}

#[async_trait]
impl ReadHalf for Bytes {
    async fn recvmsg(&mut self, buffer: &mut [u8]) -> io::Result<(usize, Vec<OwnedFd>)> {
        loop {
            self.0.readable().await?;
            match self.0.try_read(buffer) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                read => return Ok((read?, Vec::new())),
            }
        }
    }
}

#[async_trait]
impl WriteHalf for Writing {
    async fn sendmsg(&mut self, buffer: &[u8], descriptors: &[BorrowedFd<'_>]) -> io::Result<usize> {
        if !descriptors.is_empty() {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        loop {
            self.0.writable().await?;
            match self.0.try_write(buffer) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                written => return written,
            }
        }
    }

    async fn close(&mut self) -> io::Result<()> {
        poll_fn(|context| Pin::new(&mut self.0).poll_shutdown(context)).await
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    fn signal(endian: zbus::wire::Endian, length: usize) -> Message {
        let signal = Message::signal("/", "a.b", "C").endian(endian);
        signal.build(&vec![7_u8; length]).unwrap()
    }

    #[test]
    fn what_is_too_long_is_left_out_and_what_follows_is_heard() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let little = zbus::wire::Endian::Little;
            let most = (1 << 20) - (signal(little, 0).data().len());
            for (endian, already) in [(little, 5), (zbus::wire::Endian::Big, 3 << 19)] {
                let all: Vec<u8> = [1, most, most + 1, 2, 2 << 20, 3]
                    .into_iter()
                    .flat_map(|length| signal(endian, length).data().to_vec())
                    .collect();
                let (ours, mut theirs) = std::os::unix::net::UnixStream::pair().unwrap();
                ours.set_nonblocking(true).unwrap();
                let ours = UnixStream::from_std(ours).unwrap();
                let (mut received, rest) = (all[..already].to_vec(), all[already..].to_vec());
                let sent = std::thread::spawn(move || theirs.write_all(&rest));
                let mut reading = Reading(Bytes(ours.into_split().0));
                for expected in [1, most, 2, 3] {
                    let message = reading.receive_message(1, &mut received, &mut Vec::new()).await.unwrap();
                    let body: Vec<u8> = message.body().deserialize().unwrap();
                    assert_eq!(body.len(), expected, "{already}");
                    assert!(body.iter().all(|byte| *byte == 7));
                }
                sent.join().unwrap().unwrap();
                let ended = reading.receive_message(1, &mut received, &mut Vec::new()).await;
                assert!(matches!(ended, Err(zbus::Error::InputOutput(_))), "{ended:?}");
            }
        });
    }
}
