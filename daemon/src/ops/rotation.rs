//! A new master key for the vault, while everybody is served: begun with the master password, carried on step by step for
//! whoever began it, and finished in one. Each step that touches keys is short and on the event loop; what waits for the
//! disk is not. What a lock, a kill or a lost connection leaves is a vault as it was, and a rotation to go on with.

mod begin;
mod finish;

use std::sync::Arc;

use glassdome_audit::{Event, Outcome};
use glassdome_proto::rotation::{self as wire, Progress, Request};
use glassdome_proto::{Answer, Code, Refusal};
use glassdome_vault::{self as vault, Carried, Error, Keys, Rotation, Vault};

use super::{Asking, Work, later, now, password, recovery, to_end};
use crate::rotations::{Rotating, Taken};
use crate::state::State;
use crate::{clock, refuse};

/// Rows between two looks at everybody else's requests: about a millisecond.
const ROWS: u32 = 128;
/// The same, of a check, which opens nothing.
const CHECKED: u32 = 512;

/// Begins what is asked.
///
/// # Errors
/// The refusal to send.
pub fn start(asking: &Asking, request: Request<'_>) -> Result<Work, Refusal<'static>> {
    Ok(match request {
        Request::State => now(state(asking)?),
        Request::Begin { password, recovery } => {
            let password = password::lock_in(password)?;
            let code = recovery.as_ref().map(recovery::lock_in).transpose()?;
            later(begin::begin(asking.clone(), password, code))
        }
        Request::Step => later(step(asking.clone())),
        Request::Finish => to_end(finish::finish(asking.clone())),
    })
}

/// Told to every process of the owner: the directory says as much to whoever looks.
fn state(asking: &Asking) -> Result<Answer<'static>, Refusal<'static>> {
    let since = vault::unfinished_since(&asking.state.vault_path()).map_err(|error| refuse::vault(&error))?;
    let under_way = asking.state.rotations().progress();
    Ok(Answer::Rotation(wire::Answer::State { since, under_way }))
}

async fn step(asking: Asking) -> Result<Answer<'static>, Refusal<'static>> {
    match advance(&asking).await {
        Ok(progress) => Ok(Answer::Rotation(wire::Answer::Done(progress))),
        Err(Stopped::Refused(refusal)) => Err(refusal),
        Err(Stopped::By(error)) => Err(give_up(&asking, error).await),
    }
}

/// Why a step came to nothing.
enum Stopped {
    /// The vault, or the new file.
    By(Error),
    /// There is no session, or nothing under way.
    Refused(Refusal<'static>),
}

impl From<Error> for Stopped {
    fn from(error: Error) -> Self {
        Self::By(error)
    }
}

/// Carries until there is enough to be written, and has that written; or checks a part of what was written.
async fn advance(asking: &Asking) -> Result<Progress, Stopped> {
    loop {
        let carried = with(asking, |vault, keys, rotating| {
            let Some(rotation) = rotating.rotation().cloned() else { return Err(Error::Conflict) };
            if rotating.progress.ready {
                return Ok(Some(Carried::All));
            }
            if let Some(check) = &mut rotating.check {
                rotating.progress.ready = Rotation::check_more(check, &rotating.new, CHECKED)?;
                return Ok(rotating.progress.ready.then_some(Carried::All));
            }
            if rotating.pass.is_none() {
                rotating.pass = Some(rotation.pass(vault, keys)?);
            }
            carry(&rotation, keys, rotating).map(|carried| (carried != Carried::More).then_some(carried))
        })?;
        let Some(carried) = carried else {
            // Others come first.
            tokio::task::yield_now().await;
            continue;
        };
        let progress = with(asking, |_, _, rotating| Ok(rotating.progress))?;
        if progress.ready {
            return Ok(progress);
        }
        write(asking).await?;
        if carried == Carried::All {
            // What lay there from before was written under the new keys, or the sum tells.
            with(asking, |_, _, rotating| {
                let Some(rotation) = rotating.rotation().cloned() else { return Err(Error::Conflict) };
                rotating.check = Some(rotation.check(&rotating.new)?);
                Ok(())
            })?;
        }
        return Ok(progress);
    }
}

fn carry(rotation: &Arc<Rotation>, keys: &Keys, rotating: &mut Rotating) -> Result<Carried, Error> {
    let Some(pass) = &mut rotating.pass else { return Err(Error::Conflict) };
    let carried = pass.carry(rotation, keys, &rotating.new, ROWS)?;
    let (done, total) = pass.progress();
    rotating.progress = Progress { done, total, ..rotating.progress };
    Ok(carried)
}

/// Has written what was carried.
async fn write(asking: &Asking) -> Result<(), Stopped> {
    let (rotation, change) = with(asking, |_, _, rotating| {
        let Some(rotation) = rotating.rotation().cloned() else { return Err(Error::Conflict) };
        let Some(pass) = &mut rotating.pass else { return Err(Error::Conflict) };
        let change = rotation.change(pass, &rotating.new)?;
        Ok((rotation, change))
    })?;
    let written = asking.state.store.run(move || rotation.commit(change)).await;
    Ok(written.map_err(|lost| Stopped::Refused(refuse::lost(lost)))??)
}

/// One step with the keys of the session and the rotation of this connection.
fn with<T>(
    asking: &Asking,
    step: impl FnOnce(&Arc<Vault>, &Keys, &mut Rotating) -> Result<T, Error>,
) -> Result<T, Stopped> {
    let state = &asking.state;
    open(state).map_err(Stopped::Refused)?;
    let vault = state.vault().ok_or_else(|| Stopped::Refused(refuse::no_vault()))?;
    let mut place = asking.rotation.borrow_mut();
    let rotating = place.as_mut().ok_or_else(|| Stopped::Refused(none_here()))?;
    if rotating.rotation().is_none() {
        return Err(Stopped::Refused(being_finished()));
    }
    let keys = state.keys().ok_or_else(|| Stopped::Refused(state.locked()))?;
    Ok(step(&vault, &keys, rotating)?)
}

/// What cannot be gone on with takes no room: the vault is as it was.
async fn give_up(asking: &Asking, error: Error) -> Refusal<'static> {
    let rests = match &error {
        Error::Storage(source) => !no_room(source.kind()),
        Error::Conflict | Error::OpenedAnew | Error::Memory(_) | Error::Random(_) => true,
        _ => false,
    };
    let rotating = asking.rotation.replace(None);
    if rests {
        return refuse::vault(&error);
    }
    let rotation = rotating.and_then(|mut rotating| rotating.take());
    let discarded = asking.state.store.run(move || match rotation.and_then(Arc::into_inner) {
        Some(rotation) => rotation.discard(),
        None => Ok(()),
    });
    match discarded.await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::warn!("what was begun of a rotation could not be removed: {error}"),
        Err(lost) => tracing::warn!("what was begun of a rotation could not be removed: {lost}"),
    }
    match asking.record(Event::Rotate, Outcome::Failed, None, "given-up") {
        Ok(()) => refuse::vault(&error),
        Err(refusal) => refusal,
    }
}

fn no_room(kind: std::io::ErrorKind) -> bool {
    use std::io::ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull};
    matches!(kind, FileTooLarge | QuotaExceeded | StorageFull)
}

fn open(state: &State) -> Result<(), Refusal<'static>> {
    if state.is_open(clock::now()) { Ok(()) } else { Err(state.locked()) }
}

fn no_room_for_another(taken: Taken) -> Refusal<'static> {
    let message = match taken {
        Taken::UnderWay => "a rotation is under way already. How far it is: ctl status",
        Taken::FormerRead => {
            "the former file of the last rotation is read still, by a backup for one, and is overwritten behind that. \
             Try again then"
        }
    };
    Refusal::new(Code::Conflict, message)
}

fn openers_changed() -> Refusal<'static> {
    Refusal::new(Code::Conflict, "what opens the vault was changed meanwhile. Begin again: ctl rotate")
}

fn being_finished() -> Refusal<'static> {
    Refusal::new(Code::Conflict, "the rotation is being finished already")
}

fn none_here() -> Refusal<'static> {
    refuse::usage("no rotation was begun on this connection")
}

#[cfg(test)]
mod finish_tests;
