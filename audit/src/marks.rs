//! What holds a log together: the members of a record that say which log it is of, and with which
//! key its seals go on.

use std::fmt;

use serde::de::{self, Deserializer, Visitor};
use serde::ser::Serializer;
use serde::{Deserialize, Serialize};

/// Bytes that stand in a line as lowercase hex.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Hex<const N: usize>(pub [u8; N]);

/// Which log a file is of: the first line of every file says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Log {
    /// [`FORMAT`](crate::FORMAT).
    pub format: u32,
    /// Random; the same in all files of one log.
    pub id: Hex<16>,
    /// Whose the seals are: an X25519 public key. `None`: there are no seals.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auditor: Option<Hex<32>>,
    /// The log that was set aside for this one, in its first line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<After>,
}

/// Where a log that was set aside ended, as far as it could be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct After {
    /// Its id, if it had one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<Hex<16>>,
    /// Its last record.
    pub seq: u64,
    /// BLAKE3 of that record's line.
    pub hash: Hex<32>,
}

/// Which state of the vault was on the disk when the record was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Vault {
    /// The vault's id.
    pub id: Hex<16>,
    /// How many changes it had seen.
    pub changes: u64,
    /// The first bytes of BLAKE3 of the row that seals that state.
    pub state: Hex<16>,
    /// Which master key that is sealed under, by the id of its contexts key. An earlier version told none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<Hex<16>>,
}

/// A key of the seals.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Key {
    /// Whom it is sealed to.
    pub auditor: Hex<32>,
    /// The key of the next record, in libsodium's sealed box.
    pub sealed: Hex<80>,
    /// What this record's own seal was made with; `None`: it has none, and the seals begin anew
    /// without anything that says by whom.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub linked: Option<Linked>,
}

/// What a key record's own seal was made with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Linked {
    /// [`crate::seal::origin`] of the auditor: nobody without its secret begins a log's seals.
    Origin,
    /// The key of the record before, one step on.
    Running,
    /// The link that an earlier run of the daemon left, in `audit.link`.
    #[serde(untagged)]
    Link {
        /// The log it is of.
        log: Hex<16>,
        /// The record it stands behind.
        seq: u64,
    },
}

impl<const N: usize> Hex<N> {
    /// Reads exactly `2 * N` lowercase digits.
    pub fn parse(text: &[u8]) -> Option<Self> {
        let mut bytes = [0; N];
        if text.len() != 2 * N {
            return None;
        }
        for (byte, pair) in bytes.iter_mut().zip(text.chunks_exact(2)) {
            *byte = digit(pair[0])? << 4 | digit(pair[1])?;
        }
        Some(Self(bytes))
    }

    /// Appends the digits to `line`.
    pub fn push(&self, line: &mut Vec<u8>) {
        for byte in self.0 {
            line.extend_from_slice(&DIGITS[usize::from(byte)]);
        }
    }
}

/// The two digits of each byte: a record has up to 64 of them, and an answer waits behind it.
const DIGITS: [[u8; 2]; 256] = {
    let mut all = [[0; 2]; 256];
    let mut n = 0;
    while n < 256 {
        all[n] = [b"0123456789abcdef"[n >> 4], b"0123456789abcdef"[n & 15]];
        n += 1;
    }
    all
};

fn digit(c: u8) -> Option<u8> {
    match c {
        b'0'..=b'9' => Some(c - b'0'),
        b'a'..=b'f' => Some(c - b'a' + 10),
        _ => None,
    }
}

impl<const N: usize> fmt::Display for Hex<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl<const N: usize> fmt::Debug for Hex<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl<const N: usize> Serialize for Hex<N> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de, const N: usize> Deserialize<'de> for Hex<N> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Digits<const N: usize>;
        impl<const N: usize> Visitor<'_> for Digits<N> {
            type Value = Hex<N>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{} lowercase hexadecimal digits", 2 * N)
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Hex<N>, E> {
                // The text is not repeated: it is whatever somebody wrote there.
                Hex::parse(text.as_bytes())
                    .ok_or_else(|| E::custom("not as many hexadecimal digits as it takes"))
            }
        }
        deserializer.deserialize_str(Digits)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hex_is_exact() {
        let hex = Hex([0x00, 0x9f, 0xa0, 0xff]);
        let mut line = Vec::new();
        hex.push(&mut line);
        assert_eq!(line, b"009fa0ff");
        assert_eq!(hex.to_string().as_bytes(), line);
        assert_eq!(Hex::parse(&line), Some(hex));
        for bad in ["", "009fa0f", "009fa0ff0", "009FA0FF", "009fa0fg", " 09fa0ff", "+09fa0ff"] {
            assert_eq!(Hex::<4>::parse(bad.as_bytes()), None, "{bad}");
        }
        assert!(serde_json::from_str::<Hex<4>>("\"009fa0ff\"").is_ok());
        assert!(serde_json::from_str::<Hex<4>>("\"009FA0FF\"").is_err());
        assert!(serde_json::from_str::<Hex<4>>("1").is_err());
    }

    #[test]
    fn what_a_key_is_linked_by_is_a_word_or_a_place() {
        for (linked, text) in [
            (Linked::Origin, r#""origin""#.to_owned()),
            (Linked::Running, r#""running""#.to_owned()),
            (Linked::Link { log: Hex([7; 16]), seq: 9 }, format!(r#"{{"log":"{}","seq":9}}"#, Hex([7; 16]))),
        ] {
            assert_eq!(serde_json::to_string(&linked).unwrap(), text);
            assert_eq!(serde_json::from_str::<Linked>(&text).unwrap(), linked);
        }
        assert!(serde_json::from_str::<Linked>(r#""link""#).is_err());
        assert!(serde_json::from_str::<Linked>(r#"{"log":"07","seq":9}"#).is_err());
    }
}
