//! The log, as the rooms share it: what cannot be recorded ends the session, and the vault
//! remembers where the log stood.

use std::io;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::{Duration, SystemTime};

use glassdome_audit::{self as audit, Event, Hex, Outcome};
use glassdome_proto::Refusal;
use glassdome_proto::session::LockReason;
use glassdome_vault::{Change, Draft, Error, Keys, Mark, Vault};

use super::State;
use super::kept::to_keep_after;
use crate::clock::{self, Now};
use crate::journal::anchor::{self, Anchor};
use crate::journal::scan::{self, Wrong};
use crate::journal::whole::{Found, yield_to_all};
use crate::journal::{Entry, Journal, Prepared, Recorded, Synced, Unwritable, Who, keep, open};
use crate::kept::Bytes;
use crate::refuse;
use crate::session::Input;
use crate::settings::{Auditor, Unread};
use crate::worker;

/// The last words of a session, made while there is a key: its record, and what the vault will
/// remember when that is written.
pub(super) struct Parting {
    line: Prepared,
    left: Left,
}

/// What remains to be done for a session that has ended.
#[derive(Debug, Default)]
pub(super) struct Left {
    /// What the vault is to remember.
    anchor: Option<Change>,
    /// What the keyring is to keep if the vault does, and if it does not.
    after: Option<Bytes>,
    before: Option<Bytes>,
}

impl State {
    /// Records an event. One that cannot be recorded ends the session.
    ///
    /// # Errors
    /// The refusal to send instead of any answer.
    pub fn record(&self, entry: Entry<'_>) -> Result<Recorded, Refusal<'static>> {
        self.know_vault();
        self.journal.record(entry, clock::now()).map_err(|error| self.unlogged(&error))
    }

    /// Ends the session, if one is open, since the log could not be written, and says why in the
    /// diagnostics, and in the refusal to send to whoever asked.
    pub fn unlogged(&self, error: &Unwritable) -> Refusal<'static> {
        // First: whatever becomes of the diagnostics, the key is gone.
        self.lock(LockReason::Unlogged);
        tracing::error!("{error}: {:?}", std::error::Error::source(error));
        refuse::unlogged(error)
    }

    /// The next record tells the state that the last change left in the vault: it is on the disk.
    fn know_vault(&self) {
        if let Some(mark) = self.vault.borrow().as_ref().and_then(|vault| vault.committed_mark()) {
            self.journal.know_vault(told(mark));
        }
    }

    /// When the record was made that the vault remembers, if the log has it: RFC 3339, UTC.
    pub async fn told_at(&self, remembered: Option<Anchor>) -> Option<String> {
        let (dir, remembered) = (self.journal.dir(), remembered?);
        let found = self.on_disk(move || scan::time_of(&dir, &remembered)).await;
        found.unwrap_or_else(|error| {
            tracing::warn!("the record that the vault remembers could not be looked up: {error}");
            None
        })
    }

    /// The log.
    pub fn journal(&self) -> &Journal {
        &self.journal
    }

    /// Prepares the end of the session, if this input ends it: the key that seals the anchor is gone
    /// when it has ended, and nothing of the end waits for a disk.
    pub(super) fn part(&self, input: &Input<Keys>, now: Now) -> Option<Parting> {
        let session = self.session.borrow();
        let reason = session.would_end(input, now)?;
        self.know_vault();
        let line = self
            .journal
            .prepare(&ended(reason), now)
            .inspect_err(|error| tracing::error!("the lock could not be recorded: {error}"))
            .ok()?;
        let left = self.vault().zip(session.open()).map(|(vault, open)| {
            let anchor = self.journal.anchor_behind(&line);
            let anchor = sealed(&vault, open.key(), anchor, |_| Ok(()))
                .inspect_err(|error| tracing::error!("the vault does not remember the log: {error}"))
                .ok();
            let after = anchor.as_ref().and_then(|change| to_keep_after(change, &vault, open.key()));
            Left { anchor, after, before: self.state_to_keep() }
        });
        Some(Parting { line, left: left.unwrap_or_default() })
    }

    /// The key is gone: says so in the log.
    pub(super) fn parted(&self, parting: Option<Parting>, reason: LockReason, now: Now) {
        let written = parting.map(|Parting { line, left }| self.journal.write(&line).map(|()| left));
        match written {
            Some(Ok(left)) => *self.parting.borrow_mut() = Some(left),
            // It was not made, or is no longer the next. A log that fails now has nothing left to protect.
            _ => match self.journal.record(ended(reason), now) {
                Ok(_) => {}
                Err(error) => tracing::error!("the lock could not be recorded: {error}"),
            },
        }
        self.journal.end_session();
    }

