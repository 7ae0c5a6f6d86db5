//! A rotation that is not done, in a line for a person.

use super::time;
use crate::rotation::Rotation;

/// How far it is and what to do next; `None` if there is none.
pub(crate) fn describe(rotation: &Rotation) -> Option<String> {
    match (rotation.under_way, rotation.since) {
        (Some(progress), _) => {
            Some(format!("under way: {} of {} rows are under the new key", progress.done, progress.total))
        }
        (None, Some(since)) => {
            Some(format!("unfinished since {}. Go on: ctl rotate", time::date_time(since)))
        }
        (None, None) => None,
    }
}

#[cfg(test)]
mod tests {
    use glassdome_proto::rotation::Progress;

    use super::*;

    #[test]
    fn what_is_not_done_is_said_with_what_to_do() {
        let none = Rotation { since: None, under_way: None };
        assert_eq!(describe(&none), None);
        let left = describe(&Rotation { since: Some(1_700_000_000), ..none }).unwrap();
        assert!(
            left.starts_with("unfinished since 2023-11-1") && left.ends_with("Go on: ctl rotate"),
            "{left}"
        );
        let progress = Progress { done: 3, total: 7, ready: false };
        let now = describe(&Rotation { since: Some(1), under_way: Some(progress) });
        assert_eq!(now.as_deref(), Some("under way: 3 of 7 rows are under the new key"));
    }
}
