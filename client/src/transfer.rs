//! Values up to 1 MiB on their way in and out: the first part travels in the request or the answer
//! itself, the rest in chunks under the same id.

use glassdome_proto::secrets::{self, Expect};
use glassdome_proto::{Answer, Body, Bytes, Chunk, Field, Name, limits};
use zeroize::{Zeroize, Zeroizing};

use crate::connection::Connection;
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
        let id = self.begin(Body::Secrets(secrets::Request::Get { name, field }))?;
        let Answer::Secrets(secrets::Answer::Value { version, expires, total, first }) = self.answer(id)?
        else {
            return Err(Error::Unexpected);
        };
        let total = usize::try_from(total).unwrap_or(usize::MAX);
        if total > limits::VALUE {
            return Err(Error::Unexpected);
        }
        // Its capacity is what will be in it: it never moves, so no copy stays behind.
        let mut bytes = Zeroizing::new(Vec::with_capacity(total));
        append(&mut bytes, first.expose(), total)?;
        while bytes.len() < total {
            let Answer::More(chunk) = self.answer(id)? else {
                return Err(Error::Unexpected);
            };
            if chunk.data.expose().is_empty() {
                return Err(Error::Unexpected);
            }
            append(&mut bytes, chunk.data.expose(), total)?;
        }
        self.forget();
        Ok(Value { bytes, version, expires })
    }

    /// Stores a value and returns the version that it became.
    ///
    /// # Errors
    /// As [`Connection::call`]; [`Error::TooLong`] for a value over [`limits::VALUE`].
    pub fn set(&mut self, upload: Upload<'_>) -> Result<u64, Error> {
        let Upload { name, field, expires, expect, canary, value } = upload;
        let too_long = || Error::TooLong { what: "a value", max: limits::VALUE };
        if value.len() > limits::VALUE {
            return Err(too_long());
        }
        let total = u32::try_from(value.len()).map_err(|_| too_long())?;
        let (first, rest) = value.split_at(value.len().min(limits::CHUNK));
        let first = Bytes::new(first).ok_or_else(too_long)?;
        let request = secrets::Request::Set { name, field, expires, expect, canary, total, first };
        let id = self.begin(Body::Secrets(request))?;
        if !rest.is_empty() {
            // From here on, input means that the daemon has something to say about this value.
            self.pass_over_token()?;
        }
        for part in rest.chunks(limits::CHUNK) {
            // A refusal may come before the last chunk: then nobody waits for the rest.
            if self.has_input()? {
                break;
            }
            let data = Bytes::new(part).ok_or_else(too_long)?;
            self.send(id, Body::More(Chunk { data }))?;
        }
        match self.answer(id)? {
            Answer::Secrets(secrets::Answer::Stored { version }) => Ok(version),
            _ => Err(Error::Unexpected),
        }
    }
}

fn append(bytes: &mut Vec<u8>, part: &[u8], total: usize) -> Result<(), Error> {
    if bytes.len() + part.len() > total {
        bytes.zeroize();
        return Err(Error::Unexpected);
    }
    bytes.extend_from_slice(part);
    Ok(())
}
