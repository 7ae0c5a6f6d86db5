//! What a text does to the rules that are sealed: rule by rule, by their names. Pure; what lies on the disk
//! is looked at elsewhere.

use std::collections::HashMap;

use glassdome_proto::limits;
pub use glassdome_proto::policy::Change;

use super::rule::{self, Rule};
use super::text::Typed;
use super::warn::{self, Warning};

/// What becomes of a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edit {
    /// What.
    pub change: Change,
    /// The rule, as it would be; as it was, if it is taken away.
    pub rule: Rule,
    /// What it was before, of one that is changed.
    pub was: Option<Rule>,
    /// Where it stands in the text, counted from one; 0 of one that does not.
    pub line: usize,
    /// What is odd about it.
    pub warnings: Vec<Warning>,
}

/// A rule that is none.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: the rule {id} {why}")]
pub struct Unsound {
    /// Where it begins, counted from one.
    pub line: usize,
    /// Its name.
    pub id: String,
    /// Why not.
    pub why: Why,
}

/// Why a rule is none.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Why {
    /// It can be called so nowhere else.
    #[error("has a name that is not 1 to 64 letters, digits, '.', '_' and '-'")]
    Name,
    /// There is another one of its name.
    #[error("is there twice")]
    Twice,
    /// Without a glob it is about nothing.
    #[error("names no secret, or more than {} globs", limits::RULE_GLOBS)]
    Secrets,
    /// Without an action it is about nothing.
    #[error("names no action")]
    Actions,
    /// What keeps back holds whatever became of the bytes.
    #[error("has a digest, but what keeps back holds whatever the bytes: take it away")]
    Digest,
    /// It would be a rule for whatever that is given.
    #[error("allows an interpreter, and so every program: name the script")]
    EveryProgram,
    /// No process would be taken for it.
    #[error("names a script as its program: give that as its script, and the interpreter as its exe")]
    Script,
    /// Which script it runs could not be told.
    #[error("names a script of a program that is no interpreter known here")]
    Interpreter,
    /// A file that is named in a way that no rule can hold.
    #[error("names a file by a path that is not absolute, not UTF-8, or longer than {} bytes", limits::PATH)]
    Path,
    /// What is allowed is there.
    #[error("allows what is not there: {reason}")]
    NoFile {
        /// What was found.
        reason: String,
    },
    /// What is allowed can be looked at.
    #[error("allows {path}, which cannot be looked at ({reason})")]
    Unread {
        /// The file.
        path: String,
        /// Why not.
        reason: String,
    },
}

/// Compares the rules of a text with those `before`. Whoever leaves a rule as it was leaves it when it was
/// made; another one is made `now`, in seconds since the epoch.
///
/// # Errors
/// [`Unsound`], of the first rule that is none.
pub fn compare(before: &[Rule], typed: Vec<Typed>, now: u64) -> Result<Vec<Edit>, Unsound> {
    let mut rest: HashMap<&str, &Rule> = before.iter().map(|rule| (rule.id.as_str(), rule)).collect();
    let mut lines: HashMap<String, usize> = HashMap::new();
    let mut edits = Vec::with_capacity(typed.len());
    for Typed { mut rule, line, is_new } in typed {
        let unsound = |why| Unsound { line, id: rule.id.clone(), why };
        if lines.insert(rule.id.clone(), line).is_some() {
            return Err(unsound(Why::Twice));
        }
        let old = rest.remove(rule.id.as_str());
        if let Some(old) = old.filter(|old| is_same(old, &rule, is_new)) {
            let rule = old.clone();
            edits.push(Edit { change: Change::None, rule, was: None, line, warnings: Vec::new() });
            continue;
        }
        check(&rule).map_err(unsound)?;
        rule.actions.sort_unstable();
        rule.actions.dedup();
        rule.made = if is_new { now } else { rule.made };
        let change = if old.is_some() { Change::Changed } else { Change::New };
        edits.push(Edit { change, rule, was: old.cloned(), line, warnings: Vec::new() });
    }
    let removed = before.iter().filter(|rule| rest.contains_key(rule.id.as_str()));
    edits.extend(removed.map(|rule| Edit {
        change: Change::Removed,
        rule: rule.clone(),
        was: None,
        line: 0,
        warnings: Vec::new(),
    }));
    Ok(edits)
}

