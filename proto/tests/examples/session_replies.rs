//! What is answered about the session.

use glassdome_proto::pin::PinState;
use glassdome_proto::session::{
    Answer as Session, Audit, Keyring, Level, LockReason, Logind, Memory, Protection, Screen, State, Status,
    Storage, VaultState,
};

use super::{THEN, list, text};

/// One of each kind of the first ones.
pub fn one_by_one() -> Vec<(&'static str, Session<'static>)> {
    let status = |state, last_lock, memory, vault| Session::Status(status(state, last_lock, memory, vault));
    let open = State::Unlocked { expires_at: THEN + 28_800, left_s: 28_800, secrets: 14 };
    let protections = vec![
        Protection { what: text("memory"), level: Level::On, why: text("memfd_secret") },
        Protection { what: text("stamp"), level: Level::Degraded, why: text("") },
    ];
    vec![
        ("locked", status(State::Locked, Some(LockReason::Idle), Memory::Secret, VaultState::Present)),
        ("unlocked", status(open, None, Memory::Locked, VaultState::Damaged)),
        ("without a vault", status(State::Locked, None, Memory::None, VaultState::Absent)),
        ("", Session::Doctor(list(protections))),
        ("", Session::Unlocked { opened: true, expires_at: THEN + 28_800, left_s: 28_800 }),
        ("already", Session::Unlocked { opened: false, expires_at: THEN + 60, left_s: 60 }),
        ("", Session::Locked),
        ("", Session::Stopping),
        ("", Session::PasswordChanged),
    ]
}

/// Of the approval PIN.
pub fn pins() -> Vec<(&'static str, Session<'static>)> {
    vec![("", Session::Proven), ("spent", Session::PinState(PinState::Spent)), ("", Session::PinSet)]
}

/// Of a desktop.
pub fn desktops() -> Vec<(&'static str, Session<'static>)> {
    let keyring = Status { keyring: Keyring::Unlocked, ..ended(LockReason::KeyringLocked) };
    let logind = Status { logind: Logind::Watched, ..ended(LockReason::Suspend) };
    let paused = State::Paused { expires_at: THEN + 28_800, left_s: 28_800, secrets: 14 };
    let paused =
        Status { screen: Screen::Locked, ..status(paused, None, Memory::Secret, VaultState::Present) };
    vec![
        ("of a keyring", Session::Status(keyring)),
        ("of logind", Session::Status(logind)),
        ("paused", Session::Status(paused)),
    ]
}

/// Of a log that was changed.
pub fn alarmed() -> Vec<(&'static str, Session<'static>)> {
    let alarmed = Status { audit: Audit::Alarm, ..ended(LockReason::Unlogged) };
    vec![("of an alarm", Session::Status(alarmed))]
}

/// With how the vault is kept.
pub fn kept() -> Vec<(&'static str, Session<'static>)> {
    let of = |storage| Session::Status(Status { storage: Some(storage), ..ended(LockReason::Idle) });
    vec![
        ("of a file", of(Storage { bound: false, backup: None })),
        ("of a bound vault", of(Storage { bound: true, backup: Some(THEN) })),
    ]
}

fn ended(reason: LockReason) -> Status<'static> {
    status(State::Locked, Some(reason), Memory::Secret, VaultState::Present)
}

fn status(state: State, last_lock: Option<LockReason>, memory: Memory, vault: VaultState) -> Status<'static> {
    let (keyring, logind, screen) = (Keyring::Unwatched, Logind::Unwatched, Screen::Unwatched);
    let (version, audit, storage) = (text("0.1.0"), Audit::Unmet, None);
    Status { state, last_lock, pid: 4711, version, memory, vault, keyring, logind, screen, audit, storage }
}
