//! Ends sessions on time although nobody asks: the timer of the state machine. It sleeps while
//! nothing is open, and a tick that comes late is itself a reason to lock.

use std::rc::Rc;

use crate::clock::now;
use crate::state::State;

/// Ticks for as long as the daemon runs.
pub async fn watch(state: Rc<State>) {
    loop {
        let at = now();
        let wait = state.session().open().map(|open| open.next_tick(at));
        match wait {
            Some(wait) => tokio::select! {
                () = tokio::time::sleep(wait) => {}
                // Begun anew, perhaps with less time.
                () = state.opened() => continue,
            },
            None => state.opened().await,
        }
        state.tick(now());
    }
}
