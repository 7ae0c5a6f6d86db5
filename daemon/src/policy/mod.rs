//! May this one? Pure: what was found out about whoever asks and a question in, a verdict out. Three
//! things allow: the grant of the terminal in which a command was typed, a rule about the program, and a
//! person's answer. What no rule speaks about, the person is asked.

pub mod decided;
pub mod edit;
pub mod explain;
pub mod rate;
pub mod rule;
mod scope;
pub mod text;
pub mod warn;

use std::sync::Arc;

pub use glassdome_proto::policy::{Action, Decision};
use rule::{Origin, Rule};
pub use scope::Scope;

/// What the policy is asked about.
#[derive(Debug, Clone, Copy)]
pub enum Question<'a> {
    /// One secret, by name: asked before it is looked up.
    Secret(Action, &'a str),
    /// Names, of which only those that may be seen are shown.
    Names,
    /// The sealed settings, the rules, the grants: to be read.
    Sealed,
}

impl Standing {
    /// Without the rules whose time is over; `now` in seconds since the epoch.
    pub fn at(mut self, now: u64) -> Self {
        self.rules.retain(|rule| !rule.is_over(now));
        self
    }

    /// Whether nothing of it ends by itself or is used up: a decision then holds until something changes.
    pub fn lasts(&self) -> bool {
        let lasts =
            |rule: &Arc<Rule>| rule.origin == Origin::Sealed && rule.rate.is_none() && rule.expires.is_none();
        self.cleared.is_none() && self.rules.iter().all(lasts)
    }
}

impl<'a> Question<'a> {
    /// Which secret it is about.
    pub fn secret(self) -> Option<&'a str> {
        match self {
            Self::Secret(_, name) => Some(name),
            Self::Names | Self::Sealed => None,
        }
    }
}

/// How whoever asks stands: what was found to speak for it, or against it.
#[derive(Debug, Clone, Default)]
pub struct Standing {
    /// The grant of its terminal, by number.
    pub grant: Option<u32>,
    /// The rules that are about it.
    pub rules: Vec<Arc<Rule>>,
    /// What a person said to the very request that is judged.
    pub cleared: Option<Clearance>,
}

/// A person's yes to one question, for the request that raised it and for no other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Clearance {
    /// The question's number.
    pub id: u32,
    /// What was asked.
    pub asked: Asked,
}

/// What a person is asked about.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Asked {
    /// What would be done.
    pub action: Action,
    /// With which secrets; none means all names, to be listed.
    pub names: Vec<String>,
}

impl Asked {
    /// What a question to the policy is to a person; `None` of what no person is asked about.
    pub fn of(question: Question<'_>) -> Option<Self> {
        match question {
            Question::Secret(action, name) => Some(Self { action, names: vec![name.to_owned()] }),
            Question::Names => Some(Self { action: Action::List, names: Vec::new() }),
            Question::Sealed => None,
        }
    }

    /// As a question to the policy: of several secrets the one about the first.
    pub fn question(&self) -> Question<'_> {
        self.names.first().map_or(Question::Names, |name| Question::Secret(self.action, name))
    }

    fn covers(&self, question: Question<'_>) -> bool {
        match question {
            Question::Secret(action, name) => {
                self.action == action && self.names.iter().any(|own| own == name)
            }
            Question::Names => self.action == Action::List && self.names.is_empty(),
            Question::Sealed => false,
        }
    }
}

/// What the policy says.
#[derive(Debug, Clone)]
pub enum Verdict {
    /// Yes, by this.
    Allow(By),
    /// The person decides: this rule wants it so, or nothing speaks about it.
    Ask(Option<Arc<Rule>>),
    /// No: this rule says so, or nobody could be asked.
    Deny(Option<Arc<Rule>>),
}

/// What allowed it.
#[derive(Debug, Clone)]
pub enum By {
    /// The grant of a terminal.
    Terminal(u32),
    /// A rule.
    Rule(Arc<Rule>),
    /// A listing: names are shown one by one.
    Listing(Listing),
    /// A person's yes to this very request.
    Person(u32),
    /// A handle.
    Handle(u32),
}

