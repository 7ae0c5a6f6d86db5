//! Reads what `ctl export` wrote: an object with the version first, and secrets with all that they hold. What is not
//! text is in base64. Nothing in it is passed over: a member that is not known means that the file says something that
//! would be lost.
//!
//! ```json
//! {"glassdome-export": 1, "secrets": [
//!   {"name": "aws/key", "value": "text", "expires": 1798761600, "fields": {"user": "ann", "raw": {"base64": "AP8="}}}
//! ]}
//! ```

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use glassdome_proto::{Field, limits};

use super::json_cursor::{self, Cursor, NotJson};
use super::{Content, Item, Parsed, Place, Rest, Value};

/// The member that comes first.
pub(crate) const MARK: &str = "glassdome-export";
/// The version of the form.
pub(crate) const VERSION: &[u8] = b"1";

/// Whether it is one, as far as its first member tells.
pub(crate) fn is_one(file: &[u8]) -> bool {
    let Ok(text) = json_cursor::text(file) else { return false };
    let mut cursor = Cursor::new(text);
    cursor.take(b'{') && cursor.string().is_ok_and(|key| *key == MARK.as_bytes())
}

/// Reads a whole file.
///
/// # Errors
/// [`NotJson`] with the line: it is not read at all then.
pub(crate) fn parse(file: &[u8]) -> Result<Parsed<Content>, NotJson> {
    let mut cursor = Cursor::new(json_cursor::text(file)?);
    let mut parsed = Parsed::default();
    let mut listed = false;
    cursor.object(0, |cursor, key| match key {
        MARK if *cursor.word()? == VERSION => Ok(()),
        MARK => Err(cursor.error("an export of another version. Upgrade ctl")),
        "secrets" => {
            listed = true;
            cursor.array(1, |cursor| {
                parsed.items.push(secret(cursor)?);
                Ok(())
            })
        }
        _ => Err(cursor.error("a member that an export does not have")),
    })?;
    cursor.end()?;
    if listed { Ok(parsed) } else { Err(cursor.error("an export without secrets")) }
}

fn secret(cursor: &mut Cursor<'_>) -> Result<Item<Content>, NotJson> {
    cursor.peek();
    let place = Place::Line(cursor.line());
    let (mut name, mut value, mut rest) = (None, None, Rest::default());
    cursor.object(2, |cursor, key| {
        match key {
            "name" => name = Some(text(cursor)?),
            "value" => value = Some(bytes(cursor, 3)?),
            "expires" => {
                let word = cursor.word()?;
                let seconds = std::str::from_utf8(&word).ok().and_then(|word| word.parse().ok());
                rest.expires = Some(seconds.ok_or_else(|| cursor.error("no time in seconds"))?);
            }
            "fields" => cursor.object(3, |cursor, key| {
                let name = Field::typed(key).map_err(|_| cursor.error("a name that no field can have"))?;
                if rest.fields.len() == limits::FIELDS || rest.fields.iter().any(|(there, _)| *there == name)
                {
                    return Err(cursor.error("too many fields, or two of one name"));
                }
                rest.fields.push((name, bytes(cursor, 4)?));
                Ok(())
            })?,
            _ => return Err(cursor.error("a member that a secret does not have")),
        }
        Ok(())
    })?;
    if value.is_none() && rest.fields.is_empty() {
        return Err(cursor.error("a secret without value and fields"));
    }
    let key = name.ok_or_else(|| cursor.error("a secret without a name"))?;
    Ok(Item { place, key, value: Content { value, rest: Some(rest) } })
}

fn text(cursor: &mut Cursor<'_>) -> Result<String, NotJson> {
    let text = cursor.string()?;
    std::str::from_utf8(&text).map(str::to_owned).map_err(|_| cursor.error("not UTF-8"))
}

/// A string, or `{"base64": string}`.
fn bytes(cursor: &mut Cursor<'_>, depth: usize) -> Result<Value, NotJson> {
    if cursor.peek() == Some(b'"') {
        return cursor.string();
    }
    let mut decoded = None;
    cursor.object(depth, |cursor, key| {
        if key != "base64" || decoded.is_some() {
            return Err(cursor.error("a string or a base64 is expected"));
        }
        let coded = cursor.string()?;
        // As large as it can get: it never moves.
        let mut bytes = Value::new(vec![0; coded.len() / 4 * 3 + 3]);
        let len = STANDARD.decode_slice(&*coded, &mut bytes).map_err(|_| cursor.error("no base64"))?;
        bytes.truncate(len);
        decoded = Some(bytes);
        Ok(())
    })?;
    decoded.ok_or_else(|| cursor.error("a string or a base64 is expected"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_with_all_that_they_hold() {
        let file = r#"{"glassdome-export": 1, "secrets": [
            {"name": "a/b", "value": {"base64": "AP8K"}, "fields": {"u": "x", "r": {"base64": ""}}, "expires": 7},
            {"name": "c", "value": "text"}]}"#;
        assert!(is_one(file.as_bytes()));
        let parsed = parse(file.as_bytes()).unwrap();
        let [one, other] = &parsed.items[..] else { panic!("they are two") };
        let rest = one.value.rest.as_ref().unwrap();
        assert_eq!(
            (&*one.key, one.value.value.as_ref().map(|value| &value[..])),
            ("a/b", Some(&b"\0\xff\n"[..]))
        );
        assert_eq!((&*rest.fields[0].0, &rest.fields[0].1[..], rest.expires), ("u", &b"x"[..], Some(7)));
        assert_eq!((&*rest.fields[1].0, rest.fields[1].1.len()), ("r", 0));
        assert!(
            other.value.rest.as_ref().is_some_and(|rest| rest.fields.is_empty() && rest.expires.is_none())
        );
    }

    #[test]
    fn what_would_lose_something_is_not_read() {
        let secrets = |inner: &str| format!(r#"{{"glassdome-export": 1, "secrets": [{inner}]}}"#);
        for (file, reason) in [
            (r#"{"glassdome-export": 2, "secrets": []}"#.to_owned(), "another version"),
            (r#"{"glassdome-export": 1}"#.to_owned(), "without secrets"),
            (r#"{"glassdome-export": 1, "secrets": [], "more": 1}"#.to_owned(), "a member"),
            (r#"{"glassdome-export": 1, "secrets": ["#.to_owned(), "object"),
            (secrets(r#"{"value": "x"}"#), "without a name"),
            (secrets(r#"{"name": "x"}"#), "without value"),
            (secrets(r#"{"name": "x", "value": "y", "label": 1}"#), "a member"),
            (secrets(r#"{"name": "x", "value": {"base64": "?"}}"#), "no base64"),
            (secrets(r#"{"name": "x", "value": {}}"#), "expected"),
            (secrets(r#"{"name": "x", "value": "y", "expires": -1}"#), "seconds"),
            (secrets(r#"{"name": "x", "fields": {"a": "1", "a": "2"}}"#), "two of one name"),
        ] {
            let error = parse(file.as_bytes()).err().map(|error| error.reason).unwrap_or_default();
            assert!(error.contains(reason), "{file}: {error}");
        }
        assert!(!is_one(br#"{"a": 1}"#) && !is_one(b"[]"));
    }
}
