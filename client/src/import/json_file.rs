//! Reads a JSON object: strings are taken as they are, numbers and truth values as they are
//! written, and the keys of nested objects become paths. Nulls and arrays are left out and told.

use super::json_cursor::{self, Cursor, NotJson};
use super::{Item, Parsed, Place, Value};

/// Reads a whole file.
///
/// # Errors
/// [`NotJson`] with the line, when the file as a whole is not a JSON object in UTF-8.
pub(crate) fn parse(file: &[u8]) -> Result<Parsed, NotJson> {
    let mut cursor = Cursor::new(json_cursor::text(file)?);
    let mut parsed = Parsed::default();
    object(&mut cursor, "", 0, &mut parsed)?;
    cursor.end()?;
    Ok(parsed)
}

fn object(cursor: &mut Cursor<'_>, path: &str, depth: usize, parsed: &mut Parsed) -> Result<(), NotJson> {
    cursor.object(depth, |cursor, key| {
        let path = if depth == 0 { key.to_owned() } else { format!("{path}/{key}") };
        match cursor.peek() {
            Some(b'{') => object(cursor, &path, depth + 1, parsed),
            Some(b'[') => {
                cursor.pass_over(depth + 1)?;
                parsed.skip(Place::Path(path), "an array");
                Ok(())
            }
            _ => {
                match cursor.scalar()? {
                    Some(value) => keep(path, value, parsed),
                    None => parsed.skip(Place::Path(path), "null"),
                }
                Ok(())
            }
        }
    })
}

fn keep(path: String, value: Value, parsed: &mut Parsed) {
    parsed.items.push(Item { place: Place::Path(path.clone()), key: path, value });
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;

    fn items(file: &str) -> Vec<(String, String)> {
        let text = |value: &[u8]| String::from_utf8(value.to_vec()).unwrap();
        let parsed = parse(file.as_bytes()).unwrap();
        parsed.items.iter().map(|item| (item.key.clone(), text(&item.value))).collect()
    }

    fn pairs<const N: usize>(pairs: [(&str, &str); N]) -> Vec<(String, String)> {
        pairs.map(|(key, value)| (key.to_owned(), value.to_owned())).to_vec()
    }

    #[test]
    fn objects_become_paths_and_words_stay_as_written() {
        let file = r#"{"a": "x\ny", "b": {"c": 0.10, "d": {"e": true}}, "f": 12345678901234567890123}"#;
        let expected = [("a", "x\ny"), ("b/c", "0.10"), ("b/d/e", "true"), ("f", "12345678901234567890123")];
        assert_eq!(items(file), pairs(expected));
        assert_eq!(items(" {} "), []);
    }

    #[test]
    fn nulls_and_arrays_are_left_out_and_told() {
        let file = r#"{"a": null, "b": {"c": [1, [], {"secret": "s"}, "x"]}, "d": "kept"}"#;
        let parsed = parse(file.as_bytes()).unwrap();
        let skipped: Vec<_> =
            parsed.skipped.iter().map(|s| (s.place.to_string(), s.reason.as_str())).collect();
        assert_eq!(skipped, [("a".to_owned(), "null"), ("b/c".to_owned(), "an array")]);
        assert_eq!(items(file), pairs([("d", "kept")]));
    }

    #[test]
    fn mistakes_are_told_with_their_line() {
        let error = |file: &str| parse(file.as_bytes()).err().map(|error| (error.line, error.reason));
        assert_eq!(error("{\n\"a\": \n}"), Some((3, "a value is expected")));
        assert_eq!(error("[]"), Some((1, "an object is expected")));
        assert_eq!(error("{} x"), Some((1, "text behind the object")));
        assert_eq!(error("{\"a\":1,}"), Some((1, "a string is expected")));
        assert_eq!(parse(b"{\n\"\xff\"").err(), Some(NotJson { line: 2, reason: "not UTF-8" }));
        let deep = "{\"a\":".repeat(100_000);
        assert_eq!(error(&deep), Some((1, "objects nested too deeply")));
        let deep = format!("{{\"a\":{}", "[".repeat(100_000));
        assert_eq!(error(&deep), Some((1, "arrays nested too deeply")));
    }

    fn json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<String>().prop_map(Value::from),
        ];
        leaf.prop_recursive(3, 24, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::btree_map(any::<String>(), inner, 0..4)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    /// What must come out, by another reader of JSON.
    fn flatten(value: &Value, path: &str, into: &mut Vec<(String, Vec<u8>)>) {
        match value {
            Value::Object(map) => {
                for (key, value) in map {
                    let path = if path.is_empty() { key.clone() } else { format!("{path}/{key}") };
                    flatten(value, &path, into);
                }
            }
            Value::Null | Value::Array(_) => {}
            Value::String(text) => into.push((path.to_owned(), text.as_bytes().to_vec())),
            other => into.push((path.to_owned(), other.to_string().into_bytes())),
        }
    }

    proptest! {
        #[test]
        fn what_another_library_writes_is_read(value in json(), pretty in any::<bool>()) {
            let file = serde_json::json!({ "k": value });
            let text = if pretty { serde_json::to_string_pretty(&file) } else { serde_json::to_string(&file) };
            let mut expected = Vec::new();
            flatten(&file, "", &mut expected);
            let parsed = parse(text.unwrap().as_bytes()).unwrap();
            let read: Vec<_> = parsed.items.iter().map(|i| (i.key.clone(), i.value.to_vec())).collect();
            prop_assert_eq!(read, expected);
        }

        #[test]
        fn what_another_library_refuses_is_refused(file in r#"[{}\[\]":, a0.e\\nul\-]{0,24}"#) {
            let theirs = serde_json::from_str::<Value>(&file).is_ok_and(|value| value.is_object());
            prop_assert_eq!(parse(file.as_bytes()).is_ok(), theirs);
        }
    }
}
