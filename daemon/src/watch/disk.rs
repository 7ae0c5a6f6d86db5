//! Brings the log to the disk: every line is in the kernel before its answer leaves, and within a
//! second on the disk, many lines with one `fdatasync`; at once, what changes who may what. While a session is
//! open, looks whether the file is still ours.

use std::rc::Rc;
use std::time::Duration;

use crate::clock;
use crate::state::State;

const GROUP: Duration = Duration::from_secs(1);
/// How often the file is looked at while a session is open and nothing is recorded.
const LOOK: Duration = Duration::from_secs(5);

/// Syncs for as long as the daemon runs.
pub async fn watch(state: Rc<State>) {
    loop {
        if state.is_open(clock::now()) {
            if tokio::time::timeout(LOOK, state.journal().wrote()).await.is_err() {
                state.look_at_log().await;
                continue;
            }
        } else {
            state.journal().wrote().await;
        }
        // Whichever comes first.
        let _ = tokio::time::timeout(GROUP, state.journal().urgent()).await;
        state.settle_log().await;
    }
}
