//! What a handle gives: names, and of these what whoever made it may get. Pure, like all of the policy.

use std::sync::Arc;

use glassdome_proto::Glob;

use super::rule::Rule;
use super::{Action, By, Decision, Question, Standing, Verdict, decide};

/// Of one handle.
#[derive(Debug)]
pub struct Scope {
    /// The handle's number.
    id: u32,
    /// The names.
    secrets: Vec<Glob>,
    /// What spoke for whoever made it, and against it.
    giver: Standing,
}

impl Scope {
    /// Narrows what `giver` may get down to `secrets`; what allows it, as the log records it.
    ///
    /// # Errors
    /// The first of `secrets` that `giver` may not get as a whole.
    pub fn of(id: u32, secrets: Vec<Glob>, giver: Standing) -> Result<(Self, String), Glob> {
        let gives = |rule: &&Arc<Rule>, wanted: &Glob| {
            // How often a handle is used is not counted.
            rule.decision == Decision::Allow
                && rule.rate.is_none()
                && rule.actions.contains(&Action::Get)
                && rule.secrets.iter().any(|own| own.contains(wanted))
        };
        let mut words = Vec::new();
        if let Some(grant) = giver.grant {
            words.push(By::Terminal(grant).word());
        } else {
            for wanted in &secrets {
                match giver.rules.iter().find(|rule| gives(rule, wanted)) {
                    Some(rule) => words.push(rule.word()),
                    None => return Err(wanted.clone()),
                }
            }
            words.dedup();
        }
        // A yes to one question is for that question.
        let giver = Standing { cleared: None, ..giver };
        Ok((Self { id, secrets, giver }, words.join(",")))
    }

    /// The handle's number.
    pub fn id(&self) -> u32 {
        self.id
    }

    /// The names.
    pub fn secrets(&self) -> &[Glob] {
        &self.secrets
    }

    /// Decides, for whoever uses the handle. What a rule keeps back from that program, or from whoever made
    /// the handle, a handle does not give; `in_force` says which of the latter's rules still hold.
    pub fn decide(
        &self,
        user: &Standing,
        question: Question<'_>,
        in_force: impl Fn(&Arc<Rule>) -> bool,
    ) -> Verdict {
        let named = |name| self.secrets.iter().any(|glob| glob.matches(name));
        if !matches!(question, Question::Secret(Action::Get, name) if named(name)) {
            return Verdict::Deny(None);
        }
        let rules = self.giver.rules.iter().filter(|rule| in_force(rule)).cloned().collect();
        let giver = Standing { rules, ..self.giver.clone() };
        // Nobody is asked on behalf of whoever made it: that one is not there any more.
        let by_giver = decide(&giver, question);
        if let Verdict::Ask(rule) | Verdict::Deny(rule) = by_giver {
            return Verdict::Deny(rule);
        }
        // As if a terminal were granted: rules about the program that keep something back go before it.
        match decide(&Standing { grant: Some(self.id), ..user.clone() }, question) {
            Verdict::Allow(By::Terminal(_)) => Verdict::Allow(By::Handle(self.id)),
            other => other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn glob(text: &str) -> Glob {
        Glob::parse(text).unwrap()
    }

    fn rule(decision: Decision, id: &str, secrets: &str) -> Arc<Rule> {
        super::super::tests::rule(decision, id, secrets, &[Action::Get])
    }

    fn standing(grant: Option<u32>, rules: Vec<Arc<Rule>>) -> Standing {
        Standing { grant, rules, cleared: None }
    }

    fn scope(secrets: &[&str], giver: Standing) -> Result<(Scope, String), Glob> {
        Scope::of(7, secrets.iter().map(|text| glob(text)).collect(), giver)
    }

    fn said(scope: &Scope, user: &Standing, name: &str) -> String {
        match scope.decide(user, Question::Secret(Action::Get, name), |_| true) {
            Verdict::Allow(by) => by.word(),
            Verdict::Ask(_) => "ask".into(),
            Verdict::Deny(rule) => rule.map_or_else(|| "deny".into(), |rule| rule.word()),
        }
    }

    #[test]
    fn it_gives_what_it_names_and_nothing_else() {
        let (scope, by) = scope(&["aws/*", "db"], standing(Some(3), vec![])).unwrap();
        assert_eq!(by, "terminal:3");
        let nobody = Standing::default();
        assert_eq!(said(&scope, &nobody, "aws/key"), "handle:7");
        assert_eq!(said(&scope, &nobody, "db"), "handle:7");
        for name in ["aws/prod/key", "aws", "other"] {
            assert_eq!(said(&scope, &nobody, name), "deny", "{name}");
        }
        // Nor what speaks for the program besides: it can ask for that without the handle.
        let user = standing(Some(1), vec![rule(Decision::Allow, "own", "other")]);
        assert_eq!(said(&scope, &user, "other"), "deny");
        for question in [
            Question::Secret(Action::Set, "db"),
            Question::Secret(Action::List, "db"),
            Question::Names,
            Question::Sealed,
        ] {
            assert!(matches!(scope.decide(&user, question, |_| true), Verdict::Deny(None)), "{question:?}");
        }
    }

    #[test]
    fn what_a_rule_keeps_back_stays_there() {
        let deny = rule(Decision::Deny, "root", "aws/root");
        let ask = rule(Decision::Ask, "careful", "aws/prod");
        let (by_user, _) = scope(&["aws/*"], standing(Some(3), vec![])).unwrap();
        let user = standing(None, vec![deny.clone(), ask.clone()]);
        assert_eq!(said(&by_user, &user, "aws/root"), "rule:root");
        assert_eq!(said(&by_user, &user, "aws/prod"), "ask");
        assert_eq!(said(&by_user, &user, "aws/key"), "handle:7");
        let (by_giver, _) = scope(&["aws/*"], standing(Some(3), vec![deny, ask])).unwrap();
        assert_eq!(said(&by_giver, &Standing::default(), "aws/root"), "rule:root");
        assert_eq!(said(&by_giver, &Standing::default(), "aws/prod"), "rule:careful");
    }

    #[test]
    fn by_a_rule_it_gives_no_more_than_the_rule_and_no_longer() {
        let giver = || standing(None, vec![rule(Decision::Allow, "deploy", "aws/**")]);
        assert_eq!(scope(&["aws/*", "db"], giver()).unwrap_err(), glob("db"));
        assert_eq!(scope(&["**"], giver()).unwrap_err(), glob("**"));
        assert_eq!(scope(&["aws/*"], Standing::default()).unwrap_err(), glob("aws/*"));
        let asked = standing(None, vec![rule(Decision::Ask, "ask", "**")]);
        assert!(scope(&["aws/*"], asked).is_err());
        let (scope, by) = scope(&["aws/*", "aws/prod/key"], giver()).unwrap();
        assert_eq!(by, "rule:deploy");
        let question = Question::Secret(Action::Get, "aws/key");
        assert_eq!(said(&scope, &Standing::default(), "aws/key"), "handle:7");
        let gone = scope.decide(&Standing::default(), question, |_| false);
        assert!(matches!(gone, Verdict::Deny(None)), "the rule was taken away: {gone:?}");
    }
}
