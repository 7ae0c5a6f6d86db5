//! The session, as a client asks about it.

use std::convert::Infallible;

use glassdome_proto::session::{Answer as SessionAnswer, LockReason, Request, State, Status, VaultState};
use glassdome_proto::{Answer, Body, Code};

use crate::connection::Connection;
use crate::error::Error;

impl Connection {
    /// The daemon's state.
    ///
    /// # Errors
    /// As [`Connection::call`].
    pub fn status(&mut self) -> Result<Status<'_>, Error> {
        match self.call(Body::Session(Request::Status))? {
            Answer::Session(SessionAnswer::Status(status)) => Ok(status),
            _ => Err(Error::Unexpected),
        }
    }

    /// Hands the daemon's state to `each`, now and whenever the session begins, is renewed, is about to end, or
    /// ends. It goes on until something fails, which is what it gives: [`Error::Closed`] when the daemon ends.
    pub fn watch(&mut self, mut each: impl FnMut(&Status<'_>) -> Result<(), Error>) -> Error {
        let mut told = || -> Result<Infallible, Error> {
            let id = self.begin(Body::Session(Request::Watch))?;
            loop {
                match self.answer(id)? {
                    Answer::Session(SessionAnswer::Status(status)) => each(&status)?,
                    _ => return Err(Error::Unexpected),
                }
                // The first one was due; nobody knows when the next is.
                self.wait_for_ever();
            }
        };
        match told() {
            Ok(never) => match never {},
            Err(error) => error,
        }
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
