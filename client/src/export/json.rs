//! The form that [`own_json`](crate::import::own_json) reads, byte for byte: a secret a line. What is UTF-8 is a string,
//! everything else is in base64.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use glassdome_proto::whole::Whole;
use zeroize::Zeroizing;

use super::buffer;

/// In front of the first secret.
pub(super) const BEGIN: &[u8] = b"{\"glassdome-export\": 1, \"secrets\": [\n";
/// Between two.
pub(super) const BETWEEN: &[u8] = b",\n";
/// Behind the last.
pub(super) const END: &[u8] = b"\n]}\n";

/// Bytes that a string takes at most: each as `\u0000`, and the quotes; base64 takes less, but for what is around it.
fn longest(text: &[u8]) -> usize {
    6 * text.len() + 20
}

/// One secret.
pub(super) fn secret(name: &str, secret: &Whole<'_>) -> Zeroizing<Vec<u8>> {
    let fields = secret.fields.iter();
    let fields: usize = fields.map(|f| longest(f.name.as_bytes()) + longest(f.value.expose()) + 4).sum();
    let value = secret.value.map_or(0, |value| longest(value.expose()));
    let mut out = buffer(longest(name.as_bytes()) + value + fields + 80);
    out.extend_from_slice(b"{\"name\": ");
    string(&mut out, name);
    if let Some(value) = secret.value {
        out.extend_from_slice(b", \"value\": ");
        bytes(&mut out, value.expose());
    }
    if let Some(expires) = secret.expires {
        out.extend_from_slice(format!(", \"expires\": {expires}").as_bytes());
    }
    if !secret.fields.is_empty() {
        out.extend_from_slice(b", \"fields\": {");
        for (at, field) in secret.fields.iter().enumerate() {
            out.extend_from_slice(if at == 0 { b"" } else { b", " });
            string(&mut out, &field.name);
            out.extend_from_slice(b": ");
            bytes(&mut out, field.value.expose());
        }
        out.push(b'}');
    }
    out.push(b'}');
    out
}

fn bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    match std::str::from_utf8(bytes) {
        Ok(text) => string(out, text),
        Err(_) => {
            out.extend_from_slice(b"{\"base64\": \"");
            let from = out.len();
            let len = bytes.len().div_ceil(3) * 4;
            out.resize(from + len, 0);
            STANDARD.encode_slice(bytes, &mut out[from..]).expect("a third more has room for all of it");
            out.extend_from_slice(b"\"}");
        }
    }
}

/// The library writes each piece of the string where it is told to, and keeps none.
fn string(out: &mut Vec<u8>, text: &str) {
    serde_json::to_writer(out, text).expect("a string is JSON, and memory takes it");
}

#[cfg(test)]
mod tests {
    use glassdome_proto::whole::WholeField;
    use glassdome_proto::{Bytes, Field, List, Name};
    use proptest::prelude::*;

    use super::*;
    use crate::import::own_json;

    type Fields = Vec<(String, Vec<u8>)>;
    type Secret = (String, Option<Vec<u8>>, Option<u64>, Fields);

    fn field() -> impl Strategy<Value = (String, Vec<u8>)> {
        ("[a-zé /.\"\\\\]{1,9}", content())
    }

    fn content() -> impl Strategy<Value = Vec<u8>> {
        prop_oneof![prop::collection::vec(any::<u8>(), 0..40), any::<String>().prop_map(String::into_bytes)]
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_byte_for_byte(
            secrets in prop::collection::vec(
                ("[a-z\"\\\\ é]{1,9}(/[a-z]{1,3})?", prop::option::of(content()), any::<Option<u64>>(),
                    prop::collection::btree_map("[a-z\"\\\\ /]{1,9}", content(), 1..4)),
                1..4,
            ),
        ) {
            let mut file = BEGIN.to_vec();
            let expected: Vec<Secret> = secrets.into_iter()
                .map(|(name, value, expires, fields)| (name, value, expires, fields.into_iter().collect()))
                .collect();
            for (at, (name, value, expires, fields)) in expected.iter().enumerate() {
                let field = |(name, value): &(String, Vec<u8>)| (name.clone(), value.clone());
                let fields: Fields = fields.iter().map(field).collect();
                let whole = Whole {
                    name: Name::typed(name).unwrap(),
                    expires: *expires,
                    value: value.as_ref().map(|value| Bytes::new(value).unwrap()),
                    fields: List::new(fields.iter().map(|(name, value)| WholeField {
                        name: Field::typed(name).unwrap(),
                        value: Bytes::new(value).unwrap(),
                    }).collect()).unwrap(),
                };
                if at > 0 {
                    file.extend_from_slice(BETWEEN);
                }
                let text = secret(name, &whole);
                prop_assert!(serde_json::from_slice::<serde_json::Value>(&text).is_ok(), "another reader takes it");
                file.extend_from_slice(&text);
            }
            file.extend_from_slice(END);
            prop_assert!(own_json::is_one(&file));
            let read = own_json::parse(&file).unwrap();
            for (item, (name, value, expires, fields)) in read.items.iter().zip(&expected) {
                let rest = item.value.rest.as_ref().unwrap();
                prop_assert_eq!((&item.key, rest.expires), (name, *expires));
                prop_assert_eq!(item.value.value.as_ref().map(|value| value.to_vec()), value.clone());
                let back: Fields = rest.fields.iter().map(|(name, value)| (name.to_string(), value.to_vec())).collect();
                prop_assert_eq!(&back, fields);
            }
            prop_assert_eq!(read.items.len(), expected.len());
        }

        #[test]
        fn the_buffer_is_large_enough_from_the_start((name, value) in field(), binary in content()) {
            let whole = Whole {
                name: Name::parse("x").unwrap(),
                expires: Some(u64::MAX),
                value: Bytes::new(&binary),
                fields: List::new(vec![WholeField {
                    name: Field::typed(&name).unwrap(),
                    value: Bytes::new(&value).unwrap(),
                }]).unwrap(),
            };
            let text = secret("x", &whole);
            let most = longest(b"x") + longest(&binary) + longest(name.as_bytes()) + longest(&value) + 84;
            prop_assert!(text.len() <= most && text.capacity() <= most, "it moved: {} {}", text.capacity(), most);
        }
    }
}
