//! Has the OS keyring keep the newest state of a vault that is bound to it: when a session begins, at most once a minute
//! while it changes, and when it has ended; where the keyring is locked then, when it is open again. Nobody waits for it,
//! and nothing is refused because it fails.

use std::rc::Rc;
use std::time::Duration;

use tokio::time::{sleep, timeout};
use zbus::ObjectPath;

use crate::kept::{self, Bytes, Unkept};
use crate::keyring::Sight;
use crate::state::State;

/// Between two looks while a session is open, however much is changed meanwhile: a keyring writes all that it has, each
/// time.
const APART: Duration = Duration::from_secs(60);
/// A daemon that ends waits no longer for a keyring.
const LAST: Duration = Duration::from_millis(500);

/// Keeps it for as long as the daemon runs.
pub async fn watch(state: Rc<State>) {
    let mut opens = state.opens();
    loop {
        keep(&state).await;
        let is_open = state.keys().is_some();
        tokio::select! {
            () = state.keeping().asked() => {}
            // The sender lives as long as the state.
            _ = opens.changed() => {}
            () = state.keyring().opened(), if state.keeping().has_left() => {}
            () = sleep(APART), if is_open => {}
        }
    }
}

/// Has the last state kept, if the keyring takes it at once.
pub async fn end(state: &State) {
    // One that is not kept now is what a crash leaves, too.
    let _ = timeout(LAST, keep(state)).await;
}

async fn keep(state: &State) {
    let keeping = state.keeping();
    let _turn = keeping.turn.lock().await;
    let left = keeping.take();
    let Some(bytes) = state.state_to_keep().or(left) else { return };
    if keeping.kept() == Some(bytes) {
        return;
    }
    keeping.gave(bytes, give(state, &bytes).await);
}

async fn give(state: &State, bytes: &Bytes) -> Result<(), Unkept> {
    let vault = state.vault().ok_or(Unkept::Nowhere)?;
    let keyring = state.keyring();
    let collection = match &*keyring.sight() {
        Sight::Open(collection) => collection.path.clone(),
        Sight::Locked => return Err(Unkept::Locked),
        _ => return Err(Unkept::Nowhere),
    };
    let reach = keyring.reached().ok_or(Unkept::Nowhere)?;
    let collection = ObjectPath::try_from(collection.as_str()).map_err(|_| Unkept::Nowhere)?;
    let label = format!("Glassdome: newest state of {}", state.vault_path().display());
    kept::keep(&reach, Some(&collection), vault.id(), &label, bytes).await
}
