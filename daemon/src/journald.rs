//! Records of the audit log for the system's journal, if the owner asks for that: each goes to journald
//! too, as one datagram of its native protocol, once the file has it. The file stays the log: nothing
//! here waits, and what does not go through is counted, not kept.

use std::cell::{Cell, RefCell};
use std::io;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};

use glassdome_audit::export::{self, Severity};
use glassdome_audit::{self as audit, Record};

/// Where journald takes records in (systemd, *Native Journal Protocol*).
pub const SOCKET: &str = "/run/systemd/journal/socket";

/// The way to a journal.
#[derive(Debug)]
pub struct Journald {
    to: PathBuf,
    socket: UnixDatagram,
    entry: RefCell<Vec<u8>>,
    sent: Cell<u64>,
    lost: Cell<u64>,
    why: Cell<Option<Why>>,
}

/// Why a record did not go through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    /// Nobody listens there.
    Nobody,
    /// The journal is behind, and nobody waits for it.
    Full,
    /// The record does not fit a datagram.
    TooLong,
    /// The system said something else.
    Refused(io::ErrorKind),
}

/// How many records went through since the daemon began.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tally {
    /// Those that did.
    pub sent: u64,
    /// Those that did not.
    pub lost: u64,
    /// Why the last one did not, unless a later one did.
    pub why: Option<Why>,
}

impl Journald {
    /// Records will go to the socket at `path`, whether or not anybody listens there yet: it is looked for
    /// anew with each of them.
    ///
    /// # Errors
    /// When the system gives no socket.
    pub fn at(path: &Path) -> io::Result<Self> {
        let socket = UnixDatagram::unbound()?;
        socket.set_nonblocking(true)?;
        Ok(Self {
            to: path.to_owned(),
            socket,
            entry: RefCell::default(),
            sent: Cell::new(0),
            lost: Cell::new(0),
            why: Cell::new(None),
        })
    }

    /// Sends a record, a line as it stands in the file. Returns at once.
    pub fn send(&self, line: &[u8]) {
        let mut entry = self.entry.borrow_mut();
        entry.clear();
        let sent = encode(line, &mut entry).and_then(|()| self.socket.send_to(&entry, &self.to));
        let why = sent.err().map(|error| Why::of(&error));
        let count = if why.is_none() { &self.sent } else { &self.lost };
        count.set(count.get() + 1);
        if self.why.replace(why).is_none()
            && let Some(why) = why
        {
            // Once, not for each: whoever wants all asks the doctor.
            tracing::warn!("a record did not reach the journal: {}", why.describe());
        }
    }

    /// What became of the records so far.
    pub fn tally(&self) -> Tally {
        Tally { sent: self.sent.get(), lost: self.lost.get(), why: self.why.get() }
    }
}

impl Why {
    fn of(error: &io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => Self::Nobody,
            io::ErrorKind::WouldBlock => Self::Full,
            _ if error.raw_os_error() == Some(rustix::io::Errno::MSGSIZE.raw_os_error()) => Self::TooLong,
            other => Self::Refused(other),
        }
    }

    /// For people.
    pub fn describe(self) -> String {
        match self {
            Self::Nobody => format!("nobody listens at {SOCKET}"),
            Self::Full => "the journal was behind, and nothing waits for it".to_owned(),
            Self::TooLong => "it was too long for a datagram".to_owned(),
            Self::Refused(kind) => kind.to_string(),
        }
    }
}

/// Writes the fields of one entry, in the order in which people look at them.
fn encode(line: &[u8], entry: &mut Vec<u8>) -> io::Result<()> {
    let text = str::from_utf8(line).map_err(io::Error::other)?.trim_end_matches('\n');
    let record = audit::read(text).map_err(io::Error::other)?;
    field(entry, "MESSAGE", &export::message(&record));
    field(entry, "PRIORITY", priority(&record));
    field(entry, "SYSLOG_IDENTIFIER", "glassdome");
    field(entry, "GLASSDOME_EVENT", export::word(record.event));
    field(entry, "GLASSDOME_OUTCOME", export::outcome(record.outcome));
    field(entry, "GLASSDOME_SEQ", &record.seq.to_string());
    some(entry, "GLASSDOME_SESSION", record.session.map(|session| session.to_string()).as_deref());
    some(entry, "GLASSDOME_SECRET", record.secret.as_deref());
    some(entry, "GLASSDOME_TO", record.to.as_deref());
    some(entry, "GLASSDOME_BY", record.by.as_deref());
    let kernel = record.peer.as_ref().map(|peer| &peer.kernel);
    some(entry, "GLASSDOME_UID", kernel.map(|kernel| kernel.uid.to_string()).as_deref());
    some(entry, "GLASSDOME_PID", kernel.and_then(|kernel| kernel.pid).map(|pid| pid.to_string()).as_deref());
    some(entry, "GLASSDOME_EXE", kernel.and_then(|kernel| kernel.exe.as_ref()).map(|exe| &*exe.path));
    some(entry, "GLASSDOME_JUDGED", record.judged.as_ref().map(|judged| &*judged.name));
    let script = record.judged.as_ref().and_then(|judged| judged.script.as_deref());
    some(entry, "GLASSDOME_JUDGED_SCRIPT", script);
    field(entry, "GLASSDOME_RECORD", text);
    Ok(())
}

/// As syslog(3) has them.
fn priority(record: &Record<'_>) -> &'static str {
    match export::severity(record.event, record.outcome) {
        Severity::Informational => "6",
        Severity::Low => "5",
        Severity::Medium => "4",
        Severity::Critical => "2",
    }
}

/// `NAME=value`, or, where a newline in the value would begin another field, the form that says its length.
fn field(entry: &mut Vec<u8>, name: &str, value: &str) {
    entry.extend_from_slice(name.as_bytes());
    if value.contains('\n') {
        entry.push(b'\n');
        entry.extend_from_slice(&(value.len() as u64).to_le_bytes());
    } else {
        entry.push(b'=');
    }
    entry.extend_from_slice(value.as_bytes());
    entry.push(b'\n');
}

fn some(entry: &mut Vec<u8>, name: &str, value: Option<&str>) {
    if let Some(value) = value {
        field(entry, name, value);
    }
}

#[cfg(test)]
#[path = "journald_tests.rs"]
mod tests;
