//! The log when the daemon starts: what is there is looked at, a torn last line is cut off, and a
//! log that does not hold together is set aside.

use std::fs::File;
use std::io::{self, Seek, SeekFrom, Write};
use std::path::Path;
use std::rc::Rc;

use glassdome_audit::chain::Head;
use glassdome_audit::files::{self, LogFile};
use glassdome_audit::link::Link;
use glassdome_audit::{After, Event, Hex, Outcome, Record};

use super::aside::{self, Old};
use super::link::LinkFile;
use super::log::{self, Begin, Log, With, stamped};
use super::open;
use super::scan::{self, Scan, Wrong};
use super::vaults::Vaults;
use crate::clock::Now;
use crate::journald::Journald;

/// The log, to be gone on with.
#[derive(Debug)]
pub(super) struct Started {
    pub log: Log,
    /// Why one was set aside.
    pub wrong: Option<Wrong>,
    /// Whether there is an alarm that nobody has accepted, as far as the log itself says.
    pub alarm: bool,
}

/// Opens the log at `path`, or begins one, beside the vault `own`.
pub(super) fn start(
    path: &Path,
    own: Option<Hex<16>>,
    journald: Option<Rc<Journald>>,
    now: Now,
) -> io::Result<(Started, LinkFile)> {
    let dir = path.parent().unwrap_or(Path::new("/"));
    let left = LinkFile::open(dir)?;
    let link = left.link.as_ref();
    let planted = left.planted | log::finish_rotation(dir, path)? | open::clear_full(dir)?;
    let full = files::list(dir)?.into_iter().rfind(|file| file.first.is_some());
    let mut file = open::active(path)?;
    let before = full.as_ref().map(last_of).transpose()?;
    let scanned = match before {
        Some(None) => None,
        before => {
            let before = before.flatten();
            let mut scanned = rescan(&file, before, own)?;
            if scanned.complete {
                // All of the last record reached the disk but the end of its line.
                file.write_all(b"\n")?;
                scanned = rescan(&file, before, own)?;
            }
            Some(scanned)
        }
    };
    let mut started = match scanned {
        Some(scan) if scan.wrong.is_none() => {
            go_on(path, file, (scan, own), full.as_ref(), link, journald, now)?
        }
        broken => begin_anew(path, broken, link, journald, now)?,
    };
    if planted {
        started.raise(Wrong::Planted, now)?;
    }
    if started.wrong.is_none() && !started.log.linked {
        started.raise(Wrong::Unlinked, now)?;
    }
    Ok((started, left.file))
}

impl Started {
    fn raise(&mut self, wrong: Wrong, now: Now) -> io::Result<()> {
        self.log.alarm(wrong, now)?;
        self.alarm = true;
        Ok(())
    }
}

fn go_on(
    path: &Path,
    file: File,
    (scan, own): (Scan, Option<Hex<16>>),
    full: Option<&LogFile>,
    link: Option<&Link>,
    journald: Option<Rc<Journald>>,
    now: Now,
) -> io::Result<Started> {
    if scan.torn > 0 {
        file.set_len(scan.len)?;
    }
    let (of, vaults) = match (scan.log, full) {
        (Some(of), _) => (Some(of), scan.vaults),
        // A crash came when the file was made.
        (None, Some(full)) => {
            let before = rescan(&open::to_read(&full.path)?, None, own)?;
            (before.log, before.vaults)
        }
        (None, None) => (None, Vaults::default()),
    };
    let (id, auditor, after) = match of {
        Some(of) => (of.id, of.auditor, of.after.filter(|_| scan.log.is_some())),
        None => (log::random()?, None, None),
    };
    let begin = Begin { id, auditor, after, by: None, head: scan.head, vaults, journald };
    let mut log = match scan.log {
        Some(_) => Log::of(path, file, scan.head, scan.first, scan.len, &begin)?,
        None => Log::begin(path, file, &begin, now)?,
    };
    log.begin_key(tie(link, id, scan.head), now)?;
    if scan.torn > 0 {
        log.record(Record { cut: Some(scan.torn), ..stamped(Event::Repair, Outcome::Allowed, now) }, None)?;
    }
    Ok(Started { log, wrong: None, alarm: scan.alarm })
}

fn begin_anew(
    path: &Path,
    scan: Option<Scan>,
    link: Option<&Link>,
    journald: Option<Rc<Journald>>,
    now: Now,
) -> io::Result<Started> {
    let wrong = scan.as_ref().and_then(|scan| scan.wrong).unwrap_or(Wrong::Foreign);
    let of = scan.as_ref().and_then(|scan| scan.log);
    let (head, vaults) = scan.map_or((Head::NONE, Vaults::default()), |scan| (scan.head, scan.vaults));
    let old = Old {
        path,
        open: None,
        after: After { id: of.map(|of| of.id), seq: head.seq, hash: head.hash },
        auditor: of.and_then(|of| of.auditor),
        vaults,
        with: of.map_or(With::Nothing, |of| tie(link, of.id, head)),
    };
    let mut log = aside::set_aside(old, wrong, now)?;
    log.publish(journald)?;
    Ok(Started { log, wrong: Some(wrong), alarm: wrong != Wrong::EarlierFormat })
}

/// What a key of this run is tied to: what an earlier one left behind a record of the log `of` up to `head`.
fn tie(link: Option<&Link>, of: Hex<16>, head: Head) -> With<'_> {
    link.filter(|link| link.log == of && link.seq <= head.seq).map_or(With::Nothing, With::Link)
}

fn rescan(mut file: &File, before: Option<Head>, own: Option<Hex<16>>) -> io::Result<Scan> {
    file.seek(SeekFrom::Start(0))?;
    scan::scan(file, before, Vaults::beside(own))
}

/// The last record of a full file; `None` if it has none.
fn last_of(full: &LogFile) -> io::Result<Option<Head>> {
    let file = open::to_read(&full.path)?;
    scan::last_of(&file, file.metadata()?.len(), &mut Vec::new())
}
