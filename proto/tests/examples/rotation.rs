//! What is said about another master key.

use glassdome_proto::rotation::{Answer as Told, Former, Progress, Request};
use glassdome_proto::{Answer, Body};

use super::{PASSWORD, RECOVERY_CODE, THEN, bytes};

/// Requests, with what is special about each.
pub fn requests() -> [(&'static str, Body<'static>); 5] {
    let begin = |recovery| Body::Rotation(Request::Begin { password: bytes(PASSWORD), recovery });
    [
        ("", Body::Rotation(Request::State)),
        ("", begin(None)),
        ("with a code", begin(Some(bytes(RECOVERY_CODE)))),
        ("", Body::Rotation(Request::Step)),
        ("", Body::Rotation(Request::Finish)),
    ]
}

/// Replies.
pub fn replies() -> [Answer<'static>; 5] {
    let progress = Progress { done: 300, total: 302, ready: false };
    [
        Answer::Rotation(Told::State { since: None, under_way: None }),
        Answer::Rotation(Told::State { since: Some(THEN), under_way: Some(progress) }),
        Answer::Rotation(Told::Begun { done_before: 300 }),
        Answer::Rotation(Told::Done(progress)),
        Answer::Rotation(Told::Finished { former: Former::Overwritten }),
    ]
}
