//! Values of many secrets, all of them before any is used: small ones together, large ones one by one.

use glassdome_proto::secrets::{self, Found, Wanted};
use glassdome_proto::{Answer, Body, List, limits};
use zeroize::Zeroizing;

use crate::connection::Connection;
use crate::errand::{Errand, Heard};
use crate::error::Error;
use crate::reference::Reference;
use crate::transfer::{Fetch, Value};

impl Connection {
    /// Asks for many values and gives them in their order: all, or none.
    ///
    /// # Errors
    /// As [`Connection::get`]: a refusal of one is a refusal of all.
    pub fn get_many(&mut self, wanted: &[Reference]) -> Result<Vec<Value>, Error> {
        // A request for nothing makes no sense to the daemon.
        if wanted.is_empty() { Ok(Vec::new()) } else { self.run(&mut Gather::of(wanted)) }
    }
}

/// Many values on their way here; `W` says which.
pub(crate) struct Gather<W> {
    wanted: W,
    /// What has come, in the order in which it was asked for; `None` for what had no room beside the others.
    values: Vec<Option<Value>>,
    /// The first of those, once all others are here, on its own way.
    alone: Option<(usize, Fetch<'static>)>,
}

impl<W: AsRef<[Reference]>> Gather<W> {
    pub(crate) fn of(wanted: W) -> Self {
        Self { wanted, values: Vec::new(), alone: None }
    }

    /// What is asked for next.
    fn next(&mut self) -> Heard<Vec<Value>> {
        let wanted = self.wanted.as_ref();
        if self.values.len() < wanted.len() {
            return Heard::Page;
        }
        if let Some(missing) = self.values.iter().position(Option::is_none) {
            let Reference { name, field } = &wanted[missing];
            self.alone = Some((missing, Fetch::new(name.clone(), field.clone())));
            return Heard::Page;
        }
        Heard::All(self.values.drain(..).flatten().collect())
    }
}

impl<W: AsRef<[Reference]>> Errand for Gather<W> {
    type Told = Vec<Value>;

    fn ask(&self) -> Result<Body<'_>, Error> {
        if let Some((_, fetch)) = &self.alone {
            return fetch.ask();
        }
        let item = |wanted: &Reference| Wanted { name: wanted.name.clone(), field: wanted.field.clone() };
        let some = self.wanted.as_ref().iter().skip(self.values.len()).take(limits::MANY);
        let items = List::new(some.map(item).collect()).ok_or(Error::Unexpected)?;
        Ok(Body::Secrets(secrets::Request::GetMany { items }))
    }

    fn hear(&mut self, answer: Answer<'_>) -> Result<Heard<Self::Told>, Error> {
        if let Some((missing, mut fetch)) = self.alone.take() {
            match fetch.hear(answer)? {
                Heard::All(value) => self.values[missing] = Some(value),
                _ => {
                    self.alone = Some((missing, fetch));
                    return Ok(Heard::Part);
                }
            }
            return Ok(self.next());
        }
        let Answer::Secrets(secrets::Answer::Values(found)) = answer else { return Err(Error::Unexpected) };
        let due = (self.wanted.as_ref().len() - self.values.len()).min(limits::MANY);
        if found.len() != due {
            return Err(Error::Unexpected);
        }
        self.values.extend(found.into_vec().into_iter().map(copied));
        Ok(self.next())
    }
}

fn copied(found: Found<'_>) -> Option<Value> {
    match found {
        Found::Here { version, expires, value } => {
            Some(Value { bytes: Zeroizing::new(value.expose().to_vec()), version, expires })
        }
        Found::Alone => None,
    }
}
