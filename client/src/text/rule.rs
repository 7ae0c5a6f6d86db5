//! A rule as TOML to the eye, with the strength of each line beside it; and for programs.

use std::fmt::Write;

use glassdome_proto::Glob;
use glassdome_proto::policy::{Pinned, Rule};
use serde::Serialize;

use super::escape::toml_string;
use super::hex::hex;
use super::style::Style;
use super::time;

/// What every rule about a program is worth, in a line.
const WEAK: &str = "# weak: any process of yours can start this program and steer it (trace it, preload into it,\n\
                    # set its environment). Stronger: another account";

/// `[[rule]]` and what stands under it.
pub(crate) fn toml(rule: &Rule<'_>, style: Style) -> String {
    let list = |words: Vec<String>| format!("[{}]", words.join(", "));
    let secrets = list(rule.secrets.iter().map(|glob| toml_string(&glob.to_string())).collect());
    let actions = list(rule.actions.iter().map(|action| format!("\"{}\"", action.name())).collect());
    let mut rows = vec![
        ("id", toml_string(&rule.id), format!("made {}", time::date_time(rule.made))),
        ("decision", format!("\"{}\"", rule.decision.name()), String::new()),
        ("secrets", secrets, String::new()),
        ("actions", actions, String::new()),
    ];
    if let Some(exe) = &rule.exe {
        rows.push(("exe", toml_string(&exe.path), format!("weak: this file, {}", exe_bytes(exe))));
        rows.extend(digest("exe_sha256", exe));
    }
    if let Some(script) = &rule.script {
        let comment = format!("weak: the program's own word, {}", script_bytes(script));
        rows.push(("script", toml_string(&script.path), comment));
        rows.extend(digest("script_sha256", script));
    }
    let mut text = format!("{}\n[[rule]]\n", style.careful(WEAK));
    for (key, value, comment) in rows {
        // Writing to a string does not fail.
        write!(text, "{key:<13} = {value}").ok();
        if !comment.is_empty() {
            write!(text, "  {}", style.faint(&format!("# {comment}"))).ok();
        }
        text.push('\n');
    }
    text
}

fn digest(key: &'static str, file: &Pinned<'_>) -> Option<(&'static str, String, String)> {
    file.sha256.map(|digest| (key, format!("\"{}\"", hex(&digest)), String::new()))
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
        strength: "weak",
        made: rule.made,
    }
}

fn file<'a>(pinned: &'a Pinned<'_>) -> File<'a> {
    File { path: &pinned.path, sha256: pinned.sha256.map(|digest| hex(&digest)) }
}

#[cfg(test)]
pub(crate) mod tests {
    use glassdome_proto::policy::{Action, Decision};
    use glassdome_proto::{List, Text};

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
        }
    }

    #[test]
    fn a_rule_reads_as_toml_with_its_strength() {
        let text = toml(&rule(), Style::plain());
        let digest = format!("script_sha256 = \"{}\"\n", "ab".repeat(32));
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
    }
}
