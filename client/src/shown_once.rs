//! A secret that this program makes, that its owner is shown once, and that is kept nowhere: the auditor's key, the
//! recovery code. It must neither come into force with nobody having it, nor be kept when it is nobody's.

use std::fs::{OpenOptions, remove_file};
use std::io::{self, ErrorKind, IsTerminal, Write, stdout};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use glassdome_proto::Code;
use glassdome_sys::HeldSignals;
use rustix::process::Signal;
use zeroize::Zeroizing;

use crate::descriptor::write_all;
use crate::error::Error;
use crate::text::notice;

/// What would end this program while nobody but it has what is in force.
const ENDING: [Signal; 4] = [Signal::HUP, Signal::INT, Signal::QUIT, Signal::TERM];

/// What is said about one.
pub(crate) struct Words {
    /// `the secret key`, as the person knows it.
    pub(crate) what: &'static str,
    /// The option that names a file for it.
    pub(crate) option: &'static str,
    /// What they are to do, if nobody said whether it is in force.
    pub(crate) check: &'static str,
}

/// Where it is shown.
#[derive(Clone, Copy)]
pub(crate) enum Place<'a> {
    /// On the terminal, when it is in force.
    Terminal,
    /// In a new file, before it is.
    File(&'a Path),
}

impl<'a> Place<'a> {
    /// The file, if one is named; else the terminal.
    ///
    /// # Errors
    /// [`Error::Usage`] where there is no terminal.
    pub(crate) fn choose(file: Option<&'a Path>, words: &Words) -> Result<Self, Error> {
        match file {
            Some(path) => Ok(Self::File(path)),
            None if stdout().is_terminal() => Ok(Self::Terminal),
            None => Err(Error::Usage(format!(
                "{} is shown on a terminal only; or name a file for it: {} FILE",
                words.what, words.option
            ))),
        }
    }

    /// Keeps `text` in the file, then calls `put_in_force`. What is nobody's is removed again; what may be in force is
    /// kept, or shown. What is given is to be kept until it is shown.
    ///
    /// # Errors
    /// [`Error::FileTaken`], [`Error::WriteFile`]; those of `put_in_force`.
    pub(crate) fn through(
        self,
        words: &Words,
        text: &Zeroizing<Vec<u8>>,
        put_in_force: impl FnOnce(&mut Sending) -> Result<(), Error>,
    ) -> Result<Sending, Error> {
        if let Self::File(path) = self {
            keep(path, text)?;
        }
        let mut sending = Sending::new();
        let set = put_in_force(&mut sending);
        if set.is_err() {
            self.settle(sending.fate, words, text)?;
        }
        set.map(|()| sending)
    }

    fn settle(self, fate: Fate, words: &Words, text: &Zeroizing<Vec<u8>>) -> Result<(), Error> {
        match (fate, self) {
            (Fate::Unused, Self::Terminal) => {}
            // What is told is why it was not taken.
            (Fate::Unused, Self::File(path)) => drop(remove_file(path)),
            (Fate::Unsure, Self::File(path)) => notice::remind(&format!(
                "{} may be in force, and stays in {}. {}",
                words.what,
                path.display(),
                words.check
            )),
            (Fate::Unsure, Self::Terminal) => {
                notice::remind(&format!(
                    "{} may be in force. {}. It is shown this once and kept nowhere:",
                    words.what, words.check
                ));
                put(text)?;
            }
        }
        Ok(())
    }
}

/// The request that puts it in force, which is told of it. From then on no signal ends this program, until this is
/// dropped: behind the showing.
#[must_use]
pub(crate) struct Sending {
    fate: Fate,
    held: Option<HeldSignals>,
}

impl Sending {
    pub(crate) fn new() -> Self {
        Self { fate: Fate::Unused, held: None }
    }

    /// Sends it; `judge` says what became of what was made.
    ///
    /// # Errors
    /// [`Error::Terminal`], before it is sent: signals cannot be held. Those of `send`.
    pub(crate) fn send<T>(
        &mut self,
        judge: impl FnOnce(Result<(), &Error>) -> Fate,
        send: impl FnOnce() -> Result<T, Error>,
    ) -> Result<T, Error> {
        // Where another try is sent, those of before may have their way first.
        self.held = None;
        self.held = Some(HeldSignals::hold(&ENDING).map_err(Error::Terminal)?);
        let sent = send();
        self.fate = judge(sent.as_ref().map(drop));
        if sent.is_err() && self.fate == Fate::Unused {
            self.held = None;
        }
        sent
    }
}

/// What became of it, as far as is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It is not in force, and will not be.
    Unused,
    /// The daemon was told of it, and nobody said that it did not take it.
    Unsure,
}

impl Fate {
    /// After a request whose refusals come behind all that it could change, and say that it has not; but for the one that
    /// says that nobody knows.
    pub(crate) fn after_a_step_of_its_own(set: Result<(), &Error>) -> Self {
        match set {
            Err(Error::Refused { code: Code::Error, .. }) => Self::Unsure,
            Err(Error::Refused { .. }) => Self::Unused,
            _ => Self::Unsure,
        }
    }

    /// After a request that a lock does not cut off: who is told of one knows that it came before.
    pub(crate) fn after_its_end(set: Result<(), &Error>) -> Self {
        match set {
            Err(Error::Refused { code: Code::Locked, .. }) => Self::Unused,
            set => Self::after(set),
        }
    }

