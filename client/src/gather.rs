//! Values of many secrets, all of them before any is used: small ones together, large ones one by one.

use glassdome_proto::secrets::{self, Found, Wanted};
use glassdome_proto::{Answer, Body, List, limits};
use zeroize::Zeroizing;

use crate::connection::Connection;
use crate::error::Error;
use crate::reference::Reference;
use crate::transfer::Value;

impl Connection {
    /// Asks for many values and gives them in their order: all, or none.
    pub(crate) fn get_many(&mut self, wanted: &[Reference]) -> Result<Vec<Value>, Error> {
        let mut values = Vec::with_capacity(wanted.len());
        for some in wanted.chunks(limits::MANY) {
            for (value, Reference { name, field }) in self.get_together(some)?.into_iter().zip(some) {
                values.push(match value {
                    Some(value) => value,
                    None => self.get(name.clone(), field.clone())?,
                });
            }
        }
        Ok(values)
    }

    /// One message's worth; `None` for what had no room in it.
    fn get_together(&mut self, wanted: &[Reference]) -> Result<Vec<Option<Value>>, Error> {
        let item = |wanted: &Reference| Wanted { name: wanted.name.clone(), field: wanted.field.clone() };
        let items = List::new(wanted.iter().map(item).collect()).ok_or(Error::Unexpected)?;
        let Answer::Secrets(secrets::Answer::Values(found)) =
            self.call(Body::Secrets(secrets::Request::GetMany { items }))?
        else {
            return Err(Error::Unexpected);
        };
        let values: Vec<Option<Value>> = found.into_vec().into_iter().map(copied).collect();
        self.forget();
        if values.len() == wanted.len() { Ok(values) } else { Err(Error::Unexpected) }
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
