//! Writes the audit log, one line an event, before the answer leaves. A line that cannot be written
//! is an error that the caller turns into a lock: nothing is ever served unlogged.
//!
//! Refusals of one kind from one program are written once a minute and counted in between, so that
//! nobody fills the disk by being refused.

use std::borrow::Cow;
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use glassdome_audit::{self as audit, Event, Outcome, Record, WrittenPeer};
use glassdome_proto::deceives;
use tokio::sync::Notify;

use crate::attest::{Evidence, Kernel};
use crate::clock::Now;
use crate::standing::Asker;

/// Like refusals within this time are counted, not written.
const COALESCE: Duration = Duration::from_secs(60);
/// Kinds of refusals told apart; all further ones count as one kind.
const KINDS: usize = 256;
/// How much of an existing log is read to find its last record.
const TAIL: u64 = 64 * 1024;

/// What is to be recorded.
#[derive(Debug, Clone, Copy)]
pub struct Entry<'a> {
    /// What was asked, or happened.
    pub event: Event,
    /// What became of it.
    pub outcome: Outcome,
    /// Which secret.
    pub secret: Option<&'a str>,
    /// What decided, in a word.
    pub by: Option<&'a str>,
    /// Who asked.
    pub peer: Who<'a>,
}

/// Who asked.
#[derive(Debug, Clone, Copy)]
pub enum Who<'a> {
    /// Nobody: it happened.
    Nobody,
    /// Somebody of whom no more is known.
    User {
        /// Its uid.
        uid: u32,
        /// Its pid, where that is worth telling.
        pid: Option<i32>,
    },
    /// A process that did not complete the handshake.
    Process(&'a Kernel),
    /// A peer.
    Peer(&'a Evidence),
    /// One of our clients, and whoever ran it, who was judged.
    Ran(&'a Evidence, &'a Asker),
}

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
pub struct Unwritable(#[from] io::Error);

/// The open log.
#[derive(Debug)]
pub struct Journal {
    file: Arc<File>,
    seq: Cell<u64>,
    len: Cell<u64>,
    line: RefCell<Vec<u8>>,
    /// The peer that was recorded last, as it was written: writing it is most of the work.
    last_peer: RefCell<Option<(Evidence, WrittenPeer)>>,
    refusals: RefCell<HashMap<Kind, Refusals>>,
    dirty: Notify,
}

/// What makes two refusals alike. `None`: one of the many past [`KINDS`].
type Kind = Option<(Event, String, u32, (u64, u64))>;

#[derive(Debug)]
struct Refusals {
    written: Duration,
    since: u64,
}

impl Journal {
    /// Opens the log, or begins one, and counts on from its last record.
    ///
    /// # Errors
    /// When the file cannot be opened, read or written.
    pub fn open(path: &Path) -> io::Result<Self> {
        let mut file = OpenOptions::new()
            .read(true)
            .append(true)
            .create(true)
            .mode(0o600)
            .custom_flags(rustix::fs::OFlags::NOFOLLOW.bits().cast_signed())
            .open(path)?;
        let tail = tail(&mut file)?;
        if !tail.is_empty() && !tail.ends_with(b"\n") {
            // The last line was cut short by a crash. It stays as it is, on a line of its own.
            file.write_all(b"\n")?;
        }
        let text = String::from_utf8_lossy(&tail);
        let last = text.lines().rev().find_map(|line| audit::read(line).ok().map(|record| record.seq));
        let len = file.seek(SeekFrom::End(0))?;
        Ok(Self {
            file: Arc::new(file),
            seq: Cell::new(last.unwrap_or(0)),
            len: Cell::new(len),
            line: RefCell::new(Vec::with_capacity(1024)),
            last_peer: RefCell::default(),
            refusals: RefCell::new(HashMap::new()),
            dirty: Notify::new(),
        })
    }

    /// Records one event. When this returns, the line is in the kernel; or, for a refusal like those
    /// before it, counted.
    ///
    /// # Errors
    /// [`Unwritable`]; the log is as it was before.
    pub fn record(&self, entry: Entry<'_>, now: Now) -> Result<Recorded, Unwritable> {
        let repeated = match entry.outcome {
            Outcome::Denied if !is_guess(&entry) => match self.count_refusal(&entry, now) {
                Some(repeated) => repeated,
                None => return Ok(Recorded::Counted),
            },
            _ => 0,
        };
        let seq = self.seq.get() + 1;
        let record = Record {
            seq,
            time: audit::time(now.wall).into(),
            boot_ms: u64::try_from(now.boot.as_millis()).unwrap_or(u64::MAX),
            event: entry.event,
            outcome: entry.outcome,
            secret: entry.secret.map(Into::into),
            by: entry.by.map(Into::into),
            repeated,
            judged: entry.peer.judged(),
            peer: entry.peer.record(),
        };
        let mut line = self.line.borrow_mut();
        line.clear();
        match entry.peer {
            Who::Peer(evidence) | Who::Ran(evidence, _) => self.write_by(record, evidence, &mut line),
            _ => audit::write(&record, &mut line),
        }
        .map_err(io::Error::other)?;
        self.append(&line)?;
        self.seq.set(seq);
        self.dirty.notify_one();
        Ok(Recorded::Written)
    }

    fn write_by(
        &self,
        record: Record<'_>,
        evidence: &Evidence,
        line: &mut Vec<u8>,
    ) -> Result<(), audit::LineError> {
        let mut last = self.last_peer.borrow_mut();
        if let Some((of, peer)) = &*last
            && of == evidence
        {
            return audit::write_by(record, peer, line);
        }
        let (_, peer) = last.insert((evidence.clone(), WrittenPeer::of(&evidence.record())?));
        audit::write_by(record, peer, line)
    }

    fn append(&self, line: &[u8]) -> io::Result<()> {
        match (&*self.file).write(line) {
            Ok(written) if written == line.len() => {
                self.len.set(self.len.get() + line.len() as u64);
                Ok(())
            }
            Ok(_) => {
                // A full disk takes part of a line. Half a record is none.
                self.file.set_len(self.len.get())?;
                Err(io::ErrorKind::StorageFull.into())
            }
            Err(error) => Err(error),
        }
    }

    /// How many like this were left out, if this one is to be written.
    fn count_refusal(&self, entry: &Entry<'_>, now: Now) -> Option<u64> {
        let mut refusals = self.refusals.borrow_mut();
        let (uid, exe) = entry.peer.subject();
        let mut by = entry.by.unwrap_or_default().to_owned();
        if let Who::Ran(_, asker) = entry.peer {
            // Not the client makes two refusals alike, but who ran it.
            by = [&by, &*asker.name, asker.script.as_deref().unwrap_or_default()].join("\0");
        }
        let mut kind = Some((entry.event, by, uid, exe));
        if refusals.len() >= KINDS && !refusals.contains_key(&kind) {
            refusals.retain(|_, seen| seen.since > 0 || now.boot < seen.written + COALESCE);
            if refusals.len() >= KINDS {
                kind = None;
            }
        }
        match refusals.get_mut(&kind) {
            Some(seen) if now.boot < seen.written + COALESCE => {
                seen.since += 1;
                None
            }
            Some(seen) => {
                let since = std::mem::take(&mut seen.since);
                seen.written = now.boot;
                Some(since)
            }
            None => {
                refusals.insert(kind, Refusals { written: now.boot, since: 0 });
                Some(0)
            }
        }
    }

    /// Waits until something was recorded; the file is then to be brought to the disk.
    pub async fn wrote(&self) -> Arc<File> {
        self.dirty.notified().await;
        self.file.clone()
    }

    /// The file, to be brought to the disk at the end.
    pub fn file(&self) -> &File {
        &self.file
    }
}

impl<'a> Who<'a> {
    fn record(self) -> Option<audit::Peer<'a>> {
        match self {
            Self::Nobody => None,
            Self::User { uid, pid } => {
                Some(audit::Peer { kernel: audit::Kernel { pid, uid, gid: None, exe: None }, claims: None })
            }
            Self::Process(kernel) => Some(audit::Peer { kernel: kernel.record(), claims: None }),
            Self::Peer(evidence) | Self::Ran(evidence, _) => Some(evidence.record()),
        }
    }

    fn judged(self) -> Option<audit::Judged<'a>> {
        let Self::Ran(_, Asker { pid, name, script, .. }) = self else { return None };
        Some(audit::Judged { pid: *pid, name: plain(name), script: script.as_deref().map(plain) })
    }

    fn subject(self) -> (u32, (u64, u64)) {
        match self {
            Self::Nobody => (0, (0, 0)),
            Self::User { uid, .. } => (uid, (0, 0)),
            Self::Process(kernel)
            | Self::Peer(Evidence { kernel, .. })
            | Self::Ran(Evidence { kernel, .. }, _) => {
                (kernel.uid, kernel.exe.as_ref().map_or((0, 0), |exe| (exe.dev, exe.ino)))
            }
        }
    }
}

/// A wrong PIN: there are five at most until the master password is typed, and each stands there by who tried it.
fn is_guess(entry: &Entry<'_>) -> bool {
    entry.event == Event::Prove && entry.by == Some("wrong-pin")
}

/// What others chose, for whoever reads the log on a terminal: JSON escapes less than what can mislead.
fn plain(text: &str) -> Cow<'_, str> {
    match text.contains(deceives) {
        true => text.replace(deceives, "\u{fffd}").into(),
        false => text.into(),
    }
}

fn tail(file: &mut File) -> io::Result<Vec<u8>> {
    let len = file.seek(SeekFrom::End(0))?;
    file.seek(SeekFrom::Start(len.saturating_sub(TAIL)))?;
    let mut tail = Vec::new();
    file.take(TAIL).read_to_end(&mut tail)?;
    Ok(tail)
}

#[cfg(test)]
#[path = "journal_tests.rs"]
mod tests;
