//! The master password, or the recovery code in its place: tried one at a time, each try charged before it is made,
//! and never on the event loop. Whoever passes gets the keys of this one try, which are gone when they are dropped.

mod verified;

use std::sync::Arc;

use glassdome_audit::{Event, Outcome};
use glassdome_lockmem::LockedBytes;
use glassdome_proto::session::{self, Password};
use glassdome_proto::{Answer, Code, Refusal};
use glassdome_vault::kdf::{self, KdfInput};
use glassdome_vault::{DeviceKey, Error, Keys, SlotKind, Vault, strength};
use tokio::sync::{OwnedMutexGuard, oneshot};

use super::{Asking, Turn, device, recovery, rollback};
use crate::attest::Ours;
use crate::device::{self as in_keyring, Lacking};
use crate::throttle::Backoff;
use crate::worker;
use crate::{clock, refuse};

pub use verified::Verified;

/// Below this score (of 0 to 4) a new password is refused.
const STRONG: u8 = 3;

/// Takes a password out of the message's buffer into locked memory.
///
/// # Errors
/// An empty password, or no memory that can be locked.
pub fn lock_in(password: Password<'_>) -> Result<LockedBytes, Refusal<'static>> {
    if password.expose().is_empty() {
        return Err(refuse::usage("the master password must not be empty"));
    }
    LockedBytes::copied_from(password.expose()).map_err(|error| refuse::vault(&Error::Memory(error)))
}

/// Tries the password. A wrong one is recorded, and makes the next try wait. A right one is of no use while the vault is
/// an older one than the log knows.
///
/// # Errors
/// The refusal to send.
pub async fn verify(
    asking: &Asking,
    event: Event,
    password: LockedBytes,
) -> Result<Verified, Refusal<'static>> {
    let keys = verify_at_all(asking, event, password).await?;
    let vault = asking.state.vault().ok_or_else(refuse::no_vault)?;
    rollback::refuse_older(asking, &vault, &keys).await?;
    Ok(keys)
}

/// As [`verify`], however old the vault is.
///
/// # Errors
/// The refusal to send.
pub async fn verify_at_all(
    asking: &Asking,
    event: Event,
    password: LockedBytes,
) -> Result<Verified, Refusal<'static>> {
    let state = &asking.state;
    from_ours(asking, event)?;
    outside_panic(asking, event)?;
    let vault = state.vault().ok_or_else(refuse::no_vault)?;
    let locks = state.locks();
    let turn = state.guessing.clone().lock_owned().await;
    // While that is held, no rotation ends.
    let rekeyed = state.rekeyed();
    let wait = turn.wait(clock::now());
    if !wait.is_zero() {
        asking.record(event, Outcome::Denied, None, "throttled")?;
        let seconds = wait.as_secs_f64().ceil();
        let message = format!("too many wrong passwords. Try again in {seconds} s");
        return Err(refuse::throttled(message, wait));
    }
    // What cannot be tried is not counted.
    let device = other_half(asking, event, &vault, &password).await?;
    // In a task of its own: a lock ends the request, but the try is counted as what it was. The keys
    // are with the request, and so end with it.
    let (answer, answered) = oneshot::channel();
    let counted =
        tokio::task::spawn_local(attempt(asking.clone(), event, vault, turn, (password, device), answer));
    let keys = answered.await.map_err(|_| refuse::lost(worker::Lost))??;
    counted.await.map_err(|_| refuse::lost(worker::Lost))?;
    if locks.has_changed().unwrap_or(true) {
        Err(refuse::lock_came())
    } else {
        Ok(Verified::of(keys, rekeyed))
    }
}

/// Makes one try to its end, also if nobody waits for its answer any more.
async fn attempt(
    asking: Asking,
    event: Event,
    vault: Arc<Vault>,
    mut turn: OwnedMutexGuard<Backoff>,
    tried: (LockedBytes, OtherHalf),
    answer: oneshot::Sender<Result<Keys, Refusal<'static>>>,
) {
    *turn = turn.charge(clock::now());
    let tried = open(&asking, event, &vault, *turn, tried).await;
    let right = tried.is_ok();
    // If the request is gone, its keys are gone here.
    drop(answer.send(tried));
    if right {
        *turn = Backoff::default();
        if let Err(refusal) = remember(&asking, &vault, *turn).await {
            tracing::warn!("the count of wrong passwords could not be reset: {}", refusal.message);
        }
    }
}

