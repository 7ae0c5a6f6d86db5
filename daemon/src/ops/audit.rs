//! The audit log's auditor, and what becomes of a log that did not verify: both with the master
//! password only. Where the log stands is told to whom the policy lets.

use glassdome_audit::chain::Head;
use glassdome_audit::{Event, Hex, Outcome, seal};
use glassdome_lockmem::LockedBytes;
use glassdome_proto::settings::{self as wire, LogPlace};
use glassdome_proto::{Answer, Bytes, Code, Refusal};
use glassdome_vault::Error;

use super::{Asking, password};
use crate::clock;
use crate::gate;
use crate::policy::Question;
use crate::refuse;
use crate::settings::Auditor;
use crate::state::log::anchor_of;

/// Takes the origin of an auditor's seals out of the message's buffer.
///
/// # Errors
/// Another size, or no memory that can be locked.
pub fn lock_in(origin: Bytes<'_, 32>) -> Result<LockedBytes, Refusal<'static>> {
    if origin.expose().len() != seal::KEY {
        return Err(refuse::usage("the origin of an auditor's seals has 32 bytes"));
    }
    LockedBytes::copied_from(origin.expose()).map_err(|error| refuse::vault(&Error::Memory(error)))
}

/// Seals the log to another auditor from now on.
pub async fn set_auditor(
    asking: Asking,
    password: LockedBytes,
    public: [u8; 32],
    origin: LockedBytes,
) -> Result<Answer<'static>, Refusal<'static>> {
    if seal::seal(&public, &[0; 32], &[1; 32]).is_err() {
        return Err(refuse::usage("that is nobody's public key"));
    }
    let keys = password::verify(&asking, Event::Auditor, password).await?;
    let state = &asking.state;
    let vault = state.vault().ok_or_else(refuse::no_vault)?;
    state.meet_log(&vault, &keys).await.map_err(|refusal| keys.or_still(state, refusal))?;
    let (old, new) = (state.journal().auditor(), Hex(public));
    // The vault has both until the log has the new one: a crash between the two is no alarm.
    let told = state.tell_vault(&vault, &keys, |draft| Auditor::Becomes { new, old }.draft(draft)).await;
    told.map_err(|refusal| keys.or_still(state, refusal))?;
    asking.record(Event::Auditor, Outcome::Allowed, None, password::word(&keys))?;
    let origin_bytes: &[u8; 32] = origin.expose().try_into().expect("it was taken in with that many bytes");
    let sealed = state.journal().seal_to(Some(new), Some(origin_bytes), clock::now());
    sealed.map_err(|error| state.unlogged(&error))?;
    drop(origin);
    let told = state.tell_vault(&vault, &keys, |draft| Auditor::Is(new).draft(draft)).await;
    told.map_err(|refusal| keys.or_still(state, refusal))?;
    Ok(Answer::Settings(wire::Answer::AuditorSet))
}

/// Takes note of a log that did not verify.
pub async fn accept(asking: Asking, password: LockedBytes) -> Result<Answer<'static>, Refusal<'static>> {
    let keys = password::verify(&asking, Event::AcceptLog, password).await?;
    let state = &asking.state;
    let vault = state.vault().ok_or_else(refuse::no_vault)?;
    // What a restart has forgotten, the vault has not.
    state.meet_log(&vault, &keys).await.map_err(|refusal| keys.or_still(state, refusal))?;
    let Some(alarm) = state.journal().alarm() else {
        return Err(Refusal::new(Code::Conflict, "there is nothing to accept: no alarm is open"));
    };
    asking.record(Event::AcceptLog, Outcome::Allowed, None, password::word(&keys))?;
    let journal = state.journal();
    let before = journal.accepted();
    journal.set_alarm(None);
    journal.set_accepted(journal.anchor().head.seq);
    let told = state.tell_vault(&vault, &keys, |_| Ok(())).await;
    if told.is_err() {
        journal.set_alarm(Some(alarm));
        journal.set_accepted(before);
    }
    told.map(|()| Answer::Settings(wire::Answer::LogAccepted))
        .map_err(|refusal| keys.or_still(state, refusal))
}

/// Where the log stands, and where it stood when the vault was last told.
pub fn head(asking: &Asking) -> Result<Answer<'static>, Refusal<'static>> {
    let permit = gate::admit(asking, Event::Settings, Question::Sealed)?;
    let vault = asking.state.vault().ok_or_else(refuse::no_vault)?;
    let remembered = anchor_of(&vault, permit.keys()).map_err(|error| refuse::unread(&error))?;
    let by = permit.by().word();
    drop(permit);
    asking.record(Event::Settings, Outcome::Allowed, None, &by)?;
    let (journal, place) = (asking.state.journal(), |log: Hex<16>, head: Head| LogPlace {
        log: log.0,
        seq: head.seq,
        hash: head.hash.0,
    });
    let now = journal.anchor();
    Ok(Answer::Settings(wire::Answer::AuditHead {
        anchored: remembered.map(|anchor| place(anchor.log, anchor.head)),
        alarm: journal.alarm().map(|since| since.as_secs()),
        head: place(now.log, now.head),
        accepted: Some(journal.accepted()).filter(|seq| *seq > 0),
    }))
}
