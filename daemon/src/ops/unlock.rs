//! Opens a session: makes the vault on first use, or tries the master password. A lock that comes
//! while the key is being derived wins.

use std::sync::Arc;
use std::time::Duration;

use glassdome_audit::{Event, Outcome};
use glassdome_lockmem::{Level, LockedBytes};
use glassdome_proto::session::{self, Lifetime};
use glassdome_proto::{Answer, Code, Refusal};
use glassdome_vault::{Error, Keys, SlotKind, Vault, kdf};
use tokio::sync::OwnedMutexGuard;

use super::keyring::Before;
use super::password::{self, Verified};
use super::{Asking, panic, rollback};
use crate::attest::lineage::Member;
use crate::grants::Grantable;
use crate::kept::{Kept, Looking};
use crate::settings::Settings;
use crate::state::sealed::Sealed;
use crate::throttle::Backoff;
use crate::watch::integrity;
use crate::worker;
use crate::{clock, refuse};

/// What to do with a session that is open already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Leave it as it is.
    Keep,
    /// Begin anew.
    Renew,
    /// As [`Mode::Keep`], once the panic is over.
    EndPanic,
    /// As [`Mode::Keep`], also of a vault that is older than the log or the keyring knows.
    AcceptRollback,
}

/// Makes the vault and opens its first session.
pub async fn create(
    asking: Asking,
    password: LockedBytes,
    accept_weak: bool,
    lifetime: Lifetime,
) -> Result<Answer<'static>, Refusal<'static>> {
    let state = &asking.state;
    password::from_ours(&asking, Event::Create)?;
    password::outside_panic(&asking, Event::Create)?;
    let (locks, rekeyed) = (state.locks(), state.rekeyed());
    let before = Before::of(state);
    let turn = state.guessing.clone().lock_owned().await;
    if state.vault().is_some() {
        return Err(Refusal::new(Code::Conflict, "there is a vault already. Unlock: glassdome_start"));
    }
    password::judge(&password, accept_weak)?;
    asking.record(Event::Create, Outcome::Allowed, None, "first-use")?;
    // In a task of its own: a lock ends the request, but a vault that is made must also be known.
    let making = tokio::task::spawn_local(make(asking.clone(), turn, password));
    let (vault, keys) = making.await.unwrap_or_else(|_| Err(refuse::lost(worker::Lost)))?;
    if locks.has_changed().unwrap_or(true) {
        return Err(refuse::lock_came());
    }
    begin(&asking, &vault, Verified::of(keys, rekeyed), lifetime, before).await
}

async fn make(
    asking: Asking,
    turn: OwnedMutexGuard<Backoff>,
    password: LockedBytes,
) -> Result<(Arc<Vault>, Keys), Refusal<'static>> {
    let (path, now) = (asking.state.vault_path(), clock::now().wall.as_secs());
    let created = worker::once("create", move || {
        let input = Vault::new_kdf_input(SlotKind::Password, kdf::calibrate()?)?;
        let kek = kdf::derive(&input, &password)?;
        drop(password);
        Vault::create(&path, &input, &kek, now)
    })
    .await
    .map_err(refuse::lost)?;
    let (vault, keys) = created.map_err(|error: Error| refuse::vault(&error))?;
    let vault = Arc::new(vault);
    asking.state.adopt(vault.clone());
    drop(turn);
    Ok((vault, keys))
}

/// Tries the password, and opens a session.
pub async fn unlock(
    asking: Asking,
    password: LockedBytes,
    mode: Mode,
    lifetime: Lifetime,
) -> Result<Answer<'static>, Refusal<'static>> {
    let event = match mode {
        Mode::EndPanic => Event::EndPanic,
        Mode::AcceptRollback => Event::AcceptRollback,
        Mode::Keep | Mode::Renew => Event::Unlock,
    };
    let before = Before::of(&asking.state);
    let looking = Looking::begin(&asking.state);
    let keys = password::verify_at_all(&asking, event, password).await?;
    let vault = asking.state.vault().ok_or_else(refuse::no_vault)?;
    if mode == Mode::EndPanic {
        panic::end(&asking, &vault, password::word(&keys)).await?;
    }
    let kept = looking.kept().await;
    if mode == Mode::AcceptRollback {
        rollback::accept(&asking, &vault, &keys, &kept).await?;
    } else {
        rollback::refuse_older(&asking, &vault, &keys, &kept).await?;
    }
    rollback::miss(&asking, &vault, &keys, &kept)?;
    if let Kept::Nothing | Kept::Locked = kept {
        // Whatever was given to it: it is given again.
        asking.state.keeping().forgotten();
    }
    asking.state.look_at_log().await;
    keys.still(&asking.state)?;
    if mode != Mode::Renew && asking.state.is_open(clock::now()) {
        let settings = Settings::read(&vault, &keys).map_err(|error| refuse::unread(&error))?;
        let shell = shell_of(&asking, &settings).await?;
        asking.state.pins().forgive();
        grant(&asking, &settings, shell)?;
        // Whoever has typed it sits there.
        asking.state.do_for_screen(asking.state.screens().typed(before.screens()));
        return opened(&asking, false);
    }
    begin(&asking, &vault, keys, lifetime, before).await
}

