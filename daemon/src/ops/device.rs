//! What the OS keyring has to do with opening the vault: the password's slot is bound to a device key there, or to none.
//! Changed with the master password, or with the recovery code. At each step of a change something opens the vault: the
//! new key is in the keyring, and was read back, before the slot is bound to it, and the former one is taken away when
//! the slot that needs it is not in the file any more, if a recovery code opens the backups that need it still. What is
//! left there, for those or by an end in between, is a spare key, told of and taken away by hand.

use std::sync::Arc;

use glassdome_audit::{Event, Outcome};
use glassdome_lockmem::LockedBytes;
use glassdome_proto::storage::{self as wire, Mode};
use glassdome_proto::{Answer, Code, Refusal};
use glassdome_vault::kdf::{self, KdfInput, Kek};
use glassdome_vault::{DeviceKey, DeviceKeyId, Error, SlotKind, Vault, VaultId};
use tokio::time::timeout;
use zbus::{ObjectPath, OwnedObjectPath};

use super::{Asking, Turn, password};
use crate::device::{self, Lacking};
use crate::kept;
use crate::keyring::Sight;
use crate::watch::items::{self, Found, Unmoved};
use crate::watch::keyring::{FIRST_LOOK, Reach};
use crate::{refuse, worker};

/// A collection that ends with the login: no place for what must be there tomorrow.
const FLEETING: &str = "/session";

/// What is asked.
pub struct Migration {
    /// Where to.
    pub to: Mode,
    /// The master password from then on, where the recovery code was typed.
    pub new: Option<LockedBytes>,
    /// Whether that may be easy to guess.
    pub accept_weak: bool,
    /// Whether it is to be bound without a recovery code.
    pub without_recovery: bool,
}

/// What the password's slot is derived from.
///
/// # Errors
/// As [`Vault::kdf_input`].
pub fn input_of(vault: &Vault) -> Result<KdfInput, Error> {
    vault.kdf_input(SlotKind::Password)?.ok_or(Error::NotFound)
}

/// The device key that the password's slot is bound to; `None` if to none.
///
/// # Errors
/// The refusal to send, where it is bound to one that is not to be had.
pub async fn bound(asking: &Asking, vault: &Vault) -> Result<Option<DeviceKey>, Refusal<'static>> {
    let Some(id) = input_of(vault).map_err(|error| refuse::vault(&error))?.device() else { return Ok(None) };
    let found = device::watched(asking.state.keyring(), vault.id(), id).await;
    found.map(Some).map_err(Lacking::refusal)
}

/// Derives the key of a new slot for the password, bound to that device key or to none. Takes its time: not for the
/// event loop.
///
/// # Errors
/// As [`kdf::derive`].
pub fn seal(password: &LockedBytes, device: Option<&DeviceKey>) -> Result<(KdfInput, Kek), Error> {
    let input = Vault::new_kdf_input(SlotKind::Password, kdf::calibrate()?)?;
    let input = match device {
        None => input,
        Some(device) => input.bound_to(device),
    };
    let kek = mixed(kdf::derive(&input, password)?, device)?;
    Ok((input, kek))
}

/// The key that was derived from a password, with the device key where its slot is bound to one.
///
/// # Errors
/// As [`Kek::with_device`].
pub fn mixed(kek: Kek, device: Option<&DeviceKey>) -> Result<Kek, Error> {
    match device {
        None => Ok(kek),
        Some(device) => kek.with_device(device),
    }
}

/// Whether the password's slot is bound as `input`, which is to take its place. To be asked in one's turn: a device key
/// that it was bound to before may be gone.
///
/// # Errors
/// The refusal to send.
pub fn still(vault: &Vault, input: &KdfInput) -> Result<(), Refusal<'static>> {
    let now = input_of(vault).map_err(|error| refuse::vault(&error))?;
    match now.device() == input.device() {
        true => Ok(()),
        false => Err(refuse::vault(&Error::WrongDeviceKey)),
    }
}

