//! Reads comma-separated values (RFC 4180) row by row, each field straight into a buffer that is wiped and never moves.
//!
//! Strictly: a library reads on whatever comes, and a password that was read wrongly is worse than a file that was not
//! read. So a quote inside of a field, text behind a closing quote and a row that is too short or too long are
//! mistakes, with their line.

use super::Value;

/// How a quote stands in a quoted field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Quoting {
    /// Twice, as in RFC 4180.
    Doubled,
    /// With a backslash in front, as a backslash does: KeePass 1.
    Backslash,
}

/// Why the text is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NotCsv {
    /// Line of the mistake, counted from one.
    pub(crate) line: usize,
    /// What is wrong.
    pub(crate) reason: &'static str,
}

/// A place in a text.
pub(crate) struct Rows<'a> {
    text: &'a [u8],
    at: usize,
    line: usize,
    quoting: Quoting,
}

impl<'a> Rows<'a> {
    /// At the first byte.
    pub(crate) fn new(file: &'a [u8], quoting: Quoting) -> Self {
        Self { text: file.strip_prefix(b"\xef\xbb\xbf").unwrap_or(file), at: 0, line: 1, quoting }
    }

    /// The next row with the line that it begins in; `None` behind the last. Empty lines are none.
    ///
    /// # Errors
    /// [`NotCsv`].
    pub(crate) fn next(&mut self) -> Result<Option<(usize, Vec<Value>)>, NotCsv> {
        while self.line_end() {}
        if self.at == self.text.len() {
            return Ok(None);
        }
        let line = self.line;
        let mut row = Vec::new();
        loop {
            row.push(self.field()?);
            if self.at == self.text.len() || self.line_end() {
                return Ok(Some((line, row)));
            }
            if self.text[self.at] != b',' {
                return Err(self.error("text behind the closing quote"));
            }
            self.at += 1;
        }
    }

    fn field(&mut self) -> Result<Value, NotCsv> {
        let rest = &self.text[self.at..];
        if rest.first() == Some(&b'"') {
            return self.quoted();
        }
        let len = rest.iter().position(|byte| b",\r\n".contains(byte)).unwrap_or(rest.len());
        if rest[..len].contains(&b'"') {
            return Err(self.error("a quote inside of a field that is not quoted"));
        }
        self.at += len;
        Ok(Value::new(rest[..len].to_vec()))
    }

    fn quoted(&mut self) -> Result<Value, NotCsv> {
        let inner = &self.text[self.at + 1..];
        let len = self.quoted_len(inner).ok_or_else(|| self.error("no closing quote"))?;
        // What is escaped only ever gets shorter: with this capacity the field never moves.
        let mut value = Value::new(Vec::with_capacity(len));
        let mut bytes = inner[..len].iter();
        while let Some(&byte) = bytes.next() {
            let escape = match self.quoting {
                Quoting::Doubled => b'"',
                Quoting::Backslash => b'\\',
            };
            value.push(match byte {
                _ if byte != escape => byte,
                _ => match bytes.next() {
                    Some(&same @ b'"') => same,
                    Some(&same @ b'\\') if self.quoting == Quoting::Backslash => same,
                    _ => {
                        return Err(
                            self.error("a backslash before something else than a quote or a backslash")
                        );
                    }
                },
            });
        }
        self.line += inner[..len].iter().filter(|&&byte| byte == b'\n').count();
        self.at += len + 2;
        Ok(value)
    }

    /// Bytes up to the closing quote.
    fn quoted_len(&self, inner: &[u8]) -> Option<usize> {
        let mut at = 0;
        loop {
            let byte = inner.get(at)?;
            match (byte, self.quoting) {
                (b'"', Quoting::Doubled) if inner.get(at + 1) == Some(&b'"') => at += 2,
                (b'\\', Quoting::Backslash) => at += 2,
                (b'"', _) => return Some(at),
                _ => at += 1,
            }
        }
    }

