//! Which old files of the log go: the oldest full ones, as many as are past what is kept. Only what
//! is shown to be of the log counts, and goes: whoever lays a large file beside it must not have
//! it deleted.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use glassdome_audit::Hex;
use glassdome_audit::chain::{self, Head};
use glassdome_audit::files::{self, LogFile};
use glassdome_audit::{Event, Outcome, Record};
use rustix::fs::{SeekFrom, seek};

use super::log::{FULL, stamped};
use super::open::{self, Unopened};
use super::scan::{self, MAX_LINE, Wrong};
use super::vaults::Vaults;
use super::{Journal, Unwritable};
use crate::clock::Now;

/// The most files that go at once: each is read as a whole before, while others wait for the disk.
const AT_ONCE: usize = 4;

/// What was found among the files of a log that holds more than is kept.
#[derive(Debug, Default)]
pub struct Found {
    /// What goes.
    pub past: Option<Past>,
    /// Files that are called as the log's are, and are not of the log.
    pub foreign: Vec<PathBuf>,
}

/// The files that are past what is kept.
#[derive(Debug)]
pub struct Past {
    /// Oldest first.
    files: Vec<Full>,
    /// The last record in them.
    pub through: Head,
}

/// A full file that what follows it goes on from.
#[derive(Debug)]
struct Full {
    path: PathBuf,
    /// Device, inode and size in bytes.
    place: (u64, u64, u64),
    /// The record before its first.
    before: Head,
    /// Its last.
    last: Head,
}

/// The oldest full files in `dir` that are more than `keep` bytes with all younger ones and the
/// active one. A file counts if its name and its first line say the same of it, and what follows it
/// goes on from its last record; and goes only if all of it chains. `known`: those that are foreign.
///
/// # Errors
/// What the system says.
pub fn look(dir: &Path, keep: u64, known: &BTreeSet<PathBuf>) -> io::Result<Found> {
    let all = files::list(dir)?;
    let sizes = all.iter().map(|file| Ok(fs::symlink_metadata(&file.path)?.len()));
    let size = sizes.reduce(|sum, size: io::Result<u64>| Ok(sum?.saturating_add(size?)));
    let Some((active, older)) = all.split_last().filter(|(active, _)| active.first.is_none()) else {
        return Ok(Found::default());
    };
    if size.transpose()?.is_none_or(|size| size <= keep) {
        return Ok(Found::default());
    }
    let (mut found, mut past) = (Found::default(), Vec::new());
    let active = own(&active.path)?.ok_or_else(|| io::Error::other("the active file is none of the log"))?;
    let (log, mut next) =
        begin(&active, &mut Vec::new())?.ok_or_else(|| io::Error::other("a file without a first line"))?;
    let mut kept = active.metadata()?.len();
    for file in older.iter().rev().filter(|file| !known.contains(&file.path)) {
        match full(file, log, next)? {
            Some(full) => {
                next = full.before;
                kept = kept.saturating_add(full.place.2);
                if kept > keep {
                    past.push(full);
                }
            }
            None => found.foreign.push(file.path.clone()),
        }
    }
    // Oldest first.
    past.reverse();
    past.truncate(AT_ONCE);
    for at in (0..past.len()).rev() {
        if !past[at].chains()? {
            // What follows it chains, and goes; it and what is before it does not.
            found.foreign.push(past[at].path.clone());
            past.drain(..=at);
            break;
        }
    }
    if let Some(through) = past.last().map(|full| full.last) {
        found.past = Some(Past { files: past, through });
    }
    Ok(found)
}

/// Deletes them.
///
/// # Errors
/// What the system says. Those that are left go the next time.
pub fn delete(past: &Past) -> io::Result<()> {
    past.files.iter().filter(|full| full.is_there()).try_for_each(|full| fs::remove_file(&full.path))
}

impl Journal {
    /// Old files are about to be deleted, `through` this record.
    ///
    /// # Errors
    /// [`Unwritable`].
    pub fn retire(&self, through: Head, now: Now) -> Result<(), Unwritable> {
        let by = Some(format!("through {} {}", through.seq, through.hash).into());
        let record =
            Record { session: self.session.get(), by, ..stamped(Event::Retire, Outcome::Allowed, now) };
        self.log.borrow_mut().record(record, None)?;
        self.went(through.seq);
        self.note(true);
        Ok(())
    }

