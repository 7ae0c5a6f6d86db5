//! How often a rule may allow: a bucket of tokens for each rule that names a rate, full when the session
//! begins. Pure but for what has been taken; the clock is the caller's.
//!
//! A bucket holds as many tokens as the rate counts, and refills evenly: after a burst of all of them
//! the next request waits for one. It counts for the rule, not for whoever asks: another connection or
//! process buys nothing.

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use glassdome_proto::Rate;

use super::rule::Rule;
use super::{By, Listing, Question, Standing, Verdict, decide};
use crate::clock::Now;

/// What was taken from each rule's bucket in this session.
#[derive(Debug, Default)]
pub struct Rates(RefCell<HashMap<String, Bucket>>);

/// A rule would allow, but has allowed too often.
#[derive(Debug, Clone)]
pub struct Over {
    /// Which.
    pub rule: Arc<Rule>,
    /// When it will again.
    pub wait: Duration,
}

/// When the bucket will be full, since the machine started: that says all (the virtual schedule of ITU-T
/// I.371, annex A).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bucket {
    rate: Rate,
    full: Duration,
}

impl Bucket {
    /// One from which nothing was taken.
    pub fn full(rate: Rate) -> Self {
        Self { rate, full: Duration::ZERO }
    }

    /// Whether all that was taken has come back by `now`.
    pub fn is_full(self, now: Duration) -> bool {
        self.full <= now
    }

    /// Takes a token.
    ///
    /// # Errors
    /// How long the next one takes.
    pub fn take(self, now: Duration) -> Result<Self, Duration> {
        let per = self.rate.per.duration();
        let one = per / self.rate.count.get();
        let full = self.full.max(now) + one;
        // A division that leaves a rest gives a little more than the rate says, never less.
        let wait = full.saturating_sub(now + per);
        if wait.is_zero() { Ok(Self { full, ..self }) } else { Err(wait) }
    }
}

impl Rates {
    /// Decides, and takes from the buckets of the rules that allow it. One that has allowed too often
    /// allows nothing, and another may.
    ///
    /// # Errors
    /// [`Over`] where nothing but such a rule would allow: nobody is asked then.
    pub fn decide(&self, standing: &Standing, question: Question<'_>, now: Now) -> Result<Verdict, Over> {
        let mut verdict = decide(standing, question);
        let mut rest: Option<Standing> = None;
        let mut over: Option<Over> = None;
        loop {
            let late: Vec<Over> = rated(&verdict).filter_map(|rule| self.late(rule, now)).collect();
            if late.is_empty() {
                break;
            }
            let rest = rest.get_or_insert_with(|| standing.clone());
            rest.rules.retain(|rule| !late.iter().any(|late| Arc::ptr_eq(&late.rule, rule)));
            over = over.into_iter().chain(late).min_by_key(|over| over.wait);
            verdict = decide(rest, question);
        }
        match (verdict, over) {
            (Verdict::Ask(None), Some(over)) => Err(over),
            (verdict, _) => {
                rated(&verdict).for_each(|rule| self.take(rule, now));
                Ok(verdict)
            }
        }
    }

    /// The session is over.
    pub fn clear(&self) {
        self.0.borrow_mut().clear();
    }

    fn bucket(&self, rule: &Rule, rate: Rate) -> Bucket {
        let known = self.0.borrow().get(&rule.id).copied();
        // A rule that was sealed anew with another rate begins anew.
        known.filter(|bucket| bucket.rate == rate).unwrap_or(Bucket::full(rate))
    }

    fn late(&self, rule: &Arc<Rule>, now: Now) -> Option<Over> {
        let wait = self.bucket(rule, rule.rate?).take(now.boot).err()?;
        Some(Over { rule: rule.clone(), wait })
    }

    fn take(&self, rule: &Arc<Rule>, now: Now) {
        if let Some(rate) = rule.rate
            && let Ok(bucket) = self.bucket(rule, rate).take(now.boot)
        {
            self.0.borrow_mut().insert(rule.id.clone(), bucket);
        }
    }
}

/// The rules with a rate by which something is allowed.
fn rated(verdict: &Verdict) -> impl Iterator<Item = &Arc<Rule>> {
    let rules = match verdict {
        Verdict::Allow(By::Rule(rule)) => std::slice::from_ref(rule),
        Verdict::Allow(By::Listing(Listing { all: None, allowed, .. })) => allowed,
        Verdict::Allow(_) | Verdict::Ask(_) | Verdict::Deny(_) => &[],
    };
    rules.iter().filter(|rule| rule.rate.is_some())
}

