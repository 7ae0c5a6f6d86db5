//! Who used which secret how often, for people and for programs.
//!
//! ```text
//! db/password   412 reads, 2 changes, 3 refused
//!   ▁▁ ▂▅█▁  ▁▁
//!   python3 "/srv/report.py"  410 reads, 2 changes   last 2026-11-22 17:40
//!   curl                      2 reads, 3 refused     last 2026-11-20 03:10   ! first use 2026-11-20 03:10
//! ```

use serde::Serialize;

use super::escape::{name as told, quoted};
use super::style::Style;
use super::table::columns;
use super::time;
use super::timeline::Bars;
use crate::audit_log::tally::{Program, Secret, Span, Tally, Uses};
use crate::audit_log::usual::Unusual;

/// The summary for programs. Keys are never renamed or taken away; times are seconds since the epoch.
#[derive(Serialize)]
pub(crate) struct Document<'a> {
    from: i64,
    to: i64,
    log_begins: i64,
    column_s: i64,
    secrets: Vec<OfSecret<'a>>,
    left_out: u64,
}

#[derive(Serialize)]
struct OfSecret<'a> {
    name: &'a str,
    timeline: &'a [u64],
    programs: Vec<OfProgram<'a>>,
}

#[derive(Serialize)]
struct OfProgram<'a> {
    #[serde(flatten)]
    program: &'a Program,
    reads: u64,
    changes: u64,
    refused: u64,
    first: i64,
    last: i64,
    unusual_count: u64,
    unusual: Vec<Mark>,
}

#[derive(Serialize)]
struct Mark {
    at: i64,
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    usual: Option<u64>,
}

pub(crate) fn document<'a>(tally: &'a Tally<'_>, span: Span) -> Document<'a> {
    let secrets = tally.used().map(|(name, secret)| OfSecret {
        name,
        timeline: &secret.timeline,
        programs: used(secret).map(|(program, uses, between)| of_program(program, uses, between)).collect(),
    });
    Document {
        from: span.from,
        to: span.to,
        log_begins: tally.log_begins(),
        column_s: span.column_s(),
        secrets: secrets.collect(),
        left_out: tally.left_out,
    }
}

/// A block a secret.
pub(crate) fn draw(tally: &Tally<'_>, span: Span, bars: Bars, style: Style) -> String {
    let column_s = u32::try_from(span.column_s()).unwrap_or(u32::MAX);
    let (from, to) = (date_time(span.from), date_time(span.to));
    let head = format!("{from} to {to}, a column is {}", time::span(column_s));
    let mut text = format!("{}\n", style.faint(&head));
    for (name, secret) in tally.used() {
        let total = used(secret).fold((0, 0, 0), |(reads, changes, refused), (_, uses, _)| {
            (reads + uses.reads, changes + uses.changes, refused + uses.refused)
        });
        let bars = bars.draw(&secret.timeline);
        text.push_str(&format!(
            "\n{}   {}\n  {}\n",
            style.strong(&told(name)),
            counts(total),
            bars.trim_end()
        ));
        let rows: Vec<Vec<String>> = used(secret).map(|found| row(found, style)).collect();
        text.push_str(&columns(&rows));
    }
    if tally.left_out > 0 {
        text.push_str(&format!(
            "\nand {} uses by more programs, or of more secrets, than are told apart\n",
            tally.left_out
        ));
    }
    text
}

type Found<'a> = (&'a Program, &'a Uses, (i64, i64));

fn used(secret: &Secret) -> impl Iterator<Item = Found<'_>> {
    secret.programs.iter().filter_map(|(program, uses)| Some((program, uses, uses.between?)))
}

fn of_program<'a>(program: &'a Program, uses: &'a Uses, (first, last): (i64, i64)) -> OfProgram<'a> {
    let mark = |(at, unusual): &(i64, Unusual)| {
        let (kind, usual) = match *unusual {
            Unusual::FirstUse => ("first-use", None),
            Unusual::Hour(_) => ("hour", None),
            Unusual::Often { usual } => ("often", Some(usual)),
        };
        Mark { at: *at, kind, usual }
    };
    let Uses { reads, changes, refused, unusual_count, .. } = *uses;
    let unusual = uses.unusual.iter().map(mark).collect();
    OfProgram { program, reads, changes, refused, first, last, unusual_count, unusual }
}

fn row((program, uses, (_, last)): Found<'_>, style: Style) -> Vec<String> {
    let script = program.script.as_deref().map(|script| format!(" {}", quoted(script)));
    let program = if program.claimed { quoted(&program.program) } else { told(&program.program) };
    let name = format!("  {program}{}", script.unwrap_or_default());
    let last = style.faint(&format!("last {}", date_time(last)));
    vec![name, counts((uses.reads, uses.changes, uses.refused)), last, marks(uses, style)]
}

fn marks(uses: &Uses, style: Style) -> String {
    let mut words: Vec<String> = uses.unusual.iter().map(|(at, unusual)| word(*at, *unusual)).collect();
    let more = uses.unusual_count - uses.unusual.len() as u64;
    if more > 0 {
        words.insert(0, format!("{more} more before"));
    }
    if words.is_empty() { String::new() } else { style.careful(&format!("! {}", words.join(", "))) }
}

fn word(at: i64, unusual: Unusual) -> String {
    let when = date_time(at);
    match unusual {
        Unusual::FirstUse => format!("first use {when}"),
        Unusual::Hour(hour) => format!("never before at {hour} o'clock: {when}"),
        Unusual::Often { usual } => format!("ten times as often as usual ({usual} a day): {when}"),
    }
}

fn counts((reads, changes, refused): (u64, u64, u64)) -> String {
    let of = |count: u64, one: &str, many: &str| match count {
        0 => None,
        1 => Some(format!("1 {one}")),
        count => Some(format!("{count} {many}")),
    };
    let all =
        [of(reads, "read", "reads"), of(changes, "change", "changes"), of(refused, "refused", "refused")];
    all.into_iter().flatten().collect::<Vec<_>>().join(", ")
}

fn date_time(seconds: i64) -> String {
    time::date_time(u64::try_from(seconds).unwrap_or(0))
}
