//! Deletes what was shown, one thing after the other and the key first, which is the danger; says of each what
//! became of it, and goes on with the next whatever that was. A signal stops it between two.

use std::collections::HashSet;

use glassdome_proto::Code;
use glassdome_proto::leftovers::Fate;
use glassdome_proto::session::Keyring;
use glassdome_sys::HeldSignals;
use rustix::process::Signal;

use crate::connection::Connection;
use crate::error::{Error, printable};
use crate::exit::Exit;
use crate::import::store::Intake;
use crate::import::{Place, Skipped};
use crate::predecessor::erase::{Erased, erase};
use crate::predecessor::files::{STORE, Seen};
use crate::predecessor::keyring::Listing;
use crate::predecessor::take_over::{Estate, Left};
use crate::text::notice;

/// What would end this program.
const ENDING: [Signal; 4] = [Signal::HUP, Signal::INT, Signal::QUIT, Signal::TERM];
/// What is left when it is done.
const AFTERWARDS: &str = "copies on the disk and in backups may stay, and whoever took the key can still use it: \
                          change these secrets where they are used";

/// What somebody else has deleted, or another of these commands.
const GONE: &str = "it was gone already";

/// What is to be deleted, and whom to ask.
pub(super) struct Clearing {
    connection: Connection,
    estate: Estate,
}

/// One thing to delete.
#[derive(Clone, Copy)]
enum Step<'a> {
    Item(&'a Left, [u8; 32]),
    File(&'a Seen),
}

/// How it goes.
#[derive(Default)]
struct Course {
    deleted: usize,
    /// Of the first thing that was left.
    exit: Option<Exit>,
    /// Whether the keyring can be asked no more.
    keyring_ended: bool,
    /// The paths of what was not tried then.
    untried: Vec<String>,
}

impl Course {
    fn left(&mut self, exit: Exit, line: &str) {
        notice::say(line);
        self.exit.get_or_insert(exit);
    }

    fn exit(&self) -> Exit {
        self.exit.unwrap_or(Exit::Ok)
    }
}

impl Clearing {
    pub(super) fn new(connection: Connection, estate: Estate) -> Self {
        Self { connection, estate }
    }

    pub(super) fn estate(&self) -> &Estate {
        &self.estate
    }

    /// What is to be deleted, each in a line fit for a terminal.
    pub(super) fn shown(&self) -> Vec<String> {
        self.estate.steps().into_iter().map(|step| self.estate.name(step)).collect()
    }

    /// Says what is not deleted, and how that ends.
    pub(super) fn left_alone(&self) -> Exit {
        let mut course = Course::default();
        self.estate.tell_left(&mut course);
        course.exit()
    }

    /// What of it is not in the vault by now.
    ///
    /// # Errors
    /// As [`Intake::missing`].
    pub(super) fn missing(&mut self, at_stake: &Intake) -> Result<Vec<Skipped>, Error> {
        at_stake.missing(&mut self.connection)
    }

    /// Deletes it.
    ///
    /// # Errors
    /// [`Error::Terminal`], before anything is deleted: signals cannot be held.
    pub(super) fn run(mut self) -> Result<Exit, Error> {
        let signals = HeldSignals::hold(&ENDING).map_err(Error::Terminal)?;
        let mut course = Course::default();
        let steps = self.estate.steps();
        for (at, step) in steps.iter().enumerate() {
            if matches!(signals.take(), Ok(Some(_))) {
                let (deleted, rest) = (course.deleted, steps.len() - at);
                notice::say(&format!(
                    "interrupted: {deleted} deleted, {rest} not tried any more: they are left"
                ));
                return Ok(Exit::Error);
            }
            self.estate.delete(&mut self.connection, &mut course, *step);
        }
        if !self.estate.items.is_empty() {
            self.look_again(&mut course);
        }
        if !course.untried.is_empty() {
            notice::say(&format!(
                "{} more in the keyring were not tried: they are left",
                course.untried.len()
            ));
        }
        self.estate.tell_left(&mut course);
        if course.deleted > 0 {
            notice::remind(AFTERWARDS);
        }
        Ok(course.exit())
    }

    fn look_again(&mut self, course: &mut Course) {
        match self.connection.leftovers() {
            Ok(now) => {
                course.untried.retain(|path| !now.lacks(path));
                self.estate.tell_new(&now, course);
            }
            Err(_) if course.keyring_ended => {}
            Err(error) => course.left(Exit::Error, &format!("the keyring was not looked at again: {error}")),
        }
    }
}

impl Estate {
    /// Says what went while it was read.
    pub(super) fn tell_gone(&self) {
        self.gone.iter().for_each(|name| notice::say(&format!("{name}: {GONE}")));
    }

    /// What can be deleted, in the order of how dangerous it is.
    fn steps(&self) -> Vec<Step<'_>> {
        let items = |key| {
            let those = self.items.iter().filter(move |left| left.is_key == key);
            those.filter_map(|left| Some(Step::Item(left, left.mark?)))
        };
        let files = &self.files;
        let key_file = files.key.iter().map(Step::File);
        items(true).chain(key_file).chain(items(false)).chain(files.cache.iter().map(Step::File)).collect()
    }

    fn name(&self, step: Step<'_>) -> String {
        match step {
            Step::Item(left, _) => left.item.shown(),
            Step::File(seen) => match &self.files.opened {
                Some(opened) => printable(&opened.path(seen.name).to_string_lossy()),
                None => seen.name.to_owned(),
            },
        }
    }

    fn delete(&self, connection: &mut Connection, course: &mut Course, step: Step<'_>) {
        let name = self.name(step);
        if self.is_key(step) && !self.store_is_as_it_was() {
            let line =
                format!("{name}: left, since {STORE} was changed meanwhile. Look again: ctl doctor --import");
            return course.left(Exit::Conflict, &line);
        }
        match step {
            Step::Item(left, mark) => take_away(connection, course, left, mark),
            Step::File(seen) => {
                let Some(opened) = &self.files.opened else { return };
                match erase(opened, seen) {
                    Ok(Erased::Gone) => notice::say(&format!("{name}: {GONE}")),
                    Ok(erased) => {
                        course.deleted += 1;
                        notice::done(&match erased {
                            Erased::Deleted(remark) => format!("deleted: {name} ({remark})"),
                            _ => format!("deleted: {name}"),
                        });
                    }
                    Err(unfit) => {
                        course.left(Exit::Usage, &format!("{name}: left: {unfit}. Look what it is"))
                    }
                }
            }
        }
    }

    fn is_key(&self, step: Step<'_>) -> bool {
        match step {
            Step::Item(left, _) => left.is_key,
            Step::File(seen) => self.files.key.as_ref() == Some(seen),
        }
    }

    /// Whether what the key was found to open is all that it opens there.
    fn store_is_as_it_was(&self) -> bool {
        let now = self.files.opened.as_ref().and_then(|opened| opened.look(STORE)).and_then(Result::ok);
        now == self.files.store
    }

    fn tell_left(&self, course: &mut Course) {
        for (path, unfit) in &self.files.unfit {
            let path = printable(&path.to_string_lossy());
            course.left(Exit::Usage, &format!("{path}: left: {unfit}. Look what it is"));
        }
        let locked = self.items.iter().filter(|left| left.item.locked).map(|left| left.item.shown());
        let locked: HashSet<String> = locked.collect();
        for unread in &self.unread {
            let is_locked = matches!(&unread.place, Place::Path(path) if locked.contains(path));
            let exit = if is_locked { Exit::Locked } else { Exit::Error };
            course.left(exit, &printable(&format!("{}: left: {}", unread.place, unread.reason)));
        }
        match self.unsearched {
            None => {}
            // There is none to search.
            Some(why @ (Keyring::NoBus | Keyring::NoKeyring)) => {
                notice::remind(&format!("the keyring was not searched: {}", why.why_not()));
            }
            Some(why) => {
                course.left(Exit::Error, &format!("the keyring was not searched: {}", why.why_not()));
            }
        }
    }

    /// What was not there when it was shown.
    fn tell_new(&self, now: &Listing, course: &mut Course) {
        let known = |path: &String| self.items.iter().any(|left| left.item.path == *path);
        let new: Vec<String> =
            now.items.iter().filter(|item| !known(&item.path)).map(|item| item.shown()).collect();
        if !new.is_empty() {
            course.left(Exit::Conflict, &format!("{}: left: not there when it was shown", new.join(", ")));
        }
    }
}