async fn begin(
    asking: &Asking,
    vault: &Vault,
    keys: Verified,
    lifetime: Lifetime,
    before: Before,
) -> Result<Answer<'static>, Refusal<'static>> {
    let settings = Settings::read(vault, &keys).map_err(|error| refuse::unread(&error))?;
    if keys.level() < settings.memory {
        asking.record(Event::Unlock, Outcome::Denied, None, "memory")?;
        return Err(below_minimum(keys.level(), settings.memory));
    }
    before.allows(asking, settings.keyring).await?;
    let met = asking.state.meet_log(vault, &keys).await;
    met.map_err(|refusal| keys.or_still(&asking.state, refusal))?;
    asking.record(Event::Unlock, Outcome::Allowed, None, password::word(&keys))?;
    let seconds = |s: Option<u32>| s.map(|s| Duration::from_secs(s.into()));
    if Some(keys.level()) < asking.state.memory() {
        tracing::warn!(
            "the key's memory is '{}' only: secret memory could be had at the start",
            keys.level().name()
        );
    }
    // A lock that comes meanwhile ends this request, before anything is open.
    let shell = shell_of(asking, &settings).await?;
    keys.still(&asking.state)?;
    // What was sealed meanwhile, too: from here on it is put in force as it comes.
    let sealed = Sealed::read(vault, &keys).map_err(|error| refuse::unread(&error))?;
    let settings = sealed.settings.clone();
    let limits = settings.limits(seconds(lifetime.total_s), seconds(lifetime.idle_s));
    before.stands(&asking.state, settings.keyring)?;
    asking.state.open(keys.into_keys(), limits, sealed, before.screens(), clock::now());
    grant(asking, &settings, shell)?;
    tokio::task::spawn_local(integrity::check(asking.state.clone()));
    let state = asking.state.clone();
    tokio::task::spawn_local(async move { state.read_log().await });
    // Prompts are told before whoever typed the password draws the next one.
    tokio::task::yield_now().await;
    opened(asking, true)
}

/// The shell in which the password was typed to one of ours, if it was. Where none can be granted the
/// session is open all the same, and rules hold.
async fn shell_of(asking: &Asking, settings: &Settings) -> Result<Option<Grantable>, Refusal<'static>> {
    if asking.peer.ours().is_none() {
        return Ok(None);
    }
    let (pid, mode) = (asking.peer.evidence().kernel.pid, settings.terminals);
    let find = move |_| Member::of(pid).ok().map(|client| Grantable::find(&client, mode));
    let found = asking.state.looks_proven().run(find).await;
    asking.peer.still().map_err(|_| refuse::gone(pid))?;
    match found {
        Ok(Some(Ok(shell))) => Ok(Some(shell)),
        Ok(Some(Err(reason))) => {
            tracing::info!("no terminal is granted: {reason}");
            Ok(None)
        }
        Ok(None) => Err(refuse::gone(pid)),
        Err(refusal) => {
            tracing::warn!("no terminal is granted: {}", refusal.message);
            Ok(None)
        }
    }
}

/// What is typed in that shell is served from now on. Nothing is granted where a lock has come meanwhile, which
/// the next session would find.
fn grant(asking: &Asking, settings: &Settings, shell: Option<Grantable>) -> Result<(), Refusal<'static>> {
    let Asking { state, stand, .. } = asking;
    if !state.is_open(clock::now()) {
        return Err(refuse::lock_came());
    }
    state.grants().set_mode(settings.terminals);
    let now = clock::now().wall.as_secs();
    let given = shell.map(|shell| state.grants().give(shell, stand.token(), now));
    state.policy_changed();
    match given {
        None => Ok(()),
        Some(Ok(id)) => asking.record(Event::Grant, Outcome::Allowed, None, &format!("terminal:{id}")),
        Some(Err(reason)) => {
            tracing::warn!("no terminal is granted: {reason}");
            Ok(())
        }
    }
}

fn opened(asking: &Asking, opened: bool) -> Result<Answer<'static>, Refusal<'static>> {
    let now = clock::now();
    // A screen locked while the password was tried, and wins.
    if asking.state.is_paused() {
        return Err(refuse::paused_meanwhile());
    }
    let session = asking.state.session();
    let open = session.open().ok_or_else(refuse::lock_came)?;
    Ok(Answer::Session(session::Answer::Unlocked {
        opened,
        expires_at: open.expires_at(now).as_secs(),
        left_s: u32::try_from(open.left(now).as_secs()).unwrap_or(u32::MAX),
    }))
}

fn below_minimum(level: Level, minimum: Level) -> Refusal<'static> {
    Refusal::new(
        Code::Error,
        format!(
            "the key's memory would be '{}', and the sealed minimum is '{}'. memfd_secret needs Linux 5.14 \
             (before 6.5: secretmem.enable=1 at boot) and room under `ulimit -l`; \
             or, where it can be had: ctl settings set memory {}",
            level.name(),
            minimum.name(),
            level.name()
        ),
    )
}
