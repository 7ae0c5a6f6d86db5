//! Ends sessions on time although nobody asks: the timer of the state machine. It sleeps while
//! nothing is open, and a tick that comes late is itself a reason to lock.

use std::rc::Rc;

use crate::clock::now;
use crate::state::State;

/// Ticks for as long as the daemon runs.
pub async fn watch(state: Rc<State>) {
    let mut opens = state.opens();
    loop {
        let at = now();
        let wait = state.session().open().map(|open| open.next_tick(at));
        match wait {
            Some(wait) => tokio::select! {
                () = tokio::time::sleep(wait) => {}
                // Begun anew, perhaps with less time.
                _ = opens.changed() => continue,
            },
            // The sender lives as long as the state.
            None => drop(opens.changed().await),
        }
        state.tick(now());
    }
}