fn take_away(connection: &mut Connection, course: &mut Course, left: &Left, mark: [u8; 32]) {
    let (name, path) = (left.item.shown(), &left.item.path);
    if course.keyring_ended {
        course.untried.push(path.clone());
        return;
    }
    let removed = connection.remove_leftover(&left.item, mark);
    let is_in_doubt = matches!(removed, Ok(Fate::Refused) | Err(_));
    let now = if is_in_doubt { connection.leftovers().ok() } else { None };
    // Whoever else deletes it may have been quicker.
    if now.as_ref().is_some_and(|now| now.lacks(path)) {
        return notice::say(&format!("{name}: {GONE}"));
    }
    let (exit, why) = match removed {
        Ok(Fate::Removed) => {
            course.deleted += 1;
            return notice::done(&format!("deleted: {name}"));
        }
        Ok(Fate::Gone) => return notice::say(&format!("{name}: {GONE}")),
        Ok(Fate::Changed) => {
            (Exit::Conflict, "left: it was changed meanwhile. Look again: ctl doctor --import".to_owned())
        }
        Ok(Fate::Locked) => (Exit::Locked, "left: it is locked. Open the keyring, and try again".to_owned()),
        Ok(Fate::Asks) => {
            let line = "left: the keyring would ask you first, and was not let. Delete it with the keyring's own program";
            (Exit::Denied, line.to_owned())
        }
        Ok(Fate::Refused) => (Exit::Denied, "left: the keyring refused".to_owned()),
        Err(error) => {
            course.keyring_ended = true;
            // It was seen since; or it is the daemon's own refusal, before it asked the keyring.
            let is_there = now.is_some_and(|now| now.items.iter().any(|item| item.path == *path));
            let is_untouched = error.code().is_some_and(|code| code != Code::Error);
            let word = if is_there || is_untouched { "left" } else { "perhaps left" };
            (Exit::of(&error), format!("{word}: {error}. See: ctl doctor"))
        }
    };
    course.left(exit, &format!("{name}: {why}"));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::predecessor::keyring::Item;

    #[test]
    fn the_exit_code_is_that_of_the_first_that_was_left() {
        let exit = |items: &[(&str, bool)]| {
            let mut estate = Estate::default();
            for &(name, locked) in items {
                let item = Item { path: format!("/{name}"), name: None, shared: false, locked };
                let place = Place::Path(item.shown());
                estate.unread.push(Skipped { place, reason: "why".to_owned() });
                estate.items.push(Left { item, is_key: false, mark: None });
            }
            let mut course = Course::default();
            estate.tell_left(&mut course);
            course.exit()
        };
        assert_eq!(exit(&[]), Exit::Ok);
        assert_eq!(exit(&[("refused", false), ("locked", true)]), Exit::Error);
        assert_eq!(exit(&[("locked", true), ("refused", false)]), Exit::Locked);
    }
}
