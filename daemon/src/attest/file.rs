//! What is known of a file that takes part in a decision: which one it is, and who can change it.
//!
//! Files are held by `O_PATH` first and judged before anything opens them: opening a FIFO waits and
//! opening some devices does something, so neither ever happens to a name that a peer chose.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::time::Instant;

use rustix::fs::{AtFlags, FileType, Mode, OFlags, PROC_SUPER_MAGIC, ResolveFlags, Statx, StatxFlags};
use rustix::io::Errno;

use super::program::Unreadable;
use super::{digest, mounts};

/// What is known of a regular file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileFacts {
    /// Its path as the kernel prints it, for people; bytes that are no UTF-8 are replaced. No
    /// decision reads it, but for the name of an interpreter.
    pub path: String,
    /// Device number.
    pub dev: u64,
    /// Inode number.
    pub ino: u64,
    /// The user that owns it.
    pub owner: u32,
    /// Whether somebody other than root can change its bytes, or put another file at its path: another owner of
    /// the file or of a directory above it, a write bit for the group (which is where the mask of an access control
    /// list shows) or for others, but for directories where only owners rename (the sticky bit), or a file system
    /// that a user serves (FUSE). File systems that are mounted elsewhere only count as such.
    pub writable: bool,
    /// SHA-256 of its bytes, if it was asked for.
    pub sha256: Option<[u8; 32]>,
}

/// A regular file, held but not opened: nobody has been asked for its bytes yet.
#[derive(Debug)]
pub(super) struct Held {
    file: OwnedFd,
    facts: FileFacts,
}

impl Held {
    /// Takes hold of `path` below `dir`, following its links, but none of those by which `/proc`
    /// hands out open files: `/dev/fd/3` would be the daemon's own. None if nothing is there, or
    /// no regular file.
    pub(super) fn take(
        dir: BorrowedFd<'_>,
        path: &Path,
        how: ResolveFlags,
        what: &'static str,
    ) -> Result<Option<Self>, Unreadable> {
        let flags = OFlags::PATH | OFlags::CLOEXEC;
        let how = how | ResolveFlags::NO_MAGICLINKS;
        let opened = again(|| rustix::fs::openat2(dir, path, flags, Mode::empty(), how));
        let file = match opened {
            Ok(file) => file,
            Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP | Errno::NAMETOOLONG) => return Ok(None),
            Err(error) => return Err(Unreadable::io(what)(error)),
        };
        let stat = stat(file.as_fd(), "").map_err(Unreadable::io(what))?;
        if FileType::from_raw_mode(stat.stx_mode.into()) != FileType::RegularFile || in_proc(&file) {
            return Ok(None);
        }
        let path = rustix::fs::readlink(own(&file), Vec::new()).map_err(Unreadable::io(what))?;
        let facts = facts(path.to_string_lossy().into_owned(), &stat);
        Ok(Some(Self { file, facts }))
    }

    /// What is known of it without its bytes.
    pub(super) fn facts(self) -> FileFacts {
        self.facts
    }

    /// Opens it for reading.
    pub(super) fn open(&self, what: &'static str) -> Result<File, Unreadable> {
        let opened = rustix::fs::open(own(&self.file), READ, Mode::empty());
        Ok(opened.map_err(Unreadable::io(what))?.into())
    }

    /// What is known of it, with the digest of what it holds now.
    pub(super) fn digested(self, what: &'static str, until: Instant) -> Result<FileFacts, Unreadable> {
        let file = self.open(what)?;
        digested(&file, self.facts, what, until)
    }
}

/// What is known of the file behind the link `name` of a process's directory. Without a digest its
/// file system is not asked: what the kernel holds of it will do.
pub(super) fn linked(
    process: BorrowedFd<'_>,
    name: &'static str,
    what: &'static str,
    digest: bool,
    until: Instant,
) -> Result<FileFacts, Unreadable> {
    let path = rustix::fs::readlinkat(process, name, Vec::new()).map_err(Unreadable::io(what))?;
    let path = path.to_string_lossy().into_owned();
    if !digest {
        let stat = stat(process, name).map_err(Unreadable::io(what))?;
        return Ok(facts(path, &stat));
    }
    let file: File =
        rustix::fs::openat(process, name, READ, Mode::empty()).map_err(Unreadable::io(what))?.into();
    let stat = stat(file.as_fd(), "").map_err(Unreadable::io(what))?;
    digested(&file, facts(path, &stat), what, until)
}

