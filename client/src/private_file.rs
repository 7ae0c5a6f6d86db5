//! Writes a secret to a file: 0600 from birth, whole or not at all, and never through a symbolic
//! link.

use std::ffi::OsStr;
use std::fs::File;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::Path;

use rustix::fs::{
    AtFlags, CWD, FileType, Mode, OFlags, fsync, linkat, open, openat, renameat, statat, unlinkat,
};
use rustix::io::Errno;

use crate::descriptor::write_all;
use crate::error::Error;
use crate::random_value::fill;

/// Makes `path` a file of ours with `bytes` in it; a regular file that was there is replaced.
///
/// # Errors
/// [`Error::Usage`] when something else is there, [`Error::WriteFile`] when the disk refuses: then
/// what was there is still there.
pub(crate) fn write_private(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    write_private_by(path, |file| {
        write_all(file, bytes).map_err(|source| Error::WriteFile { path: path.to_owned(), source })
    })
}

/// As [`write_private`], for more than is in memory at once: `write` writes it.
///
/// # Errors
/// As [`write_private`], and what `write` says; then, too, what was there is still there.
pub(crate) fn write_private_by<T>(
    path: &Path,
    write: impl FnOnce(&File) -> Result<T, Error>,
) -> Result<T, Error> {
    let failed = |error: Errno| Error::WriteFile { path: path.to_owned(), source: error.into() };
    let Some(name) = path.file_name() else {
        return Err(Error::Usage(format!("{} does not name a file", path.display())));
    };
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let directory =
        open(parent, OFlags::DIRECTORY | OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()).map_err(failed)?;
    match statat(&directory, name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(stat) if FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile => {}
        Ok(_) => {
            return Err(Error::Usage(format!(
                "{} is not a regular file: nothing was written",
                path.display()
            )));
        }
        Err(Errno::NOENT) => {}
        Err(error) => return Err(failed(error)),
    }
    let spare = temporary_name()?;
    let (file, temporary) = create(&directory, &spare).map_err(failed)?;
    let file = File::from(file);
    let written = write(&file).and_then(|written| {
        let named = fsync(&file).and_then(|()| match &temporary {
            Some(temporary) => renameat(&directory, *temporary, &directory, name),
            None => put(&file, &directory, name, &spare),
        });
        let kept = named.and_then(|()| match fsync(&directory) {
            // fsync(2): a file system that has no such thing for a directory.
            Err(Errno::INVAL) => Ok(()),
            synced => synced,
        });
        kept.map_err(failed)?;
        Ok(written)
    });
    written.inspect_err(|_| {
        if let Some(temporary) = temporary {
            // Best effort: the error that is told is the one that left it behind.
            unlinkat(&directory, temporary, AtFlags::empty()).ok();
        }
    })
}

/// A file without a name, of which nothing is left however this process ends (`O_TMPFILE`, open(2)); with the spare name
/// where the file system knows no such file.
fn create<'a>(directory: &OwnedFd, spare: &'a str) -> Result<(OwnedFd, Option<&'a str>), Errno> {
    let (flags, mode) = (OFlags::WRONLY | OFlags::CLOEXEC, Mode::RUSR | Mode::WUSR);
    match openat(directory, c".", flags | OFlags::TMPFILE, mode) {
        Err(Errno::OPNOTSUPP | Errno::ISDIR | Errno::INVAL) => {}
        other => return other.map(|file| (file, None)),
    }
    let flags = flags | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW;
    Ok((openat(directory, spare, flags, mode)?, Some(spare)))
}

/// Gives a file without a name this one, and takes it from what had it.
fn put(file: &File, directory: &OwnedFd, name: &OsStr, spare: &str) -> Result<(), Errno> {
    match link(file, directory, name) {
        Err(Errno::EXIST) => {}
        other => return other,
    }
    // No call does both (linkat(2)).
    link(file, directory, spare.as_ref())?;
    renameat(directory, spare, directory, name).inspect_err(|_| {
        unlinkat(directory, spare, AtFlags::empty()).ok();
    })
}

fn link(file: &File, directory: &OwnedFd, name: &OsStr) -> Result<(), Errno> {
    match linkat(file, c"", directory, name, AtFlags::EMPTY_PATH) {
        // To whoever may not, before Linux 6.10 (linkat(2)).
        Err(Errno::NOENT) => {
            let path = format!("/proc/self/fd/{}", file.as_raw_fd());
            linkat(CWD, path, directory, name, AtFlags::SYMLINK_FOLLOW)
        }
        other => other,
    }
}

fn temporary_name() -> Result<String, Error> {
    Ok(format!(".glassdome-{}.tmp", random_name()?))
}

/// A name that nothing has: 16 hexadecimal digits.
///
/// # Errors
/// [`Error::Random`].
pub(crate) fn random_name() -> Result<String, Error> {
    let mut random = [0u8; 8];
    fill(&mut random)?;
    Ok(format!("{:016x}", u64::from_le_bytes(random)))
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    fn names(directory: &Path) -> Vec<String> {
        let entries = fs::read_dir(directory).unwrap();
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }

    #[test]
    fn a_file_is_private_and_whole() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("out");
        write_private(&path, b"one").unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o7777, 0o600);
        fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
        write_private(&path, b"two\n").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"two\n");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o7777, 0o600);
        assert_eq!(names(directory.path()), ["out"]);
    }

    #[test]
    fn nothing_is_left_of_a_process_that_ends_half_way() {
        let directory = tempfile::tempdir().unwrap();
        // One that was not there, and then one that is.
        for path in ["out", "out"].map(|name| directory.path().join(name)) {
            let before = names(directory.path());
            // Whatever ends it here, it closes its descriptors, and that is all.
            write_private_by(&path, |file| {
                write_all(file, b"value").unwrap();
                assert_eq!(names(directory.path()), before);
                Ok(())
            })
            .unwrap();
            assert_eq!(fs::read(&path).unwrap(), b"value", "control");
        }
    }

    #[test]
    fn what_fails_half_way_leaves_what_was_there() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("f");
        write_private(&path, b"old").unwrap();
        let failed = write_private_by(&path, |file| {
            write_all(file, b"half").unwrap();
            Err::<(), _>(Error::Output(std::io::ErrorKind::Other.into()))
        });
        assert!(matches!(failed, Err(Error::Output(_))));
        assert_eq!(std::fs::read(&path).unwrap(), b"old");
        assert_eq!(names(directory.path()), ["f"]);
        assert!(write_private_by(&path, |file| Ok(write_all(file, b"new").is_ok())).unwrap());
        assert_eq!(std::fs::read(&path).unwrap(), b"new");
    }

    #[test]
    fn links_and_devices_are_not_written_through() {
        let directory = tempfile::tempdir().unwrap();
        let target = directory.path().join("target");
        fs::write(&target, "before").unwrap();
        let link = directory.path().join("link");
        symlink(&target, &link).unwrap();
        assert!(matches!(write_private(&link, b"x"), Err(Error::Usage(_))));
        assert_eq!(fs::read(&target).unwrap(), b"before");
        assert!(matches!(write_private(directory.path(), b"x"), Err(Error::Usage(_))));
        assert!(matches!(write_private(Path::new("/dev/null"), b"x"), Err(Error::Usage(_))));
    }

    #[test]
    fn a_missing_directory_is_the_disks_refusal() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("none/out");
        assert!(matches!(write_private(&path, b"x"), Err(Error::WriteFile { .. })));
    }
}
