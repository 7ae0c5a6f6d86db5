//! `ctl audit verify`: whether the log is as it was written. The files alone will do, without daemon and vault; what
//! the vault remembers is asked for where it can be.

use std::fs::File;
use std::io::{self, stdin, stdout};
use std::path::{Path, PathBuf};

use glassdome_audit::auditor::{self, Auditor};
use glassdome_audit::chain::Head;
use glassdome_audit::link::{self, Link};
use glassdome_audit::verify::{Anchor, Checks, Report, VerifyError, verify};
use glassdome_audit::{Hex, files};
use glassdome_proto::settings::{self, LogPlace};
use glassdome_proto::{Answer, Body};
use zeroize::Zeroizing;

use crate::audit_log::place::{Files, open};
use crate::audit_log::which::WhichArgs;
use crate::cli::{connect, print, print_json};
use crate::descriptor::{read_all, read_file};
use crate::error::{Error, Side};
use crate::exit::Exit;
use crate::text::style::Style;
use crate::text::{notice, verdict};

/// What can be typed behind `ctl audit verify`.
#[derive(clap::Args)]
pub(crate) struct Verify {
    #[command(flatten)]
    log: WhichArgs,
    /// Take the auditor's key from this file, and check the seals
    #[arg(long, value_name = "FILE", conflicts_with = "key_stdin")]
    key_file: Option<PathBuf>,
    /// Take the auditor's key from stdin, and check the seals
    #[arg(long)]
    key_stdin: bool,
    /// What an earlier check said that it checked to: that record must be there, and where the seals begin anew up to
    /// it is taken as judged then
    #[arg(long, value_name = "SEQ:HASH", value_parser = known)]
    known: Option<Head>,
    /// Print a JSON object for programs
    #[arg(long)]
    json: bool,
}

impl Verify {
    pub(super) fn run(self) -> Result<Exit, Error> {
        let auditor = self.auditor()?;
        // First what the log is held against, then the log: it grows meanwhile.
        let unasked = Remembered::default;
        let mut remembered = match self.log.is_own() {
            true => ask().unwrap_or_else(|error| Remembered { unknown: Some(error), ..unasked() }),
            false => unasked(),
        };
        let link = self.log.place()?.map(|place| link_in(place.directory())).transpose()?.flatten();
        let files = self.log.files()?;
        let anchors = std::mem::take(&mut remembered.anchors);
        let checks =
            Checks { auditor, anchors, link, known: self.known, accepted: remembered.accepted, behind: None };
        let files = (0..files.len()).map(|nth| (files.path(nth), opened(&files, nth)));
        let report = verify(files, &checks).map_err(failed)?;
        self.tell(&report, &checks, &remembered)
    }

    fn tell(&self, report: &Report, checks: &Checks, remembered: &Remembered) -> Result<Exit, Error> {
        if self.json {
            print_json(&verdict::document(report, checks, remembered.alarm))?;
        }
        if report.fault().is_some() {
            for line in verdict::faults(report, checks, Style::of(&io::stderr())) {
                notice::say(&line);
            }
            return Ok(Exit::Corrupt);
        }
        if let Some(since) = remembered.alarm {
            notice::say(&verdict::alarm(since));
            return Ok(Exit::Corrupt);
        }
        if report.records == 0 {
            notice::say("there is no log");
            return Ok(Exit::NotFound);
        }
        if !self.json {
            print(&verdict::describe(report, checks, remembered.unknown.as_ref(), Style::of(&stdout())))?;
        }
        Ok(Exit::Ok)
    }

    fn auditor(&self) -> Result<Option<Auditor>, Error> {
        // Room for blanks around it.
        const MAX: usize = auditor::LEN + 64;
        let text: Zeroizing<Vec<u8>> = match &self.key_file {
            Some(path) => read_file(path, MAX)?,
            None if self.key_stdin => read_all(stdin(), "an auditor's key", MAX)?,
            None => return Ok(None),
        };
        Auditor::parse(&text).map(Some).map_err(|bad| Error::Usage(bad.to_string()))
    }
}

/// A record of an earlier check: its number and its hash.
fn known(text: &str) -> Result<Head, String> {
    let parsed = text.split_once(':').and_then(|(seq, hash)| {
        let seq = seq.parse().ok().filter(|seq| *seq > 0)?;
        Some(Head { seq, hash: Hex::parse(hash.as_bytes())? })
    });
    parsed.ok_or_else(|| "it is a record's number, a colon, and 64 lowercase hexadecimal digits".into())
}

/// What the vault and the daemon remember of the log.
#[derive(Default)]
struct Remembered {
    anchors: Vec<Anchor>,
    /// Since when there is an alarm that was not accepted, in seconds since the epoch.
    alarm: Option<u64>,
    /// The record with which the log was accepted.
    accepted: Option<u64>,
    /// Why it is not known.
    unknown: Option<Error>,
}

/// Asks the daemon, if one runs, a session is open and this terminal may know.
fn ask() -> Result<Remembered, Error> {
    let Answer::Settings(settings::Answer::AuditHead { anchored, alarm, head, accepted }) =
        connect()?.call(Body::Settings(settings::Request::AuditHead))?
    else {
        return Err(Error::Unexpected);
    };
    let anchor = |place: LogPlace| Anchor {
        log: Hex(place.log),
        head: Head { seq: place.seq, hash: Hex(place.hash) },
    };
    let anchors = anchored.into_iter().chain([head]).map(anchor).collect();
    Ok(Remembered { anchors, alarm, accepted, unknown: None })
}

fn link_in(directory: &Path) -> Result<Option<Link>, Error> {
    let path = directory.join(files::LINK);
    let failed = |source| Error::ReadFile { path: path.clone(), source };
    let file = match open(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        file => file.map_err(failed)?,
    };
    let mut block = Zeroizing::new([0; link::LEN]);
    match io::Read::read_exact(&mut &file, block.as_mut_slice()) {
        // What is no link is not gone on from: the next run's seals show that.
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(None),
        read => read.map(|()| Link::read(&block)).map_err(failed),
    }
}

/// A file that was deleted meanwhile is one without lines.
fn opened(files: &Files, nth: usize) -> io::Result<File> {
    match files.open(nth) {
        Ok(Some(file)) => Ok(file),
        Ok(None) => File::open("/dev/null"),
        Err(Error::ReadFile { source, .. }) => Err(source),
        Err(other) => Err(io::Error::other(other.to_string())),
    }
}

fn failed(error: VerifyError) -> Error {
    match error {
        VerifyError::Read { path, source } => Error::ReadFile { path, source },
        VerifyError::Format(_) => Error::Upgrade { side: Side::Client },
        unchained @ VerifyError::Unchained => Error::Usage(unchained.to_string()),
    }
}
