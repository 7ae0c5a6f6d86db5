//! The pause, as the rooms share it: while a screen is locked, what a person has granted rests. What is sealed
//! goes on, and so do handles.

use glassdome_audit::{Event, Outcome};
use glassdome_proto::session::LockReason;

use super::State;
use crate::clock;
use crate::journal::{Entry, Who};
use crate::screens::Verdict;
use crate::session::Input;

impl State {
    /// Whether what was granted rests.
    pub fn is_paused(&self) -> bool {
        self.session.borrow().open().is_some_and(|open| open.is_paused())
    }

    /// Does what the screens make necessary.
    pub fn do_for_screen(&self, verdict: Verdict) {
        let was = self.is_paused();
        match verdict {
            Verdict::Nothing => return,
            Verdict::Lock => return self.lock(LockReason::ScreenLocked),
            Verdict::Pause => self.step(Input::Pause, clock::now()),
            Verdict::Resume => self.step(Input::Resume, clock::now()),
        }
        let is = self.is_paused();
        if was == is {
            return;
        }
        let event = if is { Event::Pause } else { Event::Resume };
        let by = Some(LockReason::ScreenLocked.name()).filter(|_| is);
        tracing::info!("{}", if is { "paused: the screen locked" } else { "no longer paused" });
        // A log that fails here has locked the session, which is all that is left to do.
        let _ = self.record(Entry { event, outcome: Outcome::Allowed, secret: None, by, peer: Who::Nobody });
    }

    /// Has rest what is to rest as the session is now, and hold what is to hold.
    pub(super) fn rest(&self) {
        let rests = self.is_paused();
        if self.grants.rest(rests) {
            self.answers.rest(rests);
            self.pins.outdate();
            self.policy_changed();
        }
    }
}
