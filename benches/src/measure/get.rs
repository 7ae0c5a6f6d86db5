//! `get` on an open connection, beside a bare blocking echo: what all checks, the decryption and the
//! audit record cost together. Client and server share one core.

use std::io::{Read, Write};

use crate::cores::Pinned;
use crate::error::Error;
use crate::floors::{ANSWERED, ASKED, Floors};
use crate::home::Home;
use crate::rounds::{Samples, take_turns};
use crate::seed::pick;
use crate::table::{Budget, Table};

use super::get;

const ROUNDS: usize = 120;
const CALLS: usize = 250;

/// Measures it.
pub(crate) fn open_connection(
    home: &Home,
    floors: &Floors,
    names: &[String],
    table: &mut Table,
) -> Result<(), Error> {
    let [floor, ours] = measured(home, floors, names)?;
    table.times("`get`, open connection", names.len(), [&floor, &ours], Budget::TimesAndTail(2.0, 3.0));
    Ok(())
}

/// The floor, and ours.
pub(crate) fn measured(home: &Home, floors: &Floors, names: &[String]) -> Result<[Samples; 2], Error> {
    let (echo, mut pair) = floors.pair()?;
    let mut connection = home.connect()?;
    let _one_core = Pinned::together(&[home.daemon()?, echo.pid()])?;
    let mut answer = [0; ANSWERED];
    take_turns(
        ROUNDS,
        CALLS,
        [
            &mut |_| {
                pair.write_all(&[b'?'; ASKED]).map_err(Error::system("ask the echo server"))?;
                pair.read_exact(&mut answer).map_err(Error::system("hear the echo server"))
            },
            &mut |turn| get(&mut connection, pick(names, turn)),
        ],
    )
}
