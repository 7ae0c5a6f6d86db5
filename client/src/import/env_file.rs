//! Reads `.env` files. There is no standard; this is the part on which shells and the usual
//! libraries agree, and whatever is outside it is left out with its line and the reason, since a
//! secret that was read wrongly is worse than one that was not.
//!
//! ```text
//! file     = [BOM] { blank | comment | entry }          lines end with LF or CRLF
//! comment  = blanks "#" anything
//! entry    = blanks ["export" blanks] KEY "=" blanks value
//! KEY      = a letter or "_", then letters, digits, "_", ".", "-"
//! value    = "'" anything but "'" "'" rest              taken as it is, over lines too
//!          | '"' anything, with escapes '"' rest        over lines too; \n \r \t \" \\ \$
//!          | up to the end of the line                  without outer blanks and " # comment"
//! rest     = blanks ["#" anything]
//! ```
//! `$NAME` is never expanded. Values are bytes; only keys must be ASCII.

use zeroize::Zeroizing;

use super::{Item, Parsed, Place};

/// Reads a whole file.
pub(crate) fn parse(file: &[u8]) -> Parsed {
    let mut parsed = Parsed::default();
    let mut rest = file.strip_prefix(b"\xef\xbb\xbf").unwrap_or(file);
    let mut line = 1;
    while !rest.is_empty() {
        let place = Place::Line(line);
        let used = match entry(rest) {
            Ok((None, used)) => used,
            Ok((Some((key, value)), used)) => {
                parsed.items.push(Item { place, key, value });
                used
            }
            Err(reason) => {
                parsed.skip(place, reason);
                line_len(rest)
            }
        };
        line += rest[..used].iter().filter(|&&byte| byte == b'\n').count();
        rest = &rest[used..];
    }
    parsed
}

type Value = Zeroizing<Vec<u8>>;
type Pair = (String, Value);

/// Reads one entry, comment or blank line, and says how many bytes it took, its line end included.
fn entry(text: &[u8]) -> Result<(Option<Pair>, usize), &'static str> {
    let end = line_len(text);
    let line = trim(&text[..end]);
    if line.is_empty() || line.starts_with(b"#") {
        return Ok((None, end));
    }
    let equals = text[..end].iter().position(|&byte| byte == b'=').ok_or("no =")?;
    let key = key(trim_start(&text[..equals]))?;
    let blanks = text[equals + 1..end].iter().take_while(|byte| is_blank(**byte)).count();
    let start = equals + 1 + blanks;
    let (value, used) = match text.get(start) {
        Some(b'\'') => single_quoted(&text[start..])?,
        Some(b'"') => double_quoted(&text[start..])?,
        _ => return Ok((Some((key, unquoted(&text[equals + 1..end]))), end)),
    };
    let behind = &text[start + used..];
    let rest = line_len(behind);
    match trim(&behind[..rest]).first() {
        None | Some(b'#') => Ok((Some((key, value)), start + used + rest)),
        Some(_) => Err("text behind the closing quote"),
    }
}

/// Why a name is none.
pub(crate) const NO_KEY: &str = "the name has other characters than letters, digits, _ . -";

/// Whether a variable can be called that.
pub(crate) fn is_key(name: &str) -> bool {
    let is_first = |byte: u8| byte.is_ascii_alphabetic() || byte == b'_';
    name.bytes().next().is_some_and(is_first)
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte))
}

fn key(text: &[u8]) -> Result<String, &'static str> {
    let name = match text.strip_prefix(b"export") {
        Some(rest) if rest.first().is_some_and(|byte| is_blank(*byte)) => trim_start(rest),
        _ => text,
    };
    if name.is_empty() {
        return Err("no name before =");
    }
    Ok(str::from_utf8(name).ok().filter(|name| is_key(name)).ok_or(NO_KEY)?.to_owned())
}

fn unquoted(text: &[u8]) -> Value {
    let comment = (0..text.len()).find(|&at| text[at] == b'#' && (at == 0 || is_blank(text[at - 1])));
    Zeroizing::new(trim(&text[..comment.unwrap_or(text.len())]).to_vec())
}

fn single_quoted(text: &[u8]) -> Result<(Value, usize), &'static str> {
    let len = text[1..].iter().position(|&byte| byte == b'\'').ok_or("no closing quote")?;
    Ok((Zeroizing::new(text[1..=len].to_vec()), len + 2))
}

fn double_quoted(text: &[u8]) -> Result<(Value, usize), &'static str> {
    let len = closing_quote(&text[1..]).ok_or("no closing quote")?;
    // Escapes only ever shorten: with this capacity the value never moves.
    let mut value = Zeroizing::new(Vec::with_capacity(len));
    let mut bytes = text[1..=len].iter();
    while let Some(&byte) = bytes.next() {
        value.push(match byte {
            b'\\' => match bytes.next() {
                Some(b'n') => b'\n',
                Some(b'r') => b'\r',
                Some(b't') => b'\t',
                Some(&same @ (b'"' | b'\\' | b'$')) => same,
                _ => return Err("an escape other than \\n \\r \\t \\\" \\\\ \\$"),
            },
            _ => byte,
        });
    }
    Ok((value, len + 2))
}

fn closing_quote(text: &[u8]) -> Option<usize> {
    let mut escaped = false;
    text.iter().position(|&byte| {
        let closes = byte == b'"' && !escaped;
        escaped = byte == b'\\' && !escaped;
        closes
    })
}

