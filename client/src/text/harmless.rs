//! What a terminal can be sent: text that neither steers it nor hides.

use zeroize::Zeroizing;

/// Whether a terminal can be sent this: text without control characters but tabs and line ends.
pub(crate) fn is_harmless(value: &[u8]) -> bool {
    // A carriage return alone would let the end of a value hide its beginning.
    let is_plain = |c: char| !c.is_control() || matches!(c, '\t' | '\n');
    let is_plain_line = |line: &str| line.strip_suffix('\r').unwrap_or(line).chars().all(is_plain);
    std::str::from_utf8(value).is_ok_and(|text| text.split('\n').all(is_plain_line))
}

/// The same of text that comes in parts, which may be cut within a character.
#[derive(Default)]
pub(crate) struct Harmless {
    /// The beginning of a character.
    begun: Zeroizing<Vec<u8>>,
}

impl Harmless {
    /// What can be sent now, up to the last whole character; `None` if none of it can.
    pub(crate) fn take(&mut self, part: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        let mut text = Zeroizing::new(Vec::with_capacity(self.begun.len() + part.len()));
        text.extend_from_slice(&self.begun);
        text.extend_from_slice(part);
        if let Err(error) = std::str::from_utf8(&text) {
            // Of a character that is not whole no length of an error is told.
            if error.error_len().is_some() {
                return None;
            }
            self.begun = Zeroizing::new(text[error.valid_up_to()..].to_vec());
            text.truncate(error.valid_up_to());
        } else {
            self.begun.clear();
        }
        is_harmless(&text).then_some(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_steer_a_terminal_is_not_printed_there() {
        for good in ["", "pässwörd 🔑", "-----BEGIN\nKEY\r\n\tx\n"] {
            assert!(is_harmless(good.as_bytes()), "{good:?}");
        }
        for bad in ["\x1b[2J", "\u{9b}2J", "a\rb", "\0", "\x7f", "a\x08b"] {
            assert!(!is_harmless(bad.as_bytes()), "{bad:?}");
        }
        assert!(!is_harmless(b"\xff\xfe"));
    }

    #[test]
    fn characters_may_be_cut_and_nothing_else_may() {
        let whole = "pässwörd 🔑\n".as_bytes();
        for at in 0..=whole.len() {
            let mut text = Harmless::default();
            let parts = [&whole[..at], &whole[at..]].map(|part| text.take(part).unwrap().to_vec());
            assert_eq!(parts.concat(), whole, "{at}");
        }
        for bad in [&b"a\x1b[2J"[..], b"\xff", b"\xc3("] {
            assert!(Harmless::default().take(bad).is_none(), "{bad:?}");
        }
        let mut text = Harmless::default();
        assert!(text.take(b"a\xc3").is_some() && text.take(b"a").is_none());
    }
}
