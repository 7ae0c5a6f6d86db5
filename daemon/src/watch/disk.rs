//! Brings the log to the disk: every line is in the kernel before its answer leaves, and within a
//! second on the disk, many lines with one `fdatasync`.

use std::rc::Rc;
use std::time::Duration;

use crate::state::State;

const GROUP: Duration = Duration::from_secs(1);

/// Syncs for as long as the daemon runs.
pub async fn watch(state: Rc<State>) {
    loop {
        let file = state.journal().wrote().await;
        tokio::time::sleep(GROUP).await;
        match state.store.run(move || file.sync_data()).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::error!("the audit log could not be brought to the disk: {error}"),
            Err(lost) => tracing::error!("the audit log could not be brought to the disk: {lost}"),
        }
    }
}
