//! Its file of secrets: a JSON object of tokens, opened with whichever key opens them. The file is whatever lies
//! there; a secret of it that stays shut is told, and the others are read all the same.

use super::fernet::{Key, Shut};
use crate::import::json_cursor::NotJson;
use crate::import::{Item, Parsed, Skipped, json_file};

/// What such a file holds.
pub(crate) struct Read {
    pub(crate) parsed: Parsed,
    /// Of each key, whether it opens anything of it.
    pub(crate) used: Vec<bool>,
}

/// Opens what the keys open.
///
/// # Errors
/// [`NotJson`]: it is no such file.
pub(crate) fn open(file: &[u8], keys: &[Key]) -> Result<Read, NotJson> {
    let sealed = json_file::parse(file)?;
    let mut opened = Parsed { skipped: sealed.skipped, ..Parsed::default() };
    let mut used = vec![false; keys.len()];
    for Item { place, key: name, value } in sealed.items {
        let reason = match open_one(&value, keys, &mut used) {
            Ok(value) => {
                opened.items.push(Item { place, key: name, value });
                continue;
            }
            Err(None) => "sealed, and there is no key that can be read",
            Err(Some(Shut::NoToken)) => "empty or cut, or nothing that the predecessor sealed",
            Err(Some(Shut::OtherKey)) => "sealed with another key, or changed since",
        };
        opened.skipped.push(Skipped { place, reason: reason.to_owned() });
    }
    Ok(Read { parsed: opened, used })
}

/// With the first key that opens it. The others are tried as well until they have opened something: the same key may
/// lie in two places.
fn open_one(
    value: &[u8],
    keys: &[Key],
    used: &mut [bool],
) -> Result<zeroize::Zeroizing<Vec<u8>>, Option<Shut>> {
    let mut opened = Err(None);
    for (key, used) in keys.iter().zip(used) {
        if *used && opened.is_ok() {
            continue;
        }
        match key.open_wrapped(value) {
            Ok(value) => {
                *used = true;
                opened = Ok(value);
            }
            Err(why) if opened.is_err() => opened = Err(Some(why)),
            Err(_) => {}
        }
    }
    opened
}

#[cfg(test)]
pub(crate) mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Of the specification of Fernet: a key, and in base64 once more a token that says `hello`.
    pub(crate) const KEY: &[u8] = b"cw_0x689RpI-jtRR7oE8h_eQsKImvJapLeSbXpwF4e4=";
    const HELLO: &str = "Z0FBQUFBQWR3SjZ3QUFFQ0F3UUZCZ2NJQ1FvTERBME9EeTAyMWNwR1ZXS1pfZUV3Q0dNNEJMTEZfNUNWOWRPUG1yaHVWVVBnSm9id096N0pjYm1yUjY0alZtcFU0SXdxREE9PQ==";

    fn keys(texts: &[&[u8]]) -> Vec<Key> {
        texts.iter().map(|text| Key::parse(text).unwrap()).collect()
    }

    fn skipped(parsed: &Parsed) -> Vec<(String, &str)> {
        parsed.skipped.iter().map(|skipped| (skipped.place.to_string(), &*skipped.reason)).collect()
    }

    #[test]
    fn what_a_key_opens_is_read_and_the_rest_is_told() {
        let cut = &HELLO[..40];
        let file =
            format!(r#"{{"a": "{HELLO}", "b": "bm90aGluZw==", "c": "{cut}", "d": "", "e": null, "f": 5}}"#);
        let other: &[u8] = b"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
        // Whichever it is.
        for keys in [keys(&[KEY]), keys(&[other, KEY]), keys(&[KEY, other])] {
            let Read { parsed: opened, used } = open(file.as_bytes(), &keys).unwrap();
            let right: Vec<bool> =
                keys.iter().map(|key| key.open_wrapped(HELLO.as_bytes()).is_ok()).collect();
            assert_eq!(used, right);
            let items: Vec<(&str, &[u8])> =
                opened.items.iter().map(|item| (&*item.key, &item.value[..])).collect();
            assert_eq!(items, [("a", &b"hello"[..])]);
            let none = "empty or cut, or nothing that the predecessor sealed";
            let expected = [("e", "null"), ("b", none), ("c", none), ("d", none), ("f", none)]
                .map(|(n, r)| (n.to_owned(), r));
            assert_eq!(skipped(&opened), expected);
        }
        // One that lies in two places has opened it from both.
        assert_eq!(open(file.as_bytes(), &keys(&[KEY, other, KEY])).unwrap().used, [true, false, true]);
        let Read { parsed: shut, used } = open(file.as_bytes(), &keys(&[other])).unwrap();
        assert_eq!(used, [false]);
        assert_eq!(skipped(&shut)[1], ("a".to_owned(), "sealed with another key, or changed since"));
        let keyless = open(file.as_bytes(), &[]).unwrap().parsed;
        assert!(keyless.items.is_empty());
        assert_eq!(skipped(&keyless)[1].1, "sealed, and there is no key that can be read");
        assert!(open(b"gibberish", &keys(&[KEY])).is_err());
    }

    proptest! {
        #[test]
        fn nothing_is_lost_whatever_the_file_holds(
            names in prop::collection::btree_map("[a-z]{1,3}", prop_oneof![
                any::<Vec<u8>>().prop_map(|bytes| String::from_utf8_lossy(&bytes).into_owned()),
                "[A-Za-z0-9+/_=-]{0,200}",
                Just(HELLO.to_owned()),
                (0..HELLO.len()).prop_map(|at| HELLO[..at].to_owned()),
            ], 0..6),
        ) {
            let file = serde_json::to_vec(&names).unwrap();
            let opened = open(&file, &keys(&[KEY])).unwrap().parsed;
            prop_assert_eq!(opened.items.len() + opened.skipped.len(), names.len());
            let right = names.values().filter(|value| *value == HELLO).count();
            prop_assert_eq!(opened.items.len(), right);
        }

        #[test]
        fn any_bytes_are_a_file_or_none(file: Vec<u8>, key: Vec<u8>) {
            let keys: Vec<Key> = [Key::parse(&key), Key::parse_wrapped(&key), Key::parse(KEY)].into_iter().flatten().collect();
            let _ = open(&file, &keys);
        }
    }
}
