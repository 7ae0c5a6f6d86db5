//! What the predecessor of this program left in the OS keyring: finds it, reads it where the keyring is open, and
//! takes away one item at a time, if it still holds what it held when it was read. Nothing here unlocks anything,
//! and a prompt that the keyring would show is put off instead.
//!
//! The predecessor wrote its items with Python's keyring library, as the service `glassdome`: `master_key`, and
//! each secret by its name. How the library writes them: `keyring/backends/SecretService.py` of keyring 25.7.

use std::collections::{BTreeMap, HashMap};

use glassdome_proto::leftovers::{Fate, Found, Item, Mark};
use glassdome_proto::{List, Text, limits};
use sha2::{Digest, Sha256};
use zbus::OwnedObjectPath;
use zeroize::Zeroizing;

use super::items::{self, Unmoved};
use super::service::{Service, Unanswered};

/// As the library calls them, and the predecessor filled them.
const SERVICE: &str = "service";
const USER: &str = "username";
const PREDECESSOR: &str = "glassdome";
const MASTER_KEY: &str = "master_key";

/// What an item is found to be.
pub enum Seen {
    /// It is not there any more, or never was one of the predecessor's.
    Gone,
    /// Its collection is locked.
    Locked,
    /// The keyring does not give it.
    Refused,
    /// It holds this.
    Open(Held),
}

/// What an item holds.
pub struct Held {
    /// Of it.
    pub mark: Mark,
    /// Its value; `None` if it is longer than a message.
    pub value: Option<Zeroizing<Vec<u8>>>,
}

