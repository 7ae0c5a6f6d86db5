//! Which log somebody means: their own, one in a directory, or files of one that lie anywhere.

use std::path::PathBuf;

use super::place::{Files, Place};
use crate::error::Error;

/// What can be typed to say which.
#[derive(Debug, clap::Args)]
pub(crate) struct WhichArgs {
    /// Files of a log, in any order, or the directory with them, such as one that was set aside; yours if none
    #[arg(value_name = "FILE")]
    files: Vec<PathBuf>,
}

impl WhichArgs {
    /// Whether it is that of whoever asks.
    pub(crate) fn is_own(&self) -> bool {
        self.files.is_empty()
    }

    /// Where it is; none if only files were named.
    ///
    /// # Errors
    /// [`Error::Usage`] without a home.
    pub(crate) fn place(&self) -> Result<Option<Place>, Error> {
        match &self.files[..] {
            [] => Place::find().map(Some),
            [directory] if directory.is_dir() => Ok(Some(Place::at(directory))),
            _ => Ok(None),
        }
    }

    /// Its files, oldest first.
    ///
    /// # Errors
    /// [`Error::ReadFile`]; as [`WhichArgs::place`].
    pub(crate) fn files(&self) -> Result<Files, Error> {
        match self.place()? {
            Some(place) => place.files(),
            None => Files::named(&self.files),
        }
    }
}
