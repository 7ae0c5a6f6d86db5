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
    in_time(what, until)?;
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
        in_time(what, until)?;
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

/// Whether there is still time.
///
/// # Errors
/// [`Unreadable::Late`].
pub(super) fn in_time(what: &'static str, until: Instant) -> Result<(), Unreadable> {
    if Instant::now() < until { Ok(()) } else { Err(Unreadable::Late { what }) }
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

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::time::Duration;

    use super::*;

    fn soon() -> Instant {
        Instant::now() + Duration::from_secs(60)
    }

    fn file(bytes: &[u8]) -> File {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        file
    }

    #[test]
    fn the_digest_is_sha_256_of_all_blocks() {
        // FIPS 180-4, the example of one block.
        let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        let hex: String =
            sha256(&file(b"abc"), false, "it", soon()).unwrap().map(|b| format!("{b:02x}")).concat();
        assert_eq!(hex, abc);
        for len in [0, 1, BLOCK - 1, BLOCK, BLOCK + 1, 3 * BLOCK] {
            let bytes: Vec<u8> = (0..len).map(|at| (at % 251) as u8).collect();
            let expected: [u8; 32] = Sha256::digest(&bytes).into();
            assert_eq!(sha256(&file(&bytes), false, "it", soon()).unwrap(), expected, "{len}");
        }
    }

    #[test]
    fn time_and_length_are_limited() {
        let file = file(b"");
        file.set_len(LIMIT).unwrap();
        let late = sha256(&file, false, "it", Instant::now());
        assert!(matches!(late, Err(Unreadable::Late { .. })));
        let began = Instant::now();
        let late = sha256(&file, false, "it", began + Duration::from_millis(20));
        assert!(matches!(late, Err(Unreadable::Late { .. })));
        file.set_len(LIMIT + 1).unwrap();
        let long = sha256(&file, false, "it", soon());
        assert!(matches!(long, Err(Unreadable::TooLong { limit: LIMIT, .. })));
    }

    #[test]
    fn a_file_of_another_length_than_it_had_was_changed() {
        for size in [2, 4] {
            let changed = hash(&file(b"abc"), size, "it", soon());
            assert!(matches!(changed, Err(Unreadable::Changed { .. })));
        }
    }

    #[test]
    fn a_write_makes_another_version_though_the_owner_sets_the_time_back() {
        let file = file(b"abc");
        let before = Version::of(&file, "it").unwrap();
        assert_eq!(Version::of(&file, "it").unwrap(), before);
        let modified = file.metadata().unwrap().modified().unwrap();
        // Longer than the kernel's coarsest clock for file times.
        std::thread::sleep(Duration::from_millis(30));
        file.write_all_at(b"xyz", 0).unwrap();
        file.set_modified(modified).unwrap();
        assert_ne!(Version::of(&file, "it").unwrap(), before);
    }

    #[test]
    fn only_what_is_settled_is_remembered() {
        let unsettled = file(b"one");
        sha256(&unsettled, false, "it", soon()).unwrap();
        let version = Version::of(&unsettled, "it").unwrap();
        assert_eq!(CACHE.lock().known(&version), None);
        let settled = file(b"two");
        let digest = sha256(&settled, true, "it", soon()).unwrap();
        let version = Version::of(&settled, "it").unwrap();
        assert_eq!(CACHE.lock().known(&version), Some(digest));
        // What is remembered is the answer: it is not read again.
        CACHE.lock().remember(version, [7; 32]);
        assert_eq!(sha256(&settled, true, "it", soon()).unwrap(), [7; 32]);
        assert_eq!(sha256(&settled, false, "it", soon()).unwrap(), digest);
    }

    #[test]
    fn the_cache_forgets_the_oldest_and_older_versions() {
        let version = |ino, size| Version { dev: 1, ino, size, modified: (0, 0), changed: (0, 0) };
        let mut cache = Cache { entries: VecDeque::new() };
        for ino in 0..=Cache::ENTRIES as u64 {
            cache.remember(version(ino, 1), [1; 32]);
        }
        assert_eq!(cache.entries.len(), Cache::ENTRIES);
        assert_eq!(cache.known(&version(0, 1)), None);
        assert_eq!(cache.known(&version(1, 1)), Some([1; 32]));
        cache.remember(version(1, 2), [2; 32]);
        assert_eq!(cache.known(&version(1, 1)), None);
        assert_eq!(cache.known(&version(1, 2)), Some([2; 32]));
        assert_eq!(cache.entries.len(), Cache::ENTRIES);
    }
}
