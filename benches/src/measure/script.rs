//! Connection, handshake with attestation and one `get`, of a program that is known by its script: what
//! the check of the script's bytes adds, with their digest remembered and without. On one core.
//!
//! The connections are made by a copy of this program that has an interpreter's name, and is given the
//! script as an interpreter is:
//!
//! ```text
//! dash SCRIPT DAEMON ECHO NAME      prints nanoseconds: floor, ours, and ours by the floor's
//! ```

use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::cores::Pinned;
use crate::error::Error;
use crate::floors::{ANSWERED, ASKED, Floors};
use crate::home::Home;
use crate::rounds::take_turns;
use crate::seed::pick;
use crate::table::{Budget, Row, Table, time};
use crate::wire::Wire;

/// Runs of each script, in turns.
const RUNS: usize = 5;
const ROUNDS: usize = 12;
const CALLS: usize = 25;
/// Bytes of the script: as long as some executables, so that the digest shows.
const SIZE: usize = 1 << 20;
/// Somebody who is not root, and what is theirs is read each time.
const NOBODY: u32 = 65534;

/// Measures it, with the digest of a script that only root can change, and with that of one that its
/// owner can.
pub(crate) fn and_get(
    home: &Home,
    floors: &Floors,
    names: &[String],
    table: &mut Table,
) -> Result<(), Error> {
    if !rustix::process::geteuid().is_root() {
        eprintln!("LEFT OUT: connections of scripts need root, whose files alone are remembered");
        return Ok(());
    }
    let socket = home.other_socket("scripts");
    let echo = floors.accepting(&socket)?;
    let warm = script(home, "warm", None)?;
    let cold = script(home, "cold", Some(NOBODY))?;
    home.settle()?;
    let _one_core = Pinned::together(&[home.daemon()?, echo.pid()])?;
    let connected = |script: &Path| {
        let mut command = Command::new(home.interpreter());
        command.args([script, &home.socket(), &socket]).arg(pick(names, 1));
        let command = command.env_clear().stdin(Stdio::null()).stderr(Stdio::inherit());
        let told = command.output().map_err(Error::system("run a script"))?;
        String::from_utf8(told.stdout).ok().as_deref().and_then(numbers).ok_or(Error::Wrong("a script"))
    };
    let (mut by_warm, mut by_cold) = (Vec::new(), Vec::new());
    for _ in 0..RUNS {
        by_warm.push(connected(&warm)?);
        by_cold.push(connected(&cold)?);
    }
    for (what, runs) in [
        ("new connection, a script of 1 MiB, warm hash cache", by_warm),
        ("new connection, a script of 1 MiB, cold hash cache", by_cold),
    ] {
        let [floor, ours, ratio] = median(runs);
        let told = |nanos: f64| time(Duration::from_nanos(nanos as u64));
        let (secrets, floor, ours) = (Some(names.len()), Some(told(floor)), told(ours));
        table.add(Row { what, secrets, floor, ours, ratios: vec![ratio], budget: Budget::None });
    }
    Ok(())
}

/// A script, and the rule that allows it.
fn script(home: &Home, name: &str, owner: Option<u32>) -> Result<PathBuf, Error> {
    let script = home.path().join(name);
    let made = fs::write(&script, vec![b'#'; SIZE])
        .and_then(|()| fs::set_permissions(&script, fs::Permissions::from_mode(0o644)))
        .and_then(|()| chown(&script, owner, None));
    made.map_err(Error::system("make a script"))?;
    home.allow_script(&script, &home.interpreter())?;
    Ok(script)
}

/// The run with the median ratio.
fn median(mut runs: Vec<[f64; 3]>) -> [f64; 3] {
    runs.sort_unstable_by(|one, other| one[2].total_cmp(&other[2]));
    runs[runs.len() / 2]
}

fn numbers(told: &str) -> Option<[f64; 3]> {
    let numbers: Vec<f64> = told.split_whitespace().map(|word| word.parse().ok()).collect::<Option<_>>()?;
    numbers.try_into().ok()
}

/// The part of the copy that connects.
pub(crate) fn measured() -> Result<(), Error> {
    let args: Vec<String> = std::env::args().collect();
    let [_, _, daemon, echo, name] = args.as_slice() else { return Err(Error::Usage) };
    let mut answer = [0; ANSWERED];
    let [floor, ours] = take_turns(
        ROUNDS,
        CALLS,
        [
            &mut |_| {
                let mut stream = UnixStream::connect(echo).map_err(Error::system("connect"))?;
                stream.write_all(&[b'?'; ASKED]).map_err(Error::system("ask the echo server"))?;
                stream.read_exact(&mut answer).map_err(Error::system("hear the echo server"))
            },
            &mut |_| Wire::reaching(Path::new(daemon), name).map(drop),
        ],
    )?;
    let nanos = |time: Duration| time.as_nanos();
    println!("{} {} {}", nanos(floor.median()), nanos(ours.median()), ours.over(&floor));
    Ok(())
}
