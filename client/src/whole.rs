//! Secrets as a whole, in and out: several of them in one run of bytes, in as many messages as it takes, out of and into
//! buffers that are wiped.

use glassdome_proto::secrets::{Answer as Secrets, Request, Stored};
use glassdome_proto::session::Password;
use glassdome_proto::whole::{self, Whole, WholeField, Wholes};
use glassdome_proto::{Answer, Body, Bytes, Chunk, Glob, List, Name, limits};
use zeroize::Zeroizing;

use crate::bulk::{Entry, Manner, Rest, is_too_much_for_one_step};
use crate::connection::Connection;
use crate::errand::{Errand, Heard};
use crate::error::Error;

/// Stores entries that are whole, and adds to `results` what became of each. A batch is stored whole or not at all;
/// `progress` is told how many are done.
///
/// # Errors
/// As [`Connection::set_many`].
pub(crate) fn store(
    connection: &mut Connection,
    entries: &[Entry<'_>],
    manner: Manner,
    results: &mut Vec<Stored>,
    mut progress: impl FnMut(usize),
) -> Result<(), Error> {
    let wholes = entries.iter().map(of).collect::<Result<Vec<_>, _>>()?;
    let mut rest = wholes;
    let mut done = 0;
    while !rest.is_empty() {
        let behind = rest.split_off(batch_len(&rest));
        let batch = std::mem::replace(&mut rest, behind);
        let len = batch.len();
        match store_batch(connection, batch, manner) {
            Err(error) if is_too_much_for_one_step(&error) && len > 1 => {
                for entry in &entries[done..done + len] {
                    results.extend(store_batch(connection, vec![of(entry)?], manner)?);
                }
            }
            stored => results.extend(stored?),
        }
        done += len;
        progress(done);
    }
    Ok(())
}

fn of<'a>(entry: &'a Entry<'_>) -> Result<Whole<'a>, Error> {
    let too_long = || Error::TooLong { what: "a secret", max: limits::VALUE };
    let Rest { fields, expires } = entry.rest.unwrap_or(Rest { fields: &[], expires: None });
    let field = |(name, value): &'a (_, Zeroizing<Vec<u8>>)| -> Result<WholeField<'a>, Error> {
        let name: &glassdome_proto::Field<'static> = name;
        Ok(WholeField { name: name.by_ref(), value: Bytes::new(value).ok_or_else(too_long)? })
    };
    let fields = fields.iter().map(field).collect::<Result<Vec<_>, _>>()?;
    Ok(Whole {
        name: entry.name.by_ref(),
        expires,
        value: entry.value.map(|value| Bytes::new(value).ok_or_else(too_long)).transpose()?,
        fields: List::new(fields).ok_or_else(too_long)?,
    })
}

/// How many make the next batch: as many as a message has room for, so that a person can be asked about them; at least
/// one.
fn batch_len(wholes: &[Whole<'_>]) -> usize {
    let mut bytes = 3;
    let fits = |whole: &&Whole<'_>| {
        bytes += whole.len_at_most();
        bytes <= limits::CHUNK
    };
    wholes.iter().take(limits::BATCH).take_while(fits).count().max(1)
}

fn store_batch(
    connection: &mut Connection,
    batch: Vec<Whole<'_>>,
    manner: Manner,
) -> Result<Vec<Stored>, Error> {
    let wholes: Wholes<'_> = List::new(batch).ok_or(Error::Unexpected)?;
    let room = 3 + wholes.iter().map(Whole::len_at_most).sum::<usize>();
    let mut bytes = Zeroizing::new(vec![0; room]);
    let len = whole::write(&wholes, &mut bytes)?;
    bytes.truncate(len);
    let stored = connection.run(&mut Delivery { bytes: &bytes, manner })?;
    if stored.len() == wholes.len() { Ok(stored) } else { Err(Error::Unexpected) }
}

/// Secrets on their way there.
struct Delivery<'a> {
    bytes: &'a [u8],
    manner: Manner,
}

impl Errand for Delivery<'_> {
    type Told = Vec<Stored>;

    fn ask(&self) -> Result<Body<'_>, Error> {
        let Manner { overwrite, dry_run } = self.manner;
        let too_long = || Error::TooLong { what: "a secret", max: limits::VALUE };
        let total = u32::try_from(self.bytes.len()).map_err(|_| too_long())?;
        let first = Bytes::new(&self.bytes[..self.bytes.len().min(limits::CHUNK)]).ok_or_else(too_long)?;
        Ok(Body::Secrets(Request::SetWholes { overwrite, dry_run, total, first }))
    }

    fn part(&self, number: usize) -> Option<Body<'_>> {
        let part = self.bytes.chunks(limits::CHUNK).nth(number + 1)?;
        Bytes::new(part).map(|data| Body::More(Chunk { data }))
    }

    fn hear(&mut self, answer: Answer<'_>) -> Result<Heard<Vec<Stored>>, Error> {
        match answer {
            Answer::Secrets(Secrets::StoredMany(stored)) => Ok(Heard::All(stored.into_vec())),
            _ => Err(Error::Unexpected),
        }
    }
}

