//! The session family: is it open, open it, close it.

mod protection;
mod storage;

use serde::{Deserialize, Serialize};

use crate::leftovers::{Fate, Found, ItemPath, Mark};
use crate::pin::{Pin, PinState, Proof};
use crate::{Bytes, List, Text, limits};
pub use protection::{Level, Protection};
pub use storage::{Storage, is_backup_due};

/// A master password on its way.
pub type Password<'a> = Bytes<'a, { limits::PASSWORD }>;

/// What can be asked.
#[derive(Debug, Serialize, Deserialize)]
pub enum Request<'a> {
    /// State and time left. Answered to any process of the owner, locked or not.
    Status,
    /// The daemon's own protections, each as a line.
    Doctor,
    /// Make the vault and open the first session.
    Create {
        /// The new master password.
        #[serde(borrow)]
        password: Password<'a>,
        /// Take it however easy it is to guess.
        accept_weak: bool,
        /// For how long.
        lifetime: Lifetime,
    },
    /// Open a session; an open one is left as it is.
    Unlock {
        /// The master password.
        #[serde(borrow)]
        password: Password<'a>,
        /// For how long.
        lifetime: Lifetime,
    },
    /// Open a session anew, whether or not one is open: its time starts again.
    Renew {
        /// The master password.
        #[serde(borrow)]
        password: Password<'a>,
        /// For how long.
        lifetime: Lifetime,
    },
    /// End the session now.
    Lock,
    /// End the session and the daemon.
    Stop,
    /// Seal the master key under another password.
    ChangePassword {
        /// The present master password.
        #[serde(borrow)]
        old: Password<'a>,
        /// The next one.
        #[serde(borrow)]
        new: Password<'a>,
        /// Take it however easy it is to guess.
        accept_weak: bool,
    },
    /// The token that the shell keeps in which this command was typed. It holds for this connection:
    /// with a password it is bound to the terminal's grant, without one it is compared with it.
    Token {
        /// Random bytes.
        #[serde(borrow)]
        token: Bytes<'a, { limits::TOKEN }>,
    },
    /// End the session now, and open none until [`Request::EndPanic`]. It outlives the daemon.
    Panic,
    /// End a panic, and open a session. Where there is none, as [`Request::Unlock`].
    EndPanic {
        /// The master password.
        #[serde(borrow)]
        password: Password<'a>,
        /// For how long.
        lifetime: Lifetime,
    },
    /// Shows that a person stands behind this connection: from then on, and until the session ends, it
    /// answers questions as a granted terminal does, its own among them. It gives nothing else.
    Prove {
        /// By what.
        #[serde(borrow)]
        proof: Proof<'a>,
    },
    /// Whether there is an approval PIN.
    PinState,
    /// Makes the approval PIN another one, or takes it away.
    SetPin {
        /// The master password, typed for this.
        #[serde(borrow)]
        password: Password<'a>,
        /// The new one; none from now on if nothing is given.
        #[serde(borrow)]
        pin: Option<Pin<'a>>,
    },
    /// The state, and again whenever the session begins, is renewed, is about to end, or ends: each in an answer
    /// of its own to this request, until the connection ends. One at a time on a connection.
    Watch,
    /// Find what the predecessor left in the OS keyring, a page. Answered to any process of the owner, which could
    /// look itself.
    Leftovers {
        /// The last one that is known already.
        #[serde(borrow)]
        after: Option<ItemPath<'a>>,
    },
    /// What one of these items holds.
    Leftover {
        /// Which.
        #[serde(borrow)]
        item: ItemPath<'a>,
    },
    /// Take one of these items out of the keyring, if it still holds what it held.
    RemoveLeftover {
        /// Which.
        #[serde(borrow)]
        item: ItemPath<'a>,
        /// Of what it held.
        mark: Mark,
    },
    /// As [`Request::Unlock`], also of a vault that is older than the audit log knows: its owner has put it there.
    AcceptRollback {
        /// The master password.
        #[serde(borrow)]
        password: Password<'a>,
        /// For how long.
        lifetime: Lifetime,
    },
}

/// From here on a session is called about to end, in seconds.
pub const ENDS_SOON_S: u32 = 300;

/// How long a session shall last; each only ever shortens what the sealed settings allow.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lifetime {
    /// At most this many seconds in all.
    pub total_s: Option<u32>,
    /// At most this many seconds without an authorised request.
    pub idle_s: Option<u32>,
}

