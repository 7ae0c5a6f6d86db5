//! Who is not served: recorded first, and then told.

use std::os::fd::OwnedFd;
use std::rc::Rc;

use glassdome_audit::{self as audit, Event};
use glassdome_proto::{Outcome, Reply};

use super::connection::Shared;
use super::handshake::Failed;
use super::wire::{Ended, Outbox, send_last};
use crate::attest::Unattested;
use crate::journal::{Entry, Recorded, Who};
use crate::refuse;
use crate::state::State;

/// Records why a peer is not served, and then tells it.
pub async fn see_off(shared: Rc<Shared>, accepted: OwnedFd, not_met: Failed) {
    failed(&shared, &not_met);
    match not_met {
        Failed::Unknown(reason) => turn_away(accepted, &shared.outbox, &reason).await,
        other => other.tell().await,
    }
}

/// A handshake that failed, in the audit and in the diagnostics.
pub fn failed(shared: &Shared, failed: &Failed) {
    let (who, reason) = match failed {
        Failed::Unknown(reason) | Failed::Untold(None, reason, _) => {
            let who = match reason {
                Unattested::OtherUser { uid, .. } => Who::User { uid: *uid, pid: None },
                Unattested::NoPeer(_) => Who::Nobody,
                // Whose user is looked at first.
                other => Who::User { uid: shared.state.owner(), pid: other.pid() },
            };
            (who, reason)
        }
        Failed::Known(identity, Ended::Unattested(reason)) | Failed::Untold(Some(identity), reason, _) => {
            (Who::Process(identity.kernel()), reason)
        }
        Failed::Known(_, Ended::Closed) | Failed::Early(Ended::Closed) => return,
        Failed::Known(_, ended) | Failed::Early(ended) => {
            return tracing::debug!("a connection ended: {ended}");
        }
    };
    refused(&shared.state, who, reason);
}

/// A peer that is not served, in the audit and in the diagnostics: neither can be filled by it.
pub fn refused(state: &State, who: Who<'_>, reason: &Unattested) {
    let by = Some(reason.word());
    let entry = Entry {
        event: Event::Connect,
        outcome: audit::Outcome::Denied,
        secret: None,
        to: None,
        by,
        peer: who,
    };
    // A log that fails has locked the session; this peer gets nothing either way.
    if state.record(entry) == Ok(Recorded::Written) {
        tracing::warn!("refused: {reason}");
    }
}

async fn turn_away(accepted: OwnedFd, outbox: &Outbox, reason: &Unattested) {
    let refusal = refuse::unattested(reason);
    // It may be gone, or not listening; it is told if it can be.
    let _ = send_last(accepted, outbox, &Reply { id: 0, outcome: Outcome::Err(refusal) }).await;
}
