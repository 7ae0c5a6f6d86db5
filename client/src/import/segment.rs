//! What other programs call things, as part of a secret's name. A path's segments are told apart by `/`, and no name
//! has control characters: inside a segment both are percent-encoded (RFC 3986, 2.1), as the keyring backend of the
//! Python package does. Everything else stays as it is read, blanks and all.

/// What something without a name is called.
const NAMELESS: &str = "unnamed";

/// One segment.
pub(crate) fn segment(text: &str) -> String {
    if text.is_empty() {
        return NAMELESS.to_owned();
    }
    let mut segment = String::with_capacity(text.len());
    for (at, character) in text.char_indices() {
        // Or what was encoded could not be told from what looks so.
        let looks_encoded = character == '%'
            && text.as_bytes().get(at + 1..at + 3).is_some_and(|two| two.iter().all(u8::is_ascii_hexdigit));
        if character == '/' || character.is_control() || looks_encoded {
            let mut bytes = [0; 4];
            for byte in character.encode_utf8(&mut bytes).bytes() {
                segment.push_str(&format!("%{byte:02X}"));
            }
        } else {
            segment.push(character);
        }
    }
    segment
}

/// A folder, whose name tells the folders that it lies in by `/`, and what lies in it.
pub(crate) fn path(folder: &str, name: &str) -> String {
    let folders = folder.split('/').filter(|part| !part.is_empty()).map(segment);
    folders.chain([segment(name)]).collect::<Vec<_>>().join("/")
}

#[cfg(test)]
mod tests {
    use glassdome_proto::Name;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_a_path_cannot_hold_is_encoded() {
        assert_eq!(segment("My Gmail"), "My Gmail");
        assert_eq!(segment("http://a/b"), "http:%2F%2Fa%2Fb");
        assert_eq!(segment("100%"), "100%");
        assert_eq!(segment("a%2Fb"), "a%252Fb");
        assert_eq!(segment("a\n\u{9b}"), "a%0A%C2%9B");
        assert_eq!(segment(""), "unnamed");
        assert_eq!(path("Work//Bank", "a/b"), "Work/Bank/a%2Fb");
        assert_eq!(path("", "x"), "x");
    }

    /// As any reader of RFC 3986 does.
    fn decoded(text: &str) -> String {
        let (bytes, mut at, mut out) = (text.as_bytes(), 0, Vec::new());
        while at < bytes.len() {
            let hex = text.get(at + 1..at + 3).and_then(|two| u8::from_str_radix(two, 16).ok());
            match hex.filter(|_| bytes[at] == b'%') {
                Some(byte) => {
                    out.push(byte);
                    at += 3;
                }
                None => {
                    out.push(bytes[at]);
                    at += 1;
                }
            }
        }
        String::from_utf8(out).unwrap()
    }

    proptest! {
        #[test]
        fn whatever_it_is_called_it_is_one_segment_and_can_be_told_back(text in "\\PC{1,20}|[a%/2Ff\u{0}-\u{1f}]{1,12}") {
            let segment = segment(&text);
            prop_assert_eq!(segment.split('/').count(), 1);
            prop_assert!(Name::typed(&segment).is_ok());
            prop_assert_eq!(decoded(&segment), text);
        }
    }
}
