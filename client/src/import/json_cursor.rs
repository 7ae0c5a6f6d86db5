//! Reads JSON (RFC 8259) piece by piece, straight into buffers that are wiped, and numbers as they
//! are written. A general library would keep strings in scratch space of its own, and would make
//! `0.10` and a number of forty digits something else.

use zeroize::Zeroizing;

/// Why the text is not JSON, or none that is read here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NotJson {
    /// Line of the mistake, counted from one.
    pub(crate) line: usize,
    /// What is wrong.
    pub(crate) reason: &'static str,
}

/// Objects and arrays in each other; far more than a name has room for.
pub(crate) const DEPTH: usize = 64;

/// Files that begin with the mark of their byte order, as text.
///
/// # Errors
/// [`NotJson`] with the line that is no UTF-8.
pub(crate) fn text(file: &[u8]) -> Result<&str, NotJson> {
    let file = file.strip_prefix(b"\xef\xbb\xbf").unwrap_or(file);
    std::str::from_utf8(file)
        .map_err(|error| NotJson { line: 1 + line_feeds(&file[..error.valid_up_to()]), reason: "not UTF-8" })
}

fn line_feeds(text: &[u8]) -> usize {
    text.iter().filter(|&&byte| byte == b'\n').count()
}

/// A place in a text.
pub(crate) struct Cursor<'a> {
    text: &'a [u8],
    at: usize,
    /// Up to where lines were counted, and the line that this is in.
    counted: (usize, usize),
}

impl<'a> Cursor<'a> {
    /// At the first byte.
    pub(crate) fn new(text: &'a str) -> Self {
        Self { text: text.as_bytes(), at: 0, counted: (0, 1) }
    }

