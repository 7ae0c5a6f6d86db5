//! What a terminal can be sent: text that neither steers it nor hides.

use zeroize::Zeroizing;

/// Whether a terminal can be sent this: text without control characters but tabs and line ends.
pub(crate) fn is_harmless(value: &[u8]) -> bool {
    // A carriage return alone would let the end of a value hide its beginning.
    let is_plain = |c: char| !c.is_control() || matches!(c, '\t' | '\n');
    let is_plain_line = |line: &str| line.strip_suffix('\r').unwrap_or(line).chars().all(is_plain);
    std::str::from_utf8(value).is_ok_and(|text| text.split('\n').all(is_plain_line))
}

/// The same of text that comes in parts, which may be cut within a character or a line's end.
#[derive(Default)]
pub(crate) struct Harmless {
    /// The beginning of a character; or a carriage return, which is harmless only before what follows.
    begun: Zeroizing<Vec<u8>>,
}

impl Harmless {
    /// What can be sent now, up to the last whole character; `None` if none of it can.
    pub(crate) fn take(&mut self, part: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        let mut text = Zeroizing::new(Vec::with_capacity(self.begun.len() + part.len()));
        text.extend_from_slice(&self.begun);
        text.extend_from_slice(part);
        let mut whole = match std::str::from_utf8(&text) {
            Ok(text) => text.len(),
            // Of a character that is not whole no length of an error is told.
            Err(error) if error.error_len().is_none() => error.valid_up_to(),
            Err(_) => return None,
        };
        if text[..whole].ends_with(b"\r") {
            whole -= 1;
        }
        self.begun = Zeroizing::new(text[whole..].to_vec());
        text.truncate(whole);
        is_harmless(&text).then_some(text)
    }

    /// Whether all of it was sent: it did not end within a character, or with a carriage return.
    #[must_use]
    pub(crate) fn is_done(&self) -> bool {
        self.begun.is_empty()
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
        let whole = "pässwörd 🔑\r\nand\r\n".as_bytes();
        for at in 0..=whole.len() {
            let mut text = Harmless::default();
            let parts = [&whole[..at], &whole[at..]].map(|part| text.take(part).unwrap().to_vec());
            assert_eq!(parts.concat(), whole, "{at}");
            assert!(text.is_done(), "{at}");
        }
        for bad in [&b"a\x1b[2J"[..], b"\xff", b"\xc3("] {
            assert!(Harmless::default().take(bad).is_none(), "{bad:?}");
        }
        let mut text = Harmless::default();
        assert!(text.take(b"a\xc3").is_some() && text.take(b"a").is_none());
    }

    #[test]
    fn what_hides_a_line_is_found_wherever_it_is_cut() {
        let bad = "hidden\rshown ä".as_bytes();
        for at in 0..=bad.len() {
            let mut text = Harmless::default();
            let parts = [&bad[..at], &bad[at..]].map(|part| text.take(part));
            assert!(parts.iter().any(Option::is_none), "{at}");
        }
        let mut text = Harmless::default();
        let parts =
            [&b"hidden\r"[..], b"\xc3", b"\xa4"].map(|part| text.take(part).map(|part| part.to_vec()));
        assert_eq!(parts, [Some(b"hidden".to_vec()), Some(vec![]), None]);
    }

    #[test]
    fn an_end_that_is_none_is_told() {
        for bad in [&b"a\r"[..], b"a\xc3", b"\xf0\x9f\x94", b"a\r\xc3"] {
            let mut text = Harmless::default();
            assert!(text.take(bad).is_some() && !text.is_done(), "{bad:?}");
        }
        assert!(Harmless::default().is_done(), "nothing has no end");
    }
}
