//! What a rotation left, as whoever comes next finds it: a former file that is still to be overwritten, one that is to be
//! gone on with, and what others put in their place. Nothing is overwritten that may be the last of a vault.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::Error;

use super::place::{Directory, Erased, gone, is_replaced_by, mark_of};

/// What became of what was left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cleared {
    /// There is nothing, or a rotation to be gone on with.
    Whole,
    /// The former file was not overwritten, since it has other names: so many. What lay beside it is gone, or aside.
    Linked(u64),
    /// Something lay there that no rotation leaves: all of it has this name now.
    Aside(PathBuf),
    /// A former file is there, and what is in the vault's place is not known to have replaced it: both are as they were.
    Kept(PathBuf),
}

/// What a kill left: the former file of a rotation that has come to its end is overwritten and gone, and where it has
/// not, the vault has one name. To be called before the vault is opened, by whoever has the place to themselves.
///
/// # Errors
/// [`Error::Storage`].
pub fn clear_up(vault: &Path) -> Result<Cleared, Error> {
    let directory = Directory::beside(vault);
    if !directory.is_there()? {
        return Ok(Cleared::Whole);
    }
    let told = |aside: Option<PathBuf>| aside.map_or(Cleared::Whole, Cleared::Aside);
    let former = directory.former();
    if directory.is_unfinished() {
        if directory.has_former() && !directory.former_is_needless() {
            return Ok(Cleared::Kept(former));
        }
        return match gone(fs::remove_file(former)) {
            Ok(()) => Ok(Cleared::Whole),
            Err(_) => directory.set_aside().map(told),
        };
    }
    if directory.has_former() && !has_replaced(vault, &former) {
        return Ok(Cleared::Kept(former));
    }
    match directory.erase_former(None)? {
        Erased { other_names: 0, aside } => Ok(told(aside)),
        Erased { other_names, .. } => Ok(Cleared::Linked(other_names)),
    }
}

/// As [`clear_up`], for whoever is about to put another file in the vault's place: no former file is overwritten, since
/// it may be newer than that. What is not known to be needless has another name then, which is given.
///
/// # Errors
/// [`Error::Storage`].
pub fn make_way(vault: &Path) -> Result<Option<PathBuf>, Error> {
    let directory = Directory::beside(vault);
    if directory.has_former() && !directory.former_is_needless() {
        return directory.set_aside();
    }
    match clear_up(vault) {
        Ok(Cleared::Whole | Cleared::Linked(_)) => Ok(None),
        Ok(Cleared::Aside(path)) => Ok(Some(path)),
        Ok(Cleared::Kept(_)) | Err(_) => directory.set_aside(),
    }
}

/// Gives the disk the room of an unfinished rotation back, which nobody has open.
///
/// # Errors
/// [`Error::Storage`].
pub fn discard_unfinished(vault: &Path) -> Result<(), Error> {
    Directory::beside(vault).remove_or_set_aside().map(drop)
}

/// Since when a rotation of the vault at `vault` lies unfinished, in Unix seconds; `None` if none does.
///
/// # Errors
/// [`Error::Storage`].
pub fn unfinished_since(vault: &Path) -> Result<Option<u64>, Error> {
    let directory = Directory::beside(vault);
    if !directory.is_unfinished() {
        return Ok(None);
    }
    match directory.key().symlink_metadata() {
        Ok(about) => Ok(Some(u64::try_from(about.mtime()).unwrap_or_default())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Error::Storage(error)),
    }
}

/// Whether the file at `vault` can be read, and has replaced `former`.
fn has_replaced(vault: &Path, former: &Path) -> bool {
    matches!(mark_of(vault), Ok(Some(vault)) if is_replaced_by(&vault, former))
}
