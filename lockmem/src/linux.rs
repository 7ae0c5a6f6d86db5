//! The pages themselves, on Linux: who asks the kernel for what, in which order, and what is tried next.
//!
//! ```text
//!  PROT_NONE │ data, whole pages, read-write │ PROT_NONE
//!  guard     │ memfd_secret, else mlock      │ guard
//! ```

use crate::error::{Error, MemlockLimit};
use crate::level::Level;
use rustix::io::Errno;
use rustix::mm::{Advice, MapFlags, MprotectFlags, MremapFlags, ProtFlags};
use rustix::process::{Resource, getrlimit};
use std::ffi::c_void;
use std::os::fd::{FromRawFd, OwnedFd};
use std::ptr::{self, NonNull};

/// The size of a page, in bytes.
pub(crate) fn page_size() -> usize {
    rustix::param::page_size()
}

/// The soft limit of locked memory.
pub(crate) fn memlock_limit() -> MemlockLimit {
    MemlockLimit(getrlimit(Resource::Memlock).current)
}

/// `len` in whole pages, at least one.
pub(crate) fn whole_pages(len: usize) -> Option<usize> {
    len.max(1).checked_next_multiple_of(page_size())
}

/// A mapping that this value owns, from its first byte to its last.
pub(crate) struct Mapping {
    base: NonNull<u8>,
    len: usize,
}

// SAFETY: a mapping belongs to the process, not to a thread; access goes through `&self` and `&mut self` of its owner.
unsafe impl Send for Mapping {}
// SAFETY: as above; a shared mapping value offers no way to write.
unsafe impl Sync for Mapping {}

impl Mapping {
    /// `len` bytes of private anonymous memory, all zero, wherever the kernel puts them.
    pub(crate) fn anonymous(len: usize, protection: ProtFlags) -> Result<Self, Error> {
        // SAFETY: no address is asked for, so nothing that exists is replaced.
        let base = unsafe { rustix::mm::mmap_anonymous(ptr::null_mut(), len, protection, MapFlags::PRIVATE) };
        Self::owning(base, len).map_err(|source| Error::Map { bytes: len, source: source.into() })
    }

    fn owning(base: Result<*mut c_void, Errno>, len: usize) -> Result<Self, Errno> {
        let base = NonNull::new(base?.cast()).expect("the kernel maps nothing at address zero unasked");
        Ok(Self { base, len })
    }

    pub(crate) fn base(&self) -> NonNull<u8> {
        self.base
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    pub(crate) fn advise(&self, advice: Advice, name: &'static str) -> Result<(), Error> {
        // SAFETY: the range is ours, and no advice that is given here changes what this process reads from it.
        unsafe { rustix::mm::madvise(self.base.as_ptr().cast(), self.len, advice) }
            .map_err(|source| Error::Protect { advice: name, source: source.into() })
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: the range is ours alone, and no reference into it outlives its owner.
        // Unmapping a whole range that was mapped cannot fail but by a full table of mappings; then it stays, wiped.
        let _ = unsafe { rustix::mm::munmap(self.base.as_ptr().cast(), self.len) };
    }
}

/// Read-write pages at a [`Level`], between two guard pages.
pub(crate) struct GuardedPages {
    mapping: Mapping,
    level: Level,
}

impl GuardedPages {
    /// Pages for `len` bytes, all zero: secret ones if the kernel gives them, else locked ones.
    pub(crate) fn for_len(len: usize) -> Result<Self, Error> {
        let data = whole_pages(len).ok_or(Error::TooLarge { count: len, size: 1 })?;
        let total = data.checked_add(2 * page_size()).ok_or(Error::TooLarge { count: len, size: 1 })?;
        // Whatever the refusal was (ENOSYS, EPERM, EAGAIN, a filter), the answer is the same: try to lock.
        let secret = secret_pages(data).ok().and_then(|pages| Self::enclose(pages, total).ok());
        secret.map_or_else(|| Self::locked(data, total), Ok)
    }

    /// The first byte of the data.
    pub(crate) fn data(&self) -> NonNull<u8> {
        // SAFETY: the mapping is at least three pages long, and the data begin after the first.
        unsafe { self.mapping.base.add(page_size()) }
    }

