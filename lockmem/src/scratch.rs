//! Working memory for a password KDF. 64 MiB and more cannot all be locked under an ordinary `RLIMIT_MEMLOCK`, so this
//! is the one memory here that is locked only in part, kept from dumps and children, and wiped as soon as it is done.

use crate::error::Error;
use crate::linux::{Mapping, memlock_limit, page_size, whole_pages};
use rustix::mm::{Advice, ProtFlags};
use std::fmt;
use std::marker::PhantomData;

/// What a scratch leaves of `RLIMIT_MEMLOCK`, in bytes, for the keys that are made while it is in use.
const ROOM_FOR_KEYS: u64 = 256 * 1024;

/// `count` elements of large, short-lived working memory: present from the start, on huge pages where the kernel has
/// them, wiped and unmapped when dropped.
///
/// As much of it as `RLIMIT_MEMLOCK` leaves, from the front, is locked: Argon2's first blocks are the ones that would
/// let a password be guessed without its memory cost. A lock that is refused is no error; see
/// [`locked_bytes`](Self::locked_bytes).
pub struct Scratch<T: Copy + Default> {
    mapping: Mapping,
    count: usize,
    locked: usize,
    elements: PhantomData<T>,
}

// SAFETY: a scratch owns its elements as a `Vec<T>` does.
unsafe impl<T: Copy + Default + Send> Send for Scratch<T> {}
// SAFETY: as above.
unsafe impl<T: Copy + Default + Sync> Sync for Scratch<T> {}

impl<T: Copy + Default> Scratch<T> {
    /// `count` times `T::default()`.
    ///
    /// # Errors
    /// [`Error::Alignment`] if a page is not aligned enough for `T`, [`Error::TooLarge`] if the size does not fit an
    /// address, [`Error::Map`] if there is no memory, [`Error::Protect`] if it cannot be kept from dumps or children.
    pub fn new(count: usize) -> Result<Self, Error> {
        let (align, page) = (align_of::<T>(), page_size());
        if align > page {
            return Err(Error::Alignment { align, page });
        }
        let too_large = || Error::TooLarge { count, size: size_of::<T>() };
        let bytes = count.checked_mul(size_of::<T>()).and_then(whole_pages).ok_or_else(too_large)?;
        let mapping = Mapping::anonymous(bytes, ProtFlags::READ | ProtFlags::WRITE)?;
        mapping.advise(Advice::LinuxDontDump, "MADV_DONTDUMP")?;
        mapping.advise(Advice::LinuxWipeOnFork, "MADV_WIPEONFORK")?;
        // Only speed: a kernel without huge pages says no, and nothing is lost.
        let _ = mapping.advise(Advice::LinuxHugepage, "MADV_HUGEPAGE");
        let locked = lock_front(&mapping, room_to_lock());
        for index in 0..count {
            // SAFETY: `count` elements fit the mapping, which is aligned for `T`, writable and not yet referenced.
            // This also makes every page present, so that the KDF does not wait for faults.
            unsafe { mapping.base().cast::<T>().add(index).write(T::default()) };
        }
        Ok(Self { mapping, count, locked, elements: PhantomData })
    }

    /// The elements, in the state the last user left them.
    pub fn as_mut_slice(&mut self) -> &mut [T] {
        // SAFETY: `new` initialised `count` elements at the mapping's start; `&mut self` makes this the only reference.
        unsafe { std::slice::from_raw_parts_mut(self.mapping.base().cast().as_ptr(), self.count) }
    }

    /// How many bytes, from the front, are locked into memory; the rest could reach swap while this lives.
    pub fn locked_bytes(&self) -> usize {
        self.locked
    }
}

impl<T: Copy + Default> Drop for Scratch<T> {
    fn drop(&mut self) {
        wipe(&mut self.mapping);
    }
}

impl<T: Copy + Default> fmt::Debug for Scratch<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Scratch({} bytes, {} locked)", self.mapping.len(), self.locked)
    }
}

/// Overwrites a whole mapping with zeros, in one fast run that the compiler must keep.
fn wipe(mapping: &mut Mapping) {
    // SAFETY: the mapping is ours and writable; its elements are `Copy`, so nothing is dropped by overwriting them, and
    // nobody reads them as their type again.
    let bytes = unsafe {
        std::ptr::write_bytes(mapping.base().as_ptr(), 0, mapping.len());
        std::slice::from_raw_parts(mapping.base().as_ptr(), mapping.len())
    };
    zeroize::optimization_barrier(bytes);
}

/// How much this process may lock now and still have [`ROOM_FOR_KEYS`], in bytes.
fn room_to_lock() -> u64 {
    match memlock_limit().0 {
        None => u64::MAX,
        Some(limit) => match locked_so_far() {
            Some(locked) => limit.saturating_sub(locked).saturating_sub(ROOM_FOR_KEYS),
            // Without knowing what is left, keys go first.
            None => 0,
        },
    }
}

/// What this process has locked, in bytes (`VmLck` of proc_pid_status(5)).
fn locked_so_far() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmLck:"))?;
    line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
}

