//! The settings family. What could weaken security is sealed in the vault and changes only with
//! the master password.

use serde::{Deserialize, Serialize};

use crate::session::Password;
use crate::{Bytes, List, Text, limits, recovery};

/// Key of a setting.
pub type Word<'a> = Text<'a, { limits::SETTING }>;

/// Value of a setting, as text.
pub type Value<'a> = Text<'a, { limits::SETTING_VALUE }>;

/// What can be asked.
#[derive(Debug, Serialize, Deserialize)]
pub enum Request<'a> {
    /// All settings with their values.
    Show,
    /// Change one.
    Set {
        /// The master password, typed for this.
        #[serde(borrow)]
        password: Password<'a>,
        /// Which.
        #[serde(borrow)]
        key: Word<'a>,
        /// To what.
        #[serde(borrow)]
        value: Value<'a>,
    },
    /// Seal the audit log to another auditor from now on.
    SetAuditor {
        /// The master password, typed for this.
        #[serde(borrow)]
        password: Password<'a>,
        /// The auditor's X25519 public key.
        public: [u8; 32],
        /// What only who made the pair can make of the secret key: it seals the first key, and is wiped.
        /// 32 bytes.
        #[serde(borrow)]
        origin: Bytes<'a, 32>,
    },
    /// Take note of an alarm about the audit log, and go on with the one that is there.
    AcceptLog {
        /// The master password, typed for this.
        #[serde(borrow)]
        password: Password<'a>,
    },
    /// Where the audit log stands, and where it stood when the vault was last told.
    AuditHead,
    /// What opens the vault. Whoever reads its file knows it, too.
    Slots,
    /// Make the recovery code, another one, or none.
    SetRecovery {
        /// The master password, typed for this; or the recovery code.
        #[serde(borrow)]
        password: Password<'a>,
        /// What becomes of it.
        #[serde(borrow)]
        change: RecoveryChange<'a>,
    },
}

/// What becomes of the recovery code.
#[derive(Debug, Serialize, Deserialize)]
pub enum RecoveryChange<'a> {
    /// There is one from now on, where there was none.
    Add(#[serde(borrow)] RecoveryCode<'a>),
    /// There is another one from now on.
    Replace(#[serde(borrow)] RecoveryCode<'a>),
    /// There is none from now on.
    Remove,
}

/// A [recovery code](crate::recovery) on its way, as it is written without groups.
pub type RecoveryCode<'a> = Bytes<'a, { recovery::LEN }>;

/// What is answered.
#[derive(Debug, Serialize, Deserialize)]
pub enum Answer<'a> {
    /// To [`Request::Show`].
    All(#[serde(borrow)] List<Setting<'a>, { limits::SETTINGS }>),
    /// To [`Request::Set`]: the setting as it is now.
    Set(#[serde(borrow)] Setting<'a>),
    /// To [`Request::SetAuditor`]: the log is sealed to it, on the disk.
    AuditorSet,
    /// To [`Request::AcceptLog`].
    LogAccepted,
    /// To [`Request::AuditHead`].
    AuditHead {
        /// What the vault remembers; nothing before the first session.
        anchored: Option<LogPlace>,
        /// Since when there is an alarm about the log that was not accepted, in seconds since the epoch.
        alarm: Option<u64>,
        /// Its last record.
        head: LogPlace,
        /// The record of this log with which its owner accepted what was behind.
        accepted: Option<u64>,
    },
    /// To [`Request::Slots`], in the order of their ids.
    Slots(List<Slot, { limits::SLOTS }>),
    /// To [`Request::SetRecovery`].
    RecoverySet,
}

/// A key slot: one way to open the vault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Slot {
    /// Its id in the vault.
    pub id: u8,
    /// What opens it.
    pub kind: SlotKind,
    /// Memory of its Argon2id, in KiB.
    pub m_kib: u32,
    /// Passes.
    pub t: u32,
    /// Lanes.
    pub p: u32,
}

/// What opens a key slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum SlotKind {
    /// The master password.
    Password,
    /// The recovery code.
    Recovery,
    /// The master password, and a device key in the OS keyring.
    BoundPassword,
}

/// A place in the audit log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogPlace {
    /// Which log.
    pub log: [u8; 16],
    /// The record's number.
    pub seq: u64,
    /// BLAKE3 of its line, without the newline.
    pub hash: [u8; 32],
}

/// One setting.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Setting<'a> {
    /// Its key.
    #[serde(borrow)]
    pub key: Word<'a>,
    /// Its value.
    #[serde(borrow)]
    pub value: Value<'a>,
    /// Whether that is what it is without having been set.
    pub default: bool,
    /// What it does, and which values it takes.
    #[serde(borrow)]
    pub about: Text<'a, 200>,
}
