//! The one gate before every operation that touches what the vault holds: deny by default. It asks
//! the session whether it is open and the policy whether this peer may, and hands on a [`Permit`].
//!
//! A permit is the only way to a key. It borrows the session, so it cannot outlive the judgement,
//! cross an `await`, or survive a lock.

use std::cell::Ref;
use std::sync::Arc;

use glassdome_audit::{Event, Outcome};
use glassdome_proto::session::LockReason;
use glassdome_proto::{Refusal, limits};
use glassdome_vault::{Keys, PinVerifier};

use crate::caller::Caller;
use crate::clock::{self, Now};
use crate::notify::Note;
use crate::ops::Asking;
use crate::policy::rule::Rule;
use crate::policy::{self, Action, Asked, By, Clearance, Question, Verdict};
use crate::refusals::Often;
use crate::refuse;
use crate::standing::Asker;
use crate::state::State;

/// This peer may do this, now.
#[must_use]
pub struct Permit<'s> {
    keys: Ref<'s, Keys>,
    by: By,
}

impl Permit<'_> {
    /// The key for the one operation that was permitted.
    pub fn keys(&self) -> &Keys {
        &self.keys
    }

    /// What allowed it.
    pub fn by(&self) -> &By {
        &self.by
    }
}

/// Judges one request, records a refusal, and moves the idle limit if it is allowed.
///
/// Whoever asks for the value of a [canary](crate::canaries) is refused, whatever speaks for it, and the session
/// ends.
///
/// # Errors
/// The refusal to send.
pub fn admit<'s>(
    asking: &'s Asking,
    event: Event,
    question: Question<'_>,
) -> Result<Permit<'s>, Refusal<'static>> {
    let Asking { state, stand, .. } = asking;
    let refused = |by: &str, refusal: Refusal<'static>| match asking.record(
        event,
        Outcome::Denied,
        question.secret(),
        by,
    ) {
        Ok(_) => refusal,
        Err(unlogged) => unlogged,
    };
    if state.vault().is_none() {
        return Err(refused("no-vault", refuse::no_vault()));
    }
    let now = clock::now();
    if !state.is_open(now) {
        return Err(refused("locked", state.locked()));
    }
    // What came since it was found out might keep this back.
    if !stand.is_current(state, now) {
        return Err(refused("late", refuse::late_change()));
    }
    if asking.cleared.is_none()
        && let Some(by) = stand.allows_at_once(state, question, now)
        && bait(asking, question).is_none()
    {
        return permit(asking, by, now).ok_or_else(|| refused("locked", state.locked()));
    }
    let (mut standing, asker) = stand.now(state);
    standing.cleared.clone_from(&asking.cleared);
    let in_force = |rule: &Arc<Rule>| state.has_rule(rule) && !rule.is_over(now.wall.as_secs());
    let decided = match stand.handle() {
        Some(handle) => Ok(handle.decide(&standing, question, now, in_force)),
        None => state.rates().decide(&standing, question, now),
    };
    let bait = bait(asking, question).map(|name| (name, allowed_by(decided.as_ref().ok())));
    let decided = match decided {
        // As what nothing speaks for, and so told like anything else that is refused.
        Ok(Verdict::Allow(_)) if bait.is_some() => Ok(match stand.handle() {
            Some(_) => Verdict::Deny(None),
            None => Verdict::Ask(None),
        }),
        decided => decided,
    };
    // Of bait nothing is told that is not told of other names.
    let rests = matches!(decided, Ok(Verdict::Ask(_) | Verdict::Deny(None))) && stand.rests(state, question);
    let often = match &decided {
        _ if rests => None,
        Ok(Verdict::Ask(_) | Verdict::Deny(_)) => too_often(asking, question, &asker),
        _ => None,
    };
    let refusal = match (decided, stand.handle()) {
        _ if rests => refused("paused", refuse::paused()),
        _ if let Some(often) = often => refused(TOO_OFTEN, often),
        (Err(over), _) => refused(&format!("rate:{}", over.rule.id), refuse::too_often(question, &over)),
        (Ok(Verdict::Allow(by)), _) => {
            return permit(asking, by, now).ok_or_else(|| refused("locked", state.locked()));
        }
        (Ok(Verdict::Ask(rule)), _) => {
            let id = Asked::of(question).map(|asked| state.questions().refused(asked, asker.clone()));
            match rule {
                Some(rule) => refused(&rule.word(), refuse::unasked(question, &rule.id, id, None)),
                // The grant that covered it ended while it was judged, or it is bait.
                None if asker.uncovered.is_none() => refused("policy", refuse::just_changed(question)),
                None => refused("policy", refuse::denied(question, &asker, id, None)),
            }
        }
        (Ok(Verdict::Deny(None)), Some(handle)) => {
            refused(&By::Handle(handle.id()).word(), refuse::beyond(question, handle))
        }
        (Ok(Verdict::Deny(rule)), _) => {
            let word = rule.as_ref().map_or_else(|| "policy".to_owned(), |rule| rule.word());
            refused(&word, refuse::kept_back(question, &asker, rule.as_deref()))
        }
    };
    if let Some((name, by)) = bait {
        touched(asking, name, &by);
    }
    Err(refusal)
}

