//! A look at the vault that lies where another one is to be put: what it remembers that the other must not forget. It
//! is not changed by it, whatever it is.

use std::fmt;
use std::path::Path;

use zeroize::Zeroizing;

use crate::header::{Header, VaultId};
use crate::keys::Keys;
use crate::state::State;
use crate::store::Unchanged;
use crate::{Error, panic, setting, vault};

/// A vault's file that is only read.
pub struct Look {
    file: Unchanged,
    header: Header,
}

impl Look {
    /// Looks at the vault at `path`, with all that was acknowledged; `None` if there is none. Whoever calls has its
    /// directory to themselves: no lock is taken, and the file may be one that only can be read.
    ///
    /// # Errors
    /// [`Error::Corrupt`], [`Error::NewerVersion`], [`Error::NotAFile`], [`Error::RedoNotAFile`], [`Error::Storage`].
    pub fn at(path: &Path) -> Result<Option<Self>, Error> {
        let Some(file) = Unchanged::open(path)? else { return Ok(None) };
        let header = vault::read_header(file.reader())?;
        Ok(Some(Self { file, header }))
    }

    /// The vault's id.
    #[must_use]
    pub fn id(&self) -> VaultId {
        self.header.id
    }

    /// As [`Vault::panic`](crate::Vault::panic).
    ///
    /// # Errors
    /// [`Error::Corrupt`] if it cannot be read.
    pub fn panic(&self) -> Result<Option<u64>, Error> {
        panic::read(self.file.reader())
    }

    /// As [`Vault::setting`](crate::Vault::setting).
    ///
    /// # Errors
    /// [`Error::Corrupt`], also if the vault is none that these keys open.
    pub fn setting(&self, keys: &Keys, key: &str) -> Result<Option<Zeroizing<Vec<u8>>>, Error> {
        setting::read(&self.header.id, keys, key, self.file.reader())
    }

    /// As [`Vault::generation`](crate::Vault::generation).
    ///
    /// # Errors
    /// [`Error::Corrupt`], also if the vault is none that these keys open.
    pub fn generation(&self, keys: &Keys) -> Result<u64, Error> {
        Ok(State::read(&self.header.id, keys, self.file.reader())?.0.generation)
    }
}

impl fmt::Debug for Look {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Look").field("id", &self.header.id).finish_non_exhaustive()
    }
}
