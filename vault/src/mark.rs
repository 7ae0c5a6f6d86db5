//! Which state of a vault it is: what is remembered outside of it, so that an older file that is put back is noticed.

use crate::header::VaultId;

/// Bytes of the hash that are kept.
const STATE: usize = 16;

/// A state of a vault. It tells nothing of what is in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mark {
    /// Which vault.
    pub vault: VaultId,
    /// How many changes it had seen.
    pub generation: u64,
    /// The first bytes of BLAKE3 of the row that seals the state. That is sealed under a random nonce, so no two
    /// changes leave the same one, also where one was made in the place of another.
    pub state: [u8; STATE],
}

impl Mark {
    /// The mark of the state that `row` seals; `None` if it is too short to be one.
    pub(crate) fn of(vault: VaultId, row: &[u8]) -> Option<Self> {
        let generation = u64::from_le_bytes(*row.first_chunk()?);
        let mut state = [0; STATE];
        blake3::Hasher::new().update(row).finalize_xof().fill(&mut state);
        Some(Self { vault, generation, state })
    }
}
