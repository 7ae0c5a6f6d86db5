//! Changes: store, remove, rename, restore. A change is drafted and sealed here, where the key is,
//! recorded, and then brought to the disk by a thread that never sees a key. It is acknowledged when
//! it is on the disk. One change is under way at a time; a lock in between answers `locked`, and the
//! change is then whole on the disk or not there at all.

use std::cell::Cell;
use std::rc::Rc;

use glassdome_audit::{Event, Outcome};
use glassdome_proto::secrets::{self, Expect};
use glassdome_proto::{Answer, Field, Name, Refusal, limits};
use glassdome_vault::{self as vault, Draft, Edit, Error, Expires, Keys, Vault};

use super::parts::Parts;
use super::{Asking, Turn, hidden};
use crate::canaries::{Canaries, Effect, TooMany};
use crate::gate;
use crate::policy::{Action, Question};
use crate::{clock, refuse};

/// A value to be stored, perhaps still arriving.
pub struct Store {
    name: Name<'static>,
    field: Option<Field<'static>>,
    expires: Option<u64>,
    expect: Expect,
    canary: bool,
    value: Parts,
}

impl Store {
    /// Begins with the first part of a value of `total` bytes; of one that is bait, if `canary`.
    ///
    /// # Errors
    /// A value over the limit, or a first part over the total.
    pub fn begin(
        name: Name<'_>,
        field: Option<Field<'_>>,
        expires: Option<u64>,
        expect: Expect,
        total: u32,
        first: &[u8],
        canary: bool,
    ) -> Result<Self, Refusal<'static>> {
        let value = Parts::begin("a value", total, limits::VALUE, first)?;
        let (name, field) = (name.into_owned(), field.map(Field::into_owned));
        Ok(Self { name, field, expires, expect, canary, value })
    }

    /// What has arrived of it.
    pub fn parts(&mut self) -> &mut Parts {
        &mut self.value
    }

    /// What it is called.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Stores it.
    ///
    /// # Errors
    /// The refusal to send.
    pub async fn run(self, asking: Asking) -> Result<Answer<'static>, Refusal<'static>> {
        let effect = if self.canary { Effect::Set(&self.name) } else { Effect::None };
        let version =
            change(&asking, (Event::Set, Action::Set), &self.name, Some(&self.name), effect, |draft| {
                let mut edit = Edit { expect: expect(self.expect), ..Edit::default() };
                let fields: Vec<(&str, Option<&[u8]>)> =
                    self.field.iter().map(|field| (&**field, Some(self.value.bytes()))).collect();
                edit.fields = &fields;
                edit.expires = match self.expires {
                    Some(time) => Expires::At(time),
                    // The old date belonged to the old value.
                    None if self.field.is_none() => Expires::Never,
                    None => Expires::Keep,
                };
                if self.field.is_none() {
                    edit.value = Some(self.value.bytes());
                }
                draft.set(&self.name, edit, clock::now().wall.as_secs())
            })
            .await?;
        Ok(Answer::Secrets(secrets::Answer::Stored { version }))
    }
}

fn expect(expect: Expect) -> vault::Expect {
    match expect {
        Expect::Any => vault::Expect::Any,
        Expect::New => vault::Expect::New,
        Expect::Version(version) => vault::Expect::Version(version),
    }
}

/// Takes a secret away; its former versions too if `purge`.
pub async fn remove(
    asking: Asking,
    name: Name<'static>,
    purge: bool,
) -> Result<Answer<'static>, Refusal<'static>> {
    change(&asking, (Event::Remove, Action::Remove), &name, None, Effect::Removed(&name), |draft| {
        draft.remove(&name, purge, clock::now().wall.as_secs())
    })
    .await?;
    Ok(Answer::Secrets(secrets::Answer::Removed))
}

/// Which secret gets which name.
pub struct Renaming {
    /// What it is called.
    pub from: Name<'static>,
    /// What it is to be called.
    pub to: Name<'static>,
}

