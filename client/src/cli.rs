//! From the command line to a command and back to an exit code. One definition of a command feeds
//! its parser, its help and its completions; only the command that is asked for is ever built, since
//! building them all is what starting would take longest for, and what prompts and scripts type most is
//! known without any.

use std::env::args_os;
use std::ffi::OsString;

use clap::error::ErrorKind;
use clap::{ArgMatches, Args, Command as Parser};
use glassdome_sys::Stamp;

use crate::command;
use crate::command::unlock::Unlock;
use crate::connection::Connection;
use crate::descriptor::write_all;
use crate::error::{Error, printable};
use crate::exit::Exit;
use crate::shell_token;
use crate::socket_path::SocketPath;
use crate::tap::Tap;
use crate::text::notice;
use crate::wait::WaitArgs;

/// The program `ctl`, which is also called `glassdome`. What it ends with.
pub fn ctl() -> u8 {
    if let Err(exit) = begin("ctl") {
        return exit;
    }
    let args = match shell_token::receive(args_os().collect()) {
        Ok(args) => args,
        Err(error) => return end("ctl", Exit::of, Err(error)),
    };
    let named = args.get(1).and_then(|name| name.to_str());
    let entry = command::ALL.iter().find(|entry| Some(entry.name) == named);
    let exit = entry.map_or(Exit::of as fn(&Error) -> Exit, |entry| entry.exit);
    if let Some(outcome) = entry.and_then(|entry| entry.at_once(&args[2..])) {
        return end("ctl", exit, outcome);
    }
    let parser = match entry {
        Some(entry) => ctl_frame().subcommand(entry.parser()),
        None => ctl_parser(),
    };
    finish("ctl", exit, parser.try_get_matches_from(args), |matches| {
        let (name, matches) = matches.subcommand().expect("the parser requires a command");
        let entry = command::ALL.iter().find(|entry| entry.name == name);
        (entry.expect("the parser knows the commands of this table only").run)(matches)
    })
}

/// The program `glassdome_start`. What it ends with.
pub fn glassdome_start() -> u8 {
    if let Err(exit) = begin("glassdome_start") {
        return exit;
    }
    match shell_token::receive(args_os().collect()) {
        Ok(args) => {
            let matches = glassdome_start_parser().try_get_matches_from(args);
            finish("glassdome_start", Exit::of, matches, run::<Unlock>)
        }
        Err(error) => end("glassdome_start", Exit::of, Err(error)),
    }
}

/// What can be typed behind `ctl`.
pub(crate) trait Command: Args {
    /// Its name.
    const NAME: &'static str;
    /// What it does, in one line.
    const ABOUT: &'static str;
    /// Lines that can be typed as they are.
    const EXAMPLES: &'static str;
    /// Whether only scripts of ours call it.
    const HIDDEN: bool = false;

    /// What the parser would make of these few words, for those that prompts and scripts type most:
    /// building a parser and having it parse takes about as long as asking the daemon. `None` leaves
    /// them to it.
    fn at_once(_words: &[&str]) -> Option<Self> {
        None
    }

    /// With which number it ends that failed so, where that is not everybody's.
    fn exit(error: &Error) -> Exit {
        Exit::of(error)
    }

    /// Does it.
    fn run(self) -> Result<Exit, Error>;
}

/// A [`Command`] in the table of all.
pub(crate) struct Entry {
    pub(crate) name: &'static str,
    about: &'static str,
    examples: &'static str,
    hidden: bool,
    augment: fn(Parser) -> Parser,
    at_once: fn(&[&str]) -> Option<Result<Exit, Error>>,
    exit: fn(&Error) -> Exit,
    run: fn(&ArgMatches) -> Result<Exit, Error>,
}

impl Entry {
    pub(crate) const fn of<C: Command>() -> Self {
        Self {
            name: C::NAME,
            about: C::ABOUT,
            examples: C::EXAMPLES,
            hidden: C::HIDDEN,
            augment: C::augment_args,
            at_once: |words| C::at_once(words).map(C::run),
            exit: C::exit,
            run: run::<C>,
        }
    }

    fn at_once(&self, args: &[OsString]) -> Option<Result<Exit, Error>> {
        let words: Vec<&str> = args.iter().map(|arg| arg.to_str()).collect::<Option<_>>()?;
        (self.at_once)(&words)
    }

    fn parser(&self) -> Parser {
        let parser = (self.augment)(Parser::new(self.name));
        parser.about(self.about).after_help(examples(self.examples))
    }
}

/// All of `ctl` that people type, for its help and its completions.
pub(crate) fn ctl_parser() -> Parser {
    ctl_frame().subcommands(command::ALL.iter().filter(|entry| !entry.hidden).map(Entry::parser))
}

/// All of `glassdome_start`.
pub(crate) fn glassdome_start_parser() -> Parser {
    const EXAMPLES: &str = "glassdome_start\nglassdome_start --for 2h\n\
                            glassdome_start --password-fd 3 3</run/user/1000/master";
    Unlock::augment_args(Parser::new("glassdome_start"))
        .version(env!("CARGO_PKG_VERSION"))
        .about("Unlock: start the daemon if none runs, make the vault on first use, open a session")
        .after_help(examples(EXAMPLES))
}

