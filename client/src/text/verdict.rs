//! What became of the check of a log: one line if something is wrong, and otherwise what was checked, and what not.

use std::path::PathBuf;

use glassdome_audit::chain::Head;
use glassdome_audit::files;
use glassdome_audit::verify::{Checks, Fault, Kind, Note, Report};
use serde::Serialize;

use super::escape::name;
use super::style::Style;
use super::time;
use crate::error::Error;

/// The verdict for programs. Keys are never renamed or taken away.
#[derive(Serialize)]
pub(crate) struct Document {
    verdict: &'static str,
    fault: Option<Broken>,
    faults: Vec<Broken>,
    more: u64,
    log: Option<String>,
    files: usize,
    records: u64,
    first: Option<u64>,
    last: Option<u64>,
    checked_to: Option<String>,
    seals: Seals,
    anchor: Option<bool>,
    alarm: Option<u64>,
    link: Option<bool>,
    torn: u64,
    notes: Vec<String>,
}

#[derive(Serialize)]
struct Broken {
    file: Option<PathBuf>,
    line: u64,
    seq: Option<u64>,
    kind: &'static str,
}

#[derive(Serialize)]
struct Seals {
    key: bool,
    checked: u64,
    unchecked: u64,
}

pub(crate) fn document(report: &Report, checks: &Checks, alarm: Option<u64>) -> Document {
    let broken = |fault: &Fault| Broken {
        file: fault.place.file.as_deref().cloned(),
        line: fault.place.line,
        seq: fault.seq,
        kind: fault.kind.word(),
    };
    Document {
        verdict: match (report.fault(), alarm) {
            (Some(_), _) if report.faults.iter().all(|fault| fault.kind == Kind::Untied) => "untied",
            (Some(_), _) => "broken",
            (None, Some(_)) => "alarm",
            (None, None) => "ok",
        },
        fault: report.fault().map(broken),
        faults: report.faults.iter().map(broken).collect(),
        more: report.more,
        log: report.log.map(|log| log.to_string()),
        files: report.files,
        records: report.records,
        first: report.between.map(|(first, _)| first),
        last: report.between.map(|(_, last)| last),
        checked_to: checked_to(report, checks, alarm),
        seals: Seals { key: checks.auditor.is_some(), checked: report.sealed, unchecked: report.unchecked },
        anchor: report.anchor,
        alarm,
        link: report.link,
        torn: report.torn,
        notes: report.notes.iter().map(note).collect(),
    }
}

/// What to give to a later check as known, if this one was with the auditor's key and ended well.
fn checked_to(report: &Report, checks: &Checks, alarm: Option<u64>) -> Option<String> {
    let ended_well = report.fault().is_none() && alarm.is_none() && checks.auditor.is_some();
    report.head.filter(|_| ended_well).map(known)
}

fn known(head: Head) -> String {
    format!("{}:{}", head.seq, head.hash)
}

/// All bad places, a line each.
pub(crate) fn faults(report: &Report, checks: &Checks, style: Style) -> Vec<String> {
    let mut lines: Vec<String> = report.faults.iter().map(|found| fault(found, style)).collect();
    if report.more > 0 {
        lines.push(format!("there are {} more places at which the seals begin anew", report.more));
    }
    if let Some(head) = report.head.filter(|_| report.judgeable && checks.auditor.is_some()) {
        let known = known(head);
        lines.push(format!(
            "all else holds. Once you have judged each of these places by other means: --known {known}"
        ));
    }
    lines
}

/// A bad place, in one line.
fn fault(fault: &Fault, style: Style) -> String {
    let file = fault
        .place
        .file
        .as_deref()
        .map_or_else(|| "the log".to_owned(), |file| name(&file.to_string_lossy()));
    let seq = fault.seq.map(|seq| format!(", record {seq}")).unwrap_or_default();
    let kind = style.bad(fault.kind.word());
    if fault.kind == Kind::Mislinked {
        return format!("{}: {kind}: {}", files::LINK, meaning(fault.kind));
    }
    format!("{file}: line {}{seq}: {kind}: {}", fault.place.line, meaning(fault.kind))
}