impl Edit {
    /// What its files are is known by now: if that makes it what it was before, it is no change.
    pub fn settled(self) -> Self {
        match &self.was {
            Some(was) if is_same(was, &self.rule, true) => {
                Self { change: Change::None, rule: was.clone(), was: None, ..self }
            }
            _ => self,
        }
    }
}

/// Adds what can be told without a look at any file; `now` in seconds since the epoch.
pub fn warn(edits: &mut [Edit], now: u64) {
    let rules = rules(edits);
    for edit in edits.iter_mut().filter(|edit| edit.change != Change::Removed) {
        let others = rules.iter().filter(|other| other.id != edit.rule.id);
        edit.warnings.extend(warn::about(&edit.rule, others, now));
    }
}

/// The rules as they would be sealed.
pub fn rules(edits: &[Edit]) -> Vec<Rule> {
    edits.iter().filter(|edit| edit.change != Change::Removed).map(|edit| edit.rule.clone()).collect()
}

/// Whether anything would be another rule. Their order says nothing.
pub fn is_change(edits: &[Edit]) -> bool {
    edits.iter().any(|edit| edit.change != Change::None)
}

fn is_same(old: &Rule, typed: &Rule, is_new: bool) -> bool {
    let made = if is_new { old.made } else { typed.made };
    Rule { made, ..typed.clone() } == *old
}

