//! The audit log as it lies on the disk, for whoever may read it: it is the user's own, so no daemon is asked.
//! Whoever can write it may have written anything there; nothing in it is believed, or shown as it is.
//!
//! | file | knows |
//! |---|---|
//! | `place` | where the log is, and its files in order |
//! | `which` | which log somebody means, if not their own |
//! | `session` | which session somebody means |
//! | `backwards` | its lines from the end: the newest are what people ask for, and a log is long |
//! | `filter` | which records somebody wants |
//! | `tail` | where the last so many of these begin |
//! | `forwards` | the lines from there on, over all files, and as they are written |
//! | `tally` | who used what how often |
//! | `usual` | what is unusual about a use |

pub(crate) mod backwards;
pub(crate) mod filter;
pub(crate) mod forwards;
pub(crate) mod place;
pub(crate) mod session;
pub(crate) mod tail;
pub(crate) mod tally;
pub(crate) mod usual;
pub(crate) mod which;

use glassdome_audit::Record;

/// The record that a line is, without its newline; `None` if it is none.
pub(crate) fn record(line: &[u8]) -> Option<Record<'_>> {
    glassdome_audit::read(std::str::from_utf8(line).ok()?).ok()
}
