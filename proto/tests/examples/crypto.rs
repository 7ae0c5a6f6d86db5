//! Data outside the vault.

use glassdome_proto::crypto::{Answer as CryptoAnswer, HEADER, Request};
use glassdome_proto::{Answer, Body};

use super::{bytes, name};

/// Requests, with what is special about each.
pub fn requests() -> [(&'static str, Body<'static>); 4] {
    [
        ("", Request::Encrypt { context: name("backups") }),
        ("", Request::Decrypt { context: name("backups"), header: bytes(&[7; HEADER]) }),
        ("", Request::Next { last: false, data: bytes(b"hello") }),
        ("last", Request::Next { last: true, data: bytes(b"") }),
    ]
    .map(|(detail, request)| (detail, Body::Crypto(request)))
}

/// Replies.
pub fn replies() -> [Answer<'static>; 3] {
    [
        CryptoAnswer::Encrypt { header: bytes(&[7; HEADER]) },
        CryptoAnswer::Decrypt,
        CryptoAnswer::Next { data: bytes(b"hello") },
    ]
    .map(Answer::Crypto)
}
