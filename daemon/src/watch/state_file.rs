//! Keeps the file that prompts read as the session is. It is written when the session changes; since a
//! deadline stands in it, passing time changes nothing. Only an idle limit moves with use: that is looked at
//! now and then.

use std::rc::Rc;
use std::time::Duration;

use crate::clock::{self, Now};
use crate::state::State;
use crate::state_file::Shown;

/// The longest between two looks at an idle limit, and until the next try after one that failed.
const LOOK: Duration = Duration::from_secs(60);

/// Writes for as long as the daemon runs; ends at once where nobody asked for it.
pub async fn watch(state: Rc<State>) {
    let Some(file) = state.state_file() else { return };
    let mut changes = state.policy_changes();
    let mut written: Option<Shown> = None;
    loop {
        // Whatever comes from here on is seen.
        changes.borrow_and_update();
        let (shown, look) = look(&state, clock::now());
        if written.is_none_or(|written| shown.differs(written)) {
            written = file.write(shown).then_some(shown);
        }
        let look = if written.is_none() { Some(LOOK) } else { look };
        tokio::select! {
            // The sender lives as long as the state.
            _ = changes.changed() => {}
            () = pause(look) => {}
        }
    }
}

/// Removes the file; nothing is written any more.
pub fn end(state: &State) {
    if let Some(file) = state.state_file() {
        file.end();
    }
}

/// What is to be shown, and how long until it may be something else although nothing happened.
fn look(state: &State, now: Now) -> (Shown, Option<Duration>) {
    let session = state.session();
    let Some(open) = session.open() else { return (Shown::Locked, None) };
    let (left, end) = (open.left(now), open.expires_at(now));
    let until = (now.wall + left).as_secs();
    let shown = if open.is_paused() { Shown::Paused { until } } else { Shown::Unlocked { until } };
    (shown, (now.wall + left < end).then(|| next_look(left)))
}

/// Often enough that the time left is not far from the truth, however short it is.
fn next_look(left: Duration) -> Duration {
    (left / 8).clamp(Duration::from_secs(1), LOOK)
}

async fn pause(time: Option<Duration>) {
    match time {
        Some(time) => tokio::time::sleep(time).await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_idle_limit_is_looked_at_often_and_a_long_one_once_a_minute() {
        let seconds = Duration::from_secs;
        assert_eq!(next_look(seconds(4)), seconds(1));
        assert_eq!(next_look(seconds(80)), seconds(10));
        assert_eq!(next_look(seconds(1800)), seconds(60));
        assert_eq!(next_look(seconds(28_800)), seconds(60));
    }
}
