//! Many secrets at once: all are judged, drafted and brought to the disk in one step, or none is. Small values that
//! leave the rest of a secret as it is, or secrets as a whole, with their fields and expiry.

use glassdome_audit::{Event, Outcome};
use glassdome_proto::secrets::{self, Item, Stored};
use glassdome_proto::whole::{self, Wholes};
use glassdome_proto::{Answer, Bytes, List, Name, Refusal, limits};
use glassdome_vault::{self as vault, Draft, Edit, Error, Expires, Opened};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::change::question;
use super::parts::Parts;
use super::{Asking, Turn, hidden};
use crate::gate::{self, Permit};
use crate::policy::Action;
use crate::{clock, refuse};

/// Secrets to be stored in one step, perhaps still arriving.
pub struct Batch {
    brought: Brought,
    overwrite: bool,
    dry_run: bool,
}

enum Brought {
    /// Values, and nothing said of fields.
    Values(Vec<(Name<'static>, Zeroizing<Vec<u8>>)>),
    /// Whole secrets, as they travel.
    Wholes(Parts),
}

/// What one is to be.
struct One<'a> {
    name: Name<'a>,
    value: Option<&'a [u8]>,
    /// Its fields and expiry, if it is the whole.
    rest: Option<Rest<'a>>,
}

struct Rest<'a> {
    fields: Vec<(String, &'a [u8])>,
    expires: Option<u64>,
}

impl Batch {
    /// Takes values out of the message.
    pub fn of(items: List<Item<'_>, { limits::BATCH }>, overwrite: bool, dry_run: bool) -> Self {
        let own = |item: Item<'_>| (item.name.into_owned(), Zeroizing::new(item.value.expose().to_vec()));
        let brought = Brought::Values(items.into_vec().into_iter().map(own).collect());
        Self { brought, overwrite, dry_run }
    }

    /// Begins with the first part of whole secrets of `total` bytes.
    ///
    /// # Errors
    /// More than there may be, or a first part over the total.
    pub fn begin(total: u32, first: &[u8], overwrite: bool, dry_run: bool) -> Result<Self, Refusal<'static>> {
        let parts = Parts::begin("what is brought in one step", total, limits::WHOLES, first)?;
        Ok(Self { brought: Brought::Wholes(parts), overwrite, dry_run })
    }

    /// What has arrived of it, if it comes in parts.
    pub fn parts(&mut self) -> Option<&mut Parts> {
        match &mut self.brought {
            Brought::Values(_) => None,
            Brought::Wholes(parts) => Some(parts),
        }
    }

    /// What they are called.
    ///
    /// # Errors
    /// What came is no list of secrets.
    pub fn names(&self) -> Result<Vec<Name<'_>>, Refusal<'static>> {
        Ok(self.brought.all()?.into_iter().map(|one| one.name).collect())
    }

    /// Stores them.
    ///
    /// # Errors
    /// The refusal to send.
    pub async fn run(self, asking: Asking) -> Result<Answer<'static>, Refusal<'static>> {
        let Self { brought, overwrite, dry_run } = self;
        // Before anything waits: what is none is refused at once.
        let items = brought.all()?;
        let turn = Turn::take(&asking).await;
        asking.find_out_again().await?;
        let vault = asking.state.vault().ok_or_else(refuse::no_vault)?;
        let permit = admit_all(&asking, &items)?;
        let by = permit.by().word();
        let drafted =
            vault.draft(permit.keys()).map_err(|error| refuse::vault(&error)).and_then(|mut draft| {
                let stored = edit_many(&asking, &mut draft, &items, overwrite)?;
                Ok((stored, draft.finish().map_err(|error| refuse::vault(&error))?))
            });
        drop(permit);
        let (stored, change) = drafted?;
        // Each name was looked up and its value compared: that is an answer, and is recorded as one.
        for (One { name, .. }, stored) in items.iter().zip(&stored) {
            let changed = !dry_run && matches!(stored, Stored::Created | Stored::Replaced);
            let event = if changed { Event::Set } else { Event::Info };
            asking.record(event, Outcome::Allowed, Some(name), &by)?;
        }
        if !dry_run {
            let names: Vec<Name<'static>> = items.iter().map(|one| one.name.clone().into_owned()).collect();
            let failed = move |asking: &Asking| {
                names.iter().try_for_each(|name| asking.record(Event::Set, Outcome::Failed, Some(name), &by))
            };
            turn.commit(&asking, vault, change, failed).await?;
        }
        let stored = List::new(stored).ok_or_else(|| refuse::protocol("too many items"))?;
        Ok(Answer::Secrets(secrets::Answer::StoredMany(stored)))
    }
}

