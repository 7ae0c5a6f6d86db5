//! Writes the audit log, one line an event, before the answer leaves. A line that cannot be written
//! is an error that the caller turns into a lock: nothing is ever served unlogged.
//!
//! | file | knows |
//! |---|---|
//! | `entry` | what the rooms hand over |
//! | `refusals` | which refusals are counted instead of written |
//! | `log` | files, chain and seals, one record after the other |
//! | `link` | the file with the link, held open |
//! | `open` | opens files, whatever others put in their places |
//! | `seals` | the running key, and what a run leaves for the next |
//! | `start`, `scan` | whether what is there holds together |
//! | `anchor` | where the log stood, as the vault remembers it |
//! | `aside` | what becomes of a log that does not verify |
//! | `whole` | all of it, once behind an unlock |
//! | `keep` | which old files go |
//! | `unsynced` | what of it is to be brought to the disk |
//! | `vaults` | what it tells of vaults |

pub mod anchor;
mod aside;
mod entry;
pub mod keep;
mod link;
mod log;
pub mod open;
mod refusals;
pub mod scan;
mod seals;
mod start;
mod unsynced;
mod vaults;
pub mod whole;

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use glassdome_audit::chain::Head;
use glassdome_audit::{Event, Hex, Outcome, Record, Vault, WrittenPeer};
use glassdome_proto::session;
use tokio::sync::Notify;

use crate::attest::Evidence;
use crate::clock::Now;
use crate::journald::Journald;

pub use anchor::Anchor;
pub use entry::{Entry, Who};
pub use log::{FULL, Prepared};
pub use unsynced::{Synced, Unsynced};

use anchor::Told;
use link::LinkFile;
use log::{Log, With, stamped};
use refusals::Refusals;
use scan::Wrong;
use unsynced::{Leave, LinkTo};
use whole::Sound;

/// How an event was recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Recorded {
    /// As a line.
    Written,
    /// As one more of a kind that was written within the last minute.
    Counted,
}

