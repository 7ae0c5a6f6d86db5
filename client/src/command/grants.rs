//! `ctl grants`: what is allowed until the session ends: the terminals in which the master password was
//! typed, the handles that programs have, and what a person said yes to.

use std::io::stdout;

use glassdome_proto::policy::{Grant, Handle, Remembered, runs_for_users};

use crate::cli::{Command, connect, json_line, print};
use crate::error::Error;
use crate::exit::Exit;
use crate::proof::{ProofArgs, with_proof};
use crate::text::escape::{escaped, name, quoted};
use crate::text::hex::{hex, short};
use crate::text::question::wanted;
use crate::text::style::Style;
use crate::text::table::columns;
use crate::text::{notice, time};

/// What can be typed behind `ctl grants`.
#[derive(clap::Args)]
pub(crate) struct Grants {
    /// Print a JSON array for programs; times are seconds since the epoch
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    proof: ProofArgs,
}

/// A grant, a handle or an answer for programs.
#[derive(serde::Serialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
enum Document<'a> {
    Terminal {
        id: u32,
        pid: u32,
        name: &'a str,
        tty: Option<&'a str>,
        since: u64,
        token: bool,
        yours: bool,
    },
    Handle {
        id: u32,
        pid: u32,
        name: &'a str,
        by: &'a str,
        secrets: Vec<String>,
        since: u64,
        ends: Option<u64>,
        script: Option<Script<'a>>,
        unit: Option<&'a str>,
        unit_strength: Option<&'static str>,
    },
    Answer {
        id: u32,
        since: u64,
        left_s: Option<u32>,
        action: &'static str,
        names: Vec<&'a str>,
        pid: u32,
        name: &'a str,
        exe: Option<&'a str>,
        script: Option<&'a str>,
    },
}

/// What a handle's program was started to run.
#[derive(serde::Serialize)]
struct Script<'a> {
    path: &'a str,
    sha256: String,
}

impl Command for Grants {
    const NAME: &'static str = "grants";
    const ABOUT: &'static str =
        "List what is allowed until the session ends: terminals, handles of programs, remembered answers";
    const EXAMPLES: &'static str = "ctl grants\nctl grants --json";

    fn run(self) -> Result<Exit, Error> {
        let (text, none) = with_proof(&mut connect()?, &self.proof, |connection, proof| {
            let handles = connection.handles(proof)?;
            let answers = connection.answers(proof)?;
            let grants = connection.grants(proof)?;
            let text = if self.json {
                let terminals = grants.iter().map(document);
                json_line(
                    &terminals
                        .chain(handles.iter().map(handle_document))
                        .chain(answers.iter().map(answer_document))
                        .collect::<Vec<_>>(),
                )?
            } else {
                table(&grants, Style::of(&stdout())) + &handle_table(&handles) + &answer_table(&answers)
            };
            Ok((text, grants.is_empty() && answers.is_empty()))
        })?;
        print(&text)?;
        if none && !self.json {
            notice::say("no terminal is granted. Grant this one: ctl unlock");
        }
        Ok(Exit::Ok)
    }
}

fn answer_document<'a>(answer: &'a Remembered<'_>) -> Document<'a> {
    Document::Answer {
        id: answer.id,
        since: answer.since,
        left_s: answer.left_s,
        action: answer.action.name(),
        names: answer.names.iter().map(|name| &**name).collect(),
        pid: answer.pid,
        name: &answer.name,
        exe: answer.exe.as_deref(),
        script: answer.script.as_deref(),
    }
}

fn answer_table(answers: &[Remembered<'_>]) -> String {
    let row = |answer: &Remembered<'_>| {
        let whom = match (&answer.script, &answer.exe) {
            (Some(script), _) => quoted(script),
            (None, Some(exe)) => name(exe),
            (None, None) => format!("{} ({})", quoted(&answer.name), answer.pid),
        };
        let end = match (answer.left_s, &answer.exe) {
            (Some(left), _) => format!("for {}", time::span(left)),
            (None, Some(_)) => "until the session ends".to_owned(),
            (None, None) => "while it runs".to_owned(),
        };
        let may = wanted(answer.action.name(), &answer.names);
        vec![answer.id.to_string(), whom, may, end]
    };
    columns(&answers.iter().map(row).collect::<Vec<_>>())
}

fn document<'a>(grant: &'a Grant<'_>) -> Document<'a> {
    let Grant { id, pid, ref name, ref tty, since, token, yours } = *grant;
    Document::Terminal { id, pid, name, tty: (!tty.is_empty()).then_some(tty), since, token, yours }
}

