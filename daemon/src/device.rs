//! The device key, in the OS keyring: looked for whenever somebody asks where it is, and read only when a password is to
//! be tried; and why it is not to be had. Nobody is asked anything, and nothing is started.

use std::ops::ControlFlow;

use glassdome_proto::session::Keyring;
use glassdome_proto::storage::DeviceKey as Where;
use glassdome_proto::{Code, Refusal};
use glassdome_vault::{DeviceKey, DeviceKeyId, Error, VaultId};
use tokio::time::timeout;
use zeroize::Zeroizing;

use crate::config::Desktop;
use crate::keyring;
use crate::watch::bus::{self, ANSWER};
use crate::watch::items::{self, Found, MOST, What};
use crate::watch::keyring::{FIRST_LOOK, Reach};
use crate::watch::service::{Service, Unanswered};

/// What the items are.
const KIND: &str = "device-key";

/// Why there is no device key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Lacking {
    /// The keyring cannot be asked. How it was seen.
    #[error("the keyring that has its device key cannot be asked")]
    Keyring(Keyring),
    /// It is in a keyring that is locked.
    #[error("the keyring that has its device key is locked")]
    Locked,
    /// It is in none that is open; what may be it lies beside, in one that is locked.
    #[error("its device key is not in the keyring that is open, and may be in one that is locked")]
    Beside,
    /// It is not there.
    #[error("its device key is not in the keyring")]
    Missing,
    /// Something else is in its place.
    #[error("what the keyring has as its device key is another key")]
    Wrong,
    /// So many items claim to be it, that not all were tried.
    #[error("{0} items of the keyring claim to be its device key")]
    Crowd(u32),
    /// There is no memory for it.
    #[error("no locked memory for the device key")]
    Memory,
}

impl Lacking {
    /// What a person is told whose password cannot be tried.
    pub fn refusal(self) -> Refusal<'static> {
        const WHY: &str = "and the master password opens this vault only with the device key that lies in it";
        const CODE: &str = "type the recovery code in its place";
        let (code, message) = match self {
            Self::Locked => (
                Code::Locked,
                format!(
                    "locked: your keyring is locked, {WHY}. Unlock your keyring, then try again; or {CODE}"
                ),
            ),
            Self::Beside => (
                Code::Locked,
                format!(
                    "locked: your keyring is open and does not have the device key of this vault; what claims to be it \
                     lies in another that is locked, {WHY}. Unlock that one, then try again; or {CODE}"
                ),
            ),
            Self::Keyring(seen) => {
                (Code::Locked, format!("locked: {}, {WHY}. {}; or {CODE}", seen.why_not(), mend(seen)))
            }
            Self::Missing => (
                Code::NotFound,
                format!(
                    "the device key of this vault is not in your keyring, and without it the master password opens \
                     nothing. Bring back the keyring that had it; or {CODE}, and then: ctl storage migrate"
                ),
            ),
            Self::Wrong => (
                Code::Corrupt,
                format!(
                    "what your keyring has as the device key of this vault is another key, which opens nothing. Bring \
                     back the keyring that had it; or {CODE}, and then: ctl storage migrate"
                ),
            ),
            Self::Crowd(count) => (
                Code::Corrupt,
                format!(
                    "{count} items of your keyring claim to be the device key of this vault, and of {MOST} that were \
                     tried none is. Look what put them there, and delete them: secret-tool search --all application \
                     glassdome; or {CODE}"
                ),
            ),
            Self::Memory => (Code::Error, format!("{self}. Raise the limit: ulimit -l 64")),
        };
        Refusal::new(code, message)
    }
}

/// What to do where no keyring is seen. A daemon keeps the environment in which it was started.
pub fn mend(seen: Keyring) -> &'static str {
    match seen {
        Keyring::NoBus => "Start the daemon from your desktop session: ctl stop, then glassdome_start there",
        _ => "Start your keyring, then try again",
    }
}

/// How a keyring was seen that did not answer.
pub fn seen_as(unanswered: &Unanswered) -> Keyring {
    match unanswered {
        Unanswered::Lost(_) => Keyring::NoBus,
        Unanswered::Silent | Unanswered::Refused => Keyring::Silent,
    }
}

impl From<Unanswered> for Lacking {
    fn from(unanswered: Unanswered) -> Self {
        seen_as(&unanswered).into()
    }
}

impl From<Keyring> for Lacking {
    fn from(seen: Keyring) -> Self {
        Self::Keyring(seen)
    }
}

/// What the item is that has this device key.
pub fn item(vault: VaultId, key: DeviceKeyId) -> What {
    all(vault).with_id(key.as_bytes())
}

