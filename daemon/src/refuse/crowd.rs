//! What a program is told where others are in its way: too many wait, or too many were refused, for each to be
//! looked at by itself.

use std::time::Duration;

use glassdome_proto::Refusal;

use super::asker::what;
use super::throttled;
use crate::policy::Question;

/// When whoever found no place to wait should come back.
const CROWDED: Duration = Duration::from_secs(5);

/// There is no place for it to wait for a person.
pub fn crowded(question: Question<'_>) -> Refusal<'static> {
    let (what, seconds) = (what(question), CROWDED.as_secs());
    let message =
        format!("denied {what} for now: too many requests wait for an answer. Try again in {seconds} s");
    throttled(message, CROWDED)
}

/// So many programs were refused that this one cannot be told from others.
pub fn among_many(question: Question<'_>, wait: Duration) -> Refusal<'static> {
    let (what, seconds) = (what(question), wait.as_secs_f64().ceil());
    let message =
        format!("denied {what} for now: too many programs were refused just now. Try again in {seconds} s");
    throttled(message, wait)
}
