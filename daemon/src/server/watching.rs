//! Tells a connection that watches how the session is: at once, and again whenever that has become something
//! else. A peer that is slow to read misses what is over by then: it is told what is so, not what was.

use std::rc::Rc;
use std::time::Duration;

use glassdome_proto::session::{self, ENDS_SOON_S, LockReason, Status};
use glassdome_proto::{Answer, Code, Refusal};

use super::connection::Connection;
use super::wire::Ended;
use crate::clock::{self, Now};
use crate::ops::{self, Done};
use crate::state::State;

/// What of a status is worth telling: use moves an idle limit all the time, which is not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Told {
    /// When the session ends at the latest, in seconds since the epoch.
    until: Option<u64>,
    paused: bool,
    soon: bool,
    why: Option<LockReason>,
}

impl Connection {
    /// Begins to tell, unless it is told already.
    pub(super) async fn watch(self: &Rc<Self>, id: u32) -> Result<(), Ended> {
        if self.watches.replace(true) {
            let refusal = Refusal::new(Code::Conflict, "this connection is told of changes already");
            return self.refuse(id, refusal).await;
        }
        let connection = self.clone();
        let mut over = self.over.subscribe();
        tokio::task::spawn_local(async move {
            let ended = tokio::select! {
                biased;
                _ = over.wait_for(|over| *over) => return,
                ended = connection.tell(id) => ended,
            };
            connection.end(&ended);
        });
        Ok(())
    }

    /// Tells for as long as the peer hears it.
    async fn tell(&self, id: u32) -> Ended {
        let state = &self.asking.state;
        let (mut locks, mut changes) = (state.locks(), state.policy_changes());
        let mut last: Option<Told> = None;
        loop {
            // Whatever comes from here on is seen.
            locks.borrow_and_update();
            changes.borrow_and_update();
            let status = ops::seen(state);
            let told = Told::of(&status);
            if last.is_none_or(|last| told.differs(last)) {
                last = Some(told);
                let answer = Answer::Session(session::Answer::Status(status));
                if let Err(ended) = self.finish(id, Ok(Done::Answer(answer))).await {
                    return ended;
                }
            }
            let look = next_look(state, clock::now());
            tokio::select! {
                // The senders live as long as the state. A panic while locked is a lock, and no change of who may what.
                _ = locks.changed() => {}
                _ = changes.changed() => {}
                () = look => {}
            }
        }
    }
}

impl Told {
    fn of(status: &Status<'_>) -> Self {
        let (until, soon) = match status.state {
            session::State::Unlocked { expires_at, left_s, .. }
            | session::State::Paused { expires_at, left_s, .. } => (Some(expires_at), left_s <= ENDS_SOON_S),
            session::State::Locked => (None, false),
        };
        let paused = matches!(status.state, session::State::Paused { .. });
        Self { until, paused, soon, why: status.last_lock }
    }

    /// Not by the second that rounding brings.
    fn differs(self, other: Self) -> bool {
        let moved = match (self.until, other.until) {
            (Some(until), Some(other)) => until.abs_diff(other) > 1,
            (until, other) => until != other,
        };
        moved || self.paused != other.paused || self.soon != other.soon || self.why != other.why
    }
}

/// Waits until time alone may have changed something.
async fn next_look(state: &State, now: Now) {
    let left = state.session().open().map(|open| open.left(now));
    match left {
        Some(left) => tokio::time::sleep(until_look(left)).await,
        None => std::future::pending().await,
    }
}

/// Until the warning is due. Past it, use may yet move an idle limit away.
fn until_look(left: Duration) -> Duration {
    const SOON: Duration = Duration::from_secs(ENDS_SOON_S as u64);
    const AGAIN: Duration = Duration::from_secs(10);
    left.checked_sub(SOON).filter(|wait| !wait.is_zero()).unwrap_or(AGAIN)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(until: u64, soon: bool) -> Told {
        Told { until: Some(until), paused: false, soon, why: None }
    }

    #[test]
    fn what_is_told_is_a_change_of_the_session_and_no_rounding() {
        let locked = |why| Told { until: None, paused: false, soon: false, why: Some(why) };
        let paused = Told { paused: true, ..told(100, false) };
        assert!(paused.differs(told(100, false)) && !paused.differs(paused));
        assert!(!told(100, false).differs(told(101, false)));
        assert!(told(100, false).differs(told(102, false)));
        assert!(told(100, false).differs(told(100, true)));
        assert!(told(100, false).differs(locked(LockReason::Idle)));
        assert!(locked(LockReason::Panic).differs(locked(LockReason::Idle)));
        assert!(!locked(LockReason::Idle).differs(locked(LockReason::Idle)));
    }

    #[test]
    fn the_warning_is_not_late() {
        let seconds = Duration::from_secs;
        assert_eq!(until_look(seconds(28_800)), seconds(28_500));
        assert_eq!(until_look(Duration::from_millis(300_500)), Duration::from_millis(500));
        assert_eq!(until_look(seconds(300)), seconds(10));
        assert_eq!(until_look(seconds(3)), seconds(10));
    }
}
