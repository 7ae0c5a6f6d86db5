//! The key hierarchy: one master key for the life of the vault, and a key for each purpose derived from it,
//! all in one region of locked memory.

use std::fmt;

use glassdome_lockmem::{Level, LockedBytes, scrub_stack};

use crate::Error;
use crate::seal::derive;
use crate::slot::SlotKind;

/// Length of each key, in bytes.
pub(crate) const KEY: usize = 32;

/// The purposes, in the order in which their keys lie behind the master key, with their BLAKE3 contexts.
const CONTEXTS: [&str; 6] = [
    "glassdome v1 names",
    "glassdome v1 records",
    "glassdome v1 settings",
    "glassdome v1 audit",
    "glassdome v1 contexts",
    "glassdome v1 set",
];

/// The keys of an open vault. Wiped when dropped; there is no copy and no way to print it.
pub struct Keys {
    region: LockedBytes,
    /// Contexts keys of former master keys.
    retired: Option<LockedBytes>,
    opened_by: SlotKind,
}

impl Keys {
    /// New keys from a new random master key.
    pub(crate) fn random() -> Result<Self, Error> {
        Self::from_master(SlotKind::Password, |master| Ok(getrandom::fill(master)?))
    }

    /// The keys under the master key that `fill` writes, which a slot of that kind opened.
    pub(crate) fn from_master(
        opened_by: SlotKind,
        fill: impl FnOnce(&mut [u8]) -> Result<(), Error>,
    ) -> Result<Self, Error> {
        let mut region = LockedBytes::zeroed(KEY * (1 + CONTEXTS.len()))?;
        let (master, rest) = region.expose_mut().split_at_mut(KEY);
        fill(master)?;
        for (context, key) in CONTEXTS.iter().zip(rest.chunks_exact_mut(KEY)) {
            derive(context, &[master], key);
        }
        scrub_stack();
        Ok(Self { region, retired: None, opened_by })
    }

    /// How well the memory that they live in is protected.
    #[must_use]
    pub fn level(&self) -> Level {
        self.region.level()
    }

    /// What was typed to get them.
    #[must_use]
    pub fn opened_by(&self) -> SlotKind {
        self.opened_by
    }

    /// The key that seals the audit log's anchors and that no one else uses.
    ///
    /// Given out because the audit log is another crate's.
    #[must_use]
    pub fn audit(&self) -> &[u8] {
        self.key(4)
    }

    /// The key under which contexts of `encrypt` and `decrypt` are derived; see [`contexts`](crate::contexts).
    pub(crate) fn contexts(&self) -> &[u8] {
        self.key(5)
    }

    /// Those of former master keys, one behind the other.
    pub(crate) fn retired(&self) -> &[u8] {
        self.retired.as_ref().map_or(&[], LockedBytes::expose)
    }

    pub(crate) fn set_retired(&mut self, retired: LockedBytes) {
        self.retired = Some(retired);
    }

    /// The master key, for wrapping only.
    pub(crate) fn master(&self) -> &[u8] {
        self.key(0)
    }

    pub(crate) fn names(&self) -> &[u8; KEY] {
        self.key(1).try_into().expect("each key is 32 bytes")
    }

    pub(crate) fn records(&self) -> &[u8] {
        self.key(2)
    }

    pub(crate) fn settings(&self) -> &[u8] {
        self.key(3)
    }

    pub(crate) fn set(&self) -> &[u8; KEY] {
        self.key(6).try_into().expect("each key is 32 bytes")
    }

    fn key(&self, index: usize) -> &[u8] {
        // The one place where key bytes are exposed: callers above name the purpose.
        &self.region.expose()[index * KEY..(index + 1) * KEY]
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Keys(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_purpose_has_a_key_of_its_own() {
        let keys = Keys::from_master(SlotKind::Recovery, |master| {
            master.fill(1);
            Ok(())
        })
        .unwrap();
        assert_eq!((keys.master(), keys.opened_by()), (&[1; KEY][..], SlotKind::Recovery));
        let mut all: Vec<&[u8]> = (0..=CONTEXTS.len()).map(|index| keys.key(index)).collect();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), 7);
        assert_eq!(keys.names().as_slice(), blake3::derive_key("glassdome v1 names", &[1; KEY]));
        assert_eq!(keys.audit(), blake3::derive_key("glassdome v1 audit", &[1; KEY]));
        assert_eq!(keys.contexts(), blake3::derive_key("glassdome v1 contexts", &[1; KEY]));
        assert_eq!(keys.set().as_slice(), blake3::derive_key("glassdome v1 set", &[1; KEY]));
    }

    #[test]
    fn debug_shows_nothing() {
        assert_eq!(format!("{:?}", Keys::random().unwrap()), "Keys(…)");
    }
}
