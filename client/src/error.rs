//! What can go wrong on the client's side, each with the one line that a person reads. No text
//! holds a secret; the daemon's own line is shown as it came, without control characters.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use glassdome_proto::session::LockReason;
use glassdome_proto::{Code, DecodeError, EncodeError, FrameError, GlobError, NameError, Refusal};

use crate::daemon_check::Distrust;
use crate::exit::Exit;

/// Which of the two programs is the older one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// This one.
    Client,
    /// The daemon.
    Daemon,
}

/// Something was not done.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Bad arguments.
    #[error("{0}")]
    Usage(String),
    /// A secret or a field cannot be called that.
    #[error(transparent)]
    Name(#[from] NameError),
    /// Not a glob.
    #[error(transparent)]
    Glob(#[from] GlobError),
    /// More bytes than the protocol takes.
    #[error("{what} may have at most {max} bytes")]
    TooLong {
        /// What has a limit.
        what: &'static str,
        /// The limit in bytes.
        max: usize,
    },
    /// Typed twice, and not the same.
    #[error("the two entries differ: nothing was changed")]
    NotTheSame,
    /// No such question is open.
    #[error("there is no open question {id}: it was answered, or its time is over. Questions: ctl approvals")]
    NoQuestion {
        /// Its number.
        id: u32,
    },
    /// Nothing listens.
    #[error("no daemon at {}. Start it: glassdome_start", socket.display())]
    NoDaemon {
        /// Where one was looked for.
        socket: PathBuf,
    },
    /// Something listens, and it cannot be trusted.
    #[error("{0}")]
    NotOurs(#[from] Distrust),
    /// This program was started without the stamp that its file has.
    #[error(
        "this program was started without its stamp (by a debugger, without new privileges, in a \
         namespace of its own, or from a file system mounted nosuid), and cannot tell the daemon from \
         another program: it sends nothing. Start it from an ordinary shell"
    )]
    Withheld,
    /// The socket cannot be reached.
    #[error("cannot connect to {}: {source}", socket.display())]
    Connect {
        /// Which.
        socket: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The daemon's program is not where it belongs.
    #[error("{} is missing: install all programs of glassdome into one directory", path.display())]
    NoProgram {
        /// Where it belongs: beside this program.
        path: PathBuf,
    },
    /// The handle by which this program asks is over.
    #[error(
        "the handle has ended: with its time, its program or the session, or by ctl revoke. Start this program anew"
    )]
    HandleEnded,
    /// The daemon hung up.
    #[error("the daemon closed the connection: see `ctl status`")]
    Closed,
    /// The daemon did not answer.
    #[error("the daemon did not answer in time: see `ctl status`")]
    TimedOut,
    /// The daemon said no.
    #[error("{message}")]
    Refused {
        /// What kind.
        code: Code,
        /// Its line.
        message: String,
        /// When another try makes sense.
        retry_after: Option<Duration>,
    },
    /// No session is opened by the password alone.
    #[error("locked: panic. {}", LockReason::Panic.mend())]
    Panic,
    /// The daemon could not start.
    #[error("the daemon did not start: {line}")]
    DaemonFailed {
        /// What its exit code means.
        exit: Exit,
        /// Its line.
        line: String,
    },
    /// The vault was not recovered.
    #[error("{line}")]
    NotRecovered {
        /// What its exit code means.
        exit: Exit,
        /// The line of the program that was to do it.
        line: String,
    },
    /// The keyring has what was to be taken out of it.
    #[error(
        "{what} still in the keyring, which is locked or would have asked you: unlock it, then try again"
    )]
    KeyringKeeps {
        /// What.
        what: String,
    },
    /// No protocol version in common.
    #[error("{}", match side {
        Side::Client => "the daemon is newer than this program: upgrade the client",
        Side::Daemon => "the daemon is older than this program: run `ctl stop` with the former \
                         version, or upgrade and restart the daemon",
    })]
    Upgrade {
        /// Which side is older.
        side: Side,
    },
    /// Not a frame.
    #[error("the daemon sent {0}: the two sides may have different versions")]
    Frame(#[from] FrameError),
    /// Not a message.
    #[error("the daemon's answer is {0}: the two sides may have different versions")]
    Decode(#[from] DecodeError),
    /// A message that does not fit a frame.
    #[error(transparent)]
    Encode(#[from] EncodeError),
    /// An answer to another question.
    #[error("the daemon gave an answer to another question: the two sides may have different versions")]
    Unexpected,
    /// A file could not be written; what was there before is still there.
    #[error("cannot write {}: {source}; nothing was changed", path.display())]
    WriteFile {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Where a file is to be made that nobody replaces, something is already.
    #[error("{} is there already: name another file", path.display())]
    FileTaken {
        /// Where.
        path: PathBuf,
    },
    /// There is something already, and nobody said to replace it.
    #[error("{} is there already: name another file, or --replace it", path.display())]
    FileExists {
        /// What.
        path: PathBuf,
    },
    /// The backup that is there may be the last from which all can be recovered.
    #[error(
        "the vault is damaged, and its backup would be: {} was left. Keep it; see what is: ctl storage test",
        path.display()
    )]
    BackupOfDamaged {
        /// Where the one from before is.
        path: PathBuf,
    },
    /// A password or a value is needed, and there is nothing to take it from.
    #[error("{0}")]
    NoInput(&'static str),
    /// The process could not be closed to its neighbours.
    #[error("cannot protect this process from being read by others: {0}")]
    Harden(#[source] io::Error),
    /// The daemon's program could not be run.
    #[error("cannot start the daemon: {0}")]
    StartDaemon(#[source] io::Error),
    /// The kernel gave no random bytes.
    #[error("no random bytes from the kernel: {0}")]
    Random(#[source] io::Error),
    /// The terminal failed while it was asked on.
    #[error("cannot ask on the terminal: {0}")]
    Terminal(#[source] io::Error),
    /// The standard input or a descriptor could not be read.
    #[error("cannot read the input: {0}")]
    ReadInput(#[source] io::Error),
    /// A file could not be read.
    #[error("cannot read {}: {source}", path.display())]
    ReadFile {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The standard output could not be written.
    #[error("cannot write the output: {0}")]
    Output(#[source] io::Error),
    /// A script's copy could not be made.
    #[error("no copy of the script can be made that nobody can change: {0}")]
    SealScript(#[source] io::Error),
    /// A program could not be started.
    #[error("cannot run {program}: {}", match source.kind() {
        io::ErrorKind::NotFound => "no such program".to_owned(),
        io::ErrorKind::ArgumentListTooLong => "its arguments and environment are too large: one variable takes \
                                               128 KiB at most".to_owned(),
        _ => source.to_string(),
    })]
    Run {
        /// Its name, fit for a terminal.
        program: String,
        /// Why.
        source: io::Error,
    },
    /// A signal that would have ended this program came while a person was asked.
    #[error("interrupted: nothing was done")]
    Interrupted {
        /// Which.
        signal: rustix::process::Signal,
    },
    /// Whoever waited did not want to wait any longer ([`crate::Interruption`]).
    #[error("interrupted: the daemon's answer was not waited for")]
    BrokenOff,
    /// The person's editor did not end well.
    #[error("the editor {command} ended with {status}: nothing was sealed. Another one: set EDITOR")]
    Editor {
        /// As it was named, fit for a terminal.
        command: String,
        /// How.
        status: std::process::ExitStatus,
    },
    /// Some of what was to be stored is in, and then came something.
    #[error("{cause}. At least {stored} of {all} are in: run it again, what is in is passed over")]
    HalfIn {
        /// How many are in that are known to be.
        stored: usize,
        /// Of how many.
        all: usize,
        /// What came.
        #[source]
        cause: Box<Error>,
    },
    /// What decrypts a store of `pass` could not be run.
    #[error("cannot run gpg, which decrypts the store ({0}): nothing was stored. Is gnupg installed?")]
    Gpg(#[source] io::Error),
    /// There is no directory that only this user can enter.
    #[error(transparent)]
    Private(glassdome_sys::DirError),
    /// The connection failed underneath.
    #[error("the connection to the daemon failed: {0}")]
    Exchange(#[source] io::Error),
}

impl Error {
    /// Whether nobody reads our output any more, as after `ctl list | head -1`: no reason to talk.
    pub fn is_broken_pipe(&self) -> bool {
        matches!(self, Self::Output(source) if source.kind() == io::ErrorKind::BrokenPipe)
    }

    /// The line for a person: the error's own, and where it names no remedy, the remedy.
    pub fn advice(&self) -> String {
        let line = self.to_string();
        match self.code() {
            // A second sentence says what to do.
            Some(Code::Locked | Code::NoVault)
                if !line.contains("glassdome_start") && !line.contains(". ") =>
            {
                format!("{line}: run glassdome_start")
            }
            _ => line,
        }
    }

    /// What the daemon refused with, if it did.
    pub fn code(&self) -> Option<Code> {
        match self {
            Self::Refused { code, .. } => Some(*code),
            Self::HalfIn { cause, .. } => cause.code(),
            _ => None,
        }
    }
}

impl From<Refusal<'_>> for Error {
    fn from(refusal: Refusal<'_>) -> Self {
        Self::Refused {
            code: refusal.code,
            message: printable(&refusal.message),
            retry_after: refusal.retry_after_ms.map(|ms| Duration::from_millis(ms.into())),
        }
    }
}

/// The text without what steers a terminal, hides or turns the line around: another process wrote it.
pub(crate) fn printable(text: &str) -> String {
    text.chars().map(|c| if glassdome_proto::deceives(c) { ' ' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_cannot_steer_the_terminal() {
        let refusal = Refusal::new(Code::Denied, "no\x1b[2J\nway\u{202e}\u{e0041}");
        let error = Error::from(refusal);
        assert_eq!(error.to_string(), "no [2J way  ");
        assert_eq!(error.code(), Some(Code::Denied));
    }

    #[test]
    fn whoever_is_locked_out_is_told_how_to_get_in() {
        let advice = |code, line| Error::from(Refusal::new(code, line)).advice();
        assert_eq!(advice(Code::Locked, "locked"), "locked: run glassdome_start");
        let line = "locked: your keyring is locked. Unlock it, then try again";
        assert_eq!(advice(Code::Locked, line), line);
        assert_eq!(advice(Code::NoVault, "no vault: run glassdome_start"), "no vault: run glassdome_start");
        assert_eq!(advice(Code::Denied, "no"), "no");
    }

    #[test]
    fn a_reader_who_left_is_told_nothing() {
        assert!(Error::Output(io::ErrorKind::BrokenPipe.into()).is_broken_pipe());
        assert!(!Error::Output(io::ErrorKind::StorageFull.into()).is_broken_pipe());
        assert!(!Error::Exchange(io::ErrorKind::BrokenPipe.into()).is_broken_pipe());
    }
}
