//! Where the vault is, and a backup of it, part by part.

use glassdome_proto::session::Password;
use glassdome_proto::storage::{Answer as StorageAnswer, Request, TestStage, Tested};
use glassdome_proto::{Answer, Body};

use crate::connection::Connection;
use crate::error::Error;

impl Connection {
    /// What is known of the vault's file.
    ///
    /// # Errors
    /// As [`Connection::call`].
    pub(crate) fn storage(&mut self) -> Result<StorageAnswer<'_>, Error> {
        match self.call(Body::Storage(Request::Status))? {
            Answer::Storage(status @ StorageAnswer::Status { .. }) => Ok(status),
            _ => Err(Error::Unexpected),
        }
    }

    /// Has all of the vault and the log read, for as long as it takes, and gives what `read` makes of what came of it.
    /// `progress` is told how far that is.
    ///
    /// # Errors
    /// As [`Connection::call`].
    pub(crate) fn test_storage<T>(
        &mut self,
        proof: Option<Password<'_>>,
        mut progress: impl FnMut(TestStage, u64, u64),
        read: impl FnOnce(&Tested<'_>) -> T,
    ) -> Result<T, Error> {
        let mut body = Body::Storage(Request::Test { proof });
        loop {
            match self.call(body)? {
                Answer::Storage(StorageAnswer::Testing { stage, done, total }) => {
                    progress(stage, done, total)
                }
                Answer::Storage(StorageAnswer::Tested(tested)) => return Ok(read(&tested)),
                _ => return Err(Error::Unexpected),
            }
            body = Body::Storage(Request::TestOn);
        }
    }

    /// Hands all of a backup to `write`, in its order, and says how many bytes that were.
    ///
    /// # Errors
    /// As [`Connection::call`], and those of `write`.
    pub(crate) fn back_up(
        &mut self,
        mut write: impl FnMut(&[u8]) -> Result<(), Error>,
    ) -> Result<u64, Error> {
        let mut all = 0;
        for part in 0..u32::MAX {
            let Answer::Storage(StorageAnswer::Backup { data, more }) =
                self.call(Body::Storage(Request::Backup { part }))?
            else {
                return Err(Error::Unexpected);
            };
            all += data.expose().len() as u64;
            write(data.expose())?;
            if !more {
                return Ok(all);
            }
        }
        Err(Error::Unexpected)
    }

    /// Says that the backup which [`Connection::back_up`] has read is kept where it was to be.
    ///
    /// # Errors
    /// As [`Connection::call`].
    pub(crate) fn backup_kept(&mut self) -> Result<(), Error> {
        match self.call(Body::Storage(Request::Kept))? {
            Answer::Storage(StorageAnswer::Kept) => Ok(()),
            _ => Err(Error::Unexpected),
        }
    }
}
