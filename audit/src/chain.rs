//! The chain: every line carries the hash of the one before, so that none can be changed, taken
//! out or put between without changing all that follow.
//!
//! A line is hashed in one pass: its digest up to the seal on the way, which is what the seal is
//! over, and that of the whole at its end, which is what the next line carries.

use blake3::Hasher;

use crate::line::{self, LineError, WrittenPeer};
use crate::marks::Hex;
use crate::record::Record;
use crate::seal;

/// A BLAKE3-256.
pub type Digest = [u8; 32];

/// What stands before a seal, and how long it is with the seal and the end of the line.
const SEAL: &[u8] = b",\"mac\":\"";
const SEAL_LEN: usize = SEAL.len() + 32 + END.len();
const END: &[u8] = b"\"}";

/// A place in a log: its last record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    /// Its number; 0 before the first.
    pub seq: u64,
    /// The digest of its line, without the newline; zeros before the first.
    pub hash: Hex<32>,
}

impl Head {
    /// Before the first record.
    pub const NONE: Self = Self { seq: 0, hash: Hex([0; 32]) };
}

/// Appends to `line` the record that comes after `head`, with a newline, and says what the head is
/// then. Number, chain and seal are put in; with `peer`, that is who asked. Without a `key` there is
/// no seal. Allocates nothing but room in `line`.
///
/// The caller owns the order: once the line is where it belongs, the head is the new one, and the
/// key [steps](seal::step).
///
/// # Errors
/// None in practice, as [`line::write`].
pub fn write(
    head: &Head,
    record: Record<'_>,
    peer: Option<&WrittenPeer>,
    key: Option<&[u8; seal::KEY]>,
    to: &mut Vec<u8>,
) -> Result<Head, LineError> {
    let begin = to.len();
    let seq = head.seq + 1;
    line::write_open(Record { seq, prev: None, mac: None, ..record }, peer, to)?;
    to.extend_from_slice(b",\"prev\":\"");
    head.hash.push(to);
    to.push(b'"');
    let mut hasher = Hasher::new();
    hasher.update(&to[begin..]);
    let sealed = to.len();
    match key {
        Some(key) => {
            let mac = seal::mac(key, hasher.finalize().as_bytes());
            to.extend_from_slice(SEAL);
            Hex(mac).push(to);
            to.extend_from_slice(END);
        }
        None => to.push(b'}'),
    }
    hasher.update(&to[sealed..]);
    to.push(b'\n');
    Ok(Head { seq, hash: Hex(*hasher.finalize().as_bytes()) })
}

/// A line that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line<'a> {
    /// What it says.
    pub record: Record<'a>,
    /// Its digest, which the next line carries.
    pub hash: Hex<32>,
    /// Its digest up to its seal, which the seal is over; of a line without one, up to its `}`.
    pub body: Digest,
}

/// Reads a line, without its newline.
///
/// # Errors
/// [`LineError::Malformed`] when it is anything but a record; also when its seal is not the last
/// of it.
pub fn read(line: &[u8]) -> Result<Line<'_>, LineError> {
    let record: Record<'_> = serde_json::from_slice(line).map_err(LineError::Malformed)?;
    let seal = match record.mac {
        Some(_) => SEAL_LEN,
        None => 1,
    };
    let at = line.len().checked_sub(seal).ok_or(LineError::Misplaced)?;
    let (body, rest) = line.split_at(at);
    if record.mac.is_some() && !rest.starts_with(SEAL) || !line.ends_with(b"}") {
        return Err(LineError::Misplaced);
    }
    let mut hasher = Hasher::new();
    hasher.update(body);
    let body = *hasher.finalize().as_bytes();
    hasher.update(rest);
    Ok(Line { record, hash: Hex(*hasher.finalize().as_bytes()), body })
}

/// The digest of a line, without its newline: for those that are not read otherwise.
pub fn hash(line: &[u8]) -> Hex<32> {
    Hex(*blake3::hash(line).as_bytes())
}

impl Line<'_> {
    /// Whether it is the one that comes after `head`.
    pub fn follows(&self, head: &Head) -> bool {
        self.record.seq == head.seq + 1 && self.record.prev == Some(head.hash)
    }

    /// Whether its seal is the one that this key makes.
    pub fn is_sealed_with(&self, key: &[u8; seal::KEY]) -> bool {
        use subtle::ConstantTimeEq;
        self.record.mac.is_some_and(|mac| seal::mac(key, &self.body).ct_eq(&mac.0).into())
    }

    /// The head behind it.
    pub fn head(&self) -> Head {
        Head { seq: self.record.seq, hash: self.hash }
    }
}

#[cfg(test)]
#[path = "chain_tests.rs"]
mod tests;