fn check(rule: &Rule) -> Result<(), Why> {
    if !rule::is_name(&rule.id) {
        return Err(Why::Name);
    }
    if !(1..=limits::RULE_GLOBS).contains(&rule.secrets.len()) {
        return Err(Why::Secrets);
    }
    if rule.actions.is_empty() {
        return Err(Why::Actions);
    }
    for file in [&rule.exe, &rule.script].into_iter().flatten() {
        if rule.keeps_back() && file.sha256.is_some() {
            return Err(Why::Digest);
        }
        if !rule::is_path(&file.path) {
            return Err(Why::Path);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::rule::Pinned;
    use super::super::{Action, Decision, text};
    use super::*;
    use glassdome_proto::Glob;

    fn before() -> Vec<Rule> {
        ["a", "b", "c"].map(|id| Rule { id: id.into(), made: 7, ..Rule::any() }).to_vec()
    }

    /// As a person sees them: without the time at which they were made.
    fn shown(rules: &[Rule]) -> String {
        text::write(rules).unwrap().replace("made = 7\n", "")
    }

    fn edits(text: &str) -> Result<Vec<Edit>, Unsound> {
        compare(&before(), text::typed(text.as_bytes()).unwrap(), 100)
    }

    fn told(edits: &[Edit]) -> Vec<(Change, &str, u64)> {
        edits.iter().map(|edit| (edit.change, edit.rule.id.as_str(), edit.rule.made)).collect()
    }

    #[test]
    fn what_is_left_as_it_was_is_no_change() {
        let same = edits(&shown(&before())).unwrap();
        assert_eq!(rules(&same), before());
        assert!(!is_change(&same));
        let mut turned = before();
        turned.reverse();
        assert!(!is_change(&edits(&shown(&turned)).unwrap()), "their order says nothing");
        assert!(!is_change(&edits(&text::write(&before()).unwrap()).unwrap()), "with their times");
    }

    #[test]
    fn each_rule_is_told_by_its_name() {
        let text = shown(&before()).replacen("[\"get\"]", "[\"set\", \"get\", \"set\"]", 1);
        let text = text.replacen("id = \"b\"", "id = \"d\"", 1);
        let edits = edits(&text).unwrap();
        let expected = [
            (Change::Changed, "a", 100),
            (Change::New, "d", 100),
            (Change::None, "c", 7),
            (Change::Removed, "b", 7),
        ];
        assert_eq!(told(&edits), expected);
        assert_eq!(edits[0].rule.actions, [Action::Get, Action::Set]);
        assert!(is_change(&edits));
        let ids: Vec<String> = rules(&edits).into_iter().map(|rule| rule.id).collect();
        assert_eq!(ids, ["a", "d", "c"]);
    }

    #[test]
    fn what_is_no_rule_is_told_with_its_line() {
        let text = shown(&before());
        let why = |from: &str, to: &str| {
            assert!(text.contains(from), "{from}");
            edits(&text.replacen(from, to, 1)).unwrap_err()
        };
        assert_eq!(why("id = \"a\"", "id = \"a b\"").why, Why::Name);
        assert_eq!(why("id = \"a\"", "id = \"\"").why, Why::Name);
        let twice = why("id = \"b\"", "id = \"a\"");
        let second = text.lines().enumerate().filter(|(_, line)| *line == "[[rule]]").nth(1).unwrap();
        assert_eq!((twice.line, &twice.why), (second.0 + 1, &Why::Twice));
        assert_eq!(twice.to_string(), format!("line {}: the rule a is there twice", second.0 + 1));
        assert_eq!(why("[\"**\"]", "[]").why, Why::Secrets);
        assert_eq!(why("[\"**\"]", &format!("{:?}", ["a"; limits::RULE_GLOBS + 1])).why, Why::Secrets);
        assert_eq!(why("[\"get\"]", "[]").why, Why::Actions);
        assert_eq!(why("/bin/x", "bin/x").why, Why::Path);
        assert_eq!(why("/bin/x", &format!("/{}", "x".repeat(limits::PATH))).why, Why::Path);
        let digest = format!("exe_sha256 = \"{}\"\nexe = ", "ab".repeat(32));
        let keeps_back = text.replacen("\"allow\"", "\"deny\"", 1);
        assert_eq!(edits(&keeps_back.replacen("exe = ", &digest, 1)).unwrap_err().why, Why::Digest);
        assert!(edits(&keeps_back).is_ok(), "control");
    }

    #[test]
    fn rules_are_warned_about_beside_those_that_they_would_lie_with() {
        let deny = Rule {
            id: "wide".into(),
            decision: Decision::Deny,
            secrets: Glob::parse("**").into_iter().collect(),
            exe: None,
            ..Rule::any()
        };
        let all = [&before()[..2], &[deny]].concat();
        let mut edits = compare(&all, text::typed(shown(&all).as_bytes()).unwrap(), 100).unwrap();
        warn(&mut edits, 100);
        let counts: Vec<usize> = edits.iter().map(|edit| edit.warnings.len()).collect();
        assert_eq!(counts, [1, 1, 0]);
        let mut without = compare(&all, text::typed(shown(&all[..2]).as_bytes()).unwrap(), 100).unwrap();
        warn(&mut without, 100);
        assert!(without.iter().all(|edit| edit.warnings.is_empty()), "it would be gone");
    }

    #[test]
    fn a_pin_that_was_left_is_left() {
        let exe = Some(Pinned { path: "/bin/x".into(), sha256: Some([7; 32]) });
        let pinned = vec![Rule { exe, made: 7, ..Rule::any() }];
        let text = shown(&pinned);
        let same = compare(&pinned, text::typed(text.as_bytes()).unwrap(), 100).unwrap();
        assert_eq!((same[0].change, rules(&same)), (Change::None, pinned.clone()));
        let lines: Vec<&str> = text.lines().filter(|line| !line.starts_with("exe_sha256")).collect();
        let mut open = compare(&pinned, text::typed(lines.join("\n").as_bytes()).unwrap(), 100).unwrap();
        assert_eq!(open[0].change, Change::Changed);
        // The same bytes once more, and others.
        let mut pin = |byte| {
            open[0].rule.exe.as_mut().unwrap().sha256 = Some([byte; 32]);
            open[0].clone().settled()
        };
        assert_eq!((pin(7).change, pin(7).rule), (Change::None, pinned[0].clone()));
        assert_eq!(pin(8).change, Change::Changed);
    }
}
