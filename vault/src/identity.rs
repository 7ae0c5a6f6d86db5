//! Which file a name leads to: others can give it to another file at any time. What is written into an open file that
//! has lost its name is lost with it.

use std::fs::{self, File, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// Which file it is: device and inode number (stat(3type)).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Identity(u64, u64);

impl From<&Metadata> for Identity {
    fn from(about: &Metadata) -> Self {
        Self(about.dev(), about.ino())
    }
}

impl Identity {
    /// That of an open file.
    pub fn of(file: &File) -> io::Result<Self> {
        file.metadata().map(|about| Self::from(&about))
    }

    /// That of what has this name, which may be a symbolic link; `None` if nothing has it.
    pub fn at(path: &Path) -> io::Result<Option<Self>> {
        match fs::symlink_metadata(path) {
            Ok(about) => Ok(Some(Self::from(&about))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }
}