/// Where the device key is, and whether there are others. Anybody may ask: nothing is read for it, and so whether it is
/// the right one is told as the last password that was tried has found it.
pub async fn show(asking: Asking) -> Result<Answer<'static>, Refusal<'static>> {
    let vault = asking.state.vault().ok_or_else(refuse::no_vault)?;
    let bound_to = input_of(&vault).map_err(|error| refuse::vault(&error))?.device();
    let keyring = asking.state.keyring();
    let reach = device::reach(keyring).await;
    let key = match (bound_to, &reach) {
        (None, _) => wire::DeviceKey::None,
        (Some(_), Err(seen)) => wire::DeviceKey::Unreachable(*seen),
        (Some(id), Ok(reach)) => match device::place(&reach.service(), vault.id(), id).await {
            Ok(wire::DeviceKey::There) if keyring.was_misled() => wire::DeviceKey::Wrong,
            Ok(place) => place,
            Err(unanswered) => wire::DeviceKey::Unreachable(device::seen_as(&unanswered)),
        },
    };
    let spare = match reach {
        // What cannot be asked now is told as such.
        Ok(reach) => spare(&reach, &vault, bound_to).await.ok(),
        Err(_) => None,
    };
    Ok(Answer::Storage(wire::Answer::Device { key, spare: spare.as_ref().map(Found::count) }))
}

/// The vault's device keys that its password's slot is not bound to.
async fn spare(reach: &Reach, vault: &Vault, bound_to: Option<DeviceKeyId>) -> Result<Found, Lacking> {
    let service = reach.service();
    let mut all = items::find(&service, &device::all(vault.id())).await?;
    if let Some(id) = bound_to {
        let own = items::find(&service, &device::item(vault.id(), id)).await?;
        let others = |paths: &mut Vec<OwnedObjectPath>| {
            paths.retain(|path| !own.open.contains(path) && !own.locked.contains(path));
        };
        others(&mut all.open);
        others(&mut all.locked);
    }
    Ok(all)
}

/// Binds the password's slot to a new device key, or to none.
pub async fn migrate(
    asking: Asking,
    password: LockedBytes,
    migration: Migration,
) -> Result<Answer<'static>, Refusal<'static>> {
    let failed = |error: Error| refuse::vault(&error);
    let Migration { to, new, accept_weak, without_recovery } = migration;
    let vault = asking.state.vault().ok_or_else(refuse::no_vault)?;
    let before = input_of(&vault).map_err(failed)?;
    // Told before a try is charged.
    recoverable(&vault, to, without_recovery)?;
    let mut place = match to {
        Mode::Keyring => Some(Place::choose(&asking).await?),
        Mode::File => None,
    };
    if let Some(new) = &new {
        password::judge(new, accept_weak)?;
    }
    let typed = LockedBytes::copied_from(password.expose()).map_err(|error| failed(error.into()))?;
    let keys = password::verify(&asking, Event::DeviceKey, password).await?;
    let master = match (new, keys.opened_by()) {
        (Some(new), _) => new,
        (None, SlotKind::Password) => typed,
        (None, SlotKind::Recovery) => {
            let message = "the recovery code was given: the slot is made of the master password, a new one or the \
                           same. Give that, too, as a second line";
            return Err(refuse::usage(message));
        }
    };
    if is_there(&asking, &vault, &before, to).await? {
        return Ok(Answer::Storage(wire::Answer::Migrated { changed: false, left: false }));
    }
    let derived = worker::once("kdf", move || {
        let device = if to == Mode::Keyring { Some(DeviceKey::random()?) } else { None };
        let (input, kek) = seal(&master, device.as_ref())?;
        Ok((input, kek, device))
    });
    let (input, kek, device) = derived.await.map_err(refuse::lost)?.map_err(failed)?;

    let turn = Turn::take_with(&asking, &keys).await?;
    if input_of(&vault).map_err(failed)? != before {
        return Err(refuse::vault(&Error::Conflict));
    }
    recoverable(&vault, to, without_recovery)?;
    let has_code = vault.kdf_input(SlotKind::Recovery).map_err(failed)?.is_some();
    let by = match to {
        Mode::Keyring => "bound",
        Mode::File => "unbound",
    };
    asking.record(Event::DeviceKey, Outcome::Allowed, None, by)?;
    let failed = move |asking: &Asking| asking.record(Event::DeviceKey, Outcome::Failed, None, by);
    if let (Some(place), Some(device)) = (&mut place, &device)
        && let Err(refusal) = place.keep(&vault, device, &asking).await
    {
        failed(&asking)?;
        return Err(refusal);
    }
    drop(device);
    let change = vault.rewrap(&keys, &input, &kek).map_err(|error| refuse::vault(&error))?;
    let newest = change.mark(vault.id()).map(|mark| mark.to_kept(&keys));
    drop((keys, kek));
    let in_force = turn.bring_in_force(&asking, vault.clone(), change, |_| (), failed).await?;
    asking.state.keyring().misled(false);
    match (to, newest) {
        (Mode::Keyring, Some(newest)) => asking.state.keeping().leave(newest),
        _ => forget_state(&asking, &vault).await,
    }
    let left = match before.device() {
        // Nothing else opens the backups that are bound to it.
        Some(_) if !has_code => true,
        Some(former) => forget(&asking, &vault, former).await,
        None => false,
    };
    in_force.whole()?;
    Ok(Answer::Storage(wire::Answer::Migrated { changed: true, left }))
}

