//! Deletes a file that must not be read again: overwritten first where that is to be had, and only if it is the one
//! that was looked at. What a disk, a file system that copies on write, or a backup has kept of it is out of reach.

use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::FileExt;

use rustix::fs::{
    Access, AtFlags, IFlags, Mode, OFlags, accessat, chmod, fstat, fsync, ioctl_getflags, openat, statat,
    unlinkat,
};
use rustix::io::Errno;

use super::files::{Opened, Seen, Unfit};

/// How much is overwritten at once, in bytes.
const BLOCK: usize = 64 * 1024;
/// What is longer is not overwritten, in bytes: no file of the predecessor's is, and it may have holes, which would
/// be filled.
const LONGEST: u64 = 1024 * 1024;

/// What was done with a file.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Erased {
    /// It was overwritten, and deleted.
    Overwritten,
    /// It was deleted; why it was not overwritten first, or may be there again after a crash.
    Deleted(String),
    /// It was gone already.
    Gone,
}

/// Overwrites and deletes it.
///
/// # Errors
/// [`Unfit`]: what is there by now is another file, or has another name as well; nothing was done with it. Or the
/// disk refuses.
pub(crate) fn erase(opened: &Opened, seen: &Seen) -> Result<Erased, Unfit> {
    let (directory, name) = (&opened.directory, seen.name);
    // A link is opened itself, and nothing is waited for.
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let place = match openat(directory, name, flags, Mode::empty()) {
        Err(Errno::NOENT) => return Ok(Erased::Gone),
        place => place?,
    };
    let stat = fstat(&place)?;
    if Seen::plain(name, &stat)? != *seen {
        return Err(Unfit::Changed);
    }
    if stat.st_nlink != 1 {
        return Err(Unfit::OtherName);
    }
    lets_go(directory).map_err(|error| Unfit::Kept(error.into()))?;
    let overwritten = match seen.size {
        size if size > LONGEST => Err(format!("it is longer than {LONGEST} bytes")),
        size => overwrite(opened, seen, &place, size).map_err(|error| error.to_string()),
    };
    if !statat(directory, name, AtFlags::SYMLINK_NOFOLLOW).is_ok_and(|now| seen.is(&now)) {
        return Err(Unfit::Changed);
    }
    unlinkat(directory, name, AtFlags::empty()).map_err(|error| match overwritten {
        Ok(()) => Unfit::Emptied(error.into()),
        Err(_) => Unfit::Io(error.into()),
    })?;
    let synced = fsync(directory).map_err(|error| format!("the disk has not confirmed it: {error}"));
    Ok(match overwritten.map_err(|why| format!("not overwritten: {why}")).and(synced) {
        Ok(()) => Erased::Overwritten,
        Err(remark) => Erased::Deleted(remark),
    })
}

/// Whether names can be taken out of the directory, as far as that is told beforehand.
fn lets_go(directory: &OwnedFd) -> Result<(), Errno> {
    accessat(directory, ".", Access::WRITE_OK | Access::EXEC_OK, AtFlags::empty())?;
    match ioctl_getflags(directory) {
        // ioctl_iflags(2)
        Ok(flags) if flags.intersects(IFlags::IMMUTABLE | IFlags::APPEND) => Err(Errno::PERM),
        // Many file systems have no such flags.
        Ok(_) | Err(_) => Ok(()),
    }
}

fn overwrite(opened: &Opened, seen: &Seen, place: &impl AsRawFd, size: u64) -> io::Result<()> {
    let flags = OFlags::WRONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let open = || openat(&opened.directory, seen.name, flags, Mode::empty());
    let file = match open() {
        // Its owner may let itself write. By what is open: whatever has the name by now (proc_pid_fd(5)).
        Err(Errno::ACCESS) => {
            chmod(format!("/proc/self/fd/{}", place.as_raw_fd()), Mode::RUSR | Mode::WUSR)?;
            open()?
        }
        file => file?,
    };
    if !seen.is(&fstat(&file)?) {
        return Err(io::Error::other("another file has its name"));
    }
    let file = File::from(file);
    let zeros = [0; BLOCK];
    let mut at = 0;
    while at < size {
        let block = zeros.len().min(usize::try_from(size - at).unwrap_or(BLOCK));
        file.write_all_at(&zeros[..block], at)?;
        at += block as u64;
    }
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
    use std::path::PathBuf;

    use super::super::files::{CACHE, Directory, KEY};
    use super::*;

    fn stage() -> (tempfile::TempDir, Opened, PathBuf) {
        let home = tempfile::tempdir().unwrap();
        let opened = Directory::named(home.path()).unwrap().open().unwrap().unwrap();
        let path = home.path().join(CACHE);
        (home, opened, path)
    }

    #[test]
    fn a_file_is_overwritten_and_gone_whoever_may_write_it() {
        let (_home, opened, path) = stage();
        for (size, mode) in [(0, 0o600), (1, 0o400), (BLOCK, 0o000), (BLOCK + 1, 0o600)] {
            fs::write(&path, vec![7; size]).unwrap();
            // As a disk would still have it.
            let disk = File::open(&path).unwrap();
            fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
            let seen = opened.look(CACHE).unwrap().unwrap();
            assert_eq!(erase(&opened, &seen).unwrap(), Erased::Overwritten, "{size}");
            assert!(!path.exists());
            let mut left = vec![1; size];
            disk.read_exact_at(&mut left, 0).unwrap();
            assert!(left.iter().all(|byte| *byte == 0), "{size}");
            assert_eq!(erase(&opened, &seen).unwrap(), Erased::Gone);
        }
    }

    #[test]
    fn holes_are_not_filled() {
        let (_home, opened, path) = stage();
        let file = File::create(&path).unwrap();
        file.set_len(2 << 30).unwrap();
        let seen = opened.look(CACHE).unwrap().unwrap();
        let Erased::Deleted(remark) = erase(&opened, &seen).unwrap() else { panic!("it was filled") };
        assert_eq!(remark, "not overwritten: it is longer than 1048576 bytes");
        assert_eq!((path.exists(), file.metadata().unwrap().blocks()), (false, 0));
    }

    #[test]
    fn another_file_than_the_one_that_was_seen_is_left() {
        let (home, opened, path) = stage();
        let at = |name: &str| home.path().join(name);
        fs::write(&path, "1").unwrap();
        let seen = opened.look(CACHE).unwrap().unwrap();
        fs::hard_link(&path, at("hard")).unwrap();
        // The link is a change of its own.
        assert!(matches!(erase(&opened, &seen), Err(Unfit::Changed)));
        let linked = opened.look(CACHE).unwrap().unwrap();
        assert!(matches!(erase(&opened, &linked), Err(Unfit::OtherName)));
        fs::remove_file(at("hard")).unwrap();
        let seen = opened.look(CACHE).unwrap().unwrap();
        fs::write(&path, "2").unwrap();
        assert!(matches!(erase(&opened, &seen), Err(Unfit::Changed)));
        fs::remove_file(&path).unwrap();
        fs::write(at("other"), "kept").unwrap();
        symlink(at("other"), &path).unwrap();
        assert!(matches!(erase(&opened, &seen), Err(Unfit::Link)));
        fs::remove_file(&path).unwrap();
        fs::create_dir(&path).unwrap();
        assert!(matches!(erase(&opened, &seen), Err(Unfit::NotRegular)));
        assert_eq!(fs::read(at("other")).unwrap(), b"kept");
        assert!(opened.look(KEY).is_none());
    }
}