/// Judges again what was admitted and goes on: whether what allowed it, or a person's yes to it, still does. It is one
/// use with what was admitted, for the idle limit too: what drips for hours keeps no session open.
///
/// # Errors
/// The refusal to send. It is recorded if what allowed it has ended, and not again where the session has.
pub fn still_admits<'s>(
    asking: &'s Asking,
    event: Event,
    question: Question<'_>,
    cleared: Option<&Clearance>,
) -> Result<Permit<'s>, Refusal<'static>> {
    let Asking { state, stand, .. } = asking;
    let now = clock::now();
    if !state.is_open(now) {
        return Err(state.locked());
    }
    if !stand.is_current(state, now) {
        return Err(refuse::late_change());
    }
    let by = stand.allows_at_once(state, question, now).or_else(|| {
        let (mut standing, _) = stand.now(state);
        standing.cleared = cleared.cloned();
        match policy::decide(&standing, question) {
            Verdict::Allow(by) => Some(by),
            Verdict::Ask(_) | Verdict::Deny(_) => None,
        }
    });
    if let Some(by) = by {
        return state.keys().map(|keys| Permit { keys, by }).ok_or_else(|| state.locked());
    }
    let (word, refusal) = match stand.rests(state, question) {
        true => ("paused", refuse::paused()),
        false => ("policy", refuse::no_longer(question)),
    };
    asking.record(event, Outcome::Denied, question.secret(), word)?;
    Err(refusal)
}

fn permit(asking: &Asking, by: By, now: Now) -> Option<Permit<'_>> {
    asking.state.used(now);
    asking.state.keys().map(|keys| Permit { keys, by })
}

/// As the log records what is refused because it was refused too often.
pub const TOO_OFTEN: &str = "refused-too-often";

/// Counts a refusal of the policy; the refusal to send in its place where there were too many. In a granted
/// terminal none are counted.
pub fn too_often(asking: &Asking, question: Question<'_>, asker: &Asker) -> Option<Refusal<'static>> {
    let Asking { state, stand, peer, .. } = asking;
    let who = match stand.handle() {
        Some(handle) => Caller::Handle(handle.id()),
        None if stand.now(state).0.grant.is_some() => return None,
        None => Caller::of(asker, peer.evidence().kernel.pid),
    };
    let Often { wait, of_many } = state.refusals().count(who, clock::now().boot).err()?;
    Some(if of_many { refuse::among_many(question, wait) } else { refuse::in_a_loop(question, asker, wait) })
}

/// Looks for bait among names that were asked for along with one that was refused.
pub fn look_through<'n>(asking: &Asking, names: impl IntoIterator<Item = &'n str>) {
    let mut names = names.into_iter().filter_map(|name| bait(asking, Question::Secret(Action::Get, name)));
    if let Some(name) = names.next() {
        touched(asking, name, "policy");
    }
}

