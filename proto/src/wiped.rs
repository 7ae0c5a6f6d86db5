//! Wiping of buffers that held frames: as sure as byte by byte, and some ten times as fast, which streams of many
//! gigabytes notice.

/// Overwrites `bytes` with zeros, whether or not anybody reads them again.
pub fn wipe(bytes: &mut [u8]) {
    bytes.fill(0);
    // What the compiler must take for a reader.
    zeroize::optimization_barrier(bytes);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_left() {
        let mut bytes = [7; 100];
        wipe(&mut bytes[10..]);
        assert_eq!(bytes[..11], [7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 0]);
        assert!(bytes[10..].iter().all(|byte| *byte == 0));
    }
}
