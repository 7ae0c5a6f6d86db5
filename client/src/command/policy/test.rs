//! `ctl policy test`: which rule decides what a process asks for, and why the others do not.

use std::io::stdout;

use glassdome_proto::Name;
use glassdome_proto::policy::Action;
use serde::Serialize;

use super::finding::{Finding, documents, lines};
use super::make::action;
use crate::cli::{connect, print, print_json};
use crate::error::Error;
use crate::exit::Exit;
use crate::policy::Tested;
use crate::proof::{ProofArgs, with_proof};
use crate::text::escape::escaped;
use crate::text::style::Style;

#[derive(clap::Args)]
pub(super) struct Test {
    /// Which secret would be asked for; there need not be one
    name: String,
    /// Which process would ask
    #[arg(long, value_name = "N")]
    pid: u32,
    /// What would be done: get, list, set, remove, encrypt or decrypt
    #[arg(long, value_name = "ACTION", default_value = "get")]
    action: String,
    /// Print a JSON object for programs
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    proof: ProofArgs,
}

impl Test {
    pub(super) fn run(self) -> Result<Exit, Error> {
        let (name, action) = (Name::parse(self.name.as_str())?, action(&self.action)?);
        let tested = with_proof(&mut connect()?, &self.proof, |connection, proof| {
            connection.test(self.pid, action, &name, proof)
        })?;
        if self.json {
            print_json(&document(&tested))?;
        } else {
            print(&told(&tested, action, &name, Style::of(&stdout())))?;
        }
        Ok(Exit::Ok)
    }
}

fn told(tested: &Tested, action: Action, name: &str, style: Style) -> String {
    let by = tested.by.as_deref().map_or_else(|| "no rule speaks about it".to_owned(), escaped);
    let mut text = format!("{} {}: {} ({by})\n", action.name(), escaped(name), tested.decision.name());
    text.push_str(&lines(&tested.findings, style));
    text
}

#[derive(Serialize)]
struct Document<'a> {
    decision: &'static str,
    by: Option<&'a str>,
    rules: Vec<Finding<'a>>,
}

fn document(tested: &Tested) -> Document<'_> {
    let rules = documents(&tested.findings);
    Document { decision: tested.decision.name(), by: tested.by.as_deref(), rules }
}

#[cfg(test)]
mod tests {
    use glassdome_proto::policy::{Condition, Decision};

    use super::*;

    fn tested() -> Tested {
        let findings = vec![
            ("deploy".to_owned(), Decision::Allow, None),
            ("api".to_owned(), Decision::Deny, Some(Condition::ScriptBytes)),
        ];
        Tested { decision: Decision::Allow, by: Some("rule:deploy".into()), findings }
    }

    #[test]
    fn each_rule_has_a_line() {
        let text = told(&tested(), Action::Get, "db/a", Style::plain());
        let expected = "get db/a: allow (rule:deploy)\n  deploy  allow  fits\n  api     deny   the script has other \
                        bytes than were sealed\n";
        assert_eq!(text, expected);
        let none = Tested { decision: Decision::Ask, by: None, findings: vec![] };
        assert_eq!(told(&none, Action::Set, "x", Style::plain()), "set x: ask (no rule speaks about it)\n");
    }

    #[test]
    fn documents_have_the_documented_shape() {
        let json = serde_json::to_value(document(&tested())).unwrap();
        assert_eq!((&json["decision"], &json["by"]), (&"allow".into(), &"rule:deploy".into()));
        assert_eq!(json["rules"][0]["unmet"], serde_json::Value::Null);
        assert_eq!(
            (&json["rules"][1]["id"], &json["rules"][1]["unmet"]),
            (&"api".into(), &"script_sha256".into())
        );
    }
}
