//! Reads all of the log behind an unlock, off the event loop. The unlock itself reads from the record on
//! that the vault remembers; what was done to older ones would otherwise wait for whoever verifies the log.
//!
//! What the log is held against is in memory: the last record, to which the unlock has found the one that the
//! vault remembers to lead. What leads there, record by record, was not changed by anybody without the master
//! password. Files that were found sound are not read again in the same run of the daemon as long as the
//! kernel says that nothing touched them; where they were found so is kept in memory, and nowhere else.

use std::cell::RefCell;
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use glassdome_audit::Hex;
use glassdome_audit::chain::Head;
use glassdome_audit::files::{self, LogFile};
use glassdome_audit::verify::{self, Checks, Kind, Report, VerifyError, verify};
use rustix::fs::{Advice, fadvise};
use rustix::process::setpriority_process;

use super::scan::{self, Wrong};
use super::{Journal, Unwritable, keep, open};
use crate::clock::Now;

/// The least priority there is: setpriority(2).
const LEAST: i32 = 19;
/// A change within the same tick of the clock as the one before does not show: what was touched within
/// this time before it was read is read again the next time.
const SETTLED: Duration = Duration::from_secs(2);

/// The log as it is at one moment, to be read as a whole.
#[derive(Debug)]
pub struct Whole {
    dir: PathBuf,
    path: PathBuf,
    active: Arc<File>,
    /// Bytes of `active`.
    len: u64,
    /// The first record of `active`.
    first: u64,
    log: Hex<16>,
    head: Head,
    accepted: Option<u64>,
    sound: Sound,
    read: Arc<AtomicU64>,
}

/// What was found.
#[derive(Debug, Clone)]
pub struct Found {
    log: Hex<16>,
    /// What was done to the log, if anything was.
    pub wrong: Option<Wrong>,
    /// Where, as far as that can be told.
    pub at: Option<Spot>,
    /// Records that were read.
    pub records: u64,
    foreign: Vec<PathBuf>,
    sound: Sound,
}

/// A place in the log.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Spot {
    /// In which file.
    pub file: Option<PathBuf>,
    /// In which line of it, from 1.
    pub line: Option<u64>,
    /// The record that stands there, or that should.
    pub record: Option<u64>,
}

/// The oldest full files, as they were when a reading that came to a good end had read them.
#[derive(Debug, Clone, Default)]
pub(super) struct Sound(Vec<Place>);

/// A file, as far as the kernel tells whether somebody touched it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Place {
    /// Its first record, by its name.
    first: u64,
    /// Device, inode, size in bytes.
    file: (u64, u64, u64),
    /// When its bytes, or what is known of it, changed last, in seconds and nanoseconds: nobody but the
    /// system's clock sets that.
    changed: (i64, i64),
}

impl Journal {
    /// The log as it is now; `None` while it is being read already. No file of it may be deleted until
    /// [`Journal::read`] has what came of it.
    pub fn whole(&self) -> Option<Whole> {
        let log = self.log.borrow();
        (!self.reading.replace(true)).then(|| Whole {
            dir: log.dir.clone(),
            path: log.path.clone(),
            active: log.file.clone(),
            len: log.len,
            first: log.first,
            log: log.id,
            head: log.head,
            accepted: Some(self.accepted.get()).filter(|seq| *seq > 0),
            sound: self.sound.borrow().clone(),
            read: Arc::default(),
        })
    }

    /// Whether it is being read.
    pub fn is_being_read(&self) -> bool {
        self.reading.get()
    }

    /// It was read, and this was found; `None`: it could not be. A log that is none is set aside; the
    /// session goes on, for what it serves is recorded. Of one that was set aside meanwhile nothing is said.
    ///
    /// # Errors
    /// [`Unwritable`].
    pub fn read(&self, found: Option<Found>, now: Now) -> Result<(), Unwritable> {
        self.reading.set(false);
        let log = self.log.borrow().id;
        let Some(found) = found.filter(|found| found.log == log) else { return Ok(()) };
        match found.wrong {
            Some(Wrong::Unlinked) if self.alarm().is_some() => Ok(()),
            Some(wrong @ Wrong::Unlinked) => self.raise(wrong, now),
            Some(wrong) => self.set_aside(wrong, self.auditor(), now),
            None => {
                self.sound.replace(found.sound);
                self.found_foreign(found.foreign, now)
            }
        }
    }

