//! `ctl audit export`: a whole log as lines that a SIEM reads, one after the other.

use std::fs::File;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

use glassdome_audit::export::{self, ExportError, Format, Source};
use jiff::Timestamp;

use crate::audit_log::filter::{SinceArg, moment};
use crate::audit_log::forwards::Forwards;
use crate::audit_log::place::Files;
use crate::audit_log::record;
use crate::audit_log::tail::Start;
use crate::audit_log::which::WhichArgs;
use crate::descriptor::write_all;
use crate::error::Error;
use crate::exit::Exit;
use crate::private_file::write_private_by;
use crate::text::notice;

/// How much is written at once, in bytes.
const BLOCK: usize = 64 * 1024;

/// What can be typed behind `ctl audit export`.
#[derive(clap::Args)]
pub(crate) struct Export {
    #[command(flatten)]
    log: WhichArgs,
    /// Whose words: OCSF and ECS are JSON lines, CEF is text
    #[arg(long, value_parser = ["ocsf", "ecs", "cef"], default_value = "ocsf")]
    format: String,
    #[command(flatten)]
    since: SinceArg,
    /// Write to this file: mode 0600, whole or not at all, never through a symbolic link
    #[arg(short, long, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// What became of the lines.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Tally {
    exported: u64,
    /// No records.
    left_out: u64,
    /// Whether the last line has no end: it is being written, or its writer was stopped.
    torn: bool,
}

impl Export {
    pub(super) fn run(self) -> Result<Exit, Error> {
        let SinceArg { since } = self.since;
        let files = self.log.files()?;
        let owner = owner(&files)?;
        let host = rustix::system::uname();
        let host = host.nodename().to_string_lossy();
        let source = Source { host: &host, owner, log: None };
        let tally = match &self.out {
            None => export(files, self.format(), since, source, |block| {
                write_all(io::stdout(), block).map_err(Error::Output)
            })?,
            Some(path) => write_private_by(path, |file| {
                let failed = |source| Error::WriteFile { path: path.clone(), source };
                export(files, self.format(), since, source, |block| write_all(file, block).map_err(failed))
            })?,
        };
        Ok(tell(tally))
    }

    fn format(&self) -> Format {
        match &*self.format {
            "ecs" => Format::Ecs,
            "cef" => Format::Cef,
            _ => Format::Ocsf,
        }
    }
}

/// Whose log it is; whose it will be, where there is none yet.
fn owner(files: &Files) -> Result<u32, Error> {
    let own = rustix::process::getuid().as_raw();
    let Some(last) = files.len().checked_sub(1) else { return Ok(own) };
    let owner = |file: File| file.metadata().map(|metadata| metadata.uid());
    match files.open(last)? {
        Some(file) => owner(file).map_err(|source| Error::ReadFile { path: files.path(last), source }),
        None => Ok(own),
    }
}

fn export(
    files: Files,
    format: Format,
    since: Option<Timestamp>,
    source: Source<'_>,
    mut write: impl FnMut(&[u8]) -> Result<(), Error>,
) -> Result<Tally, Error> {
    let mut lines =
        Lines { format, since, source, block: Vec::with_capacity(BLOCK), tally: Tally::default() };
    let mut reader = Forwards::from(files, Start::OLDEST)?;
    reader.read(|line| {
        lines.take(line)?;
        if lines.block.len() >= BLOCK { lines.write(&mut write) } else { Ok(()) }
    })?;
    lines.write(&mut write)?;
    reader.finish(|_| {
        lines.tally.torn = true;
        Ok(())
    })?;
    Ok(lines.tally)
}

struct Lines<'a> {
    format: Format,
    since: Option<Timestamp>,
    source: Source<'a>,
    block: Vec<u8>,
    tally: Tally,
}

impl Lines<'_> {
    fn take(&mut self, line: &[u8]) -> Result<(), Error> {
        let Some(record) = record(line) else {
            self.tally.left_out += 1;
            return Ok(());
        };
        if let Some(log) = &record.log {
            self.source.log = Some(log.id);
        }
        if self.since.is_some_and(|since| moment(&record).is_some_and(|at| at < since)) {
            return Ok(());
        }
        match export::export(&record, self.format, &self.source, &mut self.block) {
            Ok(()) => self.tally.exported += 1,
            Err(ExportError::Time(_)) => self.tally.left_out += 1,
            Err(ExportError::Unwritable(error)) => return Err(Error::Output(error)),
        }
        Ok(())
    }

    fn write(&mut self, write: &mut impl FnMut(&[u8]) -> Result<(), Error>) -> Result<(), Error> {
        write(&self.block)?;
        self.block.clear();
        Ok(())
    }
}

