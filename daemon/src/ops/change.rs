//! Changes: store, remove, rename, restore. A change is drafted and sealed here, where the key is,
//! recorded, and then brought to the disk by a thread that never sees a key. It is acknowledged when
//! it is on the disk. One change is under way at a time; a lock in between answers `locked`, and the
//! change is then whole on the disk or not there at all.

use glassdome_audit::{Event, Outcome};
use glassdome_proto::secrets::{self, Expect, Item, Stored};
use glassdome_proto::{Answer, Field, List, Name, Refusal, limits};
use glassdome_vault::{self as vault, Draft, Edit, Error, Expires, Keys, Vault};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::{Asking, Turn};
use crate::canaries::{Canaries, Effect, TooMany};
use crate::gate::{self, Permit};
use crate::policy::{Action, Question};
use crate::{clock, refuse};

/// A value to be stored, perhaps still arriving.
pub struct Store {
    name: Name<'static>,
    field: Option<Field<'static>>,
    expires: Option<u64>,
    expect: Expect,
    canary: bool,
    total: usize,
    value: Zeroizing<Vec<u8>>,
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
        let total = total as usize;
        if total > limits::VALUE {
            return Err(refuse::usage(format!("a value of {total} bytes is over the limit of 1 MiB")));
        }
        // Room for all of it at once: a buffer that grows would leave copies behind.
        let mut value = Zeroizing::new(Vec::with_capacity(total));
        let (name, field) = (name.into_owned(), field.map(Field::into_owned));
        append(&mut value, total, first)?;
        Ok(Self { name, field, expires, expect, canary, total, value })
    }

    /// Takes the next part.
    ///
    /// # Errors
    /// A part that is empty, or goes past the announced total.
    pub fn add(&mut self, part: &[u8]) -> Result<(), Refusal<'static>> {
        if part.is_empty() {
            return Err(refuse::protocol("an empty part of a value"));
        }
        append(&mut self.value, self.total, part)
    }

    /// Whether all of it is here.
    pub fn is_whole(&self) -> bool {
        self.value.len() == self.total
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
        let version = change(&asking, (Event::Set, Action::Set), &self.name, effect, |draft| {
            let mut edit = Edit { expect: expect(self.expect), ..Edit::default() };
            let fields: Vec<(&str, Option<&[u8]>)> =
                self.field.iter().map(|field| (&**field, Some(&self.value[..]))).collect();
            edit.fields = &fields;
            edit.expires = match self.expires {
                Some(time) => Expires::At(time),
                // The old date belonged to the old value.
                None if self.field.is_none() => Expires::Never,
                None => Expires::Keep,
            };
            if self.field.is_none() {
                edit.value = Some(&self.value);
            }
            draft.set(&self.name, edit, clock::now().wall.as_secs())
        })
        .await?;
        Ok(Answer::Secrets(secrets::Answer::Stored { version }))
    }
}

fn append(value: &mut Vec<u8>, total: usize, part: &[u8]) -> Result<(), Refusal<'static>> {
    if value.len() + part.len() > total {
        return Err(refuse::protocol("more bytes than were announced"));
    }
    value.extend_from_slice(part);
    Ok(())
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
    change(&asking, (Event::Remove, Action::Remove), &name, Effect::Removed(&name), |draft| {
        draft.remove(&name, purge, clock::now().wall.as_secs())
    })
    .await?;
    Ok(Answer::Secrets(secrets::Answer::Removed))
}

/// Gives a secret another name.
pub async fn rename(
    asking: Asking,
    from: Name<'static>,
    to: Name<'static>,
) -> Result<Answer<'static>, Refusal<'static>> {
    // Both names are asked about: a right to one is no right to the other.
    drop(gate::admit(&asking, Event::Move, question(Action::Set, &to))?);
    change(&asking, (Event::Move, Action::Set), &from, Effect::Moved(&from, &to), |draft| {
        draft.rename(&from, &to, clock::now().wall.as_secs())
    })
    .await
    .map_err(|refusal| match refusal.code {
        glassdome_proto::Code::Conflict => Refusal::new(refusal.code, format!("{to} exists already")),
        _ => refusal,
    })?;
    Ok(Answer::Secrets(secrets::Answer::Moved))
}

/// Makes a former version current.
pub async fn restore(
    asking: Asking,
    name: Name<'static>,
    version: u64,
) -> Result<Answer<'static>, Refusal<'static>> {
    let version = change(&asking, (Event::Restore, Action::Set), &name, Effect::None, |draft| {
        draft.restore(&name, version, clock::now().wall.as_secs())
    })
    .await?;
    Ok(Answer::Secrets(secrets::Answer::Stored { version }))
}

/// Many small values, to be stored in one step.
pub struct Batch {
    items: Vec<(Name<'static>, Zeroizing<Vec<u8>>)>,
    overwrite: bool,
    dry_run: bool,
}

impl Batch {
    /// Takes them out of the message.
    pub fn of(items: List<Item<'_>, { limits::BATCH }>, overwrite: bool, dry_run: bool) -> Self {
        let own = |item: Item<'_>| (item.name.into_owned(), Zeroizing::new(item.value.expose().to_vec()));
        Self { items: items.into_vec().into_iter().map(own).collect(), overwrite, dry_run }
    }

