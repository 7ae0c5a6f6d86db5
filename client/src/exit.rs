//! Exit codes: the one place where an error becomes the number that scripts act on.

use glassdome_proto::Code;

use crate::error::Error;

/// How a program of ours ends. The numbers are an interface: none ever changes its meaning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// Done.
    Ok = 0,
    /// Anything that is none of the below.
    Error = 1,
    /// Bad arguments, or a value or name over its limit.
    Usage = 2,
    /// No session.
    Locked = 3,
    /// Refused by the policy, or nobody approved.
    Denied = 4,
    /// No such secret, field or version.
    NotFound = 5,
    /// No daemon, or it is not ours.
    Unreachable = 6,
    /// The password does not open the vault.
    WrongPassword = 7,
    /// Too many attempts or requests.
    Throttled = 8,
    /// It exists already, or changed since it was read.
    Conflict = 9,
    /// Something sealed fails its authentication.
    Corrupt = 10,
    /// The two sides speak different versions.
    Protocol = 11,
    /// The disk refused; nothing was changed.
    Storage = 12,
    /// A password or a value is needed, and there is nothing to take it from.
    NoInput = 13,
    /// `ctl run` started nothing, for a reason of its own: as env(1) and timeout(1) have it.
    NotRun = 125,
    /// `ctl run` found a program that cannot be run.
    CannotRun = 126,
    /// `ctl run` found no such program.
    NoProgram = 127,
}

impl Exit {
    /// Those that any program of ours may end with.
    const ALL: [Exit; 14] = [
        Self::Ok,
        Self::Error,
        Self::Usage,
        Self::Locked,
        Self::Denied,
        Self::NotFound,
        Self::Unreachable,
        Self::WrongPassword,
        Self::Throttled,
        Self::Conflict,
        Self::Corrupt,
        Self::Protocol,
        Self::Storage,
        Self::NoInput,
    ];

    /// The number that the shell sees.
    pub fn number(self) -> u8 {
        self as u8
    }

    /// What a program ends with that failed so.
    pub fn of(error: &Error) -> Self {
        error.into()
    }

    /// The meaning of another program's number, if it keeps to this table; [`Exit::Error`] if not.
    pub fn from_number(number: i32) -> Self {
        let known = Self::ALL.into_iter().find(|exit| i32::from(exit.number()) == number);
        known.unwrap_or(Self::Error)
    }
}

impl From<Code> for Exit {
    fn from(code: Code) -> Self {
        match code {
            Code::Error => Self::Error,
            Code::Usage | Code::WeakPassword => Self::Usage,
            Code::Locked | Code::NoVault | Code::Paused => Self::Locked,
            Code::Denied => Self::Denied,
            Code::NotFound => Self::NotFound,
            Code::WrongPassword => Self::WrongPassword,
            Code::Throttled => Self::Throttled,
            Code::Conflict => Self::Conflict,
            Code::Corrupt => Self::Corrupt,
            Code::Protocol => Self::Protocol,
            Code::Storage => Self::Storage,
        }
    }
}