    /// After the daemon was told.
    pub(crate) fn after(set: Result<(), &Error>) -> Self {
        match set {
            // What the disk or the daemon failed at may have come behind the change; and a lock ends the waiting for
            // an answer, not what is on its way to the disk.
            Err(Error::Refused { code: Code::Storage | Code::Error | Code::Locked, .. }) => Self::Unsure,
            Err(Error::Refused { .. }) => Self::Unused,
            _ => Self::Unsure,
        }
    }
}

fn keep(path: &Path, text: &Zeroizing<Vec<u8>>) -> Result<(), Error> {
    let failed = |source: io::Error| match source.kind() {
        ErrorKind::AlreadyExists => Error::FileTaken { path: path.to_owned() },
        _ => Error::WriteFile { path: path.to_owned(), source },
    };
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).map_err(failed)?;
    file.write_all(text).and_then(|()| file.write_all(b"\n")).and_then(|()| file.sync_all()).map_err(failed)
}

/// Shows it on the standard output.
///
/// # Errors
/// [`Error::Output`].
pub(crate) fn put(text: &Zeroizing<Vec<u8>>) -> Result<(), Error> {
    // Past the buffer of the library's own, which nobody wipes.
    write_all(stdout(), text).and_then(|()| write_all(stdout(), b"\n")).map_err(Error::Output)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    const WORDS: Words = Words { what: "the key", option: "--key-file", check: "See: ctl audit verify" };

    #[test]
    fn it_is_kept_for_its_owner_and_over_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("key");
        let place = Place::File(&path);
        drop(place.through(&WORDS, &Zeroizing::new(b"one".to_vec()), |_| Ok(())).unwrap());
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        let again =
            place.through(&WORDS, &Zeroizing::new(b"two".to_vec()), |_| panic!("it is kept nowhere yet"));
        assert!(matches!(again, Err(Error::FileTaken { .. })));
        assert_eq!(std::fs::read(&path).unwrap(), b"one\n");
    }

    #[test]
    fn it_goes_only_when_it_was_refused() {
        let refused = |code| Err(Error::Refused { code, message: String::new(), retry_after: None });
        let dir = tempfile::tempdir().unwrap();
        let stays = |set: Result<(), Error>| {
            let path = dir.path().join("key");
            let set = Place::File(&path).through(&WORDS, &Zeroizing::new(b"one".to_vec()), |sending| {
                sending.send(Fate::after, || set)
            });
            let stays = path.exists();
            remove_file(&path).ok();
            assert!(set.is_err());
            stays
        };
        for code in [Code::WrongPassword, Code::Denied, Code::Throttled, Code::NoVault, Code::Usage] {
            assert!(!stays(refused(code)), "{code:?}");
        }
        for code in [Code::Storage, Code::Error, Code::Locked] {
            assert!(stays(refused(code)), "{code:?}: the change may be in force");
        }
        // Where a lock is answered behind all that could come into force, it tells that nothing did.
        let refused = |code| Error::Refused { code, message: String::new(), retry_after: None };
        assert_eq!(Fate::after_its_end(Err(&refused(Code::Locked))), Fate::Unused);
        assert_eq!(Fate::after_its_end(Err(&refused(Code::Storage))), Fate::Unsure);
        assert_eq!(Fate::after_its_end(Err(&Error::Closed)), Fate::Unsure);
        // And where the disk is, too, only what is not known is.
        for code in [Code::Locked, Code::Storage, Code::Corrupt, Code::Conflict] {
            assert_eq!(Fate::after_a_step_of_its_own(Err(&refused(code))), Fate::Unused, "{code:?}");
        }
        for error in [refused(Code::Error), Error::Closed, Error::TimedOut] {
            assert_eq!(Fate::after_a_step_of_its_own(Err(&error)), Fate::Unsure, "{error}");
        }
        for lost in [Error::Closed, Error::TimedOut, Error::Unexpected] {
            assert!(stays(Err(lost)));
        }
    }

    #[test]
    fn no_signal_ends_this_program_until_it_is_shown() {
        let is_held = || {
            let status = std::fs::read_to_string("/proc/thread-self/status").unwrap();
            let mask = status.lines().find_map(|line| line.strip_prefix("SigBlk:")).unwrap();
            let mask = u64::from_str_radix(mask.trim(), 16).unwrap();
            ENDING.map(|signal| mask >> (signal.as_raw() - 1) & 1 == 1)
        };
        let refused = |code| Error::Refused { code, message: String::new(), retry_after: None };
        assert_eq!(is_held(), [false; 4], "control");
        let mut sending = Sending::new();
        sending
            .send(Fate::after, || {
                assert_eq!(is_held(), [true; 4], "while its answer is waited for");
                Ok(())
            })
            .unwrap();
        assert_eq!(is_held(), [true; 4], "and behind that");
        assert!(sending.send(Fate::after, || Err::<(), _>(refused(Code::WrongPassword))).is_err());
        assert_eq!(is_held(), [false; 4], "another password is asked for");
        assert!(sending.send(Fate::after, || Err::<(), _>(Error::TimedOut)).is_err());
        assert_eq!(is_held(), [true; 4], "it may be in force, and is still to be shown");
        drop(sending);
        assert_eq!(is_held(), [false; 4]);
    }
}