    /// Brings to the disk what was recorded, and has the vault remember it.
    pub async fn settle_log(&self) {
        let _alone = self.settling.lock().await;
        if !self.journal.is_untouched() {
            self.lock(LockReason::Unlogged);
            tracing::error!("the audit log was replaced, or written to by another program");
            let auditor = self.journal.auditor();
            if let Err(error) = self.journal.set_aside(Wrong::Touched, auditor, clock::now()) {
                self.unlogged(&error);
                return self.remember_parting().await;
            }
        }
        let unsynced = self.journal.unsynced();
        let synced = self.on_disk(move || unsynced.sync()).await;
        // Whatever became of the file: what the session left in it is missed if it is not there.
        self.remember_parting().await;
        match synced {
            Ok(synced) => {
                self.anchor(synced.anchor).await;
                self.leave_link(synced).await;
                self.retire().await;
            }
            Err(error) => {
                self.unlogged(&error.into());
                self.remember_parting().await;
            }
        }
    }

    /// Ends the session if the log is not as it was written. Tells the vault of what it was too early to tell of
    /// when it was recorded.
    pub async fn look_at_log(&self) {
        if !self.journal.is_untouched() || self.journal.owes_anchor(clock::now()) {
            self.settle_log().await;
        }
    }

    async fn remember_parting(&self) {
        let Some(Left { anchor, after, before }) = self.parting.take() else { return };
        let remembered = match anchor {
            Some(change) => self.remember(change).await,
            None => false,
        };
        if let Some(bytes) = if remembered { after } else { before } {
            self.keeping.leave(bytes);
        }
    }

    /// Leaves the link, once the vault remembers what it is behind. Whatever lies in its place is no reason
    /// not to serve: it is moved away, and there is an alarm.
    async fn leave_link(&self, synced: Synced) {
        match self.on_disk(move || synced.leave_link()).await {
            Ok(false) => {}
            Ok(true) => {
                if let Err(error) = self.journal.raise(Wrong::Planted, clock::now()) {
                    self.unlogged(&error);
                }
            }
            Err(error) => tracing::error!("the link of the log's seals could not be left: {error}"),
        }
    }

    /// Has the vault remember the log as it is now, and what else `draft` seals, for whoever has
    /// given the password.
    ///
    /// # Errors
    /// The refusal to send; the vault is as it was.
    pub async fn tell_vault(
        &self,
        vault: &Arc<Vault>,
        keys: &Keys,
        draft: impl FnOnce(&mut Draft<'_>) -> Result<(), Error>,
    ) -> Result<(), Refusal<'static>> {
        let _alone = self.settling.lock().await;
        let unsynced = self.journal.unsynced();
        let synced = self.store.run(move || unsynced.sync()).await.map_err(refuse::lost)?;
        let synced = synced.map_err(|error| self.unlogged(&error.into()))?;
        let turn = self.changing.lock().await;
        let change = sealed(vault, keys, synced.anchor, draft).map_err(|error| refuse::vault(&error))?;
        let vault = vault.clone();
        let committed = self.store.run(move || vault.commit(change)).await.map_err(refuse::lost)?;
        committed.map_err(|error| refuse::vault(&error))?;
        self.note_change();
        self.journal.anchored(&synced.anchor, clock::now());
        drop(turn);
        self.leave_link(synced).await;
        Ok(())
    }

    /// Has the vault remember a record that is on the disk, if it is time to.
    async fn anchor(&self, synced: Anchor) {
        if !self.journal.wants_anchor(synced.head.seq, clock::now()) || self.keys().is_none() {
            return;
        }
        let _turn = self.changing.lock().await;
        let drafted = match (self.vault(), self.keys()) {
            (Some(vault), Some(keys)) => sealed(&vault, &keys, synced, |_| Ok(())),
            _ => return,
        };
        match drafted {
            Ok(change) => {
                if self.remember(change).await {
                    self.journal.anchored(&synced, clock::now());
                }
            }
            Err(error) => tracing::error!("the vault does not remember the log: {error}"),
        }
    }

    async fn remember(&self, change: Change) -> bool {
        let Some(vault) = self.vault() else { return false };
        // Nobody waits for it. What is not in the vault's file makes each reading of that dearer: so it is settled
        // in the same go, and not within a second.
        let told = self.store.run(move || vault.commit(change).map(|()| vault.settle()));
        match told.await {
            Ok(Ok(settled)) => {
                if settled.is_err() {
                    // Tried again within a second, and told of then.
                    self.note_change();
                }
                true
            }
            Ok(Err(error)) => {
                tracing::warn!("the vault does not remember the log's last records: {error}");
                false
            }
            Err(lost) => {
                tracing::error!("the vault does not remember the log's last records: {lost}");
                false
            }
        }
    }

