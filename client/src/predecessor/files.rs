//! The directory that the predecessor kept its files in. Whatever lies there under their names is looked at without
//! following a link and without waiting, and only what is plainly a file of ours is read: a directory in the home
//! is where any program of the user's may have put something else.

use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags, Stat, fstat, openat, statat};
use rustix::io::Errno;
use rustix::process::geteuid;
use zeroize::Zeroizing;

use crate::descriptor::read_all;
use crate::error::{Error, printable};

/// Until when its session lasts.
pub(crate) const CACHE: &str = "session_cache.json";
/// Its master key.
pub(crate) const KEY: &str = "session_key.bin";
/// Its secrets, sealed.
pub(crate) const STORE: &str = "secrets.encrypted";

/// Why something is not read, or not deleted.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unfit {
    /// Nothing is read, or deleted, through one.
    #[error("it is a symbolic link, which is not followed")]
    Link,
    /// A directory, a FIFO, a device.
    #[error("it is not a regular file")]
    NotRegular,
    /// The directory itself is something else.
    #[error("it is not a directory")]
    NotDirectory,
    /// Not ours.
    #[error("it belongs to another user")]
    Foreign,
    /// What is under the other name would be overwritten with it.
    #[error("it has another name as well")]
    OtherName,
    /// No file of the predecessor's.
    #[error("it is longer than {max} bytes")]
    TooLong {
        /// The limit in bytes.
        max: usize,
    },
    /// Not what was looked at.
    #[error("it was changed meanwhile")]
    Changed,
    /// The disk refuses.
    #[error("{0}")]
    Io(#[source] io::Error),
    /// What is not to be deleted is not overwritten either.
    #[error("its directory lets nothing be deleted: {0}")]
    Kept(#[source] io::Error),
    /// The disk refuses, after it took the zeros.
    #[error("it is overwritten with zeros, and cannot be deleted: {0}")]
    Emptied(#[source] io::Error),
}

impl From<Errno> for Unfit {
    fn from(error: Errno) -> Self {
        match error {
            Errno::LOOP => Self::Link,
            // A FIFO without a reader, a socket; a directory that was to be written.
            Errno::NXIO | Errno::ISDIR => Self::NotRegular,
            error => Self::Io(error.into()),
        }
    }
}

/// The directory, where it is if it is there.
pub(crate) struct Directory(PathBuf);

/// The directory, open.
pub(crate) struct Opened {
    path: PathBuf,
    pub(super) directory: OwnedFd,
}

/// What a file was when it was looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) name: &'static str,
    /// In bytes.
    pub(crate) size: u64,
    file: (u64, u64),
    /// Of its content, and of all about it: seconds and nanoseconds.
    times: [(i64, u64); 2],
}

/// A file, and what was in it.
pub(crate) type Content = (Seen, Zeroizing<Vec<u8>>);

impl Directory {
    /// Where it was if nobody moved it: `~/.glassdome`.
    pub(crate) fn usual() -> Option<Self> {
        Some(Self(std::env::home_dir()?.join(".glassdome")))
    }

    /// As a person named it: later versions kept their files in `.secrets` of the project.
    ///
    /// # Errors
    /// [`Error::Usage`]: there is nothing with that name.
    pub(crate) fn named(path: &Path) -> Result<Self, Error> {
        // With `/` or `/.` behind it, a link would be followed (path_resolution(7)).
        let path: PathBuf = path.components().collect();
        match statat(CWD, &path, AtFlags::SYMLINK_NOFOLLOW) {
            Err(Errno::NOENT | Errno::NOTDIR) => Err(Error::Usage(format!(
                "{}: there is no such directory",
                printable(&path.to_string_lossy())
            ))),
            // Whatever else it is, or why it cannot be looked at, is told of it when it is opened.
            _ => Ok(Self(path)),
        }
    }

    /// Its path.
    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// Opens it; `None` if there is none.
    ///
    /// # Errors
    /// [`Unfit`]: it is a link, no directory, or another user's.
    pub(crate) fn open(&self) -> Result<Option<Opened>, Unfit> {
        match statat(CWD, &self.0, AtFlags::SYMLINK_NOFOLLOW) {
            Err(Errno::NOENT) => return Ok(None),
            stat => match FileType::from_raw_mode(stat?.st_mode) {
                FileType::Directory => {}
                FileType::Symlink => return Err(Unfit::Link),
                _ => return Err(Unfit::NotDirectory),
            },
        }
        let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::RDONLY | OFlags::CLOEXEC;
        let directory = openat(CWD, &self.0, flags, Mode::empty())?;
        if fstat(&directory)?.st_uid != geteuid().as_raw() {
            return Err(Unfit::Foreign);
        }
        Ok(Some(Opened { path: self.0.clone(), directory }))
    }
}

impl Opened {
    /// The path of a file in it.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// Looks at what has that name; `None` if nothing has.
    pub(crate) fn look(&self, name: &'static str) -> Option<Result<Seen, Unfit>> {
        match statat(&self.directory, name, AtFlags::SYMLINK_NOFOLLOW) {
            Err(Errno::NOENT) => None,
            stat => Some(stat.map_err(Unfit::from).and_then(|stat| Seen::plain(name, &stat))),
        }
    }

    /// All of a file of at most `max` bytes; `None` if nothing has that name.
    ///
    /// # Errors
    /// [`Unfit`].
    pub(crate) fn read(&self, name: &'static str, max: usize) -> Result<Option<Content>, Unfit> {
        // Nothing is waited for, whatever it is.
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        let file = match openat(&self.directory, name, flags, Mode::empty()) {
            Err(Errno::NOENT) => return Ok(None),
            file => file?,
        };
        let seen = Seen::plain(name, &fstat(&file)?)?;
        if seen.size > max as u64 {
            return Err(Unfit::TooLong { max });
        }
        match read_all(&file, "the file", max) {
            Ok(bytes) => Ok(Some((seen, bytes))),
            Err(Error::ReadInput(source)) => Err(Unfit::Io(source)),
            // It grew meanwhile.
            Err(_) => Err(Unfit::TooLong { max }),
        }
    }
}

impl Seen {
    /// Of what is plainly a file of ours.
    pub(super) fn plain(name: &'static str, stat: &Stat) -> Result<Self, Unfit> {
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::RegularFile => {}
            FileType::Symlink => return Err(Unfit::Link),
            _ => return Err(Unfit::NotRegular),
        }
        if stat.st_uid != geteuid().as_raw() {
            return Err(Unfit::Foreign);
        }
        let times = [(stat.st_mtime, stat.st_mtime_nsec), (stat.st_ctime, stat.st_ctime_nsec)];
        let size = u64::try_from(stat.st_size).unwrap_or(0);
        Ok(Self { name, size, file: (stat.st_dev, stat.st_ino), times })
    }

    /// Whether it is that file, whatever is in it by now.
    pub(super) fn is(&self, stat: &Stat) -> bool {
        self.file == (stat.st_dev, stat.st_ino)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn only_plain_files_of_ours_are_read() {
        let home = tempfile::tempdir().unwrap();
        let at = |name: &str| home.path().join(name);
        let directory = Directory::named(home.path()).unwrap().open().unwrap().unwrap();
        fs::write(at("other"), "kept").unwrap();
        let read = |name| directory.read(name, 4);
        assert!(read(KEY).unwrap().is_none());
        assert!(directory.look(KEY).is_none());

        fs::write(at(KEY), "k123").unwrap();
        let (seen, bytes) = read(KEY).unwrap().unwrap();
        assert_eq!(&**bytes, b"k123");
        assert_eq!(directory.look(KEY).unwrap().unwrap(), seen);
        fs::write(at(KEY), "k12345").unwrap();
        assert_ne!(directory.look(KEY).unwrap().unwrap(), seen);
        assert!(matches!(read(KEY), Err(Unfit::TooLong { max: 4 })));

        symlink(at("other"), at(CACHE)).unwrap();
        assert!(matches!(read(CACHE), Err(Unfit::Link)));
        assert!(matches!(directory.look(CACHE), Some(Err(Unfit::Link))));
        rustix::fs::mknodat(CWD, at(STORE), FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
        assert!(matches!(read(STORE), Err(Unfit::NotRegular)), "and it is not waited for");
        assert!(matches!(directory.look(STORE), Some(Err(Unfit::NotRegular))));
    }

    #[test]
    fn a_directory_is_not_looked_for_behind_a_link() {
        let home = tempfile::tempdir().unwrap();
        let at = |name: &str| home.path().join(name);
        let open = |name: &str| Directory::named(&at(name)).unwrap().open();
        assert!(Directory(at("none")).open().unwrap().is_none(), "the usual one need not be there");
        fs::create_dir(at("there")).unwrap();
        assert!(open("there").unwrap().is_some());
        symlink(at("there"), at("link")).unwrap();
        for link in ["link", "link/", "link//", "link/.", "link/./"] {
            assert!(matches!(open(link), Err(Unfit::Link)), "{link}");
        }
        for there in ["there/", "there//.", "./there"] {
            assert!(open(there).unwrap().is_some(), "{there}");
        }
        fs::write(at("file"), "").unwrap();
        assert!(matches!(open("file"), Err(Unfit::NotDirectory)));
        for none in ["none", "none/", "file/none", ""] {
            let path = if none.is_empty() { PathBuf::new() } else { at(none) };
            assert!(matches!(Directory::named(&path), Err(Error::Usage(_))), "{none}");
        }
    }
}
