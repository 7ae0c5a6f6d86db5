//! A test of all of the vault, from its file, and of all of the audit log, while everybody is served: what is wrong
//! where. Each row is opened, with the keys of the session, or of the password that came along. While locked nobody
//! without the password has it read anything: whoever unlocks would wait behind that.

use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use glassdome_audit::{Event, Outcome};
use glassdome_lockmem::LockedBytes;
use glassdome_proto::storage::{self as wire, TestStage, Tested};
use glassdome_proto::{Answer, List, Refusal, Text};
use glassdome_vault::{Examination, Examined, Fault, FaultKind, LastTest, Vault};
use tokio::task::spawn_local;
use tokio::time::timeout;

use super::password::Verified;
use super::policy::{Right, right};
use super::{Asking, Turn};
use crate::journal::whole::Found;
use crate::storage_tests::Running;
use crate::worker::Lost;
use crate::{clock, refuse};

/// Rows a step: each is opened, and those that it belongs to, in less than a millisecond.
const ROWS: u32 = 16;
/// Between two steps.
const PAUSE: Duration = Duration::from_millis(1);
/// An answer comes within this time: by how far the test is, if it is not over.
const PATIENCE: Duration = Duration::from_millis(400);
/// So often all of it is read at the most, where the file was opened anew meanwhile.
const TIMES: usize = 3;

/// Begins the test, or waits for the one that is under way.
///
/// # Errors
/// The refusal to send: a lock ends it.
pub async fn begin(asking: Asking, proof: Option<LockedBytes>) -> Result<Answer<'static>, Refusal<'static>> {
    let own = match right(&asking, Event::StorageTest, proof).await? {
        Right::Password(keys) => Some(keys),
        Right::Terminal(_) | Right::Proven(_) => None,
    };
    let running = asking.state.storage_tests().under_way().unwrap_or_else(|| start(&asking, own));
    asking.tested.replace(Some(running));
    go_on(asking).await
}

/// Waits for the test that the connection has begun.
///
/// # Errors
/// As [`begin`].
pub async fn go_on(asking: Asking) -> Result<Answer<'static>, Refusal<'static>> {
    let Some(running) = asking.tested.borrow().clone() else {
        return Err(refuse::usage("no test was begun on this connection"));
    };
    let Ok(outcome) = timeout(PATIENCE, running.outcome()).await else { return Ok(running.progress()) };
    asking.tested.replace(None);
    outcome.map(|tested| Answer::Storage(wire::Answer::Tested(tested)))
}

fn start(asking: &Asking, own: Option<Verified>) -> Rc<Running> {
    let running = asking.state.storage_tests().begin();
    // It does not wait for itself.
    let asking = Asking { tested: Rc::default(), ..asking.clone() };
    let mut locks = asking.state.locks();
    let own_running = running.clone();
    spawn_local(async move {
        let outcome = tokio::select! {
            biased;
            _ = locks.changed() => Err(refuse::lock_came()),
            outcome = test(&asking, &own_running, own) => outcome,
        };
        own_running.end(outcome);
    });
    running
}

async fn test(
    asking: &Asking,
    running: &Rc<Running>,
    own: Option<Verified>,
) -> Result<Tested<'static>, Refusal<'static>> {
    let state = &asking.state;
    let vault = state.vault().ok_or_else(refuse::no_vault)?;
    let damages = state.damages();
    let mut times = 0;
    let found = loop {
        if times == TIMES {
            return Err(refuse::untested());
        }
        let opened = vault.opened_again();
        let (of, examination) = pages(asking, running, &vault).await?;
        // Of a former file otherwise, whose keys are gone.
        let Some(read) = rows(asking, running, examination, own.as_ref(), of).await? else { continue };
        // What was written since may have been taken for damage.
        if read.faults == 0 || opened == vault.opened_again() {
            break read;
        }
        times += 1;
    };
    drop(own);
    let came_to = |log_sound| LastTest { at: clock::now().wall.as_secs(), faults: found.faults, log_sound };
    let failed = || asking.record(Event::StorageTest, Outcome::Failed, None, "faults");
    if found.faults > 0 {
        // Whatever becomes of the log, or of the session while that is read.
        state.mark_damaged(found.hides());
        remember(asking, came_to(false)).await;
        failed()?;
    } else {
        state.mark_sound(damages);
    }
    let log = log(asking, running).await?;
    let log_sound = log.as_ref().is_some_and(|log| log.wrong.is_none());
    if found.faults == 0 && !log_sound {
        failed()?;
    }
    remember(asking, came_to(log_sound)).await;
    let told = List::new(found.told.iter().map(fault).collect()).expect("no more are told one by one");
    let records = log.as_ref().map_or(0, |log| log.records);
    Ok(Tested { rows: found.rows, faults: found.faults, told, records, log: log_fault(log) })
}

