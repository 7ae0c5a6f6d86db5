//! The end of a rotation: what was changed since is carried, and the new file takes the vault's place, while nobody
//! changes anything. It goes on when whoever asked is gone, and nothing else is begun before the former file is
//! overwritten.

use std::sync::Arc;
use std::time::Duration;

use glassdome_audit::{Event, Outcome};
use glassdome_proto::rotation as wire;
use glassdome_proto::{Answer, Code, Refusal};
use glassdome_vault::{self as vault, Carried, Erased, Error, Former};

use super::{Stopped, carry, give_up, no_room, openers_changed, with, write};
use crate::ops::{Asking, Turn};
use crate::refuse;
use crate::rotations::{self, Room, Rotating};
use crate::state::State;
use crate::watch::integrity;
use crate::worker::{self, Lost};

/// How often is looked whether anybody still reads the former file.
const READ: Duration = Duration::from_millis(20);
/// For so many looks whoever asked waits.
const LOOKS: u32 = 50;
/// So long they wait for its overwriting.
const OVERWRITTEN: Duration = Duration::from_secs(10);

/// Puts the new key in force.
///
/// # Errors
/// The refusal to send: the vault is as it was, or, with [`Code::Error`], nobody knows.
pub async fn finish(asking: Asking) -> Result<Answer<'static>, Refusal<'static>> {
    // In a task of its own: a lock or a lost connection leaves it to come to its end.
    let task = tokio::task::spawn_local(async move {
        let turn = Turn::take(&asking).await;
        // A lock takes the new keys, and leaves the room taken.
        let room = asking.rotation.borrow().as_ref().map(Rotating::room);
        match put_in_force(&asking).await {
            Ok(former) => {
                drop(turn);
                Ok(erase(former, room).await)
            }
            Err(Stopped::Refused(refusal)) => Err(refusal),
            Err(Stopped::By(error)) => Err(give_up(&asking, error).await),
        }
    });
    let former = task.await.unwrap_or_else(|_| Err(refuse::lost(Lost)))?;
    Ok(Answer::Rotation(wire::Answer::Finished { former }))
}

/// Carries what was changed since, and has the new file take the vault's place; nobody changes anything meanwhile.
async fn put_in_force(asking: &Asking) -> Result<Former, Stopped> {
    let state = &asking.state;
    if !with(asking, |_, _, rotating| Ok(rotating.progress.ready))? {
        return Err(Stopped::Refused(refuse::usage("the rotation has not come to its end: go on with it")));
    }
    catch_up(asking).await?;
    // Nor is anything of what is kept without a key: it would be written to the former file.
    let _guessing = state.guessing.clone().lock_owned().await;
    let _panicking = state.panicking.clone().lock_owned().await;
    let change = with(asking, |vault, keys, rotating| {
        if vault.slots_digest()? != rotating.slots {
            return Ok(None);
        }
        let (Some(rotation), Some(pass)) = (rotating.rotation(), &rotating.pass) else {
            return Err(Error::Conflict);
        };
        rotation.finish(pass, vault, keys, &rotating.new).map(Some)
    })?;
    let Some(change) = change else {
        return Err(Stopped::Refused(openers_changed()));
    };
    let vault = state.vault().ok_or_else(|| Stopped::Refused(refuse::no_vault()))?;
    // What takes the place is nobody else's.
    if !with(asking, |_, _, rotating| Ok(rotating.is_at_rest()))? {
        return Err(Stopped::Refused(refuse::usage(
            "a step of the rotation is under way: wait for its answer",
        )));
    }
    let taken = asking.rotation.borrow_mut().as_mut().and_then(Rotating::take).and_then(Arc::into_inner);
    // A lock may have come, which takes it.
    let rotation = taken.ok_or_else(|| Stopped::Refused(state.locked()))?;
    let (serving, path) = (vault.clone(), state.vault_path());
    let moved = state.store.run(move || {
        let moved = rotation.commit(change).and_then(|()| serving.move_in(rotation));
        let is_of_no_use = |error: &Error| match error {
            // It would only take the room that is lacking.
            Error::Storage(source) => no_room(source.kind()),
            Error::HalfRotated => true,
            _ => false,
        };
        if moved.as_ref().is_err_and(is_of_no_use)
            && let Err(error) = vault::discard_unfinished(&path)
        {
            tracing::warn!("what was begun of a rotation could not be removed: {error}");
        }
        moved
    });
    match moved.await {
        Ok(Ok(moved)) => {
            // One step: nobody reads the new file under the former keys, nor the other way round.
            let former = vault.take_up(moved);
            state.rekey(asking.rotation.replace(None).map(Rotating::into_keys));
            state.note_change();
            // That it was begun was recorded before; that it is done is so only now, and stays so if nobody can write it:
            // then the session ends.
            if let Err(refusal) = asking.record(Event::Rotate, Outcome::Allowed, None, "done") {
                tracing::error!(
                    "the vault has another master key, which is not in the audit log: {}",
                    refusal.message
                );
            }
            tokio::task::spawn_local(integrity::check(state.clone()));
            Ok(former)
        }
        Ok(Err(error)) => {
            asking.rotation.replace(None);
            let recorded = asking.record(Event::Rotate, Outcome::Failed, None, "done");
            let refusal = match stands(&error) {
                Some(stands) => unknown(state, stands, &error),
                None => recorded.err().unwrap_or_else(|| refuse::vault(&error)),
            };
            Err(Stopped::Refused(refusal))
        }
        Err(lost) => {
            asking.rotation.replace(None);
            Err(Stopped::Refused(unknown(state, "whether the new key is in force is not known", &lost)))
        }
    }
}

