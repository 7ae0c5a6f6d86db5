//! Attacks on the pages: each looks with the kernel's eyes or another process's, and has a control that succeeds.

use super::{LockedBytes, probe};
use crate::kernel_view::vma_at;
use crate::linux::page_size;
use crate::restricted::{Without, run};
use crate::{Error, Level, MemlockLimit};
use std::fs::File;
use std::os::unix::fs::FileExt;

const KEY: &[u8; 32] = b"glassdome-control-string-of-32-b";

fn address(bytes: &LockedBytes) -> usize {
    bytes.expose().as_ptr() as usize
}

/// How a forked child ends that does `act`: its exit code, or the signal that killed it, negated.
fn in_a_fork(act: impl Fn() -> u8) -> i32 {
    // SAFETY: the child only reads memory and leaves by `_exit`; it takes no lock and allocates nothing.
    unsafe {
        let pid = libc::fork();
        assert!(pid >= 0, "fork failed");
        if pid == 0 {
            libc::_exit(i32::from(act()));
        }
        let mut status = 0;
        assert_eq!(libc::waitpid(pid, &mut status, 0), pid);
        if libc::WIFSIGNALED(status) { -libc::WTERMSIG(status) } else { libc::WEXITSTATUS(status) }
    }
}

fn read_by(address: *const u8) -> u8 {
    // SAFETY: either readable, or the fault is what the test is about, in a process of its own.
    unsafe { address.read_volatile() }
}

/// The tests of what holds at either level.
fn guards_stand_on_both_sides(len: usize) {
    let bytes = LockedBytes::zeroed(len).unwrap();
    let (first, page) = (address(&bytes), page_size());
    let end = vma_at(first).end;
    assert_eq!(end - first, len.max(1).next_multiple_of(page));
    for guard in [first - 1, first - page, end, end + page - 1] {
        assert!(vma_at(guard).permissions.starts_with("---"), "{guard:x} of {first:x}..{end:x}");
        assert_eq!(in_a_fork(|| read_by(guard as *const u8)), -libc::SIGSEGV);
    }
}

#[test]
fn this_machine_gives_secret_memory() {
    // Where this fails, the tests below that need it would prove nothing.
    assert_eq!(probe().unwrap(), Level::Secret);
}

#[test]
fn guard_pages_fault() {
    for len in [0, 1, 32, 4096, 4097, 100_000] {
        guards_stand_on_both_sides(len);
    }
}

#[test]
fn guard_pages_fault_at_the_locked_level() {
    run("bytes::tests::guard_pages_fault_at_the_locked_level", Without::MemfdSecret, || {
        for len in [0, 32, 4097] {
            guards_stand_on_both_sides(len);
        }
    });
}

#[test]
fn secret_pages_are_secretmem_locked_undumped_and_not_inherited() {
    let bytes = LockedBytes::copied_from(KEY).unwrap();
    let vma = vma_at(address(&bytes));
    assert!(vma.path.contains("secretmem"), "{}", vma.path);
    for flag in ["lo", "dd", "dc"] {
        assert!(vma.has(flag), "{flag} is not among {:?}", vma.flags);
    }
    let first = bytes.expose().as_ptr();
    assert_eq!(in_a_fork(|| read_by(first)), -libc::SIGSEGV);
}

#[test]
fn secret_pages_cannot_be_read_through_proc() {
    let memory = File::open("/proc/self/mem").unwrap();
    let mut seen = [0; KEY.len()];

    let heap = KEY.to_vec();
    memory.read_exact_at(&mut seen, heap.as_ptr() as u64).unwrap();
    assert_eq!(&seen, KEY, "control: the same read finds what lies on the heap");

    let bytes = LockedBytes::copied_from(KEY).unwrap();
    let refused = memory.read_at(&mut seen, address(&bytes) as u64).unwrap_err();
    assert_eq!(refused.raw_os_error(), Some(libc::EIO));
    assert_eq!(bytes.expose(), KEY);
}

#[test]
fn no_descriptor_stays_open() {
    run("bytes::tests::no_descriptor_stays_open", Without::Mlock(1 << 20), || {
        let open = || std::fs::read_dir("/proc/self/fd").unwrap().count();
        let before = open();
        let many: Vec<_> = (0..8).map(|_| LockedBytes::copied_from(KEY).unwrap()).collect();
        assert!(many.iter().all(|bytes| bytes.level() == Level::Secret));
        assert_eq!(open(), before);
    });
}

