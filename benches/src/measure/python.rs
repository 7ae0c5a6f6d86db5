//! The Python package, in a virtual environment that has its wheel: `get` on an open connection beside the Rust
//! client's, and whole scripts, from their start to their end, beside an interpreter that does nothing and beside
//! `keyring` with the desktop's own keyring. The interpreter has no flags, as people start it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::cores::Pinned;
use crate::dialogue::Dialogue;
use crate::error::Error;
use crate::home::Home;
use crate::keyring::Keyring;
use crate::rounds::{by_turns, take_turns, turn};
use crate::seed::{pick, value_of};
use crate::table::{Budget, Table};

use super::get;
use super::process::{printed, run};

const ROUNDS: usize = 120;
const CALLS: usize = 250;
/// Of whole scripts.
const STARTS: [usize; 2] = [20, 4];
/// So many names are asked for: where a `get` itself is cheapest, what Python adds is the larger part.
const NAMES: usize = 10;
/// What a script may take beyond an interpreter that does nothing.
const BEYOND: Duration = Duration::from_millis(4);

/// The user in the keyring; it tells the password, as names do in the vault.
const NAME: &str = "bench/0123456789abcdef0123456789abcdef";

const OPEN: &str = "`get` from Python, open connection";
const COLD: &str = "a script in Python that gets a value";
const KEYRING: &str = "the same by `keyring`, from gnome-keyring";

/// Measures it, with that Python; without one, the table says that it was left out.
pub(crate) fn and_get(
    home: &Home,
    python: Option<&Path>,
    names: &[String],
    table: &mut Table,
) -> Result<(), Error> {
    let Some(python) = python else {
        for what in [OPEN, COLD, KEYRING] {
            table.left_out(what, "no Python that has the package");
        }
        return Ok(());
    };
    let names = Names { all: names.len(), few: names.get(..NAMES).ok_or(Error::Wrong("the names"))? };
    open_connection(home, python, &names, table)?;
    from_start_to_end(home, python, &names, table)
}

struct Names<'a> {
    /// How many the vault has.
    all: usize,
    /// Those that are asked for.
    few: &'a [String],
}

/// Both clients and the daemon share one core. Python tells what each call took by its own clock, the same one.
fn open_connection(home: &Home, python: &Path, names: &Names<'_>, table: &mut Table) -> Result<(), Error> {
    let script = allowed(home, python, "open.py", include_str!("../../python/open.py"))?;
    let mut connection = home.connect()?;
    let mut asking = Dialogue::start(started(home, python, &script))?;
    // Once it has answered, it has started and connected.
    told(&mut asking, names, 0)?;
    let _one_core = Pinned::together(&[home.daemon()?, asking.pid()])?;
    let [rust, in_python] = by_turns(
        ROUNDS,
        [
            &mut |round| turn(round, CALLS, &mut |call| get(&mut connection, pick(names.few, call))),
            &mut |round| told(&mut asking, names, round),
        ],
    )?;
    table.times(OPEN, names.all, [&rust, &in_python], Budget::Times(1.3));
    Ok(())
}

/// One turn of the script, as [`turn`] has them.
fn told(asking: &mut Dialogue, names: &Names<'_>, round: usize) -> Result<Vec<Duration>, Error> {
    let first = round * (CALLS + 1);
    let line: Vec<_> = (first..=first + CALLS).map(|call| pick(names.few, call)).collect();
    let answer = asking.answer(&line.join(" "))?;
    let nanos = answer.split_whitespace().map(|nanos| nanos.parse().map(Duration::from_nanos));
    let times: Result<Vec<_>, _> = nanos.collect();
    let times = times.ok().filter(|times| times.len() == CALLS);
    times.ok_or(Error::Wrong("`get` in Python"))
}

/// Nothing is pinned.
fn from_start_to_end(home: &Home, python: &Path, names: &Names<'_>, table: &mut Table) -> Result<(), Error> {
    let script = allowed(home, python, "cold.py", include_str!("../../python/cold.py"))?;
    let nothing = || {
        let mut command = interpreter(home, python);
        command.args(["-c", "pass"]);
        command
    };
    let ours = |call| {
        let mut command = started(home, python, &script);
        command.arg(pick(names.few, call));
        command
    };
    if printed(ours(1))? != value_of(pick(names.few, 1)).as_bytes() {
        return Err(Error::Wrong("a script in Python"));
    }
    let keyring = Keyring::start(home)?;
    let script = home.path().join("cold_keyring.py");
    let theirs = || {
        let mut command = started(home, python, &script);
        command.arg(NAME).env("PYTHON_KEYRING_BACKEND", "keyring.backends.SecretService.Keyring");
        if let Some(keyring) = &keyring {
            keyring.shown_to(&mut command);
        }
        command
    };
    if let Some(keyring) = &keyring {
        fill(home, python, keyring)?;
        write(&script, include_str!("../../python/cold_keyring.py"))?;
        if printed(theirs())? != value_of(NAME).as_bytes() {
            return Err(Error::Wrong("keyring"));
        }
    }
    let [rounds, calls] = STARTS;
    let [nothing, ours, theirs] = take_turns(
        rounds,
        calls,
        [&mut |_| run(nothing()), &mut |call| run(ours(call)), &mut |_| {
            if keyring.is_some() { run(theirs()) } else { Ok(()) }
        }],
    )?;
    let budget = Budget::Longer { is: ours.beyond(&nothing), most: BEYOND };
    table.times(COLD, names.all, [&nothing, &ours], budget);
    match keyring {
        Some(_) => table.times(KEYRING, None, [&nothing, &theirs], Budget::None),
        None => table.left_out(KEYRING, "no gnome-keyring, or no dbus-daemon"),
    }
    Ok(())
}

/// Puts a password into the keyring.
fn fill(home: &Home, python: &Path, keyring: &Keyring) -> Result<(), Error> {
    let script = home.path().join("fill_keyring.py");
    write(&script, include_str!("../../python/fill_keyring.py"))?;
    let mut filling = started(home, python, &script);
    keyring.shown_to(&mut filling);
    filling.args([NAME, &value_of(NAME)]);
    run(filling)
}

/// A script, and the rule that allows it.
fn allowed(home: &Home, python: &Path, name: &str, text: &str) -> Result<PathBuf, Error> {
    let script = home.path().join(name);
    write(&script, text)?;
    // A virtual environment has a link to it.
    let interpreter = fs::canonicalize(python).map_err(Error::system("find Python"))?;
    home.allow_script(&script, &interpreter)?;
    Ok(script)
}

fn write(script: &Path, text: &str) -> Result<(), Error> {
    fs::write(script, text).map_err(Error::system("write a script"))
}

fn started(home: &Home, python: &Path, script: &Path) -> Command {
    let mut command = interpreter(home, python);
    command.arg(script);
    command
}

/// As people have it: with an environment, in which text is UTF-8, and with its usual search for packages.
fn interpreter(home: &Home, python: &Path) -> Command {
    let mut command = home.command(python);
    command.env("LC_ALL", "C.UTF-8");
    command
}
