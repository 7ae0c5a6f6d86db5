//! Points in time, in the zone of whoever reads them. The zone is looked up only when one is shown.

use std::time::{SystemTime, UNIX_EPOCH};

use glassdome_proto::span;
use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};

/// Now, in seconds since the epoch.
pub(crate) fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// `17:42` today, `2026-11-23 01:42` on another day.
pub(crate) fn until(epoch: u64) -> String {
    until_in(&TimeZone::system(), epoch, now())
}

/// `2026-11-22 17:42`.
pub(crate) fn date_time(epoch: u64) -> String {
    zoned(&TimeZone::system(), epoch).map_or_else(unknown, |at| at.strftime("%Y-%m-%d %H:%M").to_string())
}

/// `2026-11-22`.
pub(crate) fn date(epoch: u64) -> String {
    zoned(&TimeZone::system(), epoch).map_or_else(unknown, |at| at.strftime("%Y-%m-%d").to_string())
}

/// When a session ends: `until 17:42 (8 h)`, and `until 17:42 (8 h; 30 min if unused)` when an idle
/// limit may end it before. `left_s` is the nearer of both, in seconds.
pub(crate) fn session_end(expires_at: u64, left_s: u32, now: u64) -> String {
    session_end_in(&TimeZone::system(), expires_at, left_s, now)
}

/// A span for a sentence: `8 h`, `7 h 59 min`, `4 min 10 s`. From five minutes on it is rounded to the
/// minute, since a second or two have passed by the time that somebody reads it.
pub(crate) fn span(seconds: u32) -> String {
    if seconds < 300 { span::describe(seconds) } else { span::describe((seconds + 30) / 60 * 60) }
}

/// Reads `2026-12-31`, the first moment of that day here, or a span from now such as `90d`, into
/// seconds since the epoch. `None` for anything else and for what has passed.
pub(crate) fn future(text: &str) -> Option<u64> {
    future_in(&TimeZone::system(), text, now())
}

/// Reads when something was: `2h` ago, `today` or `yesterday`, which begin at midnight here, a day
/// (`2026-11-22`), or a time of one (`2026-11-22 09:30`). `None` for anything else.
pub(crate) fn past(text: &str) -> Option<Timestamp> {
    past_in(&TimeZone::system(), text, Timestamp::now())
}

fn past_in(zone: &TimeZone, text: &str, now: Timestamp) -> Option<Timestamp> {
    if let Some(seconds) = span::parse(text) {
        return now.checked_sub(jiff::SignedDuration::from_secs(seconds.into())).ok();
    }
    let today = now.to_zoned(zone.clone()).date();
    let at = match text {
        "today" => today.at(0, 0, 0, 0),
        "yesterday" => today.yesterday().ok()?.at(0, 0, 0, 0),
        day if Date::strptime("%Y-%m-%d", day).is_ok() => {
            Date::strptime("%Y-%m-%d", day).ok()?.at(0, 0, 0, 0)
        }
        text => {
            let text = text.replacen('T', " ", 1);
            let formats = ["%Y-%m-%d %H:%M", "%Y-%m-%d %H:%M:%S"];
            formats.iter().find_map(|format| DateTime::strptime(format, &text).ok())?
        }
    };
    Some(at.to_zoned(zone.clone()).ok()?.timestamp())
}

fn until_in(zone: &TimeZone, epoch: u64, now: u64) -> String {
    match (zoned(zone, epoch), zoned(zone, now)) {
        (Some(at), Some(today)) if at.date() == today.date() => at.strftime("%H:%M").to_string(),
        (Some(at), _) => at.strftime("%Y-%m-%d %H:%M").to_string(),
        (None, _) => unknown(),
    }
}

fn session_end_in(zone: &TimeZone, expires_at: u64, left_s: u32, now: u64) -> String {
    /// Both ends are told when they are further apart than a reader cares for, in seconds.
    const APART: u32 = 60;
    let total_s = u32::try_from(expires_at.saturating_sub(now)).unwrap_or(u32::MAX);
    let until = until_in(zone, expires_at, now);
    if left_s.saturating_add(APART) < total_s {
        format!("until {until} ({}; {} if unused)", span(total_s), span(left_s))
    } else {
        format!("until {until} ({})", span(left_s))
    }
}

