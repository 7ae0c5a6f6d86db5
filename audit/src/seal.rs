//! The seals: what makes a record one that its daemon wrote then, and nobody later. Each record's
//! MAC is under a key of its own, and the key of the next is made from it one way; the first of a
//! row is sealed to the auditor. Whoever takes the memory now has the keys of records to come, and
//! of none before.
//!
//! Keys are the caller's, in memory that suits them; nothing here keeps one.

use blake3::Hasher;
use zeroize::{Zeroize, Zeroizing};

use crate::chain::Digest;

pub use crate::sealed_box::{NotOurs, SEALED, open, public, seal};

/// Bytes of a key.
pub const KEY: usize = 32;
/// A seal: half of a BLAKE3, which is as much as it takes where nobody can try offline.
pub type Mac = [u8; 16];

const NEXT: &[u8] = b"glassdome audit next";
const LINK: &[u8] = b"glassdome audit link";
const ORIGIN: &str = "glassdome v1 audit origin";

/// The seal of a record whose line has this digest up to its seal.
///
/// What is keyed-hashed elsewhere under the same key ([`step`], [`link`]) has other lengths than a
/// digest, so that none of them is ever another.
pub fn mac(key: &[u8; KEY], line: &Digest) -> Mac {
    let mut whole = *blake3::keyed_hash(key, line).as_bytes();
    let (mac, rest) = whole.split_at_mut(16);
    let mac = Mac::try_from(&*mac).expect("it was split there");
    rest.zeroize();
    mac
}

/// The key of the next record, in the place of this one's.
pub fn step(key: &mut [u8; KEY]) {
    *key = derived(key, NEXT);
}

/// The link behind a record: what a later run seals its first key record with, to show that it
/// goes on from there. `next` is the key of the record that would have come.
pub fn link(next: &[u8; KEY]) -> Zeroizing<[u8; KEY]> {
    Zeroizing::new(derived(next, LINK))
}

/// What the first key record for an auditor is sealed with: only who made the pair knows it.
pub fn origin(secret: &[u8; KEY]) -> Zeroizing<[u8; KEY]> {
    let mut hasher = Hasher::new_derive_key(ORIGIN);
    hasher.update(secret);
    let origin = Zeroizing::new(*hasher.finalize().as_bytes());
    hasher.zeroize();
    origin
}

fn derived(key: &[u8; KEY], label: &[u8]) -> [u8; KEY] {
    let mut hash = blake3::keyed_hash(key, label);
    let bytes = *hash.as_bytes();
    hash.zeroize();
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_use_of_a_key_gives_something_else() {
        let key = [7; KEY];
        let mut next = key;
        step(&mut next);
        let mut after = next;
        step(&mut after);
        let all = [key, next, after, *link(&key), *link(&next), *origin(&key)];
        for (n, one) in all.iter().enumerate() {
            assert!(all[n + 1..].iter().all(|other| one != other), "{n}");
            assert!(all.iter().all(|key| mac(key, one) != one[..16]), "{n}");
        }
    }

    /// Fixed for ever: logs outlive versions, and `docs/audit.md` tells others how to check them.
    #[test]
    fn the_numbers_of_the_page() {
        let mut key = [7; KEY];
        let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        assert_eq!(hex(&mac(&key, &[9; 32])), "e9dc3ccf20f3f6500c109f9642bb2225");
        assert_eq!(hex(&*link(&key)), "e57c2212b7298ac30af7346ee6062c5b0eb82e9304387c9e16d33db04577a889");
        assert_eq!(hex(&*origin(&key)), "80fe2a73ce4d329eb869d3dd0d704e89942b815de49ea52f0903884c07a86c63");
        step(&mut key);
        assert_eq!(hex(&key), "c4425c405359cc0c9f2e3f12c086f3d676b905417834cee0cfbc05ce972b3d8b");
    }
}
