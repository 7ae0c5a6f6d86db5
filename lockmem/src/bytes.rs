//! The one type that a key lives in. It cannot be cloned, printed or serialised, and what it held is gone before its
//! pages are.

use crate::error::Error;
use crate::level::Level;
use crate::linux::GuardedPages;
use std::fmt;
use subtle::ConstantTimeEq;
use zeroize::Zeroize;

/// The level that a new [`LockedBytes`] would get now, by making one and dropping it.
///
/// # Errors
/// As [`LockedBytes::zeroed`].
pub fn probe() -> Result<Level, Error> {
    LockedBytes::zeroed(1).map(|bytes| bytes.level())
}

/// A fixed number of bytes on pages of their own, between guard pages, at a [`Level`]; wiped when dropped.
///
/// Each takes at least one page of `RLIMIT_MEMLOCK`. At [`Level::Secret`] the pages do not exist in a forked child, and
/// touching (or dropping) the value there ends the child; processes are made by `exec` here.
pub struct LockedBytes {
    pages: GuardedPages,
    len: usize,
}

impl LockedBytes {
    /// `len` zero bytes, to be filled in place.
    ///
    /// # Errors
    /// [`Error::NotLockable`] where neither `memfd_secret(2)` nor `mlock(2)` is granted; [`Error::Map`],
    /// [`Error::Protect`] and [`Error::TooLarge`] as they say.
    pub fn zeroed(len: usize) -> Result<Self, Error> {
        Ok(Self { pages: GuardedPages::for_len(len)?, len })
    }

    /// A copy of `bytes`; wiping the original is up to its owner.
    ///
    /// # Errors
    /// As [`zeroed`](Self::zeroed).
    pub fn copied_from(bytes: &[u8]) -> Result<Self, Error> {
        let mut copy = Self::zeroed(bytes.len())?;
        copy.expose_mut().copy_from_slice(bytes);
        Ok(copy)
    }

    /// How the kernel guards these bytes.
    pub fn level(&self) -> Level {
        self.pages.level()
    }

    /// How many bytes there are.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The bytes. Each call is a place where a secret is seen: keep them few, and copy nothing out.
    pub fn expose(&self) -> &[u8] {
        // SAFETY: `len` bytes from `data` are mapped, initialised (the kernel gives zeros) and ours while `self` lives;
        // `&self` keeps writers away.
        unsafe { std::slice::from_raw_parts(self.pages.data().as_ptr(), self.len) }
    }

    /// The bytes, to be filled or changed in place.
    pub fn expose_mut(&mut self) -> &mut [u8] {
        // SAFETY: as in `expose`; `&mut self` makes this the only reference.
        unsafe { std::slice::from_raw_parts_mut(self.pages.data().as_ptr(), self.len) }
    }

    /// Volatile, so that the compiler keeps it although nobody reads the bytes again.
    fn wipe(&mut self) {
        self.expose_mut().zeroize();
    }
}

impl Drop for LockedBytes {
    fn drop(&mut self) {
        self.wipe();
    }
}

impl PartialEq for LockedBytes {
    /// In constant time for equal lengths; a length is no secret.
    fn eq(&self, other: &Self) -> bool {
        self.expose().ct_eq(other.expose()).into()
    }
}

impl Eq for LockedBytes {}

impl fmt::Debug for LockedBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LockedBytes({} bytes, {})", self.len, self.level().name())
    }
}

#[cfg(test)]
mod tests;