/// Refuses to bind what then only the keyring and the password open, unless that is wanted.
fn recoverable(vault: &Vault, to: Mode, without_recovery: bool) -> Result<(), Refusal<'static>> {
    if to == Mode::File || without_recovery {
        return Ok(());
    }
    let code = vault.kdf_input(SlotKind::Recovery).map_err(|error| refuse::vault(&error))?;
    if code.is_some() {
        return Ok(());
    }
    let message = "there is no recovery code: if the keyring is lost, nothing would open the vault. Make one first: ctl \
                   slots add recovery; or go without: --without-recovery";
    Err(Refusal::new(Code::NotFound, message))
}

/// Whether nothing is to be done.
async fn is_there(
    asking: &Asking,
    vault: &Vault,
    now: &KdfInput,
    to: Mode,
) -> Result<bool, Refusal<'static>> {
    match (to, now.device()) {
        (Mode::File, bound_to) => Ok(bound_to.is_none()),
        (Mode::Keyring, None) => Ok(false),
        (Mode::Keyring, Some(id)) => match device::watched(asking.state.keyring(), vault.id(), id).await {
            Ok(_) => Ok(true),
            // What lies beside it, where it is locked, anybody may have put there.
            Err(Lacking::Missing | Lacking::Beside | Lacking::Wrong | Lacking::Crowd(_)) => Ok(false),
            // It was open, and fell meanwhile.
            Err(lacking) => Err(unkept(lacking)),
        },
    }
}

/// The keyring need not know the newest state of a vault that is not bound to it.
async fn forget_state(asking: &Asking, vault: &Vault) {
    let keeping = asking.state.keeping();
    let _turn = keeping.turn.lock().await;
    keeping.forgotten();
    let Some(reach) = asking.state.keyring().reached() else { return };
    // What stays there is older than the vault from now on, and refuses nothing.
    if let Err(error) = kept::forget(&reach, vault.id()).await {
        tracing::info!("the keyring goes on keeping a state of the vault: {error}");
    }
}

/// Takes a device key away that nothing needs any more. Whether it is still there, as far as is known.
async fn forget(asking: &Asking, vault: &Vault, former: DeviceKeyId) -> bool {
    let Ok(reach) = device::reach(asking.state.keyring()).await else { return true };
    let Ok(found) = items::find(&reach.service(), &device::item(vault.id(), former)).await else {
        return true;
    };
    let (_, left) = take_away(&reach, vault.id(), &found).await;
    left > 0
}

/// How many device keys of that vault were taken away, and how many are still there.
async fn take_away(reach: &Reach, vault: VaultId, found: &Found) -> (u32, u32) {
    let (service, what) = (reach.service(), device::all(vault));
    let (mut removed, mut left) = (0, u32::try_from(found.locked.len()).unwrap_or(u32::MAX));
    for item in &found.open {
        let taken = match items::is(&service, item, &what).await {
            Ok(true) => items::remove(&service, item).await,
            Ok(false) => continue,
            Err(unanswered) => Err(unanswered.into()),
        };
        match taken {
            Ok(()) => removed += 1,
            Err(error) => {
                tracing::warn!("a device key stays in the keyring: {error}");
                left += 1;
            }
        }
    }
    (removed, left)
}

