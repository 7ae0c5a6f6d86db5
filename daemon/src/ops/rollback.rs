//! An older vault that was put back: noticed by what the log tells of the newest, whenever the password was right, and
//! refused, unless its owner says that it was they who put it there.
//!
//! The log tells a state of the vault only once that is on the disk: so whatever a crash takes, an honest vault is never
//! behind the log.

use std::sync::Arc;

use glassdome_audit::{Event, Outcome, Vault as Told};
use glassdome_proto::{Code, Refusal};
use glassdome_vault::{Mark, Vault};

use super::password::{self, Verified};
use super::{Asking, Turn};
use crate::refuse;
use crate::state::log::{anchor_of, told};

/// So many changes are believed to be missing. Whoever can write to the log can have it tell any number: more than this
/// is accepted without counting on from there, or the count would come to its end.
const PLAUSIBLE: u64 = 1 << 40;

/// How a vault differs from what the log tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Differs {
    /// It has seen so many changes less.
    Older(u64),
    /// It has seen as many, and the last was another.
    Other,
}

/// Compares the vault with what the log tells. Of another vault the log tells nothing.
fn compare(log: Option<Told>, mark: &Mark) -> Option<Differs> {
    let log = log.filter(|log| log.id.0 == *mark.vault.as_bytes())?;
    match log.changes.checked_sub(mark.generation)? {
        0 => (log.state.0 != mark.state).then_some(Differs::Other),
        missing => Some(Differs::Older(missing)),
    }
}

/// What a vault counts on from that differs from what the log tells and is gone on with: behind all that the log knows,
/// so that what is put aside by this is noticed, too, if it comes back. `None` if it does not differ.
pub(crate) fn count_on(log: Option<Told>, mark: &Mark) -> Option<u64> {
    let behind = match compare(log, mark)? {
        Differs::Older(missing) if missing <= PLAUSIBLE => mark.generation + missing,
        Differs::Older(_) | Differs::Other => mark.generation,
    };
    Some(behind + 1)
}

/// Makes sure that the vault is no older one than the log knows.
///
/// # Errors
/// The refusal to send.
pub async fn refuse_older(asking: &Asking, vault: &Vault, keys: &Verified) -> Result<(), Refusal<'static>> {
    let mark = vault.mark(keys).map_err(|error| keys.or_still(&asking.state, refuse::vault(&error)))?;
    let Some(differs) = compare(asking.state.journal().vault(), &mark) else {
        asking.state.journal().know_vault(told(mark));
        return Ok(());
    };
    let (by, what) = match differs {
        Differs::Other => (
            "other",
            "the vault is not the one that the audit log knows: its last change is another".to_owned(),
        ),
        Differs::Older(missing) => {
            let changes = if missing == 1 { "1 change".to_owned() } else { format!("{missing} changes") };
            let of = match asking.state.told_at(anchor_of(vault, keys).ok().flatten()).await {
                Some(time) => format!(", of {time} or soon after"),
                None => String::new(),
            };
            (
                "older",
                format!("the vault is an older one{of}: {changes} that the audit log knows of are missing"),
            )
        }
    };
    tracing::error!("{what}");
    asking.record(Event::Rollback, Outcome::Denied, None, by)?;
    let mend = "If you put it there: glassdome_start --accept-rollback. If not: ctl storage recover FILE, from a backup";
    Err(Refusal::new(Code::Corrupt, format!("{what}. {mend}")))
}

/// Goes on with the vault as it is, if it is older than the log knows.
///
/// # Errors
/// The refusal to send; the vault is as it was.
pub async fn accept(asking: &Asking, vault: &Arc<Vault>, keys: &Verified) -> Result<(), Refusal<'static>> {
    let turn = Turn::take_with(asking, keys).await?;
    let failed = |error| refuse::vault(&error);
    let (log, mark) = (asking.state.journal().vault(), vault.mark(keys).map_err(failed)?);
    let Some(next) = count_on(log, &mark) else { return Ok(()) };
    let mut draft = vault.draft(keys).map_err(failed)?;
    draft.count_from(next);
    let change = draft.finish().map_err(failed)?;
    let by = password::word(keys);
    asking.record(Event::AcceptRollback, Outcome::Allowed, None, by)?;
    let undone = move |asking: &Asking| asking.record(Event::AcceptRollback, Outcome::Failed, None, by);
    turn.commit(asking, vault.clone(), change, undone).await?;
    // From here on the log goes by this one, whatever it told before.
    if let Some(mark) = vault.committed_mark() {
        asking.state.journal().know_vault(told(mark));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use glassdome_audit::Hex;
    use glassdome_vault::VaultId;

    use super::*;

    #[test]
    fn a_vault_is_older_if_it_has_seen_less_and_another_if_its_last_change_was() {
        let mark =
            |generation, state| Mark { vault: VaultId::from_bytes([1; 16]), generation, state: [state; 16] };
        let log = |id, changes, state| Some(Told { id: Hex([id; 16]), changes, state: Hex([state; 16]) });
        for (log, mark, differs) in [
            (None, mark(5, 5), None),
            (log(1, 5, 5), mark(5, 5), None),
            // What the log was not told yet.
            (log(1, 5, 5), mark(6, 6), None),
            (log(1, 5, 5), mark(4, 4), Some(Differs::Older(1))),
            (log(1, u64::MAX, 5), mark(1, 4), Some(Differs::Older(u64::MAX - 1))),
            (log(1, 5, 5), mark(5, 6), Some(Differs::Other)),
            (log(2, 5, 5), mark(1, 1), None),
        ] {
            assert_eq!(compare(log, &mark), differs, "{log:?} {mark:?}");
            let next = match differs {
                None => None,
                // Behind what the log tells, unless no vault has ever seen so many.
                Some(Differs::Older(1)) => Some(6),
                Some(Differs::Older(_)) => Some(2),
                Some(Differs::Other) => Some(6),
            };
            assert_eq!(count_on(log, &mark), next, "{log:?} {mark:?}");
        }
    }
}