/// Gives a secret another name.
pub async fn rename(asking: Asking, renames: Rc<Renaming>) -> Result<Answer<'static>, Refusal<'static>> {
    let asking = Asking { renames: Some(renames.clone()), ..asking };
    let Renaming { from, to } = &*renames;
    // Both names are asked about: a right to one is no right to the other.
    drop(gate::admit(&asking, Event::Move, question(Action::Set, to))?);
    let taken = Cell::new(false);
    change(&asking, (Event::Move, Action::Set), from, Some(to), Effect::Moved(from, to), |draft| {
        let moved = draft.rename(from, to, clock::now().wall.as_secs());
        moved.inspect_err(|error| taken.set(matches!(error, Error::Exists)))
    })
    .await
    .map_err(|refusal| if taken.get() { refuse::secret(&Error::Exists, to) } else { refusal })?;
    Ok(Answer::Secrets(secrets::Answer::Moved))
}

/// Makes a former version current.
pub async fn restore(
    asking: Asking,
    name: Name<'static>,
    version: u64,
) -> Result<Answer<'static>, Refusal<'static>> {
    let version = change(&asking, (Event::Restore, Action::Set), &name, None, Effect::None, |draft| {
        draft.restore(&name, version, clock::now().wall.as_secs())
    })
    .await?;
    Ok(Answer::Secrets(secrets::Answer::Stored { version }))
}

/// One change of one secret: judged, drafted, recorded, committed. `made`: a name of which it makes a secret, if there
/// is none.
async fn change<T>(
    asking: &Asking,
    (event, action): (Event, Action),
    name: &Name<'static>,
    made: Option<&str>,
    effect: Effect<'_>,
    edit: impl FnOnce(&mut Draft<'_>) -> Result<T, Error>,
) -> Result<T, Refusal<'static>> {
    let turn = Turn::take(asking).await;
    // Whoever was before it may have sealed a rule.
    asking.find_out_again().await?;
    let vault = asking.state.vault().ok_or_else(refuse::no_vault)?;
    let permit = gate::admit(asking, event, question(action, name))?;
    let by = permit.by().word();
    let drafted = canaries_after(asking, &vault, permit.keys(), effect).and_then(|canaries| {
        let refused = |error: Error| hidden::refused(asking, &error, name);
        let mut draft = vault.draft(permit.keys()).map_err(refused)?;
        made.map_or(Ok(()), |made| hidden::may_make(asking, &draft, made))?;
        let result = edit(&mut draft).map_err(refused)?;
        canaries.iter().try_for_each(|canaries| canaries.seal(&mut draft)).map_err(refused)?;
        Ok((result, draft.finish().map_err(refused)?, canaries))
    });
    drop(permit);
    let outcome = if drafted.is_ok() { Outcome::Allowed } else { Outcome::Failed };
    asking.record(event, outcome, Some(name), &by)?;
    let (result, change, canaries) = drafted?;
    let done = |asking: &Asking| {
        if let Some(canaries) = canaries.filter(|_| asking.state.is_open(clock::now())) {
            asking.state.set_canaries(canaries);
        }
    };
    let name = name.clone();
    let failed = move |asking: &Asking| asking.record(event, Outcome::Failed, Some(&name), &by);
    turn.commit_then(asking, vault, change, done, failed).await?;
    Ok(result)
}

/// Which secrets are bait after a change; `None` if it changes nothing about that.
fn canaries_after(
    asking: &Asking,
    vault: &Vault,
    keys: &Keys,
    effect: Effect<'_>,
) -> Result<Option<Canaries>, Refusal<'static>> {
    if !asking.state.canaries().concerned(effect) {
        return Ok(None);
    }
    let sealed = Canaries::read(vault, keys).map_err(|error| refuse::unread(&error))?;
    let after = sealed.after(effect).map_err(|TooMany| {
        refuse::usage(format!("there are {} canaries already. Take some away: ctl rm NAME", limits::CANARIES))
    })?;
    Ok(Some(after))
}

pub fn question<'a>(action: Action, name: &'a Name<'_>) -> Question<'a> {
    Question::Secret(action, name)
}
