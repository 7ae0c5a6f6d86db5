//! What the daemon finds when it starts, before anybody asks: from this the locked
//! [`State`](crate::state::State) is made.

use std::path::PathBuf;
use std::time::Duration;

use glassdome_lockmem::Level;
use glassdome_vault::Vault;

use crate::journal::Journal;
use crate::notify::helper::Helper;
use crate::state_file::StateFile;
use crate::throttle::Backoff;
use crate::worker::Worker;

/// What the daemon found when it started.
#[derive(Debug)]
pub struct Found {
    /// Whom it serves.
    pub owner: u32,
    /// The group that it was installed with.
    pub stamp: Option<u32>,
    /// How well memory can be protected; `None` if not at all.
    pub memory: Option<Level>,
    /// The vault, if there is one.
    pub vault: Option<Vault>,
    /// Where it is, or will be.
    pub vault_path: PathBuf,
    /// The open log.
    pub journal: Journal,
    /// The thread for the disk.
    pub store: Worker,
    /// Attempts at the password before this run.
    pub backoff: Backoff,
    /// Since when no session is opened, by the wall clock; `None` if one may be.
    pub panic: Option<Duration>,
    /// Who runs the notification command.
    pub helper: Option<Helper>,
    /// What prompts read, if the owner wants it.
    pub state_file: Option<StateFile>,
}
