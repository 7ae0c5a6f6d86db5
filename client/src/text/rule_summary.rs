//! What becomes of rules, a line or two for each, to stand right above the question whether to seal it: what may
//! give more than before comes last, where it is read, and no rule can be so long that it pushes another away.

use glassdome_proto::policy::{Action, Change, Decision, Edit, Rule};

use super::escape::{escaped, toml_string};
use super::rows::{end, start, width};
use super::rule::rows;
use super::style::Style;

/// How much of a rule's name is shown, in cells, and as which part of a line at most.
const ID: (usize, usize) = (24, 5);

/// Below how many cells neither the secrets nor the program is cut.
const LEAST: usize = 10;

/// The rows, of at most `columns` cells each: those that give no more than before, those that may, and how many
/// there are of each kind.
pub(crate) fn summary(edits: &[Edit<'_>], columns: usize, style: Style) -> Vec<String> {
    let changes: Vec<&Edit<'_>> = edits.iter().filter(|edit| edit.change != Change::None).collect();
    let (wide, narrow): (Vec<&Edit<'_>>, Vec<&Edit<'_>>) = changes.iter().partition(|edit| widens(edit));
    let mut all: Vec<String> = narrow.iter().flat_map(|edit| lines(edit, ' ', columns)).collect();
    for line in wide.iter().flat_map(|edit| lines(edit, '!', columns)) {
        all.push(style.bad(&line));
    }
    let count = |change| changes.iter().filter(|edit| edit.change == change).count();
    let counts = format!(
        "rules: {} new, {} changed, {} taken away",
        count(Change::New),
        count(Change::Changed),
        count(Change::Removed)
    );
    all.push(start(&counts, columns));
    all.push(match wide.len() {
        0 => start("none of them gives more than before", columns),
        n => style.bad(&start(&format!("! {n} of them may give more than before"), columns)),
    });
    all
}

/// Whether anything might be given that was not: what allows comes or is another one, or what keeps back goes or is
/// another one.
fn widens(edit: &Edit<'_>) -> bool {
    let allows = |rule: &Rule<'_>| rule.decision == Decision::Allow;
    match edit.change {
        Change::None => false,
        Change::New => allows(&edit.rule),
        Change::Changed => true,
        Change::Removed => !allows(&edit.rule),
    }
}

fn lines(edit: &Edit<'_>, mark: char, columns: usize) -> Vec<String> {
    let what = match edit.change {
        Change::None => "stays",
        Change::New => "new",
        Change::Changed => "changes",
        Change::Removed => "goes",
    };
    let head = format!("{mark} {what:<7} {}: ", start(&escaped(&edit.rule.id), ID.0.min(columns / ID.1)));
    let line = |head: &str, rule| {
        let gist = gist(rule, columns.saturating_sub(width(head)));
        start(&format!("{head}{gist}"), columns)
    };
    let mut all = vec![line(&head, &edit.rule)];
    if let Some(was) = &edit.was {
        // What is cut may be what differs.
        let same = gist(was, usize::MAX) == gist(&edit.rule, usize::MAX);
        all.push(match same {
            true => start(
                &format!("{mark}         in its lines {}", differing(was, &edit.rule).join(", ")),
                columns,
            ),
            false => line(&format!("{mark}         was "), was),
        });
    }
    all
}

/// What it says, about what, to whom.
fn gist(rule: &Rule<'_>, columns: usize) -> String {
    let says = format!("{} {} ", rule.decision.name(), actions(rule));
    let rest = columns.saturating_sub(width(&says) + FOR.len());
    let (secrets, whom) = (secrets(rule), whom(rule));
    // Each gets what the other leaves.
    let half = (rest / 2).max(LEAST);
    let for_secrets = half.max(rest.saturating_sub(width(&whom.1) + whom.0.len()));
    let secrets = secrets.cut(for_secrets);
    let for_whom = rest.saturating_sub(width(&secrets) + whom.0.len()).max(LEAST);
    format!("{says}{secrets}{FOR}{}{}", whom.0, end(&whom.1, for_whom))
}

const FOR: &str = " for ";

/// All of its actions in whichever way is shorter: those that it is about, or those that it is not. None is cut away,
/// and however many there are they leave room for the rest of the line.
fn actions(rule: &Rule<'_>) -> String {
    let names = |about: bool| {
        let those = Action::ALL.iter().filter(|action| rule.actions.contains(action) == about);
        those.map(|action| action.name()).collect::<Vec<_>>().join(",")
    };
    let (about, others) = (names(true), names(false));
    let others = if others.is_empty() { "all".to_owned() } else { format!("all but {others}") };
    if others.len() < about.len() { others } else { about }
}

struct Secrets {
    first: String,
    further: String,
}

impl Secrets {
    fn cut(&self, columns: usize) -> String {
        let rest = columns.saturating_sub(self.further.len());
        format!("{}{}", start(&self.first, rest), self.further)
    }
}

/// That which is likely to cover most, and how many more.
fn secrets(rule: &Rule<'_>) -> Secrets {
    let mut globs: Vec<String> = rule.secrets.iter().map(ToString::to_string).collect();
    globs.sort_by_key(|glob| (!glob.contains("**"), !glob.contains('*'), glob.len()));
    let further = match globs.len() {
        0 | 1 => String::new(),
        n => format!(" and {} more", n - 1),
    };
    Secrets { first: toml_string(globs.first().map_or("", |glob| glob)), further }
}

/// What kind of thing is served or kept from, and which: its end tells most.
fn whom(rule: &Rule<'_>) -> (&'static str, String) {
    match (&rule.script, &rule.exe, &rule.unit) {
        (Some(script), ..) => ("script ", toml_string(&script.path)),
        (None, Some(exe), _) => ("program ", toml_string(&exe.path)),
        (None, None, Some(unit)) => ("unit ", toml_string(&unit.name)),
        (None, None, None) => ("", "whatever asks".to_owned()),
    }
}

/// The keys of the lines that are others.
fn differing(was: &Rule<'_>, now: &Rule<'_>) -> Vec<&'static str> {
    let (was, now) = (rows(was), rows(now));
    let mut keys: Vec<&'static str> = was.iter().chain(&now).map(|(key, ..)| *key).collect();
    let mut seen = Vec::new();
    keys.retain(|key| {
        !seen.contains(key) && {
            seen.push(*key);
            true
        }
    });
    let value = |rows: &[super::rule::Row], key| {
        rows.iter().find(|(own, ..)| *own == key).map(|(_, value, _)| value.clone())
    };
    keys.retain(|key| value(&was, *key) != value(&now, *key));
    keys
}

