//! All rules as a person edits them: what can be typed stands at the head, and above each rule what it is
//! worth, and what is odd about it.

use glassdome_proto::policy::{Edit, Rule};

use super::rule::toml;
use super::style::Style;
use crate::error::printable;

const HEAD: &str = r#"# The rules of your vault. When you leave the editor you are shown what they would change, and asked for the
# master password before anything is sealed. Change nothing to change nothing.
#
# Each rule is [[rule]] with these lines below it:
#   id = "deploy"                              its name
#   decision = "allow"                         or "ask", "deny": deny goes before ask, and ask before allow
#   secrets = ["aws/prod/*"]                   * stops at /, ** crosses it
#   actions = ["get"]                          get, list, set, remove, encrypt, decrypt
#   exe = "/usr/bin/python3"                   the program; with script = "/home/…/deploy.py" the interpreter
#   unit = "api.service"                       what runs in it; or user_unit
#   rate = "60/min"   expires = "2027-01-01"   of a rule that allows; of any
# exe_sha256 and script_sha256 pin the bytes of a file. Where a rule must pin a file and such a line is missing,
# the bytes that the file has now are pinned: take it away to have that done anew.
#
# A comment is not kept, and the order of rules says nothing.
"#;

/// The text. `edits` tell what is odd about some of them.
pub(crate) fn sheet(rules: &[Rule<'_>], edits: &[Edit<'_>]) -> String {
    let mut text = HEAD.to_owned();
    for rule in rules {
        text.push('\n');
        let odd = edits.iter().filter(|edit| edit.rule.id == rule.id);
        for warning in odd.flat_map(|edit| edit.warnings.iter()) {
            text.push_str(&format!("# Warning: {}\n", printable(warning)));
        }
        text.push_str(&toml(rule, Style::plain()));
    }
    text
}

#[cfg(test)]
mod tests {
    use glassdome_proto::policy::{Action, Change, Decision, Manager, Pinned, Unit};
    use glassdome_proto::{Glob, List, Rate, Text, date};
    use glassdomed::policy::rule::Rule as Sealed;
    use glassdomed::policy::text::typed;
    use proptest::prelude::*;

    use super::*;
    use crate::text::rule::tests::rule;

    #[test]
    fn its_head_names_every_action() {
        let line = HEAD.lines().find(|line| line.starts_with("#   actions")).unwrap();
        for action in Action::ALL {
            assert!(line.contains(action.name()), "{action:?}: {line}");
        }
    }

    /// As the daemon reads it, told as it travels.
    fn read(text: &str) -> Vec<Rule<'static>> {
        let sent = |rule: Sealed| {
            let pinned = |file: glassdomed::policy::rule::Pinned| Pinned {
                path: Text::new(file.path).unwrap(),
                sha256: file.sha256,
            };
            let unit =
                rule.unit.map(|unit| Unit { manager: unit.manager, name: Text::new(unit.name).unwrap() });
            Rule {
                id: Text::new(rule.id).unwrap(),
                decision: rule.decision,
                secrets: List::new(rule.secrets).unwrap(),
                actions: List::new(rule.actions).unwrap(),
                exe: rule.exe.map(pinned),
                script: rule.script.map(pinned),
                made: rule.made,
                unit,
                rate: rule.rate,
                expires: rule.expires,
            }
        };
        typed(text.as_bytes()).unwrap().into_iter().map(|typed| sent(typed.rule)).collect()
    }

    #[test]
    fn warnings_stand_above_their_rule_and_stay_comments() {
        let other = Rule { id: Text::new("other").unwrap(), made: 0, ..rule() };
        let warnings = List::new(vec![Text::new("it is over\n[[rule]]").unwrap()]).unwrap();
        let edit = Edit { change: Change::None, rule: other.clone(), was: None, warnings };
        let text = sheet(&[rule(), other.clone()], &[edit]);
        assert_eq!(text.matches("# Warning: it is over [[rule]]\n# weak").count(), 1, "{text}");
        assert_eq!(read(&text), [Rule { made: 0, ..rule() }, other]);
        assert_eq!(read(&sheet(&[], &[])), []);
    }

    fn any_rule() -> impl Strategy<Value = Rule<'static>> {
        let file = || ("/\\PC{0,40}", proptest::option::of(any::<[u8; 32]>()));
        let file =
            move || file().prop_map(|(path, sha256)| Pinned { path: Text::new(path).unwrap(), sha256 });
        let unit = ("[a-z@:]{1,20}\\.service", any::<bool>()).prop_map(|(name, system)| Unit {
            manager: if system { Manager::System } else { Manager::User },
            name: Text::new(name).unwrap(),
        });
        (
            ".{1,20}",
            proptest::sample::select(Decision::ALL.as_slice()),
            proptest::collection::vec("[^\0]{1,20}", 1..4),
            proptest::sample::subsequence(Action::ALL.as_slice(), 1..4),
            proptest::option::of((file(), proptest::option::of(file()))),
            proptest::option::of(unit),
            1u32..100,
            proptest::option::of(0..253_402_300_799u64),
        )
            .prop_filter_map(
                "no rule",
                |(id, decision, globs, actions, files, unit, count, expires)| {
                    let globs: Vec<Glob> = globs.iter().filter_map(|glob| Glob::parse(glob).ok()).collect();
                    let allows = decision == Decision::Allow;
                    if globs.is_empty() || (allows && files.is_none() && unit.is_none()) {
                        return None;
                    }
                    let (exe, script) = files.unzip();
                    Some(Rule {
                        id: Text::new(id)?,
                        decision,
                        secrets: List::new(globs)?,
                        actions: List::new(actions)?,
                        exe,
                        script: script.flatten(),
                        made: 0,
                        unit,
                        rate: Rate::parse(&format!("{count}/h")).filter(|_| allows),
                        expires: expires.filter(|at| date::write(*at).is_some()),
                    })
                },
            )
    }

    proptest! {
        #[test]
        fn what_is_shown_is_read_as_the_same_rules(rules in proptest::collection::vec(any_rule(), 0..4)) {
            prop_assert_eq!(read(&sheet(&rules, &[])), rules);
        }
    }
}
