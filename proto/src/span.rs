//! Spans of time as people write them: `8h`, `90m`, `1h30m`, `45s`.

/// Reads a span; the answer is in seconds. A number needs its unit (`d`, `h`, `m`, `s`), each unit
/// stands once and the larger before the smaller. `None` for anything else, zero and over a year
/// included.
pub fn parse(text: &str) -> Option<u32> {
    const UNITS: [(u8, u32); 4] = [(b'd', 86_400), (b'h', 3600), (b'm', 60), (b's', 1)];
    let mut total: u32 = 0;
    let mut number: Option<u32> = None;
    let mut units = UNITS.iter();
    for byte in text.bytes() {
        if byte.is_ascii_digit() {
            let digit = u32::from(byte - b'0');
            number = Some(number.unwrap_or(0).checked_mul(10)?.checked_add(digit)?);
            continue;
        }
        let (_, seconds) = units.find(|(unit, _)| *unit == byte)?;
        total = total.checked_add(number.take()?.checked_mul(*seconds)?)?;
    }
    (number.is_none() && (1..=366 * 86_400).contains(&total)).then_some(total)
}

/// Writes a span of seconds with its two largest units: `7 h 59 min`, `45 s`.
pub fn describe(seconds: u32) -> String {
    let (hours, minutes, rest) = (seconds / 3600, seconds % 3600 / 60, seconds % 60);
    match (hours, minutes, rest) {
        (0, 0, s) => format!("{s} s"),
        (0, m, 0) => format!("{m} min"),
        (0, m, s) if m < 5 => format!("{m} min {s} s"),
        (0, m, _) => format!("{m} min"),
        (h, 0, _) => format!("{h} h"),
        (h, m, _) => format!("{h} h {m} min"),
    }
}

/// Writes a span of seconds so that [`parse`] reads it again: `7h59m`.
pub fn write(seconds: u32) -> String {
    let parts = [(seconds / 3600, 'h'), (seconds % 3600 / 60, 'm'), (seconds % 60, 's')];
    parts.iter().filter(|(n, _)| *n > 0).map(|(n, unit)| format!("{n}{unit}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn spans_are_read_and_refused() {
        assert_eq!(parse("8h"), Some(28_800));
        assert_eq!(parse("1h30m"), Some(5400));
        assert_eq!(parse("1d"), Some(86_400));
        for bad in ["", "8", "h", "8x", "30m1h", "1h1h", "-1h", "0s", "99999999999h", "1h ", "400d"] {
            assert_eq!(parse(bad), None, "{bad}");
        }
        assert_eq!(describe(28_800), "8 h");
        assert_eq!(describe(28_799), "7 h 59 min");
        assert_eq!(describe(61), "1 min 1 s");
        assert_eq!(describe(601), "10 min");
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(seconds in 1u32..=366 * 86_400) {
            prop_assert_eq!(parse(&write(seconds)), Some(seconds));
        }
    }
}
