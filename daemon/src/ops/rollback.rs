//! An older vault that was put back: noticed by what the log tells of the newest and what the OS keyring keeps of it,
//! whenever the password was right, and refused, unless its owner says that it was they who put it there.
//!
//! Both are told a state of the vault only once that is on the disk: so whatever a crash takes, an honest vault is never
//! behind them.

use std::sync::Arc;

use glassdome_audit::{Event, Hex, Outcome, Vault as Told};
use glassdome_proto::{Code, Refusal};
use glassdome_vault::{Keys, Mark, SlotKind, Vault, VaultId};

use super::password::{self, Verified};
use super::{Asking, Turn, device};
use crate::journal::Journal;
use crate::kept::{Differs, Kept, differs};
use crate::refuse;
use crate::state::log::{anchor_of, told};

/// So many changes are believed to be missing. Whoever can write to the log can have it tell any number: more than this
/// is accepted without counting on from there, or the count would come to its end.
const PLAUSIBLE: u64 = 1 << 40;

/// Who knows a newer state, or another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Knows {
    Log,
    Keyring,
}

impl Knows {
    fn describe(self) -> &'static str {
        match self {
            Self::Log => "the audit log",
            Self::Keyring => "your keyring",
        }
    }

    /// As the log records it.
    fn word(self, differs: Differs) -> &'static str {
        match (self, differs) {
            (Self::Log, Differs::Older(_)) => "older",
            (Self::Log, Differs::Other) => "other",
            (Self::Log, Differs::Foreign) => "foreign",
            (Self::Keyring, Differs::Older(_)) => "keyring-older",
            (Self::Keyring, Differs::Other) => "keyring-other",
            (Self::Keyring, Differs::Foreign) => "keyring-foreign",
        }
    }
}

/// The newest state of a vault that the log tells.
pub(crate) fn told_of(journal: &Journal, vault: VaultId) -> Option<Told> {
    journal.vault(Hex(*vault.as_bytes()))
}

/// Compares the vault with what the log tells of it; `knows` says whether a key is its own, or was: a vault that got
/// another one is not taken for another, though the log was not told yet.
fn compare(log: Option<Told>, mark: &Mark, knows: impl FnOnce([u8; 16]) -> bool) -> Option<Differs> {
    let log = log?;
    if log.key.is_some_and(|Hex(key)| !knows(key)) {
        return Some(Differs::Foreign);
    }
    differs(log.changes, log.state.0 == mark.state, mark)
}

/// As [`compare`], with what the vault's keys know.
pub(crate) fn compare_log(log: Option<Told>, mark: &Mark, keys: &Keys) -> Option<Differs> {
    compare(log, mark, |key| Mark::was_under(key, keys))
}

/// What a vault counts on from that differs from what the log tells, or the keyring keeps, and is gone on with: behind all
/// that they know, so that what is put aside by this is noticed, too, if it comes back. `None` if it does not differ.
pub(crate) fn count_on(
    log: Option<Told>,
    (by_log, by_keyring): (Option<Differs>, Option<Differs>),
    mark: &Mark,
) -> Option<u64> {
    let plausible = |missing| if missing <= PLAUSIBLE { missing } else { 0 };
    // One under another master key may have seen less, too.
    let behind = plausible(log.map_or(0, |log| log.changes.saturating_sub(mark.generation)));
    let missing = [by_log, by_keyring].into_iter().flatten().map(|differs| match differs {
        Differs::Older(missing) => plausible(missing).max(behind),
        Differs::Other | Differs::Foreign => behind,
    });
    missing.max().map(|missing| mark.generation.saturating_add(missing + 1))
}