    /// The next byte that is not white space; it is not taken.
    pub(crate) fn peek(&mut self) -> Option<u8> {
        while matches!(self.text.get(self.at), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
        self.text.get(self.at).copied()
    }

    /// Takes `byte` if it is the next one.
    pub(crate) fn take(&mut self, byte: u8) -> bool {
        let is_next = self.peek() == Some(byte);
        self.at += usize::from(is_next);
        is_next
    }

    /// Takes `byte`, which must be the next one.
    pub(crate) fn expect(&mut self, byte: u8, reason: &'static str) -> Result<(), NotJson> {
        if self.take(byte) { Ok(()) } else { Err(self.error(reason)) }
    }

    /// Takes a string, its escapes resolved.
    pub(crate) fn string(&mut self) -> Result<Zeroizing<Vec<u8>>, NotJson> {
        self.expect(b'"', "a string is expected")?;
        // Escapes only ever shorten: with this capacity the string never moves.
        let mut string = Zeroizing::new(Vec::with_capacity(self.string_len()));
        loop {
            let byte = self.next("a string without an end")?;
            match byte {
                b'"' => return Ok(string),
                b'\\' => self.escape(&mut string)?,
                0..0x20 => return Err(self.error("a control character in a string")),
                _ => string.push(byte),
            }
        }
    }

    /// Takes a number or one of the words `true`, `false`, `null`, as it is written.
    pub(crate) fn word(&mut self) -> Result<Zeroizing<Vec<u8>>, NotJson> {
        self.peek();
        let rest = &self.text[self.at..];
        let len = rest.iter().take_while(|b| b.is_ascii_alphanumeric() || b"+-.".contains(b)).count();
        let word = &rest[..len];
        if !matches!(word, b"true" | b"false" | b"null") && !is_number(word) {
            return Err(self.error("a value is expected"));
        }
        self.at += len;
        Ok(Zeroizing::new(word.to_vec()))
    }

    /// Takes an object, its members one by one: `member` is given each key and must take the value.
    pub(crate) fn object(
        &mut self,
        depth: usize,
        mut member: impl FnMut(&mut Self, &str) -> Result<(), NotJson>,
    ) -> Result<(), NotJson> {
        if depth == DEPTH {
            return Err(self.error("objects nested too deeply"));
        }
        self.expect(b'{', "an object is expected")?;
        if self.take(b'}') {
            return Ok(());
        }
        loop {
            let key = self.string()?;
            let key = std::str::from_utf8(&key).map_err(|_| self.error("not UTF-8"))?;
            self.expect(b':', "a : is expected behind a key")?;
            member(self, key)?;
            if self.take(b'}') {
                return Ok(());
            }
            self.expect(b',', "a , or } is expected")?;
        }
    }

    /// Takes an array, its elements one by one: `element` must take each.
    pub(crate) fn array(
        &mut self,
        depth: usize,
        mut element: impl FnMut(&mut Self) -> Result<(), NotJson>,
    ) -> Result<(), NotJson> {
        if depth == DEPTH {
            return Err(self.error("arrays nested too deeply"));
        }
        self.expect(b'[', "an array is expected")?;
        if self.take(b']') {
            return Ok(());
        }
        loop {
            element(self)?;
            if self.take(b']') {
                return Ok(());
            }
            self.expect(b',', "a , or ] is expected")?;
        }
    }

    /// Passes over a value, which must be JSON all the same.
    pub(crate) fn pass_over(&mut self, depth: usize) -> Result<(), NotJson> {
        match self.peek() {
            Some(b'{') => self.object(depth, |cursor, _| cursor.pass_over(depth + 1)),
            Some(b'[') => self.array(depth, |cursor| cursor.pass_over(depth + 1)),
            Some(b'"') => self.string().map(drop),
            _ => self.word().map(drop),
        }
    }

    /// Takes a string, a number or a truth value as it is written; nothing for null.
    pub(crate) fn scalar(&mut self) -> Result<Option<Zeroizing<Vec<u8>>>, NotJson> {
        if self.peek() == Some(b'"') {
            return self.string().map(Some);
        }
        Ok(Some(self.word()?).filter(|word| **word != b"null"))
    }

    /// At the end, behind white space.
    pub(crate) fn end(&mut self) -> Result<(), NotJson> {
        if self.peek().is_some() { Err(self.error("text behind the object")) } else { Ok(()) }
    }

    /// The line that it is in, counted from one. No byte is looked at twice for it, however often it is asked for.
    pub(crate) fn line(&mut self) -> usize {
        let (from, line) = self.counted;
        self.counted = (self.at, line + line_feeds(&self.text[from..self.at]));
        self.counted.1
    }

    /// A mistake at this place.
    pub(crate) fn error(&self, reason: &'static str) -> NotJson {
        let before = &self.text[..self.at.min(self.text.len())];
        NotJson { line: 1 + line_feeds(before), reason }
    }

    fn next(&mut self, reason: &'static str) -> Result<u8, NotJson> {
        let byte = *self.text.get(self.at).ok_or_else(|| self.error(reason))?;
        self.at += 1;
        Ok(byte)
    }

    fn escape(&mut self, string: &mut Vec<u8>) -> Result<(), NotJson> {
        let byte = match self.next("a string without an end")? {
            b'u' => {
                let character = self.unicode_escape()?;
                let mut utf8 = Zeroizing::new([0u8; 4]);
                string.extend_from_slice(character.encode_utf8(&mut *utf8).as_bytes());
                return Ok(());
            }
            b'n' => b'\n',
            b'r' => b'\r',
            b't' => b'\t',
            b'b' => 0x08,
            b'f' => 0x0c,
            same @ (b'"' | b'\\' | b'/') => same,
            _ => return Err(self.error("an unknown escape")),
        };
        string.push(byte);
        Ok(())
    }

    fn unicode_escape(&mut self) -> Result<char, NotJson> {
        const LONE: &str = "half of a surrogate pair";
        let first = self.hex4()?;
        if !(0xd800..0xe000).contains(&first) {
            return char::from_u32(first).ok_or_else(|| self.error(LONE));
        }
        let second_follows = first < 0xdc00 && self.text[self.at..].starts_with(b"\\u");
        if !second_follows {
            return Err(self.error(LONE));
        }
        self.at += 2;
        let second = self.hex4()?;
        if !(0xdc00..0xe000).contains(&second) {
            return Err(self.error(LONE));
        }
        let character = 0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00);
        char::from_u32(character).ok_or_else(|| self.error(LONE))
    }