    /// Takes the end of a line, if it is next.
    fn line_end(&mut self) -> bool {
        let rest = &self.text[self.at..];
        let len = if rest.starts_with(b"\r\n") { 2 } else { usize::from(rest.starts_with(b"\n")) };
        self.at += len;
        self.line += usize::from(len > 0);
        len > 0
    }

    fn error(&self, reason: &'static str) -> NotCsv {
        NotCsv { line: self.line, reason }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(text: &str, quoting: Quoting) -> Result<Vec<(usize, Vec<String>)>, NotCsv> {
        let mut rows = Rows::new(text.as_bytes(), quoting);
        let mut all = Vec::new();
        while let Some((line, row)) = rows.next()? {
            all.push((line, row.iter().map(|value| String::from_utf8(value.to_vec()).unwrap()).collect()));
        }
        Ok(all)
    }

    fn row(line: usize, fields: &[&str]) -> (usize, Vec<String>) {
        (line, fields.iter().map(|field| (*field).to_owned()).collect())
    }

    #[test]
    fn rows_with_everything_in_them() {
        let text = "\u{feff}a,b\r\n\n\"x\ny\",\"q\"\"q, r\"\n,\n\"\",\\\n";
        let expected =
            [row(1, &["a", "b"]), row(3, &["x\ny", "q\"q, r"]), row(5, &["", ""]), row(6, &["", "\\"])];
        assert_eq!(read(text, Quoting::Doubled).unwrap(), expected);
        let text = r#""a\"b\\","c
d""#;
        assert_eq!(read(text, Quoting::Backslash).unwrap(), [row(1, &["a\"b\\", "c\nd"])]);
    }

    #[test]
    fn mistakes_have_their_line() {
        for (text, quoting, line, reason) in [
            ("a\n\"open", Quoting::Doubled, 2, "no closing quote"),
            ("\"a\"b", Quoting::Doubled, 1, "text behind the closing quote"),
            ("a\"b", Quoting::Doubled, 1, "a quote inside of a field that is not quoted"),
            ("\"a\\", Quoting::Backslash, 1, "no closing quote"),
            (
                "\"a\\n\"",
                Quoting::Backslash,
                1,
                "a backslash before something else than a quote or a backslash",
            ),
        ] {
            assert_eq!(read(text, quoting), Err(NotCsv { line, reason }), "{text:?}");
        }
    }

    fn written(rows: &[Vec<Vec<u8>>], quoting: Quoting) -> Vec<u8> {
        let quoted = |field: &Vec<u8>| {
            let mut out = vec![b'"'];
            for &byte in field {
                match (byte, quoting) {
                    (b'"', Quoting::Doubled) => out.push(b'"'),
                    (b'"' | b'\\', Quoting::Backslash) => out.push(b'\\'),
                    _ => {}
                }
                out.push(byte);
            }
            out.push(b'"');
            out
        };
        let line = |row: &Vec<Vec<u8>>| row.iter().map(quoted).collect::<Vec<_>>().join(&b',');
        rows.iter().map(line).collect::<Vec<_>>().join(&b'\n')
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_byte_for_byte(
            rows in prop::collection::vec(prop::collection::vec(prop::collection::vec(any::<u8>(), 0..20), 1..5), 1..5),
            backslash in any::<bool>(),
        ) {
            let quoting = if backslash { Quoting::Backslash } else { Quoting::Doubled };
            let text = written(&rows, quoting);
            let mut reader = Rows::new(&text, quoting);
            for row in rows {
                let (_, read) = reader.next().unwrap().unwrap();
                prop_assert_eq!(read.iter().map(|field| field.to_vec()).collect::<Vec<_>>(), row);
            }
            prop_assert!(reader.next().unwrap().is_none());
        }

        #[test]
        fn no_text_is_a_reason_to_fail(text in prop::collection::vec(any::<u8>(), 0..200), backslash in any::<bool>()) {
            let quoting = if backslash { Quoting::Backslash } else { Quoting::Doubled };
            let mut rows = Rows::new(&text, quoting);
            while let Ok(Some(_)) = rows.next() {}
        }
    }
}
