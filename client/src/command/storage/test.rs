//! `ctl storage test`: what is wrong with the vault or the log, where, and what mends it.

use glassdome_proto::storage::{Fault, FaultKind, Tested};

use crate::cli::{connect, print, print_json};
use crate::error::Error;
use crate::exit::Exit;
use crate::proof::{ProofArgs, with_proof};
use crate::text::escape::escaped;
use crate::text::notice;

/// What came of it, for programs.
#[derive(serde::Serialize)]
struct Document {
    sound: bool,
    rows: u64,
    faults: u64,
    told: Vec<Told>,
    log_records: u64,
    log: Option<String>,
}

/// A fault, for programs.
#[derive(serde::Serialize)]
struct Told {
    table: Option<String>,
    name: Option<String>,
    version: Option<u64>,
    kind: &'static str,
}

pub(super) fn test(json: bool, proof: &ProofArgs) -> Result<Exit, Error> {
    let mut connection = connect()?;
    let document = with_proof(&mut connection, proof, |connection, proof| {
        Ok(document(&connection.test_storage(proof)?))
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
        notice::remind("what is not named still reads. Recover what is damaged: ctl storage recover BACKUP");
    } else {
        notice::remind("the audit log is not as it was written: ctl audit verify");
    }
    Ok(exit)
}

fn document(tested: &Tested<'_>) -> Document {
    let told = |fault: &Fault<'_>| Told {
        table: fault.table.as_ref().map(|table| table.to_string()),
        name: fault.name.as_ref().map(|name| name.to_string()),
        version: fault.version,
        kind: word(fault.kind),
    };
    Document {
        sound: tested.faults == 0 && tested.log.is_none(),
        rows: tested.rows,
        faults: tested.faults,
        told: tested.told.iter().map(told).collect(),
        log_records: tested.records,
        log: tested.log.as_ref().map(|word| word.to_string()),
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

/// As people read it.
fn sentence(kind: &str) -> &'static str {
    match kind {
        "page" => "a page of the file is not what was written",
        "sealed" => "does not open: it was altered, or is from elsewhere",
        "astray" => "leads to another one than it should",
        "missing" => "is missing",
        "foreign" => "belongs to nothing",
        "unreadable" => "cannot be read",
        _ => "every row opens, and one was put back, taken away or added",
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
        text += &format!("audit log: {}\n", escaped(log));
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
            kind: word(kind),
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
            log: Some("edited".into()),
        };
        assert_eq!(
            lines(&document),
            "9 rows of the vault, 7 records of the log\n\
             values db/a version 2: does not open: it was altered, or is from elsewhere\n\
             names: leads to another one than it should\n\
             vault: a page of the file is not what was written\n\
             and 1 more\naudit log: edited\n"
        );
    }
}
