//! The identity of an entry, which stays when its name changes.

/// 16 random bytes that name an entry for its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EntryId([u8; 16]);

impl EntryId {
    /// The id with these bytes.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// Its bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }

    /// A new random id.
    pub(crate) fn random() -> Result<Self, crate::Error> {
        let mut bytes = [0; 16];
        getrandom::fill(&mut bytes)?;
        Ok(Self(bytes))
    }

    /// Reads an id from a row or a key.
    pub(crate) fn read(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }

    /// The key of this entry's former version in the history: id, then version, big-endian, so that
    /// versions lie in order.
    pub(crate) fn history_key(&self, version: u64) -> Vec<u8> {
        let mut key = self.0.to_vec();
        key.extend_from_slice(&version.to_be_bytes());
        key
    }
}
