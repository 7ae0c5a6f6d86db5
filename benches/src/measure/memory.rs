//! Resident memory of the daemon and of the helper that it has started, beside an echo server's: their
//! proportional share, and of what is their own alone where only that may be read.

use std::fs;
use std::io::{self, Read, Write};
use std::time::Duration;

use crate::error::Error;
use crate::floors::{ANSWERED, ASKED, Floors};
use crate::home::Home;
use crate::seed::pick;
use crate::table::{Budget, Row, Table, bytes};
use crate::wire::Wire;

use super::get;

/// Idle connections that are held.
const HELD: u64 = 500;
const MIB: u64 = 1024 * 1024;

/// By then the daemon has given back what only a start or an unlock needs.
const GIVEN_BACK: Duration = Duration::from_millis(2500);
/// Connections, each with a value, before it is looked what the daemon has in use.
const USED: usize = 100;

/// Locked, as it was started.
pub(crate) fn idle(home: &Home, floors: &Floors, table: &mut Table) -> Result<(), Error> {
    std::thread::sleep(GIVEN_BACK);
    home.settle()?;
    add(home, floors, "resident memory, locked", None, 6 * MIB, table)
}

/// Unlocked, after everything that was measured, and in use again.
pub(crate) fn unlocked(
    home: &Home,
    floors: &Floors,
    names: &[String],
    table: &mut Table,
) -> Result<(), Error> {
    std::thread::sleep(GIVEN_BACK);
    home.settle()?;
    for turn in 0..USED {
        get(&mut home.connect()?, pick(names, turn))?;
    }
    let most = if names.len() < 1000 { 6 } else { 10 };
    add(home, floors, "resident memory, unlocked and used", Some(names.len()), most * MIB, table)
}

/// What each idle connection adds.
pub(crate) fn connections(home: &Home, names: &[String], table: &mut Table) -> Result<(), Error> {
    let before = of_both(home.daemon()?)?;
    let mut held = Vec::new();
    for turn in 0..HELD {
        held.push(Wire::getting(home, pick(names, turn as usize))?);
    }
    home.settle()?;
    let each = of_both(home.daemon()?)?.saturating_sub(before) / HELD;
    table.add(Row {
        what: "resident memory, each idle connection",
        secrets: Some(names.len()),
        floor: None,
        ours: bytes(each),
        ratios: Vec::new(),
        budget: Budget::Bytes { is: each, most: 8 * 1024 },
    });
    Ok(())
}

fn add(
    home: &Home,
    floors: &Floors,
    what: &'static str,
    secrets: Option<usize>,
    most: u64,
    table: &mut Table,
) -> Result<(), Error> {
    let (echo, mut pair) = floors.pair()?;
    // Once it has answered, it is all there.
    pair.write_all(&[b'?'; ASKED]).map_err(Error::system("ask the echo server"))?;
    pair.read_exact(&mut [0; ANSWERED]).map_err(Error::system("hear the echo server"))?;
    let is = of_both(home.daemon()?)?;
    let floor = Some(bytes(resident(echo.pid())?));
    let budget = Budget::Bytes { is, most };
    table.add(Row { what, secrets, floor, ours: bytes(is), ratios: Vec::new(), budget });
    Ok(())
}

/// Of the daemon and what it has started.
fn of_both(daemon: u32) -> Result<u64, Error> {
    let children = fs::read_to_string(format!("/proc/{daemon}/task/{daemon}/children"));
    let children = children.map_err(Error::system("look at what the daemon has started"))?;
    let children = children.split_ascii_whitespace().filter_map(|pid| pid.parse().ok());
    children.chain([daemon]).map(resident).sum()
}

/// `Pss` of proc_pid_smaps(5). The daemon hides that from all but root; `VmRSS` of
/// proc_pid_status(5) is shown to everybody, and is never less.
fn resident(pid: u32) -> Result<u64, Error> {
    match fs::read_to_string(format!("/proc/{pid}/smaps_rollup")) {
        Ok(text) => field(&text, "Pss:").ok_or(Error::Unreadable("/proc/PID/smaps_rollup")),
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => of_status(pid, "VmRSS:"),
        Err(error) => Err(Error::system("look at the daemon's memory")(error)),
    }
}

/// A field of proc_pid_status(5), in bytes: `VmRSS:`, or `VmHWM:`, which is the most that it was.
pub(super) fn of_status(pid: u32, name: &str) -> Result<u64, Error> {
    let text = fs::read_to_string(format!("/proc/{pid}/status"));
    let text = text.map_err(Error::system("look at a program's memory"))?;
    field(&text, name).ok_or(Error::Unreadable("/proc/PID/status"))
}

fn field(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    Some(line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok()? * 1024)
}
