//! Whether there is a session, and for how long: answered to every process of the owner. It says
//! nothing secret, counts nothing while locked, and keeps no session alive.

use glassdome_lockmem::Level;
use glassdome_proto::session::{self, Memory, Status};
use glassdome_proto::{Answer, Text};

use super::device;
use crate::clock;
use crate::state::State;

/// The answer to a status request.
pub fn status(state: &State) -> Answer<'static> {
    Answer::Session(session::Answer::Status(seen(state)))
}

/// How it is now.
pub fn seen(state: &State) -> Status<'static> {
    let now = clock::now();
    let open = state.is_open(now);
    let secrets = match state.vault() {
        Some(vault) if open => vault.entries().unwrap_or_default(),
        _ => 0,
    };
    let session = state.session();
    let (current, last_lock) = match session.open() {
        Some(open) => {
            let expires_at = open.expires_at(now).as_secs();
            let left_s = u32::try_from(open.left(now).as_secs()).unwrap_or(u32::MAX);
            let state = match open.is_paused() {
                true => session::State::Paused { expires_at, left_s, secrets },
                false => session::State::Unlocked { expires_at, left_s, secrets },
            };
            (state, None)
        }
        None => (session::State::Locked, state.last_lock()),
    };
    Status {
        state: current,
        last_lock,
        pid: std::process::id(),
        version: Text::cut(env!("CARGO_PKG_VERSION")),
        memory: memory(state.memory()),
        vault: state.vault_state(),
        keyring: state.keyring().state(),
        logind: state.logind().state(),
        screen: state.screens().state(),
        audit: state.journal().state(),
        storage: storage(state),
    }
}

/// What cannot be read of it is told, with the reason, by whoever is asked about it alone (`ctl storage`).
fn storage(state: &State) -> Option<session::Storage> {
    let vault = state.vault()?;
    let bound = device::input_of(&vault).ok()?.device().is_some();
    Some(session::Storage { bound, backup: vault.last_backup().ok()? })
}

fn memory(level: Option<Level>) -> Memory {
    match level {
        None => Memory::None,
        Some(Level::Locked) => Memory::Locked,
        Some(Level::Secret) => Memory::Secret,
    }
}