    /// Deletes what is past what is kept, once the log says so and is on the disk.
    async fn retire(&self) {
        // What is being read must not go meanwhile: the next time.
        let Some(keep) = self.journal.keep().filter(|_| !self.journal.is_being_read()) else { return };
        let (dir, known, first) = (self.journal.dir(), self.journal.foreign(), self.journal.first());
        let found = match self.on_disk(move || keep::look(&dir, keep, &known)).await {
            Ok(found) => found,
            Err(error) => return tracing::warn!("the audit log's old files stay: {error}"),
        };
        if first != self.journal.first() {
            // A file was full meanwhile, and what was seen is not what is there. The next time.
            return;
        }
        let now = clock::now();
        if let Err(error) = self.journal.found_foreign(found.foreign, now) {
            self.unlogged(&error);
            return;
        }
        let Some(past) = found.past.filter(|past| self.journal.may_go(past.through)) else { return };
        if let Err(error) = self.journal.retire(past.through, now) {
            self.unlogged(&error);
            return;
        }
        let unsynced = self.journal.unsynced();
        let synced = self.on_disk(move || {
            let synced = unsynced.sync()?;
            if let Err(error) = keep::delete(&past) {
                tracing::warn!("old files of the audit log could not be deleted: {error}");
            }
            Ok(synced)
        });
        match synced.await {
            Ok(synced) => self.leave_link(synced).await,
            Err(error) => drop(self.unlogged(&error.into())),
        }
    }

    /// Reads all of the log once, where nobody waits for it, and has it set aside if it is none. That a session
    /// is open or not makes no difference, and no session ends for it.
    pub async fn read_log(&self) {
        // Nothing is being deleted when it is begun, nor until it ends.
        let whole = {
            let _alone = self.settling.lock().await;
            self.journal.whole()
        };
        let Some(whole) = whole else { return };
        let reading = move || {
            yield_to_all();
            whole.check(SystemTime::now())
        };
        let found = worker::once("log", reading).await.unwrap_or_else(|lost| Err(io::Error::other(lost)));
        let found = found
            .inspect(|found| {
                tracing::info!("{} records of the audit log were read: {:?}", found.records, found.wrong)
            })
            .inspect_err(|error| tracing::error!("the audit log could not be read as a whole: {error}"));
        let _alone = self.settling.lock().await;
        if let Err(error) = self.journal.read(found.ok(), clock::now()) {
            self.unlogged(&error);
        }
    }

    /// As [`State::read_log`], of all files, whether or not they were read in this run; behind whoever reads it already.
    /// `begins` is told how many bytes there are, and gives what counts those that were read.
    ///
    /// # Errors
    /// What the system says.
    pub async fn test_log(&self, begins: impl FnOnce(u64) -> Arc<AtomicU64>) -> io::Result<Found> {
        const AGAIN: Duration = Duration::from_millis(20);
        let whole = loop {
            let whole = {
                let _alone = self.settling.lock().await;
                self.journal.whole()
            };
            match whole {
                Some(whole) => break whole,
                None => tokio::time::sleep(AGAIN).await,
            }
        };
        let bytes = whole.bytes();
        let whole = whole.afresh(begins(bytes));
        let reading = move || {
            yield_to_all();
            whole.check(SystemTime::now())
        };
        let found = worker::once("log", reading).await.unwrap_or_else(|lost| Err(io::Error::other(lost)));
        let _alone = self.settling.lock().await;
        if let Err(error) = self.journal.read(found.as_ref().ok().cloned(), clock::now()) {
            self.unlogged(&error);
        }
        found
    }

