//! Settles the vault: a change is acknowledged with one sync, and within a second, or when the session ends,
//! the vault file gets what makes its next opening quick, whatever happens until then.

use std::rc::Rc;
use std::time::Duration;

use crate::state::State;

/// A vault that was written to is settled this long after: once for all that was written meanwhile.
const GROUP: Duration = Duration::from_secs(1);

/// Settles for as long as the daemon runs.
pub async fn watch(state: Rc<State>) {
    let mut locks = state.locks();
    loop {
        // First for what an unclean end left.
        settle(&state).await;
        state.changed().await;
        // The sender lives as long as the state.
        let _ = tokio::time::timeout(GROUP, locks.changed()).await;
    }
}

/// Brings everything that was acknowledged into the vault's file, behind what is being written.
pub async fn settle(state: &State) {
    let Some(vault) = state.vault() else { return };
    match state.store.run(move || vault.settle()).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::error!("the vault could not be settled: {error}"),
        Err(lost) => tracing::error!("the vault could not be settled: {lost}"),
    }
}
