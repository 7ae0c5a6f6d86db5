//! A vault's file as it is with all that was acknowledged, read without a byte of it, or beside it, being changed, and
//! whether or not it may be: what lies where a vault is to be recovered is kept as it was found.

use std::fs::File;
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use redb::{Database, StorageBackend};
use rustix::fs::OFlags;

use super::open::replay;
use super::pending::Pending;
use super::read_only::ReadOnly;
use super::{Reader, guarded, open_checked, opening};
use crate::Error;
use crate::overlay::Overlay;
use crate::redo::Redo;

/// An open file that stays as it is.
pub(crate) struct Unchanged {
    reader: Option<Reader>,
    database: Option<Database>,
}

impl Unchanged {
    /// Opens the file, and makes in memory what was recorded and is not in it; `None` if there is none. It is not
    /// locked: whoever calls has it to themselves.
    pub fn open(path: &Path) -> Result<Option<Self>, Error> {
        // What is no file at all is not waited for.
        let flags = OFlags::NONBLOCK.bits().cast_signed();
        let file = match File::options().read(true).custom_flags(flags).open(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            opened => opened.map_err(Error::Storage)?,
        };
        if !file.metadata().map_err(Error::Storage)?.is_file() {
            return Err(Error::NotAFile);
        }
        let overlay = Overlay::over(ReadOnly::now(file).map_err(Error::Storage)?).map_err(opening)?;
        Self::over(overlay, |reader| replay(reader, &mut Redo::of(path))).map(Some)
    }

    /// Opens it by way of `overlay`, with what is `recorded` beside it.
    pub(super) fn over<F: StorageBackend>(
        overlay: Overlay<F>,
        recorded: impl FnOnce(&Reader) -> Result<Pending, Error>,
    ) -> Result<Self, Error> {
        let mut opened = Self { reader: None, database: None };
        guarded(|| {
            let database = opened.database.insert(open_checked(overlay)?);
            let reader = Reader::new(database)?;
            let pending = recorded(&reader)?;
            opened.reader = Some(reader.with(pending));
            Ok(())
        })?;
        Ok(opened)
    }

    /// All of it.
    pub fn reader(&self) -> &Reader {
        self.reader.as_ref().expect("it is there from the opening to the end")
    }
}

impl Drop for Unchanged {
    fn drop(&mut self) {
        self.reader = None;
        let database = self.database.take();
        // What redb writes when it closes stays in memory, and so does what a damaged file makes of that.
        let _ = guarded(|| {
            drop(database);
            Ok(())
        });
    }
}
