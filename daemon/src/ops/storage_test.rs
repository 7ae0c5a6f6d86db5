//! A test of all of the vault, from its file, and of all of the audit log, while everybody is served: what is wrong
//! where. Each row is opened, with the keys of the session, or of the password that came along. While locked nobody
//! without the password has it read anything: whoever unlocks would wait behind that.

use std::time::Duration;

use glassdome_audit::{Event, Outcome};
use glassdome_lockmem::LockedBytes;
use glassdome_proto::storage as wire;
use glassdome_proto::{Answer, List, Refusal, Text};
use glassdome_vault::{Error, Examination, Examined, Fault, FaultKind, Keys};
use tokio::sync::watch::Receiver;

use super::policy::{Right, right};
use super::{Asking, Turn};
use crate::refuse;

/// Rows a step: each is opened, and those that it belongs to, in less than a millisecond.
const ROWS: u32 = 16;
/// Between two steps.
const PAUSE: Duration = Duration::from_millis(1);

/// Makes the test.
///
/// # Errors
/// The refusal to send: a lock ends it.
pub async fn test(asking: Asking, proof: Option<LockedBytes>) -> Result<Answer<'static>, Refusal<'static>> {
    let state = &asking.state;
    let rekeyed = state.rekeyed();
    let own = match right(&asking, Event::StorageTest, proof).await? {
        Right::Password(keys) => Some(keys),
        Right::Terminal(_) | Right::Proven(_) => None,
    };
    let locks = state.locks();
    let found = loop {
        let (of, examination) = begin(&asking).await?;
        if own.is_some() && of != rekeyed {
            return Err(refuse::vault(&Error::Conflict));
        }
        if let Some(found) = look(&asking, examination, of, own.as_ref(), &locks).await? {
            break found;
        }
    };
    drop(own);
    if found.faults > 0 {
        state.mark_damaged();
    }
    let (records, log) = state.test_log().await.map_err(|error| refuse::vault(&Error::Storage(error)))?;
    if found.faults > 0 || log.is_some() {
        asking.record(Event::StorageTest, Outcome::Failed, None, "faults")?;
    }
    let told = List::new(found.told.iter().map(fault).collect()).expect("no more are told one by one");
    let log = log.map(|wrong| Text::cut(wrong.word().to_owned()));
    let (rows, faults) = (found.rows, found.faults);
    Ok(Answer::Storage(wire::Answer::Tested(wire::Tested { rows, faults, told, records, log })))
}

/// Begins to read the vault, and says how often it had got another master key by then: while nobody changes it, so that
/// its file is of those keys.
async fn begin(asking: &Asking) -> Result<(u64, Examination), Refusal<'static>> {
    let state = &asking.state;
    let _turn = Turn::take(asking).await;
    let vault = state.vault().ok_or_else(refuse::no_vault)?;
    let begun = state.store.run(move || vault.examine()).await.map_err(refuse::lost)?;
    Ok((state.rekeyed(), begun.map_err(|error| refuse::vault(&error))?))
}

/// Reads it, with `own` keys or those of the session; `None` if what was read is of a former file by then.
async fn look(
    asking: &Asking,
    mut examination: Examination,
    of: u64,
    own: Option<&Keys>,
    locks: &Receiver<u64>,
) -> Result<Option<Examined>, Refusal<'static>> {
    let state = &asking.state;
    loop {
        if locks.has_changed().unwrap_or(true) {
            return Err(refuse::lock_came());
        }
        if of != state.rekeyed() {
            return Ok(None);
        }
        let session = state.keys();
        let keys = own.or(session.as_deref()).ok_or_else(refuse::lock_came)?;
        let found = examination.step(keys, ROWS).map_err(|error| refuse::vault(&error))?;
        drop(session);
        if found.is_some() {
            return Ok(found);
        }
        tokio::time::sleep(PAUSE).await;
    }
}

fn fault(fault: &Fault) -> wire::Fault<'static> {
    wire::Fault {
        table: fault.table.map(|table| Text::cut(table.to_owned())),
        name: fault.name.clone().map(Text::cut),
        version: fault.version,
        kind: match fault.kind {
            FaultKind::Page => wire::FaultKind::Page,
            FaultKind::Sealed => wire::FaultKind::Sealed,
            FaultKind::Astray => wire::FaultKind::Astray,
            FaultKind::Missing => wire::FaultKind::Missing,
            FaultKind::Foreign => wire::FaultKind::Foreign,
            FaultKind::Unreadable => wire::FaultKind::Unreadable,
            FaultKind::Sum => wire::FaultKind::Sum,
        },
    }
}
