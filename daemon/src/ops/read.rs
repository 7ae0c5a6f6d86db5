//! Reads: a value, a page of names, what is known of a secret. Each takes a permit, reads in bounded
//! time, and is recorded before its answer leaves.

use glassdome_audit::{Event, Outcome};
use glassdome_proto::secrets::{self, Cursor, Entry, FieldInfo, Info, Version};
use glassdome_proto::{Answer, Code, Field, Glob, List, Name, Refusal, limits};
use glassdome_vault::{self as vault, EntryId, Keys, Opened, Vault, VersionKind};

use super::Asking;
use super::hidden::refused;
use super::unlisted::{END, Unlisted};
use crate::gate::{self, Permit};
use crate::policy::{Action, Question};
use crate::refuse;

/// A secret that was opened to be sent: value or field.
pub struct Value {
    opened: Opened,
    field: Option<String>,
}

impl Value {
    /// The bytes to send.
    pub fn bytes(&self) -> &[u8] {
        let bytes = match &self.field {
            None => self.opened.value(),
            Some(field) => self.opened.field(field),
        };
        bytes.unwrap_or_default()
    }

    /// Whether it takes more than one message.
    pub fn is_large(&self) -> bool {
        self.bytes().len() > limits::CHUNK
    }

    /// Version and expiry, in seconds since the epoch.
    pub fn about(&self) -> (u64, Option<u64>) {
        (self.opened.version(), self.opened.expires())
    }
}

/// One value, or one field of it.
pub fn get(asking: &Asking, name: &Name<'_>, field: Option<&str>) -> Result<Value, Refusal<'static>> {
    let permit = admit(asking, Event::Get, Action::Get, name)?;
    let value = open(asking, &*vault_of(asking)?, permit.keys(), name, field);
    record(asking, permit, Event::Get, Some(name), value)
}

/// Opens a value, or one field of it.
///
/// # Errors
/// The refusal to send: it is not there, or damaged.
pub fn open(
    asking: &Asking,
    vault: &Vault,
    keys: &Keys,
    name: &Name<'_>,
    field: Option<&str>,
) -> Result<Value, Refusal<'static>> {
    let opened = vault.read(keys, name).map_err(|error| refused(asking, &error, name))?;
    let wanted = match field {
        Some(field) => opened.field(field),
        None => opened.value(),
    };
    match wanted {
        Some(_) => Ok(Value { opened, field: field.map(str::to_owned) }),
        None => Err(without(name, field)),
    }
}

