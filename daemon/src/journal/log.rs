//! The log's files: one that is written to, full ones beside it, and the chain and the seals that go
//! on from one to the next.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;

use glassdome_audit::chain::Head;
use glassdome_audit::link::Link;
use glassdome_audit::{self as audit, Event, FORMAT, Hex, Key, Linked, Outcome, Record, WrittenPeer, files};
use rustix::fs::{CWD, RenameFlags, renameat_with};

use super::open;
use super::scan::{self, Wrong};
use super::seals::{self, Seals};
use super::vaults::Vaults;
use crate::clock::Now;
use crate::journald::Journald;

/// A file of this size, in bytes, is full.
pub const FULL: u64 = 16 * 1024 * 1024;
/// How a file is called that is not yet the active one.
pub(super) const NEXT: &str = "audit.next";

/// The log that is written to.
#[derive(Debug)]
pub(super) struct Log {
    pub dir: PathBuf,
    pub path: PathBuf,
    pub file: Arc<File>,
    /// Device and inode of `file`.
    place: (u64, u64),
    /// Bytes of `file`, as we wrote them.
    pub len: u64,
    /// The first record of `file`.
    pub first: u64,
    pub head: Head,
    pub id: Hex<16>,
    pub auditor: Option<Hex<32>>,
    /// The log that was set aside for this one, if the active file says so.
    pub after: Option<audit::After>,
    pub seals: Option<Seals>,
    /// Whether this run's first key record was sealed with something.
    pub linked: bool,
    /// Full files that may not be on the disk.
    pub behind: Vec<Arc<File>>,
    /// When a file is full, in bytes.
    pub full: u64,
    /// Whether something lay under a name of its files, and was moved aside, and no alarm says so yet.
    pub planted: bool,
    /// The states of vaults that are on the disk, as far as the log was told,
    known: Vaults,
    /// and those that the records of its file tell.
    told: Vaults,
    /// Whether the directory may not be on the disk.
    new: bool,
    line: Vec<u8>,
    journald: Option<Rc<Journald>>,
}

/// What a log begins with, or goes on with in another file.
#[derive(Debug)]
pub(super) struct Begin {
    pub id: Hex<16>,
    pub auditor: Option<Hex<32>>,
    /// The log that was set aside for it.
    pub after: Option<audit::After>,
    /// Why that was.
    pub by: Option<&'static str>,
    /// The record before.
    pub head: Head,
    /// The states of vaults that records before have told.
    pub vaults: Vaults,
    /// Who gets each line, too.
    pub journald: Option<Rc<Journald>>,
}

