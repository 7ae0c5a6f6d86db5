//! Memory that a key may live in: it is never swapped, never dumped, never inherited by a child, and where the
//! kernel has `memfd_secret(2)` not even root can read it through `/proc/PID/mem`.
//!
//! There is no unlocked level. Where memory cannot be locked, making it is an [`Error`], and whoever wanted to hold
//! a key goes without one.
//!
//! | type | for | pages |
//! |---|---|---|
//! | [`LockedBytes`] | keys, passwords, opened values | own pages between two guard pages, at one [`Level`] |
//! | [`Scratch`] | the working memory of a password KDF | locked as far as the limit allows, wiped at the end |

mod bytes;
mod error;
mod level;
mod linux;
mod scratch;
mod stack;

#[cfg(test)]
mod kernel_view;
#[cfg(test)]
mod restricted;

pub use bytes::{LockedBytes, probe};
pub use error::{Error, MemlockLimit};
pub use level::Level;
pub use scratch::Scratch;
pub use stack::{scrub_stack, scrub_stack_to};
