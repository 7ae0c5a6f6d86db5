//! Whether a log is as it was written: its chain, its seals and the place that the vault remembers,
//! in one pass over its files and in bounded memory. The first place that is not is named, with what
//! was done there as far as it can be told; and before it, each at which seals begin anew.
//!
//! Whoever made the files may have written anything there, so nothing in them is believed that
//! something else does not hold: the chain shows that lines fit each other, the anchor that they are
//! those of the vault's owner, the seals that they were written when they say. What was not checked
//! is part of the answer.
//!
//! | file | knows |
//! |---|---|
//! | `source` | the lines of all files, and where each stands |
//! | `seals` | the keys, one after another, and what ties a row of them to the one before |
//! | `breaks` | the places at which nothing shows what seals go on from, until something vouches for them |
//! | `fault` | what was done where a line does not fit: for that, those behind it are looked at |

use std::io::{self, Read};
use std::path::PathBuf;

use crate::auditor::Auditor;
use crate::chain::{self, Head};
use crate::link::Link;
use crate::marks::{After, Hex};
use crate::record::{Event, Record};
use crate::{FORMAT, Line};

mod breaks;
mod fault;
mod seals;
mod source;

pub use fault::{Fault, Kind, Place};
pub use seals::Note;

use fault::Suspect;
use seals::Seals;
use source::{Source, Taken};

/// What a log is held against.
#[derive(Default)]
pub struct Checks {
    /// Opens the keys of the seals.
    pub auditor: Option<Auditor>,
    /// What the vault, or the daemon, remembers.
    pub anchors: Vec<Anchor>,
    /// What the last run of the daemon left beside the log.
    pub link: Option<Link>,
    /// The last record of an earlier check: where seals begin anew up to it was judged then.
    pub known: Option<Head>,
    /// The last record before the files, where they begin in the middle of a log: up to there it was checked.
    pub behind: Option<Head>,
    /// The record with which the log's owner accepted what was behind, as the vault remembers it. It says
    /// nothing to an auditor, who trusts nobody with the master password.
    pub accepted: Option<u64>,
}

/// A place of a log that the vault remembers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Anchor {
    /// Of which log.
    pub log: Hex<16>,
    /// The record.
    pub head: Head,
}

/// What was found.
#[derive(Debug, Default)]
pub struct Report {
    /// The places at which seals begin anew, the first 20; then the first that is not as it was written.
    /// None: there is none as far as was checked.
    pub faults: Vec<Fault>,
    /// Further places at which seals begin anew.
    pub more: u64,
    /// Whether all that was found is places at which seals begin anew: whoever has judged them can say
    /// that this log is known up to its `head`.
    pub judgeable: bool,
    /// Which log it is.
    pub log: Option<Hex<16>>,
    /// Files that were read, at least in part.
    pub files: usize,
    /// Records that follow each other.
    pub records: u64,
    /// The first and the last of them.
    pub between: Option<(u64, u64)>,
    /// The last of them: what a later check is to be told as known, if this one ends well.
    pub head: Option<Head>,
    /// Records whose seals fit.
    pub sealed: u64,
    /// Records with a seal that was not checked.
    pub unchecked: u64,
    /// Whether the anchors' records are among these, as they are remembered; `None` without an anchor,
    /// or when the check did not come so far.
    pub anchor: Option<bool>,
    /// Whether the link is the one behind its record; `None` without one that could be checked.
    pub link: Option<bool>,
    /// Bytes of a last line that was cut short. That happens when the machine goes down; the daemon
    /// cuts it off when it starts.
    pub torn: u64,
    /// What else whoever trusts the log should know.
    pub notes: Vec<Note>,
}

/// The log was not checked.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// A file cannot be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A newer version wrote it.
    #[error("the log has format {0}, and this version knows {FORMAT} only")]
    Format(u32),
    /// A version wrote it whose records have no chain.
    #[error("the log was written by a version whose records have no chain: there is nothing to check")]
    Unchained,
}

