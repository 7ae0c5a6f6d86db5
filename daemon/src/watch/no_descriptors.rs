//! A socket to a bus over which no descriptor comes: anybody on a bus can send us one, and one that lingers on
//! close would hold up whoever receives it. The bus is told so, and keeps such messages back; and from whoever
//! is at the other end, the kernel does (Linux 6.16).

use std::future::poll_fn;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::pin::Pin;

use glassdome_sys::refuse_descriptors;
use tokio::io::AsyncWrite;
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use zbus::connection::socket::{ReadHalf, Split, WriteHalf};
use zbus::export::async_trait::async_trait;

/// Both halves of it.
///
/// # Errors
/// What setsockopt(2) says.
pub fn over(stream: UnixStream) -> io::Result<Split<Box<dyn ReadHalf>, Box<dyn WriteHalf>>> {
    // An older kernel leaves it to the bus.
    refuse_descriptors(stream.as_fd())?;
    let (read, write) = stream.into_split();
    Ok(Split::new(Box::new(Reading(read)), Box::new(Writing(write))))
}

#[derive(Debug)]
struct Reading(OwnedReadHalf);

#[derive(Debug)]
struct Writing(OwnedWriteHalf);

#[async_trait]
impl ReadHalf for Reading {
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
