//! The storage family: where the vault is, how it is, and a copy of it. All of that is ciphertext, sizes and counts,
//! which whoever reads the vault's file has, too. And what opens the file beside the password: a device key in the OS
//! keyring, or nothing.

use serde::{Deserialize, Serialize};

use crate::session::{Keyring, Password};
use crate::{Bytes, Text, limits};

/// What can be asked.
#[derive(Debug, Serialize, Deserialize)]
pub enum Request<'a> {
    /// Where the vault is, and how large.
    Status,
    /// The next part of a backup: the first, which begins it, is part 0.
    /// A connection has one at a time.
    Backup {
        /// Which part; the one behind the last.
        part: u32,
    },
    /// The backup of which this connection had the last part is kept, on a disk or wherever it was sent: Status tells
    /// of it from now on.
    Kept,
    /// What the password's slot is bound to, and whether that is in the keyring.
    Device,
    /// Bind the password's slot to a new device key in the keyring, or to none.
    Migrate {
        /// The master password, typed for this; or the recovery code.
        #[serde(borrow)]
        password: Password<'a>,
        /// Where to.
        to: Mode,
        /// The master password from then on, where the recovery code was typed: the slot is made of it.
        #[serde(borrow)]
        new: Option<Password<'a>>,
        /// Take a new master password that is easy to guess.
        accept_weak: bool,
        /// Bind it although there is no recovery code: with the keyring lost, nothing opens the vault.
        without_recovery: bool,
    },
    /// Take away the vault's device keys that its password's slot is not bound to.
    Tidy {
        /// The master password, typed for this; or the recovery code.
        #[serde(borrow)]
        password: Password<'a>,
    },
}

/// What it takes beside the password to open the vault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Mode {
    /// Nothing: the file and the password.
    File,
    /// A device key, which the OS keyring has.
    Keyring,
}

/// Where the device key is that the password's slot is bound to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum DeviceKey {
    /// It is bound to none.
    None,
    /// In the keyring, which is open.
    There,
    /// In the keyring, which is locked.
    Locked,
    /// Not in the keyring.
    Missing,
    /// What the keyring has in its place was another key when a password was tried last.
    Wrong,
    /// The keyring cannot be asked. Why.
    Unreachable(Keyring),
}

/// What is answered.
#[derive(Debug, Serialize, Deserialize)]
pub enum Answer<'a> {
    /// To [`Request::Status`].
    Status {
        /// The vault's file.
        #[serde(borrow)]
        path: Text<'a, { limits::PATH }>,
        /// Its size.
        bytes: u64,
        /// How many secrets can be read.
        secrets: u64,
        /// When it was made, in seconds since the epoch.
        created: u64,
        /// Of when the last backup is that was kept, in seconds since the epoch.
        backup: Option<u64>,
    },
    /// To [`Request::Backup`].
    Backup {
        /// Its bytes.
        #[serde(borrow)]
        data: Bytes<'a, { limits::CHUNK }>,
        /// Whether there are more.
        more: bool,
    },
    /// To [`Request::Kept`].
    Kept,
    /// To [`Request::Device`].
    Device {
        /// The one that the password's slot is bound to.
        key: DeviceKey,
        /// How many others the keyring has of this vault; `None` if it cannot be asked.
        spare: Option<u32>,
    },
    /// To [`Request::Migrate`].
    Migrated {
        /// Whether anything was changed.
        changed: bool,
        /// Whether the device key that opened it before is still in the keyring.
        left: bool,
    },
    /// To [`Request::Tidy`].
    Tidied {
        /// How many were taken away.
        removed: u32,
        /// How many are still there: the keyring is locked, or would have asked.
        left: u32,
    },
}
