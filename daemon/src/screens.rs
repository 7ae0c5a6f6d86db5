//! Whether locked screens keep what a person has granted from being used. Pure: [`watch`](crate::watch) looks,
//! and this judges.
//!
//! What counts is that a screen *locks* while a session is open. It rests until that same screen is seen open
//! again, or until the master password is typed: a screen that is gone, or a bus that nobody hears any more, opens
//! nothing, and keeps nobody out for ever. Screens that were locked already when the password was typed were no
//! hindrance then, and are none now.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};

use glassdome_proto::session::Screen;

/// What a locked screen does to a session: a sealed setting.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Heed {
    /// Nothing.
    Off,
    /// Granted terminals and answers rest until it opens.
    #[default]
    Pause,
    /// It ends.
    Lock,
}

impl Heed {
    /// Reads the text that is sealed.
    pub fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "off" => Self::Off,
            "pause" => Self::Pause,
            "lock" => Self::Lock,
            _ => return None,
        })
    }
}

/// Who tells of a screen.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Source {
    /// logind: the hint of this login, by its object path.
    Login(String),
    /// A program on the session bus, by its name there.
    Saver(&'static str),
}

/// Where a [`Source`] is heard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bus {
    /// logind's.
    System,
    /// The screen savers'.
    Session,
}

impl Source {
    fn bus(&self) -> Bus {
        match self {
            Self::Login(_) => Bus::System,
            Self::Saver(_) => Bus::Session,
        }
    }
}

/// What is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use = "it is to be done"]
pub enum Verdict {
    /// Nothing.
    Nothing,
    /// The session is to be paused.
    Pause,
    /// It is to go on.
    Resume,
    /// It is to end.
    Lock,
}

/// Why it rests.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Cause {
    /// This one locked.
    Locked(Source),
    /// Somebody asked for the screen of that login to be locked.
    Asked(String),
    /// One that is gone had locked.
    Gone,
}

/// The screens of one person.
#[derive(Debug, Default)]
pub struct Screens {
    /// Of the session that is open.
    heed: Cell<Option<Heed>>,
    locked: RefCell<BTreeMap<Source, bool>>,
    rests: RefCell<BTreeSet<Cause>>,
    /// The buses whose first look at a session is over, or has failed.
    known: RefCell<(bool, bool)>,
    locks: Cell<u64>,
    settling: Cell<bool>,
}

impl Screens {
    /// A session has begun, has begun anew, or has to do other things with them from now on. `locks` is
    /// [`Screens::locks`] from before the password was tried.
    pub fn begin(&self, heed: Heed, locks: u64) -> Verdict {
        self.heed.set(Some(heed));
        self.typed(locks)
    }

    /// None is open any more.
    pub fn end(&self) {
        self.heed.set(None);
        self.locked.borrow_mut().clear();
        self.rests.borrow_mut().clear();
        *self.known.borrow_mut() = (false, false);
    }

    /// The master password was typed. A screen that has locked since wins.
    pub fn typed(&self, locks: u64) -> Verdict {
        if self.locks.get() == locks {
            self.rests.borrow_mut().clear();
        }
        self.verdict()
    }

    /// All that locked was seen open. Whether nobody waits yet for it to stay so: whoever is told so waits, and
    /// tells it by [`Screens::settled`].
    pub fn settle(&self) -> bool {
        !self.settling.replace(true)
    }

    /// It was waited for long enough.
    pub fn settled(&self) -> Verdict {
        self.settling.set(false);
        self.verdict()
    }

    /// Counts how often a screen has locked.
    pub fn locks(&self) -> u64 {
        self.locks.get()
    }

    /// It was looked at one.
    pub fn see(&self, source: Source, locked: bool) -> Verdict {
        let was = self.locked.borrow_mut().insert(source.clone(), locked);
        match (was, locked) {
            (Some(true), true) => Verdict::Nothing,
            // As it was when the password was typed.
            (None, true) if !self.is_known(source.bus()) => Verdict::Nothing,
            (_, true) => self.rest(Cause::Locked(source)),
            (was, false) => self.change(|rests| {
                // Whoever opens it has heard that it was to be locked.
                if let (Source::Login(path), Some(true)) = (&source, was) {
                    rests.remove(&Cause::Asked(path.clone()));
                }
                // It does not say of which login it is the screen.
                if let (Source::Saver(_), Some(true)) = (&source, was) {
                    rests.retain(|cause| !matches!(cause, Cause::Asked(_)));
                }
                rests.remove(&Cause::Locked(source));
            }),
        }
    }

