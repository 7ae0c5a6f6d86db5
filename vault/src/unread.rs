//! What cannot be read of the file fails the read that meets it, and no other. redb itself reads nothing more of a file
//! once one read of it has failed: so a failure goes past redb, as an unwinding that whoever reads catches. redb holds
//! no lock while it reads, and keeps nothing of a page that it was not given.
//!
//! Only where redb reads for a snapshot: what fails in the middle of a change is told to redb, which then gives the
//! change up.

use std::cell::Cell;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

thread_local! {
    /// Whether redb reads for a snapshot on this thread.
    static READING: Cell<bool> = const { Cell::new(false) };
}

/// What went past redb.
struct Failed(io::Error);

/// Why nothing was read.
#[derive(Debug)]
pub(crate) enum Unread {
    /// The file was not: the error of whoever was asked for it.
    File(io::Error),
    /// redb panicked.
    Panicked,
}

/// Runs what has redb read for a snapshot, and nothing else: it neither writes nor calls back.
pub(crate) fn reading<T>(read: impl FnOnce() -> T) -> Result<T, Unread> {
    let outer = READING.replace(true);
    let read = catch_unwind(AssertUnwindSafe(read));
    READING.set(outer);
    read.map_err(|payload| match payload.downcast::<Failed>() {
        Ok(failed) => Unread::File(failed.0),
        Err(_) => Unread::Panicked,
    })
}

/// What a read of the file came to: an error goes past redb if that reads for a snapshot.
pub(crate) fn past_redb(read: io::Result<()>) -> io::Result<()> {
    match read {
        // No panic: no hook of the program hears of it.
        Err(error) if READING.get() => resume_unwind(Box::new(Failed(error))),
        read => read,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_goes_past_whoever_reads_and_is_told_to_whoever_writes() {
        let refused = || past_redb(Err(io::ErrorKind::InvalidData.into()));
        assert_eq!(refused().unwrap_err().kind(), io::ErrorKind::InvalidData);
        let read = reading(|| {
            let _ = refused();
            unreachable!("it went past")
        });
        assert!(matches!(read, Err(Unread::File(error)) if error.kind() == io::ErrorKind::InvalidData));
        assert!(refused().is_err(), "nobody reads any longer");
        assert!(matches!(reading(|| past_redb(Ok(()))), Ok(Ok(()))));
    }

    #[test]
    fn within_another_it_is_over_with_the_outer_one() {
        let outer = reading(|| {
            assert!(matches!(reading(|| panic!("redb's own")), Err(Unread::Panicked)));
            let _ = past_redb(Err(io::ErrorKind::Other.into()));
        });
        assert!(matches!(outer, Err(Unread::File(_))));
        assert!(past_redb(Err(io::ErrorKind::Other.into())).is_err());
    }
}
