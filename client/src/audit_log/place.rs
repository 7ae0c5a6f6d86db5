//! Where the audit log is, and its files in order, while the daemon may turn to a new one at any moment.

use std::fs::{File, Metadata};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use directories::ProjectDirs;
use glassdome_audit::{Lines, files};
use rustix::fs::OFlags;

use super::record;
use crate::error::Error;

/// The directory with the log.
#[derive(Debug, Clone)]
pub(crate) struct Place(PathBuf);

/// The files of a log as they were at one moment, oldest first.
#[derive(Debug)]
pub(crate) struct Files {
    full: Vec<PathBuf>,
    active: Option<Active>,
    /// Whether old ones may be deleted meanwhile, as the daemon does.
    may_go: bool,
}

#[derive(Debug)]
struct Active {
    path: PathBuf,
    file: File,
    id: FileId,
}

/// What tells files apart, whatever they are called: device and inode.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FileId(u64, u64);

impl FileId {
    /// Of an open file.
    ///
    /// # Errors
    /// What the system says.
    pub(crate) fn of(file: &File) -> io::Result<Self> {
        Ok(Self::from(&file.metadata()?))
    }
}

impl From<&Metadata> for FileId {
    fn from(metadata: &Metadata) -> Self {
        Self(metadata.dev(), metadata.ino())
    }
}

impl Place {
    /// Where the daemon has it: `$XDG_STATE_HOME/glassdome`.
    ///
    /// # Errors
    /// [`Error::Usage`] without a home.
    pub(crate) fn find() -> Result<Self, Error> {
        let dirs = ProjectDirs::from("", "", "glassdome");
        let state = dirs.as_ref().and_then(ProjectDirs::state_dir);
        state.map(Self::at).ok_or_else(|| Error::Usage("there is no home directory: set HOME".into()))
    }

    /// This directory.
    pub(crate) fn at(directory: &Path) -> Self {
        Self(directory.to_owned())
    }

    /// The directory.
    pub(crate) fn directory(&self) -> &Path {
        &self.0
    }

    /// The files that are there now.
    ///
    /// # Errors
    /// [`Error::ReadFile`].
    pub(crate) fn files(&self) -> Result<Files, Error> {
        let failed = |source| Error::ReadFile { path: self.0.clone(), source };
        // First the active one: when it is renamed behind this, it is seen twice, and never left out.
        let path = self.0.join(files::ACTIVE);
        let active = match open(&path) {
            Ok(file) => Some(Active { id: FileId::of(&file).map_err(failed)?, path, file }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(source) => return Err(Error::ReadFile { path, source }),
        };
        let mut full = Vec::new();
        for file in files::list(&self.0).map_err(failed)?.into_iter().filter(|file| file.first.is_some()) {
            let is_active = |found: Metadata| active.as_ref().is_some_and(|a| a.id == FileId::from(&found));
            if !file.path.symlink_metadata().is_ok_and(is_active) {
                full.push(file.path);
            }
        }
        Ok(Files { full, active, may_go: true })
    }
}

impl Files {
    /// These files of a log, by their first records, whatever they are called.
    ///
    /// # Errors
    /// [`Error::ReadFile`].
    pub(crate) fn named(paths: &[PathBuf]) -> Result<Self, Error> {
        let mut all = Vec::new();
        for path in paths {
            let failed = |source| Error::ReadFile { path: path.clone(), source };
            let mut lines = Lines::of(open(path).map_err(failed)?);
            let first = lines.next().map_err(failed)?;
            let seq = first.and_then(|line| record(line.bytes).map(|record| record.seq));
            all.push((seq.unwrap_or(u64::MAX), path.clone()));
        }
        all.sort_by_key(|(first, _)| *first);
        let full = all.into_iter().map(|(_, path)| path).collect();
        Ok(Self { full, active: None, may_go: false })
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.full.len() + usize::from(self.active.is_some())
    }

    /// What the file is called, from 0, the oldest.
    pub(crate) fn path(&self, nth: usize) -> PathBuf {
        let active = || &self.active.as_ref().expect("it is one of these files").path;
        self.full.get(nth).unwrap_or_else(active).clone()
    }