/// Locks as much of the front as `room` allows, in whole pages, and says how much that is.
fn lock_front(mapping: &Mapping, room: u64) -> usize {
    let room = usize::try_from(room).unwrap_or(usize::MAX).min(mapping.len());
    let len = room - room % page_size();
    // SAFETY: the range lies within our mapping; locking neither reads nor writes.
    let locked = len > 0 && unsafe { rustix::mm::mlock(mapping.base().as_ptr().cast(), len) }.is_ok();
    if locked { len } else { 0 }
}

#[cfg(test)]
mod tests {
    use super::{ROOM_FOR_KEYS, Scratch};
    use crate::kernel_view::vma_at;
    use crate::restricted::{Without, run};
    use crate::{Error, LockedBytes};

    /// As large and as aligned as an Argon2 block.
    #[derive(Clone, Copy)]
    #[repr(align(64))]
    struct Block([u64; 128]);

    impl Default for Block {
        fn default() -> Self {
            Self([7; 128])
        }
    }

    const LIMIT: u64 = 1 << 20;

    #[test]
    fn holds_defaults_and_what_is_written() {
        let mut scratch = Scratch::<Block>::new(100).unwrap();
        let blocks = scratch.as_mut_slice();
        assert_eq!(blocks.len(), 100);
        assert!(blocks.iter().all(|block| block.0 == [7; 128]));
        blocks[99].0[127] = 1;
        assert_eq!(scratch.as_mut_slice()[99].0[127], 1);
        assert!(Scratch::<Block>::new(0).unwrap().as_mut_slice().is_empty());
        assert_eq!(Scratch::<()>::new(5).unwrap().as_mut_slice().len(), 5);
    }

    #[test]
    fn is_kept_from_dumps_and_children() {
        let mut scratch = Scratch::<u64>::new(100_000).unwrap();
        let slice = scratch.as_mut_slice();
        for address in [&slice[0], &slice[99_999]].map(|element| std::ptr::from_ref(element) as usize) {
            let vma = vma_at(address);
            assert!(vma.has("dd") && vma.has("wf"), "{:?}", vma.flags);
        }
    }

    #[test]
    fn locks_up_to_the_limit_and_leaves_room_for_keys() {
        let test = "scratch::tests::locks_up_to_the_limit_and_leaves_room_for_keys";
        run(test, Without::Mlock(LIMIT), || {
            let key = LockedBytes::zeroed(32).unwrap();
            let mut scratch = Scratch::<Block>::new(4096).unwrap();
            let page = crate::linux::page_size();
            assert_eq!(scratch.locked_bytes(), (LIMIT - ROOM_FOR_KEYS) as usize - page);
            let locked = scratch.locked_bytes();
            let front = scratch.as_mut_slice().as_ptr() as usize;
            assert!(vma_at(front).has("lo") && vma_at(front + locked - 1).has("lo"));
            assert!(!vma_at(front + locked).has("lo"));
            let more: Vec<_> = (0..64).map(|_| LockedBytes::zeroed(page).unwrap()).collect();
            assert!(matches!(LockedBytes::zeroed(1), Err(Error::NotLockable { .. })), "the limit is real");
            drop((key, more));
        });
    }

    #[test]
    fn a_small_one_is_locked_whole_and_gives_its_lock_back() {
        let test = "scratch::tests::a_small_one_is_locked_whole_and_gives_its_lock_back";
        run(test, Without::Mlock(LIMIT), || {
            for _ in 0..50 {
                assert_eq!(Scratch::<Block>::new(512).unwrap().locked_bytes(), 512 * 1024);
            }
        });
    }

    #[test]
    fn without_a_limit_to_spare_it_is_made_unlocked() {
        let test = "scratch::tests::without_a_limit_to_spare_it_is_made_unlocked";
        run(test, Without::Mlock(ROOM_FOR_KEYS), || {
            assert_eq!(Scratch::<Block>::new(512).unwrap().locked_bytes(), 0);
        });
    }

    #[test]
    fn the_wipe_leaves_zeros_to_the_last_byte() {
        let mut scratch = Scratch::<u8>::new(3 * 4096 - 1).unwrap();
        scratch.as_mut_slice().fill(0xa5);
        super::wipe(&mut scratch.mapping);
        assert!(scratch.as_mut_slice().iter().all(|&byte| byte == 0));
    }

    #[test]
    fn sizes_and_alignments_that_cannot_be_are_refused() {
        #[derive(Clone, Copy, Default)]
        #[repr(align(8192))]
        #[allow(dead_code)]
        struct Wide(u8);
        assert!(matches!(Scratch::<Wide>::new(1), Err(Error::Alignment { align: 8192, .. })));
        assert!(matches!(Scratch::<u64>::new(usize::MAX), Err(Error::TooLarge { size: 8, .. })));
        assert!(matches!(Scratch::<u8>::new(usize::MAX), Err(Error::TooLarge { .. })));
        assert!(matches!(Scratch::<u8>::new(usize::MAX / 2), Err(Error::Map { .. })));
    }
}
