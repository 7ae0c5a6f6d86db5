//! Where the vault is, and a backup of it, part by part.

use glassdome_proto::session::Password;
use glassdome_proto::storage::{Answer as StorageAnswer, Request, Tested};
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

    /// Has all of the vault and the log read, for as long as it takes.
    ///
    /// # Errors
    /// As [`Connection::call`].
    pub(crate) fn test_storage(&mut self, proof: Option<Password<'_>>) -> Result<Tested<'_>, Error> {
        let id = self.begin(Body::Storage(Request::Test { proof }))?;
        self.wait_for_ever();
        match self.answer(id)? {
            Answer::Storage(StorageAnswer::Tested(tested)) => Ok(tested),
            _ => Err(Error::Unexpected),
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