/// Which names a listing shows.
#[derive(Debug, Clone)]
pub struct Listing {
    /// Those that no rule keeps back: by the grant of a terminal, or by a person's yes.
    all: Option<Box<By>>,
    /// Those that these rules allow.
    allowed: Vec<Arc<Rule>>,
    /// But none that these keep back.
    kept_back: Vec<Arc<Rule>>,
}

/// Decides. `deny` goes before `ask`, and `ask` before `allow`, in whatever order rules stand; a grant
/// widens nothing that a rule keeps back. Where no rule speaks, the person decides.
pub fn decide(standing: &Standing, question: Question<'_>) -> Verdict {
    let cleared = standing.cleared.as_ref().filter(|cleared| cleared.asked.covers(question));
    let person = cleared.map(|cleared| By::Person(cleared.id));
    let grant = standing.grant.map(By::Terminal);
    match question {
        Question::Secret(action, name) => {
            let (mut ask, mut allow) = (None, None);
            for rule in standing.rules.iter().filter(|rule| rule.covers(action, name)) {
                match rule.decision {
                    Decision::Deny => return Verdict::Deny(Some(rule.clone())),
                    Decision::Ask => ask = ask.or(Some(rule)),
                    Decision::Allow => allow = allow.or(Some(rule)),
                }
            }
            match ask {
                Some(ask) => person.map_or_else(|| Verdict::Ask(Some(ask.clone())), Verdict::Allow),
                None => {
                    let by = grant.or_else(|| allow.cloned().map(By::Rule)).or(person);
                    by.map_or(Verdict::Ask(None), Verdict::Allow)
                }
            }
        }
        Question::Names => {
            let listing = standing.rules.iter().filter(|rule| rule.actions.contains(&Action::List)).cloned();
            let (allowed, kept_back): (Vec<_>, Vec<_>) =
                listing.partition(|rule| rule.decision == Decision::Allow);
            let all = grant.or(person).map(Box::new);
            if all.is_none() && allowed.is_empty() {
                return Verdict::Ask(None);
            }
            Verdict::Allow(By::Listing(Listing { all, allowed, kept_back }))
        }
        Question::Sealed => grant.map_or(Verdict::Deny(None), Verdict::Allow),
    }
}

impl By {
    /// Whether it lets this name be seen in a listing.
    pub fn shows(&self, name: &str) -> bool {
        match self {
            Self::Terminal(_) | Self::Person(_) => true,
            Self::Rule(rule) => rule.covers(Action::List, name),
            Self::Handle(_) => false,
            Self::Listing(listing) => listing.shows(name),
        }
    }

    /// As the log records it.
    pub fn word(&self) -> String {
        match self {
            Self::Terminal(id) => format!("terminal:{id}"),
            Self::Rule(rule) => rule.word(),
            Self::Person(id) => format!("person:{id}"),
            Self::Handle(id) => format!("handle:{id}"),
            Self::Listing(Listing { all: Some(by), .. }) => by.word(),
            Self::Listing(Listing { allowed, .. }) => {
                let words: Vec<String> = allowed.iter().map(|rule| rule.word()).collect();
                words.join(",")
            }
        }
    }
}

