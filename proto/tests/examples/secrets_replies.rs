//! What is answered about secrets.

use glassdome_proto::Answer;
use glassdome_proto::secrets::{
    Answer as Secrets, Change as Step, Entry, FieldInfo, Found, Info, Stored, Version,
};

use super::{CURSOR, THEN, bytes, field, list, name};

/// One of each kind of the first ones.
pub fn one_by_one() -> Vec<(&'static str, Answer<'static>)> {
    let entry = |text, size, fields| Entry {
        name: name(text),
        version: 2,
        changed: THEN,
        expires: None,
        size,
        fields,
    };
    let info = Info {
        entry: Entry { expires: Some(THEN + 1), ..entry("aws/prod/key", Some(40), 1) },
        created: THEN - 1,
        fields: list(vec![FieldInfo { name: field("user"), size: 4 }]),
        versions: 2,
    };
    let version = |version, size, change, current| Version { version, time: THEN, size, change, current };
    let versions = vec![
        version(4, Some(40), Step::Restored, true),
        version(3, None, Step::Removed, false),
        version(2, Some(40), Step::Moved, false),
        version(1, Some(40), Step::Set, false),
    ];
    let two = vec![entry("a", Some(0), 0), entry("data/ключ", None, 64)];
    let answers = vec![
        ("", Secrets::Value { version: 1, expires: None, total: 3, first: bytes(b"\x00\xff\n") }),
        (
            "of 1 MiB begun",
            Secrets::Value { version: 300, expires: Some(THEN), total: 1 << 20, first: bytes(b"M") },
        ),
        ("", Secrets::Page { entries: list(two), next: Some(CURSOR) }),
        ("empty and last", Secrets::Page { entries: list(vec![]), next: None }),
        ("", Secrets::Info(info)),
        ("", Secrets::Stored { version: 300 }),
        (
            "",
            Secrets::StoredMany(list(vec![Stored::Created, Stored::Replaced, Stored::Same, Stored::Exists])),
        ),
        ("", Secrets::Removed),
        ("", Secrets::Moved),
        ("", Secrets::History(list(versions))),
    ];
    answers.into_iter().map(|(detail, answer)| (detail, Answer::Secrets(answer))).collect()
}

/// Several values at once.
pub fn many() -> Secrets<'static> {
    let here = Found::Here { version: 1, expires: Some(THEN), value: bytes(b"\x00\xff\n") };
    Secrets::Values(list(vec![here, Found::Alone]))
}