const READ: OFlags = OFlags::RDONLY.union(OFlags::NONBLOCK).union(OFlags::NOCTTY).union(OFlags::CLOEXEC);

fn digested(
    file: &File,
    facts: FileFacts,
    what: &'static str,
    until: Instant,
) -> Result<FileFacts, Unreadable> {
    let sha256 = digest::sha256(file, !facts.writable, what, until)?;
    Ok(FileFacts { sha256: Some(sha256), ..facts })
}

fn facts(path: String, stat: &Statx) -> FileFacts {
    let shared = stat.stx_mode & 0o022 != 0;
    let writable = stat.stx_uid != 0 || shared || !is_roots_place(&path) || mounts::serves_a_user(stat);
    let (dev, ino, owner) = (device(stat), stat.stx_ino, stat.stx_uid);
    FileFacts { path, dev, ino, owner, writable, sha256: None }
}

/// Whether root alone says which file lies at this path, in the daemon's own view.
fn is_roots_place(path: &str) -> bool {
    let flags = AtFlags::STATX_DONT_SYNC | AtFlags::SYMLINK_NOFOLLOW;
    Path::new(path).ancestors().skip(1).all(|directory| {
        let stat = rustix::fs::statx(rustix::fs::CWD, directory, flags, StatxFlags::BASIC_STATS);
        stat.is_ok_and(|stat| {
            let mode = u32::from(stat.stx_mode);
            let closed = mode & 0o022 == 0 || mode & Mode::SVTX.as_raw_mode() != 0;
            FileType::from_raw_mode(mode) == FileType::Directory && stat.stx_uid == 0 && closed
        })
    })
}

pub(super) fn device(stat: &Statx) -> u64 {
    rustix::fs::makedev(stat.stx_dev_major, stat.stx_dev_minor)
}

/// What is cached will do here (statx(2), `AT_STATX_DONT_SYNC`): nobody who serves a file system has
/// to be asked.
fn stat(dir: BorrowedFd<'_>, path: &str) -> rustix::io::Result<Statx> {
    let flags = AtFlags::STATX_DONT_SYNC | AtFlags::EMPTY_PATH;
    rustix::fs::statx(dir, path, flags, StatxFlags::BASIC_STATS | StatxFlags::MNT_ID)
}

/// Whether a file is one of `/proc`, whose files are made for whoever reads them: here the daemon.
fn in_proc(file: &OwnedFd) -> bool {
    let system = rustix::fs::fstatfs(file);
    !system.is_ok_and(|system| system.f_type != PROC_SUPER_MAGIC)
}

/// The name under which a process finds its own descriptors.
fn own(file: &OwnedFd) -> String {
    format!("/proc/self/fd/{}", file.as_raw_fd())
}

/// The kernel gives up a walk within a root that something is being renamed under (openat2(2),
/// `EAGAIN`).
fn again<T>(mut call: impl FnMut() -> rustix::io::Result<T>) -> rustix::io::Result<T> {
    const TRIES: usize = 8;
    for _ in 1..TRIES {
        match call() {
            Err(Errno::AGAIN | Errno::INTR) => {}
            done => return done,
        }
    }
    call()
}

impl Unreadable {
    pub(super) fn io(what: &'static str) -> impl Fn(Errno) -> Self {
        move |source| Self::Io { what, source: io::Error::from(source) }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};

    use rustix::fs::CWD;

    use super::*;

    fn take(path: impl AsRef<Path>) -> Result<Option<Held>, Unreadable> {
        Held::take(CWD, path.as_ref(), ResolveFlags::empty(), "it")
    }