/// What is answered.
#[derive(Debug, Serialize, Deserialize)]
pub enum Answer<'a> {
    /// To [`Request::Status`], and each time to [`Request::Watch`].
    Status(#[serde(borrow)] Status<'a>),
    /// To [`Request::Doctor`].
    Doctor(#[serde(borrow)] List<Protection<'a>, { limits::PROTECTIONS }>),
    /// To [`Request::Create`], [`Request::Unlock`], [`Request::Renew`], [`Request::EndPanic`] and
    /// [`Request::AcceptRollback`].
    Unlocked {
        /// Whether this request opened it (`false`: it was open already).
        opened: bool,
        /// When it ends, in seconds since the epoch.
        expires_at: u64,
        /// Seconds from now.
        left_s: u32,
    },
    /// To [`Request::Lock`].
    Locked,
    /// To [`Request::Stop`]: the session is over, the daemon ends after this reply.
    Stopping,
    /// To [`Request::ChangePassword`].
    PasswordChanged,
    /// To [`Request::Token`].
    TokenTaken,
    /// To [`Request::Panic`]: it is on the disk.
    Panicked,
    /// To [`Request::Prove`].
    Proven,
    /// To [`Request::PinState`].
    PinState(PinState),
    /// To [`Request::SetPin`].
    PinSet,
    /// To [`Request::Leftovers`].
    Leftovers(#[serde(borrow)] Found<'a>),
    /// To [`Request::Leftover`].
    Leftover {
        /// Of what it holds.
        mark: Mark,
        /// What the keyring holds there; `None` if that is longer than a message.
        #[serde(borrow)]
        value: Option<Bytes<'a, { limits::CHUNK }>>,
    },
    /// To [`Request::RemoveLeftover`].
    LeftoverRemoved(Fate),
}

/// The daemon's state. Says nothing secret, and counts nothing while locked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status<'a> {
    /// Open or not.
    pub state: State,
    /// Why the last session ended, if there was one in this run of the daemon; a panic, while there is one.
    pub last_lock: Option<LockReason>,
    /// The daemon's process id.
    pub pid: u32,
    /// The daemon's version.
    #[serde(borrow)]
    pub version: Text<'a, { limits::VERSION_TEXT }>,
    /// How the key's memory is protected.
    pub memory: Memory,
    /// The vault on disk.
    pub vault: VaultState,
    /// The OS keyring, as far as it is watched.
    pub keyring: Keyring,
    /// logind, as far as it is listened to.
    pub logind: Logind,
    /// The owner's screens.
    pub screen: Screen,
    /// The audit log.
    pub audit: Audit,
    /// How the vault is kept; `None` without one, and where that cannot be read.
    pub storage: Option<Storage>,
}

/// Whether there is a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum State {
    /// No session; no key exists.
    Locked,
    /// A session.
    Unlocked {
        /// When it ends at the latest, in seconds since the epoch.
        expires_at: u64,
        /// Seconds until it ends if it is not used: the nearer of both deadlines.
        left_s: u32,
        /// How many secrets the vault holds.
        secrets: u64,
    },
    /// A session of which granted terminals and answers rest: a screen is locked.
    Paused {
        /// When it ends at the latest, in seconds since the epoch.
        expires_at: u64,
        /// Seconds until it ends if it is not used: the nearer of both deadlines.
        left_s: u32,
        /// How many secrets the vault holds.
        secrets: u64,
    },
}

/// Why a session ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum LockReason {
    /// Somebody asked for it.
    Requested,
    /// Its time was over.
    Expired,
    /// Nobody used it.
    Idle,
    /// The OS keyring locked.
    KeyringLocked,
    /// The screen locked.
    ScreenLocked,
    /// The machine slept, or the process was stopped.
    Suspend,
    /// The person logged out.
    Logout,
    /// A canary was touched.
    Canary,
    /// The daemon ended.
    Shutdown,
    /// The audit log could not be written.
    Unlogged,
    /// Somebody asked that none be opened either.
    Panic,
}

impl LockReason {
    /// The word that programs see.
    pub fn name(self) -> &'static str {
        match self {
            Self::Requested => "requested",
            Self::Expired => "expired",
            Self::Idle => "idle",
            Self::KeyringLocked => "keyring-locked",
            Self::ScreenLocked => "screen-locked",
            Self::Suspend => "suspend",
            Self::Logout => "logout",
            Self::Canary => "canary",
            Self::Shutdown => "shutdown",
            Self::Unlogged => "unlogged",
            Self::Panic => "panic",
        }
    }

    /// The words that a person reads after "locked: ".
    pub fn describe(self) -> &'static str {
        match self {
            Self::Requested => "you locked it",
            Self::Expired => "its time was over",
            Self::Idle => "it was not used",
            Self::KeyringLocked => "the keyring locked or went away",
            Self::ScreenLocked => "the screen locked",
            Self::Suspend => "the machine slept or the daemon was stopped",
            Self::Logout => "you logged out",
            Self::Canary => "a canary was touched",
            Self::Shutdown => "the daemon ended",
            Self::Unlogged => "the audit log could not be written",
            Self::Panic => "panic",
        }
    }

    /// What a person does next, as a line ends with it.
    pub fn mend(self) -> &'static str {
        match self {
            Self::Panic => "End it: glassdome_start --end-panic",
            _ => "Unlock: glassdome_start",
        }
    }
}

