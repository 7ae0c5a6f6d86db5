//! `ctl storage test`: what is wrong with the vault or the log, where, and what mends it.

use glassdome_proto::storage::{Fault, FaultKind, TestStage, Tested};

use crate::cli::{connect, print, print_json};
use crate::error::Error;
use crate::exit::Exit;
use crate::proof::{ProofArgs, with_proof};
use crate::text::escape::escaped;
use crate::text::notice;
use crate::text::progress::Progress;

/// The kind of a log that could not be read.
const UNREADABLE: &str = "unreadable";

/// What came of it, for programs.
#[derive(serde::Serialize)]
struct Document {
    sound: bool,
    rows: u64,
    faults: u64,
    told: Vec<Told>,
    log_records: u64,
    log: Option<Log>,
}

/// What is wrong with the log, for programs.
#[derive(serde::Serialize)]
struct Log {
    kind: String,
    file: Option<String>,
    line: Option<u64>,
    record: Option<u64>,
}

/// A fault, for programs.
#[derive(serde::Serialize)]
struct Told {
    table: Option<String>,
    name: Option<String>,
    version: Option<u64>,
    #[serde(serialize_with = "as_word")]
    kind: FaultKind,
}

pub(super) fn test(json: bool, proof: &ProofArgs) -> Result<Exit, Error> {
    let mut connection = connect()?;
    let document = with_proof(&mut connection, proof, |connection, proof| {
        let mut progress = Progress::new(0);
        let at = |stage, done, total| {
            progress.stage(of(stage), usize::try_from(total).unwrap_or(usize::MAX));
            progress.at(usize::try_from(done).unwrap_or(usize::MAX));
        };
        connection.test_storage(proof, at, document)
    })?;
    let exit = if document.sound { Exit::Ok } else { Exit::Corrupt };
    if json {
        print_json(&document)?;
        return Ok(exit);
    }
    print(&lines(&document))?;
    if document.sound {
        notice::done("the vault and the audit log are sound: every row opens");
    } else if document.faults > 0 {
        notice::remind(of_vault(&document));
    } else {
        notice::remind(of_log(&document));
    }
    Ok(exit)
}

/// What is to be done about the vault.
fn of_vault(document: &Document) -> &'static str {
    if document.faults > document.told.len() as u64 {
        "mend it from a backup: ctl storage recover FILE"
    } else {
        "what is not named is served. Mend it from a backup: ctl storage recover FILE"
    }
}

/// What is to be done about the log.
fn of_log(document: &Document) -> &'static str {
    match &document.log {
        Some(log) if log.kind == UNREADABLE => {
            "the audit log could not be read, and may be sound: see why in the daemon's log, then test it again"
        }
        _ => "the audit log is not as it was written: ctl audit verify",
    }
}

fn document(tested: &Tested<'_>) -> Document {
    let told = |fault: &Fault<'_>| Told {
        table: fault.table.as_ref().map(|table| table.to_string()),
        name: fault.name.as_ref().map(|name| name.to_string()),
        version: fault.version,
        kind: fault.kind,
    };
    Document {
        sound: tested.faults == 0 && tested.log.is_none(),
        rows: tested.rows,
        faults: tested.faults,
        told: tested.told.iter().map(told).collect(),
        log_records: tested.records,
        log: tested.log.as_ref().map(|log| Log {
            kind: log.word.to_string(),
            file: log.file.as_ref().map(|file| file.to_string()),
            line: log.line,
            record: log.record,
        }),
    }
}

/// What is read, behind how much of it.
fn of(stage: TestStage) -> &'static str {
    match stage {
        TestStage::Pages => " bytes of the vault's file",
        TestStage::Rows => " rows of the vault",
        TestStage::Log => " bytes of the audit log",
    }
}

/// As programs see it.
fn word(kind: FaultKind) -> &'static str {
    match kind {
        FaultKind::Page => "page",
        FaultKind::Sealed => "sealed",
        FaultKind::Astray => "astray",
        FaultKind::Missing => "missing",
        FaultKind::Foreign => "foreign",
        FaultKind::Unreadable => "unreadable",
        FaultKind::Sum => "sum",
    }
}

fn as_word<S: serde::Serializer>(kind: &FaultKind, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(word(*kind))
}

/// As people read it.
fn sentence(kind: FaultKind) -> &'static str {
    match kind {
        FaultKind::Page => "a page of the file is not what was written",
        FaultKind::Sealed => "does not open: it was altered, or is from elsewhere",
        FaultKind::Astray => "leads to another one than it should",
        FaultKind::Missing => "is missing",
        FaultKind::Foreign => "belongs to nothing",
        FaultKind::Unreadable => "cannot be read",
        FaultKind::Sum => "every row opens, and one was put back, taken away or added",
    }
}

fn lines(document: &Document) -> String {
    let mut text =
        format!("{} rows of the vault, {} records of the log\n", document.rows, document.log_records);
    for fault in &document.told {
        let table = fault.table.as_deref().unwrap_or("vault");
        let name = fault.name.as_deref().map(|name| format!(" {}", escaped(name))).unwrap_or_default();
        let version = fault.version.map(|version| format!(" version {version}")).unwrap_or_default();
        text += &format!("{table}{name}{version}: {}\n", sentence(fault.kind));
    }
    let more = document.faults.saturating_sub(document.told.len() as u64);
    if more > 0 {
        text += &format!("and {more} more\n");
    }
    if let Some(log) = &document.log {
        let record = log.record.map(|record| format!(", record {record}")).unwrap_or_default();
        let line = log.line.map(|line| format!(", line {line}")).unwrap_or_default();
        let file = log.file.as_deref().map(|file| format!(" of {}", escaped(file))).unwrap_or_default();
        text += &format!("audit log: {}{record}{line}{file}\n", escaped(&log.kind));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_fault_is_a_line() {
        let told = |table: Option<&str>, name: Option<&str>, version, kind| Told {
            table: table.map(Into::into),
            name: name.map(Into::into),
            version,
            kind,
        };
        let document = Document {
            sound: false,
            rows: 9,
            faults: 4,
            told: vec![
                told(Some("values"), Some("db/a"), Some(2), FaultKind::Sealed),
                told(Some("names"), None, None, FaultKind::Astray),
                told(None, None, None, FaultKind::Page),
            ],
            log_records: 7,
            log: Some(Log {
                kind: "edited".into(),
                file: Some("/a/audit.jsonl".into()),
                line: Some(3),
                record: Some(5),
            }),
        };
        assert_eq!(
            lines(&document),
            "9 rows of the vault, 7 records of the log\n\
             values db/a version 2: does not open: it was altered, or is from elsewhere\n\
             names: leads to another one than it should\n\
             vault: a page of the file is not what was written\n\
             and 1 more\naudit log: edited, record 5, line 3 of /a/audit.jsonl\n"
        );
        // Of what is not told nobody knows whether it is served.
        assert!(of_vault(&document).starts_with("mend it"));
        assert!(of_vault(&Document { faults: 3, ..document }).starts_with("what is not named is served"));
    }
}
