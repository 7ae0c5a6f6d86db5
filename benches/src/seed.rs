//! Names and values. Names are random, so that they lie anywhere in the vault; a value can be told
//! from its name, so that every answer can be checked.

use glassdome_client::{Connection, Error as ClientError};
use glassdome_proto::secrets::{self, Item};
use glassdome_proto::{Answer, Body, Bytes, List, Name, limits};
use rustix::rand::{GetRandomFlags, getrandom};

use crate::error::Error;

/// Bytes of a value: an API key.
pub(crate) const VALUE: usize = 64;

/// A name that nobody else has.
pub(crate) fn random_name() -> Result<String, Error> {
    let mut random = [0; 16];
    getrandom(&mut random[..], GetRandomFlags::empty()).map_err(Error::system("get random bytes"))?;
    Ok(format!("bench/{:032x}", u128::from_le_bytes(random)))
}

/// The value under a name: its random half, twice.
pub(crate) fn value_of(name: &str) -> String {
    name.trim_start_matches("bench/").repeat(2)
}

/// Another name each time, all over the vault.
pub(crate) fn pick(names: &[String], turn: usize) -> &str {
    // A prime that divides neither size.
    &names[turn.wrapping_mul(7919) % names.len()]
}

/// Stores secrets until there are `size`, and adds their names.
pub(crate) fn fill(connection: &mut Connection, names: &mut Vec<String>, size: usize) -> Result<(), Error> {
    let new = (names.len()..size).map(|_| random_name()).collect::<Result<Vec<_>, _>>()?;
    for batch in new.chunks(limits::BATCH) {
        store(connection, batch)?;
    }
    names.extend(new);
    Ok(())
}

fn store(connection: &mut Connection, names: &[String]) -> Result<(), Error> {
    let values: Vec<String> = names.iter().map(|name| value_of(name)).collect();
    let mut items = Vec::with_capacity(names.len());
    for (name, value) in names.iter().zip(&values) {
        let name = Name::parse(name.as_str()).map_err(ClientError::from)?;
        let value = Bytes::new(value.as_bytes()).ok_or(Error::Wrong("the seed"))?;
        items.push(Item { name, value });
    }
    let items = List::new(items).ok_or(Error::Wrong("the seed"))?;
    let request = secrets::Request::SetMany { items, overwrite: false, dry_run: false };
    match connection.call(Body::Secrets(request))? {
        Answer::Secrets(secrets::Answer::StoredMany(stored)) if stored.len() == names.len() => Ok(()),
        _ => Err(Error::Wrong("storing many secrets")),
    }
}