    /// Which one this file is, whatever it is called by now.
    pub(crate) fn position(&self, id: FileId) -> Option<usize> {
        let is = |path: &PathBuf| path.symlink_metadata().is_ok_and(|found| FileId::from(&found) == id);
        let active = || self.active.as_ref().filter(|active| active.id == id).map(|_| self.full.len());
        self.full.iter().position(is).or_else(active)
    }

    /// Opens one, at its start. `None` if it was deleted meanwhile, as old ones are.
    ///
    /// # Errors
    /// [`Error::ReadFile`].
    pub(crate) fn open(&self, nth: usize) -> Result<Option<File>, Error> {
        let path = self.path(nth);
        let opened = match &self.active {
            // By its descriptor: its path may lead to the next one by now.
            Some(active) if nth == self.full.len() => reopen(&active.file),
            _ => open(&path),
        };
        match opened {
            Ok(file) => Ok(Some(file)),
            Err(error) if error.kind() == io::ErrorKind::NotFound && self.may_go => Ok(None),
            Err(source) => Err(Error::ReadFile { path, source }),
        }
    }
}

/// A descriptor of its own place in the same file.
fn reopen(file: &File) -> io::Result<File> {
    use std::os::fd::AsRawFd;
    File::open(format!("/proc/self/fd/{}", file.as_raw_fd()))
}

/// Opens a regular file; nothing else in its place makes us wait.
pub(crate) fn open(path: &Path) -> io::Result<File> {
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY;
    let file = File::options().read(true).custom_flags(flags.bits().cast_signed()).open(path)?;
    match file.metadata()?.is_file() {
        true => Ok(file),
        false => Err(io::Error::other("it is no regular file")),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Read;

    use super::*;

    fn text(files: &Files, nth: usize) -> Option<String> {
        let mut text = String::new();
        files.open(nth).unwrap()?.read_to_string(&mut text).unwrap();
        Some(text)
    }

    #[test]
    fn files_are_those_of_one_moment() {
        let dir = tempfile::tempdir().unwrap();
        let place = Place::at(dir.path());
        assert_eq!(place.files().unwrap().len(), 0);
        fs::write(dir.path().join(files::full_name(1)), "one").unwrap();
        fs::write(dir.path().join(files::full_name(5)), "two").unwrap();
        fs::write(dir.path().join(files::ACTIVE), "three").unwrap();
        let found = place.files().unwrap();
        // The daemon turns to a new file, and retires the oldest.
        fs::rename(dir.path().join(files::ACTIVE), dir.path().join(files::full_name(9))).unwrap();
        fs::write(dir.path().join(files::ACTIVE), "four").unwrap();
        fs::remove_file(dir.path().join(files::full_name(1))).unwrap();
        assert_eq!(found.len(), 3);
        assert_eq!((text(&found, 0), text(&found, 1)), (None, Some("two".into())));
        assert_eq!((text(&found, 2), text(&found, 2)), (Some("three".into()), Some("three".into())));
        assert_eq!(place.files().unwrap().len(), 3);
    }

    #[test]
    fn files_that_are_named_are_read_by_their_first_records() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        let line =
            |seq: u64| format!(r#"{{"seq":{seq},"time":"","boot_ms":0,"event":"get","outcome":"allowed"}}"#);
        for (name, text) in [("a", line(9) + "\n"), ("b", "no record\n".to_owned()), ("c", line(1) + "\n")] {
            fs::write(path(name), text).unwrap();
        }
        let files = Files::named(&[path("a"), path("b"), path("c")]).unwrap();
        assert_eq!([0, 1, 2].map(|nth| files.path(nth)), [path("c"), path("a"), path("b")]);
        assert!(text(&files, 1).unwrap().starts_with("{\"seq\":9,"));
        fs::remove_file(path("a")).unwrap();
        assert!(matches!(files.open(1), Err(Error::ReadFile { .. })), "nobody but their owner deletes these");
        assert!(matches!(Files::named(&[path("a")]), Err(Error::ReadFile { .. })));
    }

    #[test]
    fn what_is_no_file_is_not_waited_for() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(files::ACTIVE);
        rustix::fs::mkfifoat(rustix::fs::CWD, &path, rustix::fs::Mode::RUSR).unwrap();
        assert!(matches!(Place::at(dir.path()).files(), Err(Error::ReadFile { .. })));
        fs::remove_file(&path).unwrap();
        std::os::unix::fs::symlink("/dev/zero", &path).unwrap();
        assert!(Place::at(dir.path()).files().is_err());
    }
}
