//! What every message must hold to.

use glassdome_proto::whole;
use glassdome_proto::{Challenge, DecodeError, HEADER_LEN, Hello, Reply, Request, decode, encode};
use serde::Serialize;

/// Reads `payload` as each type of message; `true` if it was one.
pub fn every_message(payload: &[u8]) -> bool {
    let taken = [
        message(payload, |bytes| Ok(written(&decode::<Challenge>(bytes)?, bytes.len()))),
        message(payload, |bytes| Ok(written(&decode::<Hello>(bytes)?, bytes.len()))),
        message(payload, |bytes| Ok(written(&decode::<Request>(bytes)?, bytes.len()))),
        message(payload, |bytes| Ok(written(&decode::<Reply>(bytes)?, bytes.len()))),
        message(payload, |bytes| whole::read(bytes).map(|secrets| written(&secrets, bytes.len()))),
    ];
    taken.contains(&true)
}

/// What was read is written again in no more bytes, and that is a fixed point: a number may have
/// come in more bytes than it needs, nothing else may differ.
fn message(payload: &[u8], rewrite: impl Fn(&[u8]) -> Result<Vec<u8>, DecodeError>) -> bool {
    match rewrite(payload) {
        Ok(once) => {
            assert_eq!(rewrite(&once).as_ref(), Ok(&once), "what was written is read as something else");
            true
        }
        Err(DecodeError::Trailing(rest)) => {
            let whole = payload.len().checked_sub(rest).expect("no more is left over than there was");
            assert!(rest > 0 && rewrite(&payload[..whole]).is_ok(), "what is in front is a message");
            false
        }
        Err(DecodeError::Malformed) => false,
    }
}

fn written<T: Serialize>(message: &T, room: usize) -> Vec<u8> {
    let mut frame = vec![0; HEADER_LEN + room];
    let len = encode(message, &mut frame).expect("a message is never written longer than it was read");
    frame[HEADER_LEN..len].to_vec()
}
