//! Which state of a vault it is: what is remembered outside of it, so that an older file that is put back is noticed.

use glassdome_lockmem::scrub_stack;
use subtle::ConstantTimeEq;

use crate::contexts::{self, KEY_ID, KeyId};
use crate::header::VaultId;
use crate::keys::Keys;
use crate::seal::derive;

/// Bytes of the hash that are kept.
const STATE: usize = 16;
/// BLAKE3 context of the tag of a mark that is kept where others can write.
const TAG_CONTEXT: &str = "glassdome v1 kept state";
const FORMAT: u8 = 1;
/// Format, generation and state.
const TOLD: usize = 1 + 8 + STATE;
const TAG: usize = 32;

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
    /// The id of the contexts key, which tells master keys apart, and nothing of them; `None` if there was no key to
    /// read it with.
    pub key: Option<[u8; KEY_ID]>,
}

impl Mark {
    /// Length of a mark that is kept where others can write, in bytes.
    pub const KEPT: usize = TOLD + TAG;

    /// The mark of the state that `row` seals, under that key, if it is known; `None` if it is too short to be one.
    pub(crate) fn of(vault: VaultId, key: Option<KeyId>, row: &[u8]) -> Option<Self> {
        let generation = u64::from_le_bytes(*row.first_chunk()?);
        let mut state = [0; STATE];
        blake3::Hasher::new().update(row).finalize_xof().fill(&mut state);
        Some(Self { vault, generation, state, key: key.map(|key| *key.as_bytes()) })
    }

    /// Whether `key` is the [`Mark::key`] of the vault that `keys` open, or was before it got another master key. Whoever
    /// has only a former master key cannot make a vault that knows a later one.
    #[must_use]
    pub fn was_under(key: [u8; KEY_ID], keys: &Keys) -> bool {
        let known = contexts::knows(keys, &KeyId::from_bytes(key));
        scrub_stack();
        known
    }

    /// As it is kept where others can write: `1 ‖ generation u64, little-endian ‖ state (16) ‖ tag (32)`. Nobody makes
    /// one without the master key; it tells nothing of that, and the vault is not in it.
    #[must_use]
    pub fn to_kept(&self, keys: &Keys) -> [u8; Self::KEPT] {
        let mut kept = [0; Self::KEPT];
        let (told, tag) = kept.split_at_mut(TOLD);
        told[0] = FORMAT;
        told[1..9].copy_from_slice(&self.generation.to_le_bytes());
        told[9..].copy_from_slice(&self.state);
        tag.copy_from_slice(&made_of(keys.contexts(), self.vault, told));
        kept
    }

    /// Reads one that was made of that vault, under its master key or a former one, in constant time for each; `None`
    /// if it is no such.
    #[must_use]
    pub fn of_kept(kept: &[u8], vault: VaultId, keys: &Keys) -> Option<Self> {
        let (told, tag) = <&[u8; Self::KEPT]>::try_from(kept).ok()?.split_at(TOLD);
        if told[0] != FORMAT {
            return None;
        }
        let contexts =
            contexts::all(keys).find(|contexts| made_of(contexts, vault, told).ct_eq(tag).into())?;
        let generation = u64::from_le_bytes(*told[1..].first_chunk()?);
        let key = Some(*KeyId::of(contexts).as_bytes());
        scrub_stack();
        Some(Self { vault, generation, state: *told[9..].first_chunk()?, key })
    }
}

/// The tag under a contexts key: those of former master keys are the only ones that a vault keeps.
fn made_of(contexts: &[u8], vault: VaultId, told: &[u8]) -> [u8; TAG] {
    let mut tag = [0; TAG];
    derive(TAG_CONTEXT, &[contexts, vault.as_bytes(), told], &mut tag);
    scrub_stack();
    tag
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SlotKind;

    fn keys(of: u8) -> Keys {
        Keys::from_master(SlotKind::Password, |master| {
            master.fill(of);
            Ok(())
        })
        .unwrap()
    }

    fn mark() -> Mark {
        let key = Some(*contexts::current(&keys(1)).as_bytes());
        Mark { vault: VaultId::from_bytes([7; 16]), generation: 0x0102_0304, state: [9; STATE], key }
    }

    #[test]
    fn it_is_as_the_page_says() {
        let kept = mark().to_kept(&keys(1));
        let told = [&[1, 4, 3, 2, 1, 0, 0, 0, 0][..], &[9; 16]].concat();
        assert_eq!(kept[..TOLD], told);
        let contexts = blake3::derive_key("glassdome v1 contexts", &[1; 32]);
        let over = [&contexts[..], &[7; 16], &told].concat();
        assert_eq!(kept[TOLD..], blake3::derive_key("glassdome v1 kept state", &over));
    }

    #[test]
    fn it_is_read_by_who_has_the_master_key_and_not_if_one_bit_is_another() {
        let (keys, another) = (keys(1), keys(2));
        let kept = mark().to_kept(&keys);
        let read = |kept: &[u8]| Mark::of_kept(kept, mark().vault, &keys);
        assert_eq!(read(&kept), Some(mark()));
        for bit in 0..kept.len() * 8 {
            let mut flipped = kept;
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(read(&flipped), None, "bit {bit}");
        }
        assert_eq!(read(&kept[1..]), None);
        assert_eq!(read(&[&kept[..], &[0]].concat()), None);
        assert_eq!(read(&[]), None);
        assert_eq!(Mark::of_kept(&kept, VaultId::from_bytes([8; 16]), &keys), None, "another vault's");
        assert_eq!(Mark::of_kept(&kept, mark().vault, &another), None, "another master key");
    }

    #[test]
    fn what_was_kept_before_a_rotation_is_read_after_it_and_not_the_other_way_round() {
        let (former, mut now) = (keys(1), keys(2));
        contexts::inherit(&mut now, &former).unwrap();
        assert_eq!(Mark::of_kept(&mark().to_kept(&former), mark().vault, &now), Some(mark()));
        assert_eq!(Mark::of_kept(&mark().to_kept(&now), mark().vault, &former), None);
        let [of_former, of_now] = [&former, &now].map(|keys| *contexts::current(keys).as_bytes());
        assert!(Mark::was_under(of_former, &former) && Mark::was_under(of_now, &now));
        assert!(Mark::was_under(of_former, &now) && !Mark::was_under(of_now, &former));
    }
}