/// What a secret is not got for that has no such field, or no value beside its fields.
pub fn without(name: &Name<'_>, field: Option<&str>) -> Refusal<'static> {
    let missing = match field {
        Some(field) => format!("{name} has no field {field}. Fields: ctl info {name}"),
        None => format!("{name} has only fields. Fields: ctl info {name}, then ctl get {name} --field F"),
    };
    Refusal::new(Code::NotFound, missing)
}

/// A page of names. What is damaged is told behind the last one, so that all that can be listed is.
pub fn list(
    asking: &Asking,
    glob: Option<&Glob>,
    after: Option<Cursor>,
) -> Result<Answer<'static>, Refusal<'static>> {
    // Recorded once a listing: a page that goes on where this very connection was left is part of it.
    let goes_on = after.is_some() && asking.listing.get() == after;
    let permit = gate::admit(asking, Event::List, Question::Names)?;
    let by = permit.by().clone();
    let page = vault_of(asking)?
        .page(permit.keys(), after.map(EntryId::from_bytes), limits::PAGE)
        .map_err(|error| refuse::listing(&error));
    let shown = |name: &str| by.shows(name) && glob.is_none_or(|glob| glob.matches(name));
    let mut unlisted = Unlisted::for_page(asking.unlisted.take(), goes_on, after);
    let page = page.and_then(|page| {
        unlisted.add(&page, shown);
        let nothing_else = page.secrets.is_empty() && page.next.is_none();
        if nothing_else && !unlisted.is_empty() { Err(unlisted.refused()) } else { Ok(page) }
    });
    let rest = (!unlisted.is_empty()).then_some(END);
    asking.unlisted.replace(unlisted);
    // What is refused in its middle is recorded, too.
    let page = if goes_on && page.is_ok() { page? } else { record(asking, permit, Event::List, None, page)? };
    let entries = page
        .secrets
        .iter()
        .filter(|(_, info)| shown(&info.name))
        .map(|(_, info)| entry(info))
        .collect::<Result<Vec<_>, _>>()?;
    let entries = List::new(entries).ok_or_else(unsendable)?;
    let next = page.next.map(|id| *id.as_bytes()).or(rest);
    asking.listing.set(next);
    asking.listing_cleared.replace(asking.cleared.clone().filter(|_| next.is_some()));
    Ok(Answer::Secrets(secrets::Answer::Page { entries, next }))
}

/// Everything about a secret but its value.
pub fn info(asking: &Asking, name: &Name<'_>) -> Result<Answer<'static>, Refusal<'static>> {
    let info = known(asking, name, |info| !info.is_removed())?;
    let fields = info
        .fields
        .iter()
        .map(|field| Ok(FieldInfo { name: Field::parse(field.name.clone())?, size: field.size }))
        .collect::<Result<Vec<_>, glassdome_proto::NameError>>()
        .map_err(|_| unsendable())?;
    Ok(Answer::Secrets(secrets::Answer::Info(Info {
        entry: entry(&info)?,
        created: info.created,
        fields: List::new(fields).ok_or_else(unsendable)?,
        versions: u8::try_from(info.versions.len()).unwrap_or(u8::MAX),
    })))
}

/// The versions that are kept, also of a removed secret.
pub fn history(asking: &Asking, name: &Name<'_>) -> Result<Answer<'static>, Refusal<'static>> {
    let info = known(asking, name, |_| true)?;
    let current = (!info.is_removed()).then(|| info.version());
    let mut versions: Vec<Version> = info
        .versions
        .iter()
        .map(|version| Version {
            version: version.version,
            time: version.time,
            size: (version.kind != VersionKind::Removed).then_some(version.size),
            change: match version.kind {
                VersionKind::Set => secrets::Change::Set,
                VersionKind::Removed => secrets::Change::Removed,
                VersionKind::Restored => secrets::Change::Restored,
                VersionKind::Moved => secrets::Change::Moved,
            },
            current: current == Some(version.version),
        })
        .collect();
    versions.sort_unstable_by_key(|version| std::cmp::Reverse(version.version));
    Ok(Answer::Secrets(secrets::Answer::History(List::new(versions).ok_or_else(unsendable)?)))
}

fn known(
    asking: &Asking,
    name: &Name<'_>,
    wanted: impl Fn(&vault::Info) -> bool,
) -> Result<vault::Info, Refusal<'static>> {
    let permit = admit(asking, Event::Info, Action::List, name)?;
    let info = vault_of(asking)?
        .info(permit.keys(), name)
        .and_then(|info| if wanted(&info) { Ok(info) } else { Err(vault::Error::NotFound) })
        .map_err(|error| refused(asking, &error, name));
    record(asking, permit, Event::Info, Some(name), info)
}

fn entry(info: &vault::Info) -> Result<Entry<'static>, Refusal<'static>> {
    Ok(Entry {
        name: Name::parse(info.name.clone()).map_err(|_| unsendable())?,
        version: info.version(),
        changed: info.changed(),
        expires: info.expires,
        size: info.size,
        fields: u8::try_from(info.fields.len()).unwrap_or(u8::MAX),
    })
}

fn admit<'s>(
    asking: &'s Asking,
    event: Event,
    action: Action,
    name: &'s Name<'_>,
) -> Result<Permit<'s>, Refusal<'static>> {
    gate::admit(asking, event, Question::Secret(action, name))
}

fn vault_of(asking: &Asking) -> Result<std::sync::Arc<vault::Vault>, Refusal<'static>> {
    asking.state.vault().ok_or_else(refuse::no_vault)
}

/// Records how it went, and gives it on; a record that cannot be written takes the result away.
fn record<T>(
    asking: &Asking,
    permit: Permit<'_>,
    event: Event,
    name: Option<&Name<'_>>,
    result: Result<T, Refusal<'static>>,
) -> Result<T, Refusal<'static>> {
    let outcome = if result.is_ok() { Outcome::Allowed } else { Outcome::Failed };
    let secret = name.map(|name| &**name);
    let by = permit.by().word();
    // It borrows the session, which a log that fails must be able to end.
    drop(permit);
    asking.record(event, outcome, secret, &by)?;
    result
}

/// What the vault holds and this protocol cannot carry.
pub fn unsendable() -> Refusal<'static> {
    Refusal::new(Code::Error, "the vault holds something that this protocol cannot carry. Upgrade glassdomed")
}
