//! What was decided lately for one subject: how many rules are about it then does not matter for what it asks
//! for again and again. Whoever keeps this drops it when anything changes that a decision rests on.

use std::cell::RefCell;

use super::{Action, Question, Standing, Verdict, decide};

/// How many decisions are kept.
const KEPT: usize = 16;

/// As many rules are gone through as fast as decisions are looked up.
const FEW: usize = 8;

/// What speaks for a subject, with what was decided by it lately, where decisions last.
#[derive(Debug)]
pub struct Settled {
    /// What speaks for it.
    pub standing: Standing,
    decided: Option<RefCell<Decided>>,
}

impl Settled {
    /// Nothing was decided by it yet.
    pub fn new(standing: Standing) -> Self {
        let decided = standing.lasts().then(RefCell::default);
        Self { standing, decided }
    }

    /// As [`decide`]; `None` where it would have to be decided anew each time.
    pub fn decide(&self, question: Question<'_>) -> Option<Verdict> {
        Some(self.decided.as_ref()?.borrow_mut().decide(&self.standing, question))
    }
}

/// The last decisions, newest first.
#[derive(Debug, Default)]
pub struct Decided(Vec<(Action, Box<str>, Verdict)>);

impl Decided {
    /// As [`decide`], for what is always decided for the same `standing`.
    pub fn decide(&mut self, standing: &Standing, question: Question<'_>) -> Verdict {
        let Question::Secret(action, name) = question else { return decide(standing, question) };
        if standing.rules.len() <= FEW {
            return decide(standing, question);
        }
        let known = self.0.iter().position(|(its, of, _)| *its == action && **of == *name);
        let at = known.unwrap_or_else(|| {
            self.0.truncate(KEPT - 1);
            self.0.push((action, name.into(), decide(standing, question)));
            self.0.len() - 1
        });
        self.0[..=at].rotate_right(1);
        self.0[0].2.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::tests::{rule, told};
    use crate::policy::{Decision, rule::Rule};
    use proptest::prelude::*;
    use std::sync::Arc;

    fn many() -> Vec<Arc<Rule>> {
        let plain = |n: usize| rule(Decision::ALL[n % 3], &format!("r{n}"), &format!("a{n}"), &[Action::Get]);
        (0..40).map(plain).chain([rule(Decision::Allow, "all", "b/*", &[Action::Get, Action::Set])]).collect()
    }

    proptest! {
        #[test]
        fn it_is_what_would_be_decided_anew(
            asked in proptest::collection::vec((0..50usize, any::<bool>()), 1..200),
            grant in proptest::option::of(0..9u32),
        ) {
            let standing = Standing { rules: many(), grant, cleared: None };
            let mut decided = Decided::default();
            for (n, set) in asked {
                let name = if n < 45 { format!("a{n}") } else { format!("b/{n}") };
                let action = if set { Action::Set } else { Action::Get };
                let question = Question::Secret(action, &name);
                let anew = told(&decide(&standing, question));
                prop_assert_eq!(told(&decided.decide(&standing, question)), anew);
                prop_assert!(decided.0.len() <= KEPT);
            }
        }
    }

    #[test]
    fn what_is_asked_for_again_stays() {
        let standing = Standing { rules: many(), ..Standing::default() };
        let mut decided = Decided::default();
        for n in 0..100 {
            decided.decide(&standing, Question::Secret(Action::Get, "b/often"));
            decided.decide(&standing, Question::Secret(Action::Get, &format!("a{n}")));
        }
        assert!(decided.0.iter().any(|(_, name, _)| **name == *"b/often"));
        assert_eq!(decided.0.len(), KEPT);
    }
}
