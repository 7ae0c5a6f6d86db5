//! Data outside the vault: encrypted and decrypted here, chunk by chunk, so that no key of a context leaves.
//!
//! A stream is judged and recorded once, before anything of it; and with each chunk it is seen whether what allowed it
//! still does. In between it holds no key: a session that ends ends it.

use glassdome_audit::{Event, Outcome};
use glassdome_proto::crypto::{Answer as CryptoAnswer, Request};
use glassdome_proto::{Answer, Name, Refusal, crypto};
use glassdome_vault::{Opener, STREAM_CHUNK, STREAM_HEADER, STREAM_TAG, Sealer, StreamError};
use tokio::sync::watch;

use super::{Asking, Done, Work, now, when_allowed};
use crate::gate;
use crate::policy::{Action, Clearance, Question};
use crate::refuse;

// The vault and the protocol each say how a stream is cut.
const _: () =
    assert!(STREAM_HEADER == crypto::HEADER && STREAM_CHUNK == crypto::CHUNK && STREAM_TAG == crypto::TAG);

/// A stream that a connection has begun.
pub struct Stream {
    way: Way,
    context: String,
    /// A person's yes to it.
    cleared: Option<Clearance>,
    /// What allowed it, as the log has it.
    by: String,
    /// Sees the locks since it began.
    locks: watch::Receiver<u64>,
}

enum Way {
    Seal(Sealer),
    Open(Opener),
}

/// A chunk that came.
#[derive(Clone, Copy)]
pub struct Chunk<'a> {
    /// Whether it is the last.
    pub last: bool,
    /// Its bytes.
    pub data: &'a [u8],
}

/// Begins what is asked.
///
/// # Errors
/// The refusal to send.
pub fn start(asking: &Asking, request: Request<'_>) -> Result<Work, Refusal<'static>> {
    match request {
        Request::Encrypt { context } => {
            let context = context.into_owned();
            let ask = gate::asks(asking, Action::Encrypt, [&*context]);
            when_allowed(asking, (Event::Encrypt, "encrypt"), ask, move |asking| encrypt(asking, &context))
        }
        Request::Decrypt { context, header } => {
            let (context, header) = (context.into_owned(), header.expose().to_vec());
            let ask = gate::asks(asking, Action::Decrypt, [&*context]);
            when_allowed(asking, (Event::Decrypt, "decrypt"), ask, move |asking| {
                decrypt(asking, &context, &header)
            })
        }
        Request::Next { .. } => Err(none()),
    }
}

fn encrypt(asking: &Asking, context: &Name<'_>) -> Result<Work, Refusal<'static>> {
    let begun = begin(asking, Action::Encrypt, context, |keys| {
        let (sealer, header) = Sealer::new(keys, context).map_err(|error| refuse::vault(&error))?;
        Ok((Way::Seal(sealer), header))
    });
    begun.map(|header| Work::Now(Done::Header(header)))
}

fn decrypt(asking: &Asking, context: &Name<'_>, header: &[u8]) -> Result<Work, Refusal<'static>> {
    let begun = begin(asking, Action::Decrypt, context, |keys| {
        let opener = Opener::new(keys, context, header).map_err(|error| refuse::stream(error, context))?;
        Ok((Way::Open(opener), ()))
    });
    begun.map(|()| now(Answer::Crypto(CryptoAnswer::Decrypt)))
}

fn begin<T>(
    asking: &Asking,
    action: Action,
    context: &str,
    make: impl FnOnce(&glassdome_vault::Keys) -> Result<(Way, T), Refusal<'static>>,
) -> Result<T, Refusal<'static>> {
    asking.stream.replace(None);
    let event = event(action);
    // Before the permit: what locks from here on ends it.
    let locks = asking.state.locks();
    let permit = gate::admit(asking, event, Question::Secret(action, context))?;
    let by = permit.by().word();
    let made = make(permit.keys());
    // It borrows the session, which a log that fails must be able to end.
    drop(permit);
    let outcome = if made.is_ok() { Outcome::Allowed } else { Outcome::Failed };
    asking.record(event, outcome, Some(context), &by)?;
    let (way, told) = made?;
    let (context, cleared) = (context.to_owned(), asking.cleared.clone());
    asking.stream.replace(Some(Stream { way, context, cleared, by, locks }));
    Ok(told)
}

fn event(action: Action) -> Event {
    if action == Action::Encrypt { Event::Encrypt } else { Event::Decrypt }
}

/// A chunk of nothing.
pub fn none() -> Refusal<'static> {
    refuse::usage("no stream was begun on this connection, or it has ended")
}

impl Stream {
    /// How long the next chunk will be the other way, if it has a size that one can have.
    fn length(&self, chunk: Chunk<'_>) -> Option<usize> {
        let length = chunk.data.len();
        match self.way {
            Way::Seal(_) => (length <= STREAM_CHUNK).then_some(length + STREAM_TAG),
            // What is too short to hold a tag is told by the one who looks for it.
            Way::Open(_) => Some(length.saturating_sub(STREAM_TAG)),
        }
    }

    fn action(&self) -> Action {
        match self.way {
            Way::Seal(_) => Action::Encrypt,
            Way::Open(_) => Action::Decrypt,
        }
    }
}

/// How long what becomes of the next chunk is, in bytes.
///
/// # Errors
/// The refusal to send: there is no stream, or no chunk can have that size.
pub fn length(asking: &Asking, chunk: Chunk<'_>) -> Result<usize, Refusal<'static>> {
    let stream = asking.stream.borrow();
    let stream = stream.as_ref().ok_or_else(none)?;
    stream.length(chunk).ok_or_else(|| refuse::stream(StreamError::Size, &stream.context))
}

/// Encrypts or decrypts the next chunk into `out`, if what allowed the stream still does. In `out` there is plaintext
/// only if its tag was right. The stream ends with its last chunk, and with any error.
///
/// # Errors
/// The refusal to send.
pub fn go_on(asking: &Asking, chunk: Chunk<'_>, out: &mut [u8]) -> Result<(), Refusal<'static>> {
    let mut stream = asking.stream.take().ok_or_else(none)?;
    if stream.locks.has_changed().unwrap_or(true) {
        return Err(refuse::lock_came());
    }
    let (event, question) = (event(stream.action()), Question::Secret(stream.action(), &stream.context));
    let permit = gate::still_admits(asking, event, question, stream.cleared.as_ref())?;
    let done = match &mut stream.way {
        Way::Seal(sealer) => sealer.seal(permit.keys(), chunk.data, chunk.last, out),
        Way::Open(opener) => opener.open(permit.keys(), chunk.data, chunk.last, out),
    };
    drop(permit);
    if let Err(error) = done {
        asking.record(event, Outcome::Failed, Some(&stream.context), &stream.by)?;
        return Err(refuse::stream(error, &stream.context));
    }
    if !chunk.last {
        asking.stream.replace(Some(stream));
    }
    Ok(())
}
