//! What is unusual about a program's use of a secret, measured by all that the log has of it before.
//!
//! | a use is marked | when |
//! |---|---|
//! | first use | it is the program's first of this secret, and the log goes back a day at least |
//! | unusual hour | the program has used the secret for two weeks, and never in this hour of the day |
//! | often | it has used it for two weeks, and today at least ten times, and ten times as often as on an average day on which it did |

use jiff::Zoned;

const DAY_S: i64 = 86_400;
/// How long the log must go back for a first use to be told, in seconds.
const BEGUN_S: i64 = DAY_S;
/// How long a program must have used a secret for anything to be usual, in seconds.
const KNOWN_S: i64 = 14 * DAY_S;
/// How many times the usual count is unusual; and the least count that is.
const TIMES: u64 = 10;

/// What was unusual about a use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unusual {
    /// The program's first one.
    FirstUse,
    /// Never in this hour before.
    Hour(i8),
    /// As often as this on one day.
    Often {
        /// On an average day on which it was used, rounded up.
        usual: u64,
    },
}

/// What is known of a program's use of a secret.
#[derive(Debug, Clone)]
pub(crate) struct Usual {
    /// When it began, in seconds since the epoch.
    first: i64,
    /// Of which day the last use was, counted from any.
    day: i64,
    /// A bit for each hour in which it was used.
    hours: u32,
    uses_of_day: u64,
    days_before: u64,
    uses_before: u64,
    told: bool,
}

impl Usual {
    /// The first use, in a log that began at `log_begins`, in seconds since the epoch.
    pub(crate) fn first(at: &Zoned, log_begins: i64) -> (Self, Option<Unusual>) {
        let first = at.timestamp().as_second();
        let usual = Self {
            first,
            day: day(at),
            hours: 1 << at.hour(),
            uses_of_day: 1,
            days_before: 0,
            uses_before: 0,
            told: false,
        };
        let told = first.saturating_sub(log_begins) >= BEGUN_S;
        (usual, told.then_some(Unusual::FirstUse))
    }

    /// One more use. A clock that was set back leaves it on the same day.
    pub(crate) fn again(&mut self, at: &Zoned) -> Option<Unusual> {
        let today = day(at);
        if today > self.day {
            self.uses_before += self.uses_of_day;
            self.days_before += 1;
            (self.day, self.uses_of_day, self.told) = (today, 0, false);
        }
        self.uses_of_day += 1;
        let known = at.timestamp().as_second().saturating_sub(self.first) >= KNOWN_S;
        let hour = 1 << at.hour();
        let is_new = self.hours & hour == 0;
        self.hours |= hour;
        if known && is_new {
            return Some(Unusual::Hour(at.hour()));
        }
        let often = self.uses_of_day >= TIMES
            && self.days_before > 0
            && self.uses_of_day.saturating_mul(self.days_before) >= self.uses_before.saturating_mul(TIMES);
        if known && often && !std::mem::replace(&mut self.told, true) {
            return Some(Unusual::Often { usual: self.uses_before.div_ceil(self.days_before) });
        }
        None
    }
}

/// The day of a moment, where whoever reads lives.
fn day(at: &Zoned) -> i64 {
    let local = at.timestamp().as_second() + i64::from(at.offset().seconds());
    local.div_euclid(DAY_S)
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use jiff::tz::TimeZone;

    use super::*;

    const NOON: i64 = 1_795_348_800; // 2026-11-22 12:00 UTC

    fn at(seconds: i64) -> Zoned {
        Timestamp::from_second(seconds).unwrap().to_zoned(TimeZone::UTC)
    }

    /// Twice a day, at noon and at one, for so many days.
    fn known(days: i64) -> Usual {
        let mut usual = Usual::first(&at(NOON), NOON).0;
        for day in 0..days {
            for hour in 0..2 {
                if (day, hour) != (0, 0) {
                    assert_eq!(usual.again(&at(NOON + day * DAY_S + hour * 3600)), None, "{day} {hour}");
                }
            }
        }
        usual
    }

    #[test]
    fn a_first_use_is_told_once_the_log_has_gone_on_for_a_day() {
        assert_eq!(Usual::first(&at(NOON), NOON - DAY_S).1, Some(Unusual::FirstUse));
        assert_eq!(Usual::first(&at(NOON), NOON - DAY_S + 1).1, None, "all are first ones then");
    }

    #[test]
    fn an_hour_is_unusual_after_two_weeks_and_once() {
        let mut usual = known(14);
        let night = NOON + 14 * DAY_S + 15 * 3600;
        assert_eq!(usual.again(&at(night)), Some(Unusual::Hour(3)));
        assert_eq!(usual.again(&at(night + 60)), None);
        assert_eq!(known(13).again(&at(NOON + 13 * DAY_S + 15 * 3600)), None, "not yet known for two weeks");
    }

    #[test]
    fn ten_times_the_usual_count_is_told_once_a_day() {
        let mut usual = known(20);
        for day in 20..22 {
            let told: Vec<_> =
                (1..=60).filter(|n| usual.again(&at(NOON + day * DAY_S + n)).is_some()).collect();
            let expected = if day == 20 { vec![20] } else { vec![48] };
            assert_eq!(told, expected, "on an average day twice; then (40 + 60) / 21 times");
        }
        let mut usual = known(10);
        assert!((1..=60).all(|n| usual.again(&at(NOON + 10 * DAY_S + n)).is_none()), "not yet known");
    }

    #[test]
    fn a_clock_that_is_set_back_breaks_nothing() {
        let mut usual = known(20);
        assert_eq!(usual.again(&at(NOON - 400 * DAY_S)), None);
        assert_eq!(usual.again(&at(NOON + 20 * DAY_S)), None);
        let (mut first, _) = Usual::first(&at(253_402_200_000), i64::MIN);
        assert_eq!(first.again(&at(-377_000_000_000)), None);
    }
}
