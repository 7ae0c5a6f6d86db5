//! The one gate before every operation that touches what the vault holds: deny by default. It asks
//! the session whether it is open and the policy whether this peer may, and hands on a [`Permit`].
//!
//! A permit is the only way to a key. It borrows the session, so it cannot outlive the judgement,
//! cross an `await`, or survive a lock.

use std::cell::Ref;

use glassdome_audit::{Event, Outcome};
use glassdome_proto::{Code, Refusal};
use glassdome_vault::Keys;

use crate::attest::Peer;
use crate::clock;
use crate::journal::{Entry, Who};
use crate::policy::{self, Question, Rule, Verdict};
use crate::refuse;
use crate::state::State;

/// This peer may do this, now.
#[must_use]
pub struct Permit<'s> {
    keys: Ref<'s, Keys>,
    rule: Rule,
}

impl Permit<'_> {
    /// The key for the one operation that was permitted.
    pub fn keys(&self) -> &Keys {
        &self.keys
    }

    /// What allowed it, as the log records it.
    pub fn by(&self) -> &'static str {
        self.rule.name()
    }
}

/// Judges one request, records a refusal, and moves the idle limit if it is allowed.
///
/// # Errors
/// The refusal to send.
pub fn admit<'s>(
    state: &'s State,
    peer: &Peer,
    event: Event,
    question: Question<'_>,
) -> Result<Permit<'s>, Refusal<'static>> {
    let evidence = peer.evidence();
    let refused = |by: &str, refusal: Refusal<'static>| {
        let peer = Who::Peer(evidence);
        let entry = Entry { event, outcome: Outcome::Denied, secret: question.secret, by: Some(by), peer };
        match state.record(entry) {
            Ok(_) => refusal,
            Err(unlogged) => unlogged,
        }
    };
    if state.vault().is_none() {
        return Err(refused("no-vault", refuse::no_vault()));
    }
    if !state.is_open(clock::now()) {
        return Err(refused("locked", refuse::locked(state.last_lock())));
    }
    let rule = match policy::decide(state.owner(), evidence, question) {
        Verdict::Allow(rule) => rule,
        Verdict::Deny(reason) => {
            return Err(refused("policy", Refusal::new(Code::Denied, format!("denied: {reason}"))));
        }
    };
    state.used(clock::now());
    match state.keys() {
        Some(keys) => Ok(Permit { keys, rule }),
        None => Err(refused("locked", refuse::locked(state.last_lock()))),
    }
}
