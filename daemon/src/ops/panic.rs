//! The panic: the session ends, and none is opened until the master password is given for just that. Any
//! process of the owner may begin one, as it may lock; the disk has it before it is answered.

use std::sync::Arc;

use glassdome_audit::{Event, Outcome};
use glassdome_proto::session;
use glassdome_proto::{Answer, Refusal};
use glassdome_vault::Vault;

use super::Asking;
use crate::worker::Lost;
use crate::{clock, refuse};

/// Begins one, at once. What is left to do is to bring it to the disk.
///
/// # Errors
/// The refusal to send: locked in any case, but without a vault there is nothing to keep closed.
pub fn begin(
    asking: &Asking,
) -> Result<impl Future<Output = Result<Answer<'static>, Refusal<'static>>> + 'static, Refusal<'static>> {
    let state = &asking.state;
    let Some(vault) = state.vault() else {
        state.lock(session::LockReason::Requested);
        return Err(refuse::no_vault());
    };
    let began = state.panic_since().is_none();
    state.begin_panic(clock::now());
    if began {
        tracing::warn!("panic: no session is opened until it is ended");
        // Said before it is stored: a log that fails keeps nobody from it.
        let recorded = asking.record(Event::Panic, Outcome::Allowed, None, "owner");
        recorded.unwrap_or_else(|refusal| tracing::error!("a panic was not recorded: {}", refusal.message));
    }
    let state = state.clone();
    // In a task of its own: it reaches the disk also if the request is given up.
    let storing = tokio::task::spawn_local(async move {
        let _alone = state.panicking.lock().await;
        if let Some(since) = state.unstored_panic() {
            let since = u64::try_from(since.as_millis()).unwrap_or(u64::MAX);
            let stored = state.store.run(move || vault.store_panic(Some(since))).await;
            stored.map_err(refuse::lost)?.map_err(|error| refuse::vault(&error))?;
            state.set_panic_on_disk(true);
        }
        Ok(Answer::Session(session::Answer::Panicked))
    });
    Ok(async { storing.await.unwrap_or_else(|_| Err(refuse::lost(Lost))) })
}

/// Ends it, for whoever has given the password, or the recovery code: `by`.
///
/// # Errors
/// The refusal to send; the panic goes on.
pub async fn end(asking: &Asking, vault: &Arc<Vault>, by: &str) -> Result<(), Refusal<'static>> {
    let state = &asking.state;
    if state.panic_since().is_none() {
        return Ok(());
    }
    asking.record(Event::EndPanic, Outcome::Allowed, None, by)?;
    let _alone = state.panicking.lock().await;
    // First: one that begins anew, or goes on because this request is given up, is stored behind this.
    state.set_panic_on_disk(false);
    let vault = vault.clone();
    let stored = state.store.run(move || vault.store_panic(None)).await;
    stored.map_err(refuse::lost)?.map_err(|error| refuse::vault(&error))?;
    // Had another one begun meanwhile, its lock would have ended this request before it came here.
    state.end_panic();
    Ok(())
}
