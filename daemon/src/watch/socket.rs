//! Notices that the socket is gone: the runtime directory is taken away at logout, and a daemon that
//! nobody can reach any more must not keep a key, or the vault from the next one.

use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::rc::Rc;
use std::time::Duration;

use glassdome_proto::session::LockReason;

use crate::state::State;

const LOOK: Duration = Duration::from_secs(5);

/// Looks for as long as the socket at `path` is the one that is there now; then ends the session
/// and the daemon.
pub async fn watch(state: Rc<State>, path: &Path) {
    let ours = id(path);
    loop {
        tokio::time::sleep(LOOK).await;
        if ours.is_none() || id(path) != ours {
            tracing::warn!("the socket is gone: nobody can reach this daemon any more");
            state.lock(LockReason::Logout);
            return;
        }
    }
}

fn id(path: &Path) -> Option<(u64, u64)> {
    std::fs::symlink_metadata(path).ok().map(|there| (there.dev(), there.ino()))
}
