//! What a rule says to a request: a line each, and for programs.

use glassdome_proto::policy::{Condition, Decision};
use serde::Serialize;

use crate::text::escape::escaped;
use crate::text::style::Style;

/// A rule, what it says, and why it does not speak.
pub(super) type Found = (String, Decision, Option<Condition>);

#[derive(Serialize)]
pub(super) struct Finding<'a> {
    id: &'a str,
    decision: &'static str,
    /// The line of the rule that does not fit.
    unmet: Option<&'static str>,
}

/// A line each.
pub(super) fn lines(findings: &[Found], style: Style) -> String {
    let widest = findings.iter().map(|(rule, ..)| rule.len()).max().unwrap_or_default();
    let mut text = String::new();
    for (rule, decision, unmet) in findings {
        let why = unmet.map_or("fits", sentence);
        let line = format!("  {:<widest$}  {:<5}  {why}", escaped(rule), decision.name());
        text.push_str(&if unmet.is_none() { line } else { style.faint(&line) });
        text.push('\n');
    }
    text
}

/// For programs.
pub(super) fn documents(findings: &[Found]) -> Vec<Finding<'_>> {
    let one = findings.iter().map(|(id, decision, unmet)| Finding {
        id,
        decision: decision.name(),
        unmet: unmet.map(word),
    });
    one.collect()
}

fn sentence(condition: Condition) -> &'static str {
    match condition {
        Condition::Over => "its time is over",
        Condition::Secrets => "none of its globs matches the name",
        Condition::Action => "it does not name the action",
        Condition::Unit => "the process is not in its unit",
        Condition::Process => "it is about one process, and this is another",
        Condition::Exe => "the process executes another program than the one at the rule's path",
        Condition::ExeBytes => {
            "the program has other bytes than were sealed, or others than root can change it"
        }
        Condition::Interpreter => "the program is an interpreter, and the rule names no script",
        Condition::Script => "the process runs another script than the one at the rule's path, or none",
        Condition::ScriptBytes => "the script has other bytes than were sealed",
        Condition::Unseen => "what it would have to be cannot be told of the process",
    }
}

/// For programs: words that are never renamed.
pub(super) fn word(condition: Condition) -> &'static str {
    match condition {
        Condition::Over => "expires",
        Condition::Secrets => "secrets",
        Condition::Action => "actions",
        Condition::Unit => "unit",
        Condition::Process => "process",
        Condition::Exe => "exe",
        Condition::ExeBytes => "exe_sha256",
        Condition::Interpreter => "interpreter",
        Condition::Script => "script",
        Condition::ScriptBytes => "script_sha256",
        Condition::Unseen => "unseen",
    }
}
