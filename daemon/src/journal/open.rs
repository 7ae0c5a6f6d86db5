//! Opens what lies in the log's directory. Every program of the user can put anything there under any
//! name: a FIFO that is opened plainly holds its opener up for good, a link leads elsewhere. So all is opened
//! here, without waiting and without following, and is used only if it is a regular file of this user's.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use glassdome_audit::files;
use rustix::fs::OFlags;
use rustix::io::Errno;

use super::log::{random, rename};

/// What lies there was not opened.
#[derive(Debug, thiserror::Error)]
pub enum Unopened {
    /// It is no file of ours: a directory, a FIFO, a link, another user's, or closed to us.
    #[error("{} is no regular file of this user's that can be opened", .path.display())]
    Planted {
        /// Where it lies.
        path: PathBuf,
    },
    /// The system says something else, such as that nothing is there.
    #[error("{} could not be opened: {source}", .path.display())]
    System {
        /// Where.
        path: PathBuf,
        /// What it says.
        source: io::Error,
    },
}

impl Unopened {
    /// Whether nothing is there.
    pub(super) fn is_missing(&self) -> bool {
        matches!(self, Self::System { source, .. } if source.kind() == io::ErrorKind::NotFound)
    }
}

impl From<Unopened> for io::Error {
    fn from(unopened: Unopened) -> Self {
        let kind = match &unopened {
            Unopened::Planted { .. } => io::ErrorKind::Other,
            Unopened::System { source, .. } => source.kind(),
        };
        Self::new(kind, unopened)
    }
}

/// What the system says, and of what.
#[derive(Debug, thiserror::Error)]
#[error("{}: {source}", .path.display())]
struct Of {
    path: PathBuf,
    source: io::Error,
}

/// Has what the system says of `path` name it.
pub(super) fn of(path: &Path) -> impl FnOnce(io::Error) -> io::Error {
    |source| io::Error::new(source.kind(), Of { path: path.to_owned(), source })
}

/// Whether a file was not opened since nothing is there any more, or nothing of ours.
pub(super) fn is_gone(error: &io::Error) -> bool {
    let unopened = error.get_ref().and_then(|inner| inner.downcast_ref());
    error.kind() == io::ErrorKind::NotFound || matches!(unopened, Some(Unopened::Planted { .. }))
}

/// Opens a file to read it.
pub(super) fn to_read(path: &Path) -> Result<File, Unopened> {
    open(path, OpenOptions::new().read(true))
}

/// Opens a file to read it and to overwrite it in place.
pub(super) fn to_overwrite(path: &Path) -> Result<File, Unopened> {
    open(path, OpenOptions::new().read(true).write(true))
}

/// Opens the file that is written to, or makes it.
pub(super) fn active(path: &Path) -> Result<File, Unopened> {
    open(path, OpenOptions::new().read(true).append(true).create(true))
}

/// Renames what was planted, beside where it lay, and says what it is called now. Nothing is looked into.
pub(super) fn move_aside(path: &Path) -> io::Result<PathBuf> {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".planted-{}", random::<8>()?));
    let aside = PathBuf::from(name);
    rename(path, &aside)?;
    tracing::error!("{} was put there by another program: it is {} now", path.display(), aside.display());
    Ok(aside)
}

/// Moves away whatever lies at `path`, where nothing of ours does, and says whether there was something.
pub(super) fn free(path: &Path) -> io::Result<bool> {
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        there => there.map_err(of(path)).and_then(|_| move_aside(path)).map(|_| true),
    }
}

/// Moves away what lies at `path` and is no file of ours, and says whether there was something. Nothing, and
/// a file that can be opened, stay.
pub(super) fn clear(path: &Path) -> io::Result<bool> {
    match to_read(path) {
        Err(Unopened::Planted { .. }) => move_aside(path).map(|_| true),
        Err(unopened) if !unopened.is_missing() => Err(unopened.into()),
        _ => Ok(false),
    }
}

/// As [`clear`], all that is called like a full file of the log.
pub fn clear_full(dir: &Path) -> io::Result<bool> {
    let mut planted = false;
    for file in files::list(dir)?.iter().filter(|file| file.first.is_some()) {
        planted |= clear(&file.path)?;
    }
    Ok(planted)
}

fn open(path: &Path, options: &mut OpenOptions) -> Result<File, Unopened> {
    let planted = || Unopened::Planted { path: path.to_owned() };
    let system = |source| Unopened::System { path: path.to_owned(), source };
    // The standard library opens with O_CLOEXEC.
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY;
    let opened = options.mode(0o600).custom_flags(flags.bits().cast_signed()).open(path);
    let file = opened.map_err(|error| match Errno::from_io_error(&error) {
        Some(Errno::LOOP | Errno::ISDIR | Errno::NXIO | Errno::NODEV | Errno::ACCESS | Errno::PERM) => {
            planted()
        }
        _ => system(error),
    })?;
    let there = file.metadata().map_err(system)?;
    let ours = there.is_file() && there.uid() == rustix::process::geteuid().as_raw();
    ours.then_some(file).ok_or_else(planted)
}

#[cfg(test)]
pub(super) mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    /// Whether this process may read what nobody may.
    pub(in crate::journal) fn is_root() -> bool {
        rustix::process::geteuid().is_root()
    }

    /// Its name, and how it comes there.
    pub(in crate::journal) type Plant = (&'static str, fn(&Path));

    /// What others can put in a place of ours.
    pub(in crate::journal) fn plants() -> Vec<Plant> {
        let mut plants: Vec<Plant> = vec![
            ("fifo", |path| {
                rustix::fs::mkfifoat(rustix::fs::CWD, path, rustix::fs::Mode::RWXU).unwrap();
            }),
            ("directory", |path| fs::create_dir(path).unwrap()),
            ("directory that is full", |path| {
                fs::create_dir(path).unwrap();
                fs::write(path.join("x"), "").unwrap();
            }),
            ("symlink", |path| symlink("/dev/zero", path).unwrap()),
            ("socket", |path| drop(std::os::unix::net::UnixListener::bind(path).unwrap())),
        ];
        if !is_root() {
            plants.push(("closed", |path| {
                fs::write(path, "").unwrap();
                fs::set_permissions(path, PermissionsExt::from_mode(0o000)).unwrap();
            }));
        }
        plants
    }

    #[test]
    fn only_a_regular_file_of_ours_is_opened_and_nothing_is_waited_for() {
        let dir = tempfile::tempdir().unwrap();
        for (name, plant) in plants() {
            let path = dir.path().join(name);
            plant(&path);
            for opened in [to_read(&path), to_overwrite(&path), active(&path)] {
                assert!(matches!(opened, Err(Unopened::Planted { path: at }) if at == path), "{name}");
            }
            assert!(clear(&path).unwrap() && fs::symlink_metadata(&path).is_err(), "{name}");
        }
        let path = dir.path().join("ours");
        assert!(to_read(&path).unwrap_err().is_missing() && !clear(&path).unwrap());
        drop(active(&path).unwrap());
        assert!(to_read(&path).is_ok() && !clear(&path).unwrap() && path.exists(), "control");
        let error: io::Error = to_read(&dir.path().join("none")).unwrap_err().into();
        assert!(error.kind() == io::ErrorKind::NotFound && error.to_string().contains("/none"), "{error}");
    }

    #[test]
    fn what_is_another_users_is_not_ours() {
        let other = if is_root() { return } else { Path::new("/etc/passwd") };
        assert!(matches!(to_read(other), Err(Unopened::Planted { .. })));
    }
}