async fn open(
    asking: &Asking,
    event: Event,
    vault: &Arc<Vault>,
    charged: Backoff,
    (password, device): (LockedBytes, OtherHalf),
) -> Result<Keys, Refusal<'static>> {
    remember(asking, vault, charged).await?;
    match unwrap(vault, password, device).await? {
        Ok(keys) if keys.opened_by() == SlotKind::Recovery => {
            asking.record(Event::Recovery, Outcome::Allowed, None, "used")?;
            Ok(keys)
        }
        Ok(keys) => Ok(keys),
        Err(Error::WrongPassword) => {
            asking.record(event, Outcome::Denied, None, "wrong-password")?;
            let wait = charged.wait(clock::now());
            let millis = u32::try_from(wait.as_millis()).unwrap_or(u32::MAX);
            Err(Refusal {
                retry_after_ms: Some(millis),
                ..Refusal::new(Code::WrongPassword, "wrong password")
            })
        }
        Err(error) => {
            asking.record(event, Outcome::Failed, None, "vault")?;
            Err(refuse::vault(&error))
        }
    }
}

/// What was typed, as what it may be to the vault: the recovery code, if it looks like one and there is one; else, or if
/// that is not it, the master password.
///
/// # Errors
/// [`Error::Memory`], or the vault cannot be read.
pub fn openers(vault: &Vault, typed: LockedBytes) -> Result<Vec<(KdfInput, LockedBytes)>, Error> {
    let code = recovery::read(typed.expose())?.map(|code| (SlotKind::Recovery, code));
    let mut openers = Vec::with_capacity(2);
    for (kind, secret) in code.into_iter().chain([(SlotKind::Password, typed)]) {
        openers.extend(vault.kdf_input(kind)?.map(|input| (input, secret)));
    }
    Ok(openers)
}

/// What the password's slot takes beside the password: nothing, the device key, or one that is not to be had.
type OtherHalf = Option<Result<DeviceKey, Lacking>>;

/// Fetches it, where there is one. That it is not to be had is no matter for who types the recovery code.
async fn other_half(
    asking: &Asking,
    event: Event,
    vault: &Vault,
    typed: &LockedBytes,
) -> Result<OtherHalf, Refusal<'static>> {
    let failed = |error| refuse::vault(&error);
    let Some(id) = device::input_of(vault).map_err(failed)?.device() else { return Ok(None) };
    let found = in_keyring::watched(asking.state.keyring(), vault.id(), id).await;
    let is_code = || -> Result<bool, Error> {
        Ok(recovery::read(typed.expose())?.is_some() && vault.kdf_input(SlotKind::Recovery)?.is_some())
    };
    match found {
        Err(lacking) if !is_code().map_err(failed)? => {
            asking.record(event, Outcome::Failed, None, "device-key")?;
            Err(lacking.refusal())
        }
        found => Ok(Some(found)),
    }
}

/// Opens the master key with what was typed.
async fn unwrap(
    vault: &Arc<Vault>,
    typed: LockedBytes,
    device: OtherHalf,
) -> Result<Result<Keys, Error>, Refusal<'static>> {
    let mut opened = Err(Error::WrongPassword);
    for (input, secret) in openers(vault, typed).map_err(|error| refuse::vault(&error))? {
        let bound = input.device().is_some();
        if bound && !matches!(device, Some(Ok(_))) {
            // It was a recovery code that opened nothing.
            break;
        }
        let derived =
            worker::once("kdf", move || kdf::derive(&input, &secret)).await.map_err(refuse::lost)?;
        let mut kek = derived.map_err(|error| refuse::vault(&error))?;
        if let (true, Some(Ok(device))) = (bound, &device) {
            kek = kek.with_device(device).map_err(|error| refuse::vault(&error))?;
        }
        opened = vault.unwrap(&kek);
        if !matches!(opened, Err(Error::WrongPassword)) {
            break;
        }
    }
    Ok(opened)
}

