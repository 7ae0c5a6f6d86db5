//! What was measured, beside its floor and its budget.

use std::fmt::Write;
use std::time::Duration;

use crate::rounds::Samples;

/// How it is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// For a terminal.
    Text,
    /// For a page.
    Markdown,
}

/// All rows.
#[derive(Debug, Default)]
pub(crate) struct Table(Vec<Row>);

/// One line of the table.
#[derive(Debug)]
pub(crate) struct Row {
    /// What was done.
    pub(crate) what: &'static str,
    /// With how many secrets in the vault, where it could matter.
    pub(crate) secrets: Option<usize>,
    /// The least that could be measured, and ours.
    pub(crate) floor: Option<String>,
    /// Ours.
    pub(crate) ours: String,
    /// Ours by the floor's.
    pub(crate) ratios: Vec<f64>,
    /// What it must be.
    pub(crate) budget: Budget,
}

/// What a row must keep.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Budget {
    /// Nothing.
    None,
    /// At most this many times the floor's median.
    Times(f64),
    /// And at most this many times its 99th percentile.
    TimesAndTail(f64, f64),
    /// At least this share of the floor's.
    Share(f64),
    /// So much longer than the floor's median, and at most so much.
    Longer {
        /// Measured.
        is: Duration,
        /// Allowed.
        most: Duration,
    },
    /// So many bytes, and at most so many.
    Bytes {
        /// Measured.
        is: u64,
        /// Allowed.
        most: u64,
    },
}

impl Table {
    /// Adds a row.
    pub(crate) fn add(&mut self, row: Row) {
        self.0.push(row);
    }

    /// Adds a row of times; the 99th percentiles too, where the budget speaks of them.
    pub(crate) fn times(
        &mut self,
        what: &'static str,
        secrets: impl Into<Option<usize>>,
        [floor, ours]: [&Samples; 2],
        budget: Budget,
    ) {
        let mut ratios = vec![ours.over(floor)];
        let mut cells = [floor, ours].map(|samples| time(samples.median()));
        if let Budget::TimesAndTail(..) = budget {
            ratios.push(ours.p99().div_duration_f64(floor.p99()));
            cells = [floor, ours].map(|s| format!("{}, p99 {}", time(s.median()), time(s.p99())));
        }
        let [floor, ours] = cells;
        self.add(Row { what, secrets: secrets.into(), floor: Some(floor), ours, ratios, budget });
    }

    /// Adds a row of what cannot be measured here.
    pub(crate) fn left_out(&mut self, what: &'static str, why: &str) {
        let ours = format!("left out: {why}");
        self.add(Row { what, secrets: None, floor: None, ours, ratios: Vec::new(), budget: Budget::None });
    }

    /// For each thing with a budget that was measured at both sizes: how much dearer the larger one
    /// made it, by ratios to the floor, so that what the machine did in between does not count.
    pub(crate) fn flatness(&self, sizes: [usize; 2]) -> Self {
        const FLAT: f64 = 1.1;
        let [small, large] = sizes.map(|size| {
            self.0.iter().filter(move |row| row.secrets == Some(size) && !matches!(row.budget, Budget::None))
        });
        let both = small.filter_map(|small| {
            let large = large.clone().find(|large| large.what == small.what)?;
            let (before, after) = (small.ratios.first()?, large.ratios.first()?);
            Some(Row {
                what: small.what,
                secrets: None,
                floor: Some(format!("{before:.2} × its floor at {}", thousands(sizes[0]))),
                ours: format!("{after:.2} × at {}", thousands(sizes[1])),
                ratios: vec![after / before],
                budget: Budget::Times(FLAT),
            })
        });
        Self(both.collect())
    }

    /// All of it.
    pub(crate) fn text(&self, form: Form) -> String {
        let header = ["what", "secrets", "floor", "ours", "ratio", "budget", ""].map(str::to_owned);
        let rows: Vec<_> = std::iter::once(header).chain(self.0.iter().map(Row::cells)).collect();
        let mut widths = [0; 7];
        for row in &rows {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = (*width).max(cell.chars().count());
            }
        }
        let mut text = String::new();
        for (index, row) in rows.iter().enumerate() {
            let cells: Vec<_> =
                row.iter().zip(widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
            match form {
                Form::Text => writeln!(text, "{}", cells.join("  ").trim_end()),
                Form::Markdown => writeln!(text, "| {} |", cells.join(" | ")),
            }
            .expect("a string takes text");
            if index == 0 {
                let lines = widths.map(|width| "-".repeat(width.max(3)));
                match form {
                    Form::Text => writeln!(text, "{}", lines.join("  ")),
                    Form::Markdown => writeln!(text, "| {} |", lines.join(" | ")),
                }
                .expect("a string takes text");
            }
        }
        text
    }
}

