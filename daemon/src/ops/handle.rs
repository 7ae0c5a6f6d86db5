//! Makes handles, for whoever may get what they shall give, and shows them.

use std::rc::Rc;
use std::time::Duration;

use glassdome_audit::{Event, Outcome};
use glassdome_lockmem::LockedBytes;
use glassdome_proto::policy as wire;
use glassdome_proto::{Answer, Code, Glob, List, Refusal, Text, limits};

use super::{Asking, policy};
use crate::handles::{Handle, Script};
use crate::policy::{By, Question, Scope};
use crate::{clock, refuse};

/// Makes a handle for the process that asks.
///
/// # Errors
/// The refusal to send.
pub fn give(
    asking: &Asking,
    secrets: Vec<Glob>,
    lasts_s: Option<u32>,
    script: Option<Script>,
) -> Result<Rc<Handle>, Refusal<'static>> {
    let Asking { state, stand, peer, .. } = asking;
    let names = secrets.iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
    let record = |outcome, by: &str| asking.record(Event::Handle, outcome, Some(&names), by);
    if secrets.is_empty() || lasts_s == Some(0) {
        return Err(refuse::usage("a handle needs a name and a time"));
    }
    let now = clock::now();
    if !state.is_open(now) {
        record(Outcome::Denied, "locked")?;
        return Err(state.locked());
    }
    let (giver, asker) = stand.now(state);
    let scope = match Scope::of(state.grants().number(), secrets, giver) {
        Ok(scope) => scope,
        Err(_) if stand.rests(state, Question::Sealed) => {
            record(Outcome::Denied, "paused")?;
            return Err(refuse::paused());
        }
        Err(glob) => {
            record(Outcome::Denied, "policy")?;
            return Err(refuse::ungiven(&glob, &asker));
        }
    };
    let by = scope.1.clone();
    let failed = |error: std::io::Error| {
        tracing::error!("a handle could not be made: {error}");
        Refusal::new(Code::Error, "a handle could not be made. See the daemon's log")
    };
    let program = peer.pidfd().try_clone().map_err(failed)?;
    let lasts = lasts_s.map(|seconds| Duration::from_secs(seconds.into()));
    let program = (peer.evidence().kernel.pid, program);
    let runs = script.as_ref().map_or_else(String::new, |script| format!(" runs {}", script.digest()));
    let handle = Rc::new(Handle::new(scope, program, lasts, now).running(script));
    let within = handle.unit().map_or_else(String::new, |unit| format!(" in {unit}"));
    record(Outcome::Allowed, &format!("{by} as {}{within}{runs}", By::Handle(handle.id()).word()))?;
    if !state.handles().add(handle.clone()) {
        let message = format!("there are {} handles already. End some: ctl grants", limits::HANDLES);
        return Err(refuse::throttled(message, Duration::from_secs(1)));
    }
    state.used(now);
    Ok(handle)
}

/// A page of the handles.
pub async fn handles(
    asking: Asking,
    skip: u16,
    proof: Option<LockedBytes>,
) -> Result<Answer<'static>, Refusal<'static>> {
    policy::right(&asking, Event::Handles, proof).await?;
    let shown = asking.state.handles().shown(clock::now());
    let rest = shown.get(usize::from(skip)..).unwrap_or_default();
    let more = rest.len() > limits::HANDLES_PAGE;
    let page = rest.iter().take(limits::HANDLES_PAGE).map(|handle| {
        Some(wire::Handle {
            id: handle.id,
            pid: handle.pid.cast_unsigned(),
            name: Text::cut(handle.name.clone()),
            by: Text::cut(handle.by.clone()),
            secrets: List::new(handle.secrets.clone())?,
            since: handle.since,
            ends: handle.ends,
            script: handle.script.as_ref().map(|script| wire::ScriptCopy {
                path: Text::cut(script.path.clone()),
                sha256: script.sha256,
            }),
            unit: handle.unit.clone().map(Text::cut),
        })
    });
    let handles = page.collect::<Option<Vec<_>>>().and_then(List::new);
    let handles = handles.expect("handles are made with no more names than a message carries");
    Ok(Answer::Policy(wire::Answer::Handles { handles, more }))
}

/// What is no request for a value, on a connection that came out of a handle.
pub fn beyond(asking: &Asking, handle: &Handle) -> Refusal<'static> {
    let by = By::Handle(handle.id()).word();
    match asking.record(Event::Connect, Outcome::Denied, None, &by) {
        Ok(()) => refuse::beyond(Question::Sealed, handle),
        Err(unlogged) => unlogged,
    }
}
