//! May this one? Pure: what was found out about whoever asks and a question in, a verdict out. Two
//! things allow: the grant of the terminal in which a command was typed, and a sealed rule about the
//! program. Everything else is refused.

pub mod rule;

use std::sync::Arc;

pub use glassdome_proto::policy::Action;
use rule::Rule;

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

impl<'a> Question<'a> {
    /// Which secret it is about.
    pub fn secret(self) -> Option<&'a str> {
        match self {
            Self::Secret(_, name) => Some(name),
            Self::Names | Self::Sealed => None,
        }
    }
}

/// How whoever asks stands: what was found to speak for it.
#[derive(Debug, Clone, Default)]
pub struct Standing {
    /// The grant of its terminal, by number.
    pub grant: Option<u32>,
    /// The sealed rules that are about it.
    pub rules: Vec<Arc<Rule>>,
}

/// What decided.
#[derive(Debug, Clone)]
pub enum By {
    /// The grant of a terminal.
    Terminal(u32),
    /// A sealed rule.
    Rule(Arc<Rule>),
    /// Rules, each for the names that it covers.
    Rules(Vec<Arc<Rule>>),
}

/// Decides; `None` is no.
pub fn decide(standing: &Standing, question: Question<'_>) -> Option<By> {
    if let Some(grant) = standing.grant {
        return Some(By::Terminal(grant));
    }
    match question {
        Question::Secret(action, name) => {
            standing.rules.iter().find(|rule| rule.allows(action, name)).map(|rule| By::Rule(rule.clone()))
        }
        Question::Names => {
            let listing = |rule: &&Arc<Rule>| rule.actions.contains(&Action::List);
            let rules: Vec<_> = standing.rules.iter().filter(listing).cloned().collect();
            (!rules.is_empty()).then_some(By::Rules(rules))
        }
        Question::Sealed => None,
    }
}

impl By {
    /// Whether it lets this name be seen in a listing.
    pub fn shows(&self, name: &str) -> bool {
        match self {
            Self::Terminal(_) => true,
            Self::Rule(rule) => rule.allows(Action::List, name),
            Self::Rules(rules) => rules.iter().any(|rule| rule.allows(Action::List, name)),
        }
    }

    /// As the log records it.
    pub fn word(&self) -> String {
        match self {
            Self::Terminal(id) => format!("terminal:{id}"),
            Self::Rule(rule) => format!("rule:{}", rule.id),
            Self::Rules(rules) => {
                let ids: Vec<&str> = rules.iter().map(|rule| rule.id.as_str()).collect();
                format!("rule:{}", ids.join(","))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::rule::Pinned;
    use super::*;
    use glassdome_proto::Glob;

    fn rule(id: &str, glob: &str, actions: &[Action]) -> Arc<Rule> {
        Arc::new(Rule {
            id: id.into(),
            secrets: vec![Glob::parse(glob).unwrap()],
            actions: actions.to_vec(),
            exe: Pinned { path: "/bin/x".into(), sha256: None },
            script: None,
            made: 0,
        })
    }

    const QUESTIONS: [Question<'static>; 3] =
        [Question::Secret(Action::Get, "a"), Question::Names, Question::Sealed];

    #[test]
    fn nothing_is_allowed_by_nothing() {
        for question in QUESTIONS {
            assert!(decide(&Standing::default(), question).is_none(), "{question:?}");
        }
    }

    #[test]
    fn a_granted_terminal_may_everything() {
        let standing = Standing { grant: Some(3), rules: vec![] };
        for question in QUESTIONS {
            let by = decide(&standing, question).unwrap();
            assert_eq!(by.word(), "terminal:3");
            assert!(by.shows("anything"));
        }
    }

    #[test]
    fn a_rule_allows_what_it_names_and_no_more() {
        let rules = vec![rule("names", "db/*", &[Action::List]), rule("key", "aws/key", &[Action::Get])];
        let standing = Standing { grant: None, rules };
        let word = |question| decide(&standing, question).map(|by| by.word());
        assert_eq!(word(Question::Secret(Action::Get, "aws/key")).as_deref(), Some("rule:key"));
        assert_eq!(word(Question::Secret(Action::Get, "aws/key2")), None);
        assert_eq!(word(Question::Secret(Action::Set, "aws/key")), None);
        assert_eq!(word(Question::Secret(Action::Get, "db/a")), None);
        assert_eq!(word(Question::Secret(Action::List, "db/a")).as_deref(), Some("rule:names"));
        assert_eq!(word(Question::Names).as_deref(), Some("rule:names"));
        assert_eq!(word(Question::Sealed), None);
        let names = decide(&standing, Question::Names).unwrap();
        assert!(names.shows("db/a") && !names.shows("aws/key"));
    }
}