    fn hex4(&mut self) -> Result<u32, NotJson> {
        let mut number = 0;
        for _ in 0..4 {
            let digit = char::from(self.next("an escape without an end")?).to_digit(16);
            number = number * 16 + digit.ok_or_else(|| self.error("an escape that is no number"))?;
        }
        Ok(number)
    }

    /// Bytes to the end of the string that begins here.
    fn string_len(&self) -> usize {
        let mut escaped = false;
        let rest = &self.text[self.at..];
        let end = rest.iter().position(|&byte| {
            let closes = byte == b'"' && !escaped;
            escaped = byte == b'\\' && !escaped;
            closes
        });
        end.unwrap_or(rest.len())
    }
}

/// RFC 8259, 6: `[-] int [frac] [exp]`.
fn is_number(word: &[u8]) -> bool {
    let digits = |text: &[u8]| text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let word = word.strip_prefix(b"-").unwrap_or(word);
    let whole = digits(word);
    if whole == 0 || (whole > 1 && word[0] == b'0') {
        return false;
    }
    let mut rest = &word[whole..];
    if let Some(fraction) = rest.strip_prefix(b".") {
        let len = digits(fraction);
        if len == 0 {
            return false;
        }
        rest = &fraction[len..];
    }
    if let [b'e' | b'E', exponent @ ..] = rest {
        let exponent = exponent.strip_prefix(b"+").or(exponent.strip_prefix(b"-")).unwrap_or(exponent);
        return !exponent.is_empty() && digits(exponent) == exponent.len();
    }
    rest.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn string(text: &str) -> Result<String, &'static str> {
        let mut cursor = Cursor::new(text);
        let bytes = cursor.string().map_err(|error| error.reason)?;
        Ok(String::from_utf8(bytes.to_vec()).unwrap())
    }

    #[test]
    fn strings_and_their_escapes() {
        assert_eq!(
            string(r#""a\"\\\/\b\f\n\r\tß\u00df\ud83d\udd11""#).unwrap(),
            "a\"\\/\u{8}\u{c}\n\r\tßß🔑"
        );
        for bad in [
            r#""open"#,
            r#""\x""#,
            r#""\u12""#,
            r#""\ud83d""#,
            r#""\ud83d\u0041""#,
            r#""\udd11""#,
            "\"\n\"",
            r#""\"#,
            "x",
        ] {
            assert!(string(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn numbers_are_those_of_the_standard() {
        for good in ["0", "-0", "10", "0.10", "1e9", "1E+09", "-1.5e-3"] {
            assert!(is_number(good.as_bytes()), "{good}");
        }
        for bad in ["", "-", "01", "1.", ".5", "1e", "1e+", "+1", "0x1", "1e5x", "NaN"] {
            assert!(!is_number(bad.as_bytes()), "{bad}");
        }
    }

    /// From the first byte each time, that would be half a million millions of them.
    #[test]
    fn lines_of_a_long_text_are_counted_once() {
        const COUNT: usize = 200_000;
        let text = format!("[\n{}0]", "\"a value of some length\",\n".repeat(COUNT));
        let mut cursor = Cursor::new(&text);
        let mut lines = Vec::new();
        cursor
            .array(0, |cursor| {
                cursor.peek();
                lines.push(cursor.line());
                cursor.pass_over(1)
            })
            .unwrap();
        assert!(lines.iter().copied().eq(2..COUNT + 3), "{:?}", lines.last());
    }
}
