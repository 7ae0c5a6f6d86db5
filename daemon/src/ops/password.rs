//! The master password, or the recovery code in its place: tried one at a time, each try charged before it is made,
//! and never on the event loop. Whoever passes gets the keys of this one try, which are gone when they are dropped.

mod verified;

use std::sync::Arc;

use glassdome_audit::{Event, Outcome};
use glassdome_lockmem::LockedBytes;
use glassdome_proto::session::{self, Password};
use glassdome_proto::{Answer, Code, Refusal};
use glassdome_vault::{Error, Keys, SlotKind, Vault, kdf, strength};
use tokio::sync::{OwnedMutexGuard, oneshot};

use super::opener::{Openers, Untriable};
use super::{Asking, Turn, device, rollback};
use crate::attest::Ours;
use crate::device as in_keyring;
use crate::kept::Looking;
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
/// an older one than the log or the keyring knows.
///
/// # Errors
/// The refusal to send.
pub async fn verify(
    asking: &Asking,
    event: Event,
    password: LockedBytes,
) -> Result<Verified, Refusal<'static>> {
    let looking = Looking::begin(&asking.state);
    let keys = verify_at_all(asking, event, password).await?;
    let vault = asking.state.vault().ok_or_else(refuse::no_vault)?;
    rollback::refuse_older(asking, &vault, &keys, &looking.kept().await).await?;
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
    let fetch = async |id| in_keyring::watched(state.keyring(), vault.id(), id).await;
    let openers = match Openers::of(&vault, password, fetch).await {
        Ok(openers) => openers,
        Err(Untriable::Vault(error)) => return Err(refuse::vault(&error)),
        Err(Untriable::Device(lacking)) => {
            asking.record(event, Outcome::Failed, None, "device-key")?;
            return Err(lacking.refusal());
        }
    };
    // In a task of its own: a lock ends the request, but the try is counted as what it was. The keys
    // are with the request, and so end with it.
    let (answer, answered) = oneshot::channel();
    let counted = tokio::task::spawn_local(attempt(asking.clone(), event, vault, turn, openers, answer));
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
    openers: Openers,
    answer: oneshot::Sender<Result<Keys, Refusal<'static>>>,
) {
    *turn = turn.charge(clock::now());
    let tried = open(&asking, event, &vault, *turn, openers).await;
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
    openers: Openers,
) -> Result<Keys, Refusal<'static>> {
    remember(asking, vault, charged).await?;
    let derive = async |input, secret| {
        worker::once("kdf", move || kdf::derive(&input, &secret)).await.map_err(refuse::lost)
    };
    match openers.open(vault, derive).await? {
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