/// Checks a log. `files`: its files, oldest first, each opened when it is its turn.
///
/// # Errors
/// [`VerifyError`].
pub fn verify<R: Read>(
    files: impl IntoIterator<Item = (PathBuf, io::Result<R>)>,
    checks: &Checks,
) -> Result<Report, VerifyError> {
    let mut source = Source::of(files.into_iter());
    let mut check = Check::new(checks);
    while let Some(taken) = source.next()? {
        match check.take(&taken)? {
            Step::Fits => {}
            Step::Torn(bytes) => check.report.torn = bytes,
            Step::Fault(fault) => {
                check.stop = Some(fault);
                break;
            }
            Step::Suspect(suspect) => {
                let missing = check.front.as_ref().map(|(before, _)| before.hash);
                check.stop = Some(suspect.behind(missing).look(&mut source)?);
                break;
            }
        }
    }
    check.report.files = source.files();
    Ok(check.finish())
}

/// A check on its way.
struct Check<'c> {
    checks: &'c Checks,
    seals: Seals<'c>,
    /// The last record that fitted, and where it stands.
    head: Option<(Head, Place)>,
    /// A log that does not begin with its first record: what would explain that.
    front: Option<(Head, Place)>,
    /// Anchors whose records are there.
    anchored: usize,
    /// Whether the known record is there, or was the last that is not.
    is_known: bool,
    /// The place behind which nothing was checked.
    stop: Option<Fault>,
    report: Report,
}

enum Step {
    Fits,
    Torn(u64),
    Fault(Fault),
    Suspect(Suspect),
}

impl Report {
    /// The first place that is not as it was written, or at which nothing shows that it is.
    pub fn fault(&self) -> Option<&Fault> {
        self.faults.first()
    }
}

impl<'c> Check<'c> {
    fn new(checks: &'c Checks) -> Self {
        Self {
            checks,
            seals: Seals::new(checks.auditor.as_ref()),
            head: checks.behind.map(|head| (head, Place::default())),
            front: None,
            anchored: 0,
            is_known: false,
            stop: None,
            report: Report::default(),
        }
    }

    fn take(&mut self, taken: &Taken<'_>) -> Result<Step, VerifyError> {
        let Line { bytes, too_long, .. } = taken.line;
        let read = (!too_long).then(|| chain::read(bytes).ok()).flatten();
        if self.head.is_none() && read.as_ref().is_some_and(|line| line.record.prev.is_none()) {
            return Err(VerifyError::Unchained);
        }
        let Some(line) = read.filter(|line| line.record.prev.is_some()) else {
            if taken.is_torn {
                return Ok(Step::Torn(taken.line.bytes.len() as u64));
            }
            return Ok(Step::Suspect(Suspect::new(self.before(), taken.place.clone(), None, None)));
        };
        let fits = match &self.head {
            Some((head, _)) => line.follows(head),
            None => is_first(&line.record),
        };
        if !fits {
            return Ok(Step::Suspect(Suspect::new(
                self.before(),
                taken.place.clone(),
                Some(&line),
                self.report.log,
            )));
        }
        let fault = |kind| Ok(Step::Fault(Fault::at(&taken.place, Some(line.record.seq), kind)));
        if let Some(log) = &line.record.log {
            if log.format != FORMAT {
                return Err(VerifyError::Format(log.format));
            }
            if self.report.log.is_some_and(|own| own != log.id) {
                return fault(Kind::Foreign);
            }
            if self.checks.anchors.iter().any(|anchor| anchor.log != log.id) {
                self.report.anchor = Some(false);
                return fault(Kind::Replaced);
            }
            self.report.log = Some(log.id);
            if line.record.seq == 1
                && let Some(After { id: Some(id), seq, .. }) = log.after
            {
                self.seals.goes_on_after(id, seq);
            }
        }
        if let Err((place, seq, kind)) = self.seals.take(&line, self.report.log, taken) {
            let place = place.as_ref().unwrap_or(&taken.place);
            return Ok(Step::Fault(Fault::at(place, Some(seq), kind)));
        }
        for anchor in self.checks.anchors.iter().filter(|anchor| anchor.head.seq == line.record.seq) {
            if anchor.head.hash != line.hash {
                self.report.anchor = Some(false);
                return fault(Kind::Replaced);
            }
            self.anchored += 1;
        }
        if let Some(known) = self.checks.known.filter(|known| known.seq == line.record.seq) {
            if known.hash != line.hash {
                return fault(Kind::Replaced);
            }
            self.is_known = true;
            self.seals.was_known(known.seq);
        }
        if self.checks.auditor.is_none() && self.checks.accepted == Some(line.record.seq) {
            self.seals.was_accepted(line.record.seq);
        }
        self.explain_front(&line, taken);
        self.report.records += 1;
        let first = self.report.between.map_or(line.record.seq, |(first, _)| first);
        self.report.between = Some((first, line.record.seq));
        self.head = Some((line.head(), taken.place.clone()));
        Ok(Step::Fits)
    }

