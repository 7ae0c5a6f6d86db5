//! `ctl grants`: the terminals in which the master password was typed, and the handles that programs have.

use std::io::stdout;

use glassdome_proto::policy::{Grant, Handle};

use crate::cli::{Command, connect, json_line, print};
use crate::error::Error;
use crate::exit::Exit;
use crate::password::PasswordArgs;
use crate::proof::with_proof;
use crate::text::escape::escaped;
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
    password: PasswordArgs,
}

/// A grant or a handle for programs.
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
    },
}

impl Command for Grants {
    const NAME: &'static str = "grants";
    const ABOUT: &'static str =
        "List the terminals in which commands are served, and the handles of programs";
    const EXAMPLES: &'static str = "ctl grants\nctl grants --json";

    fn run(self) -> Result<Exit, Error> {
        let (text, none) = with_proof(&mut connect()?, &self.password, |connection, proof| {
            let handles = connection.handles(proof)?;
            let grants = connection.grants(proof)?;
            let text = if self.json {
                let terminals = grants.iter().map(document);
                json_line(&terminals.chain(handles.iter().map(handle_document)).collect::<Vec<_>>())?
            } else {
                table(&grants, Style::of(&stdout())) + &handle_table(&handles)
            };
            Ok((text, grants.is_empty()))
        })?;
        print(&text)?;
        if none && !self.json {
            notice::say("no terminal is granted. Grant this one: ctl unlock");
        }
        Ok(Exit::Ok)
    }
}

fn document<'a>(grant: &'a Grant<'_>) -> Document<'a> {
    let Grant { id, pid, ref name, ref tty, since, token, yours } = *grant;
    Document::Terminal { id, pid, name, tty: (!tty.is_empty()).then_some(tty), since, token, yours }
}

fn handle_document<'a>(handle: &'a Handle<'_>) -> Document<'a> {
    let Handle { id, pid, ref name, ref by, ref secrets, since, ends } = *handle;
    let secrets = secrets.iter().map(ToString::to_string).collect();
    Document::Handle { id, pid, name, by, secrets, since, ends }
}

fn handle_table(handles: &[Handle<'_>]) -> String {
    let row = |handle: &Handle<'_>| {
        let names: Vec<String> = handle.secrets.iter().map(|glob| escaped(&glob.to_string())).collect();
        let ends = handle.ends.map_or_else(String::new, |ends| format!("until {}", time::until(ends)));
        let program = format!("{} ({})", escaped(&handle.name), handle.pid);
        let (id, by) = (handle.id.to_string(), format!("by {}", escaped(&handle.by)));
        vec![id, program, format!("handle to {}", names.join(", ")), by, ends]
    };
    columns(&handles.iter().map(row).collect::<Vec<_>>())
}

fn table(grants: &[Grant<'_>], style: Style) -> String {
    let row = |grant: &Grant<'_>| {
        let tty = if grant.tty.is_empty() { "no terminal".to_owned() } else { escaped(&grant.tty) };
        let token = if grant.token { "with token" } else { "without token" };
        let yours = if grant.yours { style.good("this terminal") } else { String::new() };
        let shell = format!("{} ({})", escaped(&grant.name), grant.pid);
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
        assert!(lines[0].starts_with("3   bash (4700)  pts/3        since "), "{lines:?}");
        assert!(lines[0].ends_with("  with token     this terminal"), "{lines:?}");
        assert!(lines[1].starts_with("12  bash (4700)  no terminal  since "), "{lines:?}");
        assert!(lines[1].ends_with("  without token"), "{lines:?}");
        let json = serde_json::to_value(document(&mine)).unwrap();
        assert_eq!((&json["tty"], &json["yours"]), (&"pts/3".into(), &true.into()));
    }
}