#[cfg(test)]
mod tests {
    use glassdome_proto::{Glob, List, Text};

    use super::*;
    use crate::text::rule::tests::rule;

    fn edit(change: Change, decision: Decision, id: &str) -> Edit<'static> {
        let rule = Rule { id: Text::new(id.to_owned()).unwrap(), decision, ..rule() };
        let was = (change == Change::Changed).then(|| rule.clone());
        Edit { change, rule, was, warnings: List::new(vec![]).unwrap() }
    }

    fn globs(globs: &[&str]) -> List<Glob, { glassdome_proto::limits::RULE_GLOBS }> {
        List::new(globs.iter().map(|glob| Glob::parse(glob).unwrap()).collect()).unwrap()
    }

    #[test]
    fn what_widens_comes_last_and_is_marked() {
        use Decision::{Allow, Ask, Deny};
        let changes = [Change::New, Change::Changed, Change::Removed];
        let all: Vec<Edit<'_>> = changes
            .iter()
            .flat_map(|change| {
                [Allow, Ask, Deny].map(|d| edit(*change, d, &format!("{change:?}-{}", d.name())))
            })
            .chain([edit(Change::None, Allow, "stays")])
            .collect();
        let text = summary(&all, 100, Style::plain());
        let heads: Vec<&str> = text.iter().filter_map(|line| Some(line.split_once(": ")?.0)).collect();
        let expected = [
            "  new     New-ask",
            "  new     New-deny",
            "  goes    Removed-allow",
            "! new     New-allow",
            "! changes Changed-allow",
            "! changes Changed-ask",
            "! changes Changed-deny",
            "! goes    Removed-ask",
            "! goes    Removed-deny",
            "rules",
        ];
        assert_eq!(heads, expected);
        assert_eq!(text[text.len() - 2], "rules: 3 new, 3 changed, 3 taken away");
        assert_eq!(text[text.len() - 1], "! 6 of them may give more than before");
        let text = summary(&[edit(Change::New, Deny, "no")], 100, Style::plain());
        assert_eq!(text[2], "none of them gives more than before");
    }

    #[test]
    fn a_change_is_told_with_what_was() {
        let mut wide = edit(Change::Changed, Decision::Allow, "deploy");
        wide.rule.secrets = globs(&["db/a", "x/*/y", "**"]);
        wide.rule.actions = List::new(vec![Action::Get]).unwrap();
        let text = summary(&[wide], 90, Style::plain());
        assert_eq!(text[0], "! changes deploy: allow get \"**\" and 2 more for script \"/home/u/deploy.py\"");
        assert!(
            text[1].starts_with("!         was allow get,list \"aws/prod/*\" and 1 more for script \"/home"),
            "{text:?}"
        );
        let mut pin = edit(Change::Changed, Decision::Allow, "deploy");
        pin.rule.script.as_mut().unwrap().sha256 = None;
        pin.rule.expires = Some(1);
        let text = summary(&[pin], 79, Style::plain());
        assert_eq!(text[1], "!         in its lines script_sha256, expires");
    }

    #[test]
    fn no_rule_takes_more_than_its_line() {
        let long = |c: &str| c.repeat(200);
        let mut evil = edit(Change::New, Decision::Allow, &"i".repeat(64));
        evil.rule.secrets = globs(&[&long("a"), &long("b"), "**"]);
        evil.rule.actions = List::new(Action::ALL.to_vec()).unwrap();
        evil.rule.script.as_mut().unwrap().path = Text::new(format!("/{}/x.py", long("デ"))).unwrap();
        for columns in [20, 40, 79, 200] {
            let text = summary(&[evil.clone()], columns, Style::plain());
            assert!(text.iter().all(|line| width(line) <= columns) && text.len() == 3, "{text:?}");
        }
        // Whatever it is about, and however much that is.
        for set in 1..1_u32 << Action::ALL.len() {
            let about = (0..).zip(Action::ALL).filter(|(at, _)| set & (1 << at) != 0);
            evil.rule.actions = List::new(about.map(|(_, action)| action).collect()).unwrap();
            let line = &summary(&[evil.clone()], 99, Style::plain())[0];
            assert!(line.contains("\"**\" and 2 more") && line.ends_with("/x.py\""), "{line}");
        }
    }

    #[test]
    fn actions_are_told_in_the_shorter_way() {
        use Action::{Decrypt, Encrypt, Get, List as Names, Remove, Set};
        let told =
            |about: &[Action]| actions(&Rule { actions: List::new(about.to_vec()).unwrap(), ..rule() });
        assert_eq!(told(&[Get]), "get");
        assert_eq!(told(&[Get, Names, Set, Remove]), "get,list,set,remove");
        assert_eq!(told(&[Encrypt, Decrypt, Remove, Get]), "all but list,set");
        assert_eq!(told(&[Names, Set, Remove, Encrypt, Decrypt]), "all but get");
        assert_eq!(told(&Action::ALL), "all");
    }
}
