//! `ctl doctor`: every protection as a line: on, in part, or off; and what the predecessor left lying.

use std::env;
use std::io::stdout;
use std::path::{Path, PathBuf};

use glassdome_proto::session::{Level, Protection};
use glassdome_proto::{Answer, Body, session};
use glassdome_sys::Stamp;

use crate::cli::{Command, connect_as_anyone, print, print_json};
use crate::error::{Error, printable};
use crate::exit::Exit;
use crate::text::style::Style;
use crate::text::table::columns;

/// What can be typed behind `ctl doctor`.
#[derive(clap::Args)]
pub(crate) struct Doctor {
    /// Print a JSON array for programs
    #[arg(long)]
    json: bool,
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
    const EXAMPLES: &'static str = "ctl doctor\nctl doctor --json";

    fn run(self) -> Result<Exit, Error> {
        let mut connection = connect_as_anyone()?;
        let Answer::Session(session::Answer::Doctor(protections)) =
            connection.call(Body::Session(session::Request::Doctor))?
        else {
            return Err(Error::Unexpected);
        };
        let mut lines: Vec<Line> = protections.iter().map(line).collect();
        lines.push(this_program(Stamp::taken().is_some()));
        lines.extend(leftover(env::home_dir().as_deref()));
        if self.json {
            print_json(&lines)?;
        } else {
            let style = Style::of(&stdout());
            print(&columns(&lines.iter().map(|line| row(line, style)).collect::<Vec<_>>()))?;
        }
        Ok(Exit::Ok)
    }
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

/// The session cache of the program that this one replaces: whoever reads it has what is in it.
fn leftover(home: Option<&Path>) -> Option<Line> {
    let cache: PathBuf = home?.join(".glassdome/session_cache.json");
    cache.symlink_metadata().is_ok().then(|| Line {
        what: "leftovers".to_owned(),
        level: "degraded",
        why: format!(
            "{} is of the former version, readable by every program of yours: delete it",
            cache.display()
        ),
    })
}

fn row(line: &Line, style: Style) -> Vec<String> {
    let level = match line.level {
        "on" => style.good("on"),
        "off" => style.bad("off"),
        other => style.careful(other),
    };
    vec![level, line.what.clone(), line.why.clone()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_predecessor_left_is_told() {
        let home = tempfile::tempdir().unwrap();
        assert!(leftover(Some(home.path())).is_none());
        std::fs::create_dir(home.path().join(".glassdome")).unwrap();
        std::fs::write(home.path().join(".glassdome/session_cache.json"), "{}").unwrap();
        assert!(leftover(Some(home.path())).is_some_and(|line| line.why.contains("session_cache.json")));
        assert!(leftover(None).is_none());
    }
}
