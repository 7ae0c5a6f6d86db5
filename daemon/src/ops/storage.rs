//! Where the vault is, how it is, and a backup of it, part by part, while everybody else is served. It takes no key and
//! no right: what leaves is what lies in the vault's file. What the keyring has to do with it: [`device`].

use std::time::Instant;

use glassdome_audit::{Event, Outcome};
use glassdome_proto::session::VaultState;
use glassdome_proto::storage::{self as wire, Request};
use glassdome_proto::{Answer, Bytes, Code, Refusal, Text, limits};
use glassdome_vault::Error;

use super::{Asking, Done, Turn, Work, device, later, now, password, storage_test};
use crate::backups::{Begun, Stage, UNDER_WAY};
use crate::{clock, refuse};

/// A part of a backup.
pub struct Part {
    bytes: Vec<u8>,
    more: bool,
}

impl Part {
    /// The answer that brings it.
    pub fn answer(&self) -> Answer<'_> {
        let data = Bytes::new(&self.bytes).expect("no more is read at once");
        Answer::Storage(wire::Answer::Backup { data, more: self.more })
    }
}

/// Begins what is asked.
///
/// # Errors
/// The refusal to send.
pub fn start(asking: &Asking, request: Request<'_>) -> Result<Work, Refusal<'static>> {
    match request {
        Request::Status => status(asking).map(now),
        Request::Backup { part } => {
            let part = next(asking, part)?;
            Ok(Work::Now(Done::Backup(part)))
        }
        Request::Kept => kept(asking),
        Request::Device => Ok(later(device::show(asking.clone()))),
        Request::Migrate { password, to, new, accept_weak, without_recovery } => {
            let (password, new) = (password::lock_in(password)?, new.map(password::lock_in).transpose()?);
            let migration = device::Migration { to, new, accept_weak, without_recovery };
            Ok(later(device::migrate(asking.clone(), password, migration)))
        }
        Request::Tidy { password } => Ok(later(device::tidy(asking.clone(), password::lock_in(password)?))),
        Request::Test { proof } => {
            let proof = proof.map(password::lock_in).transpose()?;
            Ok(later(storage_test::begin(asking.clone(), proof)))
        }
        Request::TestOn => Ok(later(storage_test::go_on(asking.clone()))),
    }
}

fn status(asking: &Asking) -> Result<Answer<'static>, Refusal<'static>> {
    let vault = asking.state.vault().ok_or_else(refuse::no_vault)?;
    let failed = |error| refuse::vault(&error);
    let stats = vault.stats().map_err(failed)?;
    let tested = match asking.state.storage_tests().last() {
        None => vault.last_test().map_err(failed)?,
        last => last,
    };
    Ok(Answer::Storage(wire::Answer::Status {
        path: Text::cut(asking.state.vault_path().to_string_lossy().into_owned()),
        bytes: stats.file_bytes,
        secrets: stats.entries,
        created: vault.created(),
        backup: vault.last_backup().map_err(failed)?,
        former: stats.former,
        tested: tested.map(|test| wire::LastTest {
            at: test.at,
            faults: test.faults,
            log_sound: test.log_sound,
        }),
        damaged: asking.state.vault_state() == VaultState::Damaged,
    }))
}

fn next(asking: &Asking, part: u32) -> Result<Part, Refusal<'static>> {
    if part == 0 {
        // One that is begun anew gives up its place first.
        asking.backup.replace(Stage::Nothing);
        let begun = begin(asking)?;
        asking.backup.replace(Stage::UnderWay(begun.into()));
    }
    let vault = asking.state.vault().ok_or_else(refuse::no_vault)?;
    let mut stage = asking.backup.borrow_mut();
    let begun = match &mut *stage {
        Stage::UnderWay(begun) if begun.next() == part => begun,
        _ => return Err(refuse::usage("that part of a backup is not the next: begin again")),
    };
    let mut bytes = vec![0; limits::CHUNK];
    let read = match begun.read(&vault, &mut bytes, Instant::now()) {
        Ok(read) => read,
        Err(error) => {
            // It comes to no end, and takes up no place.
            *stage = Stage::Nothing;
            return Err(failed(asking, &error)?);
        }
    };
    bytes.truncate(read);
    let more = read == limits::CHUNK;
    if !more {
        let of = begun.of();
        *stage = Stage::Read(of);
    }
    Ok(Part { bytes, more })
}

/// A backup has met what cannot be read: where that is damage, it is known from then on.
fn failed(asking: &Asking, error: &Error) -> Result<Refusal<'static>, Refusal<'static>> {
    if error.is_unreadable() {
        asking.state.met_damage();
        asking.record(Event::Backup, Outcome::Failed, None, "unreadable")?;
    }
    Ok(refuse::unread_backup(error))
}

fn begin(asking: &Asking) -> Result<Begun, Refusal<'static>> {
    let vault = asking.state.vault().ok_or_else(refuse::no_vault)?;
    let now = Instant::now();
    if !asking.state.backups().take(&asking.backup, now) {
        let message = format!("{UNDER_WAY} backups are under way. Try again when one is done");
        return Err(Refusal::new(Code::Throttled, message));
    }
    let backup = match vault.backup() {
        Ok(backup) => backup,
        Err(error) => return Err(failed(asking, &error)?),
    };
    let size = vault.stats().map_err(|error| refuse::vault(&error))?.file_bytes;
    asking.record(Event::Backup, Outcome::Allowed, None, "owner")?;
    asking.state.backups().one_began();
    Ok(Begun::new(backup, clock::now().wall.as_secs(), size, now))
}

/// Remembers in the vault that there is a backup: whoever read it to its end says that it is kept.
fn kept(asking: &Asking) -> Result<Work, Refusal<'static>> {
    let Stage::Read(of) = *asking.backup.borrow() else {
        return Err(refuse::usage("no backup was read to its end on this connection"));
    };
    asking.backup.replace(Stage::Nothing);
    let asking = asking.clone();
    Ok(Work::Later(Box::pin(async move {
        // What is written while the file is replaced would be lost.
        let _turn = Turn::take(&asking).await;
        if asking.state.vault_state() == VaultState::Damaged {
            return Err(refuse::damaged_backup());
        }
        let vault = asking.state.vault().ok_or_else(refuse::no_vault)?;
        let stored = asking.state.store.run(move || vault.store_last_backup(of)).await;
        match stored.map_err(refuse::lost)? {
            Ok(()) => {}
            // There is no file to remember it in, which is what the backup was made for.
            Err(error @ Error::Displaced) => {
                tracing::warn!("the vault does not remember the backup: {error}")
            }
            Err(error) => return Err(refuse::vault(&error)),
        }
        Ok(Done::Answer(Answer::Storage(wire::Answer::Kept)))
    })))
}
