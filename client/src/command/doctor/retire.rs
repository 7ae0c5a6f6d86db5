//! `ctl doctor --retire`: deletes what the predecessor left lying open, once the person has seen what it is. What is
//! not in the vault, value for value, is kept, unless it is given up in so many words.

use super::clearing::Clearing;
use super::is_yes;
use crate::cli::connect_to_ask;
use crate::error::{Error, printable};
use crate::exit::Exit;
use crate::import::Skipped;
use crate::import::store::Intake;
use crate::predecessor::files::{Directory, STORE};
use crate::predecessor::take_over::Estate;
use crate::terminal::Terminal;
use crate::text::notice;
use crate::wait::WaitArgs;

/// What the person said beforehand.
pub(super) struct Manner {
    /// Nothing is asked.
    pub(super) yes: bool,
    /// What is not in the vault is given up.
    pub(super) even_if_lost: bool,
}

/// Deletes it; `prefix` is what it was taken over under.
pub(super) fn retire(
    directory: Option<&Directory>,
    prefix: Option<&str>,
    manner: Manner,
    wait: &WaitArgs,
) -> Result<Exit, Error> {
    let mut connection = connect_to_ask(wait)?;
    let mut estate = Estate::read(&mut connection, directory)?;
    estate.tell_gone();
    let at_stake = Intake::new(estate.at_stake(), prefix);
    let missing = at_stake.missing(&mut connection)?;
    let lost: Vec<String> = missing.iter().map(line).collect();
    let mut clearing = Clearing::new(connection, estate);
    let shown = clearing.shown();
    if shown.is_empty() {
        return Ok(nothing_open(&clearing));
    }
    if !lost.is_empty() && !manner.even_if_lost {
        for line in &lost {
            notice::say(&format!("  {line}"));
        }
        notice::say(&format!(
            "nothing was deleted: {} would be lost with it. Take it over: ctl doctor --import. If it was: name the \
             prefix that it has in the vault, --prefix P. Or give it up: --even-if-lost",
            lost.len()
        ));
        return Ok(Exit::Error);
    }
    let consequences = consequences(&lost, clearing.estate().has_key());
    if manner.yes {
        consequences.iter().for_each(|line| notice::say(line));
    } else if !agreed(&shown, &consequences)? {
        notice::say("nothing was deleted");
        return Ok(Exit::Error);
    }
    // The question may have stood for long.
    let changed: Vec<Skipped> = match clearing.missing(&at_stake) {
        Ok(now) => {
            now.into_iter().filter(|one| missing.iter().all(|known| known.place != one.place)).collect()
        }
        Err(error) => {
            notice::say("nothing was deleted");
            return Err(error);
        }
    };
    if !changed.is_empty() {
        changed.iter().for_each(|skipped| notice::say(&format!("  {}", line(skipped))));
        notice::say("nothing was deleted: the vault was changed meanwhile. Look again: ctl doctor --import");
        return Ok(Exit::Conflict);
    }
    drop(at_stake);
    clearing.run()
}

/// Says why there is nothing to delete.
fn nothing_open(clearing: &Clearing) -> Exit {
    match (clearing.left_alone(), clearing.estate().unsearched) {
        // What was not searched may hold all of it.
        (Exit::Ok, Some(_)) => Exit::Error,
        (Exit::Ok, None) => {
            notice::say("nothing of the predecessor's lies open here");
            Exit::Ok
        }
        (exit, _) => exit,
    }
}

/// What cannot be undone, each in a line.
fn consequences(lost: &[String], key: bool) -> Vec<String> {
    let mut lines = Vec::new();
    if !lost.is_empty() {
        lines.push("Not in the vault, and lost then:".to_owned());
        lines.extend(lost.iter().map(|line| format!("  {line}")));
    }
    if key {
        lines.push(format!(
            "Its master key goes with it: what that sealed stays shut from then on, wherever it lies ({STORE}, copies, \
             another project's), unless master_key.enc and the predecessor's password are at hand."
        ));
    }
    lines
}

/// Asks.
fn agreed(shown: &[String], consequences: &[String]) -> Result<bool, Error> {
    let terminal = Terminal::open().ok_or(Error::NoInput(
        "there is no terminal to ask on: see what is there with `ctl doctor`, then delete it with --yes",
    ))?;
    terminal.say("To be deleted, for good:")?;
    shown.iter().try_for_each(|line| terminal.say(&format!("  {line}")))?;
    consequences.iter().try_for_each(|line| terminal.say(line))?;
    Ok(is_yes(&terminal.ask("Delete it? [y/N] ")?))
}

fn line(skipped: &Skipped) -> String {
    printable(&format!("{}: {}", skipped.place, skipped.reason))
}