/// Which file stands in the vault's place, where the disk may not have that.
pub(super) fn stands(error: &Error) -> Option<&'static str> {
    match error {
        Error::InPlace(_) => Some("as the vault's file stands, the new key is in force"),
        Error::MovedBack(_) => Some("as the vault's file stands, the former key is in force"),
        _ => None,
    }
}

/// Which file is the vault's is not known, or the disk may not have it: whoever starts next looks.
fn unknown(state: &State, stands: &str, why: &dyn std::fmt::Display) -> Refusal<'static> {
    tracing::error!("{stands}: {why}");
    state.stop();
    let message = format!(
        "{stands}; but a failure came in between, after which another start may find the other one. The daemon ends: \
         see its log, and start it anew: glassdome_start"
    );
    Refusal::new(Code::Error, message)
}

/// Carries what was changed since it was ready.
async fn catch_up(asking: &Asking) -> Result<(), Stopped> {
    loop {
        let current = with(asking, |vault, keys, rotating| match &rotating.pass {
            Some(pass) if pass.is_current(vault, keys)? => Ok(true),
            _ => {
                let Some(rotation) = rotating.rotation() else { return Err(Error::Conflict) };
                rotating.pass = Some(rotation.pass(vault, keys)?);
                Ok(false)
            }
        })?;
        if current {
            return Ok(());
        }
        loop {
            let carried = with(asking, |_, keys, rotating| {
                let Some(rotation) = rotating.rotation().cloned() else { return Err(Error::Conflict) };
                carry(&rotation, keys, rotating)
            })?;
            match carried {
                Carried::More => tokio::task::yield_now().await,
                Carried::Full => write(asking).await?,
                Carried::All => {
                    write(asking).await?;
                    break;
                }
            }
        }
    }
}

/// Has the former file overwritten: now, if nobody reads it; else when that has ended, or at the next start. Until then
/// there is no room for another rotation.
async fn erase(former: Former, room: Option<Room>) -> wire::Former {
    if let Some(room) = &room {
        room.is_ending();
    }
    let mut looks = 0;
    while !former.is_free() && looks < LOOKS {
        tokio::time::sleep(READ).await;
        looks += 1;
    }
    let is_free = former.is_free();
    let erasing = tokio::task::spawn_local(async move {
        while !former.is_free() {
            tokio::time::sleep(READ * LOOKS).await;
        }
        let told = erase_now(former).await;
        drop(room);
        told
    });
    if !is_free {
        return wire::Former::Later;
    }
    // A large one is overwritten behind the answer: the new key is in force.
    match tokio::time::timeout(OVERWRITTEN, erasing).await {
        Ok(Ok(told)) => told,
        Ok(Err(_)) | Err(_) => wire::Former::Later,
    }
}

/// On a thread of its own: whoever writes does not wait for it.
async fn erase_now(former: Former) -> wire::Former {
    match worker::once("erase", move || former.erase()).await {
        Ok(Ok(Erased { other_names: 0, .. })) => return wire::Former::Overwritten,
        Ok(Ok(Erased { other_names, .. })) => {
            rotations::log_linked(other_names);
            return wire::Former::Linked(other_names);
        }
        Ok(Err(error)) => tracing::error!("the former vault's file could not be overwritten: {error}"),
        Err(lost) => tracing::error!("the former vault's file could not be overwritten: {lost}"),
    }
    wire::Former::Later
}
