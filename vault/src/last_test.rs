//! When the vault was last tested, and what came of it. It lies in the clear, as the last backup does: it tells its owner
//! how long ago that was, and nothing else depends on it.

use crate::{Damage, Error};

/// The key of the row.
pub(crate) const KEY: &[u8] = b"test";

/// What a test of the vault and the audit log came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LastTest {
    /// When it ended, in Unix seconds.
    pub at: u64,
    /// How much was wrong with the vault.
    pub faults: u64,
    /// Whether the audit log was as it was written.
    pub log_sound: bool,
}

impl LastTest {
    /// The row: at u64 ‖ faults u64 ‖ the log: u8, 1 if it was sound (little-endian).
    pub(crate) fn to_row(self) -> Vec<u8> {
        [&self.at.to_le_bytes()[..], &self.faults.to_le_bytes(), &[self.log_sound.into()]].concat()
    }

    pub(crate) fn from_row(row: &[u8]) -> Result<Self, Error> {
        let parts = row.split_first_chunk().and_then(|(at, rest)| Some((at, rest.split_first_chunk()?)));
        let Some((at, (faults, &[log @ 0..=1]))) = parts else { return Err(Damage::Store.into()) };
        let (at, faults) = (u64::from_le_bytes(*at), u64::from_le_bytes(*faults));
        Ok(Self { at, faults, log_sound: log == 1 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_read_as_it_was_written_and_nothing_else_is() {
        let test = LastTest { at: 1_700_000_000, faults: 300, log_sound: false };
        let row = test.to_row();
        assert_eq!(LastTest::from_row(&row).unwrap(), test);
        for length in 0..row.len() {
            assert!(LastTest::from_row(&row[..length]).is_err(), "{length}");
        }
        assert!(LastTest::from_row(&[&row[..], &[0]].concat()).is_err());
        assert!(LastTest::from_row(&[&row[..row.len() - 1], &[2]].concat()).is_err());
    }
}
