//! `ctl run`: a program with secrets in its environment. All are there before it starts, and `ctl` becomes
//! the program: its process id, its signals and its exit code are the program's own.

mod variables;

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::Command as Process;

use glassdome_proto::{Glob, GlobError, span};
use rustix::io::{FdFlags, fcntl_setfd};

use crate::cli::{Command, connect_for_values, connect_to_ask};
use crate::error::Error;
use crate::exit::Exit;
use crate::reference::Reference;
use crate::tap;
use crate::text::notice;
use crate::wait::WaitArgs;
use variables::{Source, Variables};

/// What can be typed behind `ctl run`.
#[derive(clap::Args)]
pub(crate) struct Run {
    /// Put the value of the secret NAME, or one field of it, into the variable VAR
    #[arg(long, value_name = "VAR=NAME[#FIELD]", required_unless_present_any = ["env_file", "grant"])]
    env: Vec<String>,
    /// Take variables from FILE: lines of VAR=glassdome://NAME[#FIELD], or VAR=value as it stands
    ///
    /// Quotes, export and comments as in other .env files. --env goes before it, and of several with one
    /// name the last counts.
    #[arg(long, value_name = "FILE")]
    env_file: Vec<PathBuf>,
    /// Give the program a handle to the secrets of these names: ctl get in it, and in what it starts, gets
    /// these and no others
    ///
    /// It inherits one descriptor (its number is in GLASSDOME_FD); whoever holds that has the right. It ends
    /// with the program, with the session, or by ctl revoke.
    #[arg(long, value_name = "GLOB", value_parser = parse_glob)]
    grant: Vec<Glob>,
    /// End the handle after so long
    #[arg(long = "for", value_name = "DURATION", value_parser = parse_span, requires = "grant")]
    lasts: Option<u32>,
    /// The program, and its arguments as they are
    #[arg(
        value_name = "CMD",
        required = true,
        trailing_var_arg = true,
        value_hint = clap::ValueHint::CommandWithArguments
    )]
    command: Vec<OsString>,
    #[command(flatten)]
    wait: WaitArgs,
}

impl Command for Run {
    const NAME: &'static str = "run";
    const ABOUT: &'static str = "Start a program with secrets in its environment, and exit as it does";
    const EXAMPLES: &'static str = "ctl run --env AWS_SECRET_ACCESS_KEY=aws/prod/key -- aws s3 ls\n\
                                    ctl run --env PGUSER=db#user --env PGPASSWORD=db -- psql\n\
                                    ctl run --env-file .env -- make deploy\n\
                                    ctl run --grant 'shop/test/*' --for 10m -- ./run-tests";

    /// As env(1) and timeout(1) have it: whatever is below 125 is the program's own.
    fn exit(error: &Error) -> Exit {
        match Exit::of(error) {
            exit @ (Exit::CannotRun | Exit::NoProgram) => exit,
            _ => Exit::NotRun,
        }
    }

    fn run(self) -> Result<Exit, Error> {
        let mut variables = Variables::typed(&self.env)?;
        // Greets the daemon, and closes this process to its neighbours, before a file is read in which
        // secrets may stand.
        // What a handle gives is values: whoever wants to make one asks itself, and by one connection, since
        // a stamp is shown once.
        let mut connection =
            if self.grant.is_empty() { connect_for_values(&self.wait) } else { connect_to_ask(&self.wait) }?;
        for path in &self.env_file {
            variables.read(path)?;
        }
        let wanted: Vec<Reference> = variables.wanted().cloned().collect();
        let values = connection.get_many(&wanted)?;
        let tap = match self.grant.as_slice() {
            [] => None,
            names => Some(connection.handle(names.to_vec(), self.lasts)?.1),
        };
        // Nothing of ours goes along but the tap: neither a connection nor, since every descriptor of ours
        // closes on exec, anything else.
        drop(connection);
        let (program, args) = self.command.split_first().expect("the parser requires one");
        let mut process = Process::new(program);
        process.args(args);
        let mut values = values.into_iter();
        for (name, source) in variables.into_all() {
            match source {
                Source::Plain(value) => process.env(name, OsStr::from_bytes(&value)),
                Source::Secret(secret) => {
                    let value = values.next().expect("a value was got for each");
                    if value.bytes.contains(&0) {
                        return Err(binary(&secret));
                    }
                    notice::expired(&secret.name, value.expires);
                    process.env(name, OsStr::from_bytes(&value.bytes))
                }
            };
        }
        if let Some(tap) = &tap {
            fcntl_setfd(tap, FdFlags::empty()).map_err(|error| Error::Exchange(error.into()))?;
            process.env(tap::VARIABLE, tap.as_raw_fd().to_string());
        }
        // What is left of values in this address space goes with it.
        Err(failed(program, process.exec()))
    }
}

fn parse_glob(text: &str) -> Result<Glob, GlobError> {
    Glob::parse(text)
}

fn parse_span(text: &str) -> Result<u32, &'static str> {
    span::parse(text).ok_or("not a span such as 8h, 90m or 1h30m")
}

fn binary(secret: &Reference) -> Error {
    let name = crate::error::printable(&secret.name);
    Error::Usage(format!(
        "{name} holds a zero byte, which no variable can: nothing was started. Let the program read it: \
         ctl get {name}"
    ))
}

fn failed(program: &OsStr, source: io::Error) -> Error {
    let program = crate::error::printable(&program.to_string_lossy());
    Error::Run { program, source }
}