    /// What was recorded up to `through` is about to go: that it is missing is right.
    pub(super) fn went(&self, through: u64) {
        self.sound.borrow_mut().0.retain(|place| place.first > through);
    }
}

impl Whole {
    /// As if none of it had been read in this run; `read` counts the bytes.
    #[must_use]
    pub fn afresh(self, read: Arc<AtomicU64>) -> Self {
        Self { sound: Sound::default(), read, ..self }
    }

    /// How many bytes it has, as far as the system says.
    pub fn bytes(&self) -> u64 {
        let full = self.full().map_or_else(|_| Vec::new(), |(own, _)| own);
        let sizes = full.iter().filter_map(|file| fs::symlink_metadata(&file.path).ok());
        sizes.map(|there| there.len()).sum::<u64>() + self.len
    }

    /// Reads it, in bounded memory, and lets everybody else go first. `now`: by the wall clock.
    ///
    /// # Errors
    /// What the system says, but for files that are gone: that is something found.
    pub fn check(self, now: SystemTime) -> io::Result<Found> {
        let (own, foreign) = self.full()?;
        let (skipped, behind) = self.skip(&own)?;
        let seen = RefCell::new(self.sound.0[..skipped].to_vec());
        let full = own[skipped..].iter().map(|file| {
            let opened = FullFile::open(file).map(|(open, place)| {
                seen.borrow_mut().push(place);
                Box::new(Counted { from: open, read: self.read.clone() }) as Box<dyn Read>
            });
            (file.path.clone(), opened)
        });
        let active = Written { file: self.active.clone(), at: 0, end: self.len };
        let active = Counted { from: active, read: self.read.clone() };
        let active = std::iter::once_with(|| (self.path.clone(), Ok(Box::new(active) as Box<dyn Read>)));
        let checks = Checks {
            anchors: vec![verify::Anchor { log: self.log, head: self.head }],
            accepted: self.accepted,
            behind,
            ..Checks::default()
        };
        let (wrong, at, records) = match verify(full.chain(active), &checks) {
            Ok(report) => {
                let (wrong, at) = wrong(&report).unzip();
                (wrong, at, report.records)
            }
            Err(VerifyError::Read { source, .. }) if !open::is_gone(&source) => return Err(source),
            Err(VerifyError::Read { .. }) => (Some(Wrong::Removed), None, 0),
            Err(VerifyError::Format(_) | VerifyError::Unchained) => (Some(Wrong::Foreign), None, 0),
        };
        let settled = |place: &Place| {
            let changed = u64::try_from(place.changed.0).ok().map(Duration::from_secs);
            let changed = changed.and_then(|since| SystemTime::UNIX_EPOCH.checked_add(since + SETTLED));
            changed.is_some_and(|changed| changed < now)
        };
        let unchanged = |(place, file): (Place, &LogFile)| {
            (settled(&place) && Place::at(file).is_ok_and(|there| there == place)).then_some(place)
        };
        let sound = Sound(seen.into_inner().into_iter().zip(&own).map_while(unchanged).collect());
        Ok(Found { log: self.log, wrong, at, records, foreign, sound })
    }

    /// The full files by then that can be of the log; and those that are called so and are not, by their first line.
    fn full(&self) -> io::Result<(Vec<LogFile>, Vec<PathBuf>)> {
        let (mut own, mut foreign, mut buffer) = (Vec::new(), Vec::new(), Vec::new());
        for file in files::list(&self.dir)? {
            // Another began since.
            if file.first.is_none_or(|first| first >= self.first) {
                continue;
            }
            let begin = match keep::own(&file.path)? {
                Some(open) => keep::begin(&open, &mut buffer)?,
                None => None,
            };
            match begin {
                Some((log, before)) if log == self.log && file.first == Some(before.seq + 1) => {
                    own.push(file)
                }
                _ => foreign.push(file.path),
            }
        }
        Ok((own, foreign))
    }

