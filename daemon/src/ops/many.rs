//! Many values at once: every name is judged before any is looked up, and either all are answered or
//! none is. What has no room in one message is left to be asked for alone, and is not opened here.

use std::sync::Arc;

use glassdome_audit::{Event, Outcome};
use glassdome_proto::secrets::{self, Found, Wanted};
use glassdome_proto::{Answer, Bytes, Field, List, Name, Refusal, limits};
use glassdome_vault::{Error, Info, Vault};

use super::Asking;
use super::hidden;
use super::read::{self, Value};
use crate::gate::{self, Permit};
use crate::policy::{Action, Question};
use crate::refuse;

/// What is answered: `None` for a value that must be asked for alone.
pub struct Values(Vec<Option<Value>>);

impl Values {
    /// As it is sent.
    pub fn answer(&self) -> Answer<'_> {
        let found = List::new(self.0.iter().map(found).collect());
        Answer::Secrets(secrets::Answer::Values(found.expect("no more were asked for than are answered")))
    }
}

fn found(value: &Option<Value>) -> Found<'_> {
    let Some(value) = value else { return Found::Alone };
    let (version, expires) = value.about();
    let value = Bytes::new(value.bytes()).expect("only what fits a chunk is kept");
    Found::Here { version, expires, value }
}

/// One that was judged, and by what it is allowed.
struct Judged<'a> {
    name: Name<'a>,
    field: Option<String>,
    by: String,
}

/// Taken out of the message.
pub fn into_owned(items: List<Wanted<'_>, { limits::MANY }>) -> List<Wanted<'static>, { limits::MANY }> {
    let own =
        |item: Wanted<'_>| Wanted { name: item.name.into_owned(), field: item.field.map(Field::into_owned) };
    List::new(items.into_vec().into_iter().map(own).collect()).expect("no more than there were")
}

/// The values of all `items`, or a refusal.
pub fn get_many(
    asking: &Asking,
    items: List<Wanted<'_>, { limits::MANY }>,
) -> Result<Values, Refusal<'static>> {
    let mut judged = Vec::with_capacity(items.len());
    let mut permit: Option<Permit<'_>> = None;
    let mut items = items.into_vec().into_iter();
    while let Some(Wanted { name, field }) = items.next() {
        // It borrows the session, which the next judgement may end.
        drop(permit.take());
        let next = gate::admit(asking, Event::Get, Question::Secret(Action::Get, &name))
            .inspect_err(|_| gate::look_through(asking, items.as_slice().iter().map(|item| &*item.name)))?;
        judged.push(Judged { name, field: field.map(|field| field.to_string()), by: next.by().word() });
        permit = Some(next);
    }
    let Some(permit) = permit else { return Err(refuse::usage("no name was given")) };
    let vault = asking.state.vault().ok_or_else(refuse::no_vault)?;
    let found = open_all(asking, &vault, &permit, &judged);
    // A log that fails must be able to end the session.
    drop(permit);
    match found {
        Ok(values) => {
            for (judged, _) in judged.iter().zip(&values).filter(|(_, value)| value.is_some()) {
                asking.record(Event::Get, Outcome::Allowed, Some(&judged.name), &judged.by)?;
            }
            Ok(Values(values))
        }
        Err((at, refusal)) => {
            let Judged { name, by, .. } = &judged[at];
            asking.record(Event::Get, Outcome::Failed, Some(name), by)?;
            Err(refusal)
        }
    }
}

/// Opens what fits; the place of the first that is missing or damaged, and its refusal.
fn open_all(
    asking: &Asking,
    vault: &Arc<Vault>,
    permit: &Permit<'_>,
    judged: &[Judged<'_>],
) -> Result<Vec<Option<Value>>, (usize, Refusal<'static>)> {
    let keys = permit.keys();
    let mut infos = Vec::with_capacity(judged.len());
    for (at, Judged { name, field, .. }) in judged.iter().enumerate() {
        let info = vault.info(keys, name).and_then(still_there);
        let info = info.map_err(|error| (at, hidden::refused(asking, &error, name)))?;
        let size = size(&info, field.as_deref());
        infos.push((size.ok_or_else(|| (at, read::without(name, field.as_deref())))?, info));
    }
    let (mut room, mut work) = (limits::CHUNK, limits::BATCH_WORK);
    let mut values = Vec::with_capacity(judged.len());
    for (at, (Judged { name, field, .. }, (size, info))) in judged.iter().zip(&infos).enumerate() {
        let whole = info.versions.last().map_or(0, |version| version.size as usize);
        if *size > room || whole > work {
            values.push(None);
            continue;
        }
        let value =
            read::open(asking, vault, keys, name, field.as_deref()).map_err(|refusal| (at, refusal))?;
        work -= whole;
        // It may have changed since its size was looked up.
        let value = Some(value).filter(|value| value.bytes().len() <= room);
        room -= value.as_ref().map_or(0, |value| value.bytes().len());
        values.push(value);
    }
    Ok(values)
}

/// Bytes of the value or of one field; `None` if there is none.
fn size(info: &Info, field: Option<&str>) -> Option<usize> {
    let size = match field {
        Some(wanted) => info.fields.iter().find(|field| field.name == wanted).map(|field| field.size),
        None => info.size,
    };
    size.map(|size| size as usize)
}

fn still_there(info: Info) -> Result<Info, Error> {
    if info.is_removed() { Err(Error::NotFound) } else { Ok(info) }
}