/// Makes sure that the vault is no older one than the log or the keyring knows.
///
/// # Errors
/// The refusal to send.
pub async fn refuse_older(
    asking: &Asking,
    vault: &Vault,
    keys: &Verified,
    kept: &Kept,
) -> Result<(), Refusal<'static>> {
    let mark = vault.mark(keys).map_err(|error| keys.or_still(&asking.state, refuse::vault(&error)))?;
    let log = told_of(asking.state.journal(), mark.vault);
    let log = compare_log(log, &mark, keys).map(|differs| (Knows::Log, differs));
    let keyring = || kept.compare(&mark, keys).map(|differs| (Knows::Keyring, differs));
    let Some((who, differs)) = log.or_else(keyring) else {
        asking.state.journal().know_vault(told(mark));
        return Ok(());
    };
    let knows = who.describe();
    let what = match differs {
        Differs::Other => format!("the vault is not the one that {knows} knows: its last change is another"),
        Differs::Foreign => {
            format!("the vault is not the one that {knows} knows: that has another master key")
        }
        Differs::Older(missing) => {
            let changes = if missing == 1 { "1 change".to_owned() } else { format!("{missing} changes") };
            let of = match asking.state.told_at(anchor_of(vault, keys).ok().flatten()).await {
                Some(time) => format!(", of {time} or soon after"),
                None => String::new(),
            };
            format!("the vault is an older one{of}: {changes} that {knows} knows of are missing")
        }
    };
    tracing::error!("{what}");
    asking.record(Event::Rollback, Outcome::Denied, None, who.word(differs))?;
    let mend = "If you put it there: glassdome_start --accept-rollback. If not: ctl storage recover FILE, from a backup";
    Err(Refusal::new(Code::Corrupt, format!("{what}. {mend}")))
}

/// Records that the keyring keeps nothing that can be read of a vault that is bound to it, and so was opened by what can
/// be read there: somebody took that away, or it was never taken. What is locked beside it is no excuse: anybody can put
/// it there.
///
/// # Errors
/// The refusal to send: it could not be recorded.
pub fn miss(asking: &Asking, vault: &Vault, keys: &Keys, kept: &Kept) -> Result<(), Refusal<'static>> {
    let bound = device::input_of(vault).is_ok_and(|input| input.device().is_some());
    match kept {
        Kept::Nothing | Kept::Locked if bound && keys.opened_by() == SlotKind::Password => {
            tracing::warn!("the keyring keeps no state of the vault, by which an older one would be noticed");
            asking.record(Event::Rollback, Outcome::Allowed, None, "keyring-missing")
        }
        _ => Ok(()),
    }
}

