//! What the OS keyring is to keep of the vault: its newest state that is on the disk, made while there is a key.

use glassdome_vault::{Change, Keys, Mark, SlotKind, Vault};

use super::State;
use crate::kept::{Bytes, Keeping};

impl State {
    /// What the keyring is given to keep.
    pub fn keeping(&self) -> &Keeping {
        &self.keeping
    }

    /// The state of a vault that is bound to the keyring, while a session is open.
    pub fn state_to_keep(&self) -> Option<Bytes> {
        let (vault, keys) = (self.vault()?, self.keys()?);
        let mark = vault.committed_mark().or_else(|| vault.mark(&keys).ok())?;
        is_bound(&vault).then(|| mark.to_kept(&keys))
    }
}

/// That which `change` will leave, of a vault that is bound.
pub(super) fn to_keep_after(change: &Change, vault: &Vault, keys: &Keys) -> Option<Bytes> {
    let mark: Mark = change.mark(vault.id())?;
    is_bound(vault).then(|| mark.to_kept(keys))
}

/// A slot that cannot be read is told of elsewhere.
fn is_bound(vault: &Vault) -> bool {
    vault.kdf_input(SlotKind::Password).is_ok_and(|input| input.is_some_and(|input| input.device().is_some()))
}
