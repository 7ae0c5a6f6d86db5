//! The storage family: where the vault is, how it is, and a copy of it. All of that is ciphertext, sizes and counts,
//! which whoever reads the vault's file has, too. And what opens the file beside the password: a device key in the OS
//! keyring, or nothing.

use serde::{Deserialize, Serialize};

use crate::session::{Keyring, Password};
use crate::{Bytes, List, Text, limits};

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
    /// Read all of the vault from its file, and all of the audit log, and tell what is wrong where; or wait for whoever
    /// is at it already. Answered within a second: by what came of it, or by how far it is.
    Test {
        /// The master password, in the place of a granted terminal.
        #[serde(borrow)]
        proof: Option<Password<'a>>,
    },
    /// Wait for the test that this connection has begun, answered as [`Request::Test`].
    TestOn,
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
        /// How many former versions of secrets are kept.
        former: u64,
        /// The last test that came to its end.
        tested: Option<LastTest>,
        /// Whether the vault is known to be damaged, by a test or by the look behind each unlock.
        damaged: bool,
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
    /// To [`Request::Test`] and [`Request::TestOn`]: it is over.
    Tested(#[serde(borrow)] Tested<'a>),
    /// To [`Request::Test`] and [`Request::TestOn`]: it goes on.
    Testing {
        /// What it is at.
        stage: TestStage,
        /// How much of that is behind it.
        done: u64,
        /// How much that is, as far as is known.
        total: u64,
    },
}

/// What a test is at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum TestStage {
    /// The pages of the vault's file, in bytes.
    Pages,
    /// Its rows.
    Rows,
    /// The audit log, in bytes.
    Log,
}

/// What the last test came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastTest {
    /// When it ended, in seconds since the epoch.
    pub at: u64,
    /// How much was wrong with the vault.
    pub faults: u64,
    /// Whether the audit log was as it was written.
    pub log_sound: bool,
}

/// What came of a test.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Tested<'a> {
    /// Rows of the vault that were read.
    pub rows: u64,
    /// How much is wrong with the vault.
    pub faults: u64,
    /// The first of that.
    #[serde(borrow)]
    pub told: List<Fault<'a>, { limits::FAULTS }>,
    /// Records of the audit log that were read.
    pub records: u64,
    /// What is wrong with the log.
    #[serde(borrow)]
    pub log: Option<LogFault<'a>>,
}

/// What is wrong with the audit log.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct LogFault<'a> {
    /// What, in the word of its alarm.
    #[serde(borrow)]
    pub word: Text<'a, { limits::TABLE }>,
    /// In which file, where that can be told.
    #[serde(borrow)]
    pub file: Option<Text<'a, { limits::PATH }>>,
    /// In which line of it, from 1.
    pub line: Option<u64>,
    /// The record that stands there, or that should.
    pub record: Option<u64>,
}

/// What is wrong.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Fault<'a> {
    /// In which table of the vault; none for what leads to all of them.
    #[serde(borrow)]
    pub table: Option<Text<'a, { limits::TABLE }>>,
    /// Of which secret, or which setting, where that can be known.
    #[serde(borrow)]
    pub name: Option<Text<'a, { limits::NAME }>>,
    /// Of which version.
    pub version: Option<u64>,
    /// What.
    pub kind: FaultKind,
}

/// What can be wrong with a row, or with what leads to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum FaultKind {
    /// A page of the store is not what was written: what is in it, or behind it, may not be read.
    Page,
    /// A row does not open at its place: it was altered, or is from elsewhere.
    Sealed,
    /// A row leads, or belongs, to another one than it should.
    Astray,
    /// A row is missing.
    Missing,
    /// A row belongs to nothing.
    Foreign,
    /// A row that is not sealed cannot be read.
    Unreadable,
    /// All rows open, and together they are not what the last change left: one was put back, taken away or added.
    Sum,
}
