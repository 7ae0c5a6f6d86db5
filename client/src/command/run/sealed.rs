//! A script that is read once: what was read is what has the digest, and what runs. The interpreter gets it
//! as a file without a name that nobody can change any more (memfd_create(2), `F_SEAL_WRITE`), however the
//! file on the disk goes on.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};

use glassdome_proto::Text;
use glassdome_proto::policy::{Digest, ScriptCopy};
use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, memfd_create};
use rustix::io::Errno;
use sha2::Digest as _;

use crate::descriptor::{out_of_the_way, read_file, write_all};
use crate::error::Error;

/// Largest script, in bytes.
const LARGEST: usize = 4 * 1024 * 1024;

/// A script, read.
#[derive(Debug)]
pub(super) struct Sealed {
    path: PathBuf,
    sha256: Digest,
    copy: OwnedFd,
}

impl Sealed {
    /// Reads a file, and gives its bytes too.
    ///
    /// # Errors
    /// [`Error::ReadFile`], [`Error::TooLong`], [`Error::SealScript`].
    pub(super) fn read(path: &Path) -> Result<(Self, Vec<u8>), Error> {
        let bytes = read_file(path, LARGEST)?.to_vec();
        let failed = |source| Error::ReadFile { path: path.to_owned(), source };
        let path = std::path::absolute(path).map_err(failed)?;
        let copy = sealed(&bytes).map_err(Error::SealScript)?;
        Ok((Self { path, sha256: sha2::Sha256::digest(&bytes).into(), copy }, bytes))
    }

    /// Where it was read.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// What people see of it.
    pub(super) fn picture(&self) -> ScriptCopy<'static> {
        ScriptCopy { path: Text::cut(self.path.to_string_lossy().into_owned()), sha256: self.sha256 }
    }

    /// The descriptor that goes along.
    pub(super) fn copy(&self) -> &OwnedFd {
        &self.copy
    }

    /// The name under which a process that inherited the descriptor opens the copy (proc_pid_fd(5)).
    pub(super) fn word(&self) -> String {
        format!("/proc/self/fd/{}", self.copy.as_raw_fd())
    }
}

fn sealed(bytes: &[u8]) -> io::Result<OwnedFd> {
    const NAME: &str = "glassdome-script";
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    let copy = match memfd_create(NAME, flags | MemfdFlags::NOEXEC_SEAL) {
        // Before Linux 6.3 there is no such flag, nor a setting that wants it (`vm.memfd_noexec`).
        Err(Errno::INVAL) => memfd_create(NAME, flags)?,
        made => made?,
    };
    write_all(&copy, bytes)?;
    let all = SealFlags::WRITE | SealFlags::GROW | SealFlags::SHRINK | SealFlags::SEAL;
    fcntl_add_seals(&copy, all)?;
    Ok(out_of_the_way(copy))
}

#[cfg(test)]
mod tests {
    use std::fs::{self, OpenOptions};
    use std::io::Write;

    use rustix::fs::{fcntl_get_seals, ftruncate};

    use super::*;

    #[test]
    fn what_was_read_stays() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("script");
        fs::write(&path, "abc").unwrap();
        let (script, bytes) = Sealed::read(&path).unwrap();
        fs::write(&path, "something else").unwrap();
        assert_eq!(bytes, b"abc");
        assert_eq!(fs::read(script.word()).unwrap(), b"abc");
        // FIPS 180-4's example.
        assert_eq!(script.picture().sha256[..4], [0xba, 0x78, 0x16, 0xbf]);
        assert_eq!(&*script.picture().path, path.to_str().unwrap());

        // By whoever holds the descriptor, or opens it again, nothing is changed.
        let all = SealFlags::WRITE | SealFlags::GROW | SealFlags::SHRINK | SealFlags::SEAL;
        assert!(fcntl_get_seals(script.copy()).unwrap().contains(all));
        assert_eq!(rustix::io::write(script.copy(), b"x"), Err(Errno::PERM));
        assert_eq!(ftruncate(script.copy(), 0), Err(Errno::PERM));
        let again = OpenOptions::new().write(true).open(script.word());
        assert!(again.and_then(|mut again| again.write_all(b"x")).is_err());
        assert_eq!(fs::read(script.word()).unwrap(), b"abc");
    }

    #[test]
    fn what_cannot_be_read_is_no_script() {
        let directory = tempfile::tempdir().unwrap();
        assert!(matches!(Sealed::read(&directory.path().join("none")), Err(Error::ReadFile { .. })));
        assert!(matches!(Sealed::read(directory.path()), Err(Error::ReadFile { .. })));
        let long = directory.path().join("long");
        fs::write(&long, vec![b'#'; LARGEST + 1]).unwrap();
        assert!(matches!(Sealed::read(&long), Err(Error::TooLong { max: LARGEST, .. })));
    }
}