fn meaning(kind: Kind) -> &'static str {
    match kind {
        Kind::Edited => "it is not the record that was written there",
        Kind::Removed => "records are missing before this line",
        Kind::Reordered => "records stand in another order than they were written in",
        Kind::Foreign => "this line is no record of this log, or one that it has already",
        Kind::Truncated => "records are missing at the front or the end of the log",
        Kind::Replaced => "this is another log, or another record, than the one that is remembered",
        Kind::Mislinked => "it is not a link that this log left: one of the two was replaced",
        Kind::Unlinked => "the seals begin anew here, and nothing shows that the same daemon went on",
        Kind::Untied => {
            "what the seals go on from is not in these files; give --known SEQ:HASH of an earlier check"
        }
        Kind::Unsealed => "nothing up to here is sealed for this auditor's key",
    }
}

/// There is an alarm, in one line.
pub(crate) fn alarm(since: u64) -> String {
    let since = time::date_time(since);
    format!("this log holds, but there is an alarm since {since}: see ctl audit. Seen: ctl audit accept")
}

/// A line each for what was checked. `unknown`: why nobody could say what is remembered.
pub(crate) fn describe(report: &Report, checks: &Checks, unknown: Option<&Error>, style: Style) -> String {
    let (first, last) = report.between.unwrap_or((0, 0));
    let files = if report.files == 1 { "1 file" } else { &format!("{} files", report.files) };
    let good = style.good("✓");
    let mut text = format!("{good} {} records, {first} to {last}, in {files}\n", report.records);
    let mut line = |key: &str, value: &str| text.push_str(&format!("  {key:<7} {value}\n"));
    line("chain", "holds");
    let (sealed, unchecked) = (report.sealed, report.unchecked);
    match (&checks.auditor, sealed, unchecked) {
        (None, _, 0) => line("seals", &style.careful("there are none. A key for them: ctl audit new-key")),
        (None, _, n) => {
            line(
                "seals",
                &style.careful(&format!("{n} not checked: give the auditor's key with --key-file")),
            );
        }
        (Some(_), n, 0) => line("seals", &format!("all {n} fit")),
        (Some(_), n, rest) => {
            line("seals", &format!("{n} fit, {} not checked", style.careful(&rest.to_string())))
        }
    }
    match report.anchor {
        Some(_) => line("anchor", "the last record that the vault and the daemon remember is there"),
        None => {
            let why = unknown.map(|error| format!(" ({error})")).unwrap_or_default();
            let words = "not checked: whether the end is missing, only the vault can tell";
            line("anchor", &style.careful(&format!("{words}{why}")));
        }
    }
    match report.link {
        Some(_) => line("link", "is the one behind its record"),
        None if checks.link.is_some() => {
            line("link", &style.careful("stands in the log; its key was not checked"))
        }
        None => {}
    }
    if report.torn > 0 {
        line("torn", &format!("the last line was cut short, {} bytes: it was being written", report.torn));
    }
    for said in &report.notes {
        line("note", &style.careful(&note(said)));
    }
    if let Some(known) = checked_to(report, checks, None) {
        text.push_str(&format!("checked to {known}: keep it for --known\n"));
    }
    text
}

fn note(note: &Note) -> String {
    match note {
        Note::Retired { through } => {
            format!("records up to {through} were deleted as too old, and the log says so")
        }
        Note::OtherAuditor { from } => format!("from record {from} on the seals are another auditor's"),
        Note::NotOursBefore { until } => {
            format!("before record {until} there were no seals, or another auditor's: not checked")
        }
        Note::BreaksBefore { count, until } => format!(
            "before record {until}, where the seals for this auditor begin, those of others begin anew {count} times, \
             and nothing shows that the same daemon went on"
        ),
        Note::Judged { count, until } => format!(
            "up to record {until}, which is the known one, the seals begin anew {count} times: taken as judged"
        ),
        Note::Accepted { count, until } => format!(
            "up to record {until}, with which it was accepted (ctl audit accept), the seals begin anew {count} times"
        ),
    }
}