/// Goes on with the vault as it is, if it is older than the log or the keyring knows.
///
/// # Errors
/// The refusal to send; the vault is as it was.
pub async fn accept(
    asking: &Asking,
    vault: &Arc<Vault>,
    keys: &Verified,
    kept: &Kept,
) -> Result<(), Refusal<'static>> {
    let turn = Turn::take_with(asking, keys).await?;
    let failed = |error| refuse::vault(&error);
    let mark = vault.mark(keys).map_err(failed)?;
    let log = told_of(asking.state.journal(), mark.vault);
    let differs = (compare_log(log, &mark, keys), kept.compare(&mark, keys));
    let Some(next) = count_on(log, differs, &mark) else { return Ok(()) };
    let mut draft = vault.draft(keys).map_err(failed)?;
    draft.count_from(next);
    let change = draft.finish().map_err(failed)?;
    let newest = change.mark(vault.id()).map(|mark| mark.to_kept(keys));
    let by = password::word(keys);
    asking.record(Event::AcceptRollback, Outcome::Allowed, None, by)?;
    let undone = move |asking: &Asking| asking.record(Event::AcceptRollback, Outcome::Failed, None, by);
    turn.commit(asking, vault.clone(), change, undone).await?;
    // From here on the log and the keyring go by this one, whatever they told before.
    if let Some(mark) = vault.committed_mark() {
        asking.state.journal().know_vault(told(mark));
    }
    if let (Some(newest), Kept::Items(_)) = (newest, kept) {
        asking.state.keeping().leave(newest);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: [u8; 16] = [3; 16];

    fn mark(generation: u64, state: u8) -> Mark {
        Mark { vault: VaultId::from_bytes([1; 16]), generation, state: [state; 16], key: Some(KEY) }
    }

    fn log(changes: u64, state: u8, key: Option<[u8; 16]>) -> Option<Told> {
        Some(Told { id: Hex([1; 16]), changes, state: Hex([state; 16]), key: key.map(Hex) })
    }

    #[test]
    fn a_vault_is_older_if_it_has_seen_less_and_another_if_its_last_change_was() {
        let own = Some(KEY);
        for (log, mark, differs) in [
            (None, mark(5, 5), None),
            (log(5, 5, own), mark(5, 5), None),
            // As an earlier version tells it.
            (log(5, 5, None), mark(5, 5), None),
            // What the log was not told yet.
            (log(5, 5, own), mark(6, 6), None),
            (log(5, 5, own), mark(4, 4), Some(Differs::Older(1))),
            (log(5, 5, None), mark(4, 4), Some(Differs::Older(1))),
            (log(u64::MAX, 5, own), mark(1, 4), Some(Differs::Older(u64::MAX - 1))),
            (log(5, 5, own), mark(5, 6), Some(Differs::Other)),
        ] {
            let found = compare(log, &mark, |key| key == KEY);
            assert_eq!(found, differs, "{log:?} {mark:?}");
            let next = match differs {
                None => None,
                // Behind what the log tells, unless no vault has ever seen so many.
                Some(Differs::Older(1)) => Some(6),
                Some(Differs::Older(_)) => Some(2),
                Some(Differs::Other | Differs::Foreign) => Some(6),
            };
            assert_eq!(count_on(log, (found, None), &mark), next, "{log:?} {mark:?}");
        }
    }

    #[test]
    fn a_vault_that_does_not_know_the_newest_key_is_another_whatever_it_counts() {
        let (former, newest) = ([2; 16], [4; 16]);
        for changes in [1, 4, 5, 6, 1005] {
            let (mark, log) = (mark(changes, 6), log(5, 5, Some(newest)));
            let found = compare(log, &mark, |key| key == KEY);
            assert_eq!(found, Some(Differs::Foreign));
            // It goes on behind both.
            assert_eq!(count_on(log, (found, None), &mark), Some(changes.max(5) + 1));
        }
        // What the log was not told yet of a rotation is none.
        let after_rotation = |key| key == KEY || key == former;
        assert_eq!(compare(log(5, 5, Some(former)), &mark(6, 6), after_rotation), None);
        // And it has counted on.
        let older = compare(log(7, 7, Some(former)), &mark(6, 6), after_rotation);
        assert_eq!(older, Some(Differs::Older(1)));
    }

    #[test]
    fn whoever_knows_more_counts() {
        let (log, mark) = (log(7, 7, Some(KEY)), mark(5, 5));
        for (kept, next) in
            [(Differs::Older(9), 15), (Differs::Older(1), 8), (Differs::Other, 8), (Differs::Foreign, 8)]
        {
            assert_eq!(count_on(log, (Some(Differs::Older(2)), Some(kept)), &mark), Some(next));
        }
        assert_eq!(count_on(None, (None, Some(Differs::Foreign)), &mark), Some(6));
        // What no vault has ever seen is not counted on from, but what the other knows is.
        let differs = (Some(Differs::Older(2)), Some(Differs::Older(u64::MAX - 5)));
        assert_eq!(count_on(log, differs, &mark), Some(8));
        let absurd = self::log(u64::MAX, 1, Some(KEY));
        let differs = (Some(Differs::Older(u64::MAX - 5)), Some(Differs::Older(9)));
        assert_eq!(count_on(absurd, differs, &mark), Some(15));
        let far = Mark { generation: u64::MAX, ..mark };
        assert_eq!(count_on(None, (None, Some(Differs::Other)), &far), Some(u64::MAX));
    }
}
