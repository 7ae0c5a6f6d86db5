//! A frame is a little-endian `u32` length and that many bytes. The length is judged here, before
//! anybody allocates for it.

use crate::limits;

/// Bytes before the payload.
pub const HEADER_LEN: usize = 4;

/// Why a header was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// The payload would be larger than [`limits::FRAME`].
    #[error("a frame of {len} bytes is over the limit of {} bytes", limits::FRAME)]
    TooLong {
        /// What the header said.
        len: u32,
    },
    /// A frame without a payload says nothing.
    #[error("an empty frame")]
    Empty,
}

/// Length in bytes of the payload that follows `header`.
///
/// # Errors
/// A length of zero or over [`limits::FRAME`].
pub fn payload_len(header: [u8; HEADER_LEN]) -> Result<usize, FrameError> {
    let len = u32::from_le_bytes(header);
    match len {
        0 => Err(FrameError::Empty),
        _ if len as usize > limits::FRAME => Err(FrameError::TooLong { len }),
        _ => Ok(len as usize),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_judged_before_use() {
        assert_eq!(payload_len([0; 4]), Err(FrameError::Empty));
        assert_eq!(payload_len(1u32.to_le_bytes()), Ok(1));
        assert_eq!(payload_len((limits::FRAME as u32).to_le_bytes()), Ok(limits::FRAME));
        let over = limits::FRAME as u32 + 1;
        assert_eq!(payload_len(over.to_le_bytes()), Err(FrameError::TooLong { len: over }));
        assert_eq!(payload_len([0xff; 4]), Err(FrameError::TooLong { len: u32::MAX }));
    }
}
