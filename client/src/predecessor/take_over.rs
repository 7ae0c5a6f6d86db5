//! Reads all that the predecessor left, once: what can be taken over, what cannot and why, and of each thing what
//! it was when it was read, so that nothing else is deleted in its place.

use std::path::PathBuf;

use glassdome_proto::Code;
use glassdome_proto::leftovers::Mark;
use glassdome_proto::session::Keyring;
use zeroize::Zeroizing;

use super::fernet::Key;
use super::files::{CACHE, Directory, KEY, Opened, STORE, Seen, Unfit};
use super::keyring::{Item, Listing};
use super::{CHECK, MASTER_KEY, sealed};
use crate::connection::Connection;
use crate::error::Error;
use crate::import::{self, Parsed, Place, Skipped};

/// Largest file of its secrets, in bytes.
const LONGEST_STORE: usize = 64 * 1024 * 1024;
/// Longest file of its key, in bytes.
const LONGEST_KEY: usize = 4096;
const NO_KEY: &str = "not a key as the predecessor wrote them";
/// It opens nothing that was found, and may be all that opens what was not.
const NO_STORE: &str = "the key of a store that is not here: name its directory, --dir DIR";

/// All that it left.
#[derive(Default)]
pub(crate) struct Estate {
    /// Its items in the keyring, in the order of their paths.
    pub(crate) items: Vec<Left>,
    /// Whether there are items beside these.
    pub(crate) more: bool,
    /// Why the keyring was not searched.
    pub(crate) unsearched: Option<Keyring>,
    /// What cannot be read, or not now, and so not be deleted either.
    pub(crate) unread: Vec<Skipped>,
    /// What went while it was read, each in a word fit for a terminal.
    pub(crate) gone: Vec<String>,
    /// What the items hold.
    pub(crate) in_keyring: Parsed,
    /// What its file holds, and what of a key file is no key.
    pub(crate) in_file: Parsed,
    /// Its files.
    pub(crate) files: Files,
}

/// An item in the keyring.
pub(crate) struct Left {
    pub(crate) item: Item,
    pub(crate) is_key: bool,
    /// Of what it held; `None` if it could not be read.
    pub(crate) mark: Option<Mark>,
}

/// Its files, as they were found.
#[derive(Default)]
pub(crate) struct Files {
    /// Where they are, if there is such a directory.
    pub(crate) opened: Option<Opened>,
    pub(crate) cache: Option<Seen>,
    pub(crate) key: Option<Seen>,
    /// Whether there is nothing in the file of the key, or zeros only.
    pub(crate) key_is_empty: bool,
    pub(crate) store: Option<Seen>,
    /// What was left alone, and why.
    pub(crate) unfit: Vec<(PathBuf, Unfit)>,
}

impl Estate {
    /// Reads it.
    ///
    /// # Errors
    /// The daemon's refusal, if it is not about a single item: of the session, or of who asks.
    pub(crate) fn read(connection: &mut Connection, directory: Option<&Directory>) -> Result<Self, Error> {
        let listing = connection.leftovers()?;
        let files = directory.map(Files::find).unwrap_or_default();
        // What can be read is read for the person, while a session lasts.
        if listing.items.iter().any(|item| !item.locked) || files.store.is_some() {
            connection.require_session()?;
        }
        let mut estate = Self { files, ..Self::default() };
        let keys = estate.read_items(connection, listing)?;
        estate.read_files(keys);
        Ok(estate)
    }

    /// Whether a key of its is there that can be deleted.
    pub(crate) fn has_key(&self) -> bool {
        (self.files.key.is_some() && !self.files.key_is_empty)
            || self.items.iter().any(|left| left.is_key && left.mark.is_some())
    }

    /// Everything that can be taken over. Of one name that is in both, what is in the keyring, where the predecessor
    /// looked first, comes last and so counts.
    pub(crate) fn parsed(&mut self) -> Parsed {
        let mut parsed = std::mem::take(&mut self.in_file);
        let in_keyring = std::mem::take(&mut self.in_keyring);
        parsed.items.extend(in_keyring.items);
        parsed.skipped.extend(in_keyring.skipped);
        parsed
    }

