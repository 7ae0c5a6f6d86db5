//! `ctl import`: take over what another program kept in a file.

use std::io::stdin;
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use crate::bulk::Manner;
use crate::cli::{Command, connect_to_ask, print_json};
use crate::descriptor::{read_all, read_file};
use crate::error::Error;
use crate::exit::Exit;
use crate::import::store::Intake;
use crate::import::{Parsed, env_file, json_file};
use crate::text::import_report::describe;
use crate::text::notice;
use crate::wait::WaitArgs;

/// Largest file, in bytes.
const FILE: usize = 64 * 1024 * 1024;

/// What can be typed behind `ctl import`.
#[derive(clap::Args)]
pub(crate) struct Import {
    /// Which file; - is stdin
    file: PathBuf,
    /// How to read it: env (lines of KEY=VALUE) or json (an object); by its name if not said
    #[arg(long, value_name = "FORMAT", value_parser = ["env", "json"])]
    format: Option<String>,
    /// Put P/ in front of each name
    #[arg(long, value_name = "P")]
    prefix: Option<String>,
    /// Only say what would happen
    #[arg(long)]
    dry_run: bool,
    /// Replace values that are there and differ; else they are left and told
    #[arg(long)]
    overwrite: bool,
    /// Print a JSON object for programs
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    wait: WaitArgs,
}

impl Command for Import {
    const NAME: &'static str = "import";
    const ABOUT: &'static str = "Store what a .env or JSON file holds; nested objects become paths";
    const EXAMPLES: &'static str = "ctl import .env --prefix shop/dev\nctl import .env --dry-run\n\
                                    ctl import secrets.json --overwrite";

    fn run(self) -> Result<Exit, Error> {
        let mut connection = connect_to_ask(&self.wait)?;
        // Greets the daemon, and closes this process to its neighbours, before secrets are read.
        connection.require_session()?;
        let file = self.read()?;
        let parsed = self.parse(&file)?;
        drop(file);
        let manner = Manner { overwrite: self.overwrite, dry_run: self.dry_run };
        let report = Intake::new(parsed, self.prefix.as_deref()).store(&mut connection, manner)?;
        if self.json {
            print_json(&report)?
        } else {
            notice::say(&describe(&report))
        }
        Ok(report.exit())
    }
}

impl Import {
    fn read(&self) -> Result<Zeroizing<Vec<u8>>, Error> {
        if self.file == Path::new("-") {
            return read_all(stdin(), "the input", FILE);
        }
        read_file(&self.file, FILE)
    }

    fn parse(&self, file: &[u8]) -> Result<Parsed, Error> {
        let by_name = self.file.extension().is_some_and(|extension| extension == "json");
        let is_json = self.format.as_deref().map_or(by_name, |format| format == "json");
        if !is_json {
            return Ok(env_file::parse(file));
        }
        json_file::parse(file).map_err(|error| {
            Error::Usage(format!(
                "{} is not read: line {}: {}",
                self.file.display(),
                error.line,
                error.reason
            ))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn import() -> Import {
        Import {
            file: PathBuf::from("x.env"),
            format: None,
            prefix: None,
            dry_run: false,
            overwrite: false,
            json: false,
            wait: WaitArgs::default(),
        }
    }

    #[test]
    fn the_name_says_the_format_unless_it_is_said() {
        let json = Import { file: PathBuf::from("x.json"), ..import() };
        assert_eq!(json.parse(br#"{"a": "b"}"#).unwrap().items.len(), 1);
        assert!(matches!(json.parse(b"A=1"), Err(Error::Usage(_))));
        let env = Import { format: Some("env".into()), ..json };
        assert_eq!(env.parse(b"A=1").unwrap().items.len(), 1);
    }
}
