//! Connection, handshake with attestation and one `get`, beside connection and echo. On one core.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;

use crate::cores::Pinned;
use crate::error::Error;
use crate::floors::{ANSWERED, ASKED, Floors};
use crate::home::Home;
use crate::rounds::{Samples, take_turns};
use crate::seed::pick;
use crate::table::{Budget, Table};

use super::get;

const ROUNDS: usize = 80;
const CALLS: usize = 25;

/// Measures it.
pub(crate) fn and_get(
    home: &Home,
    floors: &Floors,
    names: &[String],
    table: &mut Table,
) -> Result<(), Error> {
    let [floor, ours] = measured(home, floors, names)?;
    table.times("connect, handshake, `get`", names.len(), [&floor, &ours], Budget::Times(6.0));
    Ok(())
}

/// The floor, and ours.
pub(crate) fn measured(home: &Home, floors: &Floors, names: &[String]) -> Result<[Samples; 2], Error> {
    let socket = home.other_socket("accept");
    let echo = floors.accepting(&socket)?;
    let _one_core = Pinned::together(&[home.daemon()?, echo.pid()])?;
    let mut answer = [0; ANSWERED];
    take_turns(
        ROUNDS,
        CALLS,
        [
            &mut |_| {
                let mut stream = UnixStream::connect(&socket).map_err(Error::system("connect"))?;
                stream.write_all(&[b'?'; ASKED]).map_err(Error::system("ask the echo server"))?;
                stream.read_exact(&mut answer).map_err(Error::system("hear the echo server"))
            },
            &mut |turn| get(&mut home.connect()?, pick(names, turn)),
        ],
    )
}
