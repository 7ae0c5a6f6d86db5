//! Points in time as files name them: `2027-01-01T00:00:00Z` (RFC 3339, in UTC, to the second), or the
//! first moment of a day there, `2027-01-01`. No zone but UTC: a sealed rule ends at one moment, wherever
//! the daemon runs.

/// The last second that four digits of a year can name.
const LAST: u64 = 253_402_300_799;
const DAY: u64 = 86_400;

/// Reads a point in time, into seconds since the epoch. `None` for anything else, years before 1970
/// included.
pub fn parse(text: &str) -> Option<u64> {
    let (date, time) = match text.split_once('T') {
        Some((date, time)) => (date, time.strip_suffix('Z')?),
        None => (text, "00:00:00"),
    };
    let [year, month, day] = numbers(date, '-', [4, 2, 2])?;
    let [hour, minute, second] = numbers(time, ':', [2, 2, 2])?;
    let valid = year >= 1970 && (1..=12).contains(&month) && (1..=month_days(year, month)).contains(&day);
    (valid && hour < 24 && minute < 60 && second < 60)
        .then(|| days_before(year, month, day) * DAY + hour * 3600 + minute * 60 + second)
}

/// Writes a point in time of before the year 10000, so that [`parse`] reads it again.
pub fn write(seconds: u64) -> Option<String> {
    if seconds > LAST {
        return None;
    }
    let (days, time) = (seconds / DAY, seconds % DAY);
    // No year has more days, so that this one or one before it began by then.
    let mut year = 1970 + days / 365;
    while days_before(year, 1, 1) > days {
        year -= 1;
    }
    let mut month = 12;
    while days_before(year, month, 1) > days {
        month -= 1;
    }
    let day = days - days_before(year, month, 1) + 1;
    let (hour, minute, second) = (time / 3600, time % 3600 / 60, time % 60);
    Some(format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z"))
}

fn numbers(text: &str, between: char, digits: [usize; 3]) -> Option<[u64; 3]> {
    let mut parts = text.split(between);
    let mut all = [0; 3];
    for (number, digits) in all.iter_mut().zip(digits) {
        let part = parts.next().filter(|part| part.len() == digits)?;
        *number = part.bytes().all(|byte| byte.is_ascii_digit()).then(|| part.parse().ok())??;
    }
    parts.next().is_none().then_some(all)
}

fn is_leap(year: u64) -> bool {
    year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
}

fn month_days(year: u64, month: u64) -> u64 {
    match month {
        2 if is_leap(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days from the epoch to that day.
fn days_before(year: u64, month: u64, day: u64) -> u64 {
    let leap_years_before = |year: u64| (year - 1) / 4 - (year - 1) / 100 + (year - 1) / 400;
    let years = (year - 1970) * 365 + leap_years_before(year) - leap_years_before(1970);
    let months: u64 = (1..month).map(|month| month_days(year, month)).sum();
    years + months + day - 1
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn days_are_read_and_refused() {
        // `date -u -d 2027-01-01 +%s`
        assert_eq!(parse("2027-01-01"), Some(1_798_761_600));
        assert_eq!(parse("2028-02-29T23:59:59Z"), Some(1_835_481_599));
        assert_eq!(parse("1970-01-01"), Some(0));
        assert_eq!(write(LAST).as_deref(), Some("9999-12-31T23:59:59Z"));
        assert_eq!(write(LAST + 1), None);
        for bad in [
            "",
            "2027-1-1",
            "2027-02-29",
            "2100-02-29",
            "2027-00-01",
            "2027-13-01",
            "2027-04-31",
            "1969-12-31",
            "2027-01-01T",
            "2027-01-01T00:00:00",
            "2027-01-01T24:00:00Z",
            "2027-01-01T00:60:00Z",
            "2027-01-01T00:00:00+01:00",
            "2027-01-01-01",
            "+027-01-01",
            " 2027-01-01",
        ] {
            assert_eq!(parse(bad), None, "{bad}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(seconds in 0..=LAST) {
            prop_assert_eq!(write(seconds).and_then(|text| parse(&text)), Some(seconds));
        }

        #[test]
        fn nothing_makes_it_panic(text: String) {
            let _ = parse(&text);
        }
    }
}
