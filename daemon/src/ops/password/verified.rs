//! The keys that a password has opened, for one request. A rotation that ends meanwhile leaves them opening nothing,
//! which is no damage of the vault.

use std::ops::Deref;

use glassdome_proto::{Code, Refusal};
use glassdome_vault::Keys;

use crate::state::State;

/// Keys, and which of the vault's master keys they are of.
pub struct Verified {
    keys: Keys,
    rekeyed: u64,
}

impl Verified {
    /// Those of the master key that the vault had when [`State::rekeyed`] was `rekeyed`.
    pub fn of(keys: Keys, rekeyed: u64) -> Self {
        Self { keys, rekeyed }
    }

    /// Makes sure that the vault has no other master key by now.
    ///
    /// # Errors
    /// [`Code::Conflict`] if it has.
    pub fn still(&self, state: &State) -> Result<(), Refusal<'static>> {
        if state.rekeyed() == self.rekeyed {
            return Ok(());
        }
        Err(Refusal::new(Code::Conflict, "the vault got another master key meanwhile. Try again"))
    }

    /// `refusal`, unless it came of another master key.
    pub fn or_still(&self, state: &State, refusal: Refusal<'static>) -> Refusal<'static> {
        self.still(state).err().unwrap_or(refusal)
    }

    /// The keys alone.
    pub fn into_keys(self) -> Keys {
        self.keys
    }
}

impl Deref for Verified {
    type Target = Keys;

    fn deref(&self) -> &Keys {
        &self.keys
    }
}
