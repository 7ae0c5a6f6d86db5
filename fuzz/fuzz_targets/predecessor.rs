//! The predecessor's files, into which any program of the user's can write: its secrets, and a key. The fuzzer is
//! given what a token is made of, so that it need not guess that.
#![no_main]

use glassdome_client::read_predecessor;
use libfuzzer_sys::fuzz_target;

/// Of the specification of Fernet: a key, and in base64 once more a token that it opens.
const KEY: &[u8] = b"cw_0x689RpI-jtRR7oE8h_eQsKImvJapLeSbXpwF4e4=";
const TOKEN: &str = "Z0FBQUFBQWR3SjZ3QUFFQ0F3UUZCZ2NJQ1FvTERBME9EeTAyMWNwR1ZXS1pfZUV3Q0dNNEJMTEZfNUNWOWRPUG1yaHVWVVBnSm9id096N0pjYm1yUjY0alZtcFU0SXdxREE9PQ==";

fuzz_target!(|files: (&[u8], &[u8], u8, char)| {
    let (file, key, at, other) = files;
    read_predecessor(file, &[key, KEY]);
    assert_eq!(read_predecessor(format!("{{\"a\": \"{TOKEN}\"}}").as_bytes(), &[key, KEY]), Some((1, 0)));
    // One letter of it is another: it stays shut, or says the same in other letters.
    let at = usize::from(at) % TOKEN.len();
    if !other.is_control() && !matches!(other, '"' | '\\') {
        let changed = format!("{{\"a\": \"{}{other}{}\"}}", &TOKEN[..at], &TOKEN[at + 1..]);
        let (opened, shut) =
            read_predecessor(changed.as_bytes(), &[KEY]).expect("it is an object all the same");
        assert_eq!((opened + shut, opened == 1), (1, TOKEN[at..].starts_with(other)));
    }
});