impl Brought {
    fn all(&self) -> Result<Vec<One<'_>>, Refusal<'static>> {
        match self {
            Self::Values(items) => {
                let all = items.iter();
                Ok(all
                    .map(|(name, value)| One { name: name.by_ref(), value: Some(value), rest: None })
                    .collect())
            }
            Self::Wholes(parts) => {
                let wholes = whole::read(parts.bytes());
                Ok(ones(wholes.map_err(|_| refuse::protocol("what came is no list of secrets"))?))
            }
        }
    }
}

fn ones(wholes: Wholes<'_>) -> Vec<One<'_>> {
    let all = wholes.into_vec().into_iter();
    all.map(|whole| {
        let fields = whole.fields.into_vec().into_iter();
        let fields = fields.map(|field| (field.name.to_string(), field.value.expose())).collect();
        let rest = Some(Rest { fields, expires: whole.expires });
        One { name: whole.name, value: whole.value.map(Bytes::expose), rest }
    })
    .collect()
}

/// A right to one name is no right to the next: each is judged.
fn admit_all<'s>(asking: &'s Asking, items: &[One<'_>]) -> Result<Permit<'s>, Refusal<'static>> {
    let mut permit = None;
    for One { name, .. } in items {
        // The former is let go first: judging may have to end the session that it borrows.
        drop(permit.take());
        permit = Some(gate::admit(asking, Event::Set, question(Action::Set, name))?);
    }
    permit.ok_or_else(|| refuse::usage("nothing to store"))
}

fn edit_many(
    asking: &Asking,
    draft: &mut Draft<'_>,
    items: &[One<'_>],
    overwrite: bool,
) -> Result<Vec<Stored>, Refusal<'static>> {
    let now = clock::now().wall.as_secs();
    let mut stored = Vec::with_capacity(items.len());
    let mut work = 0;
    for item in items {
        let name = &item.name;
        let refused = |error: Error| refuse::secret(&error, name);
        let there = match draft.info(name) {
            Ok(info) => Some(info),
            Err(Error::NotFound) => None,
            Err(error) => return Err(refused(error)),
        };
        let outcome = match &there {
            None => {
                hidden::may_make(asking, draft, name)?;
                Stored::Created
            }
            // Another length is another value: nothing need be opened to tell.
            Some(info) if info.size.map(|size| size as usize) != item.value.map(<[u8]>::len) => {
                left_or_replaced(overwrite)
            }
            Some(info) => {
                spend(&mut work, bytes_of(info))?;
                let opened = draft.read(name).map_err(refused)?;
                if item.is_like(&opened) { Stored::Same } else { left_or_replaced(overwrite) }
            }
        };
        if matches!(outcome, Stored::Created | Stored::Replaced) {
            // The former version is opened and sealed again for the history.
            spend(&mut work, item.len() + there.as_ref().map_or(0, |info| 2 * bytes_of(info)))?;
            item.store(draft, now).map_err(refused)?;
        }
        stored.push(outcome);
    }
    Ok(stored)
}

impl One<'_> {
    /// Bytes of value and fields.
    fn len(&self) -> usize {
        let fields = self.rest.iter().flat_map(|rest| &rest.fields).map(|(_, value)| value.len());
        self.value.map_or(0, <[u8]>::len) + fields.sum::<usize>()
    }

    /// Whether it is what is there, as far as it says.
    fn is_like(&self, there: &Opened) -> bool {
        let like = |one: Option<&[u8]>, other: Option<&[u8]>| match (one, other) {
            (Some(one), Some(other)) => one.ct_eq(other).into(),
            (None, None) => true,
            _ => false,
        };
        let rest = |rest: &Rest<'_>| {
            rest.expires == there.expires()
                && rest.fields.len() == there.fields().count()
                && rest.fields.iter().all(|(name, value)| like(Some(value), there.field(name)))
        };
        like(self.value, there.value()) && self.rest.as_ref().is_none_or(rest)
    }

    fn store(&self, draft: &mut Draft<'_>, now: u64) -> Result<u64, Error> {
        let Some(Rest { fields, expires }) = &self.rest else {
            let edit = Edit { value: self.value, expires: Expires::Never, ..Edit::default() };
            return draft.set(&self.name, edit, now);
        };
        let fields: Vec<(&str, Option<&[u8]>)> =
            fields.iter().map(|(name, value)| (&**name, Some(*value))).collect();
        let expires = expires.map_or(Expires::Never, Expires::At);
        draft.set(
            &self.name,
            Edit { value: self.value, fields: &fields, whole: true, expires, ..Edit::default() },
            now,
        )
    }
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
