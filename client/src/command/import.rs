//! `ctl import`: take over what another program keeps.

use std::io::stdin;
use std::path::{Path, PathBuf};

use glassdome_proto::Name;
use zeroize::Zeroizing;

use crate::bulk::Manner;
use crate::cli::{Command, connect_to_ask, print, print_json};
use crate::descriptor::{read_all, read_file};
use crate::error::Error;
use crate::exit::Exit;
use crate::import::format::{Format, guess, is_store, parse};
use crate::import::store::Intake;
use crate::import::{Content, FILE, Parsed, pass_store};
use crate::text::import_report::describe;
use crate::text::notice;
use crate::wait::WaitArgs;

/// What can be typed behind `ctl import`.
#[derive(clap::Args)]
pub(crate) struct Import {
    /// Which file, or directory of pass; - is stdin. With --format pass it may be left away
    #[arg(required_unless_present = "format")]
    file: Option<PathBuf>,
    /// How to read it; told from the file if not said and certain
    #[arg(long, value_name = "FORMAT")]
    format: Option<Format>,
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
    const ABOUT: &'static str =
        "Store what a .env or JSON file, an export of Bitwarden or KeePassXC, or a store of pass holds";
    const EXAMPLES: &'static str = "ctl import .env --prefix shop/dev\nctl import .env --dry-run\n\
                                    ctl import bitwarden_export.json --dry-run\n\
                                    keepassxc-cli export -f csv all.kdbx | ctl import -\nctl import ~/.password-store";

    fn run(self) -> Result<Exit, Error> {
        // One that is no name is not the fault of each line.
        let prefix = self.prefix.as_deref().map(|prefix| prefix.trim_end_matches('/'));
        prefix.filter(|prefix| !prefix.is_empty()).map(Name::typed).transpose()?;
        let mut connection = connect_to_ask(&self.wait)?;
        // Greets the daemon, and closes this process to its neighbours, before secrets are read.
        connection.require_session()?;
        let source = self.source()?;
        let parsed = source.read(self.format)?;
        let manner = Manner { overwrite: self.overwrite, dry_run: self.dry_run };
        let report = Intake::new(parsed, self.prefix.as_deref()).store(&mut connection, manner)?;
        if self.json {
            print_json(&report)?
        } else {
            if self.dry_run {
                print(&report.plan().iter().map(|line| format!("{line}\n")).collect::<String>())?;
            }
            notice::say(&describe(&report))
        }
        if let Source::File(path) = source
            && report.stored_any()
        {
            if report.is_whole() { notice::plain_text(&path) } else { notice::not_all_in(&path) }
        }
        Ok(report.exit())
    }
}

/// Where it comes from.
enum Source {
    Stdin,
    File(PathBuf),
    /// Of `pass`.
    Store(PathBuf),
}

impl Import {
    fn source(&self) -> Result<Source, Error> {
        let Some(file) = &self.file else {
            return match self.format {
                Some(Format::Pass) => pass_store::usual_place()
                    .map(Source::Store)
                    .ok_or_else(|| Error::Usage("there is no home directory: name the store of pass".into())),
                _ => Err(Error::Usage("name the file to import; - is stdin".into())),
            };
        };
        if file == Path::new("-") {
            return Ok(Source::Stdin);
        }
        let is_directory = file.is_dir();
        match self.format {
            Some(Format::Pass) => Ok(Source::Store(file.clone())),
            None if is_directory && is_store(file) => Ok(Source::Store(file.clone())),
            _ if is_directory => Err(Error::Usage(format!(
                "{} is a directory without {}: if pass keeps its files there, say --format pass",
                file.display(),
                pass_store::MARK
            ))),
            _ => Ok(Source::File(file.clone())),
        }
    }
}

impl Source {
    fn read(&self, format: Option<Format>) -> Result<Parsed<Content>, Error> {
        let (path, file): (&Path, Zeroizing<Vec<u8>>) = match self {
            Self::Store(store) => return pass_store::read(store),
            Self::Stdin => (Path::new("-"), read_all(stdin(), "the input", FILE)?),
            Self::File(path) => (path, read_file(path, FILE)?),
        };
        let format = format.map_or_else(|| guess(path, &file), Ok)?;
        parse(format, path, &file)
    }
}
