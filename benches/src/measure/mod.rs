//! One file a question: what is done, beside what.

pub(crate) mod connect;
pub(crate) mod get;
pub(crate) mod memory;
pub(crate) mod process;
pub(crate) mod prompt;
pub(crate) mod python;
pub(crate) mod record;
pub(crate) mod rules;
pub(crate) mod script;
pub(crate) mod store;
pub(crate) mod stream;
pub(crate) mod throughput;
pub(crate) mod vault;

use glassdome_client::{Connection, Error as ClientError};
use glassdome_proto::Name;

use crate::error::Error;
use crate::seed;

/// Gets a value through the client library, and looks whether it is the right one.
fn get(connection: &mut Connection, name: &str) -> Result<(), Error> {
    let value = connection.get(Name::parse(name).map_err(ClientError::from)?, None)?;
    // Half of it is the name's own random part: enough to tell it, and nothing to allocate.
    if value.bytes.len() == seed::VALUE && name.as_bytes().ends_with(&value.bytes[seed::VALUE / 2..]) {
        Ok(())
    } else {
        Err(Error::Wrong("get"))
    }
}
