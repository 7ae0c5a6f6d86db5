//! Listens only while a session is open that has use for it: a locked daemon is on no bus for it, and what was
//! under way ends with the session.

use crate::clock;
use crate::state::State;

/// Runs `listen`, anew for each session that `heeds` what it tells, for as long as the daemon runs.
pub async fn while_open(state: &State, heeds: impl Fn(&State) -> bool, listen: impl AsyncFn()) {
    let mut opens = state.opens();
    loop {
        // Subscribed to before it is looked whether one is open, so that no end falls in between.
        let mut locks = state.locks();
        if state.is_open(clock::now()) && heeds(state) {
            tokio::select! {
                biased;
                // The sender lives as long as the state. Nothing is done any more for a session that has ended.
                _ = locks.changed() => {}
                () = listen() => {}
            }
        } else {
            let _ = opens.changed().await;
        }
    }
}
