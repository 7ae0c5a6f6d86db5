//! The place of a sealed row, as associated data, so that a row moved, swapped or replayed elsewhere
//! does not open.

use crate::header::VaultId;
use crate::store::Table;

/// Where a sealed row belongs.
#[derive(Clone, Copy)]
pub(crate) struct Place<'a> {
    /// Which vault.
    pub vault: &'a VaultId,
    /// Which table.
    pub table: Table,
    /// Entry id, name of the setting, or slot id.
    pub id: &'a [u8],
    /// Version of the row.
    pub version: u64,
}

impl Place<'_> {
    /// The associated data: each part behind its length, so that no two places read the same.
    pub fn bytes(&self) -> Vec<u8> {
        let table = self.table.name().as_bytes();
        let version = self.version.to_le_bytes();
        let parts: [&[u8]; 4] = [self.vault.as_bytes(), table, self.id, &version];
        let mut bytes = Vec::with_capacity(parts.iter().map(|part| 4 + part.len()).sum());
        for part in parts {
            push(&mut bytes, part);
        }
        bytes
    }
}

/// Appends a part behind its length (u32, little-endian).
fn push(bytes: &mut Vec<u8>, part: &[u8]) {
    let length = u32::try_from(part.len()).expect("names and ids are shorter than 4 GiB");
    bytes.extend_from_slice(&length.to_le_bytes());
    bytes.extend_from_slice(part);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_part_is_behind_its_length() {
        let vault = VaultId::from_bytes([7; 16]);
        let bytes = Place { vault: &vault, table: Table::Meta, id: b"ab", version: 258 }.bytes();
        let mut expected = vec![16, 0, 0, 0];
        expected.extend_from_slice(&[7; 16]);
        expected.extend_from_slice(b"\x04\0\0\0meta\x02\0\0\0ab\x08\0\0\0\x02\x01\0\0\0\0\0\0");
        assert_eq!(bytes, expected);
    }
}
