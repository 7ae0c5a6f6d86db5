//! What is known about a secret, and about the daemon: the words are those of `ctl info --json` and
//! `ctl status --json`.

use std::collections::BTreeMap;

use glassdome_proto::secrets;
use glassdome_proto::session::{self, ENDS_SOON_S, LockReason, State};
use pyo3::prelude::*;

/// Everything about a secret but its value. Times are seconds since the epoch, sizes are bytes.
#[pyclass(module = "glassdome", frozen, get_all)]
pub(crate) struct Info {
    /// Its name.
    name: String,
    /// The current version, counted from 1.
    version: u64,
    /// How many versions are kept, the current one included.
    versions: u8,
    /// When the first version was stored.
    created: u64,
    /// When the current version was stored.
    changed: u64,
    /// When it should be replaced, if that was said.
    expires: Option<u64>,
    /// How long its value is; None if it has only fields.
    size: Option<u32>,
    /// Its fields: how long each is.
    fields: BTreeMap<String, u32>,
}

#[pymethods]
impl Info {
    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        let name = self.name.as_str().into_pyobject(py)?.repr()?;
        Ok(format!("<glassdome.Info {name}, version {}>", self.version))
    }
}

impl Info {
    pub(crate) fn new(about: &secrets::Info<'_>) -> Self {
        Self {
            name: about.entry.name.to_string(),
            version: about.entry.version,
            versions: about.versions,
            created: about.created,
            changed: about.entry.changed,
            expires: about.entry.expires,
            size: about.entry.size,
            fields: about.fields.iter().map(|field| (field.name.to_string(), field.size)).collect(),
        }
    }
}

/// The daemon's state. Times are seconds since the epoch.
#[pyclass(module = "glassdome", frozen, get_all)]
pub(crate) struct Status {
    /// "locked", "unlocked", or "paused": a screen is locked, and what a person has granted rests.
    state: &'static str,
    /// Why the last session ended, if one did in this run of the daemon: "requested", "expired", "idle",
    /// "keyring-locked", "screen-locked", "suspend", "logout", "canary", "shutdown", "unlogged" or "panic".
    reason: Option<&'static str>,
    /// When the session ends at the latest; None while locked, as the next three.
    expires_at: Option<u64>,
    /// Seconds until the session ends if it is not used.
    left_s: Option<u32>,
    /// Whether that is five minutes or less.
    ends_soon: Option<bool>,
    /// How many secrets there are.
    secrets: Option<u64>,
    /// The daemon's process id.
    pid: u32,
    /// The daemon's version.
    version: String,
    /// How the key's memory is protected: "none", "locked" or "secret".
    memory: &'static str,
    /// The vault's file: "absent", "present" or "damaged".
    vault: &'static str,
    /// The OS keyring, as far as it is watched.
    keyring: &'static str,
    /// logind, as far as it is listened to.
    logind: &'static str,
    /// The person's screens.
    screen: &'static str,
    /// The audit log.
    audit: &'static str,
    /// What it takes beside the password to open the vault: "file" is nothing, "keyring" a key in the OS keyring; None
    /// without a vault, or where that cannot be read.
    mode: Option<&'static str>,
    /// Of when the last backup is, if there is one.
    last_backup: Option<u64>,
}

#[pymethods]
impl Status {
    fn __repr__(&self) -> String {
        match self.left_s {
            Some(left) => format!("<glassdome.Status {}, {left} s left>", self.state),
            None => format!("<glassdome.Status {}>", self.state),
        }
    }
}

impl Status {
    pub(crate) fn new(status: &session::Status<'_>) -> Self {
        let open = match status.state {
            State::Unlocked { expires_at, left_s, secrets } => {
                Some(("unlocked", expires_at, left_s, secrets))
            }
            State::Paused { expires_at, left_s, secrets } => Some(("paused", expires_at, left_s, secrets)),
            State::Locked => None,
        };
        Self {
            state: open.map_or("locked", |(word, ..)| word),
            reason: status.last_lock.map(LockReason::name),
            expires_at: open.map(|(_, expires_at, ..)| expires_at),
            left_s: open.map(|(_, _, left_s, _)| left_s),
            ends_soon: open.map(|(_, _, left_s, _)| left_s <= ENDS_SOON_S),
            secrets: open.map(|(.., secrets)| secrets),
            pid: status.pid,
            version: status.version.to_string(),
            memory: status.memory.name(),
            vault: status.vault.name(),
            keyring: status.keyring.name(),
            logind: status.logind.name(),
            screen: status.screen.name(),
            audit: status.audit.name(),
            mode: status.storage.map(session::Storage::mode),
            last_backup: status.storage.and_then(|storage| storage.backup),
        }
    }
}
