//! `ctl get`: a value, byte for byte.

use std::io::{IsTerminal, stdout};
use std::path::PathBuf;

use glassdome_proto::{Field, Name};

use crate::cli::{Command, connect_for_values};
use crate::descriptor::write_all;
use crate::error::Error;
use crate::exit::Exit;
use crate::private_file::write_private;
use crate::text::harmless::is_harmless;
use crate::text::notice;
use crate::transfer::Value;
use crate::wait::WaitArgs;

/// What can be typed behind `ctl get`.
#[derive(Debug, Default, PartialEq, Eq, clap::Args)]
pub(crate) struct Get {
    /// Which secret
    name: String,
    /// One field of it instead of its value
    #[arg(long, value_name = "FIELD")]
    field: Option<String>,
    /// Add no newline, on a terminal either (elsewhere there never is one)
    #[arg(short = 'n')]
    no_newline: bool,
    /// Write to FILE, private (0600), whole or not at all, never through a symbolic link
    ///
    /// A value that is binary or holds control characters is not printed on a terminal: use this, or a
    /// pipe.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    #[command(flatten)]
    wait: WaitArgs,
}

impl Command for Get {
    const NAME: &'static str = "get";
    const ABOUT: &'static str = "Print a secret's value, byte for byte, with a newline only on a terminal";
    const EXAMPLES: &'static str = "ctl get aws/prod/key\nctl get github --field user\n\
                                    ctl get tls/key --out key.pem";

    fn at_once(words: &[&str]) -> Option<Self> {
        match words {
            [name] if !name.starts_with('-') => Some(Self { name: (*name).into(), ..Self::default() }),
            _ => None,
        }
    }

    fn run(self) -> Result<Exit, Error> {
        let name = Name::typed(&self.name)?;
        let field = self.field.as_deref().map(Field::typed).transpose()?;
        let value = connect_for_values(&self.wait)?.get(name, field)?;
        match &self.out {
            Some(path) => {
                write_private(path, &value.bytes)?;
                notice::done(&format!("wrote {} ({} bytes, mode 0600)", path.display(), value.bytes.len()));
            }
            None => self.print(&value)?,
        }
        notice::expired(&self.name, value.expires);
        Ok(Exit::Ok)
    }
}

impl Get {
    fn print(&self, value: &Value) -> Result<(), Error> {
        let terminal = stdout().is_terminal();
        if terminal && !is_harmless(&value.bytes) {
            return Err(Error::Usage(
                "the value is binary or would steer your terminal: it was not printed. \
                 Use --out FILE or a pipe"
                    .into(),
            ));
        }
        // Past the standard library's buffer, which nobody wipes.
        write_all(stdout(), &value.bytes).map_err(Error::Output)?;
        if terminal && !self.no_newline && value.bytes.last() != Some(&b'\n') {
            write_all(stdout(), b"\n").map_err(Error::Output)?;
        }
        Ok(())
    }
}
