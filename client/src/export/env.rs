//! Lines of `KEY='value'` that a shell, python-dotenv and [`env_file`](crate::import::env_file) read alike: always in
//! single quotes, with nothing in them that any of these takes for something else. What they would not read alike, or
//! not at all, is left out and told: whoever loads such a file shall get the value or nothing.

use glassdome_proto::whole::Whole;
use zeroize::Zeroizing;

use super::{LeftOut, buffer};
use crate::error::printable;
use crate::import::env_file::is_key;

const READ_DIFFERENTLY: &str = "it holds ', \\ or $, which readers take differently";

/// The line of a secret, and what of it is not in there.
pub(super) fn line(name: &str, secret: &Whole<'_>) -> (Option<Zeroizing<Vec<u8>>>, Vec<LeftOut>) {
    let shown = printable(name);
    let mut left_out: Vec<LeftOut> = secret
        .fields
        .iter()
        .map(|field| LeftOut { what: format!("{shown}#{}", printable(&field.name)), why: "a field" })
        .collect();
    let line = match secret.value {
        None => None,
        // A dot or a dash is no part of a shell's variable.
        Some(_) if !is_key(name) || name.contains(['.', '-']) => {
            left_out.push(LeftOut { what: shown, why: "no name of a variable" });
            None
        }
        Some(value) => match quoted(name, value.expose()) {
            Ok(line) => Some(line),
            Err(why) => {
                left_out.push(LeftOut { what: shown, why });
                None
            }
        },
    };
    (line, left_out)
}

fn quoted(name: &str, value: &[u8]) -> Result<Zeroizing<Vec<u8>>, &'static str> {
    if std::str::from_utf8(value).is_err() || value.contains(&0) {
        return Err("not text");
    }
    if value.contains(&b'\r') {
        return Err("it holds a carriage return, which some readers drop");
    }
    // A shell ends the quotes at ', python-dotenv unescapes \\ and fills in ${NAME} in any quotes, and others $NAME.
    if value.iter().any(|byte| matches!(byte, b'\'' | b'\\' | b'$')) {
        return Err(READ_DIFFERENTLY);
    }
    let mut line = buffer(name.len() + value.len() + 4);
    line.extend_from_slice(name.as_bytes());
    line.extend_from_slice(b"='");
    line.extend_from_slice(value);
    line.extend_from_slice(b"'\n");
    Ok(line)
}

#[cfg(test)]
mod tests {
    use glassdome_proto::{Bytes, List, Name};
    use proptest::prelude::*;

    use super::*;
    use crate::import::env_file;

    fn written(name: &str, value: &[u8]) -> (Option<Vec<u8>>, Vec<&'static str>) {
        let whole = Whole {
            name: Name::parse("x").unwrap(),
            expires: None,
            value: Bytes::new(value),
            fields: List::new(vec![]).unwrap(),
        };
        let (line, left_out) = line(name, &whole);
        (line.map(|line| line.to_vec()), left_out.iter().map(|one| one.why).collect())
    }

    #[test]
    fn values_are_quoted_so_that_nothing_in_them_means_anything() {
        assert_eq!(written("A", b" b `d` \"e\"\n#f").0.unwrap(), b"A=' b `d` \"e\"\n#f'\n");
    }

    #[test]
    fn what_readers_take_differently_is_left_out() {
        for (name, value, why) in [
            ("a/b", &b"x"[..], "no name of a variable"),
            ("a.b", b"x", "no name of a variable"),
            ("1a", b"x", "no name of a variable"),
            ("A", b"\xff", "not text"),
            ("A", b"a\0b", "not text"),
            ("A", b"a\rb", "it holds a carriage return, which some readers drop"),
            ("A", b"it's", READ_DIFFERENTLY),
            ("A", b"a\\\\b", READ_DIFFERENTLY),
            ("A", b"${HOME}", READ_DIFFERENTLY),
            ("A", b"$HOME", READ_DIFFERENTLY),
        ] {
            assert_eq!(written(name, value), (None, vec![why]), "{name}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_byte_for_byte(value in any::<String>()) {
            if let Some(line) = written("K", value.as_bytes()).0 {
                let parsed = env_file::parse(&line);
                prop_assert_eq!(&parsed.skipped, &[]);
                prop_assert_eq!(parsed.items[0].value.as_slice(), value.as_bytes());
            }
        }
    }
}