    /// What they are called.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.items.iter().map(|(name, _)| &**name)
    }

    /// Stores them.
    ///
    /// # Errors
    /// The refusal to send.
    pub async fn run(self, asking: Asking) -> Result<Answer<'static>, Refusal<'static>> {
        let Self { items, overwrite, dry_run } = self;
        let turn = Turn::take(&asking).await;
        asking.find_out_again().await?;
        let vault = asking.state.vault().ok_or_else(refuse::no_vault)?;
        let permit = admit_all(&asking, &items)?;
        let by = permit.by().word();
        let drafted =
            vault.draft(permit.keys()).map_err(|error| refuse::vault(&error)).and_then(|mut draft| {
                let stored = edit_many(&mut draft, &items, overwrite)?;
                Ok((stored, draft.finish().map_err(|error| refuse::vault(&error))?))
            });
        drop(permit);
        let (stored, change) = drafted?;
        // Each name was looked up and its value compared: that is an answer, and is recorded as one.
        for ((name, _), stored) in items.iter().zip(&stored) {
            let changed = !dry_run && matches!(stored, Stored::Created | Stored::Replaced);
            let event = if changed { Event::Set } else { Event::Info };
            asking.record(event, Outcome::Allowed, Some(name), &by)?;
        }
        if !dry_run {
            let names: Vec<Name<'static>> = items.iter().map(|(name, _)| name.clone()).collect();
            let failed = move |asking: &Asking| {
                names.iter().try_for_each(|name| asking.record(Event::Set, Outcome::Failed, Some(name), &by))
            };
            turn.commit(&asking, vault, change, failed).await?;
        }
        let stored = List::new(stored).ok_or_else(|| refuse::protocol("too many items"))?;
        Ok(Answer::Secrets(secrets::Answer::StoredMany(stored)))
    }
}

type Many = [(Name<'static>, Zeroizing<Vec<u8>>)];

/// A right to one name is no right to the next: each is judged.
fn admit_all<'s>(asking: &'s Asking, items: &Many) -> Result<Permit<'s>, Refusal<'static>> {
    let mut permit = None;
    for (name, _) in items {
        // The former is let go first: judging may have to end the session that it borrows.
        drop(permit.take());
        permit = Some(gate::admit(asking, Event::Set, question(Action::Set, name))?);
    }
    permit.ok_or_else(|| refuse::usage("nothing to store"))
}

fn edit_many(draft: &mut Draft<'_>, items: &Many, overwrite: bool) -> Result<Vec<Stored>, Refusal<'static>> {
    let now = clock::now().wall.as_secs();
    let mut stored = Vec::with_capacity(items.len());
    let mut work = 0;
    for (name, value) in items {
        let refused = |error: Error| refuse::secret(&error, name);
        let there = match draft.info(name) {
            Ok(info) => Some(info),
            Err(Error::NotFound) => None,
            Err(error) => return Err(refused(error)),
        };
        let outcome = match &there {
            None => Stored::Created,
            // Another length is another value: nothing need be opened to tell.
            Some(info) if info.size.map(|size| size as usize) != Some(value.len()) => {
                left_or_replaced(overwrite)
            }
            Some(info) => {
                spend(&mut work, bytes_of(info))?;
                let opened = draft.read(name).map_err(refused)?;
                let same = opened.value().is_some_and(|there| there.ct_eq(value).into());
                if same { Stored::Same } else { left_or_replaced(overwrite) }
            }
        };
        if matches!(outcome, Stored::Created | Stored::Replaced) {
            // The former version is opened and sealed again for the history.
            spend(&mut work, value.len() + there.as_ref().map_or(0, |info| 2 * bytes_of(info)))?;
            let edit = Edit { value: Some(value), expires: Expires::Never, ..Edit::default() };
            draft.set(name, edit, now).map_err(refused)?;
        }
        stored.push(outcome);
    }
    Ok(stored)
}

fn left_or_replaced(overwrite: bool) -> Stored {
    if overwrite { Stored::Replaced } else { Stored::Exists }
}

fn bytes_of(info: &vault::Info) -> usize {
    let fields = info.fields.iter().map(|field| field.size as usize).sum::<usize>();
    info.size.unwrap_or(0) as usize + fields
}

/// One batch holds up everybody else for no longer than this allows.
fn spend(work: &mut usize, bytes: usize) -> Result<(), Refusal<'static>> {
    *work += bytes;
    if *work > limits::BATCH_WORK {
        let message = "these secrets are too large for one step: store them one by one";
        return Err(refuse::throttled(message, std::time::Duration::ZERO));
    }
    Ok(())
}

/// One change of one secret: judged, drafted, recorded, committed.
async fn change<T>(
    asking: &Asking,
    (event, action): (Event, Action),
    name: &Name<'static>,
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
        let drafted = vault.draft(permit.keys()).and_then(|mut draft| {
            let result = edit(&mut draft)?;
            canaries.iter().try_for_each(|canaries| canaries.seal(&mut draft))?;
            Ok((result, draft.finish()?))
        });
        let (result, change) = drafted.map_err(|error| refuse::secret(&error, name))?;
        Ok((result, change, canaries))
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

fn question<'a>(action: Action, name: &'a Name<'_>) -> Question<'a> {
    Question::Secret(action, name)
}