    /// As [`Estate::parsed`], of what is lost when all is deleted that can be: without its key, that is also what is
    /// sealed.
    pub(crate) fn at_stake(&mut self) -> Parsed {
        match self.has_key() {
            true => self.parsed(),
            false => std::mem::take(&mut self.in_keyring),
        }
    }

    fn read_items(&mut self, connection: &mut Connection, listing: Listing) -> Result<Keys, Error> {
        let mut keys = Keys::default();
        (self.more, self.unsearched) = (listing.more, listing.unsearched);
        if listing.more {
            let reason = "more items than are looked at".to_owned();
            self.unread.push(Skipped { place: Place::Path("keyring".to_owned()), reason });
        }
        for item in listing.items {
            let is_key = item.name.as_deref() == Some(MASTER_KEY);
            let mark = match item.locked {
                true => {
                    self.left_unread(&item, "locked: open the keyring, and try again");
                    None
                }
                false => self.read_item(connection, &item, &mut keys)?,
            };
            self.items.push(Left { item, is_key, mark });
        }
        if self.items.iter().any(|left| left.mark.is_none() && !left.item.locked) {
            let now = connection.leftovers()?;
            self.forget_gone(&now);
        }
        Ok(keys)
    }

    /// What could not be read since it is there no more is nothing to be read.
    fn forget_gone(&mut self, now: &Listing) {
        let (gone, items): (Vec<Left>, Vec<Left>) = std::mem::take(&mut self.items)
            .into_iter()
            .partition(|left| left.mark.is_none() && now.lacks(&left.item.path));
        self.items = items;
        self.gone = gone.iter().map(|left| left.item.shown()).collect();
        self.unread.retain(|unread| !matches!(&unread.place, Place::Path(path) if self.gone.contains(path)));
    }

    fn read_item(
        &mut self,
        connection: &mut Connection,
        item: &Item,
        keys: &mut Keys,
    ) -> Result<Option<Mark>, Error> {
        let place = Place::Path(item.shown());
        let held = match connection.leftover(item) {
            Ok(held) => held,
            // Of this one: the others are read all the same.
            Err(Error::Refused { code: Code::NotFound | Code::Error, message, .. }) => {
                self.left_unread(item, &message);
                return Ok(None);
            }
            Err(error) => return Err(error),
        };
        match (&item.name, held.value) {
            (_, None) => self.in_keyring.skip(place, "too long to be taken over"),
            (None, _) => {
                self.in_keyring.skip(place, "without a name, or with one that is too long for a secret's")
            }
            (Some(name), Some(value)) if (name.as_str(), &**value) == CHECK => {}
            (Some(name), Some(value)) if name == MASTER_KEY => match Key::parse_wrapped(&value) {
                Some(key) => keys.push(place, key),
                None => self.in_keyring.skip(place, NO_KEY),
            },
            (Some(name), Some(value)) => {
                self.in_keyring.items.push(import::Item { place, key: name.clone(), value });
            }
        }
        Ok(Some(held.mark))
    }

    fn left_unread(&mut self, item: &Item, reason: &str) {
        self.unread.push(Skipped { place: Place::Path(item.shown()), reason: reason.to_owned() });
    }

    fn read_files(&mut self, mut keys: Keys) {
        let mut parsed = Parsed::default();
        let whole = |path: PathBuf| Place::Path(path.to_string_lossy().into_owned());
        for (path, unfit) in self.files.unfit.iter().filter(|(path, _)| !path.ends_with(CACHE)) {
            parsed.skip(whole(path.clone()), unfit.to_string());
        }
        let Some(opened) = &self.files.opened else {
            keys.tell_unused(&[], &mut parsed);
            self.in_file = parsed;
            return;
        };
        let mut read = |seen: &mut Option<Seen>, name, max| -> Option<Zeroizing<Vec<u8>>> {
            seen.as_ref()?;
            match opened.read(name, max) {
                Ok(Some((found, bytes))) => {
                    *seen = Some(found);
                    Some(bytes)
                }
                Ok(None) => {
                    *seen = None;
                    None
                }
                Err(unfit) => {
                    parsed.skip(whole(opened.path(name)), unfit.to_string());
                    None
                }
            }
        };
        let key = read(&mut self.files.key, KEY, LONGEST_KEY);
        let store = read(&mut self.files.store, STORE, LONGEST_STORE);
        if let Some(key) = key {
            match Key::parse(&key) {
                Some(key) => keys.push(whole(opened.path(KEY)), key),
                // What is left where a key was overwritten and the directory did not let it go.
                None if key.iter().all(|byte| *byte == 0) => self.files.key_is_empty = true,
                None => parsed.skip(whole(opened.path(KEY)), NO_KEY),
            }
        }
        let used = match store.map(|store| sealed::open(&store, &keys.keys)) {
            None => Vec::new(),
            Some(Ok(read)) => {
                parsed.items.extend(read.parsed.items);
                parsed.skipped.extend(read.parsed.skipped);
                read.used
            }
            Some(Err(error)) => {
                let reason = format!("not the predecessor's: line {}: {}", error.line, error.reason);
                parsed.skip(whole(opened.path(STORE)), reason);
                Vec::new()
            }
        };
        keys.tell_unused(&used, &mut parsed);
        self.in_file = parsed;
    }
}