/// What is there, behind the item with the path `after`.
///
/// # Errors
/// [`Unanswered`].
pub async fn find(service: &Service<'_>, after: Option<&str>) -> Result<Found<'static>, Unanswered> {
    let all = search(service, None).await?;
    // A keyring need not tell the attributes of what is locked, but compares them.
    let keys = search(service, Some(MASTER_KEY)).await?;
    let mut paths: BTreeMap<&str, (&OwnedObjectPath, bool)> = BTreeMap::new();
    for (path, locked) in
        all.locked.iter().map(|path| (path, true)).chain(all.open.iter().map(|path| (path, false)))
    {
        paths.insert(path.as_str(), (path, locked));
    }
    let count = paths.len();
    paths.retain(|path, _| path.len() <= limits::LEFTOVER_PATH);
    let beyond = u32::try_from(count - paths.len()).unwrap_or(u32::MAX);
    let mut rest = paths.into_values().filter(|(path, _)| after.is_none_or(|after| path.as_str() > after));
    let mut items = Vec::new();
    for (path, locked) in rest.by_ref().take(limits::LEFTOVERS) {
        let name = match locked {
            true => keys.locked.contains(path).then(|| Text::cut(MASTER_KEY)),
            false => name(service, path).await?,
        };
        let path = Text::new(path.to_string()).expect("those that are longer were left out");
        items.push(Item { path, name, locked });
    }
    let items = List::new(items).expect("no more are taken than it holds");
    Ok(Found::Items { items, more: rest.next().is_some(), beyond })
}

/// What it is called, if it is one of the predecessor's, has a name, and the keyring tells it.
pub async fn name_of(service: &Service<'_>, path: &str) -> Option<String> {
    let item = OwnedObjectPath::try_from(path).ok()?;
    let mut attributes = items::attributes(service, &item).await.ok()?;
    if is_its_own(&attributes) { attributes.remove(USER) } else { None }
}

/// What the item with this path holds.
///
/// # Errors
/// [`Unanswered`].
pub async fn read(service: &Service<'_>, path: &str) -> Result<Seen, Unanswered> {
    let Ok(item) = OwnedObjectPath::try_from(path) else { return Ok(Seen::Gone) };
    match held(service, &item).await {
        Ok(Some(held)) => Ok(Seen::Open(held)),
        Ok(None) | Err(Unanswered::Refused) => why_unread(service, &item).await,
        Err(unanswered) => Err(unanswered),
    }
}

async fn why_unread(service: &Service<'_>, item: &OwnedObjectPath) -> Result<Seen, Unanswered> {
    let all = search(service, None).await?;
    Ok(match (all.open.contains(item), all.locked.contains(item)) {
        (true, _) => Seen::Refused,
        (false, true) => Seen::Locked,
        (false, false) => Seen::Gone,
    })
}

/// Takes it away, if it holds what was marked so.
///
/// # Errors
/// [`Unanswered`]; then it may be gone.
pub async fn remove(service: &Service<'_>, path: &str, mark: &Mark) -> Result<Fate, Unanswered> {
    match read(service, path).await? {
        Seen::Gone => return Ok(Fate::Gone),
        Seen::Locked => return Ok(Fate::Locked),
        Seen::Refused => return Ok(Fate::Refused),
        Seen::Open(held) if held.mark != *mark => return Ok(Fate::Changed),
        Seen::Open(_) => {}
    }
    let Ok(item) = OwnedObjectPath::try_from(path) else { return Ok(Fate::Gone) };
    match items::remove(service, &item).await {
        Ok(()) => Ok(Fate::Removed),
        Err(Unmoved::Asks) => Ok(Fate::Asks),
        Err(Unmoved::Unanswered(Unanswered::Refused)) => Ok(Fate::Refused),
        Err(Unmoved::Unanswered(unanswered)) => Err(unanswered),
    }
}

/// `None` if the keyring does not say that it is one of the predecessor's: nobody else's is read, or taken away, by
/// its path.
async fn held(service: &Service<'_>, item: &OwnedObjectPath) -> Result<Option<Held>, Unanswered> {
    let attributes = items::attributes(service, item).await?;
    if !is_its_own(&attributes) {
        return Ok(None);
    }
    let value = items::read(service, item).await?;
    let mark = mark(item, attributes.get(USER).map(String::as_str), &value);
    Ok(Some(Held { mark, value: Some(value).filter(|value| value.len() <= limits::CHUNK) }))
}

/// Of what makes it what it is: where it is, its name, and its value. Other attributes come and go by themselves:
/// gnome-keyring adds one when it reads its file again. Each piece stands behind its length, so that no two sets of
/// pieces are one text.
fn mark(path: &str, name: Option<&str>, value: &[u8]) -> Mark {
    let mut hash = Sha256::new();
    for piece in [path.as_bytes(), value].into_iter().chain(name.map(str::as_bytes)) {
        hash.update((piece.len() as u64).to_le_bytes());
        hash.update(piece);
    }
    hash.finalize().into()
}

async fn search(service: &Service<'_>, name: Option<&str>) -> Result<items::Found, Unanswered> {
    let attributes = [(SERVICE, PREDECESSOR)].into_iter().chain(name.map(|name| (USER, name))).collect();
    items::search(service, &attributes).await
}

async fn name(
    service: &Service<'_>,
    item: &OwnedObjectPath,
) -> Result<Option<Text<'static, { limits::LEFTOVER_NAME }>>, Unanswered> {
    match items::attributes(service, item).await {
        Ok(mut attributes) => Ok(attributes.remove(USER).and_then(Text::new)),
        // It went meanwhile, or is none.
        Err(Unanswered::Refused) => Ok(None),
        Err(unanswered) => Err(unanswered),
    }
}

fn is_its_own(attributes: &HashMap<String, String>) -> bool {
    attributes.get(SERVICE).is_some_and(|service| service == PREDECESSOR)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_tells_apart_whatever_is_held() {
        let marks = [
            mark("/1", Some("a"), b"v"),
            mark("/2", Some("a"), b"v"),
            mark("/1", Some("a"), b"w"),
            mark("/1", Some("a"), b""),
            mark("/1", Some("b"), b"v"),
            mark("/1", Some(""), b"v"),
            mark("/1", None, b"v"),
            // The same letters, cut elsewhere.
            mark("/1v", Some("a"), b""),
            mark("/1", Some(""), b"va"),
        ];
        assert!(marks.iter().enumerate().all(|(at, one)| !marks[..at].contains(one)));
        assert_eq!(marks[0], mark("/1", Some("a"), b"v"));
    }
}
