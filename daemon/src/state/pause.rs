//! The pause, as the rooms share it: while a screen is locked, what a person has granted rests. What is sealed
//! goes on, and so do handles.

use std::rc::Rc;
use std::time::Duration;

use glassdome_audit::{Event, Outcome};
use glassdome_proto::session::LockReason;
use tokio::time::sleep;

use super::State;
use crate::clock;
use crate::journal::{Entry, Who};
use crate::screens::{Heed, Verdict};
use crate::session::Input;

/// So long no screen locks before a pause ends that nobody's password ends: whoever has screens lock and open in
/// a loop fills no log, and has nobody looked at anew all the time.
const SETTLE: Duration = Duration::from_secs(1);

impl State {
    /// Whether what was granted rests.
    pub fn is_paused(&self) -> bool {
        self.session.borrow().open().is_some_and(|open| open.is_paused())
    }

    /// What was seen of the screens. One that locks counts at once; it goes on when they have stayed open.
    pub fn see_screen(self: &Rc<Self>, verdict: Verdict) {
        if verdict != Verdict::Resume {
            return self.do_for_screen(verdict);
        }
        if self.screens.settle() {
            let state = self.clone();
            tokio::task::spawn_local(async move {
                loop {
                    let locks = state.screens.locks();
                    sleep(SETTLE).await;
                    if locks == state.screens.locks() {
                        break;
                    }
                }
                state.do_for_screen(state.screens.settled());
            });
        }
    }

    /// Another setting is sealed, by the master password: it holds at once, since a session that is paused may
    /// have no other way out. `locks` is [`Screens::locks`](crate::screens::Screens::locks) from before the
    /// password was tried.
    pub fn heed_screens(&self, heed: Heed, locks: u64) {
        if self.is_open(clock::now()) {
            self.do_for_screen(self.screens.begin(heed, locks));
            // Whoever did not have to listen may have to.
            self.opens.send_modify(|count| *count += 1);
        }
    }

    /// Does what the screens make necessary, at once.
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
        let _ = self.record(Entry {
            event,
            outcome: Outcome::Allowed,
            secret: None,
            to: None,
            by,
            peer: Who::Nobody,
        });
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
