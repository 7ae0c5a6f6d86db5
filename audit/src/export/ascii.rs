//! JSON in ASCII alone: everything else in a text stands escaped, so that no terminal, mail or
//! collector with another idea of the encoding sees anything but the text. Nothing is lost.

use std::io::{self, Write};

use serde::Serialize;
use serde_json::ser::{CharEscape, Formatter, Serializer};

use super::ExportError;

/// Appends `document` to `out`, on one line without a newline.
pub(super) fn write(document: &impl Serialize, out: &mut Vec<u8>) -> Result<(), ExportError> {
    document
        .serialize(&mut Serializer::with_formatter(out, Ascii))
        .map_err(|error| ExportError::Unwritable(error.into()))
}

struct Ascii;

impl Formatter for Ascii {
    fn write_string_fragment<W: ?Sized + Write>(&mut self, writer: &mut W, fragment: &str) -> io::Result<()> {
        let mut rest = fragment;
        while let Some(at) = rest.find(|c: char| !(' '..='~').contains(&c)) {
            writer.write_all(&rest.as_bytes()[..at])?;
            let mut chars = rest[at..].chars();
            if let Some(c) = chars.next() {
                for unit in c.encode_utf16(&mut [0; 2]) {
                    write!(writer, "\\u{unit:04x}")?;
                }
            }
            rest = chars.as_str();
        }
        writer.write_all(rest.as_bytes())
    }

    fn write_char_escape<W: ?Sized + Write>(&mut self, writer: &mut W, escape: CharEscape) -> io::Result<()> {
        serde_json::ser::CompactFormatter.write_char_escape(writer, escape)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn any_text_comes_back_and_is_printable(text in ".*", key in "\\PC*") {
            let mut out = Vec::new();
            let document = serde_json::json!({ key: [text.clone(), format!("\0\u{7f}\u{9b}\u{202e}\u{1f512}\r\n{text}")] });
            write(&document, &mut out).unwrap();
            prop_assert!(out.iter().all(|byte| (b' '..=b'~').contains(byte)));
            prop_assert_eq!(serde_json::from_slice::<serde_json::Value>(&out).unwrap(), document);
        }
    }
}
