//! The header: what must be known before anything else of a vault can be read.

use crate::{Damage, Error};

/// The format version that this crate writes, and the newest that it reads.
pub const FORMAT_VERSION: u32 = 1;

/// The key of the header's only row.
pub(crate) const KEY: &[u8] = b"vault";

/// 16 random bytes that name a vault and bind each of its rows to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct VaultId([u8; 16]);

impl VaultId {
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
}

/// What the header says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Header {
    pub id: VaultId,
    /// Unix seconds.
    pub created: u64,
}

impl Header {
    /// A header with a new vault id.
    pub fn new(created: u64) -> Result<Self, Error> {
        let mut id = [0; 16];
        getrandom::fill(&mut id)?;
        Ok(Self { id: VaultId(id), created })
    }

    /// `version (u32) ‖ vault id (16) ‖ created (u64)`, little-endian.
    pub fn to_row(self) -> Vec<u8> {
        let mut row = FORMAT_VERSION.to_le_bytes().to_vec();
        row.extend_from_slice(&self.id.0);
        row.extend_from_slice(&self.created.to_le_bytes());
        row
    }

    /// Reads the row. The version alone decides whether the rest is looked at.
    pub fn from_row(row: &[u8]) -> Result<Self, Error> {
        let (version, rest) = row.split_first_chunk().ok_or(Damage::Header)?;
        let found = u32::from_le_bytes(*version);
        if found > FORMAT_VERSION {
            return Err(Error::NewerVersion { found });
        }
        let (id, rest) = rest.split_first_chunk().ok_or(Damage::Header)?;
        let created: &[u8; 8] = rest.try_into().map_err(|_| Damage::Header)?;
        if found != FORMAT_VERSION {
            return Err(Damage::Header.into());
        }
        Ok(Self { id: VaultId(*id), created: u64::from_le_bytes(*created) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_reads_back_and_others_are_named() {
        let header = Header::new(1_700_000_000).unwrap();
        let row = header.to_row();
        assert_eq!(Header::from_row(&row).unwrap(), header);
        assert!(matches!(Header::from_row(&[2, 0, 0, 0]), Err(Error::NewerVersion { found: 2 })));
        let mut zero = row.clone();
        zero[0] = 0;
        for bad in [&row[..27], &[row.as_slice(), &[0]].concat(), &[], &zero] {
            assert!(matches!(Header::from_row(bad), Err(Error::Corrupt(Damage::Header))));
        }
    }
}
