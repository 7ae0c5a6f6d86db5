//! The beginning of a rotation: the master password is proved, what lies there unfinished is gone on with or another one
//! begun, and the new file has the recovery code that is to open it.

use std::sync::Arc;

use glassdome_audit::{Event, Outcome};
use glassdome_lockmem::LockedBytes;
use glassdome_proto::rotation as wire;
use glassdome_proto::{Answer, Refusal};
use glassdome_vault::kdf::{self, KdfInput, Kek};
use glassdome_vault::{Change, DeviceKey, Error, Keys, Plan, Rotation, SlotKind, Unfinished, Vault};

use super::{give_up, no_room_for_another, open, openers_changed};
use crate::ops::{Asking, device, password};
use crate::rotations::{Rotating, Taken};
use crate::{refuse, worker};

/// Begins one, or goes on with the one that is unfinished.
///
/// # Errors
/// The refusal to send.
pub async fn begin(
    asking: Asking,
    password: LockedBytes,
    code: Option<LockedBytes>,
) -> Result<Answer<'static>, Refusal<'static>> {
    let state = &asking.state;
    // One that is begun anew gives up its place first; but not one that is being finished.
    if asking.rotation.borrow().as_ref().is_some_and(|rotating| rotating.rotation().is_none()) {
        return Err(no_room_for_another(Taken::UnderWay));
    }
    asking.rotation.replace(None);
    let vault = state.vault().ok_or_else(refuse::no_vault)?;
    open(state)?;
    code_fits(&vault, code.is_some())?;
    // Told before a try is charged; the room is taken by whoever has the password.
    state.rotations().has_room().map_err(no_room_for_another)?;
    // From before the password: it may be changed from then on, which is found at the end at the latest.
    let slots = vault.slots_digest().map_err(|error| refuse::vault(&error))?;
    let again = LockedBytes::copied_from(password.expose());
    let again = again.map_err(|error| refuse::vault(&Error::Memory(error)))?;
    let old = password::verify(&asking, Event::Rotate, password).await?;
    if old.opened_by() != SlotKind::Password {
        asking.record(Event::Rotate, Outcome::Denied, None, "recovery-code")?;
        return Err(refuse::usage(
            "a rotation takes the master password itself, which is to open the vault from then on. A new one: ctl passwd",
        ));
    }
    open(state)?;
    let room = state.rotations().room(&asking.rotation).map_err(no_room_for_another)?;
    // From here on no other one ends.
    old.still(state)?;
    if vault.slots_digest().map_err(|error| refuse::vault(&error))? != slots {
        return Err(openers_changed());
    }
    let found = find(&asking, &vault, again).await?;
    let (rotation, new, input, word) = resume_or_begin(&asking, &vault, &old, found).await?;
    let done_before = rotation.rows().map_err(|error| refuse::vault(&error))?;
    let change = recovery(&rotation, &new, input, code).await?;
    drop(old);
    asking.record(Event::Rotate, Outcome::Allowed, None, word)?;
    let committed = state.store.run(move || {
        let committed = change.map_or(Ok(()), |change| rotation.commit(change));
        (rotation, committed)
    });
    let (rotation, committed) = committed.await.map_err(refuse::lost)?;
    let rotating = Rotating::new(rotation, new, slots, state.store.clone(), room);
    open(state)?;
    asking.rotation.replace(Some(rotating));
    if let Err(error) = committed {
        return Err(give_up(&asking, error).await);
    }
    Ok(Answer::Rotation(wire::Answer::Begun { done_before }))
}

/// The change that has the new file opened by `code`, at the cost of `like`, or by none.
async fn recovery(
    rotation: &Rotation,
    new: &Keys,
    like: KdfInput,
    code: Option<LockedBytes>,
) -> Result<Option<Change>, Refusal<'static>> {
    let (vault, failed) = (rotation.vault(), |error| refuse::vault(&error));
    if let Some(code) = code {
        let (input, kek) = derive(SlotKind::Recovery, like, code).await?;
        return vault.rewrap(new, &input, &kek).map(Some).map_err(failed);
    }
    match vault.kdf_input(SlotKind::Recovery).map_err(failed)? {
        Some(_) => vault.remove_recovery(new).map(Some).map_err(failed),
        None => Ok(None),
    }
}

