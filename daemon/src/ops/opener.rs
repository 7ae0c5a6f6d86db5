//! What was typed, as what it may be to the vault: the recovery code, if it looks like one and there is one; else, or if
//! that is not it, the master password, with the device key where its slot is bound to one.

use glassdome_lockmem::LockedBytes;
use glassdome_vault::kdf::{KdfInput, Kek};
use glassdome_vault::{DeviceKey, DeviceKeyId, Error, Keys, SlotKind, Vault};

use super::{device, recovery};
use crate::device::Lacking;

/// What is to be tried, in this order.
pub struct Openers {
    openers: Vec<(KdfInput, LockedBytes)>,
    device: Option<DeviceKey>,
}

/// Why nothing can be tried.
#[derive(Debug, thiserror::Error)]
pub enum Untriable {
    /// The vault cannot be read, or there is no memory.
    #[error(transparent)]
    Vault(#[from] Error),
    /// There is no device key, and it was no recovery code.
    #[error(transparent)]
    Device(#[from] Lacking),
}

impl Openers {
    /// Reads what was typed. `fetch` is asked for the device key, where there is one; that it is not to be had is no
    /// matter for who types the recovery code.
    ///
    /// # Errors
    /// [`Untriable`].
    pub async fn of(
        vault: &Vault,
        typed: LockedBytes,
        fetch: impl AsyncFnOnce(DeviceKeyId) -> Result<DeviceKey, Lacking>,
    ) -> Result<Self, Untriable> {
        let code = recovery::read(typed.expose())?.map(|code| (SlotKind::Recovery, code));
        let mut openers = Vec::with_capacity(2);
        for (kind, secret) in code.into_iter().chain([(SlotKind::Password, typed)]) {
            openers.extend(vault.kdf_input(kind)?.map(|input| (input, secret)));
        }
        let bound_to = openers.last().and_then(|(input, _)| input.device());
        let device = match bound_to {
            None => None,
            Some(id) => match fetch(id).await {
                Ok(device) => Some(device),
                Err(lacking) if openers.len() == 1 => return Err(lacking.into()),
                Err(_) => {
                    openers.pop();
                    None
                }
            },
        };
        Ok(Self { openers, device })
    }

    /// Tries them, until one opens the vault. `derive` does what takes its time.
    ///
    /// # Errors
    /// Those of `derive`; and of the vault, [`Error::WrongPassword`] if none opens it.
    pub async fn open<L>(
        self,
        vault: &Vault,
        derive: impl AsyncFn(KdfInput, LockedBytes) -> Result<Result<Kek, Error>, L>,
    ) -> Result<Result<Keys, Error>, L> {
        for (input, secret) in self.openers {
            let device = self.device.as_ref().filter(|_| input.device().is_some());
            let kek = derive(input, secret).await?.and_then(|kek| device::mixed(kek, device));
            match kek.and_then(|kek| vault.unwrap(&kek)) {
                Err(Error::WrongPassword) => {}
                opened => return Ok(opened),
            }
        }
        Ok(Err(Error::WrongPassword))
    }
}