/// The log could not be written.
#[derive(Debug, thiserror::Error)]
#[error("the audit log cannot be written")]
pub struct Unwritable(#[from] pub io::Error);

/// The open log.
#[derive(Debug)]
pub struct Journal {
    log: RefCell<Log>,
    /// Taken off the event loop only, and by one job at a time.
    link: Arc<Mutex<LinkFile>>,
    journald: Option<Rc<Journald>>,
    /// The peer that was recorded last, as it was written: writing it is most of the work.
    last_peer: RefCell<Option<(Evidence, WrittenPeer)>>,
    refusals: Refusals,
    /// The record that began the session which is open.
    session: Cell<Option<u64>>,
    /// The last `unlock` that was allowed.
    unlock: Cell<u64>,
    /// Since when there is an alarm that nobody has accepted, by the wall clock.
    alarm: Cell<Option<Duration>>,
    /// The record of this log with which its owner accepted what was behind; 0: none.
    accepted: Cell<u64>,
    /// Why a log was set aside for this one in this run, until the vault has been told.
    aside: Cell<Option<Wrong>>,
    /// What the vault was told last.
    told: Told,
    /// Whether it was compared with what the vault remembers, in this run.
    met: Cell<bool>,
    /// How many bytes of full files are kept, while a session is open; `None` keeps all.
    keep: Cell<Option<u64>>,
    /// Files that are called as the log's are, and are not of it.
    foreign: RefCell<BTreeSet<PathBuf>>,
    /// Whether all of it is being read.
    reading: Cell<bool>,
    /// What was read of it in this run, and need not be again.
    sound: RefCell<Sound>,
    dirty: Notify,
    urgent: Notify,
}

impl Journal {
    /// Opens the log, or begins one. What is there is checked and gone on with; a log that does not
    /// hold together is set aside. Each record that the file has goes to `journald`, too. What it tells of `vault`, the one in
    /// the place, is remembered, whatever else it tells.
    ///
    /// # Errors
    /// When the files cannot be opened, read or written.
    pub fn open(
        path: &Path,
        vault: Option<Hex<16>>,
        journald: Option<Journald>,
        now: Now,
    ) -> io::Result<Self> {
        let journald = journald.map(Rc::new);
        let (started, link) = start::start(path, vault, journald.clone(), now)?;
        let journal = Self {
            log: RefCell::new(started.log),
            link: Arc::new(Mutex::new(link)),
            journald,
            last_peer: RefCell::default(),
            refusals: Refusals::default(),
            session: Cell::new(None),
            unlock: Cell::new(0),
            alarm: Cell::new(started.alarm.then_some(scan::to_the_second(now.wall))),
            accepted: Cell::new(0),
            aside: Cell::new(started.wrong),
            told: Told::default(),
            met: Cell::new(false),
            keep: Cell::new(None),
            foreign: RefCell::default(),
            reading: Cell::new(false),
            sound: RefCell::default(),
            dirty: Notify::new(),
            urgent: Notify::new(),
        };
        journal.note(true);
        Ok(journal)
    }

    /// The way to the system's journal, if there is one.
    pub fn journald(&self) -> Option<&Journald> {
        self.journald.as_deref()
    }

    /// Records one event. When this returns, the line is in the kernel; or, for a refusal like those
    /// before it, counted.
    ///
    /// # Errors
    /// [`Unwritable`]; the log is as it was before.
    pub fn record(&self, entry: Entry<'_>, now: Now) -> Result<Recorded, Unwritable> {
        let repeated = match entry.outcome {
            Outcome::Denied if !entry.is_guess() => match self.refusals.count(&entry, now) {
                Some(repeated) => repeated,
                None => return Ok(Recorded::Counted),
            },
            _ => 0,
        };
        let record = Record { repeated, ..self.record_of(&entry, now) };
        let mut log = self.log.borrow_mut();
        self.make_room(&mut log, now)?;
        match entry.peer {
            Who::Peer(evidence) | Who::Ran(evidence, _) => {
                let mut last = self.last_peer.borrow_mut();
                let peer = match &*last {
                    Some((of, peer)) if of == evidence => peer,
                    _ => {
                        let peer = WrittenPeer::of(&evidence.record()).map_err(io::Error::other)?;
                        &last.insert((evidence.clone(), peer)).1
                    }
                };
                log.record(record, Some(peer))?;
            }
            _ => log.record(record, None)?,
        }
        if entry.event == Event::Unlock && entry.outcome == Outcome::Allowed {
            self.unlock.set(log.head.seq);
        }
        self.note(entry.is_urgent());
        Ok(Recorded::Written)
    }

    /// Makes the line of an event that is written with [`Journal::write`] before any other, so that
    /// its place in the chain can be sealed while there is a key to seal it with.
    ///
    /// # Errors
    /// [`Unwritable`].
    pub fn prepare(&self, entry: &Entry<'_>, now: Now) -> Result<Prepared, Unwritable> {
        let mut log = self.log.borrow_mut();
        self.make_room(&mut log, now)?;
        Ok(log.prepare(self.record_of(entry, now))?)
    }

    /// Writes what was prepared.
    ///
    /// # Errors
    /// [`Unwritable`]; the log is as it was before.
    pub fn write(&self, prepared: &Prepared) -> Result<(), Unwritable> {
        self.log.borrow_mut().write(prepared)?;
        self.note(true);
        Ok(())
    }

    fn record_of<'e>(&self, entry: &Entry<'e>, now: Now) -> Record<'e> {
        Record {
            session: self.session.get(),
            secret: entry.secret.map(Into::into),
            to: entry.to.map(Into::into),
            by: entry.by.map(Into::into),
            judged: entry.peer.judged(),
            peer: entry.peer.record(),
            ..stamped(entry.event, entry.outcome, now)
        }
    }

    fn make_room(&self, log: &mut Log, now: Now) -> io::Result<()> {
        // One that was moved or taken away is about to be set aside, with what is still written to it.
        if log.is_full() && log.is_at_its_path() {
            let auditor = log.auditor;
            log.rotate(auditor, now)?;
            self.say_planted(log, now)?;
        }
        Ok(())
    }

    fn note(&self, urgent: bool) {
        self.dirty.notify_one();
        if urgent {
            self.urgent.notify_one();
        }
    }

    // Sessions.

    /// A session begins: with the last `unlock` that was recorded, and with a key of its own.
    ///
    /// # Errors
    /// [`Unwritable`].
    pub fn begin_session(&self, keep: Option<u64>, now: Now) -> Result<(), Unwritable> {
        self.session.set(Some(self.unlock.get()));
        self.keep.set(keep);
        self.told.too_little();
        self.log.borrow_mut().begin_key(With::Running, now)?;
        self.note(true);
        Ok(())
    }

    /// The session is over.
    pub fn end_session(&self) {
        self.session.set(None);
        self.keep.set(None);
    }

    // What the vault remembers.

    /// Where the log stands.
    pub fn anchor(&self) -> Anchor {
        self.anchor_of(&self.log.borrow())
    }

    fn anchor_of(&self, log: &Log) -> Anchor {
        Anchor { log: log.id, head: log.head, alarm: self.alarm.get(), accepted: self.accepted.get() }
    }

    /// As [`Journal::anchor`], once `prepared` is written.
    pub fn anchor_behind(&self, prepared: &Prepared) -> Anchor {
        Anchor { head: prepared.head, ..self.anchor() }
    }

    /// Whether the vault is to be told of a record: at the beginning of a session, and every so many records.
    pub fn wants_anchor(&self, seq: u64, now: Now) -> bool {
        self.told.wants(seq, now)
    }

    /// Whether the vault is to be told of what it was too early to tell of when it was recorded.
    pub fn owes_anchor(&self, now: Now) -> bool {
        self.session.get().is_some() && self.told.owes(self.log.borrow().head.seq, now)
    }

    /// Whether the records through this one may go: the next unlock must find the one that the vault remembers. If
    /// it is among them, the vault is to be told of another first.
    pub fn may_go(&self, through: Head) -> bool {
        let stays = self.told.is_behind(through.seq);
        if stays == Some(false) {
            self.want_anchor();
        }
        // A vault that cannot be told is not asked again and again for this.
        stays == Some(true)
    }

    /// The vault is to be told of the next record that is on the disk.
    pub fn want_anchor(&self) {
        self.told.too_little();
        self.note(true);
    }

    /// The vault remembers this.
    pub fn anchored(&self, anchor: &Anchor, now: Now) {
        self.told.of(anchor.head.seq, now);
        if anchor.log == self.log.borrow().id {
            self.aside.set(None);
        }
    }

    /// The vault is in this state, on the disk: the next record tells it.
    pub fn know_vault(&self, vault: Vault) {
        self.log.borrow_mut().know_vault(vault);
    }

    /// The newest state of a vault that the log knows of.
    pub fn vault(&self, id: Hex<16>) -> Option<Vault> {
        self.log.borrow().vaults().of(id)
    }

    /// Whether the log knows of any vault.
    pub fn knows_a_vault(&self) -> bool {
        self.log.borrow().vaults().last().is_some()
    }

    /// Where the log's files are.
    pub fn dir(&self) -> PathBuf {
        self.log.borrow().dir.clone()
    }

    /// Whose the seals are.
    pub fn auditor(&self) -> Option<Hex<32>> {
        self.log.borrow().auditor
    }

    /// It was compared with what the vault remembers.
    pub fn met(&self) {
        self.met.set(true);
    }

    /// How far it is known to hold together.
    pub fn state(&self) -> session::Audit {
        match (self.alarm.get(), self.met.get(), self.auditor()) {
            (Some(_), _, _) => session::Audit::Alarm,
            (None, false, _) => session::Audit::Unmet,
            (None, true, None) => session::Audit::Chained,
            (None, true, Some(_)) => session::Audit::Sealed,
        }
    }

    /// Whether the seals go on from an earlier run's, as far as this one knows.
    pub fn is_linked(&self) -> bool {
        self.log.borrow().linked
    }

    /// Since when there is an alarm that nobody has accepted, by the wall clock.
    pub fn alarm(&self) -> Option<Duration> {
        self.alarm.get()
    }

    /// The record with which the log was accepted; 0: none.
    pub fn accepted(&self) -> u64 {
        self.accepted.get()
    }

    /// The log was accepted with this record; 0: it was not.
    pub fn set_accepted(&self, seq: u64) {
        self.accepted.set(seq);
    }

    /// There is an alarm since then, or none any more.
    pub fn set_alarm(&self, alarm: Option<Duration>) {
        self.alarm.set(alarm);
    }

    /// Why the log `before` was set aside for this one, if it was and the vault was not told yet.
    pub fn set_aside_for(&self, before: Option<Hex<16>>) -> Option<Wrong> {
        let after = self.log.borrow().after.and_then(|after| after.id);
        self.aside.get().or_else(|| (after.is_some() && after == before).then_some(Wrong::Replaced))
    }

    // What others do to it.

    /// Whether what lies at the log's path is what was written here, as far as its size tells.
    pub fn is_untouched(&self) -> bool {
        self.log.borrow().is_untouched()
    }

    /// From now on the seals are for this auditor, who alone can have made `origin`, or there are
    /// none. The file's first line says whose they are: another file begins.
    ///
    /// # Errors
    /// [`Unwritable`].
    pub fn seal_to(
        &self,
        auditor: Option<Hex<32>>,
        origin: Option<&[u8; 32]>,
        now: Now,
    ) -> Result<(), Unwritable> {
        let mut log = self.log.borrow_mut();
        log.rotate(auditor, now)?;
        log.begin_key(origin.map_or(With::Nothing, With::Origin), now)?;
        self.say_planted(&mut log, now)?;
        self.note(true);
        Ok(())
    }

    // The disk.

    /// Waits until something was recorded; it is then to be brought to the disk.
    pub async fn wrote(&self) {
        self.dirty.notified().await;
    }

    /// Waits until something was recorded that is to be on the disk at once.
    pub async fn urgent(&self) {
        self.urgent.notified().await;
    }

    /// The next sync fails, as on a disk that does.
    #[cfg(test)]
    pub fn fail_next_sync(&self) {
        // What it is cannot be synced: fdatasync(2), EINVAL.
        let null = File::open("/dev/null").expect("it is everywhere");
        self.log.borrow_mut().behind.push(Arc::new(null));
    }

    /// What may not be on the disk yet.
    pub fn unsynced(&self) -> Unsynced {
        let mut log = self.log.borrow_mut();
        let mut files = std::mem::take(&mut log.behind);
        // A file that began, or took the place of another, is only there with its directory.
        let dir = (!files.is_empty() || log.is_new()).then(|| log.dir.clone());
        files.push(log.file.clone());
        log.seen();
        let anchor = self.anchor_of(&log);
        let to = match log.link() {
            Some(link) => Some(Leave::Behind(link)),
            // What another log left shows that this one took its place, until the vault has said so.
            None => self.met.get().then_some(Leave::NoneBut(log.id)),
        };
        let link = to.map(|to| LinkTo { to, file: self.link.clone() });
        Unsynced { files, dir, link, anchor }
    }
}

