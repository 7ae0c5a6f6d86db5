//! A rotation that is not done, and what it leaves, in a line for a person.

use glassdome_proto::rotation::Progress;

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

/// What is left of one that was stopped at `last`, as the daemon says now, where it can still be asked; `None` if there is
/// nothing to go on with.
pub(crate) fn left(last: Progress, now: Option<&Rotation>) -> Option<String> {
    let next = match now {
        Some(Rotation { since: Some(_), .. }) => "Go on: ctl rotate",
        Some(Rotation { since: None, .. }) => return None,
        None => "Whether it can be gone on with: ctl status",
    };
    let Progress { done, total, .. } = last;
    Some(format!("{done} of {total} rows were done; the vault is as it was. {next}"))
}

/// So many names besides the one that is known.
pub(crate) fn other_names(count: u64) -> String {
    if count == 1 {
        "1 other name (a hard link)".to_owned()
    } else {
        format!("{count} other names (hard links)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_what_was_stopped_nothing_is_said_that_nobody_knows() {
        let last = Progress { done: 3, total: 7, ready: false };
        let rests = Rotation { since: Some(1), under_way: None };
        let line = left(last, Some(&rests)).unwrap();
        assert!(line.starts_with("3 of 7 rows") && line.ends_with("Go on: ctl rotate"), "{line}");
        assert_eq!(left(last, Some(&Rotation { since: None, under_way: None })), None, "it was given up");
        let line = left(last, None).unwrap();
        assert!(line.ends_with("ctl status") && !line.contains("ctl rotate"), "{line}");
    }

    #[test]
    fn one_name_is_one() {
        assert_eq!([1, 2].map(other_names), ["1 other name (a hard link)", "2 other names (hard links)"]);
    }

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