/// Connects to the daemon, and shows the shell's token if one was given.
///
/// # Errors
/// As [`as_ourselves`] and [`Connection::open`].
pub(crate) fn connect() -> Result<Connection, Error> {
    as_ourselves(connect_as_anyone)
}

/// As [`connect`], for what a person may be asked about; shows what answers in their place, if the options say so.
///
/// # Errors
/// As [`Connection::open`]; a span of time that is none; the daemon's refusal of what was shown.
pub(crate) fn connect_to_ask(wait: &WaitArgs) -> Result<Connection, Error> {
    let at_most = wait.wait()?;
    let mut connection = as_ourselves(|| Connection::open_to_wait(&SocketPath::find()?.path, at_most))?;
    wait.prove(&mut connection)?;
    Ok(connection)
}

/// Connects to the daemon for values: by the handle that this process was started with, if it was, and
/// otherwise as [`connect_to_ask`]. By a handle it says nothing but names, and needs no stamp for that.
///
/// # Errors
/// [`Error::Usage`] for a handle that did not come along, or as [`Connection::open`].
pub(crate) fn connect_for_values(wait: &WaitArgs) -> Result<Connection, Error> {
    match Tap::given()? {
        Some(_) if wait.answers() => Err(Error::Usage(
            "a handle gives what it was made for, and nobody is asked: leave --pin-fd and --password-fd away"
                .into(),
        )),
        Some(tap) => Connection::through(tap),
        None => connect_to_ask(wait),
    }
}

/// Connects to the daemon for what it does for any process of the owner, without a token and with or
/// without a stamp: trouble with a token keeps nobody from locking.
///
/// # Errors
/// As [`Connection::open`].
pub(crate) fn connect_as_anyone() -> Result<Connection, Error> {
    Connection::open(&SocketPath::find()?.path)
}

/// Opens a connection that secrets may travel on: by a program that wears what it was installed with,
/// since it knows the daemon by that. Shows the shell's token, if one was given.
///
/// # Errors
/// [`Error::Withheld`], before anything is opened; what `open` says; [`Error::Encode`].
pub(crate) fn as_ourselves(open: impl FnOnce() -> Result<Connection, Error>) -> Result<Connection, Error> {
    let own = |source| Error::ReadFile { path: "/proc/self/exe".into(), source };
    if Stamp::withheld().map_err(own)? {
        return Err(Error::Withheld);
    }
    let mut connection = open()?;
    if let Some(token) = shell_token::given() {
        connection.show_token(token)?;
    }
    Ok(connection)
}

/// Writes text that programs may read to stdout.
///
/// # Errors
/// [`Error::Output`].
pub(crate) fn print(text: &str) -> Result<(), Error> {
    write_all(std::io::stdout(), text.as_bytes()).map_err(Error::Output)
}

/// Writes `document` to stdout as one line of JSON.
///
/// # Errors
/// [`Error::Output`].
pub(crate) fn print_json(document: &impl serde::Serialize) -> Result<(), Error> {
    print(&json_line(document)?)
}

/// `document` as one line of JSON.
///
/// # Errors
/// [`Error::Output`].
pub(crate) fn json_line(document: &impl serde::Serialize) -> Result<String, Error> {
    let mut line = serde_json::to_string(document).map_err(|error| Error::Output(error.into()))?;
    line.push('\n');
    Ok(line)
}

fn ctl_frame() -> Parser {
    Parser::new("ctl")
        .version(env!("CARGO_PKG_VERSION"))
        .about("Secrets from the unlocked vault, and everything about it")
        .after_help(
            "Unlock first: glassdome_start\n\n\
             Exit codes: 0 ok, 1 error, 2 usage, 3 locked or paused, 4 denied, 5 not found, 6 no daemon,\n\
             7 wrong password, 8 throttled, 9 conflict, 10 corrupt, 11 protocol, 12 storage, 13 no input",
        )
        .subcommand_required(true)
}

fn examples(lines: &str) -> String {
    let mut text = "Examples:".to_owned();
    for line in lines.lines() {
        text.push_str("\n  ");
        text.push_str(line);
    }
    text
}

fn run<C: Command>(matches: &ArgMatches) -> Result<Exit, Error> {
    C::from_arg_matches(matches).map_err(|error| Error::Usage(one_line(&error)))?.run()
}

/// First of all: until its stamp is in hand, a stamped program's group is not the user's.
fn begin(program: &str) -> Result<(), u8> {
    Stamp::take().map(drop).map_err(|error| end(program, Exit::of, Err(Error::Harden(error))))
}

