//! What becomes of rules, line by line: a line that goes has a minus before it, and one that comes a plus.

use glassdome_proto::policy::{Change, Edit, Rule};

use super::escape::escaped;
use super::rule::{Row, line, rows, worth};
use super::style::Style;
use crate::error::printable;

/// All that changes, and what is odd about it.
pub(crate) fn diff(edits: &[Edit<'_>], style: Style) -> String {
    let all: Vec<String> = edits.iter().map(|edit| one(edit, style)).collect();
    all.join("\n")
}

fn one(edit: &Edit<'_>, style: Style) -> String {
    let (before, after) = match edit.change {
        Change::None => (Some(&edit.rule), Some(&edit.rule)),
        Change::New => (None, Some(&edit.rule)),
        Change::Changed => (edit.was.as_ref(), Some(&edit.rule)),
        Change::Removed => (Some(&edit.rule), None),
    };
    let what = match edit.change {
        Change::None => "stays as it is",
        Change::New => "is new",
        Change::Changed => "changes",
        Change::Removed => "is taken away",
    };
    let mut text = format!("{}\n", style.strong(&format!("@@ {} {what} @@", escaped(&edit.rule.id))));
    if edit.change != Change::None {
        lines(&mut text, before, after, style);
    }
    for warning in edit.warnings.iter() {
        text.push_str(&style.careful(&format!("Warning: {}", printable(warning))));
        text.push('\n');
    }
    text
}

fn lines(text: &mut String, before: Option<&Rule<'_>>, after: Option<&Rule<'_>>, style: Style) {
    let mut line_of = |gone: Option<String>, come: Option<String>| {
        let both = gone == come;
        for (line, sign) in [(gone, '-'), (come.filter(|_| !both), '+')] {
            for line in line.iter().flat_map(|line| line.lines()) {
                let line = match sign {
                    _ if both => format!(" {line}"),
                    '-' => style.bad(&format!("-{line}")),
                    _ => style.good(&format!("+{line}")),
                };
                text.push_str(&line);
                text.push('\n');
            }
        }
    };
    let worth_of = |rule: &Rule<'_>| worth(rule).to_owned();
    line_of(before.map(worth_of), after.map(worth_of));
    let head = |_: &Rule<'_>| "[[rule]]".to_owned();
    line_of(before.map(head), after.map(head));
    let (before, after) = (before.map(rows).unwrap_or_default(), after.map(rows).unwrap_or_default());
    let value = |rows: &[Row], key: &str| {
        rows.iter().find(|(own, ..)| *own == key).map(|(key, value, _)| line(key, value))
    };
    for key in KEYS {
        line_of(value(&before, key), value(&after, key));
    }
}

/// All that a rule may have, in the order in which they stand.
const KEYS: [&str; 12] = [
    "id",
    "decision",
    "secrets",
    "actions",
    "unit",
    "user_unit",
    "exe",
    "exe_sha256",
    "script",
    "script_sha256",
    "rate",
    "expires",
];

#[cfg(test)]
mod tests {
    use glassdome_proto::policy::{Decision, Manager, Pinned, Unit};
    use glassdome_proto::{Glob, List, Rate, Text};

    use super::*;
    use crate::text::rule::tests::rule;

    fn edit(change: Change, rule: Rule<'static>, was: Option<Rule<'static>>) -> Edit<'static> {
        Edit { change, rule, was, warnings: List::new(vec![Text::new("odd").unwrap()]).unwrap() }
    }

    #[test]
    fn only_what_changes_is_marked() {
        let wide = Rule { secrets: List::new(vec![Glob::parse("**").unwrap()]).unwrap(), ..rule() };
        let text = diff(&[edit(Change::Changed, wide, Some(rule()))], Style::plain());
        let marked: Vec<&str> = text.lines().filter(|line| line.starts_with(['+', '-'])).collect();
        let expected = ["-secrets       = [\"aws/prod/*\", \"db\\\"\"]", "+secrets       = [\"**\"]"];
        assert_eq!(marked, expected, "{text}");
        assert!(
            text.starts_with("@@ deploy changes @@\n # weak") && text.ends_with("Warning: odd\n"),
            "{text}"
        );
        assert!(text.contains("\n decision      = \"allow\"\n"));
    }

    #[test]
    fn what_comes_and_goes_is_marked_whole() {
        for (change, sign, what) in [(Change::New, '+', "is new"), (Change::Removed, '-', "is taken away")] {
            let text = diff(&[edit(change, rule(), None)], Style::plain());
            assert!(text.starts_with(&format!("@@ deploy {what} @@\n{sign}# weak")), "{text}");
            assert_eq!(text.lines().filter(|line| line.starts_with(sign)).count(), 3 + 7, "{text}");
        }
        let stays = diff(&[edit(Change::None, rule(), None)], Style::plain());
        assert_eq!(stays, "@@ deploy stays as it is @@\nWarning: odd\n");
    }

    #[test]
    fn no_line_of_a_rule_is_left_out() {
        let pinned = |path| Some(Pinned { path: Text::new(path).unwrap(), sha256: Some([7; 32]) });
        for manager in [Manager::System, Manager::User] {
            let full = Rule {
                decision: Decision::Allow,
                exe: pinned("/a"),
                script: pinned("/b"),
                unit: Some(Unit { manager, name: Text::new("a.service").unwrap() }),
                rate: Rate::parse("1/s"),
                expires: Some(1),
                ..rule()
            };
            assert!(rows(&full).iter().all(|(key, ..)| KEYS.contains(key)));
        }
    }

    #[test]
    fn a_change_of_worth_is_a_change() {
        let unit = Some(Unit { manager: Manager::System, name: Text::new("a.service").unwrap() });
        let hard = Rule { exe: None, script: None, unit, ..rule() };
        let text = diff(&[edit(Change::Changed, hard, Some(rule()))], Style::plain());
        for line in ["-# weak: any process", "+# hard: only root", "-exe ", "+unit ", " [[rule]]"] {
            assert!(text.lines().any(|shown| shown.starts_with(line)), "{line}\n{text}");
        }
    }
}
