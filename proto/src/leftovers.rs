//! What the predecessor of this program left in the OS keyring: items that any process of the user can read
//! whenever the keyring is open. The daemon finds them, since it is on the keyring's bus; a client takes over
//! what they hold, and has those taken away that it was shown, one by one.

use serde::{Deserialize, Serialize};

use crate::session::Keyring;
use crate::{List, Text, limits};

/// Where the keyring has an item, which is what tells two of one name apart: an object path of D-Bus.
pub type ItemPath<'a> = Text<'a, { limits::LEFTOVER_PATH }>;

/// The name of an item, as the predecessor called it.
pub type ItemName<'a> = Text<'a, { limits::LEFTOVER_NAME }>;

/// What an item held when it was read: SHA-256 over where it is, its name and its value. Another mark says that it was changed since.
pub type Mark = [u8; 32];

/// What a search came to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Found<'a> {
    /// There is nowhere to search, or it does not answer.
    Unsearched(Keyring),
    /// These are there, in the order of their paths.
    Items {
        /// The first of them.
        #[serde(borrow)]
        items: List<Item<'a>, { limits::LEFTOVERS }>,
        /// Whether there are more behind the last one.
        more: bool,
        /// How many there are in all, on any page, whose paths are over the limit: these cannot be named here.
        beyond: u32,
    },
}

/// An item in the keyring.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Item<'a> {
    /// Which.
    #[serde(borrow)]
    pub path: ItemPath<'a>,
    /// Its name; `None` if it has none, or one over the limit, or the keyring does not tell it while it is locked.
    #[serde(borrow)]
    pub name: Option<ItemName<'a>>,
    /// Whether its collection is locked: then it can be neither read nor taken away.
    pub locked: bool,
}

/// What became of an item that was to be taken away.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Fate {
    /// It was taken away.
    Removed,
    /// It is not there any more.
    Gone,
    /// It is left: it holds something else than when it was read.
    Changed,
    /// It is left: its collection is locked.
    Locked,
    /// It is left: the keyring would have asked the person first, and was not let.
    Asks,
    /// It is left: the keyring refused.
    Refused,
}
