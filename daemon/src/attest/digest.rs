//! The bytes of a file in thirty-two of them, without ever holding up whoever waits: in blocks, with
//! an eye on the clock.
//!
//! Programs of the distribution are hashed once: only root can change them, and then their times
//! change. What anybody else can change is read each time, since its owner can set its times back.

use std::collections::VecDeque;
use std::fs::File;
use std::os::fd::AsFd;
use std::os::unix::fs::FileExt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use rustix::fs::{AtFlags, Statx, StatxFlags, StatxTimestamp};
use sha2::{Digest, Sha256};

use super::file::device;
use super::program::Unreadable;

/// The longest file that is hashed, in bytes: 1 GiB.
pub(super) const LIMIT: u64 = 1 << 30;

/// How much is read at a time, in bytes: between two blocks the clock is looked at.
const BLOCK: usize = 64 << 10;

/// SHA-256 (FIPS 180-4) of an open regular file, as it is now. `settled` says that only root can
/// change it: then the answer may be remembered. `what` names the file in errors.
///
/// # Errors
/// [`Unreadable::Late`] once `until` has passed, [`Unreadable::TooLong`], [`Unreadable::Changed`] if
/// it was written to meanwhile, [`Unreadable::Io`].
pub(super) fn sha256(
    file: &File,
    settled: bool,
    what: &'static str,
    until: Instant,
) -> Result<[u8; 32], Unreadable> {
    let before = Version::of(file, what)?;
    if settled && let Some(known) = CACHE.lock().known(&before) {
        return Ok(known);
    }
    if before.size > LIMIT {
        return Err(Unreadable::TooLong { what, limit: LIMIT });
    }
    let sha256 = hash(file, before.size, what, until)?;
    if Version::of(file, what)? != before {
        return Err(Unreadable::Changed { what });
    }
    if settled {
        CACHE.lock().remember(before, sha256);
    }
    Ok(sha256)
}

fn hash(file: &File, size: u64, what: &'static str, until: Instant) -> Result<[u8; 32], Unreadable> {
    let mut hash = Sha256::new();
    let mut block = vec![0; BLOCK];
    let mut at = 0;
    loop {
        if Instant::now() >= until {
            return Err(Unreadable::Late { what });
        }
        match file.read_at(&mut block, at) {
            Ok(0) if at == size => return Ok(hash.finalize().into()),
            Ok(0) => return Err(Unreadable::Changed { what }),
            Ok(len) => {
                hash.update(&block[..len]);
                at += len as u64;
                if at > size {
                    return Err(Unreadable::Changed { what });
                }
            }
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(source) => return Err(Unreadable::Io { what, source }),
        }
    }
}

/// A file at a moment: any write to it makes another one of it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Version {
    dev: u64,
    ino: u64,
    size: u64,
    modified: (i64, u32),
    changed: (i64, u32),
}

impl Version {
    fn of(file: &File, what: &'static str) -> Result<Self, Unreadable> {
        let stat = rustix::fs::statx(file.as_fd(), "", AtFlags::EMPTY_PATH, StatxFlags::BASIC_STATS);
        let stat = stat.map_err(Unreadable::io(what))?;
        let time = |time: StatxTimestamp| (time.tv_sec, time.tv_nsec);
        let Statx { stx_ino: ino, stx_size: size, stx_mtime, stx_ctime, .. } = stat;
        let (modified, changed) = (time(stx_mtime), time(stx_ctime));
        Ok(Self { dev: device(&stat), ino, size, modified, changed })
    }
}

static CACHE: Shared = Shared(Mutex::new(Cache { entries: VecDeque::new() }));

struct Shared(Mutex<Cache>);

impl Shared {
    /// Every change to the cache is whole before anything can panic: a poisoned lock is as good.
    fn lock(&self) -> MutexGuard<'_, Cache> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The digests of files that only root can change; the oldest leaves first.
struct Cache {
    entries: VecDeque<(Version, [u8; 32])>,
}

impl Cache {
    const ENTRIES: usize = 256;

    fn known(&self, version: &Version) -> Option<[u8; 32]> {
        self.entries.iter().find(|(known, _)| known == version).map(|(_, sha256)| *sha256)
    }

    fn remember(&mut self, version: Version, sha256: [u8; 32]) {
        self.entries.retain(|(known, _)| (known.dev, known.ino) != (version.dev, version.ino));
        if self.entries.len() >= Self::ENTRIES {
            self.entries.pop_front();
        }
        self.entries.push_back((version, sha256));
    }
}
