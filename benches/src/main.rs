//! `make bench`: our speed beside its floor, in one run and one table.
//!
//! What counts is the ratio, so floor and subject take turns, round by round: whatever else the
//! machine does hits both. Every answer is checked; a fast wrong one ends the run.
//!
//! | file | holds |
//! |---|---|
//! | `home` | a home that is thrown away, with the real daemon in it, and the programs that run there |
//! | `floors` | the programs that do as little as can be done |
//! | `seed` | names and values |
//! | `measure/` | one file a question: what is done, beside what |
//! | `rounds`, `cores` | taking turns; one core for two processes |
//! | `dialogue` | a program that answers a line with a line |
//! | `keyring` | the desktop's keyring, for comparison |
//! | `wire` | a bare connection, for load without a client library |
//! | `table`, `machine` | what is printed |
#![forbid(unsafe_code)]

mod cores;
mod dialogue;
mod error;
mod floors;
mod home;
mod keyring;
mod machine;
mod measure;
mod rounds;
mod seed;
mod table;
mod wire;

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use crate::error::Error;
use crate::floors::Floors;
use crate::home::Home;
use crate::table::{Form, Table};

/// How many secrets the vault holds: what must not depend on it is measured at each.
const SIZES: [usize; 2] = [10, 100_000];

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench: {error}");
            let mut source = std::error::Error::source(&error);
            while let Some(error) = source {
                eprintln!("  {error}");
                source = error.source();
            }
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), Error> {
    if home::is_interpreter()? {
        return measure::script::measured();
    }
    let Arguments { programs, python, form } = arguments(std::env::args_os().skip(1).map(PathBuf::from))?;
    if let Some(code) = home::staged(&programs)? {
        return if code.success() { Ok(()) } else { Err(Error::Staged(code)) };
    }
    glassdome_sys::raise_nofile().map_err(Error::system("raise the limit of open files"))?;
    let floors = Floors::find()?;
    let mut home = Home::new(&programs)?;
    let mut table = Table::default();
    let started = Instant::now();
    let params = measure::vault::create(&mut home)?;
    measure::memory::idle(&home, &floors, &mut table)?;
    home.unlock()?;
    home.allow_what_we_start()?;
    home.seal_the_log()?;
    let mut names = Vec::new();
    for size in SIZES {
        step(started, &format!("{size} secrets"));
        seed::fill(&mut home.connect()?, &mut names, size)?;
        home.settle()?;
        measure::get::open_connection(&home, &floors, &names, &mut table)?;
        step(started, "connections");
        measure::connect::and_get(&home, &floors, &names, &mut table)?;
        step(started, "processes");
        measure::process::ctl(&home, &floors, &names, &mut table)?;
        step(started, "changes");
        measure::store::durably(&home, size, &mut table)?;
        step(started, "unlocking");
        measure::vault::unlock(&home, &params, size, &mut table)?;
        measure::memory::unlocked(&home, &floors, &names, &mut table)?;
    }
    step(started, "prompts");
    measure::prompt::without_a_process(&home, &mut table)?;
    measure::record::of_a_get(&home, &mut table)?;
    step(started, "Python");
    measure::python::and_get(&home, python.as_deref(), &names, &mut table)?;
    step(started, "connections of scripts");
    measure::script::and_get(&home, &floors, &names, &mut table)?;
    step(started, "many connections");
    measure::throughput::of_get(&home, &floors, &names, &mut table)?;
    measure::memory::connections(&home, &names, &mut table)?;
    step(started, "streams");
    measure::stream::decrypted(&home, &mut table)?;
    step(started, "rules");
    measure::rules::and_get(&home, &floors, &names, &mut table)?;
    let machine = machine::describe(home.path(), started.elapsed())?;
    let text = format!(
        "{machine}\n{}\nThe same with {} secrets as with {}:\n\n{}",
        table.text(form),
        SIZES[1],
        SIZES[0],
        table.flatness(SIZES).text(form)
    );
    std::io::stdout().write_all(text.as_bytes()).map_err(Error::system("print"))
}

struct Arguments {
    /// Where our programs are.
    programs: PathBuf,
    /// A Python that has the package.
    python: Option<PathBuf>,
    form: Form,
}

fn arguments(mut args: impl Iterator<Item = PathBuf>) -> Result<Arguments, Error> {
    let (mut programs, mut python, mut form) = (None, None, Form::Text);
    while let Some(arg) = args.next() {
        match arg.to_str() {
            Some("--markdown") => form = Form::Markdown,
            Some("--python") => python = Some(args.next().ok_or(Error::Usage)?),
            _ if programs.is_none() => programs = Some(arg),
            _ => return Err(Error::Usage),
        }
    }
    Ok(Arguments { programs: programs.ok_or(Error::Usage)?, python, form })
}

/// Tells whoever waits how far it is.
fn step(started: Instant, what: &str) {
    eprintln!("{:>6.1} s  {what}", started.elapsed().as_secs_f64());
}