    /// The last record that fitted, and whether its seal did.
    fn before(&self) -> (Option<(Head, Place)>, bool) {
        (self.head.clone(), self.seals.has_checked_last())
    }

    /// What is missing in front of a log was retired, if one of its records says so.
    fn explain_front(&mut self, line: &chain::Line<'_>, taken: &Taken<'_>) {
        let Record { seq, prev, event, by, .. } = &line.record;
        if self.head.is_none() && *seq > 1 {
            let before = Head { seq: seq - 1, hash: prev.unwrap_or(Head::NONE.hash) };
            self.is_known |= self.checks.known == Some(before);
            self.front = Some((before, taken.place.clone()));
            self.seals.begins_behind();
        }
        let says = |before: &Head| by.as_deref() == Some(&format!("through {} {}", before.seq, before.hash));
        if *event == Event::Retire
            && let Some((before, _)) = self.front.take_if(|(before, _)| says(before))
        {
            self.report.notes.push(Note::Retired { through: before.seq });
        }
    }

    fn finish(mut self) -> Report {
        let end = self.head.clone();
        let last = end.as_ref().map_or_else(Place::default, |(_, place)| place.clone());
        self.report.head = end.as_ref().map(|(head, _)| *head);
        let mut behind = self.stop.take();
        let mut front = None;
        if behind.is_none() {
            front = self
                .front
                .take()
                .map(|(before, place)| Fault::at(&place, Some(before.seq + 1), Kind::Truncated));
            if front.is_none() {
                behind = self.wrong_at_the_end().map(|kind| match kind {
                    // It is in no line.
                    Kind::Mislinked => Fault::at(&Place::default(), None, kind),
                    _ => Fault::at(&last, self.report.head.map(|head| head.seq), kind),
                });
            }
        }
        if !self.checks.anchors.is_empty() && self.anchored == self.checks.anchors.len() {
            self.report.anchor = Some(true);
        }
        let seals::Found { sealed, unchecked, breaks: (breaks, more), notes } = self.seals.finish();
        let is_break = |fault: &Fault| fault.kind == Kind::Untied;
        self.report.judgeable = front.is_none() && behind.as_ref().map_or(!breaks.is_empty(), is_break);
        self.report.faults.extend(front.into_iter().chain(breaks).chain(behind));
        (self.report.sealed, self.report.unchecked, self.report.more) = (sealed, unchecked, more);
        self.report.notes.extend(notes);
        self.report
    }

    /// All lines fit each other: what is wrong with the log even so.
    fn wrong_at_the_end(&mut self) -> Option<Kind> {
        let is_missing = |seq: u64| self.report.between.is_none_or(|(first, last)| seq < first || last < seq);
        if self.checks.anchors.iter().any(|anchor| is_missing(anchor.head.seq)) {
            self.report.anchor = Some(false);
            return Some(Kind::Truncated);
        }
        if !self.is_known && self.checks.known.is_some() {
            return Some(Kind::Truncated);
        }
        if let Some(link) = &self.checks.link {
            let (fits, kind) = match self.report.log {
                Some(log) if log != link.log => (Some(false), Kind::Mislinked),
                _ if self.report.head.is_none_or(|head| link.seq > head.seq) => {
                    (Some(false), Kind::Truncated)
                }
                _ => (self.seals.is_link(link), Kind::Mislinked),
            };
            self.report.link = fits;
            if fits == Some(false) {
                return Some(kind);
            }
        }
        if self.checks.auditor.is_none() || self.seals.is_ours() || self.report.records == 0 {
            return None;
        }
        let is_judged = self.checks.known.is_some() && self.checks.known == self.report.head;
        match self.seals.is_without_its_key() {
            true if is_judged => None,
            true => Some(Kind::Untied),
            false => Some(Kind::Unsealed),
        }
    }
}

/// Whether a log, or what was kept of one, can begin with this record.
fn is_first(record: &Record<'_>) -> bool {
    let of_nothing = record.prev == Some(Head::NONE.hash);
    record.event == Event::Log && record.log.is_some() && (record.seq == 1) == of_nothing && record.seq > 0
}