/// What a key record is sealed with.
#[derive(Debug, Clone, Copy)]
pub(super) enum With<'a> {
    /// What only who made the auditor's pair knows.
    Origin(&'a [u8; 32]),
    /// The key that runs.
    Running,
    /// What was left behind an earlier record.
    Link(&'a Link),
    /// Nothing: the seals begin anew.
    Nothing,
}

/// A line that is made, and not written.
#[derive(Debug)]
pub struct Prepared {
    line: Vec<u8>,
    pub(super) head: Head,
    vault: Option<audit::Vault>,
}

impl Log {
    /// Goes on in an open file that was scanned.
    pub fn of(path: &Path, file: File, head: Head, first: u64, len: u64, begin: &Begin) -> io::Result<Self> {
        let there = file.metadata()?;
        Ok(Self {
            dir: path.parent().unwrap_or(Path::new("/")).to_owned(),
            path: path.to_owned(),
            file: Arc::new(file),
            place: (there.dev(), there.ino()),
            len,
            first,
            head,
            id: begin.id,
            auditor: begin.auditor,
            after: begin.after,
            seals: None,
            linked: true,
            behind: Vec::new(),
            full: FULL,
            planted: false,
            known: begin.vaults.clone(),
            told: begin.vaults.clone(),
            new: true,
            line: Vec::with_capacity(1024),
            journald: begin.journald.clone(),
        })
    }

    /// Begins in `file`, which is empty: the first line says which log it is.
    pub fn begin(path: &Path, file: File, begin: &Begin, now: Now) -> io::Result<Self> {
        let mut log = Self::of(path, file, begin.head, begin.head.seq + 1, 0, begin)?;
        log.told = Vaults::default();
        log.record(header(begin, now), None)?;
        Ok(log)
    }

    /// Writes a record behind the last. When this returns, the line is in the kernel.
    pub fn record(&mut self, record: Record<'_>, peer: Option<&WrittenPeer>) -> io::Result<()> {
        let mut line = std::mem::take(&mut self.line);
        line.clear();
        let key = self.seals.as_ref().map(Seals::key);
        let record = Record { vault: record.vault.or(self.news()), ..record };
        let (vault, event, outcome) = (record.vault, record.event, record.outcome);
        let head = seals::write(&self.head, record, peer, key, &mut line).map_err(io::Error::other);
        let written = head.and_then(|head| self.append(&line, head));
        self.line = line;
        if written.is_ok() {
            self.tell(vault);
            self.known.see(event, outcome);
        }
        if self.seals.is_some() {
            seals::forget();
        }
        written
    }

    /// Makes the line of a record that will be written next.
    pub fn prepare(&mut self, record: Record<'_>) -> io::Result<Prepared> {
        let mut line = Vec::with_capacity(512);
        let key = self.seals.as_ref().map(Seals::key);
        let vault = self.news();
        let record = Record { vault, ..record };
        let head = seals::write(&self.head, record, None, key, &mut line).map_err(io::Error::other);
        seals::forget();
        Ok(Prepared { line, head: head?, vault })
    }

    /// The vault is in this state, on the disk: the next record tells it.
    pub fn know_vault(&mut self, vault: audit::Vault) {
        self.known.know(vault);
    }

    /// The states of vaults that the log knows of.
    pub fn vaults(&self) -> &Vaults {
        &self.known
    }

    /// One of these, if no record of the file tells it.
    fn news(&self) -> Option<audit::Vault> {
        self.known.news_to(&self.told)
    }

    fn tell(&mut self, vault: Option<audit::Vault>) {
        if let Some(vault) = vault {
            self.told.know(vault);
        }
    }

    /// Writes what was prepared behind the record that is still the last.
    pub fn write(&mut self, prepared: &Prepared) -> io::Result<()> {
        debug_assert_eq!(prepared.head.seq, self.head.seq + 1, "nothing came between");
        let written = self.append(&prepared.line, prepared.head);
        if written.is_ok() {
            self.tell(prepared.vault);
        }
        seals::forget();
        written
    }

    /// Writes a key record, and goes on with the key in it. Does nothing where there is no auditor.
    pub fn begin_key(&mut self, with: With<'_>, now: Now) -> io::Result<()> {
        let Some(auditor) = self.auditor else {
            self.seals = None;
            return Ok(());
        };
        let (fresh, sealed) = Seals::fresh(&auditor)?;
        let linked = match with {
            With::Origin(_) => Some(Linked::Origin),
            With::Running if self.seals.is_some() => Some(Linked::Running),
            With::Link(link) => Some(Linked::Link { log: link.log, seq: link.seq }),
            With::Running | With::Nothing => None,
        };
        let record = Record {
            key: Some(Key { auditor, sealed, linked }),
            ..stamped(Event::Seal, Outcome::Allowed, now)
        };
        let key = match with {
            With::Origin(origin) => Some(origin),
            With::Running => self.seals.as_ref().map(Seals::key),
            With::Link(link) => Some(&link.key),
            With::Nothing => None,
        };
        let mut line = std::mem::take(&mut self.line);
        line.clear();
        let head = seals::write(&self.head, record, None, key, &mut line).map_err(io::Error::other);
        seals::forget();
        self.linked = linked.is_some() && (self.linked || linked == Some(Linked::Origin));
        // Not stepped: what was before is gone with this record.
        let running = self.seals.take();
        let written = head.and_then(|head| self.append(&line, head));
        self.line = line;
        self.seals = if written.is_ok() { Some(fresh) } else { running };
        written
    }

    fn append(&mut self, line: &[u8], head: Head) -> io::Result<()> {
        match (&*self.file).write(line) {
            Ok(written) if written == line.len() => {}
            Ok(_) => {
                // A full disk takes part of a line. Half a record is none.
                self.file.set_len(self.len).map_err(open::of(&self.path))?;
                return Err(open::of(&self.path)(io::ErrorKind::StorageFull.into()));
            }
            Err(error) => return Err(open::of(&self.path)(error)),
        }
        self.len += line.len() as u64;
        self.head = head;
        self.copy(line);
        if let Some(seals) = &mut self.seals {
            seals.step();
        }
        Ok(())
    }

    fn copy(&self, line: &[u8]) {
        if let Some(journald) = &self.journald {
            journald.send(line);
        }
    }

    /// From now on each line goes to `journald`, too, and those that are written do now.
    pub fn publish(&mut self, journald: Option<Rc<Journald>>) -> io::Result<()> {
        self.journald = journald;
        let mut text = vec![0; usize::try_from(self.len).map_err(io::Error::other)?];
        self.file.read_exact_at(&mut text, 0).map_err(open::of(&self.path))?;
        text.split_inclusive(|byte| *byte == b'\n').for_each(|line| self.copy(line));
        Ok(())
    }

    /// Whether the active file is full.
    pub fn is_full(&self) -> bool {
        self.len >= self.full
    }

    /// Goes on in another file, whose seals are for this auditor. The one before keeps its records
    /// under the name of its first. What others put under a name that this takes is moved aside.
    pub fn rotate(&mut self, auditor: Option<Hex<32>>, now: Now) -> io::Result<()> {
        let (next, full) = (self.dir.join(NEXT), self.dir.join(files::full_name(self.first)));
        if !self.is_at_its_path() {
            return Err(open::of(&self.path)(io::Error::other("it is not the file that was written to")));
        }
        for name in [&next, &full] {
            self.planted |= open::free(name)?;
        }
        let (id, head) = (self.id, self.head);
        let vaults = self.known.clone();
        let begin = Begin { id, auditor, after: None, by: None, head, vaults, journald: None };
        let mut line = Vec::with_capacity(512);
        let key = self.seals.as_ref().map(Seals::key);
        let head =
            seals::write(&self.head, header(&begin, now), None, key, &mut line).map_err(io::Error::other);
        seals::forget();
        let head = head?;
        let file = create(&next)?;
        let there = self.give_way(&file, &line, &next, &full).inspect_err(|_| discard(&next))?;
        self.behind.push(std::mem::replace(&mut self.file, Arc::new(file)));
        self.place = (there.dev(), there.ino());
        self.len = line.len() as u64;
        self.first = head.seq;
        self.head = head;
        self.auditor = auditor;
        self.told = Vaults::default();
        self.tell(begin.vaults.last());
        self.copy(&line);
        if let Some(seals) = &mut self.seals {
            seals.step();
            seals::forget();
        }
        Ok(())
    }

    /// The active file becomes `full`, and `file`, which lies at `next`, begins with `line` in its place.
    fn give_way(&self, file: &File, line: &[u8], next: &Path, full: &Path) -> io::Result<fs::Metadata> {
        let mut writer = file;
        writer.write_all(line).map_err(open::of(next))?;
        let there = file.metadata()?;
        rename(&self.path, full)?;
        if let Err(error) = rename(next, &self.path) {
            rename(full, &self.path)?;
            return Err(error);
        }
        Ok(there)
    }

    /// Records an alarm.
    pub fn alarm(&mut self, wrong: Wrong, now: Now) -> io::Result<()> {
        let by = Some(wrong.word().into());
        self.record(Record { by, ..stamped(Event::Alarm, Outcome::Failed, now) }, None)
    }

    /// Whether what lies at the log's path is the file that we write to, as long as we made it.
    pub fn is_untouched(&self) -> bool {
        let there = fs::symlink_metadata(&self.path);
        there.is_ok_and(|there| (there.dev(), there.ino()) == self.place && there.len() == self.len)
    }

    /// As [`Log::is_untouched`], whatever is in it.
    pub fn is_at_its_path(&self) -> bool {
        fs::symlink_metadata(&self.path).is_ok_and(|there| (there.dev(), there.ino()) == self.place)
    }

    /// Whether the file was made since [`Log::seen`].
    pub fn is_new(&self) -> bool {
        self.new
    }

    /// What is new is about to be brought to the disk.
    pub fn seen(&mut self) {
        self.new = false;
    }

    /// What a later run's seals can be seen to go on from.
    pub fn link(&self) -> Option<Link> {
        self.seals.as_ref().map(|seals| seals.link(self.id, self.head.seq))
    }
}

/// Finishes a rotation in `dir` that a crash came into, and says whether what lay there was of none, and was
/// moved aside.
pub(super) fn finish_rotation(dir: &Path, path: &Path) -> io::Result<bool> {
    let next = dir.join(NEXT);
    let planted = open::clear(&next)?;
    if fs::symlink_metadata(&next).is_err() {
        return Ok(planted);
    }
    match rename(&next, path) {
        // The log was not renamed yet, and is as it was.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            if !begins(&open::to_read(&next)?)? {
                return open::free(&next);
            }
            tracing::warn!("{} was begun when the daemon ended, and goes", next.display());
            fs::remove_file(&next).map_err(open::of(&next))?;
            Ok(false)
        }
        finished => finished.map(|()| false),
    }
}