/// What the items are that have device keys of this vault.
pub fn all(vault: VaultId) -> What {
    What::of(vault, KIND)
}

/// Where the device key is, as far as it is told without reading it.
///
/// # Errors
/// [`Unanswered`].
pub async fn place(service: &Service<'_>, vault: VaultId, key: DeviceKeyId) -> Result<Where, Unanswered> {
    let Found { open, locked } = items::find(service, &item(vault, key)).await?;
    Ok(match (open.is_empty(), locked.is_empty()) {
        (false, _) => Where::There,
        (true, false) => Where::Locked,
        (true, true) => Where::Missing,
    })
}

/// Reads the device key.
///
/// # Errors
/// [`Lacking`].
pub async fn read(service: &Service<'_>, vault: VaultId, key: DeviceKeyId) -> Result<DeviceKey, Lacking> {
    let what = item(vault, key);
    let found = items::find(service, &what).await?;
    let is_it = |held: Zeroizing<Vec<u8>>| match DeviceKey::read(&held, key) {
        Ok(device) => ControlFlow::Break(Ok(device)),
        Err(Error::Memory(_)) => ControlFlow::Break(Err(Lacking::Memory)),
        Err(_) => ControlFlow::Continue(()),
    };
    match items::look_through(service, &found, &what, is_it).await? {
        Some(read) => read,
        // One that is locked may be the right one.
        None if !found.locked.is_empty() => Err(Lacking::Locked),
        None if found.open.is_empty() => Err(Lacking::Missing),
        None if found.open.len() > MOST => Err(Lacking::Crowd(found.count())),
        None => Err(Lacking::Wrong),
    }
}

/// As [`read`], of the keyring that the daemon watches, which remembers whether it had another key in its place.
///
/// # Errors
/// [`Lacking`].
pub async fn watched(
    keyring: &keyring::Keyring,
    vault: VaultId,
    key: DeviceKeyId,
) -> Result<DeviceKey, Lacking> {
    let reach = reach(keyring).await?;
    let found = match read(&reach.service(), vault, key).await {
        Err(Lacking::Locked) if keyring.state() == Keyring::Unlocked => Err(Lacking::Beside),
        found => found,
    };
    keyring.misled(matches!(found, Err(Lacking::Wrong | Lacking::Crowd(_))));
    found
}

/// Who is to be asked. A keyring that has only just come is looked for.
///
/// # Errors
/// How the keyring was seen.
pub async fn reach(keyring: &keyring::Keyring) -> Result<Reach, Keyring> {
    if keyring.reached().is_none() {
        // How it is then is told.
        let _ = timeout(FIRST_LOOK, keyring.looked_anew()).await;
    }
    keyring.reached().ok_or_else(|| keyring.state())
}

/// As [`reach`], where no daemon watches: the bus is joined for it.
///
/// # Errors
/// How the keyring was seen.
pub async fn reach_unwatched(desktop: &Desktop) -> Result<Reach, Keyring> {
    let place = desktop.bus.as_ref().ok_or(Keyring::NoBus)?;
    let connection = bus::join(place, ANSWER).await.map_err(|_| Keyring::NoBus)?;
    let reach = Reach::find(connection).await.map_err(|_| Keyring::NoBus)?;
    reach.ok_or(Keyring::NoKeyring)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_reason_is_one_line_with_a_way_out() {
        let seen =
            [Keyring::NoBus, Keyring::NoKeyring, Keyring::NoCollection, Keyring::Silent, Keyring::Unwatched];
        let all = [Lacking::Locked, Lacking::Beside, Lacking::Missing, Lacking::Wrong, Lacking::Crowd(300)]
            .into_iter()
            .chain(seen.map(Lacking::Keyring));
        let mut lines: Vec<String> = all.map(|lacking| lacking.refusal().message.into_owned()).collect();
        assert!(
            lines
                .iter()
                .all(|line| line.contains("recovery code") && !line.contains('\n') && !line.contains("  ")),
            "{lines:?}"
        );
        let count = lines.len();
        lines.sort();
        lines.dedup();
        assert_eq!(lines.len(), count, "each says what it is");
        assert_eq!(Lacking::Locked.refusal().code, Code::Locked);
        for (seen, says) in [(Keyring::NoBus, "ctl stop, then"), (Keyring::NoKeyring, "Start your keyring")] {
            assert!(Lacking::Keyring(seen).refusal().message.contains(says), "{seen:?}");
        }
        assert_eq!(Lacking::Missing.refusal().code, Code::NotFound);
        assert_eq!(Lacking::Wrong.refusal().code, Code::Corrupt);
    }
}
