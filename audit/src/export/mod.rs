//! The log in the words of others: a record as one line of a schema that a SIEM reads. Which class,
//! type and key each event has stands in one table a format, checked against the published schemas
//! (`docs/audit-export.md` names them).
//!
//! What others wrote into a record (names, paths, claims) stays text in every format: no character
//! of it ends a field or a line, or steers a terminal.

mod ascii;
mod cef;
mod ecs;
mod gist;
mod ocsf;
mod own;
#[cfg(test)]
mod samples;

use std::io;

use jiff::Timestamp;

use crate::{Hex, Outcome, Record};

pub use gist::{Severity, message, outcome, severity, title, word};

/// A schema of others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Open Cybersecurity Schema Framework 1.5.0: JSON lines.
    Ocsf,
    /// Elastic Common Schema 9.4.0: JSON lines.
    Ecs,
    /// ArcSight Common Event Format 0: text lines.
    Cef,
}

/// What is the same for a whole log, and in no record of it.
#[derive(Debug, Clone, Copy)]
pub struct Source<'a> {
    /// Name of the machine.
    pub host: &'a str,
    /// User id of the log's owner.
    pub owner: u32,
    /// Which log it is, once its header has been read.
    pub log: Option<Hex<16>>,
}

/// Why a record cannot be exported.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// Its time is none.
    #[error("a record's time is not one that RFC 3339 knows")]
    Time(#[source] jiff::Error),
    /// It cannot be written.
    #[error("a record cannot be written")]
    Unwritable(#[source] io::Error),
}

/// Appends `record` and a newline to `out`.
///
/// # Errors
/// [`ExportError::Time`] for a line that the daemon did not write; `out` is then as it was.
pub fn export(
    record: &Record<'_>,
    format: Format,
    source: &Source<'_>,
    out: &mut Vec<u8>,
) -> Result<(), ExportError> {
    let time: Timestamp = record.time.parse().map_err(ExportError::Time)?;
    let millis = time.as_millisecond();
    match format {
        Format::Ocsf => ascii::write(&ocsf::event(record, millis, source), out)?,
        Format::Ecs => ascii::write(&ecs::document(record, source), out)?,
        Format::Cef => cef::write(record, millis, source, out),
    }
    out.push(b'\n');
    Ok(())
}

impl Source<'_> {
    /// Which record of which log, for whoever collects several.
    fn id_of(&self, record: &Record<'_>) -> String {
        match self.log {
            Some(log) => format!("{log}:{}", record.seq),
            None => record.seq.to_string(),
        }
    }
}

/// The outcome in the words of ECS and CEF.
fn how_it_ended(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Allowed => "success",
        Outcome::Denied | Outcome::Failed => "failure",
    }
}

/// How grave it is, up to ten, as CEF counts and as we count for ECS, which leaves it open.
fn of_ten(severity: Severity) -> u8 {
    match severity {
        Severity::Informational => 1,
        Severity::Low => 3,
        Severity::Medium => 5,
        Severity::Critical => 10,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::Event;

    const SOURCE: Source<'_> = Source { host: "laptop.example", owner: 1000, log: None };

    fn exported(record: &Record<'_>, format: Format) -> Value {
        let mut line = Vec::new();
        export(record, format, &SOURCE, &mut line).unwrap();
        serde_json::from_slice(&line).unwrap()
    }

    /// An event's row in the documentation.
    fn row(event: Event) -> String {
        let record = samples::full(event, Outcome::Allowed);
        let (ocsf, ecs) = (exported(&record, Format::Ocsf), exported(&record, Format::Ecs));
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let list = |value: &Value| {
            let words = value.as_array().unwrap().iter().map(text);
            words.filter(|word| word != "allowed").collect::<Vec<_>>().join(", ")
        };
        let activity = if ocsf["activity_id"] == 99 { "Other".into() } else { text(&ocsf["activity_name"]) };
        format!(
            "| `{}` | {} {} | {} {activity} | {} | {} |",
            word(event),
            ocsf["class_uid"],
            text(&ocsf["class_name"]),
            ocsf["activity_id"],
            list(&ecs["event"]["category"]),
            list(&ecs["event"]["type"]),
        )
    }

    #[test]
    fn the_documented_table_of_events_is_the_one_in_use() {
        let documented = include_str!("../../../docs/audit-export.md");
        let events = samples::events();
        let missing: Vec<_> =
            events.iter().map(|event| row(*event)).filter(|row| !documented.contains(row)).collect();
        assert!(missing.is_empty(), "docs/audit-export.md lacks:\n{}", missing.join("\n"));
    }

    #[test]
    fn so_are_those_of_outcomes_and_severities() {
        let documented = include_str!("../../../docs/audit-export.md");
        let has = |begin: &str, middle: &str| {
            let found = documented.lines().any(|row| row.starts_with(begin) && row.contains(middle));
            assert!(found, "docs/audit-export.md lacks: {begin} … {middle}");
        };
        for outcome in samples::OUTCOMES {
            let record = samples::full(Event::Get, outcome);
            let (ocsf, ecs) = (exported(&record, Format::Ocsf), exported(&record, Format::Ecs));
            let pair =
                |name: &str| format!("{} {}", ocsf[format!("{name}_id")], ocsf[name].as_str().unwrap());
            let [status, action, disposition] = ["status", "action", "disposition"].map(pair);
            let ended = &ecs["event"]["outcome"].as_str().unwrap();
            let row = format!(" | {status} | {action} | {disposition} | `{ended}` | `{ended}` |");
            has(&format!("| `{}`", gist::outcome(outcome)), &row);
        }
        for (level, event, outcome) in [
            ("critical", Event::Canary, Outcome::Denied),
            ("medium", Event::Get, Outcome::Denied),
            ("low", Event::Get, Outcome::Failed),
            ("informational", Event::Get, Outcome::Allowed),
        ] {
            let record = samples::full(event, outcome);
            let (ocsf, ecs) = (exported(&record, Format::Ocsf), exported(&record, Format::Ecs));
            let ten = &ecs["event"]["severity"];
            has(&format!("| {level} |"), &format!(" | {} | {ten} | {ten} | ", ocsf["severity_id"]));
        }
    }

    #[test]
    fn a_time_that_is_none_is_told_and_nothing_is_written() {
        for format in [Format::Ocsf, Format::Ecs, Format::Cef] {
            let record = Record { time: "yesterday".into(), ..samples::full(Event::Get, Outcome::Allowed) };
            let mut out = b"before".to_vec();
            let refused = export(&record, format, &SOURCE, &mut out);
            assert!(matches!(refused, Err(ExportError::Time(_))));
            assert_eq!(out, b"before");
        }
    }
}
