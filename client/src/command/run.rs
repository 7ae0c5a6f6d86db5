//! `ctl run`: a program with secrets in its environment. All are there before it starts, and `ctl` becomes
//! the program: its process id, its signals and its exit code are the program's own.

mod environment;
mod interpreter;
mod place;
mod sealed;
mod variables;

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::Command as Process;

use glassdome_proto::policy::runs_for_users;
use glassdome_proto::{Glob, GlobError, span};
use rustix::io::{FdFlags, fcntl_setfd};

use crate::cli::{Command, connect_for_values, connect_to_ask};
use crate::descriptor::{fill_standard, out_of_the_way};
use crate::error::Error;
use crate::exit::Exit;
use crate::reference::Reference;
use crate::tap;
use crate::text::notice;
use crate::wait::WaitArgs;
use interpreter::Interpreter;
use sealed::Sealed;
use variables::{Source, Variables};

/// What can be typed behind `ctl run`.
#[derive(clap::Args)]
#[command(group(clap::ArgGroup::new("given").args(["env", "env_file", "grant"]).required(true).multiple(true)))]
pub(crate) struct Run {
    /// Put the value of the secret NAME, or one field of it, into the variable VAR
    #[arg(long, value_name = "VAR=NAME[#FIELD]")]
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
    /// Run the script FILE, as it is now: read once, and run from a copy that nobody can change, by an
    /// interpreter that reads nothing of yours before it. What stands behind -- are its arguments
    ///
    /// The environment is cleared but for HOME, USER, LOGNAME, LANG, LC_*, TERM, TZ and where the daemon is;
    /// PATH is /usr/local/bin:/usr/bin:/bin, and with --grant last the directory of this ctl. Where the script
    /// was read is in GLASSDOME_SCRIPT.
    #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    script: Option<PathBuf>,
    /// The script's interpreter, if it is not the one that its first line names
    #[arg(long, value_name = "FILE", requires = "script", value_hint = clap::ValueHint::FilePath)]
    exe: Option<PathBuf>,
    /// Leave the script one more variable of the environment
    #[arg(long, value_name = "VAR", requires = "script")]
    keep: Vec<String>,
    /// The program, and its arguments as they are
    #[arg(
        value_name = "CMD",
        required_unless_present = "script",
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
                                    ctl run --grant 'shop/test/*' --for 10m -- ./run-tests\n\
                                    ctl run --grant 'aws/prod/*' --script deploy.py -- --region eu";

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
        let (script, mut process) = self.prepared(&variables)?;
        let wanted: Vec<Reference> = variables.wanted().cloned().collect();
        let values = connection.get_many(&wanted)?;
        let tap = match self.grant.as_slice() {
            [] => None,
            names => {
                let picture = script.as_ref().map(Sealed::picture);
                let (tap, unit) = connection.handle(names.to_vec(), self.lasts, picture)?;
                warn_of(unit.as_deref());
                Some(out_of_the_way(tap))
            }
        };
        // Nothing of ours goes along but the tap and the script: neither a connection nor, since every
        // descriptor of ours closes on exec, anything else.
        drop(connection);
        let mut values = values.into_iter();
        for (name, source) in variables.into_all() {
            match source {
                Source::Plain(value) => process.env(name, OsStr::from_bytes(&value)),
                Source::Secret(secret) => {
                    let value = values.next().expect("a value was got for each");
                    if value.bytes.contains(&0) {
                        return Err(binary(&secret));
                    }
                    if script.is_some() {
                        environment::allow_value(&name, &value.bytes)?;
                    }
                    notice::expired(&secret.name, value.expires);
                    process.env(name, OsStr::from_bytes(&value.bytes))
                }
            };
        }
        if let Some(tap) = &tap {
            fcntl_setfd(tap, FdFlags::empty()).map_err(|error| Error::Exchange(error.into()))?;
            process.env(tap::HANDLE, tap.as_raw_fd().to_string());
        }
        if let Some(script) = &script {
            fcntl_setfd(script.copy(), FdFlags::empty()).map_err(|error| Error::SealScript(error.into()))?;
        }
        fill_standard().map_err(Error::ReadInput)?;
        // What is left of values in this address space goes with it.
        let error = process.exec();
        Err(failed(process.get_program(), error))
    }
}

impl Run {
    /// What is to be started, with the script that goes along; it has no variables yet but those that stay.
    fn prepared(&self, variables: &Variables) -> Result<(Option<Sealed>, Process), Error> {
        let Some(script) = &self.script else {
            let (program, args) = self.command.split_first().expect("the parser requires one");
            let mut process = Process::new(program);
            process.args(args);
            return Ok((None, process));
        };
        environment::allow_given(variables)?;
        let (script, bytes) = Sealed::read(script)?;
        let Interpreter { program, options } = Interpreter::of(&bytes, self.exe.as_deref())?;
        let mut process = Process::new(program);
        process.args(options).arg(script.word()).args(&self.command);
        // Whoever has a handle needs it; nobody else has a reason to look there.
        let ctl = if self.grant.is_empty() { None } else { place::of_ctl() };
        process.env_clear().envs(environment::cleared(&self.keep, ctl.as_deref())?);
        process.env(environment::SCRIPT, script.path());
        Ok((Some(script), process))
    }
}

fn parse_glob(text: &str) -> Result<Glob, GlobError> {
    Glob::parse(text)
}

fn parse_span(text: &str) -> Result<u32, &'static str> {
    span::parse(text).ok_or("not a span such as 8h, 90m or 1h30m")
}

/// Says that a handle's unit is no bound.
fn warn_of(unit: Option<&str>) {
    if let Some(unit) = unit.filter(|unit| runs_for_users(unit)) {
        notice::say(&format!(
            "Warning: the handle is of use in {} only, but that runs what users ask for: any process of yours can \
             have another one started in it",
            crate::error::printable(unit)
        ));
    }
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