    #[test]
    fn a_file_is_known_by_what_it_is_not_by_its_name() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().canonicalize().unwrap().join("file");
        std::fs::write(&path, "x").unwrap();
        symlink(&path, dir.path().join("link")).unwrap();
        let facts = take(dir.path().join("link")).unwrap().unwrap().facts();
        let meta = std::fs::metadata(&path).unwrap();
        assert_eq!((facts.dev, facts.ino, facts.owner), (meta.dev(), meta.ino(), meta.uid()));
        assert_eq!((facts.path.as_str(), facts.sha256), (path.to_str().unwrap(), None));
    }

    #[test]
    fn whoever_else_can_write_is_seen() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let uid = rustix::process::getuid().as_raw();
        for (mode, shared) in [(0o755, false), (0o600, false), (0o775, true), (0o757, true)] {
            file.as_file().set_permissions(PermissionsExt::from_mode(mode)).unwrap();
            let facts = take(file.path()).unwrap().unwrap().facts();
            assert_eq!(facts.writable, shared || uid != 0, "{mode:o}");
        }
        assert!(!take("/bin/sh").unwrap().unwrap().facts().writable);
    }

    #[test]
    fn whoever_else_can_put_another_file_there_is_seen() {
        let uid = rustix::process::getuid();
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().canonicalize().unwrap().join("file");
        std::fs::write(&file, "x").unwrap();
        std::fs::set_permissions(&file, PermissionsExt::from_mode(0o755)).unwrap();
        for (mode, shared) in [(0o755, false), (0o775, true), (0o777, true), (0o1777, false)] {
            std::fs::set_permissions(dir.path(), PermissionsExt::from_mode(mode)).unwrap();
            let facts = take(&file).unwrap().unwrap().facts();
            assert_eq!(facts.writable, shared || !uid.is_root(), "{mode:o}");
        }
        if uid.is_root() {
            std::os::unix::fs::chown(dir.path(), Some(54321), None).unwrap();
            assert!(take(&file).unwrap().unwrap().facts().writable, "of a directory of somebody else's");
        }
    }

    #[test]
    fn only_regular_files_are_held() {
        let dir = tempfile::tempdir().unwrap();
        let fifo = dir.path().join("fifo");
        let kind = (FileType::Fifo, Mode::RUSR | Mode::WUSR);
        rustix::fs::mknodat(CWD, &fifo, kind.0, kind.1, 0).unwrap();
        let nothing = dir.path().join("nothing");
        symlink("loop", dir.path().join("loop")).unwrap();
        let looped = dir.path().join("loop");
        let none = [&fifo, &nothing, &looped, dir.path(), &fifo.join("below"), Path::new("/dev/null")];
        for path in none {
            assert!(take(path).unwrap().is_none(), "{path:?}");
        }
    }

    #[test]
    fn what_proc_makes_for_its_reader_is_no_file() {
        let file = tempfile::tempfile().unwrap();
        let own = [format!("/dev/fd/{}", file.as_raw_fd()), format!("/proc/self/fd/{}", file.as_raw_fd())];
        assert!(std::fs::metadata(&own[0]).unwrap().is_file());
        for path in own.iter().map(String::as_str).chain(["/proc/self/exe", "/proc/self/status"]) {
            assert!(take(path).unwrap().is_none(), "{path}");
        }
    }

    #[test]
    fn a_root_holds_what_is_looked_for_in_it() {
        let dir = tempfile::tempdir().unwrap();
        let root = rustix::fs::open(dir.path(), OFlags::PATH | OFlags::CLOEXEC, Mode::empty()).unwrap();
        std::fs::write(dir.path().join("file"), "x").unwrap();
        symlink("/file", dir.path().join("link")).unwrap();
        symlink("/etc/passwd", dir.path().join("out")).unwrap();
        let take = |path| Held::take(root.as_fd(), Path::new(path), ResolveFlags::IN_ROOT, "it").unwrap();
        for path in ["/file", "/link", "/../file", "file"] {
            assert!(take(path).is_some(), "{path}");
        }
        for path in ["/etc/passwd", "/out", "/../etc/passwd"] {
            assert!(take(path).is_none(), "{path}");
        }
    }

    #[test]
    fn a_walk_is_tried_again_but_not_for_ever() {
        let mut calls = 0;
        let mut fails = |times| {
            calls = 0;
            again(|| {
                calls += 1;
                if calls <= times { Err(Errno::AGAIN) } else { Ok(()) }
            })
        };
        assert_eq!(fails(3), Ok(()));
        assert_eq!(fails(1000), Err(Errno::AGAIN));
        assert_eq!(calls, 8);
    }
}
