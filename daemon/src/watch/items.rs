//! Items of the OS keyring: found by their attributes, read, stored and taken away; and what ours are called, beside
//! everybody else's. Nothing here unlocks anything, starts anything, or lets a prompt be shown: one that the keyring
//! would show is put off.
//!
//! Names: the [Secret Service API](https://specifications.freedesktop.org/secret-service-spec/0.2/).

use std::collections::HashMap;
use std::ops::ControlFlow;

use glassdome_vault::VaultId;
use zbus::{ObjectPath, OwnedObjectPath, OwnedVariant, Variant};
use zeroize::Zeroizing;

use super::keyring::{ROOT, SERVICE_INTERFACE};
use super::service::{Service, Unanswered};

const COLLECTION_INTERFACE: &str = "org.freedesktop.Secret.Collection";
const ITEM_INTERFACE: &str = "org.freedesktop.Secret.Item";
const PROMPT_INTERFACE: &str = "org.freedesktop.Secret.Prompt";
/// The attribute that says whose an item is, and what ours says. Not `service`, by which the predecessor's are found.
const APPLICATION: (&str, &str) = ("application", "glassdome");
/// As libsecret calls items of no kind that it knows; tools show them by their label then.
const SCHEMA: (&str, &str) = ("xdg:schema", "org.freedesktop.Secret.Generic");
/// How many of one kind are read, however many somebody has put there: some tenths of a second.
pub const MOST: usize = 256;

/// What an item is.
#[derive(Debug, Clone)]
pub struct What {
    vault: String,
    kind: &'static str,
    key: Option<String>,
}

impl What {
    /// All items of that kind that are the vault's.
    pub fn of(vault: VaultId, kind: &'static str) -> Self {
        Self { vault: hex(vault.as_bytes()), kind, key: None }
    }

    /// The one of them with that id.
    #[must_use]
    pub fn with_id(self, id: &[u8]) -> Self {
        Self { key: Some(hex(id)), ..self }
    }

    fn attributes(&self) -> HashMap<&'static str, &str> {
        let own = [APPLICATION, ("vault", self.vault.as_str()), ("kind", self.kind)];
        own.into_iter().chain(self.key.as_deref().map(|key| ("key", key))).collect()
    }
}

/// Where items lie that have some attributes.
#[derive(Debug, Default)]
pub struct Found {
    /// Those that can be read.
    pub open: Vec<OwnedObjectPath>,
    /// Those in a collection that is locked.
    pub locked: Vec<OwnedObjectPath>,
}

impl Found {
    /// How many there are.
    pub fn count(&self) -> u32 {
        u32::try_from(self.open.len() + self.locked.len()).unwrap_or(u32::MAX)
    }
}

