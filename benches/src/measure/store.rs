//! Storing one secret so that no loss of power takes it away, beside a write of the same bytes and
//! an fsync, in the same directory.

use std::fs::File;
use std::io::Write;

use glassdome_client::{Error as ClientError, Upload};
use glassdome_proto::Name;
use glassdome_proto::secrets::Expect;

use crate::error::Error;
use crate::home::Home;
use crate::rounds::take_turns;
use crate::seed::{random_name, value_of};
use crate::table::{Budget, Table};

const ROUNDS: usize = 75;
const CALLS: usize = 2;

/// Measures it.
pub(crate) fn durably(home: &Home, secrets: usize, table: &mut Table) -> Result<(), Error> {
    let beside_the_vault = home.vault().with_file_name(format!("floor-{secrets}"));
    let mut file = File::create(&beside_the_vault).map_err(Error::system("make a file"))?;
    let mut connection = home.connect()?;
    let [floor, ours] = take_turns(
        ROUNDS,
        CALLS,
        [
            &mut |_| {
                let name = random_name()?;
                let bytes = [name.as_bytes(), value_of(&name).as_bytes()].concat();
                file.write_all(&bytes).map_err(Error::system("write"))?;
                file.sync_all().map_err(Error::system("sync"))
            },
            &mut |_| {
                let name = random_name()?;
                let value = value_of(&name);
                let name = Name::parse(name).map_err(ClientError::from)?;
                let expect = Expect::New;
                let upload = Upload {
                    name,
                    field: None,
                    expires: None,
                    expect,
                    canary: false,
                    value: value.as_bytes(),
                };
                connection.set(upload)?;
                Ok(())
            },
        ],
    )?;
    table.times("store one secret, durably", secrets, [&floor, &ours], Budget::Times(2.0));
    std::fs::remove_file(&beside_the_vault).map_err(Error::system("remove a file"))
}
