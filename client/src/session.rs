//! The session, as a client asks about it.

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

    /// Makes sure that a session is open before a person is asked for something that needs one.
    ///
    /// # Errors
    /// [`Error::Refused`] as `Locked` or `NoVault` when there is none; as [`Connection::call`].
    pub fn require_session(&mut self) -> Result<(), Error> {
        let status = self.status()?;
        let (code, message) = match (status.state, status.vault) {
            (State::Unlocked { .. }, _) => return Ok(()),
            (State::Locked, VaultState::Absent) => {
                (Code::NoVault, "there is no vault yet. Create one: glassdome_start".to_owned())
            }
            (State::Locked, _) => {
                let why = status.last_lock.map_or("no session yet", LockReason::describe);
                let mend = status.last_lock.unwrap_or(LockReason::Requested).mend();
                (Code::Locked, format!("locked: {why}. {mend}"))
            }
        };
        Err(Error::Refused { code, message, retry_after: None })
    }
}
