//! Its items in the OS keyring, as the daemon finds them, which is on the keyring's bus.

use std::collections::HashMap;

use glassdome_proto::leftovers::{Fate, Found, Mark};
use glassdome_proto::session::{Answer as SessionAnswer, Keyring, Request};
use glassdome_proto::{Answer, Body, Text};
use zeroize::Zeroizing;

use crate::connection::Connection;
use crate::error::{Error, printable};

/// So many are looked at, and more are said to be there: a program of the user's can put any number into a keyring.
const MOST: usize = 4096;

/// What a search found.
#[derive(Default)]
pub(crate) struct Listing {
    /// In the order of their paths.
    pub(crate) items: Vec<Item>,
    /// Whether there are more than are looked at, or such as cannot be named to the daemon.
    pub(crate) more: bool,
    /// Why the keyring was not searched, or not to the end.
    pub(crate) unsearched: Option<Keyring>,
}

/// An item in the keyring.
#[derive(Debug, Clone)]
pub(crate) struct Item {
    /// Which: no two have the same.
    pub(crate) path: String,
    /// As the predecessor called it, if it is known and could be a secret's.
    pub(crate) name: Option<String>,
    /// Whether another one has that name, too.
    pub(crate) shared: bool,
    /// Whether its collection is locked.
    pub(crate) locked: bool,
}

/// What an item held when it was read.
pub(crate) struct Held {
    pub(crate) mark: Mark,
    /// `None` if it is longer than a message.
    pub(crate) value: Option<Zeroizing<Vec<u8>>>,
}

impl Listing {
    /// Whether nothing is at this path: all that is there was told.
    pub(crate) fn lacks(&self, path: &str) -> bool {
        self.unsearched.is_none() && !self.more && self.items.iter().all(|item| item.path != path)
    }
}

impl Item {
    /// What a person knows it by, fit for a terminal.
    pub(crate) fn shown(&self) -> String {
        let path = printable(&self.path);
        match self.name.as_deref().map(printable) {
            Some(name) if self.shared => format!("keyring:{name} ({path})"),
            Some(name) => format!("keyring:{name}"),
            None => format!("keyring:{path}"),
        }
    }
}

impl Connection {
    /// What is there.
    ///
    /// # Errors
    /// As [`Connection::call`].
    pub(crate) fn leftovers(&mut self) -> Result<Listing, Error> {
        let mut listing = self.all_pages()?;
        let mut counts: HashMap<String, usize> = HashMap::new();
        for name in listing.items.iter().filter_map(|item| item.name.clone()) {
            *counts.entry(name).or_default() += 1;
        }
        for item in &mut listing.items {
            item.shared = item.name.as_ref().is_some_and(|name| counts[name] > 1);
        }
        Ok(listing)
    }

    fn all_pages(&mut self) -> Result<Listing, Error> {
        let mut listing = Listing::default();
        loop {
            let after = listing.items.last().and_then(|item| Text::new(item.path.clone()));
            let page = match self.call(Body::Session(Request::Leftovers { after }))? {
                Answer::Session(SessionAnswer::Leftovers(page)) => page,
                _ => return Err(Error::Unexpected),
            };
            match page {
                Found::Unsearched(why) => {
                    listing.unsearched = Some(why);
                    return Ok(listing);
                }
                Found::Items { items, more, beyond } => {
                    let ends = !more || items.is_empty();
                    listing.items.extend(items.into_vec().into_iter().map(|item| Item {
                        path: item.path.into_owned(),
                        name: item.name.map(Text::into_owned),
                        shared: false,
                        locked: item.locked,
                    }));
                    listing.more = beyond > 0 || more;
                    if ends || listing.items.len() >= MOST {
                        return Ok(listing);
                    }
                }
            }
        }
    }

    /// What one of them holds.
    ///
    /// # Errors
    /// As [`Connection::call`].
    pub(crate) fn leftover(&mut self, item: &Item) -> Result<Held, Error> {
        let held = match self.call(Body::Session(Request::Leftover { item: Text::cut(&*item.path) }))? {
            // Copied out of a buffer that is wiped with the next answer.
            Answer::Session(SessionAnswer::Leftover { mark, value }) => {
                Held { mark, value: value.map(|value| Zeroizing::new(value.expose().to_vec())) }
            }
            _ => return Err(Error::Unexpected),
        };
        self.forget();
        Ok(held)
    }

    /// Takes one of them away, if it still holds what it held.
    ///
    /// # Errors
    /// As [`Connection::call`].
    pub(crate) fn remove_leftover(&mut self, item: &Item, mark: Mark) -> Result<Fate, Error> {
        let item = Text::cut(&*item.path);
        match self.call(Body::Session(Request::RemoveLeftover { item, mark }))? {
            Answer::Session(SessionAnswer::LeftoverRemoved(fate)) => Ok(fate),
            _ => Err(Error::Unexpected),
        }
    }
}