fn finish(
    program: &str,
    exit: impl FnOnce(&Error) -> Exit,
    matches: Result<ArgMatches, clap::Error>,
    run: impl FnOnce(&ArgMatches) -> Result<Exit, Error>,
) -> u8 {
    let outcome = match matches {
        Ok(matches) => run(&matches),
        Err(error) if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) => {
            print(&error.to_string()).map(|()| Exit::Ok)
        }
        Err(error) if error.kind() == ErrorKind::MissingSubcommand => {
            Err(Error::Usage(format!("no command was given. See {program} --help")))
        }
        Err(error) => Err(Error::Usage(one_line(&error))),
    };
    end(program, exit, outcome)
}

fn end(program: &str, exit: impl FnOnce(&Error) -> Exit, outcome: Result<Exit, Error>) -> u8 {
    let exit = outcome.unwrap_or_else(|error| {
        notice::failed(program, &error);
        exit(&error)
    });
    exit.number()
}

/// The parser's complaint without its decoration: what is wrong, its tip, and where help is.
fn one_line(error: &clap::Error) -> String {
    let text = error.to_string();
    if error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
        return format!("say which: {}. See --help", commands_in(&text).join(", "));
    }
    let complaint = text.split("\n\nUsage:").next().unwrap_or_default();
    let complaint = complaint.split("\n\nFor more information").next().unwrap_or_default();
    let (complaint, tip) = complaint.split_once("\n\n  tip: ").unwrap_or((complaint, ""));
    let on_one_line = |text: &str| {
        let words: Vec<&str> = text.trim_start_matches("error: ").split_whitespace().collect();
        printable(&words.join(" "))
    };
    let tip = if tip.is_empty() { String::new() } else { format!(" ({})", on_one_line(tip)) };
    format!("{}{tip}. See --help", on_one_line(complaint))
}

/// The commands that a help text lists.
fn commands_in(help: &str) -> Vec<&str> {
    let listed = help.lines().skip_while(|line| *line != "Commands:").skip(1);
    let listed = listed.take_while(|line| !line.is_empty()).filter_map(|line| line.split_whitespace().next());
    listed.filter(|name| *name != "help").collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::get::Get;
    use crate::command::status::Status;

    fn complaint(args: &[&str]) -> String {
        one_line(&ctl_parser().try_get_matches_from(args).unwrap_err())
    }

    #[test]
    fn the_definitions_are_sound() {
        ctl_parser().debug_assert();
        glassdome_start_parser().debug_assert();
    }

    #[test]
    fn every_help_has_an_example_and_names_only_commands_that_exist() {
        for entry in command::ALL {
            let help = entry.parser().render_long_help().to_string();
            assert!(help.contains("Examples:\n  "), "{}", entry.name);
            for line in entry.examples.lines() {
                let typed = line.split("ctl ").nth(1).unwrap_or_default();
                let name = typed.split_whitespace().next().unwrap_or_default();
                assert!(command::ALL.iter().any(|entry| entry.name == name), "{line}");
            }
        }
    }

    #[test]
    fn what_is_left_out_is_named() {
        let policy = complaint(&["ctl", "policy"]);
        assert!(policy.starts_with("say which: show, ") && policy.ends_with(". See --help"), "{policy}");
        assert!(!policy.contains("help,"), "{policy}");
        let run = complaint(&["ctl", "run", "--", "true"]);
        assert!(run.contains("--env <VAR=NAME[#FIELD]>|--env-file <FILE>|--grant <GLOB>"), "{run}");
    }

    #[test]
    fn what_is_known_at_once_is_what_the_parser_says() {
        fn agree<C: Command + PartialEq + std::fmt::Debug>(words: &[&str]) {
            let parser = C::augment_args(Parser::new(C::NAME).no_binary_name(true));
            let parsed = parser.try_get_matches_from(words).ok().map(|m| C::from_arg_matches(&m).unwrap());
            assert_eq!(C::at_once(words), parsed, "{words:?}");
            assert!(parsed.is_some(), "control: {words:?}");
        }
        agree::<Status>(&["--short"]);
        for name in ["a", "a/b.c", "help", "ä b", "", "a\nb"] {
            agree::<Get>(&[name]);
        }
        for words in [&["-n"][..], &["--help"], &["-"], &["--"], &["a", "-n"], &["-n", "a"], &["a", "b"], &[]]
        {
            assert_eq!(Get::at_once(words), None, "{words:?}");
        }
        for words in [&["--short", "--ascii"][..], &["--shor"], &["-q"], &["a"], &[]] {
            assert_eq!(Status::at_once(words), None, "{words:?}");
        }
    }

    #[test]
    fn complaints_take_one_line() {
        assert_eq!(
            complaint(&["ctl", "get"]),
            "the following required arguments were not provided: <NAME>. See --help"
        );
        assert_eq!(
            complaint(&["ctl", "whoam"]),
            "unrecognized subcommand 'whoam' (a similar subcommand exists: 'whoami'). See --help"
        );
        for args in [vec!["ctl"], vec!["ctl", "get", "a", "--fild"], vec!["ctl", "get", "a\nb", "c"]] {
            assert_eq!(complaint(&args).lines().count(), 1, "{args:?}");
        }
    }
}
