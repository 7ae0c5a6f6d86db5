//! The session, as a client asks about it.

use std::convert::Infallible;

use glassdome_proto::session::{Answer as SessionAnswer, LockReason, Request, State, Status, VaultState};
use glassdome_proto::{Answer, Body, Code, Text};

use crate::connection::Connection;
use crate::errand::{Errand, Heard};
use crate::error::Error;

impl Connection {
    /// The daemon's state.
    ///
    /// # Errors
    /// As [`Connection::call`].
    pub fn status(&mut self) -> Result<Status<'_>, Error> {
        told(self.call(Body::Session(Request::Status))?)
    }

    /// Ends the session, if one is open.
    ///
    /// # Errors
    /// As [`Connection::call`].
    pub fn lock(&mut self) -> Result<(), Error> {
        self.run(&mut Lock)
    }

    /// Hands the daemon's state to `each`, now and whenever the session begins, is renewed, is about to end, or
    /// ends. It goes on until something fails, which is what it gives: [`Error::Closed`] when the daemon ends.
    pub fn watch(&mut self, mut each: impl FnMut(&Status<'_>) -> Result<(), Error>) -> Error {
        let mut told = || -> Result<Infallible, Error> {
            let id = self.begin(Body::Session(Request::Watch))?;
            loop {
                each(&self.next_status(id)?)?;
                // The first one was due; nobody knows when the next is.
                self.wait_for_ever();
            }
        };
        match told() {
            Ok(never) => match never {},
            Err(error) => error,
        }
    }

    /// As [`Connection::watch`], for whoever takes one state after the other: the connection is for nothing else
    /// from then on.
    ///
    /// # Errors
    /// As [`Connection::call`].
    pub fn into_watching(mut self) -> Result<Watching, Error> {
        let id = self.begin(Body::Session(Request::Watch))?;
        Ok(Watching { connection: self, id, is_first: true })
    }

    fn next_status(&mut self, id: u32) -> Result<Status<'_>, Error> {
        told(self.answer(id)?)
    }

    /// Makes sure that a session is open before a person is asked for something that needs one.
    ///
    /// # Errors
    /// [`Error::Refused`] as `Locked` or `NoVault` when there is none; as [`Connection::call`].
    pub fn require_session(&mut self) -> Result<(), Error> {
        let status = self.status()?;
        match (status.state, status.vault) {
            (State::Unlocked { .. } | State::Paused { .. }, _) => Ok(()),
            (State::Locked, VaultState::Absent) => Err(no_vault()),
            (State::Locked, _) => Err(locked(status.last_lock)),
        }
    }

    /// Makes sure that there is a vault, and that passwords are taken, before a person is asked for one that
    /// needs no session.
    ///
    /// # Errors
    /// As [`Connection::require_session`], `Locked` in a panic only.
    pub fn require_vault(&mut self) -> Result<(), Error> {
        let status = self.status()?;
        match (status.vault, status.last_lock) {
            (VaultState::Absent, _) => Err(no_vault()),
            (_, panic @ Some(LockReason::Panic)) => Err(locked(panic)),
            _ => Ok(()),
        }
    }
}

/// A connection that is told how the session changes.
pub struct Watching {
    connection: Connection,
    id: u32,
    is_first: bool,
}

impl Watching {
    /// Waits for the next state, for as long as it takes; the first one comes at once.
    ///
    /// # Errors
    /// [`Error::Closed`] when the daemon ends; as [`Connection::call`].
    #[expect(clippy::should_implement_trait, reason = "an iterator cannot lend what it gives")]
    pub fn next(&mut self) -> Result<Status<'_>, Error> {
        if !std::mem::take(&mut self.is_first) {
            self.connection.wait_for_ever();
        }
        self.connection.next_status(self.id)
    }
}

fn told(answer: Answer<'_>) -> Result<Status<'_>, Error> {
    match answer {
        Answer::Session(SessionAnswer::Status(status)) => Ok(status),
        _ => Err(Error::Unexpected),
    }
}

/// The end of the session.
pub(crate) struct Lock;

impl Errand for Lock {
    type Told = ();

    fn ask(&self) -> Result<Body<'_>, Error> {
        Ok(Body::Session(Request::Lock))
    }

    fn hear(&mut self, answer: Answer<'_>) -> Result<Heard<()>, Error> {
        match answer {
            Answer::Session(SessionAnswer::Locked) => Ok(Heard::All(())),
            _ => Err(Error::Unexpected),
        }
    }
}

/// The daemon's state, for whoever is told later.
pub(crate) struct Look {
    /// Whether each further state is told, too.
    pub(crate) again: bool,
}

impl Errand for Look {
    type Told = Status<'static>;

    fn ask(&self) -> Result<Body<'_>, Error> {
        Ok(Body::Session(if self.again { Request::Watch } else { Request::Status }))
    }

    fn hear(&mut self, answer: Answer<'_>) -> Result<Heard<Self::Told>, Error> {
        let status = told(answer)?;
        let status = Status { version: Text::cut(status.version.into_owned()), ..status };
        Ok(if self.again { Heard::Now(status) } else { Heard::All(status) })
    }
}

fn no_vault() -> Error {
    refused(Code::NoVault, "there is no vault yet. Create one: glassdome_start".to_owned())
}

fn locked(last: Option<LockReason>) -> Error {
    let why = last.map_or("no session yet", LockReason::describe);
    let mend = last.unwrap_or(LockReason::Requested).mend();
    refused(Code::Locked, format!("locked: {why}. {mend}"))
}

fn refused(code: Code, message: String) -> Error {
    Error::Refused { code, message, retry_after: None }
}