fn future_in(zone: &TimeZone, text: &str, now: u64) -> Option<u64> {
    if let Some(seconds) = span::parse(text) {
        return now.checked_add(seconds.into());
    }
    let date = Date::strptime("%Y-%m-%d", text).ok()?;
    let start = date.to_zoned(zone.clone()).ok()?.timestamp().as_second();
    u64::try_from(start).ok().filter(|start| *start > now)
}

fn zoned(zone: &TimeZone, epoch: u64) -> Option<Zoned> {
    let timestamp = Timestamp::from_second(i64::try_from(epoch).ok()?).ok()?;
    Some(timestamp.to_zoned(zone.clone()))
}

/// For a time that no calendar has: the daemon's word, so no reason to fail.
fn unknown() -> String {
    "?".to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOON: u64 = 1_795_348_800; // 2026-11-22 12:00 UTC

    #[test]
    fn the_day_is_named_when_it_is_another() {
        let zone = TimeZone::UTC;
        assert_eq!(until_in(&zone, NOON + 5 * 3600 + 42 * 60, NOON), "17:42");
        assert_eq!(until_in(&zone, NOON + 14 * 3600, NOON), "2026-11-23 02:00");
        assert_eq!(until_in(&zone, u64::MAX, NOON), "?");
        let east = TimeZone::fixed(jiff::tz::offset(9));
        assert_eq!(until_in(&east, NOON + 4 * 3600, NOON), "2026-11-23 01:00");
    }

    #[test]
    fn the_end_that_idling_brings_is_told() {
        let end = |left_s| session_end_in(&TimeZone::UTC, NOON + 8 * 3600, left_s, NOON);
        assert_eq!(end(28_799), "until 20:00 (8 h)");
        assert_eq!(end(1799), "until 20:00 (8 h; 30 min if unused)");
        assert_eq!(session_end_in(&TimeZone::UTC, NOON, 5, NOON + 9), "until 12:00 (5 s)");
    }

    #[test]
    fn dates_and_spans_are_read() {
        let zone = TimeZone::UTC;
        assert_eq!(future_in(&zone, "90d", NOON), Some(NOON + 90 * 86_400));
        assert_eq!(future_in(&zone, "2026-11-23", NOON), Some(NOON + 12 * 3600));
        for bad in ["2026-11-22", "2020-01-01", "2026-02-30", "tomorrow", "", "2026-11-23x", "23.11.2026"] {
            assert_eq!(future_in(&zone, bad, NOON), None, "{bad}");
        }
    }

    #[test]
    fn what_has_passed_is_read() {
        let east = TimeZone::fixed(jiff::tz::offset(9));
        let now: Timestamp = "2026-11-22T16:00:00Z".parse().unwrap(); // The 23rd in the east.
        let read = |text| past_in(&east, text, now).map(|at| at.to_string());
        for (text, at) in [
            ("2h", "2026-11-22T14:00:00Z"),
            ("today", "2026-11-22T15:00:00Z"),
            ("yesterday", "2026-11-21T15:00:00Z"),
            ("2026-11-22", "2026-11-21T15:00:00Z"),
            ("2026-11-22 09:30", "2026-11-22T00:30:00Z"),
            ("2026-11-22T09:30:05", "2026-11-22T00:30:05Z"),
        ] {
            assert_eq!(read(text).as_deref(), Some(at), "{text}");
        }
        for bad in ["", "last", "2026-11-31", "09:30", "2026-11-22x", "-2h", "2026-11-22 9"] {
            assert_eq!(read(bad), None, "{bad}");
        }
    }

    #[test]
    fn spans_are_rounded_from_five_minutes_on() {
        assert_eq!(span(28_799), "8 h");
        assert_eq!(span(28_740), "7 h 59 min");
        assert_eq!(span(250), "4 min 10 s");
        assert_eq!(span(3599), "1 h");
        assert_eq!(span(1799), "30 min");
    }
}
