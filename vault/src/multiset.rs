//! A hash of a set of rows that one change updates at the same cost however many rows there are:
//! MSet-Add-Hash (Clarke, Devadas, van Dijk, Gassend, Suh: *Incremental Multiset Hash Functions and Their
//! Application to Memory Integrity Checking*, ASIACRYPT 2003), with keyed BLAKE3 for H and 256-bit sums.
//!
//! The sum is stored sealed only, so its secrecy (which the scheme otherwise needs a nonce for) holds.

use crate::keys::KEY;
use crate::store::Table;

/// The sum modulo 2^256 of the keyed hashes of rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Sum([u64; 4]);

impl Sum {
    /// Puts a row in.
    pub fn add(&mut self, key: &[u8; KEY], table: Table, row_key: &[u8], row: &[u8]) {
        self.add_element(&element(key, table, row_key, row));
    }

    /// Puts a row in of which that is the [`element`].
    pub fn add_element(&mut self, element: &[u8; 32]) {
        let mut carry = false;
        for (limb, more) in self.0.iter_mut().zip(limbs(element)) {
            (*limb, carry) = limb.carrying_add(more, carry);
        }
    }

    /// Takes a row out.
    pub fn subtract(&mut self, key: &[u8; KEY], table: Table, row_key: &[u8], row: &[u8]) {
        let mut borrow = false;
        for (limb, less) in self.0.iter_mut().zip(limbs(&element(key, table, row_key, row))) {
            (*limb, borrow) = limb.borrowing_sub(less, borrow);
        }
    }

    /// The sum, little-endian.
    pub fn to_bytes(self) -> [u8; 32] {
        let mut bytes = [0; 32];
        for (chunk, limb) in bytes.chunks_exact_mut(8).zip(self.0) {
            chunk.copy_from_slice(&limb.to_le_bytes());
        }
        bytes
    }

    /// The sum with these bytes.
    pub fn from_bytes(bytes: &[u8; 32]) -> Self {
        Self(limbs(bytes))
    }
}

/// The keyed hash of one row: table, key and row, each behind its length.
pub(crate) fn element(key: &[u8; KEY], table: Table, row_key: &[u8], row: &[u8]) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new_keyed(key);
    for part in [table.name().as_bytes(), row_key, row] {
        let length = u32::try_from(part.len()).expect("rows are shorter than 4 GiB");
        hasher.update(&length.to_le_bytes()).update(part);
    }
    let hash = hasher.finalize();
    zeroize::Zeroize::zeroize(&mut hasher);
    *hash.as_bytes()
}

fn limbs(bytes: &[u8; 32]) -> [u64; 4] {
    let (chunks, _) = bytes.as_chunks::<8>();
    std::array::from_fn(|index| u64::from_le_bytes(chunks[index]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn order_does_not_matter_and_taking_out_undoes(
            rows in prop::collection::vec((any::<[u8; 3]>(), any::<Vec<u8>>()), 1..12),
            seed in any::<usize>(),
        ) {
            let key = [9; KEY];
            let mut forward = Sum::default();
            rows.iter().for_each(|(id, row)| forward.add(&key, Table::Meta, id, row));
            let mut backward = Sum::default();
            rows.iter().rev().for_each(|(id, row)| backward.add(&key, Table::Meta, id, row));
            prop_assert_eq!(forward, backward);
            let (id, row) = &rows[seed % rows.len()];
            let before = forward;
            forward.add(&key, Table::Values, id, row);
            prop_assert_ne!(forward, before);
            forward.subtract(&key, Table::Values, id, row);
            prop_assert_eq!(forward, before);
            prop_assert_eq!(Sum::from_bytes(&before.to_bytes()), before);
        }
    }

    #[test]
    fn carries_run_through_all_limbs() {
        let key = [3; KEY];
        let mut sum = Sum([u64::MAX; 4]);
        sum.add(&key, Table::Meta, b"k", b"r");
        let mut one_less = Sum::default();
        one_less.add(&key, Table::Meta, b"k", b"r");
        // 2^256 - 1 + x = x - 1.
        let mut expected = one_less.0;
        expected[0] = expected[0].wrapping_sub(1);
        assert_eq!(sum.0, expected);
    }
}