/// Why something is not stored, or not taken away.
#[derive(Debug, thiserror::Error)]
pub enum Unmoved {
    /// It would have asked a person.
    #[error("it would have shown a prompt, which was put off")]
    Asks,
    /// See there.
    #[error(transparent)]
    Unanswered(#[from] Unanswered),
}

/// Looks for items.
///
/// # Errors
/// [`Unanswered`].
pub async fn find(service: &Service<'_>, what: &What) -> Result<Found, Unanswered> {
    search(service, &what.attributes()).await
}

/// Looks for items of whomever, by attributes that they have.
///
/// # Errors
/// [`Unanswered`].
pub async fn search(
    service: &Service<'_>,
    attributes: &HashMap<&'static str, &str>,
) -> Result<Found, Unanswered> {
    let (open, locked) = service.ask(&root(), SERVICE_INTERFACE, "SearchItems", attributes).await?;
    Ok(Found { open, locked })
}

/// What the keyring tells of an item.
///
/// # Errors
/// [`Unanswered`].
pub async fn attributes(
    service: &Service<'_>,
    item: &OwnedObjectPath,
) -> Result<HashMap<String, String>, Unanswered> {
    service.property(item, ITEM_INTERFACE, "Attributes").await
}

/// Whether the keyring says of an item that it is that. To be asked before it is read or changed: a keyring may answer a
/// search with more than was looked for.
///
/// # Errors
/// [`Unanswered`].
pub async fn is(service: &Service<'_>, item: &OwnedObjectPath, what: &What) -> Result<bool, Unanswered> {
    let told = attributes(service, item).await?;
    Ok(what.attributes().iter().all(|(name, is)| told.get(*name).is_some_and(|told| told == is)))
}

/// What an item holds.
///
/// # Errors
/// [`Unanswered`].
pub async fn read(service: &Service<'_>, item: &OwnedObjectPath) -> Result<Zeroizing<Vec<u8>>, Unanswered> {
    let session = Session::open(service).await?;
    let held = session.read(service, item).await;
    session.close(service).await;
    held
}

/// What the items hold that are `what` and can be read, one by one, until `look` has seen enough or [`MOST`] were read.
/// What that was, if it was enough.
///
/// # Errors
/// [`Unanswered`].
pub async fn look_through<T>(
    service: &Service<'_>,
    found: &Found,
    what: &What,
    mut look: impl FnMut(Zeroizing<Vec<u8>>) -> ControlFlow<T>,
) -> Result<Option<T>, Unanswered> {
    if found.open.is_empty() {
        return Ok(None);
    }
    let session = Session::open(service).await?;
    let mut seen = Ok(None);
    for item in found.open.iter().take(MOST) {
        let held = match is(service, item, what).await {
            Ok(true) => session.read(service, item).await,
            Ok(false) => continue,
            Err(unanswered) => Err(unanswered),
        };
        match held {
            Ok(held) => {
                if let ControlFlow::Break(enough) = look(held) {
                    seen = Ok(Some(enough));
                    break;
                }
            }
            // It went, or was locked, meanwhile.
            Err(Unanswered::Refused) => {}
            Err(unanswered) => {
                seen = Err(unanswered);
                break;
            }
        }
    }
    session.close(service).await;
    seen
}

/// Stores an item in a collection, in the place of one that is the same [`What`] there. `label` is what a person sees.
///
/// # Errors
/// [`Unmoved`]; then it may be there, or not.
pub async fn store(
    service: &Service<'_>,
    collection: &ObjectPath<'_>,
    what: &What,
    label: &str,
    value: &[u8],
) -> Result<(), Unmoved> {
    let mut attributes = what.attributes();
    attributes.extend([SCHEMA]);
    let properties = HashMap::from([
        ("org.freedesktop.Secret.Item.Label", Variant::from(label)),
        ("org.freedesktop.Secret.Item.Attributes", Variant::from(attributes)),
    ]);
    let session = Session::open(service).await?;
    let body = &(properties, session.secret(value), true);
    let made = service.ask(collection, COLLECTION_INTERFACE, "CreateItem", body).await;
    session.close(service).await;
    let (_, prompt): (OwnedObjectPath, OwnedObjectPath) = made?;
    put_off(service, &prompt).await
}

/// Has an item that is there hold something else.
///
/// # Errors
/// [`Unanswered`]; then it may hold it, or not.
pub async fn replace(service: &Service<'_>, item: &OwnedObjectPath, value: &[u8]) -> Result<(), Unanswered> {
    let session = Session::open(service).await?;
    let set = service.ask(item, ITEM_INTERFACE, "SetSecret", &(session.secret(value),)).await;
    session.close(service).await;
    set
}

/// Takes an item away. One that is gone already is none to complain about.
///
/// # Errors
/// [`Unmoved`].
pub async fn remove(service: &Service<'_>, item: &OwnedObjectPath) -> Result<(), Unmoved> {
    let prompt: OwnedObjectPath = service.ask(item, ITEM_INTERFACE, "Delete", &()).await?;
    put_off(service, &prompt).await
}

/// Whether it was done without asking anybody.
async fn put_off(service: &Service<'_>, prompt: &OwnedObjectPath) -> Result<(), Unmoved> {
    // Thus it says that there is none.
    if prompt.as_str() == "/" {
        return Ok(());
    }
    let dismissed: Result<(), _> = service.ask(prompt, PROMPT_INTERFACE, "Dismiss", &()).await;
    // One that nobody starts is never shown.
    let _ = dismissed;
    Err(Unmoved::Asks)
}

/// In which secrets cross the bus, as they are: who can read there can ask the keyring.
struct Session {
    path: OwnedObjectPath,
}

impl Session {
    async fn open(service: &Service<'_>) -> Result<Self, Unanswered> {
        let plain = &("plain", Variant::from(""));
        let (_, path): (OwnedVariant, _) =
            service.ask(&root(), SERVICE_INTERFACE, "OpenSession", plain).await?;
        Ok(Self { path })
    }

    async fn read(
        &self,
        service: &Service<'_>,
        item: &OwnedObjectPath,
    ) -> Result<Zeroizing<Vec<u8>>, Unanswered> {
        let secret = service.ask(item, ITEM_INTERFACE, "GetSecret", &self.path).await;
        let (_, _, value, _): (OwnedObjectPath, Vec<u8>, Vec<u8>, String) = secret?;
        Ok(Zeroizing::new(value))
    }

    /// As the keyring takes one: the session, no parameters, the value, and of what type it is.
    fn secret<'a>(&'a self, value: &'a [u8]) -> (&'a OwnedObjectPath, &'a [u8], &'a [u8], &'static str) {
        (&self.path, &[], value, "application/octet-stream")
    }

    async fn close(self, service: &Service<'_>) {
        let closed: Result<(), _> =
            service.ask(&self.path, "org.freedesktop.Secret.Session", "Close", &()).await;
        // It ends with the connection at the latest.
        let _ = closed;
    }
}

fn root() -> ObjectPath<'static> {
    ObjectPath::from_static_str_unchecked(ROOT)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_item_is_found_by_whose_it_is_and_what() {
        let all = What::of(VaultId::from_bytes([0xab; 16]), "device-key");
        let one = all.clone().with_id(&[0x01, 0xf0]);
        let of = |what: &What| {
            let mut attributes: Vec<_> =
                what.attributes().into_iter().map(|(name, is)| format!("{name}={is}")).collect();
            attributes.sort();
            attributes.join(" ")
        };
        let vault = "ab".repeat(16);
        assert_eq!(of(&all), format!("application=glassdome kind=device-key vault={vault}"));
        assert_eq!(of(&one), format!("application=glassdome key=01f0 kind=device-key vault={vault}"));
    }
}
