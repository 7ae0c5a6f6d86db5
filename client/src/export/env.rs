//! Lines of `KEY='value'` that shells, the usual libraries and [`env_file`](crate::import::env_file) read alike. What
//! they would not read alike, or not at all, is left out and told: whoever loads such a file shall get the value or
//! nothing.

use glassdome_proto::whole::Whole;
use zeroize::Zeroizing;

use super::{LeftOut, buffer};
use crate::error::printable;
use crate::import::env_file::is_key;

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
    // A byte is one or two, and the rest of the line.
    let mut line = buffer(name.len() + 2 * value.len() + 4);
    line.extend_from_slice(name.as_bytes());
    line.push(b'=');
    if !value.contains(&b'\'') {
        line.push(b'\'');
        line.extend_from_slice(value);
        line.extend_from_slice(b"'\n");
        return Ok(line);
    }
    if value.contains(&b'`') {
        return Err("it holds both ' and `, which a shell would run");
    }
    line.push(b'"');
    for &byte in value {
        if matches!(byte, b'"' | b'\\' | b'$') {
            line.push(b'\\');
        }
        line.push(byte);
    }
    line.extend_from_slice(b"\"\n");
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
        assert_eq!(written("A", b"b $c `d` \"e\"\n#f").0.unwrap(), b"A='b $c `d` \"e\"\n#f'\n");
        assert_eq!(written("A", b"it's \"$x\" \\").0.unwrap(), b"A=\"it's \\\"\\$x\\\" \\\\\"\n");
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
            ("A", b"it's `x`", "it holds both ' and `, which a shell would run"),
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
