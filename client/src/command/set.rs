//! `ctl set`: store a value that was typed, piped or made up; never one from the command line.

use std::io::stdin;
use std::num::ParseIntError;

use glassdome_proto::secrets::Expect;
use glassdome_proto::{Field, Name, limits};
use zeroize::Zeroizing;

use crate::cli::{Command, connect_to_ask};
use crate::descriptor::read_all;
use crate::error::Error;
use crate::exit::Exit;
use crate::password::ask_twice;
use crate::random_value::{DEFAULT_LEN, MAX_LEN, MIN_LEN, random_value};
use crate::terminal::Terminal;
use crate::text::{notice, time};
use crate::transfer::Upload;
use crate::wait::WaitArgs;

const WHAT: &str = "a value";
/// Longest value that a person types, in bytes.
const TYPED: usize = 4096;

/// What can be typed behind `ctl set`.
#[derive(clap::Args)]
pub(crate) struct Set {
    /// Which secret
    name: String,
    /// Caught, so that it is refused with the reason.
    #[arg(hide = true, num_args = 0.., allow_hyphen_values = false)]
    value: Vec<String>,
    /// Take every byte of stdin as the value
    #[arg(long, conflicts_with = "generate")]
    stdin: bool,
    /// Drop the newline at the end of the value
    #[arg(long, requires = "stdin")]
    trim: bool,
    /// Make up a value of LEN letters, digits and - _ . (20 or more; 24 if none is said)
    #[arg(long, value_name = "LEN", num_args = 0..=1, require_equals = true, value_parser = parse_len)]
    generate: Option<Option<u16>>,
    /// Store it as this field, beside the secret's value and other fields
    #[arg(long, value_name = "FIELD")]
    field: Option<String>,
    /// Remind from this day on (2026-12-31) or in so long (90d) that it should be replaced
    #[arg(long, value_name = "DATE")]
    expires: Option<String>,
    /// Refuse when the name exists
    #[arg(long)]
    new: bool,
    /// Make it bait: whoever asks for its value, you too, is refused, and the session locks
    #[arg(long)]
    canary: bool,
    #[command(flatten)]
    wait: WaitArgs,
}

impl Command for Set {
    const NAME: &'static str = "set";
    const ABOUT: &'static str = "Store a secret: asks for the value, hidden; the former version is kept";
    const EXAMPLES: &'static str = "ctl set aws/prod/key\nctl set db/password --generate --expires 90d\n\
                                    ctl set tls/key --stdin < key.pem";

    fn run(self) -> Result<Exit, Error> {
        if !self.value.is_empty() {
            return Err(Error::Usage(
                "a value on the command line can be read by other programs and stays in the shell's \
                 history: run `ctl set NAME` and type it, or use --stdin"
                    .into(),
            ));
        }
        let name = Name::typed(&self.name)?;
        let field = self.field.as_deref().map(Field::typed).transpose()?;
        let expires = self.expires.as_deref().map(expiry).transpose()?;
        let mut connection = connect_to_ask(&self.wait)?;
        // Nobody types a value only to hear that it is locked. It also makes this process known to
        // the daemon, and closed to its neighbours, before there is anything to read in it.
        connection.require_session()?;
        let value = self.value()?;
        let expect = if self.new { Expect::New } else { Expect::Any };
        let upload =
            Upload { name: name.clone(), field, expires, expect, canary: self.canary, value: &value };
        let version = connection.set(upload)?;
        let made_up = if self.canary {
            " as bait: whoever asks for its value is refused, and the session locks".to_owned()
        } else if self.generate.is_some() {
            format!(", {} characters made up. Read it: ctl get {name}", value.len())
        } else {
            String::new()
        };
        notice::done(&format!("stored {name} (version {version}){made_up}"));
        Ok(Exit::Ok)
    }
}

impl Set {
    fn value(&self) -> Result<Zeroizing<Vec<u8>>, Error> {
        if let Some(len) = self.generate {
            return random_value(len.unwrap_or(DEFAULT_LEN));
        }
        if self.stdin {
            let mut value = read_all(stdin(), WHAT, limits::VALUE)?;
            if value.is_empty() {
                notice::remind(
                    "nothing came in: what is stored is empty. If that is a mistake: ctl history, ctl restore",
                );
            }
            match newline_len(&value) {
                0 => {}
                len if self.trim => {
                    let kept = value.len() - len;
                    value.truncate(kept);
                }
                _ => notice::remind("the value ends with a newline, which is stored too. Drop it: --trim"),
            }
            return Ok(value);
        }
        let terminal = Terminal::open().ok_or(Error::NoInput(
            "a value is needed and there is no terminal to ask on: use --stdin or --generate",
        ))?;
        ask_twice(&terminal, "Value", WHAT, TYPED)
    }
}

fn newline_len(value: &[u8]) -> usize {
    match value {
        [.., b'\r', b'\n'] => 2,
        [.., b'\n'] => 1,
        _ => 0,
    }
}

fn expiry(text: &str) -> Result<u64, Error> {
    time::future(text).ok_or_else(|| {
        Error::Usage("--expires takes a day to come, such as 2027-06-30, or a span, such as 90d".into())
    })
}

fn parse_len(text: &str) -> Result<u16, String> {
    let len: u16 = text.parse().map_err(|error: ParseIntError| error.to_string())?;
    if (MIN_LEN..=MAX_LEN).contains(&len) { Ok(len) } else { Err(format!("not in {MIN_LEN}..={MAX_LEN}")) }
}

#[cfg(test)]
mod tests {
    use clap::{Args, FromArgMatches};

    use super::*;

    fn parse(args: &[&str]) -> Result<Set, clap::Error> {
        let parser = Set::augment_args(clap::Command::new("set"));
        Set::from_arg_matches(&parser.try_get_matches_from([&["set"], args].concat())?)
    }

    #[test]
    fn lengths_of_made_up_values() {
        assert_eq!(parse(&["a", "--generate"]).unwrap().generate, Some(None));
        assert_eq!(parse(&["a", "--generate=40"]).unwrap().generate, Some(Some(40)));
        assert_eq!(parse(&["a"]).unwrap().generate, None);
        for bad in ["--generate=19", "--generate=4097", "--generate=x", "--generate=99999"] {
            assert!(parse(&["a", bad]).is_err(), "{bad}");
        }
        assert!(parse(&["a", "--generate", "--stdin"]).is_err());
        assert!(parse(&["a", "--trim"]).is_err());
    }

    #[test]
    fn a_value_on_the_command_line_is_refused_and_not_repeated() {
        let error = parse(&["a", "hunter2"]).unwrap().run().unwrap_err();
        assert_eq!(Exit::from(&error), Exit::Usage);
        assert!(!error.to_string().contains("hunter2"));
    }

    #[test]
    fn newlines_at_the_end() {
        assert_eq!(newline_len(b"a\r\n"), 2);
        assert_eq!(newline_len(b"a\n\n"), 1);
        assert_eq!(newline_len(b"\n"), 1);
        assert_eq!(newline_len(b"a\r"), 0);
        assert_eq!(newline_len(b""), 0);
    }
}
