//! What the predecessor left in the OS keyring: read and taken away only for the person, at a granted terminal or
//! with the master password. What is there and how it is called is told to any program of the owner's that may speak
//! to the daemon, with or without a session: on the keyring's bus, such a program could look as well; one that is kept
//! off that bus learns these names here, and no value.

use std::time::Duration;

use glassdome_audit::{Event, Outcome};
use glassdome_proto::leftovers::{Fate, Found, Mark};
use glassdome_proto::session::{self, Keyring};
use glassdome_proto::{Answer, Code, Refusal, deceives, limits};
use tokio::time::timeout;

use super::policy::right_of;
use super::{Asking, Done};
use crate::device::seen_as;
use crate::standing::Proven;
use crate::watch::keyring::Reach;
use crate::watch::leftovers::{self, Seen};
use crate::watch::service::Unanswered;

/// A daemon that has just started may not have looked yet.
const FIRST_LOOK: Duration = Duration::from_secs(1);
/// A keyring that hangs is given up.
const PATIENCE: Duration = Duration::from_secs(4);
/// Why something was not done, in the log: no keyring answered.
const UNANSWERED: &str = "unanswered";

/// What is there, a page.
pub async fn find(asking: Asking, after: Option<String>) -> Result<Answer<'static>, Refusal<'static>> {
    let keyring = asking.state.keyring();
    // Still not looked at: told as it is.
    let _ = timeout(FIRST_LOOK, keyring.looked()).await;
    let found = match keyring.reached() {
        None => Found::Unsearched(keyring.state()),
        Some(reach) => match timeout(PATIENCE, leftovers::find(&reach.service(), after.as_deref())).await {
            Ok(Ok(found)) => found,
            Ok(Err(unanswered)) => Found::Unsearched(seen_as(&unanswered)),
            Err(_) => Found::Unsearched(Keyring::Silent),
        },
    };
    Ok(Answer::Session(session::Answer::Leftovers(found)))
}

/// What one holds.
pub async fn read(asking: Asking, item: String) -> Result<Done, Refusal<'static>> {
    const EVENT: Event = Event::TakeOver;
    let named = persons(&asking, EVENT, &item).await?;
    let seen = match reach(&asking) {
        Ok(reach) => match timeout(PATIENCE, leftovers::read(&reach.service(), &item)).await {
            Ok(Ok(Seen::Open(held))) => return Ok(Done::Leftover(held)),
            Ok(Ok(Seen::Gone)) => Err(("gone", Refusal::new(Code::NotFound, "it is not there any more"))),
            Ok(Ok(Seen::Locked)) => {
                Err(("locked", Refusal::new(Code::NotFound, "it is locked: open the keyring")))
            }
            Ok(Ok(Seen::Refused)) => {
                Err(("refused", Refusal::new(Code::NotFound, "the keyring does not give it")))
            }
            Ok(Err(unanswered)) => Err((UNANSWERED, failed(&unanswered))),
            Err(_) => Err((UNANSWERED, failed(&Unanswered::Silent))),
        },
        Err(refusal) => Err((UNANSWERED, refusal)),
    };
    seen.or_else(|(why, refusal)| {
        asking.record(EVENT, Outcome::Failed, Some(&named), why)?;
        Err(refusal)
    })
}

/// Takes one away.
pub async fn remove(asking: Asking, item: String, mark: Mark) -> Result<Answer<'static>, Refusal<'static>> {
    const EVENT: Event = Event::TakeAway;
    let named = persons(&asking, EVENT, &item).await?;
    let left = |why| asking.record(EVENT, Outcome::Failed, Some(&named), why);
    let reach = match reach(&asking) {
        Ok(reach) => reach,
        Err(refusal) => {
            left(UNANSWERED)?;
            return Err(refusal);
        }
    };
    match leftovers::remove(&reach.service(), &item, &mark).await {
        Ok(fate) => {
            if let Some(why) = why_left(fate) {
                left(why)?;
            }
            Ok(Answer::Session(session::Answer::LeftoverRemoved(fate)))
        }
        Err(unanswered) => {
            left(UNANSWERED)?;
            Err(failed(&unanswered))
        }
    }
}

/// In the log; `None` for what was done.
fn why_left(fate: Fate) -> Option<&'static str> {
    match fate {
        Fate::Removed => None,
        Fate::Gone => Some("gone"),
        Fate::Changed => Some("changed"),
        Fate::Locked => Some("locked"),
        Fate::Asks => Some("asks"),
        Fate::Refused => Some("refused"),
    }
}

/// The approval PIN answers questions, and neither gives a value nor takes one away. What the item is called in the
/// log, where it stands before it is touched.
async fn persons(asking: &Asking, event: Event, item: &str) -> Result<String, Refusal<'static>> {
    asking.find_out_again().await?;
    let (standing, _) = asking.stand.now(&asking.state);
    let (grant, proven) = (standing.grant, asking.stand.proven(&asking.state));
    if grant.is_none() && proven == Some(Proven::Pin) {
        asking.record(event, Outcome::Denied, Some(&called(item)), "pin")?;
        let message = "denied: the approval PIN reads nothing, and takes nothing away. Type this where you unlocked, \
                       or give the master password: --password-fd N";
        return Err(Refusal::new(Code::Denied, message));
    }
    // For others, the keyring is asked nothing.
    let name = if grant.is_some() || proven.is_some() { name(asking, item).await } else { None };
    let named = called(name.as_deref().unwrap_or(item));
    right_of(asking, event, &named).await?;
    Ok(named)
}

/// As the keyring tells it, if it does.
async fn name(asking: &Asking, item: &str) -> Option<String> {
    let reach = asking.state.keyring().reached()?;
    timeout(PATIENCE, leftovers::name_of(&reach.service(), item)).await.ok()?
}

/// What any program of the user's may have named, fit for a person who reads the log.
fn called(name: &str) -> String {
    let shown = name.chars().map(|c| if deceives(c) { '?' } else { c });
    let mut called = "keyring:".to_owned();
    // As many as are told apart, and no more bytes than a secret's name has.
    for c in shown {
        if called.len() + c.len_utf8() > limits::NAME {
            break;
        }
        called.push(c);
    }
    called
}

fn reach(asking: &Asking) -> Result<Reach, Refusal<'static>> {
    let none = || Refusal::new(Code::Error, "no keyring can be asked. Why: ctl doctor");
    asking.state.keyring().reached().ok_or_else(none)
}

fn failed(unanswered: &Unanswered) -> Refusal<'static> {
    Refusal::new(Code::Error, format!("the keyring: {unanswered}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_in_the_log_steers_nothing_and_ends() {
        assert_eq!(called("master_key"), "keyring:master_key");
        assert_eq!(called("a\u{1b}[2J\u{202e}\nb"), "keyring:a?[2J??b");
        for long in ["x".repeat(5000), "ü".repeat(5000)] {
            let called = called(&long);
            assert!((limits::NAME - 1..=limits::NAME).contains(&called.len()), "{}", called.len());
        }
    }

    #[test]
    fn only_what_was_taken_away_has_not_failed() {
        let fates = [Fate::Removed, Fate::Gone, Fate::Changed, Fate::Locked, Fate::Asks, Fate::Refused];
        let mut words: Vec<_> = fates.into_iter().map(why_left).collect();
        assert_eq!(words.remove(0), None);
        assert!(words.iter().enumerate().all(|(at, word)| word.is_some() && !words[..at].contains(word)));
    }
}