/// Reads the pages, while nobody changes them, and says how often the vault had got another master key by then. It goes
/// on, and keeps the turn, even if the test is given up meanwhile.
async fn pages(
    asking: &Asking,
    running: &Running,
    vault: &Arc<Vault>,
) -> Result<(u64, Examination), Refusal<'static>> {
    let failed = |error| refuse::vault(&error);
    let read = running.at(TestStage::Pages, vault.stats().map_or(0, |stats| stats.file_bytes));
    let (asking, vault) = (asking.clone(), Arc::clone(vault));
    let reading = spawn_local(async move {
        let _turn = Turn::take(&asking).await;
        let examination = asking.state.store.run(move || vault.examine(read)).await;
        examination.map(|examination| examination.map(|examination| (asking.state.rekeyed(), examination)))
    });
    reading.await.unwrap_or(Err(Lost)).map_err(refuse::lost)?.map_err(failed)
}

/// Reads the rows of the file with the master key `of`, with `own` keys or those of the session; `None` if the vault has
/// another one by now.
async fn rows(
    asking: &Asking,
    running: &Rc<Running>,
    mut examination: Examination,
    own: Option<&Verified>,
    of: u64,
) -> Result<Option<Examined>, Refusal<'static>> {
    let done = running.at(TestStage::Rows, examination.rows_in_all());
    loop {
        if !running.is_awaited() {
            return Err(refuse::usage("nobody waits for the test any longer"));
        }
        own.map_or(Ok(()), |own| own.still(&asking.state))?;
        if of != asking.state.rekeyed() {
            return Ok(None);
        }
        let session = asking.state.keys();
        let keys = own.map(|own| &**own).or(session.as_deref()).ok_or_else(refuse::lock_came)?;
        let found = examination.step(keys, ROWS).map_err(|error| refuse::vault(&error))?;
        drop(session);
        if let Some(found) = found {
            return Ok(Some(found));
        }
        done.store(examination.rows(), Ordering::Relaxed);
        tokio::time::sleep(PAUSE).await;
    }
}

/// Reads the log; `None` if it cannot be read. It goes on even if the test is given up meanwhile: nobody else could read
/// it afterwards.
async fn log(asking: &Asking, running: &Rc<Running>) -> Result<Option<Found>, Refusal<'static>> {
    let (state, own_running) = (asking.state.clone(), running.clone());
    let reading = spawn_local(async move {
        let begins = |bytes| -> Arc<AtomicU64> { own_running.at(TestStage::Log, bytes) };
        state.test_log(begins).await
    });
    let read = reading.await.map_err(|_| refuse::lost(Lost))?;
    Ok(read.inspect_err(|error| tracing::warn!("the audit log could not be read: {error}")).ok())
}

/// Remembers what it came to, for as long as it can: a vault that is damaged may take nothing more. It goes on, and keeps
/// the turn, even if the test is given up meanwhile.
async fn remember(asking: &Asking, test: LastTest) {
    asking.state.storage_tests().ended(test);
    let asking = asking.clone();
    let remembering = spawn_local(async move {
        // What is written while the file is replaced would be lost.
        let _turn = Turn::take(&asking).await;
        let Some(vault) = asking.state.vault() else { return };
        match asking.state.store.run(move || vault.store_last_test(test)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!("the vault does not remember its test: {error}"),
            Err(lost) => tracing::warn!("the vault does not remember its test: {lost}"),
        }
    });
    if remembering.await.is_err() {
        tracing::warn!("the vault does not remember its test");
    }
}

fn log_fault(found: Option<Found>) -> Option<wire::LogFault<'static>> {
    let word = |wrong: &'static str| Text::cut(wrong.to_owned());
    let Some(found) = found else {
        return Some(wire::LogFault { word: word("unreadable"), file: None, line: None, record: None });
    };
    let at = found.at.unwrap_or_default();
    let file = at.file.map(|file| Text::cut(file.to_string_lossy().into_owned()));
    found.wrong.map(|wrong| wire::LogFault {
        word: word(wrong.word()),
        file,
        line: at.line,
        record: at.record,
    })
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
