//! How the vault is kept, as the session's status tells everybody.

use serde::{Deserialize, Serialize};

/// A backup is due when the last one is so old, in seconds.
const BACKUP_DUE_S: u64 = 30 * 86_400;

/// How the vault is kept, as everybody can tell who has its file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Storage {
    /// Whether the password opens it only with a device key in the OS keyring.
    pub bound: bool,
    /// Of when the last backup is that was kept, in seconds since the epoch.
    pub backup: Option<u64>,
}

impl Storage {
    /// The word that programs see for what it takes beside the password.
    pub fn mode(self) -> &'static str {
        if self.bound { "keyring" } else { "file" }
    }
}

/// Whether a backup is due `now`: the last one is older than 30 days, or there is none. Both in seconds since the epoch.
pub fn is_backup_due(last: Option<u64>, now: u64) -> bool {
    last.is_none_or(|at| at.saturating_add(BACKUP_DUE_S) < now)
}