/// What lies there unfinished and may be gone on with, and the key that may open it; the password, and the device key of
/// a vault that is bound to one.
async fn find(asking: &Asking, vault: &Vault, password: LockedBytes) -> Result<Found, Refusal<'static>> {
    let (path, device) = (asking.state.vault_path(), device::bound(asking, vault).await?);
    let own = vault.kdf_input(SlotKind::Password).map_err(|error| refuse::vault(&error))?;
    let found = worker::once("kdf", move || {
        let found = Unfinished::find(&path)?;
        // One that was bound to another device key, or to none, is none to go on with.
        let found = found.filter(|found| found.input().device() == device.as_ref().map(DeviceKey::id));
        let found = found.filter(|found| own.is_some_and(|own| found.is_affordable(own.params())));
        let derive =
            |found: &Unfinished| device::mixed(kdf::derive(found.input(), &password)?, device.as_ref());
        let kek = found.as_ref().map(derive).transpose()?;
        Ok((found.zip(kek), password, device))
    });
    found.await.map_err(refuse::lost)?.map_err(|error: Error| refuse::vault(&error))
}

type Found = (Option<(Unfinished, Kek)>, LockedBytes, Option<DeviceKey>);
/// The new file, its keys, and how that of its password is derived.
type Begun = (Rotation, Keys, KdfInput);

/// The one that was found, or another one; and which of the two, as the log has it.
async fn resume_or_begin(
    asking: &Asking,
    vault: &Arc<Vault>,
    old: &Keys,
    (found, again, device): Found,
) -> Result<(Rotation, Keys, KdfInput, &'static str), Refusal<'static>> {
    if let Some((found, kek)) = found
        && let Some((rotation, new, input)) = resume(asking, vault, old, (&found, &kek)).await?
    {
        return Ok((rotation, new, input, "resumed"));
    }
    let (rotation, new, input) = anew(asking, vault, old, (again, device)).await?;
    Ok((rotation, new, input, "begun"))
}

/// The one that lies there, if the password and the keys of the vault open it.
async fn resume(
    asking: &Asking,
    vault: &Arc<Vault>,
    old: &Keys,
    (found, kek): (&Unfinished, &Kek),
) -> Result<Option<Begun>, Refusal<'static>> {
    let failed = |error| refuse::vault(&error);
    let Some(new) = found.unwrap(vault, old, kek).map_err(failed)? else { return Ok(None) };
    let path = asking.state.vault_path();
    let opened = asking.state.store.run(move || Rotation::open(&path)).await.map_err(refuse::lost)?;
    let Some(rotation) = opened.map_err(failed)? else { return Ok(None) };
    if rotation.fits(vault, &new).map_err(failed)? {
        return Ok(Some((rotation, new, found.input().clone())));
    }
    asking.state.store.later(move || drop(rotation));
    Ok(None)
}

async fn anew(
    asking: &Asking,
    vault: &Arc<Vault>,
    old: &Keys,
    (password, device): (LockedBytes, Option<DeviceKey>),
) -> Result<Begun, Refusal<'static>> {
    let derived = worker::once("kdf", move || device::seal(&password, device.as_ref()));
    let (input, kek) = derived.await.map_err(refuse::lost)?.map_err(|error: Error| refuse::vault(&error))?;
    let (plan, new) = Plan::new(vault, old, &input, &kek).map_err(|error| refuse::vault(&error))?;
    drop(kek);
    let path = asking.state.vault_path();
    let built = asking.state.store.run(move || plan.build(&path)).await.map_err(refuse::lost)?;
    Ok((built.map_err(|error| refuse::vault(&error))?, new, input))
}

/// The key of a new slot that costs what `like` costs.
async fn derive(
    kind: SlotKind,
    like: KdfInput,
    secret: LockedBytes,
) -> Result<(KdfInput, Kek), Refusal<'static>> {
    let derived = worker::once("kdf", move || {
        let input = Vault::new_kdf_input(kind, like.params())?;
        let kek = kdf::derive(&input, &secret)?;
        Ok((input, kek))
    });
    derived.await.map_err(refuse::lost)?.map_err(|error: Error| refuse::vault(&error))
}

/// The vault has a recovery code afterwards if it has one now, and only then.
fn code_fits(vault: &Vault, brought: bool) -> Result<(), Refusal<'static>> {
    let input = vault.kdf_input(SlotKind::Recovery).map_err(|error| refuse::vault(&error))?;
    match (input.is_some(), brought) {
        (true, false) => Err(refuse::usage("there is a recovery code: the rotation takes another one")),
        (false, true) => Err(refuse::usage("there is no recovery code. Make one: ctl slots add recovery")),
        _ => Ok(()),
    }
}
