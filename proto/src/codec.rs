//! The one file that knows the codec (postcard, <https://postcard.jamesmunns.com/wire-format>).
//!
//! Encoding goes straight into the caller's buffer, which the caller wipes: a message that carries
//! a secret is never held by a buffer of ours.

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

/// The message does not fit a frame.
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

/// Writes `message` as one frame to the start of `frame` and returns the frame's length in bytes.
///
/// # Errors
/// [`EncodeError`] when the message is larger than `frame` or than [`limits::FRAME`].
pub fn encode<T: Serialize>(message: &T, frame: &mut [u8]) -> Result<usize, EncodeError> {
    let (header, rest) = frame.split_at_mut_checked(HEADER_LEN).ok_or(EncodeError)?;
    let room = rest.len().min(limits::FRAME);
    let payload = postcard::to_slice(message, &mut rest[..room]).map_err(|_| EncodeError)?.len();
    header.copy_from_slice(&(payload as u32).to_le_bytes());
    Ok(HEADER_LEN + payload)
}
