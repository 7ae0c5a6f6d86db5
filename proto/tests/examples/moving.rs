//! Secrets that come in and leave as a whole.

use glassdome_proto::secrets::{Answer as Answers, Request};
use glassdome_proto::{Answer, Body, Glob};

use super::{PASSWORD, bytes, list};

/// Two secrets: `a/b` with a value, an expiry and a field, and `c` with a field alone.
const TWO: &[u8] =
    b"\x02\x03a/b\x01\x80\xe1\x88\xd8\x06\x01\x03\x00\xff\n\x01\x04user\x03ann\x01c\x00\x00\x01\x03url\x00";

/// Requests, with what is special about each.
pub fn requests() -> [(&'static str, Body<'static>); 3] {
    let total = u32::try_from(TWO.len()).unwrap();
    let globs = ["shop/*", "db"].iter().map(|glob| Glob::parse(glob).unwrap()).collect();
    let set = Request::SetWholes { overwrite: true, dry_run: false, total, first: bytes(TWO) };
    [
        ("", Body::Secrets(set)),
        ("everything", Body::Secrets(Request::Export { password: bytes(PASSWORD), globs: list(vec![]) })),
        ("", Body::Secrets(Request::Export { password: bytes(PASSWORD), globs: list(globs) })),
    ]
}

/// Replies.
pub fn replies() -> [Answer<'static>; 2] {
    let total = u32::try_from(TWO.len()).unwrap();
    [
        Answer::Secrets(Answers::Exported { last: false, total, first: bytes(TWO) }),
        Answer::Secrets(Answers::Exported { last: true, total: 1, first: bytes(b"\x00") }),
    ]
}

#[test]
fn the_two_are_what_they_are_said_to_be() {
    let two = glassdome_proto::whole::read(TWO).unwrap();
    let [one, other] = &*two else { panic!("they are two") };
    assert_eq!(
        (&*one.name, one.expires, one.value.unwrap().expose()),
        ("a/b", Some(super::THEN), &b"\0\xff\n"[..])
    );
    assert_eq!((&*one.fields[0].name, one.fields[0].value.expose()), ("user", &b"ann"[..]));
    assert_eq!(
        (&*other.name, other.expires, other.value.is_none(), &*other.fields[0].name),
        ("c", None, true, "url")
    );
}
