//! What is said about what the predecessor left.

use glassdome_proto::leftovers::{Fate, Found, Item};
use glassdome_proto::session::{self, Keyring};

use super::{NONCE, bytes, list, text};

/// Replies, with what is special about each.
pub fn replies() -> [(&'static str, session::Answer<'static>); 5] {
    let items = vec![
        Item { path: text("/a/1"), name: Some(text("master_key")), locked: false },
        Item { path: text("/a/2"), name: None, locked: true },
    ];
    [
        ("", session::Answer::Leftovers(Found::Items { items: list(items), more: true, beyond: 0 })),
        ("unsearched", session::Answer::Leftovers(Found::Unsearched(Keyring::NoBus))),
        ("", session::Answer::Leftover { mark: NONCE, value: Some(bytes(b"a2V5")) }),
        ("over the limit", session::Answer::Leftover { mark: NONCE, value: None }),
        ("", session::Answer::LeftoverRemoved(Fate::Changed)),
    ]
}
