//! `ctl doctor --import`: stores what the predecessor left, by the road of `ctl import`. Any program of the user's can
//! have put it there, and so it goes under a prefix of its own, each name is told, and nothing that is in the vault
//! gives way to it before the person has seen what.

use super::{Doctor, is_yes};
use crate::bulk::Manner;
use crate::cli::{connect_to_ask, print_json};
use crate::error::{Error, printable};
use crate::exit::Exit;
use crate::import::store::Intake;
use crate::predecessor::files::Directory;
use crate::predecessor::take_over::Estate;
use crate::terminal::Terminal;
use crate::text::import_report::{Report, describe};
use crate::text::notice;
use crate::text::shell_word::quoted;

impl Doctor {
    /// Takes it over.
    pub(super) fn import(&self, directory: Option<&Directory>) -> Result<Exit, Error> {
        let mut connection = connect_to_ask(&self.wait)?;
        connection.require_session()?;
        let mut estate = Estate::read(&mut connection, directory)?;
        if let Some(why) = estate.unsearched {
            notice::remind(&format!("the keyring was not searched: {}", why.why_not()));
        }
        estate.tell_gone();
        let mut parsed = estate.parsed();
        parsed.skipped.append(&mut estate.unread);
        let intake = Intake::new(parsed, self.prefix());
        let report = if self.dry_run {
            let manner = Manner { overwrite: self.overwrite, dry_run: true };
            intake.store(&mut connection, manner)?
        } else {
            let replaced = if self.overwrite { intake.differing(&mut connection)? } else { Vec::new() };
            if !self.yes && !replaced.is_empty() && !agreed(&replaced)? {
                notice::say("nothing was taken over");
                return Ok(Exit::Error);
            }
            intake.store_replacing(&mut connection, &replaced)?
        };
        if self.json {
            print_json(&report.by_name())?;
        } else {
            self.tell(&report, estate.unsearched.is_none());
        }
        let is_done = report.is_whole() && !(report.is_empty() && estate.unsearched.is_some());
        Ok(match (report.exit(), is_done) {
            (Exit::Ok, false) => Exit::Error,
            (exit, _) => exit,
        })
    }

    fn tell(&self, report: &Report, searched: bool) {
        if report.is_empty() {
            return notice::say(match searched {
                true => "there is nothing of the predecessor's to take over",
                false => {
                    "nothing was found in its directory, and its master key and its secrets may lie in the keyring"
                }
            });
        }
        report.lines().for_each(|line| notice::say(&format!("  {line}")));
        notice::say(&describe(report));
        if !report.is_whole() {
            notice::remind("what was left or skipped is where it was, and nowhere else");
        } else if !self.dry_run && searched {
            notice::remind(&format!(
                "all of it lies where it lay, too. Delete it there: {}",
                self.retiring()
            ));
        }
    }

    /// The command that deletes what this one has taken over.
    fn retiring(&self) -> String {
        let mut line = "ctl doctor --retire".to_owned();
        let dir = self.dir.as_ref().map(|dir| dir.to_string_lossy().into_owned());
        for (option, value) in [("--prefix", self.prefix.clone()), ("--dir", dir)] {
            if let Some(value) = value {
                line.push_str(&format!(" {option} {}", quoted(&printable(&value))));
            }
        }
        line
    }
}

/// Asks about the values in the vault that would give way.
fn agreed(replaced: &[String]) -> Result<bool, Error> {
    let terminal = Terminal::open().ok_or(Error::NoInput(
        "there is no terminal to ask on: see what would be replaced with --dry-run, then replace it with --yes",
    ))?;
    terminal.say("In the vault with another value, which would be replaced:")?;
    replaced.iter().try_for_each(|name| terminal.say(&format!("  {}", printable(name))))?;
    Ok(is_yes(&terminal.ask("Replace it? [y/N] ")?))
}