impl Listing {
    fn shows(&self, name: &str) -> bool {
        let covers = |rules: &[Arc<Rule>]| rules.iter().any(|rule| rule.covers(Action::List, name));
        !covers(&self.kept_back) && (self.all.is_some() || covers(&self.allowed))
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use glassdome_proto::Glob;
    use proptest::prelude::*;

    pub(crate) fn rule(decision: Decision, id: &str, glob: &str, actions: &[Action]) -> Arc<Rule> {
        Arc::new(Rule {
            id: id.into(),
            decision,
            secrets: vec![Glob::parse(glob).unwrap()],
            actions: actions.to_vec(),
            ..Rule::any()
        })
    }

    const QUESTIONS: [Question<'static>; 3] =
        [Question::Secret(Action::Get, "a"), Question::Names, Question::Sealed];

    /// What is allowed, as the log would record it; the others as the rule that decided.
    pub(crate) fn told(verdict: &Verdict) -> String {
        match verdict {
            Verdict::Allow(by) => by.word(),
            Verdict::Ask(rule) => format!("ask {}", rule.as_ref().map_or("nothing", |rule| &rule.id)),
            Verdict::Deny(rule) => format!("deny {}", rule.as_ref().map_or("nothing", |rule| &rule.id)),
        }
    }

    fn cleared(action: Action, names: &[&str]) -> Option<Clearance> {
        let names = names.iter().map(|name| (*name).to_owned()).collect();
        Some(Clearance { id: 7, asked: Asked { action, names } })
    }

    #[test]
    fn what_nothing_speaks_about_is_asked() {
        let said = QUESTIONS.map(|question| told(&decide(&Standing::default(), question)));
        assert_eq!(said, ["ask nothing", "ask nothing", "deny nothing"]);
    }

    #[test]
    fn a_granted_terminal_may_everything() {
        let standing = Standing { grant: Some(3), ..Standing::default() };
        for question in QUESTIONS {
            assert_eq!(told(&decide(&standing, question)), "terminal:3");
        }
        let Verdict::Allow(by) = decide(&standing, Question::Names) else { panic!("refused") };
        assert!(by.shows("anything"));
    }

    #[test]
    fn a_rule_allows_what_it_names_and_no_more() {
        let allow = |id, glob, actions| rule(Decision::Allow, id, glob, actions);
        let rules = vec![allow("names", "db/*", &[Action::List]), allow("key", "aws/key", &[Action::Get])];
        let standing = Standing { rules, ..Standing::default() };
        let word = |question| told(&decide(&standing, question));
        assert_eq!(word(Question::Secret(Action::Get, "aws/key")), "rule:key");
        assert_eq!(word(Question::Secret(Action::Get, "aws/key2")), "ask nothing");
        assert_eq!(word(Question::Secret(Action::Set, "aws/key")), "ask nothing");
        assert_eq!(word(Question::Secret(Action::Get, "db/a")), "ask nothing");
        assert_eq!(word(Question::Secret(Action::List, "db/a")), "rule:names");
        assert_eq!(word(Question::Names), "rule:names");
        assert_eq!(word(Question::Sealed), "deny nothing");
        let Verdict::Allow(names) = decide(&standing, Question::Names) else { panic!("refused") };
        assert!(names.shows("db/a") && !names.shows("aws/key"));
    }

    #[test]
    fn a_persons_yes_is_for_what_was_asked() {
        let standing = Standing { cleared: cleared(Action::Get, &["a", "b"]), ..Standing::default() };
        let word = |question| told(&decide(&standing, question));
        assert_eq!(word(Question::Secret(Action::Get, "a")), "person:7");
        assert_eq!(word(Question::Secret(Action::Get, "b")), "person:7");
        assert_eq!(word(Question::Secret(Action::Get, "c")), "ask nothing");
        assert_eq!(word(Question::Secret(Action::Set, "a")), "ask nothing");
        assert_eq!(word(Question::Names), "ask nothing");
        let standing = Standing { cleared: cleared(Action::List, &[]), ..Standing::default() };
        assert_eq!(told(&decide(&standing, Question::Names)), "person:7");
        assert_eq!(told(&decide(&standing, Question::Sealed)), "deny nothing");
    }

    #[test]
    fn a_listing_shows_nothing_that_is_kept_back() {
        for kept_back in [Decision::Ask, Decision::Deny] {
            let rules = vec![
                rule(kept_back, "root", "aws/root/**", &[Action::List]),
                rule(Decision::Allow, "aws", "aws/**", &[Action::List]),
            ];
            for grant in [None, Some(3)] {
                let standing = Standing { grant, rules: rules.clone(), cleared: None };
                let Verdict::Allow(by) = decide(&standing, Question::Names) else { panic!("refused") };
                assert!(by.shows("aws/key") && !by.shows("aws/root/key"));
                assert_eq!(by.shows("db"), grant.is_some());
            }
        }
    }

    fn any_rule() -> impl Strategy<Value = Arc<Rule>> {
        let decision = proptest::sample::select(Decision::ALL.as_slice());
        let glob = proptest::sample::select(["a", "a/*", "a/**", "b", "**", "?"].as_slice());
        let actions = proptest::sample::subsequence(Action::ALL.as_slice(), 1..=4);
        (decision, glob, actions, "[a-z]{4}")
            .prop_map(|(decision, glob, actions, id)| rule(decision, &id, glob, &actions))
    }

    fn any_standing() -> impl Strategy<Value = Standing> {
        let clearance = proptest::option::of(proptest::sample::select(["a", "a/x", "b"].as_slice()));
        (proptest::option::of(0..9u32), proptest::collection::vec(any_rule(), 0..6), clearance).prop_map(
            |(grant, rules, name)| Standing {
                grant,
                rules,
                cleared: name.and_then(|name| cleared(Action::Get, &[name])),
            },
        )
    }

    fn kind(verdict: &Verdict) -> Decision {
        match verdict {
            Verdict::Allow(_) => Decision::Allow,
            Verdict::Ask(_) => Decision::Ask,
            Verdict::Deny(_) => Decision::Deny,
        }
    }

    proptest! {
        #[test]
        fn deny_wins_and_nothing_widens_it(
            standing in any_standing(),
            action in proptest::sample::select(Action::ALL.as_slice()),
            name in proptest::sample::select(["a", "a/x", "a/x/y", "b", "c"].as_slice()),
        ) {
            let verdict = kind(&decide(&standing, Question::Secret(action, name)));
            let says = |decision| standing.rules.iter().any(|rule| rule.decision == decision && rule.covers(action, name));
            let person = standing.cleared.as_ref().is_some_and(|cleared| cleared.asked.covers(Question::Secret(action, name)));
            let expected = if says(Decision::Deny) {
                Decision::Deny
            } else if says(Decision::Ask) {
                if person { Decision::Allow } else { Decision::Ask }
            } else if standing.grant.is_some() || says(Decision::Allow) || person {
                Decision::Allow
            } else {
                Decision::Ask
            };
            prop_assert_eq!(verdict, expected);
        }

        #[test]
        fn rules_whose_time_is_over_are_as_none(
            standing in any_standing(),
            ends in proptest::collection::vec(proptest::option::of(0..9u64), 6),
            now in 0..9u64,
            name in proptest::sample::select(["a", "a/x", "b"].as_slice()),
        ) {
            let ending = standing.rules.iter().zip(&ends);
            let ending = ending.map(|(rule, end)| Arc::new(Rule { expires: *end, ..(**rule).clone() })).collect();
            let ending = Standing { rules: ending, ..standing.clone() }.at(now);
            let left = standing.rules.iter().zip(&ends).filter(|(_, end)| end.is_none_or(|end| end > now));
            let left = Standing { rules: left.map(|(rule, _)| rule.clone()).collect(), ..standing };
            for question in [Question::Secret(Action::Get, name), Question::Names, Question::Sealed] {
                prop_assert_eq!(told(&decide(&ending, question)), told(&decide(&left, question)));
            }
        }

        #[test]
        fn the_order_of_rules_does_not_matter(
            standing in any_standing(),
            name in proptest::sample::select(["a", "a/x", "b"].as_slice()),
            seed in 0..720usize,
        ) {
            let mut shuffled = standing.clone();
            let n = shuffled.rules.len().max(1);
            shuffled.rules.rotate_left(seed % n);
            if seed % 2 == 1 {
                shuffled.rules.reverse();
            }
            for question in [Question::Secret(Action::Get, name), Question::Names, Question::Sealed] {
                let (one, other) = (decide(&standing, question), decide(&shuffled, question));
                prop_assert_eq!(kind(&one), kind(&other));
                if let (Verdict::Allow(one @ By::Listing(_)), Verdict::Allow(other)) = (one, other) {
                    prop_assert_eq!(one.shows(name), other.shows(name));
                }
            }
        }
    }
}
