//! The file `audit.link`: what a run of the daemon leaves for the next, so that its seals are seen
//! to go on from the ones before. Sealing to a public key proves nothing about who sealed; that the
//! first key record of a run is itself sealed with this does.
//!
//! One block of 64 bytes, overwritten in place:
//! `"GLNK" ‖ 1 ‖ log id (16) ‖ seq (u64, little endian) ‖ link (32) ‖ BLAKE3 of all that (first 3 bytes)`.

use std::fmt;

use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::marks::Hex;

/// Bytes of the block.
pub const LEN: usize = 64;
const MAGIC: &[u8; 5] = b"GLNK\x01";
const CHECKED: usize = LEN - 3;

/// The link behind a record.
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct Link {
    /// The log.
    #[zeroize(skip)]
    pub log: Hex<16>,
    /// The record.
    #[zeroize(skip)]
    pub seq: u64,
    /// What [`crate::seal::link`] made there.
    pub key: [u8; 32],
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Link({} {})", self.log, self.seq)
    }
}

impl Link {
    /// The block, over what was in `block`.
    pub fn write(&self, block: &mut [u8; LEN]) {
        block[..5].copy_from_slice(MAGIC);
        block[5..21].copy_from_slice(&self.log.0);
        block[21..29].copy_from_slice(&self.seq.to_le_bytes());
        block[29..CHECKED].copy_from_slice(&self.key);
        let check = check(&block[..CHECKED]);
        block[CHECKED..].copy_from_slice(&check);
    }

    /// Reads a block; `None` if it is none, or torn.
    pub fn read(block: &[u8; LEN]) -> Option<Self> {
        if !block.starts_with(MAGIC) || check(&block[..CHECKED]) != block[CHECKED..] {
            return None;
        }
        let mut link = Self { log: Hex([0; 16]), seq: 0, key: [0; 32] };
        link.log.0.copy_from_slice(&block[5..21]);
        link.seq = u64::from_le_bytes(block[21..29].try_into().expect("eight bytes"));
        link.key.copy_from_slice(&block[29..CHECKED]);
        Some(link)
    }
}

fn check(block: &[u8]) -> [u8; 3] {
    let hash = blake3::hash(block);
    let [a, b, c, ..] = *hash.as_bytes();
    [a, b, c]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_comes_back_and_no_other_is_one() {
        let mut block = [0xee; LEN];
        Link { log: Hex([1; 16]), seq: 0x0102_0304_0506, key: [3; 32] }.write(&mut block);
        let link = Link::read(&block).unwrap();
        assert_eq!((link.log, link.seq, link.key), (Hex([1; 16]), 0x0102_0304_0506, [3; 32]));
        for n in 0..LEN {
            let mut changed = block;
            changed[n] ^= 0x10;
            assert!(Link::read(&changed).is_none(), "{n}");
        }
        assert!(Link::read(&[0; LEN]).is_none());
    }
}