fn tell(tally: Tally) -> Exit {
    if tally == Tally::default() {
        notice::say("there is no record to export");
    }
    if tally.torn {
        notice::remind("the last line of the log has no end yet, and was left out");
    }
    match tally.left_out {
        0 => return Exit::Ok,
        1 => notice::remind("1 line of the log is no record, and was left out"),
        n => notice::remind(&format!("{n} lines of the log are no records, and were left out")),
    }
    Exit::Corrupt
}

#[cfg(test)]
mod tests {
    use std::fs;

    use glassdome_audit::{Event, Hex, Log, Outcome, Record, files};

    use super::*;
    use crate::audit_log::place::Place;

    const SOURCE: Source<'_> = Source { host: "laptop", owner: 1000, log: None };

    fn line(seq: u64, time: &str, log: Option<Log>) -> String {
        let record = Record {
            seq,
            time: time.into(),
            secret: Some("a|b".into()),
            log,
            ..Record::new(Event::Get, Outcome::Allowed)
        };
        let mut line = Vec::new();
        glassdome_audit::write(&record, &mut line).unwrap();
        String::from_utf8(line).unwrap()
    }

    fn exported(place: &Place, format: Format, since: Option<&str>) -> (Vec<String>, Tally) {
        let mut out = Vec::new();
        let since = since.map(|time| time.parse().unwrap());
        let tally = export(place.files().unwrap(), format, since, SOURCE, |block| {
            out.extend_from_slice(block);
            Ok(())
        });
        (String::from_utf8(out).unwrap().lines().map(str::to_owned).collect(), tally.unwrap())
    }

    #[test]
    fn all_files_in_order_but_for_what_is_no_record() {
        let dir = tempfile::tempdir().unwrap();
        let place = Place::at(dir.path());
        assert_eq!(exported(&place, Format::Ocsf, None), (Vec::new(), Tally::default()));
        let log = Log { format: 1, id: Hex([7; 16]), auditor: None, after: None };
        let first =
            line(1, "2026-11-21T00:00:00.000Z", Some(log)) + &line(2, "2026-11-21T12:00:00.000Z", None);
        let second = line(3, "2026-11-22T00:00:00.000Z", None)
            + "{\"seq\":4}\n\u{1b}[2J\n"
            + &line(5, "yesterday", None)
            + &line(6, "2026-11-22T12:00:00.000Z", None)
            + "{\"seq\":7";
        fs::write(dir.path().join(files::full_name(1)), first).unwrap();
        fs::write(dir.path().join(files::ACTIVE), second).unwrap();

        let (lines, tally) = exported(&place, Format::Ocsf, None);
        assert_eq!(tally, Tally { exported: 4, left_out: 3, torn: true });
        let uids = lines.iter().map(|line| {
            let event: serde_json::Value = serde_json::from_str(line).unwrap();
            event["metadata"]["uid"].as_str().unwrap().to_owned()
        });
        let log = Hex([7; 16]);
        assert_eq!(uids.collect::<Vec<_>>(), [1, 2, 3, 6].map(|seq| format!("{log}:{seq}")));

        let (lines, tally) = exported(&place, Format::Cef, Some("2026-11-22T06:00:00Z"));
        assert_eq!((lines.len(), tally.exported), (1, 1));
        assert!(lines[0].contains(" externalId=6 ") && lines[0].contains(" cs1=a|b "), "{}", lines[0]);
    }

    #[test]
    fn a_long_log_is_written_in_blocks() {
        let dir = tempfile::tempdir().unwrap();
        let text: String = (1..=2_000).map(|seq| line(seq, "2026-11-22T00:00:00.000Z", None)).collect();
        fs::write(dir.path().join(files::ACTIVE), text).unwrap();
        let (mut written, mut largest) = (Vec::new(), 0);
        let files = Place::at(dir.path()).files().unwrap();
        let tally = export(files, Format::Ecs, None, SOURCE, |block| {
            largest = largest.max(block.len());
            written.extend_from_slice(block);
            Ok(())
        });
        assert_eq!(tally.unwrap().exported, 2_000);
        assert!(largest < 2 * BLOCK && written.len() > 4 * BLOCK, "{largest} {}", written.len());
        assert_eq!(written.iter().filter(|byte| **byte == b'\n').count(), 2_000);
        let failed = |_: &[u8]| Err(Error::Output(io::ErrorKind::BrokenPipe.into()));
        let files = Place::at(dir.path()).files().unwrap();
        assert!(export(files, Format::Ecs, None, SOURCE, failed).unwrap_err().is_broken_pipe());
    }

    #[test]
    fn what_was_left_out_is_an_exit_code() {
        assert_eq!(tell(Tally { exported: 5, left_out: 0, torn: true }), Exit::Ok);
        assert_eq!(tell(Tally { exported: 5, left_out: 1, torn: false }), Exit::Corrupt);
        assert_eq!(tell(Tally { exported: 0, left_out: 9, torn: false }), Exit::Corrupt);
        assert_eq!(tell(Tally::default()), Exit::Ok);
    }
}
