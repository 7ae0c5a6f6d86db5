//! The newest state of the vault, as the OS keyring keeps it: where a program that has only files cannot put an older
//! one, and where nobody can make one without the master key. It is written behind the vault, and never waited for: one
//! that is older than the vault is what a crash leaves.

use std::cell::{Cell, RefCell};
use std::ops::ControlFlow;
use std::rc::Rc;
use std::time::Duration;

use glassdome_vault::{Keys, Mark, VaultId};
use tokio::sync::{Mutex, Notify};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use zbus::ObjectPath;
use zeroize::Zeroizing;

use crate::keyring::Sight;
use crate::state::State;
use crate::watch::items::{self, MOST, Unmoved, What};
use crate::watch::keyring::Reach;
use crate::watch::service::Unanswered;

/// What the item is.
const KIND: &str = "vault-state";
/// A keyring that has not answered so long after a password came, is not waited for: the key of that is about to be
/// derived then.
const PATIENCE: Duration = Duration::from_secs(1);

/// A state of the vault as the keyring keeps it.
pub type Bytes = [u8; Mark::KEPT];

/// What the keyring has to say of the vault.
#[derive(Default)]
pub enum Kept {
    /// Nobody could be asked.
    #[default]
    Unknown,
    /// It keeps nothing of it.
    Nothing,
    /// It keeps nothing that can be read; what may be it, or was put there to look so, lies where it is locked.
    Locked,
    /// It keeps these, of which anybody may have put some there.
    Items(Vec<Zeroizing<Bytes>>),
}

/// How a vault differs from what is known of it elsewhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Differs {
    /// It has seen so many changes less.
    Older(u64),
    /// It has seen as many, and the last was another.
    Other,
    /// What is kept was made under a master key that the vault does not know.
    Foreign,
}

impl Kept {
    /// Compares the vault with the newest that is kept of it, which its keys vouch for.
    pub fn compare(&self, mark: &Mark, keys: &Keys) -> Option<Differs> {
        let Self::Items(items) = self else { return None };
        let read = |item: &Zeroizing<Bytes>| Mark::of_kept(&item[..], mark.vault, keys);
        let newest = items.iter().filter_map(read).max_by_key(|kept| kept.generation);
        match newest {
            None => Some(Differs::Foreign),
            Some(newest) => differs(newest.generation, newest.state == mark.state, mark),
        }
    }
}

/// Compares the vault with a state that has seen so many changes, and is the same one if it has seen as many.
pub fn differs(changes: u64, same: bool, mark: &Mark) -> Option<Differs> {
    match changes.checked_sub(mark.generation)? {
        0 => (!same).then_some(Differs::Other),
        missing => Some(Differs::Older(missing)),
    }
}

/// Looks what is kept, while a password is being tried.
pub struct Looking(JoinHandle<Kept>);

impl Looking {
    /// Begins.
    pub fn begin(state: &Rc<State>) -> Self {
        let state = state.clone();
        let looking = async move { timeout(PATIENCE, look_at(&state)).await.unwrap_or_default() };
        Self(tokio::task::spawn_local(looking))
    }

    /// What was seen.
    pub async fn kept(mut self) -> Kept {
        (&mut self.0).await.unwrap_or_default()
    }
}

impl Drop for Looking {
    /// Nobody looks for a password that was refused.
    fn drop(&mut self) {
        self.0.abort();
    }
}

async fn look_at(state: &State) -> Kept {
    let Some(vault) = state.vault() else { return Kept::Unknown };
    let keyring = state.keyring();
    keyring.looked().await;
    let answers = matches!(*keyring.sight(), Sight::Open(_) | Sight::Locked | Sight::NoCollection);
    let Some(reach) = keyring.reached().filter(|_| answers) else { return Kept::Unknown };
    look(&reach, vault.id()).await.unwrap_or_default()
}

/// Looks what is kept of a vault.
///
/// # Errors
/// [`Unanswered`].
pub async fn look(reach: &Reach, vault: VaultId) -> Result<Kept, Unanswered> {
    let service = reach.service();
    let what = item(vault);
    let found = items::find(&service, &what).await?;
    let mut held = Vec::new();
    let gather = |item: Zeroizing<Vec<u8>>| {
        // Nothing else can be one, whatever it says.
        held.extend(Bytes::try_from(&item[..]).ok().map(Zeroizing::new));
        ControlFlow::<()>::Continue(())
    };
    items::look_through(&service, &found, &what, gather).await?;
    Ok(match (held.is_empty(), found.locked.is_empty()) {
        (false, _) => Kept::Items(held),
        (true, true) => Kept::Nothing,
        (true, false) => Kept::Locked,
    })
}