    /// Files lie among the log's that are not of it. The first time that one is seen is an alarm.
    ///
    /// # Errors
    /// [`Unwritable`].
    pub fn found_foreign(&self, files: Vec<PathBuf>, now: Now) -> Result<(), Unwritable> {
        let mut foreign = self.foreign.borrow_mut();
        let known = foreign.len();
        for file in &files {
            tracing::error!("{} is called as a file of the audit log, and is none: it stays", file.display());
        }
        foreign.extend(files);
        if foreign.len() == known {
            return Ok(());
        }
        drop(foreign);
        self.raise(Wrong::ForeignFile, now)
    }

    /// The files that [`Journal::found_foreign`] was told of.
    pub fn foreign(&self) -> BTreeSet<PathBuf> {
        self.foreign.borrow().clone()
    }

    /// The first record of the active file. Another after a rotation, or in another log.
    pub fn first(&self) -> (Hex<16>, u64) {
        let log = self.log.borrow();
        (log.id, log.first)
    }

    /// How many bytes of full files are kept; `None`: all.
    pub fn keep(&self) -> Option<u64> {
        self.keep.get()
    }
}

/// A full file of this log that ends with `last`; `None` if it is another.
fn full(file: &LogFile, of: Hex<16>, last: Head) -> io::Result<Option<Full>> {
    let Some(open) = own(&file.path)? else { return Ok(None) };
    let there = open.metadata()?;
    // Sparse files are large for nothing: lseek(2).
    if there.len() == 0 || there.len() > FULL + MAX_LINE || seek(&open, SeekFrom::Hole(0))? < there.len() {
        return Ok(None);
    }
    let mut buffer = Vec::new();
    let Some((log, before)) = begin(&open, &mut buffer)? else { return Ok(None) };
    if log != of
        || file.first != Some(before.seq + 1)
        || scan::last_of(&open, there.len(), &mut buffer)? != Some(last)
    {
        return Ok(None);
    }
    let place = (there.dev(), there.ino(), there.len());
    Ok(Some(Full { path: file.path.clone(), place, before, last }))
}

impl Full {
    /// Whether each of its records follows the one before.
    fn chains(&self) -> io::Result<bool> {
        let Some(file) = own(&self.path)?.filter(|_| self.is_there()) else { return Ok(false) };
        let scan = scan::scan(file, Some(self.before), Vaults::default())?;
        Ok(scan.wrong.is_none() && scan.torn == 0 && scan.head == self.last)
    }

    /// Whether it is still the one that was looked at.
    fn is_there(&self) -> bool {
        let there = fs::symlink_metadata(&self.path);
        there.is_ok_and(|there| (there.dev(), there.ino(), there.len()) == self.place)
    }
}

/// Opens a file of our own; `None` if it is anything else.
pub(super) fn own(path: &Path) -> io::Result<Option<File>> {
    match open::to_read(path) {
        Err(Unopened::Planted { .. }) => Ok(None),
        file => Ok(Some(file?)),
    }
}

/// Which log a file is of, and the record before its first; `None` if it does not say.
pub(super) fn begin(file: &File, buffer: &mut Vec<u8>) -> io::Result<Option<(Hex<16>, Head)>> {
    let text = scan::read(file, 0, buffer)?;
    let line = text.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let Ok(record) = chain::read(line).map(|line| line.record) else { return Ok(None) };
    let before = record.seq.checked_sub(1).zip(record.prev).map(|(seq, hash)| Head { seq, hash });
    Ok(record.log.map(|log| log.id).zip(before))
}

/// Reads how much is kept: a number of bytes, or with `KiB`, `MiB` or `GiB` behind it; `off` keeps
/// all. `None` for another text.
pub fn parse(text: &str) -> Option<Option<u64>> {
    if text == "off" {
        return Some(None);
    }
    let digits = text.trim_end_matches(|c: char| !c.is_ascii_digit());
    let unit: u64 = match &text[digits.len()..] {
        "" => 1,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        _ => return None,
    };
    let plain = digits.bytes().all(|byte| byte.is_ascii_digit());
    let number: u64 = digits.parse().ok().filter(|_| plain)?;
    Some(Some(number.checked_mul(unit)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_exact() {
        for (text, bytes) in [("0", 0), ("7", 7), ("3KiB", 3072), ("1GiB", 1 << 30), ("20MiB", 20 << 20)] {
            assert_eq!(parse(text), Some(Some(bytes)), "{text}");
        }
        assert_eq!(parse("off"), Some(None));
        for bad in ["", "GiB", "+1", "-1", "1 GiB", "1gib", "1G", "1.5GiB", "99999999999GiB", "٣"] {
            assert_eq!(parse(bad), None, "{bad}");
        }
    }
}