#[cfg(test)]
mod tests {
    use super::super::tests::rule;
    use super::super::{Action, Decision};
    use super::*;
    use proptest::prelude::*;

    const GET: Question<'static> = Question::Secret(Action::Get, "a");

    fn at(millis: u64) -> Now {
        let time = Duration::from_millis(millis);
        Now { boot: time, wall: time }
    }

    fn rated_rule(id: &str, rate: &str) -> Arc<Rule> {
        let plain = rule(Decision::Allow, id, "*", &[Action::Get, Action::List]);
        Arc::new(Rule { rate: Rate::parse(rate), ..(*plain).clone() })
    }

    fn standing(rules: &[Arc<Rule>]) -> Standing {
        Standing { rules: rules.to_vec(), ..Standing::default() }
    }

    fn word(decided: Result<Verdict, Over>) -> String {
        match decided {
            Ok(Verdict::Allow(by)) => by.word(),
            Ok(Verdict::Ask(_)) => "ask".into(),
            Ok(Verdict::Deny(_)) => "deny".into(),
            Err(over) => format!("{} {}", over.rule.id, over.wait.as_millis()),
        }
    }

    #[test]
    fn a_burst_and_then_evenly() {
        let (rates, standing) = (Rates::default(), standing(&[rated_rule("r", "4/min")]));
        let asked = |question, millis| word(rates.decide(&standing, question, at(millis)));
        for _ in 0..4 {
            assert_eq!(asked(GET, 100_000), "rule:r");
        }
        assert_eq!(asked(GET, 100_000), "r 15000");
        assert_eq!(asked(Question::Secret(Action::Set, "a"), 100_000), "ask", "another matter");
        assert_eq!(asked(GET, 114_999), "r 1", "what was refused costs nothing");
        assert_eq!(asked(GET, 115_000), "rule:r");
        assert_eq!(asked(Question::Names, 115_000), "r 15000", "a listing takes one, too");
        assert_eq!(asked(Question::Names, 130_000), "rule:r");
        rates.clear();
        assert_eq!(asked(GET, 130_000), "rule:r", "another session");
    }

    #[test]
    fn what_else_allows_is_not_held_up() {
        let rates = Rates::default();
        let rules = [rated_rule("one", "1/h"), rated_rule("two", "1/day")];
        let asked = |standing: &Standing, question| word(rates.decide(standing, question, at(0)));
        let both = standing(&rules);
        assert_eq!([(); 3].map(|()| asked(&both, GET)), ["rule:one", "rule:two", "one 3600000"]);
        let granted = Standing { grant: Some(3), ..both.clone() };
        assert_eq!(asked(&granted, GET), "terminal:3");
        let mut kept_back = both.clone();
        kept_back.rules.push(rule(Decision::Ask, "ask", "*", &[Action::Get]));
        assert_eq!(asked(&kept_back, GET), "ask");
        let mut free = both;
        free.rules.push(rule(Decision::Allow, "free", "*", &[Action::Get]));
        assert_eq!(asked(&free, GET), "rule:free");
        let changed = standing(&[rated_rule("one", "2/h")]);
        assert_eq!(asked(&changed, GET), "rule:one", "sealed anew");
    }

    proptest! {
        #[test]
        fn no_window_holds_more_than_twice_its_rate(
            count in 1u32..20,
            gaps in proptest::collection::vec(0u64..5_000, 1..200),
        ) {
            let (rates, standing) = (Rates::default(), standing(&[rated_rule("r", &format!("{count}/min"))]));
            let (mut now, mut allowed) = (0, Vec::new());
            for gap in gaps {
                now += gap;
                match rates.decide(&standing, GET, at(now)) {
                    Ok(_) => allowed.push(now),
                    Err(over) => {
                        prop_assert!(over.wait > Duration::ZERO && over.wait <= Duration::from_secs(60));
                        // It holds what it says.
                        let then = now + u64::try_from(over.wait.as_millis()).unwrap() + 1;
                        let copy = Rates(RefCell::new(rates.0.borrow().clone()));
                        prop_assert!(copy.decide(&standing, GET, at(then)).is_ok());
                    }
                }
            }
            for &start in &allowed {
                let within = allowed.iter().filter(|at| (start..start + 60_000).contains(at)).count();
                prop_assert!(within <= 2 * count as usize, "{} from {}", within, start);
            }
            let first = allowed.first().copied().unwrap_or_default();
            prop_assert!(allowed.iter().filter(|at| **at == first).count() <= count as usize);
        }
    }
}
