//! Whether a process still runs the program it ran when it was looked at.
//!
//! A pidfd survives `exec(2)`; an address space does not. An open `/proc/PID/pagemap` belongs to the address space the
//! process had at that moment, also when the process becomes non-dumpable later, and says when it is gone.

use rustix::fs::{Mode, OFlags, openat};
use rustix::io::Errno;
use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};

/// An open handle on the address space that a process has *now*; it dies with `exec` or exit.
///
/// The kernel keeps an address space as long as anybody uses it: a process made with `CLONE_VM` that shares it, or a
/// reader of the same user who is in the middle of a system call over it. So a dead handle proves that the program is
/// gone; a live one proves that it is not *just* gone, and is asked beside the sender's credentials and the pidfd.
#[derive(Debug)]
pub struct AddressSpace {
    file: OwnedFd,
    kind: Kind,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Kind {
    /// A read of one byte is misaligned: EINVAL while the address space lives, but 0 bytes once it is gone, since that
    /// is looked at first (`pagemap_read` in fs/proc/task_mmu.c). It takes no lock of the peer's, unlike `maps` and
    /// `PROCMAP_QUERY`, so that a peer that keeps its own address space locked stalls nobody; and it is the cheapest.
    Pagemap,
    /// For kernels without CONFIG_PROC_PAGE_MONITOR: a byte of text while the address space lives, none afterwards.
    Maps,
}

impl AddressSpace {
    /// Opens the address space of the process behind an open `/proc/PID` directory.
    ///
    /// # Errors
    /// `EACCES` if ptrace(2)'s read mode would be refused (another user's or a non-dumpable process), `ENOENT` or
    /// `ESRCH` if the process is gone, a zombie, or a thread of the kernel.
    pub fn open(proc_pid_dir: BorrowedFd<'_>) -> io::Result<Self> {
        match Self::open_as(proc_pid_dir, Kind::Pagemap) {
            // A handle that does not know a live address space when it sees one is no better than a missing one.
            Ok(handle) if handle.alive() => Ok(handle),
            Ok(_) | Err(Errno::NOENT) => match Self::open_as(proc_pid_dir, Kind::Maps)? {
                handle if handle.alive() => Ok(handle),
                _ => Err(Errno::SRCH.into()),
            },
            Err(error) => Err(error.into()),
        }
    }

    /// Whether the process still has this address space: it has neither exited nor called `exec`. Costs one system call.
    pub fn alive(&self) -> bool {
        let mut byte = [0_u8; 1];
        let answer = rustix::io::retry_on_intr(|| rustix::io::pread(&self.file, &mut byte, 0));
        match self.kind {
            Kind::Pagemap => answer == Err(Errno::INVAL),
            Kind::Maps => answer == Ok(1),
        }
    }

    fn open_as(proc_pid_dir: BorrowedFd<'_>, kind: Kind) -> rustix::io::Result<Self> {
        let name = match kind {
            Kind::Pagemap => c"pagemap",
            Kind::Maps => c"maps",
        };
        let file = openat(proc_pid_dir, name, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?;
        Ok(Self { file, kind })
    }
}

#[cfg(test)]
mod tests;
