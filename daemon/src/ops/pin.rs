//! The approval PIN: made and taken away with the master password, and shown where that was not typed, to
//! answer for the person. It reads nothing, unlocks nothing, and changes nothing that is sealed.

use glassdome_audit::{Event, Outcome};
use glassdome_lockmem::LockedBytes;
use glassdome_proto::pin::{Pin, PinState};
use glassdome_proto::session;
use glassdome_proto::{Answer, Code, Refusal};
use glassdome_vault::{Error, PinVerifier};

use super::{Asking, Turn, password};
use crate::pins::{self, Pins, TRIES, Unfit, Untaken};
use crate::standing::Proven;
use crate::{clock, gate, refuse};

/// Takes the PIN for a connection, until the session ends or the PIN is another one. It is compared where it
/// lies, in the message's buffer, which is wiped.
///
/// # Errors
/// The refusal to send.
pub fn prove(asking: &Asking, pin: Pin<'_>) -> Result<Answer<'static>, Refusal<'static>> {
    let state = &asking.state;
    password::from_ours(asking, Event::Prove)?;
    let now = clock::now();
    let refused = |by: &str, refusal| {
        asking.record(Event::Prove, Outcome::Denied, None, by)?;
        Err(refusal)
    };
    if !state.is_open(now) {
        return refused("locked", state.locked());
    }
    match state.pins().take(now, |verifier| gate::is_pin(state, verifier, pin.expose())) {
        Ok(()) => {}
        Err(Untaken::Unset) => return refused("no-pin", no_pin()),
        Err(Untaken::Throttled(wait)) => {
            let seconds = wait.as_secs_f64().ceil();
            let message = format!("too many wrong PINs. Try again in {seconds} s");
            return refused("throttled", refuse::throttled(message, wait));
        }
        Err(Untaken::Spent) => return refused("pin-spent", Refusal::new(Code::Throttled, spent())),
        Err(Untaken::Uncompared(refusal)) => return refused("pin-untried", refusal),
        Err(Untaken::Wrong { wait: Some(wait) }) => {
            let wrong = Refusal::new(Code::WrongPassword, "wrong PIN");
            return refused("wrong-pin", Refusal { retry_after_ms: Some(millis(wait)), ..wrong });
        }
        Err(Untaken::Wrong { wait: None }) => {
            tracing::warn!("the approval PIN is taken no more: {TRIES} wrong ones were tried");
            return refused(
                "wrong-pin",
                Refusal::new(Code::WrongPassword, format!("wrong PIN; {}", spent())),
            );
        }
    }
    asking.record(Event::Prove, Outcome::Allowed, None, Proven::Pin.word())?;
    asking.stand.prove(state, Proven::Pin);
    Ok(Answer::Session(session::Answer::Proven))
}

/// Takes the master password for a connection instead, to the same end.
pub async fn prove_by_password(
    asking: Asking,
    password: LockedBytes,
) -> Result<Answer<'static>, Refusal<'static>> {
    drop(password::verify(&asking, Event::Prove, password).await?);
    let state = &asking.state;
    if !state.is_open(clock::now()) {
        asking.record(Event::Prove, Outcome::Denied, None, "locked")?;
        return Err(state.locked());
    }
    asking.record(Event::Prove, Outcome::Allowed, None, Proven::Password.word())?;
    asking.stand.prove(state, Proven::Password);
    Ok(Answer::Session(session::Answer::Proven))
}

/// Whether there is one: told to every process of the owner, as it is in each refusal.
pub fn state(asking: &Asking) -> Answer<'static> {
    let state = &asking.state;
    let told = if state.is_open(clock::now()) { state.pins().state() } else { PinState::Unknown };
    Answer::Session(session::Answer::PinState(told))
}

/// Takes a new PIN out of the message's buffer into locked memory.
///
/// # Errors
/// One that is easy to guess; no memory that can be locked.
pub fn lock_in(pin: Pin<'_>) -> Result<LockedBytes, Refusal<'static>> {
    pins::judge(pin.expose()).map_err(unfit)?;
    LockedBytes::copied_from(pin.expose()).map_err(|error| refuse::vault(&Error::Memory(error)))
}

/// Seals another PIN, or none. It holds at once, and what was shown before counts no longer.
pub async fn set(
    asking: Asking,
    password: LockedBytes,
    pin: Option<LockedBytes>,
) -> Result<Answer<'static>, Refusal<'static>> {
    let keys = password::verify(&asking, Event::ChangePin, password).await?;
    let vault = asking.state.vault().ok_or_else(refuse::no_vault)?;
    let turn = Turn::take_with(&asking, &keys).await?;
    let verifier = pin.as_ref().map(|pin| PinVerifier::new(&keys, pin.expose())).transpose();
    let verifier = verifier.map_err(|error| refuse::vault(&error))?;
    drop(pin);
    let change = vault
        .draft(&keys)
        .and_then(|mut draft| {
            Pins::seal(&mut draft, verifier.as_ref())?;
            draft.finish()
        })
        .map_err(|error| refuse::vault(&error))?;
    drop(keys);
    let by = if verifier.is_some() { "set" } else { "removed" };
    asking.record(Event::ChangePin, Outcome::Allowed, None, by)?;
    let done = |asking: &Asking| {
        if asking.state.is_open(clock::now()) {
            asking.state.pins().replace(verifier);
        }
    };
    let failed = move |asking: &Asking| asking.record(Event::ChangePin, Outcome::Failed, None, by);
    turn.commit_then(&asking, vault, change, done, failed).await?;
    Ok(Answer::Session(session::Answer::PinSet))
}

fn no_pin() -> Refusal<'static> {
    Refusal::new(Code::Denied, "denied: there is no approval PIN. Make one: ctl pin set")
}

fn spent() -> String {
    format!(
        "after {TRIES} wrong ones it is taken no more, until you type the master password: ctl unlock --renew"
    )
}

fn unfit(reason: Unfit) -> Refusal<'static> {
    Refusal::new(Code::WeakPassword, format!("not a PIN: {reason}. Choose another"))
}

fn millis(wait: std::time::Duration) -> u32 {
    u32::try_from(wait.as_millis()).unwrap_or(u32::MAX)
}