/// The keys that were found, and where each lies.
#[derive(Default)]
struct Keys {
    keys: Vec<Key>,
    places: Vec<Place>,
}

impl Keys {
    fn push(&mut self, place: Place, key: Key) {
        self.keys.push(key);
        self.places.push(place);
    }

    /// Says which have opened nothing; none that `used` does not speak of has opened anything.
    fn tell_unused(self, used: &[bool], parsed: &mut Parsed) {
        for (at, place) in self.places.into_iter().enumerate() {
            if used.get(at) != Some(&true) {
                parsed.skip(place, NO_STORE);
            }
        }
    }
}

impl Files {
    /// Finds them, and opens none.
    pub(crate) fn find(directory: &Directory) -> Self {
        let mut files = Self::default();
        let opened = match directory.open() {
            Ok(Some(opened)) => opened,
            Ok(None) => return files,
            Err(unfit) => {
                files.unfit.push((directory.path().to_owned(), unfit));
                return files;
            }
        };
        for (name, found) in [(CACHE, &mut files.cache), (KEY, &mut files.key), (STORE, &mut files.store)] {
            match opened.look(name) {
                None => {}
                Some(Ok(seen)) => *found = Some(seen),
                Some(Err(unfit)) => files.unfit.push((opened.path(name), unfit)),
            }
        }
        files.opened = Some(opened);
        files
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(path: &str, name: Option<&str>) -> Item {
        Item { path: path.to_owned(), name: name.map(str::to_owned), shared: false, locked: false }
    }

    #[test]
    fn what_went_while_it_was_read_is_not_told_as_unread() {
        let read = |now: Listing| {
            let mut estate = Estate::default();
            for (path, mark) in [("/read", Some([0; 32])), ("/gone", None), ("/refused", None)] {
                let item = item(path, Some(&path[1..]));
                if mark.is_none() {
                    estate.left_unread(&item, "why");
                }
                estate.items.push(Left { item, is_key: false, mark });
            }
            estate.forget_gone(&now);
            let places = estate.unread.iter().map(|unread| unread.place.to_string()).collect::<Vec<_>>();
            (estate.items.len(), places.join(" "), estate.gone.join(" "))
        };
        let still = || Listing { items: vec![item("/refused", None)], ..Listing::default() };
        let told = |unread: &str, gone: &str, items| (items, unread.to_owned(), gone.to_owned());
        assert_eq!(read(still()), told("keyring:refused", "keyring:gone", 2));
        // Where not all of it was seen, nothing is known to be gone.
        let all = told("keyring:gone keyring:refused", "", 3);
        assert_eq!(read(Listing { more: true, ..still() }), all);
        assert_eq!(read(Listing { unsearched: Some(Keyring::Silent), ..still() }), all);
    }

    #[test]
    fn a_key_that_opened_nothing_is_told() {
        let keys = || {
            let mut keys = Keys::default();
            for place in ["one", "other"] {
                let key = Key::parse(sealed::tests::KEY).unwrap();
                keys.push(Place::Path(place.to_owned()), key);
            }
            keys
        };
        for (used, told) in [(&[][..], "one other"), (&[true, false], "other"), (&[true, true], "")] {
            let mut parsed = Parsed::default();
            keys().tell_unused(used, &mut parsed);
            let places: Vec<String> =
                parsed.skipped.iter().map(|skipped| skipped.place.to_string()).collect();
            assert_eq!(places.join(" "), told);
        }
    }
}