fn handle_document<'a>(handle: &'a Handle<'_>) -> Document<'a> {
    let Handle { id, pid, ref name, ref by, ref secrets, since, ends, ref script, ref unit } = *handle;
    let secrets = secrets.iter().map(ToString::to_string).collect();
    let script = script.as_ref().map(|script| Script { path: &script.path, sha256: hex(&script.sha256) });
    let unit = unit.as_deref();
    let unit_strength = unit.map(|unit| if runs_for_users(unit) { "weak" } else { "hard" });
    Document::Handle { id, pid, name, by, secrets, since, ends, script, unit, unit_strength }
}

fn handle_table(handles: &[Handle<'_>]) -> String {
    let row = |handle: &Handle<'_>| {
        let runs = handle
            .script
            .as_ref()
            .map(|script| format!(" runs {}, sha256 {}", quoted(&script.path), short(&script.sha256)));
        let program = format!("{} ({}){}", quoted(&handle.name), handle.pid, runs.unwrap_or_default());
        let names: Vec<String> = handle.secrets.iter().map(|glob| name(&glob.to_string())).collect();
        let within = handle.unit.as_ref().map(|unit| {
            let weak = if runs_for_users(unit) { " (weak: it runs what users ask for)" } else { "" };
            format!(", in {} only{weak}", name(unit))
        });
        let gives = format!("handle to {}{}", names.join(", "), within.unwrap_or_default());
        let ends = handle.ends.map_or_else(String::new, |ends| format!("until {}", time::until(ends)));
        vec![handle.id.to_string(), program, gives, format!("by {}", name(&handle.by)), ends]
    };
    columns(&handles.iter().map(row).collect::<Vec<_>>())
}

fn table(grants: &[Grant<'_>], style: Style) -> String {
    let row = |grant: &Grant<'_>| {
        let tty = if grant.tty.is_empty() { "no terminal".to_owned() } else { escaped(&grant.tty) };
        let token = if grant.token { "with token" } else { "without token" };
        let yours = if grant.yours { style.good("this terminal") } else { String::new() };
        let shell = format!("{} ({})", quoted(&grant.name), grant.pid);
        let since = format!("since {}", time::until(grant.since));
        vec![grant.id.to_string(), shell, tty, since, token.to_owned(), yours]
    };
    columns(&grants.iter().map(row).collect::<Vec<_>>())
}

#[cfg(test)]
mod tests {
    use glassdome_proto::Text;

    use super::*;

    #[test]
    fn a_line_a_terminal() {
        let mine = Grant {
            id: 3,
            pid: 4700,
            name: Text::new("bash").unwrap(),
            tty: Text::new("pts/3").unwrap(),
            since: 1_795_348_800,
            token: true,
            yours: true,
        };
        let other = Grant { id: 12, tty: Text::new("").unwrap(), token: false, yours: false, ..mine.clone() };
        let lines = table(&[mine.clone(), other], Style::plain());
        let lines: Vec<&str> = lines.lines().collect();
        assert!(lines[0].starts_with("3   \"bash\" (4700)  pts/3        since "), "{lines:?}");
        assert!(lines[0].ends_with("  with token     this terminal"), "{lines:?}");
        assert!(lines[1].starts_with("12  \"bash\" (4700)  no terminal  since "), "{lines:?}");
        assert!(lines[1].ends_with("  without token"), "{lines:?}");
        let json = serde_json::to_value(document(&mine)).unwrap();
        assert_eq!((&json["tty"], &json["yours"]), (&"pts/3".into(), &true.into()));
    }

    #[test]
    fn a_handle_is_shown_with_what_its_unit_is_worth() {
        let of = |unit| Handle {
            id: 5,
            pid: 4711,
            name: Text::new("make").unwrap(),
            by: Text::new("rule:api").unwrap(),
            secrets: glassdome_proto::List::new(vec![glassdome_proto::Glob::parse("a").unwrap()]).unwrap(),
            since: 1_795_348_800,
            ends: None,
            script: None,
            unit: Some(Text::new(unit).unwrap()),
        };
        for (unit, shown, strength) in [
            ("api.service", "handle to a, in api.service only  by", "hard"),
            (
                "cron.service",
                "handle to a, in cron.service only (weak: it runs what users ask for)  by",
                "weak",
            ),
        ] {
            assert!(handle_table(&[of(unit)]).contains(shown), "{unit}");
            let json = serde_json::to_value(handle_document(&of(unit))).unwrap();
            assert_eq!((&json["unit"], &json["unit_strength"]), (&unit.into(), &strength.into()));
        }
    }
}