    pub(crate) fn level(&self) -> Level {
        self.level
    }

    fn locked(data: usize, total: usize) -> Result<Self, Error> {
        let mapping = Mapping::anonymous(total, ProtFlags::empty())?;
        // Before the lock: so that at no time a child or a dump could have them.
        mapping.advise(Advice::LinuxDontDump, "MADV_DONTDUMP")?;
        mapping.advise(Advice::LinuxWipeOnFork, "MADV_WIPEONFORK")?;
        let pages = Self { mapping, level: Level::Locked };
        let start = pages.data().as_ptr().cast();
        // SAFETY: the data lie within our mapping, to which nobody has a reference yet.
        unsafe { rustix::mm::mprotect(start, data, MprotectFlags::READ | MprotectFlags::WRITE) }
            .map_err(|source| Error::Protect { advice: "PROT_READ|PROT_WRITE", source: source.into() })?;
        // SAFETY: as above; locking reads and writes nothing.
        unsafe { rustix::mm::mlock(start, data) }.map_err(|source| Error::NotLockable {
            bytes: data,
            limit: memlock_limit(),
            source: source.into(),
        })?;
        Ok(pages)
    }

    /// Moves secret pages between guards. They are mapped first and moved then, because a `MAP_FIXED` that is refused
    /// leaves a hole in the reservation on some kernels, into which another thread could map.
    fn enclose(secret: Mapping, total: usize) -> Result<Self, Error> {
        let guards = Mapping::anonymous(total, ProtFlags::empty())?;
        let pages = Self { mapping: guards, level: Level::Secret };
        // SAFETY: both ranges are ours and nobody has a reference into either; the target lies within the reservation.
        let moved = unsafe {
            rustix::mm::mremap_fixed(
                secret.base.as_ptr().cast(),
                secret.len,
                secret.len,
                MremapFlags::MAYMOVE,
                pages.data().as_ptr().cast(),
            )
        };
        match moved {
            Ok(_) => {
                // The old range is free for others to map from here on: it is no longer ours to unmap.
                std::mem::forget(secret);
                touch(pages.data(), total - 2 * page_size());
                Ok(pages)
            }
            Err(source) => {
                // The same hole may be in this reservation now (only when the kernel is out of memory for its tables),
                // so it is left standing rather than unmapped over somebody.
                std::mem::forget(pages);
                Err(Error::Map { bytes: total, source: source.into() })
            }
        }
    }
}

/// `len` bytes of `memfd_secret(2)`, without a descriptor: root could take one and map it.
fn secret_pages(len: usize) -> Result<Mapping, Errno> {
    // SAFETY: one integer argument, no memory. (rustix does not wrap this call.)
    let descriptor = unsafe { libc::syscall(libc::SYS_memfd_secret, libc::O_CLOEXEC) };
    if descriptor < 0 {
        return Err(Errno::from_io_error(&std::io::Error::last_os_error()).unwrap_or(Errno::NOSYS));
    }
    // SAFETY: the kernel has just made this descriptor for us; descriptors fit an i32.
    let file = unsafe { OwnedFd::from_raw_fd(descriptor as i32) };
    rustix::fs::ftruncate(&file, len as u64)?;
    let protection = ProtFlags::READ | ProtFlags::WRITE;
    // SAFETY: no address is asked for, so nothing that exists is replaced; the file is ours and never truncated again.
    let base = unsafe { rustix::mm::mmap(ptr::null_mut(), len, protection, MapFlags::SHARED, &file, 0) };
    let mapping = Mapping::owning(base, len)?;
    // A shared mapping cannot be wiped in a child (EINVAL), so the child does not get it at all.
    // SAFETY: the range is ours and only a child's view of it changes.
    unsafe { rustix::mm::madvise(mapping.base.as_ptr().cast(), len, Advice::LinuxDontFork) }?;
    Ok(mapping)
}

/// Makes every page present: secret memory that the machine does not have kills here, before a key is in it.
fn touch(start: NonNull<u8>, len: usize) {
    for offset in (0..len).step_by(page_size()) {
        // SAFETY: the range is mapped read-write, ours, and without references.
        unsafe { start.add(offset).write_volatile(0) };
    }
}
