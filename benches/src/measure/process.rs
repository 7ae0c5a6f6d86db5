//! Whole programs, from their start to their end, as a shell or a prompt runs them, beside a program
//! built the same way that connects, asks and prints, and one that does nothing at all. Nothing is
//! pinned.

use std::process::{Command, Stdio};

use crate::error::Error;
use crate::floors::Floors;
use crate::home::Home;
use crate::rounds::take_turns;
use crate::seed::{pick, value_of};
use crate::table::{Budget, Table};

const ROUNDS: usize = 60;
const CALLS: usize = 6;

/// Measures them.
pub(crate) fn ctl(home: &Home, floors: &Floors, names: &[String], table: &mut Table) -> Result<(), Error> {
    let socket = home.other_socket(&format!("processes-{}", names.len()));
    let _echo = floors.accepting(&socket)?;
    let nothing = || {
        let mut command = Command::new(&floors.nothing);
        command.env_clear();
        command
    };
    let ask = || {
        let mut command = Command::new(&floors.ask);
        command.env_clear().arg(&socket);
        command
    };
    let getting = |turn| {
        let mut command = home.program("ctl");
        command.arg("get").arg(pick(names, turn));
        command
    };
    let status = || {
        let mut command = home.program("ctl");
        command.args(["status", "--short"]);
        command
    };
    if printed(getting(1))? != value_of(pick(names, 1)).as_bytes() {
        return Err(Error::Wrong("ctl get"));
    }
    if printed(status())?.is_empty() || printed(ask())?.is_empty() {
        return Err(Error::Wrong("ctl status --short"));
    }
    let [nothing, ask, got, told] =
        take_turns(
            ROUNDS,
            CALLS,
            [&mut |_| run(nothing()), &mut |_| run(ask()), &mut |turn| run(getting(turn)), &mut |_| {
                run(status())
            }],
        )?;
    let secrets = names.len();
    table.times(
        "a static program that asks, over one that does nothing",
        secrets,
        [&nothing, &ask],
        Budget::None,
    );
    table.times("`ctl get NAME`", secrets, [&ask, &got], Budget::Times(1.6));
    table.times("`ctl status --short`", secrets, [&ask, &told], Budget::Times(1.4));
    Ok(())
}

/// Runs a program to its end.
pub(super) fn run(mut command: Command) -> Result<(), Error> {
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::inherit());
    let status = command.status().map_err(Error::system("run a program"))?;
    if status.success() { Ok(()) } else { Err(Error::Wrong("a program")) }
}

/// What a program prints.
pub(super) fn printed(mut command: Command) -> Result<Vec<u8>, Error> {
    // What it complains about is told.
    let command = command.stdin(Stdio::null()).stderr(Stdio::inherit());
    let output = command.output().map_err(Error::system("run a program"))?;
    if output.status.success() { Ok(output.stdout) } else { Err(Error::Wrong("a program")) }
}