/// What was typed for `keys`, as the log records it.
pub fn word(keys: &Keys) -> &'static str {
    match keys.opened_by() {
        SlotKind::Password => "master-password",
        SlotKind::Recovery => "recovery-code",
    }
}

/// Where the programs are installed with a stamp, no other program may try passwords: a person who
/// types one knows that it went to this daemon, and the daemon that it came from them.
///
/// # Errors
/// The refusal to send.
pub fn from_ours(asking: &Asking, event: Event) -> Result<(), Refusal<'static>> {
    if asking.state.stamp().is_some() && asking.peer.ours() != Some(Ours::Stamp) {
        asking.record(event, Outcome::Denied, None, "unstamped")?;
        return Err(refuse::unstamped());
    }
    Ok(())
}

/// In a panic a password ends the panic and does nothing else: it is not even tried.
///
/// # Errors
/// The refusal to send.
pub fn outside_panic(asking: &Asking, event: Event) -> Result<(), Refusal<'static>> {
    match asking.state.panic_since() {
        Some(since) if event != Event::EndPanic => {
            asking.record(event, Outcome::Denied, None, "panic")?;
            Err(refuse::panic(since))
        }
        _ => Ok(()),
    }
}

async fn remember(asking: &Asking, vault: &Arc<Vault>, backoff: Backoff) -> Result<(), Refusal<'static>> {
    let (vault, stored) = (vault.clone(), backoff.stored(clock::now()));
    let written = asking.state.store.run(move || vault.store_throttle(&stored)).await;
    written.map_err(refuse::lost)?.map_err(|error| refuse::vault(&error))
}

/// Refuses a new password that is easy to guess, unless that is wanted.
///
/// # Errors
/// [`Code::WeakPassword`] with the reason; `Usage` for bytes that are not UTF-8.
pub fn judge(password: &LockedBytes, accept_weak: bool) -> Result<(), Refusal<'static>> {
    let text = std::str::from_utf8(password.expose())
        .map_err(|_| refuse::usage("the master password must be UTF-8 text"))?;
    if accept_weak {
        return Ok(());
    }
    let strength = strength::estimate(text);
    if strength.score >= STRONG {
        return Ok(());
    }
    let reason = strength.reason.unwrap_or_else(|| "it is too easy to guess".into());
    let reason = reason.trim_end_matches('.');
    let message = format!(
        "weak password (strength {} of 4, {STRONG} needed): {reason}. Choose a longer one, or --accept-weak",
        strength.score
    );
    Err(Refusal::new(Code::WeakPassword, message))
}

/// Seals the master key under another password.
pub async fn change(
    asking: Asking,
    old: LockedBytes,
    new: LockedBytes,
    accept_weak: bool,
) -> Result<Answer<'static>, Refusal<'static>> {
    judge(&new, accept_weak)?;
    let keys = verify(&asking, Event::ChangePassword, old).await?;
    let vault = asking.state.vault().ok_or_else(refuse::no_vault)?;
    let device = device::bound(&asking, &vault).await?;
    let derived =
        worker::once("kdf", move || device::seal(&new, device.as_ref())).await.map_err(refuse::lost)?;
    let (input, kek) = derived.map_err(|error: Error| refuse::vault(&error))?;
    let turn = Turn::take_with(&asking, &keys).await?;
    device::still(&vault, &input)?;
    let change = vault.rewrap(&keys, &input, &kek).map_err(|error| refuse::vault(&error))?;
    let by = word(&keys);
    drop(keys);
    asking.record(Event::ChangePassword, Outcome::Allowed, None, by)?;
    let failed = move |asking: &Asking| asking.record(Event::ChangePassword, Outcome::Failed, None, by);
    turn.commit(&asking, vault, change, failed).await?;
    Ok(Answer::Session(session::Answer::PasswordChanged))
}