#[test]
fn refused_secret_memory_falls_back_to_locked_pages() {
    run("bytes::tests::refused_secret_memory_falls_back_to_locked_pages", Without::MemfdSecret, || {
        let bytes = LockedBytes::copied_from(KEY).unwrap();
        assert_eq!((bytes.level(), probe().unwrap()), (Level::Locked, Level::Locked));
        let vma = vma_at(address(&bytes));
        assert!(vma.path.is_empty(), "{}", vma.path);
        for flag in ["lo", "dd", "wf"] {
            assert!(vma.has(flag), "{flag} is not among {:?}", vma.flags);
        }
        assert_eq!(vma.locked_kib, page_size() as u64 / 1024);
        assert_eq!(bytes.expose(), KEY);
        let first = bytes.expose().as_ptr();
        assert_eq!(read_by(first), KEY[0]);
        assert_eq!(in_a_fork(|| read_by(first)), 0, "a child sees zeros");
    });
}

#[test]
fn without_locked_memory_there_is_no_memory() {
    let test = "bytes::tests::without_locked_memory_there_is_no_memory";
    run(test, Without::Mlock(0), || match LockedBytes::zeroed(5000) {
        Err(Error::NotLockable { bytes, limit, source }) => {
            assert_eq!(bytes, 2 * page_size());
            assert_eq!(limit, MemlockLimit(Some(0)));
            assert_eq!(source.raw_os_error(), Some(libc::EPERM));
        }
        other => panic!("{other:?}"),
    });
}

#[test]
fn a_used_up_limit_is_an_error_and_gives_back_what_is_dropped() {
    let page = page_size() as u64;
    for without in [Without::Mlock(3 * page), Without::Either(3 * page)] {
        run("bytes::tests::a_used_up_limit_is_an_error_and_gives_back_what_is_dropped", without, || {
            for _ in 0..100 {
                let fitting: Vec<_> = (0..3).map(|_| LockedBytes::zeroed(1).unwrap()).collect();
                assert!(matches!(LockedBytes::zeroed(1), Err(Error::NotLockable { .. })));
                drop(fitting);
            }
        });
    }
}

#[test]
fn a_dropped_value_is_unmapped_with_its_guards() {
    // In a process of its own, where no other test can map something new at the same place.
    run("bytes::tests::a_dropped_value_is_unmapped_with_its_guards", Without::Mlock(1 << 20), || {
        let page = page_size();
        let mapped = |at: usize| {
            // SAFETY: mincore(2) writes the one byte it is given; ENOMEM says that nothing is mapped there.
            unsafe { libc::mincore((at & !(page - 1)) as *mut _, page, &mut 0_u8) == 0 }
        };
        let bytes = LockedBytes::copied_from(KEY).unwrap();
        let first = address(&bytes);
        let all = [first - page, first, first + page];
        assert!(all.into_iter().all(mapped), "control");
        drop(bytes);
        assert!(!all.into_iter().any(mapped));
    });
}

#[test]
fn the_wipe_leaves_zeros() {
    let mut bytes = LockedBytes::copied_from(KEY).unwrap();
    assert_eq!(bytes.expose(), KEY);
    bytes.wipe();
    assert_eq!(bytes.expose(), [0; KEY.len()]);
}

#[test]
fn compares_by_content() {
    let key = LockedBytes::copied_from(KEY).unwrap();
    assert_eq!(key, LockedBytes::copied_from(KEY).unwrap());
    assert_ne!(key, LockedBytes::copied_from(&KEY[..31]).unwrap());
    let mut other = LockedBytes::copied_from(KEY).unwrap();
    other.expose_mut()[31] ^= 1;
    assert_ne!(key, other);
    assert!(LockedBytes::zeroed(0).unwrap().is_empty());
}

#[test]
fn debug_shows_no_byte() {
    let text = format!("{:?}", LockedBytes::copied_from(KEY).unwrap());
    assert_eq!(text, "LockedBytes(32 bytes, secret)");
}

#[test]
fn is_send_and_sync() {
    fn holds<T: Send + Sync>() {}
    holds::<LockedBytes>();
}