/// Has it kept, in the place of what was: in each item that is there, or in a new one in `collection`, also beside those
/// that are locked: of several the newest counts, and who puts one there keeps nothing from being kept. `label` is what a
/// person sees of it.
///
/// # Errors
/// [`Unkept`].
pub async fn keep(
    reach: &Reach,
    collection: Option<&ObjectPath<'_>>,
    vault: VaultId,
    label: &str,
    bytes: &Bytes,
) -> Result<(), Unkept> {
    let (service, what) = (reach.service(), item(vault));
    let found = items::find(&service, &what).await.map_err(Unmoved::from)?;
    let mut replaced = false;
    for item in found.open.iter().take(MOST) {
        if items::is(&service, item, &what).await.map_err(Unmoved::from)? {
            items::replace(&service, item, bytes).await.map_err(Unmoved::from)?;
            replaced = true;
        }
    }
    match (replaced, collection, found.locked.is_empty()) {
        (true, ..) => Ok(()),
        (false, Some(collection), _) => Ok(items::store(&service, collection, &what, label, bytes).await?),
        (false, None, true) => Err(Unkept::Nowhere),
        (false, None, false) => Err(Unkept::Locked),
    }
}

/// Takes away what is kept of a vault.
///
/// # Errors
/// [`Unkept`]; then some may be left.
pub async fn forget(reach: &Reach, vault: VaultId) -> Result<(), Unkept> {
    let (service, what) = (reach.service(), item(vault));
    let found = items::find(&service, &what).await.map_err(Unmoved::from)?;
    for item in &found.open {
        if items::is(&service, item, &what).await.map_err(Unmoved::from)? {
            items::remove(&service, item).await?;
        }
    }
    if found.locked.is_empty() { Ok(()) } else { Err(Unkept::Locked) }
}

fn item(vault: VaultId) -> What {
    What::of(vault, KIND)
}

/// Why a state is not kept.
#[derive(Debug, thiserror::Error)]
pub enum Unkept {
    /// The keyring that has one is locked, or that which is to have one.
    #[error("the keyring is locked")]
    Locked,
    /// There is no keyring to keep it in.
    #[error("no keyring answers")]
    Nowhere,
    /// The keyring did not take it.
    #[error("the keyring does not take it: {0}")]
    Unmoved(#[from] Unmoved),
}

/// What a daemon has the keyring keep.
#[derive(Debug, Default)]
pub struct Keeping {
    /// The last state of a session that has ended, or what somebody who gave the password has left.
    left: RefCell<Option<Bytes>>,
    asked: Notify,
    kept: Cell<Option<Bytes>>,
    why_not: RefCell<Option<String>>,
    /// Held while the keyring is written to.
    pub turn: Mutex<()>,
}

impl Keeping {
    /// That is to be kept now, and there may be no key any more to make it with.
    pub fn leave(&self, bytes: Bytes) {
        self.left.replace(Some(bytes));
        self.asked.notify_one();
    }

    /// Something is to be kept, or to be kept no more.
    pub async fn asked(&self) {
        self.asked.notified().await;
    }

    /// What was left.
    pub fn take(&self) -> Option<Bytes> {
        self.left.take()
    }

    /// Whether something was, or could not be given to a keyring that is locked or gone.
    pub fn has_left(&self) -> bool {
        self.left.borrow().is_some()
    }

    /// The keyring was given this to keep, or did not take it. If it will when it is open, it is left until then.
    pub fn gave(&self, bytes: Bytes, given: Result<(), Unkept>) {
        if let Err(Unkept::Locked | Unkept::Nowhere) = given {
            self.left.borrow_mut().get_or_insert(bytes);
        }
        self.kept.set(given.is_ok().then_some(bytes));
        let why_not = given.err().map(|error| error.to_string());
        // Tried again and again, and told once.
        if let Some(why_not) =
            why_not.as_ref().filter(|why_not| self.why_not.borrow().as_ref() != Some(why_not))
        {
            tracing::info!("the keyring does not keep the newest state of the vault: {why_not}");
        }
        self.why_not.replace(why_not);
    }

    /// It is kept no more.
    pub fn forgotten(&self) {
        self.left.take();
        self.kept.set(None);
        self.why_not.take();
    }

    /// Why the keyring did not take what it was given last.
    pub fn why_not(&self) -> Option<String> {
        self.why_not.borrow().clone()
    }

    /// What the keyring was last given to keep, by this daemon.
    pub fn kept(&self) -> Option<Bytes> {
        self.kept.get()
    }
}

#[cfg(test)]
#[path = "kept_tests.rs"]
mod tests;
