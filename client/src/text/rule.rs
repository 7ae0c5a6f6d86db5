//! A rule as TOML to the eye, with the strength of each line beside it; and for programs.

use std::fmt::Write;

use glassdome_proto::policy::{Decision, Manager, Pinned, Rule, Unit};
use glassdome_proto::{Glob, date};
use serde::Serialize;

use super::escape::toml_string;
use super::hex::hex;
use super::style::Style;
use super::time;

/// What holds a rule up, at its best.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Strength {
    /// A process of the same user cannot get what it allows, or get round what it keeps back.
    Hard,
    /// Written against us, it can.
    Weak,
}

impl Strength {
    fn of(rule: &Rule<'_>) -> Self {
        let hard = match rule.decision {
            Decision::Allow => rule.unit.as_ref().is_some_and(Unit::is_roots),
            Decision::Ask | Decision::Deny => rule.exe.is_none() && rule.unit.is_none(),
        };
        if hard { Self::Hard } else { Self::Weak }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Hard => "hard",
            Self::Weak => "weak",
        }
    }
}

/// What a rule is worth, and what would be stronger.
pub(crate) fn worth(rule: &Rule<'_>) -> &'static str {
    let in_unit = rule.unit.is_some();
    let in_systems = rule.unit.as_ref().is_some_and(|unit| unit.manager == Manager::System);
    match (rule.decision, Strength::of(rule)) {
        (Decision::Allow, Strength::Hard) => {
            "# hard: only root puts a process into a system unit. What runs there may be steered all the same\n\
             # where programs of one user can trace each other: see ctl doctor"
        }
        (Decision::Allow, Strength::Weak) if in_systems => {
            "# weak: this unit runs what users ask for: any process of yours can have another one started in it.\n\
             # Stronger: a system unit of its own (--unit)"
        }
        (Decision::Allow, Strength::Weak) if in_unit => {
            "# weak: any process of yours can have a unit of that name started. Stronger: a system unit (--unit)"
        }
        (Decision::Allow, Strength::Weak) => {
            "# weak: any process of yours can start this program and steer it (trace it, preload into it,\n\
             # set its environment). Stronger: a system unit (--unit), another account"
        }
        (_, Strength::Hard) => "# hard: it holds for whatever asks, typed commands included",
        (_, Strength::Weak) if in_unit => {
            "# weak: what runs there can have others started elsewhere. Stronger: a rule about whatever asks"
        }
        (_, Strength::Weak) => {
            "# weak: a copy of the program is another program. Stronger: a rule about whatever asks"
        }
    }
}

/// A line of a rule: its key, its value, and what stands beside it.
pub(crate) type Row = (&'static str, String, String);

/// `[[rule]]` and what stands under it.
pub(crate) fn toml(rule: &Rule<'_>, style: Style) -> String {
    let mut text = format!("{}\n[[rule]]\n", style.careful(worth(rule)));
    for (key, value, comment) in rows(rule) {
        text.push_str(&line(key, &value));
        if !comment.is_empty() {
            // Writing to a string does not fail.
            write!(text, "  {}", style.faint(&format!("# {comment}"))).ok();
        }
        text.push('\n');
    }
    text
}

/// `key = value`, below those above it.
pub(crate) fn line(key: &str, value: &str) -> String {
    format!("{key:<13} = {value}")
}

/// What stands under `[[rule]]`, in its order.
pub(crate) fn rows(rule: &Rule<'_>) -> Vec<Row> {
    let list = |words: Vec<String>| format!("[{}]", words.join(", "));
    let secrets = list(rule.secrets.iter().map(|glob| toml_string(&glob.to_string())).collect());
    let actions = list(rule.actions.iter().map(|action| format!("\"{}\"", action.name())).collect());
    let mut rows = vec![
        ("id", toml_string(&rule.id), format!("made {}", time::date_time(rule.made))),
        ("decision", format!("\"{}\"", rule.decision.name()), String::new()),
        ("secrets", secrets, String::new()),
        ("actions", actions, String::new()),
    ];
    if let Some(unit) = &rule.unit {
        let (key, comment) = match unit.manager {
            Manager::System if unit.is_roots() => ("unit", "hard: only root puts a process there"),
            Manager::System => ("unit", "weak: it runs what users ask for"),
            Manager::User => ("user_unit", "weak: any process of yours can"),
        };
        rows.push((key, toml_string(&unit.name), comment.to_owned()));
    }
    if let Some(exe) = &rule.exe {
        rows.push(("exe", toml_string(&exe.path), format!("weak: this file, {}", exe_bytes(exe))));
        rows.extend(digest("exe_sha256", exe));
    }
    if let Some(script) = &rule.script {
        let comment = format!("weak: the program's own word, {}", script_bytes(script));
        rows.push(("script", toml_string(&script.path), comment));
        rows.extend(digest("script_sha256", script));
    }
    if let Some(rate) = rule.rate {
        rows.push(("rate", format!("\"{rate}\""), "counted over all that it allows".to_owned()));
    }
    if let Some(expires) = rule.expires {
        let over = if is_over(rule) { "over: it says nothing any more" } else { "here" };
        let comment = format!("{} {over}", time::date_time(expires));
        rows.push(("expires", format!("\"{}\"", date::write(expires).unwrap_or_default()), comment));
    }
    rows
}

fn is_over(rule: &Rule<'_>) -> bool {
    rule.expires.is_some_and(|expires| expires <= time::now())
}

fn digest(key: &'static str, file: &Pinned<'_>) -> Option<(&'static str, String, String)> {
    file.sha256.map(|digest| (key, format!("\"{}\"", hex(&digest)), "pinned".to_owned()))
}

fn exe_bytes(exe: &Pinned<'_>) -> &'static str {
    if exe.sha256.is_some() { "with these bytes" } else { "which only root can change" }
}

fn script_bytes(script: &Pinned<'_>) -> &'static str {
    if script.sha256.is_some() { "with these bytes" } else { "with any bytes" }
}

/// A rule for programs. Keys are never renamed or taken away; times are seconds since the epoch.
#[derive(Serialize)]
pub(crate) struct Document<'a> {
    id: &'a str,
    decision: &'static str,
    secrets: &'a [Glob],
    actions: Vec<&'static str>,
    exe: Option<File<'a>>,
    script: Option<File<'a>>,
    strength: &'static str,
    made: u64,
    unit: Option<UnitOf<'a>>,
    pin: Vec<&'static str>,
    rate: Option<String>,
    expires: Option<u64>,
    expired: bool,
}

#[derive(Serialize)]
struct UnitOf<'a> {
    manager: &'static str,
    name: &'a str,
}

#[derive(Serialize)]
struct File<'a> {
    path: &'a str,
    sha256: Option<String>,
}

pub(crate) fn document<'a>(rule: &'a Rule<'_>) -> Document<'a> {
    Document {
        id: &rule.id,
        decision: rule.decision.name(),
        secrets: &rule.secrets,
        actions: rule.actions.iter().map(|action| action.name()).collect(),
        exe: rule.exe.as_ref().map(file),
        script: rule.script.as_ref().map(file),
        strength: Strength::of(rule).name(),
        made: rule.made,
        unit: rule.unit.as_ref().map(|unit| UnitOf {
            manager: if unit.manager == Manager::System { "system" } else { "user" },
            name: &unit.name,
        }),
        pin: pins(rule),
        rate: rule.rate.map(|rate| rate.to_string()),
        expires: rule.expires,
        expired: is_over(rule),
    }
}

/// Which files it names with their bytes.
fn pins(rule: &Rule<'_>) -> Vec<&'static str> {
    let pinned = |file: &Option<Pinned<'_>>| file.as_ref().is_some_and(|file| file.sha256.is_some());
    let files = [("exe", pinned(&rule.exe)), ("script", pinned(&rule.script))];
    files.into_iter().filter_map(|(name, pinned)| pinned.then_some(name)).collect()
}

fn file<'a>(pinned: &'a Pinned<'_>) -> File<'a> {
    File { path: &pinned.path, sha256: pinned.sha256.map(|digest| hex(&digest)) }
}

#[cfg(test)]
pub(crate) mod tests {
    use glassdome_proto::policy::Action;
    use glassdome_proto::{List, Rate, Text};

    use super::*;

    pub(crate) fn rule() -> Rule<'static> {
        Rule {
            id: Text::new("deploy").unwrap(),
            decision: Decision::Allow,
            secrets: List::new(vec![Glob::parse("aws/prod/*").unwrap(), Glob::parse("db\"").unwrap()])
                .unwrap(),
            actions: List::new(vec![Action::Get, Action::List]).unwrap(),
            exe: Some(Pinned { path: Text::new("/usr/bin/python3.13").unwrap(), sha256: None }),
            script: Some(Pinned { path: Text::new("/home/u/deploy.py").unwrap(), sha256: Some([0xab; 32]) }),
            made: 1_795_348_800,
            unit: None,
            rate: None,
            expires: None,
        }
    }

    #[test]
    fn a_rule_reads_as_toml_with_its_strength() {
        let text = toml(&rule(), Style::plain());
        let digest = format!("script_sha256 = \"{}\"  # pinned\n", "ab".repeat(32));
        for line in [
            "# weak: any process of yours can start this program and steer it",
            "\n[[rule]]\nid            = \"deploy\"",
            "\ndecision      = \"allow\"\n",
            "\nsecrets       = [\"aws/prod/*\", \"db\\\"\"]\n",
            "\nactions       = [\"get\", \"list\"]\n",
            "# weak: this file, which only root can change\n",
            "# weak: the program's own word, with these bytes\n",
            &digest,
        ] {
            assert!(text.contains(line), "{line}\n{text}");
        }
    }

    #[test]
    fn documents_have_the_documented_shape() {
        let json = serde_json::to_value(document(&rule())).unwrap();
        assert_eq!(json["secrets"][0], "aws/prod/*");
        assert_eq!(json["actions"][1], "list");
        assert_eq!(json["exe"]["sha256"], serde_json::Value::Null);
        assert_eq!(json["script"]["sha256"], "ab".repeat(32));
        assert_eq!(json["strength"], "weak");
        assert_eq!((&json["pin"][0], &json["unit"]), (&"script".into(), &serde_json::Value::Null));
        let json = serde_json::to_value(document(&in_unit(Manager::System))).unwrap();
        assert_eq!(
            (&json["unit"]["name"], &json["unit"]["manager"]),
            (&"api.service".into(), &"system".into())
        );
        assert_eq!((&json["strength"], &json["rate"]), (&"hard".into(), &"60/min".into()));
        assert_eq!((&json["expires"], &json["expired"]), (&1_767_225_600.into(), &true.into()));
    }

    fn in_unit(manager: Manager) -> Rule<'static> {
        Rule {
            exe: None,
            script: None,
            unit: Some(Unit { manager, name: Text::new("api.service").unwrap() }),
            rate: Rate::parse("60/min"),
            expires: Some(1_767_225_600),
            ..rule()
        }
    }

    #[test]
    fn units_are_told_with_their_strength() {
        let text = toml(&in_unit(Manager::System), Style::plain());
        for line in [
            "# hard: only root puts a process into a system unit",
            "\nunit          = \"api.service\"  # hard",
            "\nrate          = \"60/min\"  #",
            "\nexpires       = \"2026-01-01T00:00:00Z\"  # ",
            " over: it says nothing any more\n",
        ] {
            assert!(text.contains(line), "{line}\n{text}");
        }
        let text = toml(&in_unit(Manager::User), Style::plain());
        assert!(
            text.contains("\nuser_unit     = \"api.service\"  # weak") && text.starts_with("# weak"),
            "{text}"
        );
        let unit = Unit { manager: Manager::System, name: Text::new("cron.service").unwrap() };
        let rule = Rule { unit: Some(unit), ..in_unit(Manager::System) };
        let text = toml(&rule, Style::plain());
        assert!(
            text.contains("\nunit          = \"cron.service\"  # weak: it runs")
                && text.starts_with("# weak: this"),
            "{text}"
        );
        assert_eq!(serde_json::to_value(document(&rule)).unwrap()["strength"], "weak");
    }

    #[test]
    fn what_keeps_back_is_hard_where_nobody_gets_round_it() {
        let worth = |decision, exe, unit| {
            let rule = Rule { decision, exe, script: None, unit, ..rule() };
            toml(&rule, Style::plain()).starts_with("# hard")
        };
        let unit = |manager| in_unit(manager).unit;
        for decision in [Decision::Ask, Decision::Deny] {
            assert!(worth(decision, None, None) && !worth(decision, None, unit(Manager::System)));
            assert!(!worth(decision, rule().exe, None) && !worth(decision, None, unit(Manager::User)));
        }
        assert!(
            !worth(Decision::Allow, rule().exe, None)
                && worth(Decision::Allow, rule().exe, unit(Manager::System))
        );
    }
}
