//! The one file that knows the codec (postcard, <https://postcard.jamesmunns.com/wire-format>).
//!
//! Encoding goes straight into the caller's buffer, which the caller wipes: a message that carries
//! a secret is never held by a buffer of ours.

use std::ops::Range;

use serde::{Deserialize, Serialize};

use crate::{HEADER_LEN, limits};

/// The bytes are not a message of this protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// Not a message: unknown variant, cut short, a field over its limit, text that is not UTF-8.
    #[error("not a message of this protocol, or a field over its limit")]
    Malformed,
    /// Bytes behind the message.
    #[error("{0} bytes behind the message")]
    Trailing(usize),
}

/// The message does not fit where it should.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the message does not fit a frame")]
pub struct EncodeError;

/// Reads one message that fills `payload` exactly; text and byte fields borrow from it.
///
/// # Errors
/// [`DecodeError`] when the bytes are anything else.
pub fn decode<'a, T: Deserialize<'a>>(payload: &'a [u8]) -> Result<T, DecodeError> {
    match postcard::take_from_bytes(payload) {
        Ok((message, [])) => Ok(message),
        Ok((_, rest)) => Err(DecodeError::Trailing(rest.len())),
        Err(_) => Err(DecodeError::Malformed),
    }
}

/// Writes `message`, the last member of which is bytes and empty, as one frame to the start of `frame`, with room for
/// `length` bytes in that member: for bytes that are made where they are sent from. Returns where that room is; the
/// frame ends with it.
///
/// # Errors
/// As [`encode`]; and where the message does not end in empty bytes.
pub fn encode_around<T: Serialize>(
    message: &T,
    length: usize,
    frame: &mut [u8],
) -> Result<Range<usize>, EncodeError> {
    let (before, length_at) = match encode(message, frame)?.checked_sub(1) {
        Some(at) if at >= HEADER_LEN && frame[at] == 0 => (at - HEADER_LEN, at),
        _ => return Err(EncodeError),
    };
    let prefix = postcard::to_slice(&length, &mut frame[length_at..]).map_err(|_| EncodeError)?.len();
    let start = length_at + prefix;
    let end = start.checked_add(length).filter(|end| *end <= frame.len()).ok_or(EncodeError)?;
    let payload = before + prefix + length;
    if payload > limits::FRAME {
        return Err(EncodeError);
    }
    frame[..HEADER_LEN].copy_from_slice(&(payload as u32).to_le_bytes());
    Ok(start..end)
}

/// Writes `message` as one frame to the start of `frame` and returns the frame's length in bytes.
///
/// # Errors
/// [`EncodeError`] when the message is larger than `frame` or than [`limits::FRAME`].
pub fn encode<T: Serialize>(message: &T, frame: &mut [u8]) -> Result<usize, EncodeError> {
    let (header, rest) = frame.split_at_mut_checked(HEADER_LEN).ok_or(EncodeError)?;
    let room = rest.len().min(limits::FRAME);
    let payload = put(message, &mut rest[..room])?;
    header.copy_from_slice(&(payload as u32).to_le_bytes());
    Ok(HEADER_LEN + payload)
}

/// Writes `message` without a header to the start of `room` and returns its length in bytes.
///
/// # Errors
/// [`EncodeError`] when it is larger than `room`.
pub(crate) fn put<T: Serialize>(message: &T, room: &mut [u8]) -> Result<usize, EncodeError> {
    Ok(postcard::to_slice(message, room).map_err(|_| EncodeError)?.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Answer, Outcome, Reply, crypto};

    fn reply(data: &[u8]) -> Reply<'_> {
        let data = crypto::ChunkBytes::new(data).unwrap();
        Reply { id: 300, outcome: Outcome::Ok(Answer::Crypto(crypto::Answer::Next { data })) }
    }

    #[test]
    fn what_is_encoded_around_bytes_is_what_is_encoded_with_them() {
        let (mut around, mut with) =
            (vec![0; HEADER_LEN + limits::FRAME], vec![0; HEADER_LEN + limits::FRAME]);
        for length in [0, 1, 127, 128, 16_383, 16_384, crypto::CHUNK, crypto::CHUNK + crypto::TAG] {
            let data: Vec<u8> = (0..length).map(|at| at as u8).collect();
            let room = encode_around(&reply(b""), length, &mut around).unwrap();
            around[room.clone()].copy_from_slice(&data);
            let end = encode(&reply(&data), &mut with).unwrap();
            assert_eq!((room.end, &around[..end]), (end, &with[..end]), "{length}");
        }
    }

    #[test]
    fn there_is_no_room_where_there_can_be_none() {
        let mut frame = vec![0; HEADER_LEN + limits::FRAME];
        assert_eq!(encode_around(&reply(b"a"), 1, &mut frame), Err(EncodeError), "it is not empty");
        assert_eq!(encode_around(&reply(b""), limits::FRAME, &mut frame), Err(EncodeError));
        assert_eq!(encode_around(&reply(b""), usize::MAX, &mut frame), Err(EncodeError));
        assert_eq!(encode_around(&reply(b""), 100, &mut frame[..50]), Err(EncodeError));
        assert_eq!(encode_around(&reply(b""), 1, &mut []), Err(EncodeError));
    }
}
