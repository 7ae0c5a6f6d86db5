//! Gives back the memory of what is done once: most of the program's code runs when it starts, when a session
//! opens and the desktop's buses are joined, or when one ends. What serves requests is a fifth of it.

use std::rc::Rc;
use std::time::Duration;

use glassdome_sys::{divide_code, let_go_of_code};

use crate::clock;
use crate::state::State;

/// Until what was begun is done, mostly.
const DONE: Duration = Duration::from_secs(1);
/// For what comes later: as often while a session is open.
const AGAIN: Duration = Duration::from_secs(60);

/// Gives back for as long as the daemon runs.
pub async fn watch(state: Rc<State>) {
    let (mut opens, mut locks) = (state.opens(), state.locks());
    if let Err(error) = divide_code() {
        tracing::debug!("the code could not be divided: {error}");
    }
    loop {
        tokio::time::sleep(DONE).await;
        if let Err(error) = let_go_of_code() {
            tracing::debug!("the code's pages could not be let go of: {error}");
        }
        let is_open = state.is_open(clock::now());
        // The senders live as long as the state.
        tokio::select! {
            _ = opens.changed() => {}
            _ = locks.changed() => {}
            () = tokio::time::sleep(AGAIN), if is_open => {}
        }
    }
}