/// The name of the bait whose value is asked for.
fn bait<'n>(asking: &Asking, question: Question<'n>) -> Option<&'n str> {
    match question {
        Question::Secret(Action::Get, name) => Some(name).filter(|name| asking.state.canaries().has(name)),
        _ => None,
    }
}

/// Bait was asked for, which `by` would have allowed.
fn touched(asking: &Asking, name: &str, by: &str) {
    tracing::error!("locked: a canary was touched. Who it was is in the audit log");
    // A log that fails here has locked the session, which is all that is left to do.
    let _ = asking.record(Event::Canary, Outcome::Failed, Some(name), by);
    asking.state.notifier().tell(&Note::alarm(), clock::now().boot);
    asking.state.lock(LockReason::Canary);
}

/// What would have allowed it, as the log records it; `policy` if nothing would.
fn allowed_by(verdict: Option<&Verdict>) -> String {
    match verdict {
        Some(Verdict::Allow(by)) => by.word(),
        _ => "policy".to_owned(),
    }
}

/// Whether `pin` is the approval PIN. The key is used for it without a permit, since it says nothing of what the vault
/// holds. How often it may be asked is for [`crate::pins`] to say.
///
/// # Errors
/// The refusal to send where nothing can be compared, whatever the PIN is.
pub fn is_pin(state: &State, verifier: &PinVerifier, pin: &[u8]) -> Result<bool, Refusal<'static>> {
    let (Some(vault), Some(keys)) = (state.vault(), state.keys()) else { return Err(state.locked()) };
    vault.is_pin(&keys, verifier, pin).map_err(|error| {
        tracing::error!("the approval PIN could not be compared: {error}");
        refuse::uncompared_pin(&error)
    })
}

/// What the person would have to be asked about before these secrets can be used so; `None` where there is
/// nothing to ask: they are allowed, one of them is denied, or nobody waits for an answer.
pub fn asks<'n>(
    asking: &Asking,
    action: Action,
    names: impl IntoIterator<Item = &'n str>,
) -> Option<(Asked, Option<String>)> {
    let questions = names.into_iter().map(|name| Question::Secret(action, name));
    asks_about(asking, questions, |questions| Asked {
        action,
        names: questions.iter().filter_map(|question| question.secret()).map(str::to_owned).collect(),
    })
}

/// As [`asks`], before names are listed.
pub fn asks_to_list(asking: &Asking) -> Option<(Asked, Option<String>)> {
    asks_about(asking, [Question::Names], |_| Asked { action: Action::List, names: Vec::new() })
}

fn asks_about<'n>(
    asking: &Asking,
    questions: impl IntoIterator<Item = Question<'n>>,
    asked: impl FnOnce(&[Question<'n>]) -> Asked,
) -> Option<(Asked, Option<String>)> {
    let Asking { state, stand, .. } = asking;
    let now = clock::now();
    // Whoever answers its own question waits for nobody.
    let waits = !asking.wait.is_zero() || stand.proven(state).is_some();
    if !waits || !state.is_open(now) {
        return None;
    }
    // Nearly always nobody is asked about anything, which then is told without putting together what speaks for it.
    let is_told = |question: &Question<'n>| {
        asking.cleared.is_none()
            && bait(asking, *question).is_none()
            && stand.allows_at_once(state, *question, now).is_some()
    };
    let mut questions = questions.into_iter().skip_while(is_told).peekable();
    questions.peek()?;
    let (mut standing, _) = stand.now(state);
    standing.cleared.clone_from(&asking.cleared);
    let mut open = Vec::new();
    let mut by = None;
    for question in questions {
        // It is refused at once: nobody is to say yes to it.
        if bait(asking, question).is_some() {
            return None;
        }
        match policy::decide(&standing, question) {
            Verdict::Allow(_) => {}
            // It is refused as what rests: nobody need say yes to it twice.
            Verdict::Ask(_) if stand.proven(state).is_none() && stand.rests(state, question) => return None,
            Verdict::Ask(rule) => {
                open.push(question);
                by = by.or(rule);
            }
            Verdict::Deny(_) => return None,
        }
    }
    (1..=limits::ASKED).contains(&open.len()).then(|| (asked(&open), by.map(|rule| rule.id.clone())))
}