    /// What `job` came to, done where waiting for a disk holds nobody up.
    async fn on_disk<T: Send + 'static>(
        &self,
        job: impl FnOnce() -> io::Result<T> + Send + 'static,
    ) -> io::Result<T> {
        self.store.run(job).await.unwrap_or_else(|lost| Err(io::Error::other(lost)))
    }

    /// A session has begun: it has a number in the log, and a key of its own for its seals.
    pub(super) fn begin_log(&self, keep: Option<u64>, now: Now) {
        if let Err(error) = self.journal.begin_session(keep, now) {
            self.unlogged(&error);
        }
    }

    /// Whether the log is the one that the vault remembers, asked before a session begins. One that
    /// is not is set aside: its owner is told, and not locked out.
    ///
    /// # Errors
    /// The refusal to send: there is no log to write to.
    pub async fn meet_log(&self, vault: &Vault, keys: &Keys) -> Result<(), Refusal<'static>> {
        let unread = |error: Unread| refuse::unread(&error);
        let remembered = anchor_of(vault, keys).map_err(unread)?;
        let auditor = Auditor::read(vault, keys).map_err(unread)?;
        // What was recorded by then is looked at, and nobody sets the log aside meanwhile.
        let _alone = self.settling.lock().await;
        self.meet(remembered, auditor).await.map_err(|error| match self.keys().is_some() {
            true => self.unlogged(&error),
            // The session that was to begin does not: that is said, and not that a lock came between.
            false => {
                tracing::error!("{error}: {:?}", std::error::Error::source(&error));
                refuse::unlogged(&error)
            }
        })
    }

    async fn meet(&self, remembered: Option<Anchor>, auditor: Auditor) -> Result<(), Unwritable> {
        let dir = self.journal.dir();
        let planted = self.on_disk(move || open::clear_full(&dir)).await?;
        let found = self.differs(remembered, auditor).await?;
        let (journal, now) = (&self.journal, clock::now());
        if let (None, Some(anchor)) = (found, remembered) {
            journal.set_accepted(anchor.accepted);
        }
        let key = auditor.sealed_to(journal.auditor());
        let told = remembered.and_then(|anchor| anchor.alarm);
        match (found, journal.set_aside_for(remembered.map(|anchor| anchor.log))) {
            // What was there is away already, and the log that is there is not to blame.
            (Some(_), Some(wrong)) => {
                journal.set_alarm(told.or(journal.alarm()));
                if journal.alarm().is_none() {
                    journal.raise(wrong, now)?;
                }
            }
            (Some(wrong), None) => {
                journal.set_alarm(told);
                journal.set_aside(wrong, key, now)?;
            }
            // What this run or the one before found the vault may not have been told yet.
            (None, _) => journal.set_alarm(told.or(journal.alarm())),
        }
        if planted {
            journal.raise(Wrong::Planted, now)?;
        }
        journal.met();
        if journal.auditor() != key { journal.seal_to(key, None, now) } else { Ok(()) }
    }

    async fn differs(
        &self,
        remembered: Option<Anchor>,
        auditor: Auditor,
    ) -> Result<Option<Wrong>, Unwritable> {
        if !self.journal.is_untouched() {
            return Ok(Some(Wrong::Touched));
        }
        let other = (!auditor.may_be(self.journal.auditor())).then_some(Wrong::Auditor);
        // A vault that remembers no log has met none, and goes on with what is there.
        let Some(remembered) = remembered else { return Ok(other) };
        let (dir, now) = (self.journal.dir(), self.journal.anchor());
        let found = self.on_disk(move || scan::goes_on(&dir, &remembered, now.log, now.head)).await?;
        Ok(found.or(other))
    }
}

/// What the vault remembers of the log.
///
/// # Errors
/// Those of the vault, and what a newer version wrote.
pub fn anchor_of(vault: &Vault, keys: &Keys) -> Result<Option<Anchor>, Unread> {
    let Some(bytes) = vault.setting(keys, anchor::SETTING)? else { return Ok(None) };
    Anchor::read(&bytes).map(Some).ok_or(Unread::Unknown { key: anchor::SETTING })
}

/// Has the vault remember that record, with whatever `more` drafts.
///
/// # Errors
/// Those of the vault.
pub fn sealed(
    vault: &Vault,
    keys: &Keys,
    anchor: Anchor,
    more: impl FnOnce(&mut Draft<'_>) -> Result<(), Error>,
) -> Result<Change, Error> {
    let mut draft = vault.draft(keys)?;
    draft.setting(anchor::SETTING, Some(&anchor.to_bytes()))?;
    more(&mut draft)?;
    draft.finish()
}

/// A state of the vault, as the log tells it.
pub fn told(mark: Mark) -> audit::Vault {
    let Mark { vault, generation, state, key } = mark;
    audit::Vault { id: Hex(*vault.as_bytes()), changes: generation, state: Hex(state), key: key.map(Hex) }
}

fn ended(reason: LockReason) -> Entry<'static> {
    let by = Some(reason.name());
    Entry { event: Event::Lock, outcome: Outcome::Allowed, secret: None, to: None, by, peer: Who::Nobody }
}
