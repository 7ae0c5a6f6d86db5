//! Guessing the master password online is slow: a pause of 1 s that doubles to 30 s. Pure; what
//! must outlive a restart is stored by the vault, in its plain table, before the guess is tried.
//!
//! The pause counts for the vault and not for the client: a new connection or process buys nothing.
//! Its ceiling is low on purpose: a higher one would let malware lock the owner out.

use std::time::Duration;

use glassdome_vault::Throttle;

use crate::clock::Now;

/// After the first wrong password.
const FIRST: Duration = Duration::from_secs(1);
/// After the sixth and all that follow.
const LONGEST: Duration = Duration::from_secs(30);

/// Attempts so far, and until when the next one must wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backoff {
    failures: u32,
    until_boot: Duration,
}

impl Backoff {
    /// Goes on where the last run of the daemon left off. What was stored is wall time, which
    /// anybody may have set since: it never makes a pause longer than the failures earned.
    pub fn resume(stored: &Throttle, now: Now) -> Self {
        let not_before = Duration::from_millis(stored.not_before);
        let left = not_before.saturating_sub(now.wall).min(pause(stored.failures));
        Self { failures: stored.failures, until_boot: now.boot + left }
    }

    /// How long the next attempt must wait; zero if it need not.
    pub fn wait(&self, now: Now) -> Duration {
        self.until_boot.saturating_sub(now.boot)
    }

    /// Counts an attempt as failed before it is made, so that ending the daemon in the middle of
    /// one gains nothing. [`Backoff::default`] forgives it when the password was right.
    pub fn charge(&self, now: Now) -> Self {
        let failures = self.failures.saturating_add(1);
        Self { failures, until_boot: now.boot + pause(failures) }
    }

    /// What to store.
    pub fn stored(&self, now: Now) -> Throttle {
        let not_before = now.wall + self.wait(now);
        Throttle {
            failures: self.failures,
            not_before: u64::try_from(not_before.as_millis()).unwrap_or(u64::MAX),
        }
    }
}

impl Default for Backoff {
    fn default() -> Self {
        Self { failures: 0, until_boot: Duration::ZERO }
    }
}

fn pause(failures: u32) -> Duration {
    match failures {
        0 => Duration::ZERO,
        n => FIRST.saturating_mul(1 << (n - 1).min(16)).min(LONGEST),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Now = Now { boot: Duration::from_secs(500), wall: Duration::from_secs(1_000_000) };

    fn later(seconds: u64) -> Now {
        let by = Duration::from_secs(seconds);
        Now { boot: START.boot + by, wall: START.wall + by }
    }

    #[test]
    fn pauses_double_to_thirty_seconds() {
        let mut backoff = Backoff::default();
        assert_eq!(backoff.wait(START), Duration::ZERO);
        for seconds in [1, 2, 4, 8, 16, 30, 30, 30] {
            backoff = backoff.charge(START);
            assert_eq!(backoff.wait(START), Duration::from_secs(seconds));
        }
        assert_eq!(backoff.wait(later(29)), Duration::from_secs(1));
        assert_eq!(backoff.wait(later(30)), Duration::ZERO);
    }

    #[test]
    fn a_restart_changes_nothing() {
        let backoff = Backoff::default().charge(START).charge(START).charge(START);
        let resumed = Backoff::resume(&backoff.stored(START), later(1));
        assert_eq!(resumed.wait(later(1)), Duration::from_secs(3));
        assert_eq!(resumed.charge(later(5)).wait(later(5)), Duration::from_secs(8));
    }

    #[test]
    fn a_wall_clock_set_back_locks_nobody_out() {
        let backoff = Backoff::default().charge(START).charge(START);
        let past = Now { boot: Duration::from_secs(1), wall: Duration::ZERO };
        assert_eq!(Backoff::resume(&backoff.stored(START), past).wait(past), Duration::from_secs(2));
    }
}
