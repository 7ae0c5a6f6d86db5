//! A vault that is being made lies in a directory of its own beside its place, which is locked as long as its maker
//! lives: so what a maker left that was killed can be told from what is being made, and swept.

use std::ffi::OsStr;
use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, OFlags, flock};
use rustix::io::Errno;

use crate::Error;
use crate::redo::Redo;

/// Its name in its directory.
const NAME: &str = "vault";

/// A vault that is being made, gone when dropped.
#[derive(Debug)]
pub(crate) struct Draft {
    file: PathBuf,
    directory: PathBuf,
    /// Locked.
    _held: File,
}

impl Draft {
    /// Makes room for one that is to be at `path`: nothing is there yet.
    pub fn beside(path: &Path) -> Result<Self, Error> {
        loop {
            let mut name = path.file_name().ok_or(Error::NotAFile)?.to_owned();
            name.push(format!(".{:016x}.new", getrandom::u64()?));
            let directory = path.with_file_name(name);
            DirBuilder::new().mode(0o700).create(&directory).map_err(Error::Storage)?;
            let held = match open(&directory) {
                // Swept before it was locked.
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                opened => opened.map_err(Error::Storage)?,
            };
            flock(&held, FlockOperation::LockExclusive).map_err(|error| Error::Storage(error.into()))?;
            // Whoever sweeps may have had the lock for a moment. From here on nobody takes it away.
            if directory.try_exists().map_err(Error::Storage)? {
                return Ok(Self { file: directory.join(NAME), directory, _held: held });
            }
        }
    }

    /// Where it is made.
    pub fn path(&self) -> &Path {
        &self.file
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        // What cannot be removed now is swept by whoever next has the place to themselves.
        let _ = remove(&self.directory);
    }
}

/// Takes away what makers left beside `place` that were killed. What is being made stays.
///
/// # Errors
/// [`Error::Storage`] if one of them cannot be removed, or the directory not be read.
pub fn sweep(place: &Path) -> Result<(), Error> {
    let name = place.file_name().ok_or(Error::NotAFile)?;
    for entry in fs::read_dir(directory_of(place)).map_err(Error::Storage)? {
        let entry = entry.map_err(Error::Storage)?;
        if is_draft_of(name, &entry.file_name()) {
            sweep_one(&entry.path()).map_err(Error::Storage)?;
        }
    }
    Ok(())
}

/// The directory that a path lies in.
pub(crate) fn directory_of(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

fn sweep_one(directory: &Path) -> io::Result<()> {
    let held = match open(directory) {
        // Its maker has ended, or it is no directory, and so none of ours.
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            return Ok(());
        }
        opened => opened?,
    };
    match flock(&held, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => remove(directory),
        Err(Errno::WOULDBLOCK) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

fn open(directory: &Path) -> io::Result<File> {
    let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW;
    File::options().read(true).custom_flags(flags.bits().cast_signed()).open(directory)
}

/// Removes the two files that a draft has, and its directory.
fn remove(directory: &Path) -> io::Result<()> {
    let file = directory.join(NAME);
    for one in [&file, &Redo::path_beside(&file)] {
        gone(fs::remove_file(one))?;
    }
    gone(fs::remove_dir(directory))
}

fn gone(removed: io::Result<()>) -> io::Result<()> {
    removed.or_else(|error| if error.kind() == io::ErrorKind::NotFound { Ok(()) } else { Err(error) })
}

/// Whether `name` is what [`Draft::beside`] calls one: the vault's name, 16 hexadecimal digits, `new`.
fn is_draft_of(vault: &OsStr, name: &OsStr) -> bool {
    let rest = name.as_bytes().strip_prefix(vault.as_bytes());
    let digits = rest.and_then(|rest| rest.strip_prefix(b".")?.strip_suffix(b".new"));
    digits.is_some_and(|digits| digits.len() == 16 && digits.iter().all(u8::is_ascii_hexdigit))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_being_made_stays_and_what_was_left_is_swept() {
        let parent = tempfile::tempdir().unwrap();
        let place = parent.path().join("vault");
        let made = Draft::beside(&place).unwrap();
        fs::write(made.path(), "being made").unwrap();
        // Left by makers that were killed: nothing but a directory, a file in it, both files.
        for (digits, files) in [("1", &[][..]), ("2", &["vault"]), ("a", &["vault", "vault.redo"])] {
            let left = parent.path().join(format!("vault.{digits:0>16}.new"));
            fs::create_dir(&left).unwrap();
            files.iter().for_each(|file| fs::write(left.join(file), "left").unwrap());
        }
        let others =
            ["vault.before-2026-01-01", "other.0000000000000001.new", "vault.000000000000000x.new", "vault"];
        others.iter().for_each(|name| fs::create_dir(parent.path().join(name)).unwrap());
        sweep(&place).unwrap();
        assert_eq!(fs::read(made.path()).unwrap(), b"being made");
        let names = || fs::read_dir(parent.path()).unwrap().count();
        assert_eq!(names(), others.len() + 1);
        drop(made);
        assert_eq!(names(), others.len());
        assert!(others.iter().all(|name| parent.path().join(name).exists()));
    }

    #[test]
    fn many_are_made_while_somebody_sweeps() {
        let parent = tempfile::tempdir().unwrap();
        let place = parent.path().join("vault");
        std::thread::scope(|scope| {
            let sweeping = scope.spawn(|| (0..300).for_each(|_| sweep(&place).unwrap()));
            while !sweeping.is_finished() {
                let made = Draft::beside(&place).unwrap();
                fs::write(made.path(), "being made").unwrap();
                std::thread::yield_now();
                assert!(made.path().exists());
            }
        });
        assert_eq!(fs::read_dir(parent.path()).unwrap().count(), 0);
    }
}
