//! Why memory for a secret could not be had, with the mend in the text: a user meets this at the first unlock.

use std::fmt;
use std::io;

/// Why no guarded memory was made. None of these leaves a weaker memory behind.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// `mlock(2)` refused: `RLIMIT_MEMLOCK` is used up (or zero), or the machine is out of memory.
    #[error(
        "cannot lock {bytes} bytes of memory, the limit is {limit}: \
         raise it with `ulimit -l`, or LimitMEMLOCK= in the service's unit"
    )]
    NotLockable {
        /// How many bytes, in whole pages, were to be locked.
        bytes: usize,
        /// The soft `RLIMIT_MEMLOCK` of this process.
        limit: MemlockLimit,
        /// What the kernel said.
        source: io::Error,
    },
    /// `mmap(2)` found no address space.
    #[error("cannot map {bytes} bytes of memory")]
    Map {
        /// How many bytes were to be mapped, guard pages included.
        bytes: usize,
        /// What the kernel said.
        source: io::Error,
    },
    /// The pages are there but cannot be kept from dumps or children (Linux before 4.14).
    #[error("cannot protect memory with {advice}")]
    Protect {
        /// The `madvise(2)` or `mprotect(2)` protection that was refused.
        advice: &'static str,
        /// What the kernel said.
        source: io::Error,
    },
    /// The size does not fit an address.
    #[error("{count} elements of {size} bytes are more than memory can hold")]
    TooLarge {
        /// How many elements were asked for.
        count: usize,
        /// The size of one, in bytes.
        size: usize,
    },
    /// Pages are not aligned enough for the element type.
    #[error("elements aligned to {align} bytes do not fit pages of {page} bytes")]
    Alignment {
        /// The element's alignment, in bytes.
        align: usize,
        /// The page size, in bytes.
        page: usize,
    },
}

/// A soft `RLIMIT_MEMLOCK` in bytes; `None` is no limit.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct MemlockLimit(pub Option<u64>);

impl fmt::Display for MemlockLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(bytes) => write!(f, "{bytes} bytes"),
            None => f.write_str("infinite"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Error, MemlockLimit};

    #[test]
    fn the_text_says_the_size_the_limit_and_the_mend() {
        let source = std::io::Error::from_raw_os_error(libc::EPERM);
        let text = Error::NotLockable { bytes: 4096, limit: MemlockLimit(Some(0)), source }.to_string();
        for part in ["4096 bytes", "0 bytes", "ulimit -l", "LimitMEMLOCK="] {
            assert!(text.contains(part), "{part:?} is missing in {text:?}");
        }
    }
}
