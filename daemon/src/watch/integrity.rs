//! After each unlock, compares every row of the vault with the sealed hash over all of them, a few
//! rows at a time between requests: a record that was put back or taken away is noticed, and said.

use std::rc::Rc;
use std::time::Duration;

use glassdome_audit::{Event, Outcome};
use glassdome_vault::{CheckStep, Error};
use tokio::time::timeout;

use crate::journal::{Entry, Who};
use crate::state::State;

/// Rows a step: about a tenth of a millisecond, so that no request notices.
const ROWS: u32 = 128;
/// Between two steps.
const PAUSE: Duration = Duration::from_millis(1);

/// From one beginning to the next, where the file was opened anew meanwhile: at first, and at the most.
const AGAIN: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));

/// Checks the vault once. Ends early when the session ends, and at once while another check is under
/// way: a session that is renewed again and again starts no second one.
pub async fn check(state: Rc<State>) {
    let Some(_only) = Only::begin(&state) else { return };
    let (mut pause, mut locks) = (AGAIN.0, state.locks());
    loop {
        match sound(&state).await {
            Ok(true) => {}
            Ok(false) => {
                tracing::error!("the vault is damaged: rows were put back, changed or taken away");
                report(&state, "rows-altered");
            }
            // What was read of it is no longer held. The disk that refused a change may do so for a while.
            Err(Error::OpenedAnew) => {
                tracing::warn!(
                    "the vault is looked at again in {} s: {}",
                    pause.as_secs(),
                    Error::OpenedAnew
                );
                // A lock ends it at once: the next session's look is not to find this one under way.
                let _ = timeout(pause, locks.changed()).await;
                pause = (pause * 2).min(AGAIN.1);
                continue;
            }
            Err(error) => {
                tracing::error!("the vault could not be checked: {error}");
                if error.is_unreadable() {
                    report(&state, "unreadable");
                }
            }
        }
        return;
    }
}

/// The one check under way.
struct Only<'s>(&'s State);

impl<'s> Only<'s> {
    fn begin(state: &'s State) -> Option<Self> {
        (!state.checking.replace(true)).then_some(Self(state))
    }
}

impl Drop for Only<'_> {
    fn drop(&mut self) {
        self.0.checking.set(false);
    }
}

async fn sound(state: &Rc<State>) -> Result<bool, Error> {
    let Some(vault) = state.vault() else { return Ok(true) };
    let locks = state.locks();
    let begin =
        || Ok::<_, Error>((state.rekeyed(), state.keys().map(|keys| vault.check(&keys)).transpose()?));
    let (mut of, check) = begin()?;
    let Some(mut check) = check else { return Ok(true) };
    loop {
        if of != state.rekeyed() {
            // What was read is of the former file, under keys that are gone.
            let (now, again) = begin()?;
            match again {
                Some(again) => (of, check) = (now, again),
                None => return Ok(true),
            }
        }
        let step = match state.keys() {
            Some(keys) if !locks.has_changed().unwrap_or(true) => check.step(&keys, ROWS)?,
            _ => return Ok(true),
        };
        match step {
            CheckStep::More => tokio::time::sleep(PAUSE).await,
            CheckStep::Sound { rows } => {
                tracing::info!("the vault is sound: {rows} rows");
                return Ok(true);
            }
            CheckStep::Altered { .. } => return Ok(false),
        }
    }
}

fn report(state: &State, by: &str) {
    // Which rows they are is not known.
    state.mark_damaged(true);
    let entry = Entry {
        event: Event::VaultDamaged,
        outcome: Outcome::Failed,
        secret: None,
        to: None,
        by: Some(by),
        peer: Who::Nobody,
    };
    // A log that fails here has locked the session, which is all that is left to do.
    let _ = state.record(entry);
}