impl Connection {
    /// Has all secrets exported whose names match one of the globs, or all if there is none, and hands each to `take`.
    ///
    /// # Errors
    /// As [`Connection::call`], and what `take` says.
    pub(crate) fn export(
        &mut self,
        password: Password<'_>,
        globs: &[Glob],
        take: impl FnMut(&Whole<'_>) -> Result<(), Error>,
    ) -> Result<(), Error> {
        self.run(&mut Departure { password, globs, parcel: None, take })
    }
}

/// Secrets on their way out.
struct Departure<'a, F> {
    password: Password<'a>,
    globs: &'a [Glob],
    parcel: Option<Parcel>,
    take: F,
}

/// Some of them, as far as they have come.
struct Parcel {
    bytes: Zeroizing<Vec<u8>>,
    total: usize,
    last: bool,
}

impl<F: FnMut(&Whole<'_>) -> Result<(), Error>> Errand for Departure<'_, F> {
    type Told = ();

    fn ask(&self) -> Result<Body<'_>, Error> {
        let globs = List::new(self.globs.to_vec());
        let globs = globs.ok_or(Error::TooLong { what: "the list of globs", max: limits::EXPORT_GLOBS })?;
        Ok(Body::Secrets(Request::Export { password: self.password, globs }))
    }

    fn hear(&mut self, answer: Answer<'_>) -> Result<Heard<()>, Error> {
        let (mut parcel, part) = match (self.parcel.take(), answer) {
            (None, Answer::Secrets(Secrets::Exported { last, total, first })) => {
                let total = usize::try_from(total).unwrap_or(usize::MAX);
                if total > limits::WHOLES {
                    return Err(Error::Unexpected);
                }
                // Its capacity is what will be in it: it never moves, so no copy stays behind.
                (Parcel { bytes: Zeroizing::new(Vec::with_capacity(total)), total, last }, first)
            }
            (Some(parcel), Answer::More(chunk)) if !chunk.data.expose().is_empty() => (parcel, chunk.data),
            _ => return Err(Error::Unexpected),
        };
        if parcel.bytes.len() + part.expose().len() > parcel.total {
            return Err(Error::Unexpected);
        }
        parcel.bytes.extend_from_slice(part.expose());
        if parcel.bytes.len() < parcel.total {
            self.parcel = Some(parcel);
            return Ok(Heard::Part);
        }
        whole::read(&parcel.bytes)?.iter().try_for_each(|whole| (self.take)(whole))?;
        Ok(if parcel.last { Heard::All(()) } else { Heard::Part })
    }
}

/// What a secret's name is without `prefix` and its slash; `None` if it does not begin so.
pub(crate) fn without_prefix<'n>(name: &'n Name<'_>, prefix: &str) -> Option<&'n str> {
    name.strip_prefix(prefix)?.strip_prefix('/')
}

#[cfg(test)]
mod tests {
    use glassdome_proto::Field;

    use super::*;

    #[test]
    fn every_batch_fits_a_message() {
        for (len, name_len) in [(0, 8), (200, 100), (5000, 512), (limits::VALUE - 600, 16)] {
            let fields = [(Field::parse("f").unwrap(), Zeroizing::new(vec![7; len / 2]))];
            let value = vec![7; len / 2];
            let names: Vec<String> = (0..300).map(|i| format!("{i:0name_len$}")).collect();
            let entry = |name| {
                let rest = Rest { fields: &fields, expires: Some(u64::MAX) };
                Entry { name: Name::parse(name).unwrap(), value: Some(&value), rest: Some(rest) }
            };
            let entries: Vec<Entry<'_>> = names.iter().map(|name| entry(&**name)).collect();
            let wholes: Vec<Whole<'_>> = entries.iter().map(|entry| of(entry).unwrap()).collect();
            let batch = batch_len(&wholes);
            let wholes = Wholes::new(wholes.into_iter().take(batch).collect()).unwrap();
            let written = whole::write(&wholes, &mut vec![0; limits::WHOLES]).unwrap();
            assert!(batch == 1 || written <= limits::CHUNK, "{len} {batch} {written}");
            assert!(batch > 1 || len > limits::CHUNK || len == 5000, "{len} {batch}");
        }
    }

    #[test]
    fn a_prefix_ends_at_a_slash() {
        let name = Name::parse("a/b/c").unwrap();
        assert_eq!(without_prefix(&name, "a/b"), Some("c"));
        assert_eq!((without_prefix(&name, "a/"), without_prefix(&name, "a/b/c")), (None, None));
    }
}
