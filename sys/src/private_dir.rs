//! A directory that nobody else can enter, or none: where a socket lies decides who may knock.

use rustix::fs::{AtFlags, FileType, Mode, OFlags, fstat, mkdir, open, statat};
use rustix::io::Errno;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

/// Why a directory is not private. The text says how to mend it.
#[derive(Debug, thiserror::Error)]
pub enum DirError {
    /// Somebody else owns it, and could read or replace what is put there.
    #[error("`{}` belongs to user {uid}, not to you: remove it, or choose another directory", path.display())]
    NotOwned {
        /// The directory.
        path: PathBuf,
        /// Its owner.
        uid: u32,
    },
    /// Others could enter it. It is not tightened silently: somebody may already have done so.
    #[error("others may enter `{}` (mode {mode:04o}): look what lies there, then `chmod 700` it", path.display())]
    TooOpen {
        /// The directory.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// A symbolic link stands in its place, and would lead wherever its maker likes.
    #[error("`{}` is a symbolic link: remove it, or name the directory itself", path.display())]
    Symlink {
        /// The link.
        path: PathBuf,
    },
    /// The system refused.
    #[error("cannot make or open the directory `{}`", path.display())]
    Io {
        /// The directory.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// Opens a directory that is ours (by effective user id) and closed to everybody else, after making it, and parents that
/// are missing, with mode 0700. The checks are of the open directory, so nothing can be put in its place afterwards.
///
/// Parents that exist are not judged: a system's may be links, or shared.
///
/// # Errors
/// [`DirError`], and never a directory that failed a check.
pub fn private_dir(path: &Path) -> Result<OwnedFd, DirError> {
    // Without a trailing slash or dot, behind which a link would be followed.
    let path: PathBuf = path.components().collect();
    make(&path).map_err(|error| DirError::Io { path: path.clone(), source: error.into() })?;
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let directory = open(&path, flags, Mode::empty()).map_err(|error| refusal(&path, error))?;
    let found =
        fstat(&directory).map_err(|error| DirError::Io { path: path.clone(), source: error.into() })?;
    if found.st_uid != rustix::process::geteuid().as_raw() {
        return Err(DirError::NotOwned { path, uid: found.st_uid });
    }
    let mode = found.st_mode & 0o7777;
    if mode & 0o077 != 0 {
        return Err(DirError::TooOpen { path, mode });
    }
    Ok(directory)
}

/// Makes what is missing, from the top down. What is there, whatever it is, is left for the check.
fn make(path: &Path) -> Result<(), Errno> {
    match mkdir(path, Mode::RWXU) {
        Ok(()) | Err(Errno::EXIST) => Ok(()),
        Err(Errno::NOENT) => {
            let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).ok_or(Errno::NOENT)?;
            make(parent)?;
            // Somebody may have been quicker; the check tells whether that was us.
            mkdir(path, Mode::RWXU).or_else(|error| if error == Errno::EXIST { Ok(()) } else { Err(error) })
        }
        Err(error) => Err(error),
    }
}

/// Why the open was refused. A link gives ELOOP or ENOTDIR, as a file does.
fn refusal(path: &Path, error: Errno) -> DirError {
    let path = path.to_owned();
    let is_link = statat(rustix::fs::CWD, &path, AtFlags::SYMLINK_NOFOLLOW)
        .is_ok_and(|found| FileType::from_raw_mode(found.st_mode) == FileType::Symlink);
    if is_link { DirError::Symlink { path } } else { DirError::Io { path, source: error.into() } }
}

#[cfg(test)]
mod tests {
    use super::{DirError, private_dir};
    use std::fs::{self, Permissions};
    use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};
    use std::path::Path;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().mode() & 0o7777
    }

    #[test]
    fn makes_the_directory_and_its_parents_private() {
        let top = tempfile::tempdir().unwrap();
        let path = top.path().join("a/b/c");
        let opened = fs::File::from(private_dir(&path).unwrap());
        assert_eq!(opened.metadata().unwrap().ino(), fs::metadata(&path).unwrap().ino());
        for part in ["a", "a/b", "a/b/c"] {
            assert_eq!(mode(&top.path().join(part)), 0o700);
        }
        private_dir(&path).expect("a second time it is opened");
        private_dir(&top.path().join("a/b/c/")).expect("a trailing slash changes nothing");
    }

    #[test]
    fn what_others_may_enter_is_refused_and_left_as_it_is() {
        let top = tempfile::tempdir().unwrap();
        let path = top.path().join("open");
        fs::create_dir(&path).unwrap();
        for bits in [0o755, 0o710, 0o701, 0o720, 0o704, 0o1777] {
            fs::set_permissions(&path, Permissions::from_mode(bits)).unwrap();
            match private_dir(&path) {
                Err(error @ DirError::TooOpen { mode, .. }) => {
                    assert_eq!(mode, bits);
                    assert!(error.to_string().contains("chmod 700"), "{error}");
                }
                other => panic!("{bits:o}: {other:?}"),
            }
            assert_eq!(mode(&path), bits);
        }
        fs::set_permissions(&path, Permissions::from_mode(0o700)).unwrap();
        private_dir(&path).expect("control");
    }

    #[test]
    fn a_link_is_refused_with_or_without_a_slash() {
        let top = tempfile::tempdir().unwrap();
        private_dir(&top.path().join("real")).unwrap();
        symlink("real", top.path().join("link")).unwrap();
        symlink("nowhere", top.path().join("dangling")).unwrap();
        for name in ["link", "link/", "link/.", "dangling", "dangling/"] {
            let refused = private_dir(&top.path().join(name));
            assert!(matches!(refused, Err(DirError::Symlink { .. })), "{name}: {refused:?}");
        }
        assert!(!top.path().join("nowhere").exists());
    }

    #[test]
    fn a_file_is_refused() {
        let top = tempfile::tempdir().unwrap();
        fs::write(top.path().join("file"), "").unwrap();
        for name in ["file", "file/below"] {
            let refused = private_dir(&top.path().join(name));
            assert!(matches!(refused, Err(DirError::Io { .. })), "{name}: {refused:?}");
        }
    }

    #[test]
    fn what_another_user_owns_is_refused() {
        if !rustix::process::geteuid().is_root() {
            eprintln!("not root: cannot give a directory away, nothing was tested");
            return;
        }
        let top = tempfile::tempdir().unwrap();
        let path = top.path().join("foreign");
        private_dir(&path).unwrap();
        chown(&path, Some(54321), None).unwrap();
        assert!(matches!(private_dir(&path), Err(DirError::NotOwned { uid: 54321, .. })));
    }
}
