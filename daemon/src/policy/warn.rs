//! What is odd about a rule before it is sealed: above all, that it can never say anything. Pure.

use std::fmt;

use glassdome_proto::policy::runs_for_users;

use super::Decision;
use super::rule::Rule;
use crate::attest::unit::Manager;

/// Why a rule never says anything, or says it to others than it seems to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Warning {
    /// Its time is over.
    Over,
    /// Another one goes before it, wherever it would speak.
    Behind {
        /// Which.
        id: String,
        /// What that says.
        decision: Decision,
    },
    /// It allows what its users ask the unit for.
    ForUsers {
        /// The unit's name.
        name: String,
    },
    /// The system has no unit of that name.
    NoUnit {
        /// Its name.
        name: String,
    },
    /// No file is there.
    NoFile {
        /// Its path.
        path: String,
    },
    /// The file has other bytes than it pins.
    OtherBytes {
        /// Its path.
        path: String,
        /// The line that pins them.
        key: &'static str,
    },
    /// Others than root can change the file, and it pins nothing.
    Unpinned {
        /// Its path.
        path: String,
    },
    /// The file could not be looked at.
    Unread {
        /// Its path.
        path: String,
    },
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Over => write!(f, "its time is over: it says nothing"),
            Self::Behind { id, decision } => {
                let says = if *decision == Decision::Deny { "denies" } else { "asks about" };
                write!(f, "the rule {id} {says} all that it names, and goes before it: it says nothing")
            }
            Self::ForUsers { name } => write!(
                f,
                "the unit {name} runs what users ask for: any process of yours can have another one started in \
                 it. Make a unit of its own for what shall be allowed"
            ),
            Self::NoUnit { name } => {
                write!(f, "the system has no unit {name}: until it has, the rule says nothing")
            }
            Self::NoFile { path } => write!(f, "there is no file {path}: until there is, it says nothing"),
            Self::OtherBytes { path, key } => write!(
                f,
                "{path} has other bytes than those that are pinned: it says nothing. To pin those that it has now, \
                 take the line {key} away"
            ),
            Self::Unpinned { path } => {
                write!(f, "others than root can change {path}, whose bytes are not pinned: it says nothing")
            }
            Self::Unread { path } => {
                write!(f, "{path} could not be looked at: whether it says anything is not known")
            }
        }
    }
}

/// What can be told of a rule and the `others`, without a look at any file; `now` in seconds since the
/// epoch.
pub fn about<'r>(rule: &Rule, others: impl IntoIterator<Item = &'r Rule>, now: u64) -> Vec<Warning> {
    let over = rule.is_over(now).then_some(Warning::Over);
    let behind = others.into_iter().find(|other| other.decision > rule.decision && covers(other, rule, now));
    let behind = behind.map(|other| Warning::Behind { id: other.id.clone(), decision: other.decision });
    over.into_iter().chain(behind).chain(for_users(rule)).collect()
}

fn for_users(rule: &Rule) -> Option<Warning> {
    let unit = rule.unit.as_ref().filter(|unit| unit.manager == Manager::System)?;
    let warns = rule.decision == Decision::Allow && runs_for_users(&unit.name);
    warns.then(|| Warning::ForUsers { name: unit.name.clone() })
}

/// Whether one speaks wherever and whenever the other would.
fn covers(wide: &Rule, narrow: &Rule, now: u64) -> bool {
    let lasts = match (wide.expires, narrow.expires) {
        (None, _) => true,
        (Some(wide), Some(narrow)) => wide >= narrow && wide > now,
        (Some(_), None) => false,
    };
    let files = match (&wide.exe, &wide.script) {
        (None, _) => true,
        // What keeps back holds whatever the bytes.
        (exe, None) => path(exe) == path(&narrow.exe),
        (exe, script) => path(exe) == path(&narrow.exe) && path(script) == path(&narrow.script),
    };
    lasts
        && files
        && wide.process.is_none()
        && wide.unit.as_ref().is_none_or(|unit| narrow.unit.as_ref() == Some(unit))
        && narrow.actions.iter().all(|action| wide.actions.contains(action))
        && narrow.secrets.iter().all(|glob| wide.secrets.iter().any(|wide| wide.contains(glob)))
}

fn path(file: &Option<super::rule::Pinned>) -> Option<&str> {
    file.as_ref().map(|file| file.path.as_str())
}

#[cfg(test)]
mod tests {
    use super::super::Action;
    use super::super::rule::Pinned;
    use super::super::tests::rule;
    use super::*;
    use crate::attest::unit::Unit;

    fn of(decision: Decision, glob: &str, actions: &[Action]) -> Rule {
        (*rule(decision, "r", glob, actions)).clone()
    }

    fn words(rule: &Rule, others: &[&Rule]) -> Vec<String> {
        about(rule, others.iter().copied(), 100).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn what_has_passed_is_told() {
        let rule = Rule { expires: Some(100), ..of(Decision::Allow, "a", &[Action::Get]) };
        assert_eq!(words(&rule, &[]), ["its time is over: it says nothing"]);
        assert!(words(&Rule { expires: Some(101), ..rule }, &[]).is_empty());
    }

    #[test]
    fn a_unit_that_runs_for_users_is_told() {
        let of_unit = |decision, manager, name| {
            let unit = Unit::named(manager, name);
            words(&Rule { exe: None, unit, ..of(decision, "a", &[Action::Get]) }, &[])
        };
        let told = of_unit(Decision::Allow, Manager::System, "cron.service");
        assert!(told.len() == 1 && told[0].starts_with("the unit cron.service runs what users"), "{told:?}");
        assert!(of_unit(Decision::Allow, Manager::System, "api.service").is_empty());
        assert!(of_unit(Decision::Allow, Manager::User, "cron.service").is_empty(), "weak either way");
        assert!(of_unit(Decision::Deny, Manager::System, "cron.service").is_empty());
    }

    #[test]
    fn what_another_rule_keeps_back_altogether_is_told() {
        let rule = Rule { expires: Some(200), ..of(Decision::Allow, "db/*", &[Action::Get]) };
        let deny = Rule { exe: None, ..of(Decision::Deny, "db/**", &[Action::Get, Action::Set]) };
        assert_eq!(words(&rule, &[&deny]).len(), 1, "control");
        let same = of(Decision::Ask, "db/*", &[Action::Get]);
        assert_eq!(words(&rule, &[&same]).len(), 1, "the same program");
        assert_eq!(words(&rule, &[&Rule { expires: Some(200), ..same.clone() }]).len(), 1);
        let elsewhere = Some(Pinned { path: "/bin/y".into(), sha256: None });
        for other in [
            of(Decision::Allow, "db/**", &[Action::Get]),
            of(Decision::Deny, "db/a*", &[Action::Get]),
            of(Decision::Deny, "db/**", &[Action::Set]),
            Rule { exe: elsewhere.clone(), ..same.clone() },
            Rule { script: elsewhere, ..same.clone() },
            Rule { unit: Unit::named(Manager::System, "a.service"), ..deny.clone() },
            Rule { expires: Some(199), ..same },
            Rule { expires: Some(100), ..deny.clone() },
        ] {
            assert!(words(&rule, &[&other]).is_empty(), "{other:?}");
        }
        assert!(words(&deny, &[&of(Decision::Ask, "**", &Action::ALL)]).is_empty(), "a stricter one");
    }
}
