//! Why a rule decides a request, or does not: the condition that failed first. Pure.

use std::sync::Arc;

use glassdome_proto::policy::Condition;

use super::Question;
use super::rule::Rule;
use crate::attest::seen::Compared;

/// Of each rule that was compared with whoever asks: what keeps it from speaking about the question, if
/// anything. `now` in seconds since the epoch.
pub fn explain(
    compared: &[Compared],
    question: Question<'_>,
    now: u64,
) -> Vec<(Arc<Rule>, Option<Condition>)> {
    compared.iter().map(|(rule, about)| (rule.clone(), silent(rule, question, now).or(*about))).collect()
}

fn silent(rule: &Rule, question: Question<'_>, now: u64) -> Option<Condition> {
    if rule.is_over(now) {
        return Some(Condition::Over);
    }
    match question {
        Question::Secret(action, name) => {
            let secrets = rule.secrets.iter().any(|glob| glob.matches(name));
            let action = rule.actions.contains(&action);
            (!secrets).then_some(Condition::Secrets).or((!action).then_some(Condition::Action))
        }
        Question::Names => (!rule.actions.contains(&super::Action::List)).then_some(Condition::Action),
        Question::Sealed => Some(Condition::Action),
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::rule;
    use super::super::{Action, Decision, Standing, Verdict, decide};
    use super::*;
    use proptest::prelude::*;

    fn why(rule: &Rule, about: Option<Condition>, question: Question<'_>) -> Option<Condition> {
        explain(&[(Arc::new(rule.clone()), about)], question, 100)[0].1
    }

    #[test]
    fn the_first_condition_that_failed() {
        let rule = rule(Decision::Allow, "r", "db/*", &[Action::Get]);
        let get = Question::Secret(Action::Get, "db/a");
        assert_eq!(why(&rule, None, get), None);
        assert_eq!(why(&rule, Some(Condition::Exe), get), Some(Condition::Exe));
        assert_eq!(why(&rule, None, Question::Secret(Action::Get, "x")), Some(Condition::Secrets));
        assert_eq!(why(&rule, None, Question::Secret(Action::Set, "db/a")), Some(Condition::Action));
        assert_eq!(why(&rule, None, Question::Names), Some(Condition::Action));
        let over = Rule { expires: Some(100), ..(*rule).clone() };
        assert_eq!(why(&over, Some(Condition::Exe), get), Some(Condition::Over));
    }

    proptest! {
        /// What is explained is what is decided.
        #[test]
        fn a_rule_that_fits_alone_decides(
            decision in proptest::sample::select(Decision::ALL.as_slice()),
            glob in proptest::sample::select(["a", "a/*", "**"].as_slice()),
            actions in proptest::sample::subsequence(Action::ALL.as_slice(), 0..4),
            name in proptest::sample::select(["a", "a/b", "b"].as_slice()),
            expires in proptest::option::of(99..102u64),
            about in proptest::option::of(proptest::sample::select(vec![Condition::Unit, Condition::Exe])),
        ) {
            let rule = Arc::new(Rule { expires, ..(*rule(decision, "r", glob, &actions)).clone() });
            let question = Question::Secret(Action::Get, name);
            let rules = about.is_none().then(|| rule.clone()).into_iter().collect();
            let standing = Standing { rules, ..Standing::default() }.at(100);
            let decides = !matches!(decide(&standing, question), Verdict::Ask(None));
            prop_assert_eq!(why(&rule, about, question).is_none(), decides);
        }
    }
}
