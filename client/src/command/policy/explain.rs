//! `ctl policy explain`: what the rules say to a request that was refused or waits.

use std::io::stdout;

use glassdome_proto::policy::{Action, Condition, Decision};
use serde::Serialize;

use super::finding::{Finding, documents, lines, word};
use crate::cli::{connect, print, print_json};
use crate::error::Error;
use crate::exit::Exit;
use crate::policy::{Explained, Said};
use crate::proof::{ProofArgs, with_proof};
use crate::text::escape::{escaped, name as shown, quoted};
use crate::text::notice;
use crate::text::style::Style;

#[derive(clap::Args)]
pub(super) struct Explain {
    /// Which request, by the number that it was refused or told to wait with
    id: u32,
    /// Print a JSON object for programs
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    proof: ProofArgs,
}

impl Explain {
    pub(super) fn run(self) -> Result<Exit, Error> {
        let explained =
            with_proof(&mut connect()?, &self.proof, |connection, proof| connection.explain(self.id, proof))?;
        if self.json {
            print_json(&document(self.id, &explained))?;
        } else {
            print(&told(self.id, &explained, Style::of(&stdout())))?;
            notice::say(&mend(self.id, &explained));
        }
        Ok(Exit::Ok)
    }
}

fn told(id: u32, explained: &Explained, style: Style) -> String {
    let Explained { action, said, .. } = explained;
    let names: Vec<String> = said.iter().filter_map(|said| said.name.as_deref().map(shown)).collect();
    let names = if names.is_empty() { "all names".to_owned() } else { names.join(", ") };
    let wanted = style.strong(&format!("{} {names}", action.name()));
    let mut text = format!("request {id}  {wanted}\n  asked  {}\n", whom(explained));
    text.push_str(&format!("  why    {}\n", escaped(&explained.why)));
    for said in said {
        let by = match said.by.as_deref() {
            None => "no rule speaks about it".to_owned(),
            Some(by) if by.starts_with("terminal:") => "what is typed in a granted terminal".to_owned(),
            Some(by) => shown(by),
        };
        let of = match (&said.name, explained.said.len()) {
            (Some(name), 2..) => format!("  {}", shown(name)),
            _ => String::new(),
        };
        text.push_str(&format!("now{of}: {} ({by})\n{}", said.decision.name(), lines(&said.findings, style)));
    }
    text
}

fn whom(explained: &Explained) -> String {
    match (explained.pid, &explained.script) {
        (0, _) => "what was typed in a granted terminal".to_owned(),
        (pid, None) => format!("{} ({pid})", shown(&explained.program)),
        (pid, Some(script)) => format!("{} ({pid}) {}", shown(&explained.program), quoted(script)),
    }
}

/// What to do next.
fn mend(id: u32, explained: &Explained) -> String {
    let decided = |decision| explained.said.iter().any(|said: &Said| said.decision == decision);
    let keeps_back = explained.said.iter().find(|said| said.by.is_some() && said.decision != Decision::Allow);
    match keeps_back.and_then(|said| said.by.as_deref()?.strip_prefix("rule:")) {
        Some(rule) => format!(
            "the rule {0} keeps it back. Change it: ctl policy edit, ctl policy rm {0}",
            escaped(rule)
        ),
        None if decided(Decision::Ask) => match changed(explained) {
            Some((rule, _)) if rule.starts_with(ANSWER) => format!(
                "look at what changed. It is asked about anew. To allow it for good: ctl policy allow --request {id}"
            ),
            Some((rule, key)) => format!(
                "look at what changed. To pin the bytes that it has now, take the line {key} of {} away: ctl policy edit",
                escaped(rule)
            ),
            None => format!("allow it for good, where a rule can name it: ctl policy allow --request {id}"),
        },
        None => "it would be allowed now: have it ask again".to_owned(),
    }
}

/// What stands before the number of a person's answer, where a rule's name stands.
const ANSWER: &str = "answer:";

/// The rule that would allow it if a file had not changed, and the line that pins that.
fn changed(explained: &Explained) -> Option<(&str, &'static str)> {
    let mut findings = explained.said.iter().flat_map(|said| &said.findings);
    findings.find_map(|(rule, decision, unmet)| match (decision, unmet) {
        (Decision::Allow, Some(unmet @ (Condition::ScriptBytes | Condition::ExeBytes))) => {
            Some((rule.as_str(), word(*unmet)))
        }
        _ => None,
    })
}

