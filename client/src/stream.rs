//! Data of any size, encrypted or decrypted by the daemon: a few chunks on their way at a time, and no more in memory.

use std::collections::VecDeque;

use glassdome_proto::crypto::{Answer as CryptoAnswer, CHUNK, ChunkBytes, HEADER, Request, TAG};
use glassdome_proto::{Answer, Body, Bytes, Name};
use zeroize::Zeroizing;

use crate::connection::Connection;
use crate::error::Error;

/// Chunks that are on their way at a time: while the daemon works on one, this side reads and writes another. Their
/// answers must find room in the socket while the last of them is being sent, and two always do.
const WINDOW: usize = 2;

impl Connection {
    /// Encrypts what `read` reads for `context`, hands the stream to `write`, and says how many bytes were read.
    ///
    /// `read` reads into what it is given, and says how much; nothing is the end. The format is written down in
    /// `docs/encrypted-stream.md`. What was begun before on this connection is given up.
    ///
    /// # Errors
    /// As [`Connection::call`], and those of `read` and `write`.
    pub fn encrypt(
        &mut self,
        context: Name<'_>,
        read: impl FnMut(&mut [u8]) -> Result<usize, Error>,
        mut write: impl FnMut(&[u8]) -> Result<(), Error>,
    ) -> Result<u64, Error> {
        match self.call(Body::Crypto(Request::Encrypt { context }))? {
            Answer::Crypto(CryptoAnswer::Encrypt { header }) => write(header.expose())?,
            _ => return Err(Error::Unexpected),
        }
        self.stream(CHUNK, read, write)
    }

    /// Decrypts the stream that `read` reads, which was encrypted for `context`, hands each chunk to `write` once it
    /// was found to be what was encrypted at its place, and says how many bytes were read.
    ///
    /// Only if this ends well is what `write` was given all that was encrypted; else it is the beginning of that.
    ///
    /// # Errors
    /// As [`Connection::encrypt`]; a refusal as [`Code::Corrupt`](glassdome_proto::Code::Corrupt) for what is not what
    /// was encrypted for `context` with this vault.
    pub fn decrypt(
        &mut self,
        context: Name<'_>,
        mut read: impl FnMut(&mut [u8]) -> Result<usize, Error>,
        write: impl FnMut(&[u8]) -> Result<(), Error>,
    ) -> Result<u64, Error> {
        let mut header = [0; HEADER];
        let length = fill(&mut read, &mut header)?;
        // One that is too short the daemon tells.
        let header = Bytes::new(&header[..length]).ok_or(Error::Unexpected)?;
        match self.call(Body::Crypto(Request::Decrypt { context, header }))? {
            Answer::Crypto(CryptoAnswer::Decrypt) => {}
            _ => return Err(Error::Unexpected),
        }
        Ok(length as u64 + self.stream(CHUNK + TAG, read, write)?)
    }

    fn stream(
        &mut self,
        size: usize,
        mut read: impl FnMut(&mut [u8]) -> Result<usize, Error>,
        mut write: impl FnMut(&[u8]) -> Result<(), Error>,
    ) -> Result<u64, Error> {
        let mut on_their_way = VecDeque::with_capacity(WINDOW);
        let (mut chunk, mut behind) = (Zeroizing::new(vec![0; size]), Zeroizing::new(vec![0; size]));
        let mut length = fill(&mut read, &mut chunk)?;
        let mut all = 0;
        loop {
            all += length as u64;
            // Only the end of the input tells which chunk is the last; whoever said it once is not asked again.
            let next = if length < size { 0 } else { fill(&mut read, &mut behind)? };
            let (last, data) = (next == 0, ChunkBytes::new(&chunk[..length]).ok_or(Error::Unexpected)?);
            on_their_way.push_back(self.begin(Body::Crypto(Request::Next { last, data }))?);
            while on_their_way.len() >= WINDOW || (last && !on_their_way.is_empty()) {
                let Some(id) = on_their_way.pop_front() else { break };
                match self.answer(id)? {
                    Answer::Crypto(CryptoAnswer::Next { data }) => write(data.expose())?,
                    _ => return Err(Error::Unexpected),
                }
            }
            if last {
                self.forget();
                return Ok(all);
            }
            std::mem::swap(&mut chunk, &mut behind);
            length = next;
        }
    }
}

/// Reads until `buffer` is full or the input ends, and says how much that is.
fn fill(read: &mut impl FnMut(&mut [u8]) -> Result<usize, Error>, buffer: &mut [u8]) -> Result<usize, Error> {
    let mut have = 0;
    while have < buffer.len() {
        match read(&mut buffer[have..])? {
            0 => break,
            // What a reader says that it read is in the buffer.
            length => have = (have + length).min(buffer.len()),
        }
    }
    Ok(have)
}