/// Bytes up to and including the next line feed.
fn line_len(text: &[u8]) -> usize {
    text.iter().position(|&byte| byte == b'\n').map_or(text.len(), |at| at + 1)
}

fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t')
}

fn trim_start(text: &[u8]) -> &[u8] {
    &text[text.iter().take_while(|byte| is_blank(**byte)).count()..]
}

/// Without outer blanks and without the line's end.
fn trim(text: &[u8]) -> &[u8] {
    let text = trim_start(text);
    let behind =
        text.iter().rev().take_while(|byte| is_blank(**byte) || matches!(byte, b'\r' | b'\n')).count();
    &text[..text.len() - behind]
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(file: &str) -> Vec<(String, String)> {
        let parsed = parse(file.as_bytes());
        assert_eq!(parsed.skipped, []);
        let text = |value: &[u8]| String::from_utf8(value.to_vec()).unwrap();
        parsed.items.iter().map(|item| (item.key.clone(), text(&item.value))).collect()
    }

    fn value(line: &str) -> String {
        let mut items = read(line);
        assert_eq!(items.len(), 1);
        items.remove(0).1
    }

    fn skipped(file: &str) -> Vec<(usize, String)> {
        let place = |place: &Place| match place {
            Place::Line(line) => *line,
            Place::Path(_) => unreachable!("env files have lines"),
        };
        parse(file.as_bytes()).skipped.iter().map(|s| (place(&s.place), s.reason.clone())).collect()
    }

    #[test]
    fn unquoted_values() {
        assert_eq!(value("A=b"), "b");
        assert_eq!(value("A="), "");
        assert_eq!(value("A=  b c \t\r\n"), "b c");
        assert_eq!(value("A=b # comment"), "b");
        assert_eq!(value("A=b#no-comment"), "b#no-comment");
        assert_eq!(value("A=# comment"), "");
        assert_eq!(value("A=x=y'z\"$HOME\\n"), "x=y'z\"$HOME\\n");
        assert_eq!(value("  export \t A=b"), "b");
        assert_eq!(read("exported=1")[0].0, "exported");
    }

    #[test]
    fn quoted_values() {
        assert_eq!(value("A='b # $c \\n'  # comment"), "b # $c \\n");
        assert_eq!(value("A='one\ntwo\r\n'"), "one\ntwo\r\n");
        assert_eq!(value("A=\"\\n\\r\\t\\\"\\\\\\$x\""), "\n\r\t\"\\$x");
        assert_eq!(value("A= \"one\ntwo\""), "one\ntwo");
        assert_eq!(value("A=''"), "");
    }

    #[test]
    fn files_of_many_lines() {
        let file = "\u{feff}# head\r\n\r\nA=1\r\n  # more\nB='x\ny'\nC=3";
        let expected = [("A", "1"), ("B", "x\ny"), ("C", "3")];
        assert_eq!(read(file), expected.map(|(key, value)| (key.to_owned(), value.to_owned())));
    }

    #[test]
    fn what_is_outside_the_grammar_is_left_out_with_its_line() {
        let file = "A='x\ny'\nnonsense\nB=2\n=3\n1C=4\nD E=5\nF='open\nG=\"x\"y\nH=\"\\x\"\nI=9\n";
        let name = "the name has other characters than letters, digits, _ . -".to_owned();
        assert_eq!(
            skipped(file),
            [
                (3, "no =".to_owned()),
                (5, "no name before =".to_owned()),
                (6, name.clone()),
                (7, name),
                (8, "no closing quote".to_owned()),
                (9, "text behind the closing quote".to_owned()),
                (10, "an escape other than \\n \\r \\t \\\" \\\\ \\$".to_owned()),
            ]
        );
        let keys: Vec<String> = parse(file.as_bytes()).items.into_iter().map(|item| item.key).collect();
        assert_eq!(keys, ["A", "B", "I"]);
    }

    fn quoted(value: &[u8]) -> Vec<u8> {
        let mut text = vec![b'"'];
        for &byte in value {
            match byte {
                b'\n' => text.extend_from_slice(b"\\n"),
                b'"' | b'\\' | b'$' => text.extend_from_slice(&[b'\\', byte]),
                _ => text.push(byte),
            }
        }
        text.push(b'"');
        text
    }

    proptest! {
        #[test]
        fn any_value_written_quoted_comes_back_byte_for_byte(
            values in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..80), 1..5),
        ) {
            let mut file = Vec::new();
            for (i, value) in values.iter().enumerate() {
                file.extend_from_slice(format!("export K{i}=").as_bytes());
                file.extend_from_slice(&quoted(value));
                file.extend_from_slice(b" # comment\r\n");
            }
            let parsed = parse(&file);
            prop_assert_eq!(&parsed.skipped, &[]);
            let read: Vec<Vec<u8>> = parsed.items.iter().map(|item| item.value.to_vec()).collect();
            prop_assert_eq!(read, values);
        }

        #[test]
        fn any_value_without_quotes_comes_back_from_single_quotes(value in "[^']{0,80}") {
            let parsed = parse(format!("K='{value}'").as_bytes());
            prop_assert_eq!(parsed.items[0].value.as_slice(), value.as_bytes());
        }

        #[test]
        fn no_file_is_a_reason_to_fail(file in prop::collection::vec(any::<u8>(), 0..300)) {
            let lines = file.split(|&byte| byte == b'\n').count();
            let parsed = parse(&file);
            prop_assert!(parsed.items.len() + parsed.skipped.len() <= lines);
        }
    }
}
