//! Whether what is seen of the OS keyring ends the session. Pure: [`watch::keyring`](crate::watch::keyring)
//! looks, and this judges.
//!
//! A session relies on the keyring from the moment that it is seen open. Whatever else is seen then is an
//! end: locked, gone, silent, another collection, or another program that says it is the keyring.

use std::cell::{Cell, Ref, RefCell};

use glassdome_proto::session::{self as wire};
use tokio::sync::Notify;

use crate::watch::keyring::Reach;

/// What was seen at a look.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Sight {
    /// Nobody has looked yet.
    #[default]
    Unwatched,
    /// There is no session bus, or it does not answer.
    NoBus,
    /// Nobody on the bus has the name of the keyring.
    NoKeyring,
    /// The keyring has no such collection.
    NoCollection,
    /// The keyring does not answer.
    Silent,
    /// A collection that is locked.
    Locked,
    /// A collection that is open.
    Open(Collection),
}

/// A collection of secrets. No two have the same, while one connection to the bus lasts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Collection {
    /// Who has it, by the name that the bus gives to one connection only.
    pub owner: String,
    /// Where it has it.
    pub path: String,
}

impl Sight {
    fn open(&self) -> Option<&Collection> {
        match self {
            Self::Open(collection) => Some(collection),
            _ => None,
        }
    }
}

/// What a session has to do with the keyring: a sealed setting.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Heed {
    /// Nothing.
    Off,
    /// It ends with it.
    #[default]
    Lock,
    /// It ends with it, and begins only while it is open.
    Require,
}

impl Heed {
    /// Reads the text that is sealed.
    pub fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "off" => Self::Off,
            "lock" => Self::Lock,
            "require" => Self::Require,
            _ => return None,
        })
    }
}

/// The keyring of one daemon's user.
#[derive(Debug, Default)]
pub struct Keyring {
    sight: RefCell<Sight>,
    /// Of the session that is open.
    heed: Cell<Option<Heed>>,
    falls: Cell<u64>,
    seen: Notify,
    asked: Notify,
    reach: RefCell<Option<Reach>>,
    misled: Cell<bool>,
}

impl Keyring {
    /// It was looked. Whether the session must end for what was seen.
    #[must_use = "the session is to be ended"]
    pub fn see(&self, sight: Sight) -> bool {
        let was = self.sight.replace(sight);
        self.seen.notify_waiters();
        let fell = was.open().is_some() && was.open() != self.sight.borrow().open();
        self.falls.set(self.falls.get() + u64::from(fell));
        fell && self.heed.get().is_some_and(|heed| heed != Heed::Off)
    }

    /// A session has begun.
    pub fn begin(&self, heed: Heed) {
        self.heed.set(Some(heed));
    }

    /// None is open any more.
    pub fn end(&self) {
        self.heed.set(None);
    }

    /// What was seen last.
    pub fn sight(&self) -> Ref<'_, Sight> {
        self.sight.borrow()
    }

    /// What the session that is open has to do with it.
    pub fn heed(&self) -> Option<Heed> {
        self.heed.get()
    }

    /// Counts how often it was open, and then was not. Whoever sees another count than when a password
    /// was typed has been overtaken by a lock.
    pub fn falls(&self) -> u64 {
        self.falls.get()
    }

    /// Asks for a look, now.
    pub fn ask(&self) {
        self.asked.notify_one();
    }

    /// Waits until somebody asks for a look.
    pub async fn asked(&self) {
        self.asked.notified().await;
    }

    /// Waits until it is seen open, at a look from here on.
    pub async fn opened(&self) {
        loop {
            self.seen.notified().await;
            if self.sight().open().is_some() {
                return;
            }
        }
    }

    /// Waits for the first look of all.
    pub async fn looked(&self) {
        while *self.sight() == Sight::Unwatched {
            self.seen.notified().await;
        }
    }

    /// Asks for a look, and waits for it.
    pub async fn looked_anew(&self) {
        let seen = self.seen.notified();
        self.ask();
        seen.await;
    }

    /// It can be called now, or not any more.
    pub fn reach(&self, reach: Option<Reach>) {
        self.reach.replace(reach);
    }

    /// Who can be called.
    pub fn reached(&self) -> Option<Reach> {
        self.reach.borrow().clone()
    }

    /// A device key was read: whether it was another than it was found as.
    pub fn misled(&self, misled: bool) {
        self.misled.set(misled);
    }

    /// Whether the last device key that was read was another.
    pub fn was_misled(&self) -> bool {
        self.misled.get()
    }

    /// As the wire has it.
    pub fn state(&self) -> wire::Keyring {
        match *self.sight() {
            Sight::Unwatched => wire::Keyring::Unwatched,
            Sight::NoBus => wire::Keyring::NoBus,
            Sight::NoKeyring => wire::Keyring::NoKeyring,
            Sight::NoCollection => wire::Keyring::NoCollection,
            Sight::Silent => wire::Keyring::Silent,
            Sight::Locked => wire::Keyring::Locked,
            Sight::Open(_) => wire::Keyring::Unlocked,
        }
    }
}

#[cfg(test)]
#[path = "keyring_tests.rs"]
mod tests;