    /// How many of these were found sound and are untouched, and the last record in them.
    fn skip(&self, own: &[LogFile]) -> io::Result<(usize, Option<Head>)> {
        let same = |(place, file): &(&Place, &LogFile)| Place::at(file).is_ok_and(|there| there == **place);
        let skipped = self.sound.0.iter().zip(own).take_while(same).count();
        let Some(last) = skipped.checked_sub(1).map(|last| &own[last]) else { return Ok((0, None)) };
        let open = open::to_read(&last.path)?;
        let head = scan::last_of(&open, open.metadata()?.len(), &mut Vec::new())?;
        Ok(head.map_or((0, None), |head| (skipped, Some(head))))
    }
}

/// Lets everybody else go first, with the processor and, by what follows from that, with the disk (ioprio_set(2)).
pub fn yield_to_all() {
    if let Err(error) = setpriority_process(None, LEAST) {
        tracing::warn!("the log is read at the priority of everything else: {error}");
    }
}

fn wrong(report: &Report) -> Option<(Wrong, Spot)> {
    // Places at which seals begin anew come first; what does not fit at all is behind them.
    let fault = report.faults.last()?;
    let wrong = match fault.kind {
        Kind::Edited => Wrong::Edited,
        Kind::Removed => Wrong::Removed,
        Kind::Reordered => Wrong::Reordered,
        Kind::Foreign => Wrong::Foreign,
        Kind::Truncated => Wrong::Truncated,
        Kind::Replaced | Kind::Mislinked => Wrong::Replaced,
        Kind::Unlinked | Kind::Untied | Kind::Unsealed => Wrong::Unlinked,
    };
    let file = fault.place.file.as_deref().cloned();
    let line = file.as_ref().map(|_| fault.place.line);
    Some((wrong, Spot { file, line, record: fault.seq }))
}

/// What counts the bytes that are read.
struct Counted<R> {
    from: R,
    read: Arc<AtomicU64>,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let read = self.from.read(into)?;
        self.read.fetch_add(read as u64, Ordering::Relaxed);
        Ok(read)
    }
}

impl Place {
    fn at(file: &LogFile) -> io::Result<Self> {
        Ok(Self::of(file, &fs::symlink_metadata(&file.path)?))
    }

    fn of(file: &LogFile, there: &fs::Metadata) -> Self {
        Self {
            first: file.first.unwrap_or(0),
            file: (there.dev(), there.ino(), there.len()),
            changed: (there.ctime(), there.ctime_nsec()),
        }
    }
}

/// A full file, which leaves nothing in the page cache behind it: others need that more.
struct FullFile(File);

impl FullFile {
    fn open(file: &LogFile) -> io::Result<(Self, Place)> {
        let open = open::to_read(&file.path)?;
        // Behind this, whoever has it mapped and writes there is noticed, too.
        open.sync_data()?;
        let place = Place::of(file, &open.metadata()?);
        Ok((Self(open), place))
    }
}

impl Read for FullFile {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        self.0.read(into)
    }
}

impl Drop for FullFile {
    fn drop(&mut self) {
        if let Err(error) = fadvise(&self.0, 0, None, Advice::DontNeed) {
            tracing::debug!("what was read of the log stays in the page cache: {error}");
        }
    }
}

/// What was written to the active file by then, wherever others read or write in it.
struct Written {
    file: Arc<File>,
    at: u64,
    end: u64,
}

impl Read for Written {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.end - self.at).unwrap_or(usize::MAX);
        let room = into.len().min(left);
        let read = self.file.read_at(&mut into[..room], self.at)?;
        self.at += read as u64;
        Ok(read)
    }
}
