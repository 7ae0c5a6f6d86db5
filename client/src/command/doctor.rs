//! `ctl doctor`: every protection as a line: on, in part, or off; and what the predecessor left lying, which it takes
//! over and deletes when it is told to.

mod clearing;
mod leftovers;
mod retire;
mod take_over;

use std::io::stdout;
use std::path::PathBuf;

use glassdome_proto::session::{Level, Protection};
use glassdome_proto::{Answer, Body, session};
use glassdome_sys::Stamp;

use crate::cli::{Command, connect_as_anyone, print, print_json};
use crate::error::{Error, printable};
use crate::exit::Exit;
use crate::predecessor::files::Directory;
use crate::text::style::Style;
use crate::text::table::columns;
use crate::wait::WaitArgs;

/// What stands in front of its names in the vault, if nothing else is said.
const PREFIX: &str = "predecessor";

/// What can be typed behind `ctl doctor`.
#[derive(clap::Args)]
pub(crate) struct Doctor {
    /// Print JSON for programs: an array; with --import, an object
    #[arg(long, conflicts_with = "retire")]
    json: bool,
    /// Take over the secrets that the predecessor left, as far as they can be read
    #[arg(long, group = "deed")]
    import: bool,
    /// Delete what it left lying open: its items in the keyring, its session cache and key file
    #[arg(long, group = "deed")]
    retire: bool,
    /// Where it kept its files [default: ~/.glassdome]
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// Put P/ in front of each name; with --retire: look for them there [default: predecessor; '': nothing]
    #[arg(long, value_name = "P", requires = "deed")]
    prefix: Option<String>,
    /// Only say what would happen
    #[arg(long, requires = "import")]
    dry_run: bool,
    /// Replace values that are there and differ, after a question; else they are left and told
    #[arg(long, requires = "import")]
    overwrite: bool,
    /// Do not ask before deleting, or replacing
    #[arg(long, requires = "deed")]
    yes: bool,
    /// Delete also what is not in the vault, and the key of what was not read: that is lost
    #[arg(long, requires = "retire")]
    even_if_lost: bool,
    #[command(flatten)]
    wait: WaitArgs,
}

/// A protection, for people and programs.
#[derive(serde::Serialize)]
struct Line {
    what: String,
    level: &'static str,
    why: String,
}

impl Command for Doctor {
    const NAME: &'static str = "doctor";
    const ABOUT: &'static str = "Show every protection: on, degraded or off, why, and how to mend it";
    const EXAMPLES: &'static str = "ctl doctor\nctl doctor --json\n\
                                    ctl doctor --import --dry-run\nctl doctor --retire";

    fn run(self) -> Result<Exit, Error> {
        let directory = match &self.dir {
            Some(dir) => Some(Directory::named(dir)?),
            None => Directory::usual(),
        };
        if self.retire {
            let manner = retire::Manner { yes: self.yes, even_if_lost: self.even_if_lost };
            return retire::retire(directory.as_ref(), self.prefix(), manner, &self.wait);
        }
        if self.import {
            return self.import(directory.as_ref());
        }
        let mut connection = connect_as_anyone()?;
        let Answer::Session(session::Answer::Doctor(protections)) =
            connection.call(Body::Session(session::Request::Doctor))?
        else {
            return Err(Error::Unexpected);
        };
        let mut lines: Vec<Line> = protections.iter().map(line).collect();
        lines.push(this_program(Stamp::taken().is_some()));
        lines.extend(leftovers::lines(&connection.leftovers()?, directory.as_ref()));
        if self.json {
            print_json(&lines)?;
        } else {
            let style = Style::of(&stdout());
            print(&columns(&lines.iter().map(|line| row(line, style)).collect::<Vec<_>>()))?;
        }
        Ok(Exit::Ok)
    }
}

impl Doctor {
    /// What stands in front of the names that it has in the vault.
    fn prefix(&self) -> Option<&str> {
        Some(self.prefix.as_deref().unwrap_or(PREFIX)).filter(|prefix| !prefix.is_empty())
    }
}

/// Whoever means another letter has not agreed.
fn is_yes(answer: &str) -> bool {
    matches!(answer.trim(), "y" | "Y" | "yes")
}

fn line(protection: &Protection<'_>) -> Line {
    let level = match protection.level {
        Level::On => "on",
        Level::Degraded => "degraded",
        Level::Off => "off",
    };
    Line { what: printable(&protection.what), level, why: printable(&protection.why) }
}

/// Whether this very program is an installed one, which talks to no other daemon than the installed
/// one: a daemon that is not stamped is one that an installed program does not get this far with.
fn this_program(stamped: bool) -> Line {
    let (level, why) = match stamped {
        true => ("on", "stamped: it sends a password to the installed daemon, and to no other program"),
        false => (
            "degraded",
            "unstamped: it sends a password to whatever program of yours listens at the socket. \
             Install as root: sudo make install",
        ),
    };
    Line { what: "this ctl".to_owned(), level, why: why.to_owned() }
}

fn row(line: &Line, style: Style) -> Vec<String> {
    let level = match line.level {
        "on" => style.good("on"),
        "off" => style.bad("off"),
        other => style.careful(other),
    };
    vec![level, line.what.clone(), line.why.clone()]
}
