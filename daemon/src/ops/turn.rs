//! One change of the vault at a time: from reading what is there until the next state is on disk.

use std::sync::Arc;

use glassdome_proto::Refusal;
use glassdome_vault::{Change, Error, Vault};
use tokio::sync::OwnedMutexGuard;

use super::Asking;
use super::password::Verified;
use crate::refuse;
use crate::worker::Lost;

/// The turn to change the vault.
#[must_use]
pub struct Turn {
    _held: OwnedMutexGuard<()>,
}

/// A change that is on the disk.
#[must_use]
pub struct InForce {
    /// What does not make it undone, and has to be told.
    lacking: Option<Refusal<'static>>,
}

impl InForce {
    /// Whether nothing is lacking.
    ///
    /// # Errors
    /// The refusal to send, which says that the change is in force.
    pub fn whole(self) -> Result<(), Refusal<'static>> {
        self.lacking.map_or(Ok(()), Err)
    }
}

impl Turn {
    /// Waits for those before.
    pub async fn take(asking: &Asking) -> Self {
        Self { _held: asking.state.changing.clone().lock_owned().await }
    }

    /// As [`Turn::take`], to change what those keys open.
    ///
    /// # Errors
    /// As [`Verified::still`].
    pub async fn take_with(asking: &Asking, keys: &Verified) -> Result<Self, Refusal<'static>> {
        let turn = Self::take(asking).await;
        keys.still(&asking.state)?;
        Ok(turn)
    }

    /// Brings a change to the disk. It goes on, and keeps the turn, even if the request is given up
    /// meanwhile: nobody may draft on top of a state that is about to be replaced. If it fails,
    /// `failed` records that.
    ///
    /// # Errors
    /// The refusal to send; nothing was changed, unless it says so.
    pub async fn commit(
        self,
        asking: &Asking,
        vault: Arc<Vault>,
        change: Change,
        failed: impl FnOnce(&Asking) -> Result<(), Refusal<'static>> + 'static,
    ) -> Result<(), Refusal<'static>> {
        self.commit_then(asking, vault, change, |_| (), failed).await
    }

    /// As [`Turn::commit`]; when the change is on the disk, and before anybody else may draft, `done` is
    /// called, also if the request was given up.
    ///
    /// # Errors
    /// As [`Turn::commit`].
    pub async fn commit_then(
        self,
        asking: &Asking,
        vault: Arc<Vault>,
        change: Change,
        done: impl FnOnce(&Asking) + 'static,
        failed: impl FnOnce(&Asking) -> Result<(), Refusal<'static>> + 'static,
    ) -> Result<(), Refusal<'static>> {
        self.bring_in_force(asking, vault, change, done, failed).await?.whole()
    }

    /// As [`Turn::commit_then`], of a change behind which there is more to be done: that comes before
    /// [`InForce::whole`].
    ///
    /// # Errors
    /// The refusal to send; nothing was changed.
    pub async fn bring_in_force(
        self,
        asking: &Asking,
        vault: Arc<Vault>,
        change: Change,
        done: impl FnOnce(&Asking) + 'static,
        failed: impl FnOnce(&Asking) -> Result<(), Refusal<'static>> + 'static,
    ) -> Result<InForce, Refusal<'static>> {
        let asking = asking.clone();
        let task = tokio::task::spawn_local(async move {
            let committed = asking.state.store.run(move || vault.commit(change)).await;
            if matches!(committed, Ok(Ok(()) | Err(Error::NotOverwritten(_)))) {
                asking.state.note_change();
                done(&asking);
            }
            drop(self);
            let refusal = match committed {
                Ok(Ok(())) => return Ok(InForce { lacking: None }),
                Ok(Err(error @ Error::NotOverwritten(_))) => {
                    tracing::error!("{error}");
                    return Ok(InForce { lacking: Some(refuse::vault(&error)) });
                }
                Ok(Err(error)) => refuse::vault(&error),
                Err(lost) => refuse::lost(lost),
            };
            failed(&asking)?;
            Err(refusal)
        });
        task.await.unwrap_or_else(|_| Err(refuse::lost(Lost)))
    }
}