impl Row {
    fn cells(&self) -> [String; 7] {
        let ratios: Vec<_> = self.ratios.iter().map(|ratio| format!("{ratio:.2}")).collect();
        let mut ratios = ratios.join(", p99 ");
        if let Budget::Longer { is, .. } = self.budget {
            ratios = format!("{ratios}, + {}", time(is));
        }
        [
            self.what.to_owned(),
            self.secrets.map(thousands).unwrap_or_default(),
            self.floor.clone().unwrap_or_default(),
            self.ours.clone(),
            ratios,
            self.budget.text(),
            match self.keeps_budget() {
                None => String::new(),
                Some(true) => "kept".into(),
                Some(false) => "OVER".into(),
            },
        ]
    }

    fn keeps_budget(&self) -> Option<bool> {
        Some(match (self.budget, &*self.ratios) {
            (Budget::Times(most), [median, ..]) => *median <= most,
            (Budget::TimesAndTail(most, most_p99), [median, p99]) => *median <= most && *p99 <= most_p99,
            (Budget::Share(least), [share, ..]) => *share >= least,
            (Budget::Longer { is, most }, _) => is <= most,
            (Budget::Bytes { is, most }, _) => is <= most,
            _ => return None,
        })
    }
}

impl Budget {
    fn text(self) -> String {
        match self {
            Self::None => String::new(),
            Self::Times(most) => format!("≤ {most}"),
            Self::TimesAndTail(most, p99) => format!("≤ {most}, p99 ≤ {p99}"),
            Self::Share(least) => format!("≥ {least}"),
            Self::Longer { most, .. } => format!("≤ floor + {}", time(most)),
            Self::Bytes { most, .. } => format!("≤ {}", bytes(most)),
        }
    }
}

/// A time in the unit that fits it.
pub(crate) fn time(time: Duration) -> String {
    let micros = time.as_secs_f64() * 1e6;
    match micros {
        ..100.0 => format!("{micros:.1} µs"),
        ..1000.0 => format!("{micros:.0} µs"),
        ..100_000.0 => format!("{:.2} ms", micros / 1e3),
        _ => format!("{:.0} ms", micros / 1e3),
    }
}

/// A size in the unit that fits it.
pub(crate) fn bytes(bytes: u64) -> String {
    let kib = bytes as f64 / 1024.0;
    if kib < 100.0 { format!("{kib:.1} KiB") } else { format!("{:.2} MiB", kib / 1024.0) }
}

fn thousands(number: usize) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_for_people() {
        assert_eq!(["7", "1,000", "100,000"], [7, 1000, 100_000].map(thousands));
        let times = [8_040, 123_400, 1_234_000, 512_000_000].map(|nanos| time(Duration::from_nanos(nanos)));
        assert_eq!(times, ["8.0 µs", "123 µs", "1.23 ms", "512 ms"]);
        assert_eq!([bytes(6 << 20), bytes(8 << 10)], ["6.00 MiB", "8.0 KiB"]);
    }

    #[test]
    fn a_budget_is_kept_or_not() {
        let row = |ratios: &[f64], budget| {
            let ratios = ratios.to_vec();
            Row { what: "", secrets: None, floor: None, ours: String::new(), ratios, budget }.keeps_budget()
        };
        assert_eq!(row(&[1.5], Budget::Times(1.6)), Some(true));
        assert_eq!(row(&[1.7], Budget::Times(1.6)), Some(false));
        assert_eq!(row(&[1.5, 3.1], Budget::TimesAndTail(2.0, 3.0)), Some(false));
        assert_eq!(row(&[0.2], Budget::Share(0.25)), Some(false));
        assert_eq!(row(&[], Budget::Bytes { is: 1, most: 1 }), Some(true));
        let longer = |is| Budget::Longer { is: Duration::from_millis(is), most: Duration::from_millis(4) };
        assert_eq!([4, 5].map(|is| row(&[9.0], longer(is))), [Some(true), Some(false)]);
        assert_eq!(row(&[9.0], Budget::None), None);
    }
}
