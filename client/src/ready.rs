//! Waiting until there is something to be done at a descriptor: awake, where that is a matter of microseconds, or
//! asleep in poll(2).

use std::os::fd::BorrowedFd;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::thread::sched_yield;

use crate::error::Error;
use crate::exchange::exchange;
use crate::guest::Interruption;

/// How long a wait stays awake: longer than the daemon takes for a handshake with its look at who asks.
const AWAKE: Duration = Duration::from_micros(300);

/// No wait at all.
const NOW: Timespec = Timespec { tv_sec: 0, tv_nsec: 0 };

/// Looks for a moment whether there is something, and gives way to whoever else would run on this core, instead of
/// sleeping: to wake a core that has fallen asleep takes longer than most of what the daemon does. For whoever has
/// nothing else to do. If it was in vain, [`sleep_until`] is what follows; it also says what may be wrong.
pub(crate) fn awake(descriptor: BorrowedFd<'_>, what: PollFlags) -> bool {
    let began = Instant::now();
    loop {
        match poll(&mut [PollFd::new(&descriptor, what)], Some(&NOW)) {
            Ok(0) if began.elapsed() < AWAKE => sched_yield(),
            Ok(there) => return there > 0,
            Err(_) => return false,
        }
    }
}

/// Waits until there is something to be done at `descriptor`.
///
/// # Errors
/// [`Error::TimedOut`], [`Error::BrokenOff`], or what failed underneath.
pub(crate) fn sleep_until(
    descriptor: BorrowedFd<'_>,
    what: PollFlags,
    deadline: Instant,
    interruption: &mut Option<Interruption>,
) -> Result<(), Error> {
    loop {
        // What is there already counts also for one that was stopped meanwhile.
        let wait = left(deadline).unwrap_or_default();
        let slice = interruption.as_ref().map_or(wait, |interruption| wait.min(interruption.every));
        let timer =
            Timespec::try_from(slice).map_err(|error| Error::Exchange(std::io::Error::other(error)))?;
        match poll(&mut [PollFd::new(&descriptor, what)], Some(&timer)) {
            Ok(0) if slice == wait => return Err(Error::TimedOut),
            Ok(0) | Err(Errno::INTR) => interruption.as_mut().map_or(Ok(()), Interruption::heed)?,
            Ok(_) => return Ok(()),
            Err(error) => return Err(exchange(error)),
        }
    }
}

/// What is left until `deadline`; nothing left is an error.
pub(crate) fn left(deadline: Instant) -> Result<Duration, Error> {
    let left = deadline.saturating_duration_since(Instant::now());
    if left.is_zero() { Err(Error::TimedOut) } else { Ok(left) }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::os::fd::AsFd;
    use std::os::unix::net::UnixStream;

    use super::*;

    #[test]
    fn what_is_there_when_the_time_is_over_is_taken() {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        let over = || sleep_until(ours.as_fd(), PollFlags::IN, Instant::now(), &mut None);
        assert!(matches!(over(), Err(Error::TimedOut)));
        theirs.write_all(b".").unwrap();
        over().unwrap();
    }

    #[test]
    fn a_wait_that_stays_awake_ends_by_itself() {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        let there = || awake(ours.as_fd(), PollFlags::IN);
        assert!(!there());
        theirs.write_all(b".").unwrap();
        assert!(there());
    }
}