    /// Nobody tells of it any more, or another one does.
    pub fn left(&self, source: Source) -> Verdict {
        self.locked.borrow_mut().remove(&source);
        self.change(|rests| {
            if rests.remove(&Cause::Locked(source)) {
                rests.insert(Cause::Gone);
            }
        })
    }

    /// Somebody asked that the screen of this login be locked, or opened. Of a login that is none of the owner's
    /// nothing is known.
    pub fn ask(&self, path: &str, lock: bool) -> Verdict {
        let known = self.locked.borrow().contains_key(&Source::Login(path.to_owned()));
        let cause = Cause::Asked(path.to_owned());
        match (known, lock) {
            (false, _) => Verdict::Nothing,
            (true, true) => self.rest(cause),
            (true, false) => self.change(|rests| {
                rests.remove(&cause);
            }),
        }
    }

    /// All that is to be seen there was seen: `logins`, where it is logind.
    pub fn looked(&self, bus: Bus, logins: &BTreeSet<String>) -> Verdict {
        self.know(bus);
        if bus == Bus::Session {
            return Verdict::Nothing;
        }
        let stays = |source: &Source| match source {
            Source::Login(path) => logins.contains(path),
            Source::Saver(_) => true,
        };
        self.locked.borrow_mut().retain(|source, _| stays(source));
        self.change(|rests| {
            let before = rests.len();
            rests.retain(|cause| match cause {
                Cause::Locked(source) => stays(source),
                Cause::Asked(path) => logins.contains(path),
                Cause::Gone => true,
            });
            if rests.len() < before {
                rests.insert(Cause::Gone);
            }
        })
    }

    /// Nothing is to be seen there. What is seen later was not so when the password was typed.
    pub fn lost(&self, bus: Bus) {
        self.know(bus);
        // A login outlives logind's bus. Who has a saver's name later may be another one.
        if bus == Bus::Session {
            self.locked.borrow_mut().retain(|source, _| source.bus() != bus);
        }
    }

    /// What the session that is open has to do with them.
    pub fn heed(&self) -> Option<Heed> {
        self.heed.get()
    }

    /// As the wire has it.
    pub fn state(&self) -> Screen {
        let locked = self.locked.borrow();
        match self.heed.get() {
            None | Some(Heed::Off) => Screen::Unwatched,
            Some(_) if locked.values().any(|locked| *locked) || !self.rests.borrow().is_empty() => {
                Screen::Locked
            }
            Some(_) if locked.is_empty() => Screen::Unseen,
            Some(_) => Screen::Open,
        }
    }

    fn rest(&self, cause: Cause) -> Verdict {
        self.locks.set(self.locks.get() + 1);
        self.change(|rests| {
            rests.insert(cause);
        })
    }

    fn change(&self, change: impl FnOnce(&mut BTreeSet<Cause>)) -> Verdict {
        let mut rests = self.rests.borrow_mut();
        let rested = !rests.is_empty();
        change(&mut rests);
        match (self.heed.get(), rested, !rests.is_empty()) {
            (Some(Heed::Pause), false, true) => Verdict::Pause,
            (Some(Heed::Pause), true, false) => Verdict::Resume,
            (Some(Heed::Lock), _, true) => Verdict::Lock,
            _ => Verdict::Nothing,
        }
    }

    fn verdict(&self) -> Verdict {
        match (self.heed.get(), self.rests.borrow().is_empty()) {
            (None, _) => Verdict::Nothing,
            (Some(Heed::Lock), false) => Verdict::Lock,
            (Some(Heed::Pause), false) => Verdict::Pause,
            (Some(_), _) => Verdict::Resume,
        }
    }

    fn is_known(&self, bus: Bus) -> bool {
        let (system, session) = *self.known.borrow();
        match bus {
            Bus::System => system,
            Bus::Session => session,
        }
    }

    fn know(&self, bus: Bus) {
        match bus {
            Bus::System => self.known.borrow_mut().0 = true,
            Bus::Session => self.known.borrow_mut().1 = true,
        }
    }
}

#[cfg(test)]
#[path = "screens_tests.rs"]
mod tests;
