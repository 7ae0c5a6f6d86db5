//! The recovery code, and the other ways to open the vault: shown to whoever asks, since the file says as much to
//! everybody who reads it; changed with the master password, or with the code itself.

use std::sync::Arc;

use glassdome_audit::{Event, Outcome};
use glassdome_lockmem::LockedBytes;
use glassdome_proto::settings::{self as wire, RecoveryChange, RecoveryCode};
use glassdome_proto::{Answer, Code, List, Refusal, recovery};
use glassdome_vault::Change as VaultChange;
use glassdome_vault::{Error, SlotKind, Vault, kdf};

use super::{Asking, Turn, device, password, unless_locked};
use crate::{refuse, worker};

/// What becomes of the recovery code.
pub enum Change {
    /// There is one, where there was none.
    Add(LockedBytes),
    /// There is another one.
    Replace(LockedBytes),
    /// There is none.
    Remove,
}

impl Change {
    /// Takes what is asked out of the message's buffer.
    ///
    /// # Errors
    /// A code that is none; no memory that can be locked.
    pub fn lock_in(change: RecoveryChange<'_>) -> Result<Self, Refusal<'static>> {
        Ok(match change {
            RecoveryChange::Add(code) => Self::Add(lock_in(&code)?),
            RecoveryChange::Replace(code) => Self::Replace(lock_in(&code)?),
            RecoveryChange::Remove => Self::Remove,
        })
    }

    /// As the log records it.
    fn word(&self) -> &'static str {
        match self {
            Self::Add(_) => "added",
            Self::Replace(_) => "replaced",
            Self::Remove => "removed",
        }
    }

    /// Whether it is about a code that is there.
    fn needs_one(&self) -> bool {
        !matches!(self, Self::Add(_))
    }
}

/// Takes a code out of the message's buffer into locked memory.
///
/// # Errors
/// One that is none; no memory that can be locked.
pub fn lock_in(code: &RecoveryCode<'_>) -> Result<LockedBytes, Refusal<'static>> {
    match read(code.expose()).map_err(|error| refuse::vault(&error))? {
        // Read back, it is derived from what was sent.
        Some(read) if read.expose() == code.expose() => Ok(read),
        _ => Err(refuse::usage("that is no recovery code")),
    }
}

/// What was typed, as the recovery code that it may be.
///
/// # Errors
/// No memory that can be locked.
pub fn read(typed: &[u8]) -> Result<Option<LockedBytes>, Error> {
    let mut code = LockedBytes::zeroed(recovery::LEN)?;
    let written = code.expose_mut().first_chunk_mut().expect("it was made with that many bytes");
    Ok(recovery::read(typed, written).then_some(code))
}

/// What opens the vault.
pub fn slots(asking: &Asking) -> Result<Answer<'static>, Refusal<'static>> {
    let vault = asking.state.vault().ok_or_else(refuse::no_vault)?;
    let slots = vault.slots().map_err(|error| refuse::vault(&error))?;
    let slots = slots.into_iter().map(|slot| wire::Slot {
        id: slot.id,
        kind: match slot.kind {
            SlotKind::Password if slot.device.is_some() => wire::SlotKind::BoundPassword,
            SlotKind::Password => wire::SlotKind::Password,
            SlotKind::Recovery => wire::SlotKind::Recovery,
        },
        m_kib: slot.params.m_kib(),
        t: slot.params.t(),
        p: slot.params.p(),
    });
    let slots = List::new(slots.collect()).expect("a vault has one slot of each kind");
    Ok(Answer::Settings(wire::Answer::Slots(slots)))
}

/// Seals the master key under another recovery code, or under none. Comes to its end in spite of a lock once it is on
/// its way to the disk: whoever brought the code has to know whether it opens the vault.
pub async fn set(
    asking: Asking,
    password: LockedBytes,
    change: Change,
) -> Result<Answer<'static>, Refusal<'static>> {
    let vault = asking.state.vault().ok_or_else(refuse::no_vault)?;
    let by = change.word();
    let (turn, change) = unless_locked(&asking.state, seal(&asking, &vault, password, change)).await?;
    let failed = move |asking: &Asking| asking.record(Event::Recovery, Outcome::Failed, None, by);
    turn.commit(&asking, vault, change, failed).await?;
    Ok(Answer::Settings(wire::Answer::RecoverySet))
}

async fn seal(
    asking: &Asking,
    vault: &Arc<Vault>,
    password: LockedBytes,
    change: Change,
) -> Result<(Turn, VaultChange), Refusal<'static>> {
    // Told before a try is charged; what decides is what is there when it is the change's turn.
    let (by, needs_one) = (change.word(), change.needs_one());
    there(vault, needs_one)?;
    if matches!(change, Change::Remove) {
        not_the_last(vault)?;
    }
    let keys = password::verify(asking, Event::Recovery, password).await?;
    let opener = match change {
        Change::Add(code) | Change::Replace(code) => {
            let vault = vault.clone();
            let derived = worker::once("kdf", move || {
                // A try at the code costs what one at the password costs.
                let like = vault.kdf_input(SlotKind::Password)?.ok_or(Error::NotFound)?;
                let input = Vault::new_kdf_input(SlotKind::Recovery, like.params())?;
                let kek = kdf::derive(&input, &code)?;
                Ok((input, kek))
            });
            Some(derived.await.map_err(refuse::lost)?.map_err(|error: Error| refuse::vault(&error))?)
        }
        Change::Remove => None,
    };
    let turn = Turn::take_with(asking, &keys).await?;
    there(vault, needs_one)?;
    let change = match &opener {
        Some((input, kek)) => vault.rewrap(&keys, input, kek),
        None => {
            not_the_last(vault)?;
            vault.remove_recovery(&keys)
        }
    };
    let change = change.map_err(|error| refuse::vault(&error))?;
    drop((keys, opener));
    asking.record(Event::Recovery, Outcome::Allowed, None, by)?;
    Ok((turn, change))
}

/// Why the code stays where it is the only way in without the keyring.
const THE_LAST: &str = "the master password opens this vault only with the keyring: if that is lost, the recovery code \
                        is what opens it, so it stays. First: ctl storage migrate --to file; or another code: ctl \
                        slots rotate-recovery";

/// Refuses to take the code away where nothing else would open the vault without the keyring.
fn not_the_last(vault: &Vault) -> Result<(), Refusal<'static>> {
    let input = device::input_of(vault).map_err(|error| refuse::vault(&error))?;
    if input.device().is_none() {
        return Ok(());
    }
    Err(Refusal::new(Code::Conflict, THE_LAST))
}

/// Refuses what is about a code where there is none, and the other way round.
fn there(vault: &Vault, needed: bool) -> Result<(), Refusal<'static>> {
    let input = vault.kdf_input(SlotKind::Recovery).map_err(|error| refuse::vault(&error))?;
    match (input.is_some(), needed) {
        (true, true) | (false, false) => Ok(()),
        (false, true) => {
            let message = "there is no recovery code. Make one: ctl slots add recovery";
            Err(Refusal::new(Code::NotFound, message))
        }
        (true, false) => {
            let message = "there is a recovery code already. Another one: ctl slots rotate-recovery";
            Err(Refusal::new(Code::Conflict, message))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_refused_is_said_in_one_line_without_gaps() {
        assert!(!THE_LAST.contains("  ") && !THE_LAST.contains('\n'), "{THE_LAST}");
    }
}
