//! Sizes, for a sentence.

/// `1 byte`, `30 bytes`.
pub(crate) fn bytes(count: u64) -> String {
    if count == 1 { "1 byte".to_owned() } else { format!("{count} bytes") }
}

/// `812 bytes`, `24.0 KiB`, `1.5 MiB`: as large as it is in the unit of which there is more than one.
pub(crate) fn size(count: u64) -> String {
    const UNITS: [&str; 4] = ["KiB", "MiB", "GiB", "TiB"];
    if count < 1024 {
        return bytes(count);
    }
    let (mut unit, mut of) = (UNITS[0], 1024_u64);
    for next in &UNITS[1..] {
        if count / of < 1024 {
            break;
        }
        (unit, of) = (next, of * 1024);
    }
    format!("{}.{} {unit}", count / of, count % of * 10 / of)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_is_one() {
        assert_eq!([bytes(0), bytes(1), bytes(2)], ["0 bytes", "1 byte", "2 bytes"]);
    }

    #[test]
    fn the_unit_is_the_one_of_which_there_is_more_than_one() {
        let kib = 1024;
        assert_eq!(
            [0, 1023, kib, 1536, kib * kib - 1, kib * kib, 3 << 30, 5 << 40, u64::MAX].map(size),
            [
                "0 bytes",
                "1023 bytes",
                "1.0 KiB",
                "1.5 KiB",
                "1023.9 KiB",
                "1.0 MiB",
                "3.0 GiB",
                "5.0 TiB",
                "16777215.9 TiB"
            ]
        );
    }
}
