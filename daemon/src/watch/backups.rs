//! Ends backups that have taken too long: a client that stands still, or reads as slowly as it can, would keep the
//! vault's file from using any space again.

use std::rc::Rc;
use std::time::Instant;

use crate::backups::SWEPT_EVERY;
use crate::state::State;

/// Looks after them for as long as the daemon runs, and sleeps while there are none.
pub async fn watch(state: Rc<State>) {
    loop {
        state.backups().begun().await;
        loop {
            tokio::time::sleep(SWEPT_EVERY).await;
            if state.backups().sweep(Instant::now()) == 0 {
                break;
            }
        }
    }
}