/// Takes away the device keys that the password's slot is not bound to.
pub async fn tidy(asking: Asking, password: LockedBytes) -> Result<Answer<'static>, Refusal<'static>> {
    let vault = asking.state.vault().ok_or_else(refuse::no_vault)?;
    password::verify(&asking, Event::DeviceKey, password).await?;
    // One that is being made is not spare.
    let turn = Turn::take(&asking).await;
    let bound_to = input_of(&vault).map_err(|error| refuse::vault(&error))?.device();
    let reach = device::reach(asking.state.keyring()).await.map_err(|seen| unkept(seen.into()))?;
    let spare = spare(&reach, &vault, bound_to).await.map_err(unkept)?;
    asking.record(Event::DeviceKey, Outcome::Allowed, None, "tidied")?;
    let (removed, left) = take_away(&reach, vault.id(), &spare).await;
    drop(turn);
    if left > 0 {
        asking.record(Event::DeviceKey, Outcome::Failed, None, "tidied")?;
    }
    Ok(Answer::Storage(wire::Answer::Tidied { removed, left }))
}

/// Where a new device key is kept.
struct Place {
    reach: Reach,
    collection: String,
}

impl Place {
    /// The collection that the daemon watches, if it is open.
    async fn choose(asking: &Asking) -> Result<Self, Refusal<'static>> {
        let keyring = asking.state.keyring();
        // How it is then is told.
        let _ = timeout(FIRST_LOOK, keyring.looked_anew()).await;
        let collection = match &*keyring.sight() {
            Sight::Open(collection) => collection.path.clone(),
            Sight::Locked => return Err(unkept(Lacking::Locked)),
            _ => return Err(unkept(Lacking::Keyring(keyring.state()))),
        };
        if collection.ends_with(FLEETING) {
            let message = "the keyring's default collection is gone when you log out, and so would be the device key: \
                           nothing was changed. Make another one the default, or name it in config.toml: keyring";
            return Err(Refusal::new(Code::Locked, message));
        }
        let reach = keyring.reached().ok_or_else(|| unkept(Lacking::Keyring(keyring.state())))?;
        Ok(Self { reach, collection })
    }

    /// Stores the device key, and sees that it is there.
    async fn keep(
        &self,
        vault: &Arc<Vault>,
        device: &DeviceKey,
        asking: &Asking,
    ) -> Result<(), Refusal<'static>> {
        let what = device::item(vault.id(), device.id());
        let label = format!("Glassdome: device key of {}", asking.state.vault_path().display());
        let collection = ObjectPath::try_from(self.collection.as_str())
            .map_err(|_| refused("it has no such collection"))?;
        let service = self.reach.service();
        let stored = items::store(&service, &collection, &what, &label, device.expose()).await;
        stored.map_err(|error| match error {
            Unmoved::Asks => asks(),
            Unmoved::Unanswered(unanswered) => refused(&unanswered.to_string()),
        })?;
        match device::read(&service, vault.id(), device.id()).await {
            Ok(_) => Ok(()),
            Err(lacking) => {
                // It is of no use to anybody: nothing is bound to it.
                if let Ok(found) = items::find(&service, &what).await {
                    take_away(&self.reach, vault.id(), &found).await;
                }
                Err(refused(&lacking.to_string()))
            }
        }
    }
}

/// It would have asked its owner, which nobody here lets it do.
fn asks() -> Refusal<'static> {
    let message = "your keyring keeps nothing from a program without asking you each time, as KeePassXC does, and so \
                   cannot have the device key: nothing was changed. To bind the vault, have another keyring on your \
                   session bus (gnome-keyring)";
    Refusal::new(Code::Error, message)
}

fn refused(why: &str) -> Refusal<'static> {
    Refusal::new(
        Code::Error,
        format!(
            "the keyring does not keep the device key ({why}): nothing was changed. Mend it; how it is seen: ctl doctor"
        ),
    )
}

/// There is no keyring to change anything in.
fn unkept(lacking: Lacking) -> Refusal<'static> {
    let message = match lacking {
        Lacking::Locked => {
            "locked: your keyring is locked: nothing was changed. Unlock it, then try again".to_owned()
        }
        Lacking::Keyring(seen) => {
            format!("locked: {}: nothing was changed. {}", seen.why_not(), device::mend(seen))
        }
        other => return other.refusal(),
    };
    Refusal::new(Code::Locked, message)
}
