//! The panic, as the rooms share it: while there is one, no session is opened.

use std::time::Duration;

use glassdome_proto::session::LockReason;

use super::State;
use crate::clock::Now;

/// No session is opened.
#[derive(Debug, Clone, Copy)]
pub(super) struct Panic {
    /// By the wall clock.
    pub(super) since: Duration,
    /// Whether the next run of the daemon finds it too.
    pub(super) on_disk: bool,
}

impl State {
    /// Since when no session is opened, by the wall clock; `None` if one may be.
    pub fn panic_since(&self) -> Option<Duration> {
        self.panic.get().map(|panic| panic.since)
    }

    /// Ends the session, and opens none from now on. A panic that is on goes on.
    pub fn begin_panic(&self, now: Now) {
        let panic = self.panic.get().unwrap_or(Panic { since: now.wall, on_disk: false });
        self.panic.set(Some(panic));
        self.lock(LockReason::Panic);
    }

    /// The panic that the disk does not have: since when.
    pub fn unstored_panic(&self) -> Option<Duration> {
        self.panic.get().filter(|panic| !panic.on_disk).map(|panic| panic.since)
    }

    /// The disk has the panic, or is about to have it no longer.
    pub fn set_panic_on_disk(&self, on_disk: bool) {
        self.panic.set(self.panic.get().map(|panic| Panic { on_disk, ..panic }));
    }

    /// Sessions may be opened again.
    pub fn end_panic(&self) {
        self.panic.set(None);
    }
}