impl Unsynced {
    /// Brings it there, and says where the log stands by then.
    ///
    /// # Errors
    /// What the system says.
    pub fn sync(self) -> io::Result<Synced> {
        for file in self.files {
            file.sync_data()?;
        }
        if let Some(dir) = self.dir {
            File::open(&dir).and_then(|open| open.sync_all()).map_err(open::of(&dir))?;
        }
        Ok(Synced { anchor: self.anchor, link: self.link })
    }
}

impl Synced {
    /// Leaves the link behind the last record that is on the disk, and says whether another program had
    /// put something in its place, which was moved away, or had taken it. A log without seals leaves none, and wipes
    /// that of the one which was set aside for it.
    ///
    /// # Errors
    /// What the system says.
    pub fn leave_link(&self) -> io::Result<bool> {
        let Some(LinkTo { to, file }) = &self.link else { return Ok(false) };
        // What a job that panicked left is compared with what is there, as ever.
        let mut file = file.lock().unwrap_or_else(PoisonError::into_inner);
        match to {
            Leave::Behind(link) => file.leave(link),
            Leave::NoneBut(log) => file.wipe_unless_of(*log).map(|()| false),
        }
    }
}

#[cfg(test)]
mod aside_tests;
#[cfg(test)]
mod honest_tests;
#[cfg(test)]
mod keep_tests;
#[cfg(test)]
mod planted_tests;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod whole_tests;
