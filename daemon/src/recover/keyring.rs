//! The keyring, for a recovery: no daemon watches it then, so the bus is joined for this, once, when something is wanted.

use std::cell::RefCell;
use std::time::Duration;

use glassdome_proto::session::Keyring as Seen;
use glassdome_vault::{DeviceKey, DeviceKeyId, Vault, VaultId};
use tokio::runtime::Runtime;
use tokio::time::timeout;

use crate::config::Desktop;
use crate::device::{self, Lacking};
use crate::kept::{self, Bytes, Kept};
use crate::keyring::Sight;
use crate::run::Error;
use crate::watch::keyring::Reach;

/// Who is asked for what only makes a recovery better is given up after this long.
const PATIENCE: Duration = Duration::from_secs(2);

/// The keyring of whoever recovers.
pub(super) struct Keyring<'c> {
    desktop: &'c Desktop,
    runtime: Runtime,
    reach: RefCell<Option<Reach>>,
}

impl<'c> Keyring<'c> {
    /// None is joined yet.
    ///
    /// # Errors
    /// What the system says.
    pub fn new(desktop: &'c Desktop) -> Result<Self, Error> {
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(Error::Io)?;
        Ok(Self { desktop, runtime, reach: RefCell::default() })
    }

    /// Waits for what asks it.
    pub fn wait<T>(&self, asking: impl Future<Output = T>) -> T {
        self.runtime.block_on(asking)
    }

    /// Reads a device key.
    ///
    /// # Errors
    /// [`Lacking`].
    pub async fn device_key(&self, vault: &Vault, key: DeviceKeyId) -> Result<DeviceKey, Lacking> {
        let reach = self.reach().await?;
        let read = device::read(&reach.service(), vault.id(), key).await;
        match read {
            Err(Lacking::Locked) => {
                let sight = reach.look(self.desktop.keyring.as_ref()).await;
                Err(if let Sight::Open(_) = sight { Lacking::Beside } else { Lacking::Locked })
            }
            Err(Lacking::Keyring(_)) => {
                // Whoever tries again may have started it anew.
                self.reach.take();
                read
            }
            read => read,
        }
    }

    /// What it keeps of the vault.
    pub fn kept(&self, vault: &Vault) -> Kept {
        let looking = async { kept::look(&self.reach().await.ok()?, vault.id()).await.ok() };
        self.wait(async { timeout(PATIENCE, looking).await }).ok().flatten().unwrap_or_default()
    }

    /// Has it keep that state of the vault, where it keeps one. Where it does not, the next unlock may ask whether that
    /// is an older vault, and nothing is lost.
    pub fn keep(&self, vault: VaultId, newest: &Bytes) {
        let keeping = async {
            let reach = self.reach().await.ok()?;
            kept::keep(&reach, None, vault, "", newest).await.ok()
        };
        let _ = self.wait(async { timeout(PATIENCE, keeping).await });
    }

    async fn reach(&self) -> Result<Reach, Seen> {
        if let Some(reach) = &*self.reach.borrow() {
            return Ok(reach.clone());
        }
        let reach = device::reach_unwatched(self.desktop).await?;
        Ok(self.reach.borrow_mut().insert(reach).clone())
    }
}

impl Drop for Keyring<'_> {
    fn drop(&mut self) {
        // A connection ends where its tasks run.
        let _inside = self.runtime.enter();
        self.reach.take();
    }
}