#[derive(Serialize)]
struct Document<'a> {
    request: u32,
    action: &'static str,
    pid: u32,
    program: &'a str,
    script: Option<&'a str>,
    why: &'a str,
    names: Vec<Name<'a>>,
}

#[derive(Serialize)]
struct Name<'a> {
    /// Nothing means all names, to be listed.
    name: Option<&'a str>,
    decision: &'static str,
    by: Option<&'a str>,
    rules: Vec<Finding<'a>>,
}

fn document(request: u32, explained: &Explained) -> Document<'_> {
    Document {
        request,
        action: Action::name(explained.action),
        pid: explained.pid,
        program: &explained.program,
        script: explained.script.as_deref(),
        why: &explained.why,
        names: explained.said.iter().map(name).collect(),
    }
}

fn name(said: &Said) -> Name<'_> {
    Name {
        name: said.name.as_deref(),
        decision: said.decision.name(),
        by: said.by.as_deref(),
        rules: documents(&said.findings),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn explained() -> Explained {
        let findings = vec![("deploy".to_owned(), Decision::Allow, Some(Condition::ScriptBytes))];
        let said = Said { name: Some("db/a".into()), decision: Decision::Ask, by: None, findings };
        Explained {
            action: Action::Get,
            pid: 4711,
            program: "python3.13".into(),
            script: Some("/home/u/a\x1b.py".into()),
            why: "no rule allows that".into(),
            said: vec![said],
        }
    }

    #[test]
    fn it_is_told_what_each_rule_lacks() {
        let text = told(41, &explained(), Style::plain());
        let expected = "request 41  get db/a\n  asked  python3.13 (4711) \"/home/u/a\\u{1b}.py\"\n  why    no rule \
                        allows that\nnow: ask (no rule speaks about it)\n  deploy  allow  the script has other \
                        bytes than were sealed\n";
        assert_eq!(text, expected);
        let line = "look at what changed. To pin the bytes that it has now, take the line script_sha256 of deploy \
                    away: ctl policy edit";
        assert_eq!(mend(41, &explained()), line);
        let mut answered = explained();
        answered.said[0].findings[0].0 = "answer:3".into();
        assert!(
            mend(41, &answered)
                .ends_with("It is asked about anew. To allow it for good: ctl policy allow --request 41")
        );
        let mut none = explained();
        none.said[0].findings[0].2 = Some(Condition::Script);
        let line = "allow it for good, where a rule can name it: ctl policy allow --request 41";
        assert_eq!(mend(41, &none), line);

        let mut two = explained();
        two.said.push(Said { name: Some("db/b".into()), by: Some("rule:no".into()), ..two.said[0].clone() });
        let text = told(41, &two, Style::plain());
        assert!(text.contains("get db/a, db/b\n") && text.contains("\nnow  db/b: ask (rule:no)\n"), "{text}");
        assert!(mend(41, &two).contains("ctl policy rm no"));
        let allowed = Said { decision: Decision::Allow, by: Some("rule:a".into()), ..two.said[0].clone() };
        let listing = Said { name: None, ..allowed };
        let listing = Explained { action: Action::List, pid: 0, said: vec![listing], ..explained() };
        assert!(mend(41, &listing).starts_with("it would be allowed now"));
        let text = told(41, &listing, Style::plain());
        assert!(
            text.starts_with("request 41  list all names\n  asked  what was typed in a granted terminal"),
            "{text}"
        );
    }

    #[test]
    fn documents_have_the_documented_shape() {
        let json = serde_json::to_value(document(41, &explained())).unwrap();
        assert_eq!(
            (&json["request"], &json["action"], &json["pid"]),
            (&41.into(), &"get".into(), &4711.into())
        );
        let name = &json["names"][0];
        assert_eq!(
            (&name["name"], &name["decision"], &name["by"]),
            (&"db/a".into(), &"ask".into(), &serde_json::Value::Null)
        );
        assert_eq!(
            (&name["rules"][0]["id"], &name["rules"][0]["unmet"]),
            (&"deploy".into(), &"script_sha256".into())
        );
    }
}
