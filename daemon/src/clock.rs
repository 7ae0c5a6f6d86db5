//! The two clocks that end a session, read together. Rooms that judge time take a [`Now`] and never
//! read a clock themselves, so that tests can hand them any time they like.

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// A moment by both clocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Now {
    /// `CLOCK_BOOTTIME`: since the machine started, time asleep included (clock_gettime(2)). Nobody
    /// but root can set it.
    pub boot: Duration,
    /// `CLOCK_REALTIME`: since the epoch.
    pub wall: Duration,
}

/// Reads both clocks.
pub fn now() -> Now {
    Now { boot: read(ClockId::Boottime), wall: read(ClockId::Realtime) }
}

fn read(id: ClockId) -> Duration {
    let time = clock_gettime(id);
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    let nanos = u32::try_from(time.tv_nsec).unwrap_or(0);
    Duration::new(seconds, nanos)
}
