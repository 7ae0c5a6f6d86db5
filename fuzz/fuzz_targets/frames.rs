//! A stream of frames, as it comes in from a peer: the length is judged before anything else, and
//! what it announces is read as a message.
#![no_main]

use glassdome_proto::{FrameError, HEADER_LEN, limits, payload_len};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|stream: &[u8]| {
    let mut rest = stream;
    while let Some((header, behind)) = rest.split_first_chunk::<HEADER_LEN>() {
        let said = u32::from_le_bytes(*header);
        let len = match payload_len(*header) {
            Ok(len) => len,
            Err(FrameError::Empty) => return assert_eq!(said, 0),
            Err(FrameError::TooLong { len }) => {
                return assert!(len == said && said as usize > limits::FRAME);
            }
        };
        assert!(len == said as usize && (1..=limits::FRAME).contains(&len));
        let Some((payload, next)) = behind.split_at_checked(len) else { return };
        glassdome_fuzz::messages::every_message(payload);
        rest = next;
    }
});
