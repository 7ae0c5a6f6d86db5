//! One value, in, out or away. Up to 1 MiB on the way in and out: the first part travels in the request or the answer
//! itself, the rest in chunks under the same id.

use glassdome_proto::secrets::{self, Expect};
use glassdome_proto::{Answer, Body, Bytes, Chunk, Field, Name, limits};
use zeroize::Zeroizing;

use crate::connection::Connection;
use crate::errand::{Errand, Heard};
use crate::error::Error;

/// A value that was asked for.
pub struct Value {
    /// Its bytes.
    pub bytes: Zeroizing<Vec<u8>>,
    /// The version that this is.
    pub version: u64,
    /// When it should be replaced, in seconds since the epoch.
    pub expires: Option<u64>,
}

/// A value that shall be stored.
pub struct Upload<'a> {
    /// Under which name.
    pub name: Name<'a>,
    /// As which field; as the main value if none.
    pub field: Option<Field<'a>>,
    /// When it should be replaced, in seconds since the epoch.
    pub expires: Option<u64>,
    /// What must be there for it to be stored.
    pub expect: Expect,
    /// Whether the secret is bait from then on.
    pub canary: bool,
    /// Its bytes, at most [`limits::VALUE`].
    pub value: &'a [u8],
}

impl Connection {
    /// Asks for a value, or one field of it.
    ///
    /// # Errors
    /// As [`Connection::call`]; [`Error::Unexpected`] when the daemon announces more than a value
    /// may have, or sends more than it announced.
    pub fn get(&mut self, name: Name<'_>, field: Option<Field<'_>>) -> Result<Value, Error> {
        self.run(&mut Fetch::new(name, field))
    }

    /// Stores a value and returns the version that it became.
    ///
    /// # Errors
    /// As [`Connection::call`]; [`Error::TooLong`] for a value over [`limits::VALUE`].
    pub fn set(&mut self, upload: Upload<'_>) -> Result<u64, Error> {
        let value = upload.value;
        self.run(&mut Store { upload, value })
    }

    /// Takes a secret away; its last versions are kept unless it is purged.
    ///
    /// # Errors
    /// As [`Connection::call`]; a refusal as `NotFound` when there is no such secret.
    pub fn remove(&mut self, name: Name<'_>, purge: bool) -> Result<(), Error> {
        self.run(&mut Remove { name, purge })
    }
}

/// A value on its way here.
pub(crate) struct Fetch<'a> {
    name: Name<'a>,
    field: Option<Field<'a>>,
    /// What has come of it, and how much there will be.
    value: Option<(Value, usize)>,
}

impl<'a> Fetch<'a> {
    pub(crate) fn new(name: Name<'a>, field: Option<Field<'a>>) -> Self {
        Self { name, field, value: None }
    }
}

impl Errand for Fetch<'_> {
    type Told = Value;

    fn ask(&self) -> Result<Body<'_>, Error> {
        let field = self.field.as_ref().map(Field::by_ref);
        Ok(Body::Secrets(secrets::Request::Get { name: self.name.by_ref(), field }))
    }

    fn hear(&mut self, answer: Answer<'_>) -> Result<Heard<Value>, Error> {
        let (mut value, total, part) = match (self.value.take(), answer) {
            (None, Answer::Secrets(secrets::Answer::Value { version, expires, total, first })) => {
                let total = usize::try_from(total).unwrap_or(usize::MAX);
                if total > limits::VALUE {
                    return Err(Error::Unexpected);
                }
                // Its capacity is what will be in it: it never moves, so no copy stays behind.
                let bytes = Zeroizing::new(Vec::with_capacity(total));
                (Value { bytes, version, expires }, total, first)
            }
            (Some((value, total)), Answer::More(chunk)) if !chunk.data.expose().is_empty() => {
                (value, total, chunk.data)
            }
            _ => return Err(Error::Unexpected),
        };
        if value.bytes.len() + part.expose().len() > total {
            return Err(Error::Unexpected);
        }
        value.bytes.extend_from_slice(part.expose());
        if value.bytes.len() == total {
            return Ok(Heard::All(value));
        }
        self.value = Some((value, total));
        Ok(Heard::Part)
    }
}

/// A value on its way there; `V` has its bytes.
pub(crate) struct Store<'a, V> {
    pub(crate) upload: Upload<'a>,
    pub(crate) value: V,
}

impl<V: AsRef<[u8]>> Errand for Store<'_, V> {
    type Told = u64;

    fn ask(&self) -> Result<Body<'_>, Error> {
        let Upload { name, field, expires, expect, canary, .. } = &self.upload;
        let (expires, expect, canary) = (*expires, *expect, *canary);
        let (name, field) = (name.by_ref(), field.as_ref().map(Field::by_ref));
        let value = self.value.as_ref();
        let too_long = || Error::TooLong { what: "a value", max: limits::VALUE };
        let total = u32::try_from(value.len()).ok().filter(|_| value.len() <= limits::VALUE);
        let total = total.ok_or_else(too_long)?;
        let first = Bytes::new(&value[..value.len().min(limits::CHUNK)]).ok_or_else(too_long)?;
        Ok(Body::Secrets(secrets::Request::Set { name, field, expires, expect, canary, total, first }))
    }

    fn part(&self, number: usize) -> Option<Body<'_>> {
        let part = self.value.as_ref().chunks(limits::CHUNK).nth(number + 1)?;
        Bytes::new(part).map(|data| Body::More(Chunk { data }))
    }

    fn hear(&mut self, answer: Answer<'_>) -> Result<Heard<u64>, Error> {
        match answer {
            Answer::Secrets(secrets::Answer::Stored { version }) => Ok(Heard::All(version)),
            _ => Err(Error::Unexpected),
        }
    }
}

/// A secret that is to go.
pub(crate) struct Remove<'a> {
    pub(crate) name: Name<'a>,
    pub(crate) purge: bool,
}

impl Errand for Remove<'_> {
    type Told = ();

    fn ask(&self) -> Result<Body<'_>, Error> {
        Ok(Body::Secrets(secrets::Request::Remove { name: self.name.by_ref(), purge: self.purge }))
    }

    fn hear(&mut self, answer: Answer<'_>) -> Result<Heard<()>, Error> {
        match answer {
            Answer::Secrets(secrets::Answer::Removed) => Ok(Heard::All(())),
            _ => Err(Error::Unexpected),
        }
    }
}