impl From<&Error> for Exit {
    fn from(error: &Error) -> Self {
        match error {
            Error::Usage(_) | Error::Name(_) | Error::Glob(_) | Error::TooLong { .. } | Error::NotTheSame => {
                Self::Usage
            }
            Error::NoDaemon { .. }
            | Error::NotOurs(_)
            | Error::Withheld
            | Error::Connect { .. }
            | Error::NoProgram { .. }
            | Error::Closed
            | Error::HandleEnded
            | Error::TimedOut => Self::Unreachable,
            Error::Panic | Error::KeyringKeeps { .. } => Self::Locked,
            Error::Refused { code, .. } => (*code).into(),
            Error::HalfIn { cause, .. } => (&**cause).into(),
            Error::DaemonFailed { exit, .. } | Error::NotRecovered { exit, .. } => *exit,
            Error::Upgrade { .. }
            | Error::Frame(_)
            | Error::Decode(_)
            | Error::Encode(_)
            | Error::Unexpected => Self::Protocol,
            Error::WriteFile { .. } => Self::Storage,
            Error::FileExists { .. } | Error::FileTaken { .. } => Self::Conflict,
            Error::BackupOfDamaged { .. } => Self::Corrupt,
            Error::NoInput(_) | Error::Interrupted { .. } => Self::NoInput,
            Error::Run { source, .. } if source.kind() == std::io::ErrorKind::NotFound => Self::NoProgram,
            Error::Run { .. } => Self::CannotRun,
            Error::NoQuestion { .. } => Self::NotFound,
            Error::Harden(_)
            | Error::StartDaemon(_)
            | Error::Random(_)
            | Error::Terminal(_)
            | Error::ReadInput(_)
            | Error::ReadFile { .. }
            | Error::Output(_)
            | Error::SealScript(_)
            | Error::Editor { .. }
            | Error::Gpg(_)
            | Error::Private(_)
            | Error::BrokenOff
            | Error::Exchange(_) => Self::Error,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::path::PathBuf;

    use glassdome_proto::{DecodeError, EncodeError, FrameError, GlobError, NameError};

    use super::*;
    use crate::daemon_check::Distrust;
    use crate::error::Side;

    fn broken() -> io::Error {
        io::Error::other("broken")
    }

    fn refused(code: Code) -> Error {
        Error::Refused { code, message: "no".into(), retry_after: None }
    }

    #[test]
    fn the_numbers_are_the_documented_ones() {
        let numbers: Vec<u8> = Exit::ALL.into_iter().map(Exit::number).collect();
        assert_eq!(numbers, (0..=13).collect::<Vec<u8>>());
        assert_eq!(Exit::from_number(12), Exit::Storage);
        assert_eq!(Exit::from_number(0), Exit::Ok);
        assert_eq!(Exit::from_number(14), Exit::Error);
        assert_eq!(Exit::from_number(-1), Exit::Error);
    }

    #[test]
    fn each_refusal_has_its_number() {
        let numbers = [
            (Code::Error, 1),
            (Code::Usage, 2),
            (Code::WeakPassword, 2),
            (Code::Locked, 3),
            (Code::NoVault, 3),
            (Code::Paused, 3),
            (Code::Denied, 4),
            (Code::NotFound, 5),
            (Code::WrongPassword, 7),
            (Code::Throttled, 8),
            (Code::Conflict, 9),
            (Code::Corrupt, 10),
            (Code::Protocol, 11),
            (Code::Storage, 12),
        ];
        for (code, number) in numbers {
            assert_eq!(Exit::from(&refused(code)).number(), number, "{code:?}");
        }
    }

    #[test]
    fn each_error_of_our_own_has_its_number() {
        let path = || PathBuf::from("/x");
        let errors = [
            (Error::Usage("x".into()), 2),
            (Error::Name(NameError::Empty), 2),
            (Error::Glob(GlobError::Empty), 2),
            (Error::TooLong { what: "a password", max: 1 }, 2),
            (Error::NotTheSame, 2),
            (Error::NoDaemon { socket: path() }, 6),
            (Error::NotOurs(Distrust::Peer { uid: 1 }), 6),
            (Error::NotOurs(Distrust::Unstamped { pid: 1 }), 6),
            (Error::Withheld, 6),
            (Error::Connect { socket: path(), source: broken() }, 6),
            (Error::NoProgram { path: path() }, 6),
            (Error::Closed, 6),
            (Error::TimedOut, 6),
            (Error::DaemonFailed { exit: Exit::Corrupt, line: "x".into() }, 10),
            (Error::Upgrade { side: Side::Daemon }, 11),
            (Error::Frame(FrameError::Empty), 11),
            (Error::Decode(DecodeError::Malformed), 11),
            (Error::Encode(EncodeError), 11),
            (Error::Unexpected, 11),
            (Error::WriteFile { path: path(), source: broken() }, 12),
            (Error::NoInput("x"), 13),
            (Error::Interrupted { signal: rustix::process::Signal::INT }, 13),
            (Error::NoQuestion { id: 3 }, 5),
            (Error::Harden(broken()), 1),
            (Error::StartDaemon(broken()), 1),
            (Error::Random(broken()), 1),
            (Error::Terminal(broken()), 1),
            (Error::ReadInput(broken()), 1),
            (Error::ReadFile { path: path(), source: broken() }, 1),
            (Error::Output(broken()), 1),
            (Error::Exchange(broken()), 1),
            (Error::Editor { command: "vi".into(), status: Default::default() }, 1),
            (Error::Gpg(broken()), 1),
            (Error::Private(glassdome_sys::DirError::Io { path: path(), source: broken() }), 1),
            (Error::Run { program: "x".into(), source: broken() }, 126),
            (Error::Run { program: "x".into(), source: io::ErrorKind::NotFound.into() }, 127),
        ];
        for (error, number) in errors {
            assert_eq!(Exit::from(&error).number(), number, "{error:?}");
        }
    }
}
