//! Digests, for people who compare them with what `sha256sum` prints.

use std::fmt::Write;

/// All of it, in lower case.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
        // Writing to a string does not fail.
        write!(text, "{byte:02x}").ok();
        text
    })
}

/// As much of it as an eye compares.
pub(crate) fn short(digest: &[u8]) -> String {
    const SHOWN: usize = 8;
    format!("{}…", hex(&digest[..SHOWN.min(digest.len())]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_read_as_sha256sum_prints_them() {
        assert_eq!(hex(&[0, 0x0f, 0xa0]), "000fa0");
        assert_eq!(short(&[0xab; 32]), "abababababababab…");
    }
}
