//! A new master key for the vault, step by step.

use glassdome_proto::rotation::{Answer as RotationAnswer, Former, Progress, Request};
use glassdome_proto::session::Password;
use glassdome_proto::settings::RecoveryCode;
use glassdome_proto::{Answer, Body};

use crate::connection::Connection;
use crate::error::Error;

/// What is known of a rotation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Rotation {
    /// Since when it lies unfinished, in seconds since the epoch.
    pub(crate) since: Option<u64>,
    /// How far the one is that is under way.
    pub(crate) under_way: Option<Progress>,
}

impl Connection {
    /// Whether one is unfinished.
    ///
    /// # Errors
    /// As [`Connection::call`].
    pub(crate) fn rotation(&mut self) -> Result<Rotation, Error> {
        match self.rotate(Request::State)? {
            RotationAnswer::State { since, under_way } => Ok(Rotation { since, under_way }),
            _ => Err(Error::Unexpected),
        }
    }

    /// Begins one, or goes on with the one that is unfinished: how many rows were done before.
    ///
    /// # Errors
    /// As [`Connection::call`].
    pub(crate) fn begin_rotation(
        &mut self,
        password: Password<'_>,
        recovery: Option<RecoveryCode<'_>>,
    ) -> Result<u64, Error> {
        match self.rotate(Request::Begin { password, recovery })? {
            RotationAnswer::Begun { done_before } => Ok(done_before),
            _ => Err(Error::Unexpected),
        }
    }

    /// Has the next step done.
    ///
    /// # Errors
    /// As [`Connection::call`].
    pub(crate) fn step_rotation(&mut self) -> Result<Progress, Error> {
        match self.rotate(Request::Step)? {
            RotationAnswer::Done(progress) => Ok(progress),
            _ => Err(Error::Unexpected),
        }
    }

    /// Has the new key in force, and says what became of the former file.
    ///
    /// # Errors
    /// As [`Connection::call`].
    pub(crate) fn finish_rotation(&mut self) -> Result<Former, Error> {
        match self.rotate(Request::Finish)? {
            RotationAnswer::Finished { former } => Ok(former),
            _ => Err(Error::Unexpected),
        }
    }

    fn rotate(&mut self, request: Request<'_>) -> Result<RotationAnswer, Error> {
        match self.call(Body::Rotation(request))? {
            Answer::Rotation(answer) => Ok(answer),
            _ => Err(Error::Unexpected),
        }
    }
}