/// How the key's memory is protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Memory {
    /// Nothing could be locked: no session can be opened.
    None,
    /// `mlock`, left out of core dumps.
    Locked,
    /// `memfd_secret`: out of reach of other processes, root's ordinary means included.
    Secret,
}

impl Memory {
    /// The word that programs see.
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Locked => "locked",
            Self::Secret => "secret",
        }
    }
}

/// What became of the vault's file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum VaultState {
    /// None has been created.
    Absent,
    /// There, as far as can be told without the key.
    Present,
    /// There, and a check found that records were put back, changed or taken away.
    Damaged,
}

impl VaultState {
    /// The word that programs see.
    pub fn name(self) -> &'static str {
        match self {
            Self::Absent => "absent",
            Self::Present => "present",
            Self::Damaged => "damaged",
        }
    }
}

/// The OS keyring, as it was seen last: the Secret Service on the session bus.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Keyring {
    /// This daemon has not looked yet.
    Unwatched,
    /// There is no session bus, or it does not answer.
    NoBus,
    /// The bus has no keyring.
    NoKeyring,
    /// The keyring has no default collection, or not the one that is named.
    NoCollection,
    /// The keyring does not answer.
    Silent,
    /// Locked.
    Locked,
    /// Open.
    Unlocked,
}

impl Keyring {
    /// The word that programs see.
    pub fn name(self) -> &'static str {
        match self {
            Self::Unwatched => "unwatched",
            Self::NoBus => "no-bus",
            Self::NoKeyring => "no-keyring",
            Self::NoCollection => "no-collection",
            Self::Silent => "silent",
            Self::Locked => "locked",
            Self::Unlocked => "unlocked",
        }
    }

    /// The words that a person reads where it is not open, or could not be asked.
    pub fn why_not(self) -> &'static str {
        match self {
            Self::Unwatched => "the keyring was not looked at yet",
            Self::NoBus => "there is no session bus where the daemon was started",
            Self::NoKeyring => "no keyring runs on the session bus",
            Self::NoCollection => {
                "the keyring has no default collection, or not the one that config.toml names"
            }
            Self::Silent => "the keyring does not answer",
            Self::Locked => "the keyring is locked",
            Self::Unlocked => "the keyring was not reached yet",
        }
    }
}

/// logind on the system bus, as it is listened to while a session is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Logind {
    /// No session is open, or its settings heed nothing of it; or the daemon has not looked yet.
    Unwatched,
    /// There is no system bus, or it does not answer.
    NoBus,
    /// The bus has no logind.
    NoLogind,
    /// It does not answer.
    Silent,
    /// It is listened to, but would not wait for the key to be wiped before the machine sleeps.
    Undelayed,
    /// It is listened to.
    Watched,
}

impl Logind {
    /// The word that programs see.
    pub fn name(self) -> &'static str {
        match self {
            Self::Unwatched => "unwatched",
            Self::NoBus => "no-bus",
            Self::NoLogind => "no-logind",
            Self::Silent => "silent",
            Self::Undelayed => "undelayed",
            Self::Watched => "watched",
        }
    }
}

/// The owner's screens, as far as they are listened to while a session is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Screen {
    /// No session is open, or its settings heed no screen.
    Unwatched,
    /// Nobody tells of one.
    Unseen,
    /// Open.
    Open,
    /// One is locked, or was when it was seen last.
    Locked,
}

impl Screen {
    /// The word that programs see.
    pub fn name(self) -> &'static str {
        match self {
            Self::Unwatched => "unwatched",
            Self::Unseen => "unseen",
            Self::Open => "open",
            Self::Locked => "locked",
        }
    }
}

/// The audit log, as far as it is known to hold together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Audit {
    /// No session of this run of the daemon has compared it with what the vault remembers.
    Unmet,
    /// It goes on from what the vault remembers; there is no auditor's key, and so no seals.
    Chained,
    /// As [`Audit::Chained`], and its records are sealed for an auditor.
    Sealed,
    /// A log did not verify, or what lay under a name of its files was not its own, and nobody has accepted that.
    Alarm,
}

impl Audit {
    /// The word that programs see.
    pub fn name(self) -> &'static str {
        match self {
            Self::Unmet => "unmet",
            Self::Chained => "chained",
            Self::Sealed => "sealed",
            Self::Alarm => "alarm",
        }
    }
}