/// Whether a file holds no more than what a log begins with, or a part of it.
fn begins(file: &File) -> io::Result<bool> {
    const LINE: &[u8] = b"{\"seq\":";
    let mut text = Vec::new();
    file.take(scan::MAX_LINE).read_to_end(&mut text)?;
    let scan = scan::scan(text.as_slice(), None, Vaults::default());
    let held = text.len() as u64 == file.metadata()?.len() && scan.is_ok_and(|scan| scan.wrong.is_none());
    Ok(held && text.iter().zip(LINE).all(|(is, begins)| is == begins))
}

/// Removes a file that was begun, and whose beginning came to nothing.
pub(super) fn discard(path: &Path) {
    if let Err(error) = fs::remove_file(path) {
        tracing::error!("{} was begun, and stays: {error}", path.display());
    }
}

/// The first line of a file.
fn header(begin: &Begin, now: Now) -> Record<'static> {
    let log = audit::Log { format: FORMAT, id: begin.id, auditor: begin.auditor, after: begin.after };
    let by = begin.by.map(Into::into);
    // Told in each file, so that the last one has it, whatever became of those before. The next records tell of others.
    Record { by, log: Some(log), vault: begin.vaults.last(), ..stamped(Event::Log, Outcome::Allowed, now) }
}

/// A record of now.
pub(super) fn stamped(event: Event, outcome: Outcome, now: Now) -> Record<'static> {
    Record {
        time: audit::time(now.wall).into(),
        boot_ms: u64::try_from(now.boot.as_millis()).unwrap_or(u64::MAX),
        ..Record::new(event, outcome)
    }
}

/// A number that nobody can guess: the id of a new log, or what tells two names apart.
pub(super) fn random<const N: usize>() -> io::Result<Hex<N>> {
    let mut number = Hex([0; N]);
    getrandom::fill(&mut number.0).map_err(io::Error::other)?;
    Ok(number)
}

/// Makes a file of the log, where there is none.
pub(super) fn create(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).append(true).create_new(true).mode(0o600).open(path).map_err(open::of(path))
}

/// Renames, over nothing.
pub(super) fn rename(from: &Path, to: &Path) -> io::Result<()> {
    renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE).map_err(|error| open::of(to)(error.into()))
}
