//! `ctl list`: names and what is known about them, never values.

use std::io::{IsTerminal, stdout};

use glassdome_proto::Glob;
use glassdome_proto::secrets::Entry;

use crate::cli::{Command, connect_to_ask, print, print_json};
use crate::error::Error;
use crate::exit::Exit;
use crate::text::escape::escaped;
use crate::text::style::Style;
use crate::text::table::columns;
use crate::text::{notice, time, tree};
use crate::wait::WaitArgs;

/// What can be typed behind `ctl list`.
#[derive(clap::Args)]
pub(crate) struct List {
    /// Only names that match: * stops at /, ** crosses it, ? is one character
    glob: Option<String>,
    /// Print a JSON array for programs; times are seconds since the epoch
    #[arg(long, conflicts_with = "tree")]
    json: bool,
    /// Draw the tree that the slashes make
    #[arg(long)]
    tree: bool,
    #[command(flatten)]
    wait: WaitArgs,
}

/// A secret for programs.
#[derive(serde::Serialize)]
struct Document<'a> {
    name: &'a str,
    version: u64,
    changed: u64,
    expires: Option<u64>,
    size: Option<u32>,
    fields: u8,
}

impl Command for List {
    const NAME: &'static str = "list";
    const ABOUT: &'static str = "List names; on a terminal with version, date and expiry";
    const EXAMPLES: &'static str = "ctl list\nctl list 'aws/**'\nctl list --tree";

    fn run(self) -> Result<Exit, Error> {
        let glob = self.glob.as_deref().map(Glob::parse).transpose()?;
        let (entries, damaged) = connect_to_ask(&self.wait)?.list_what_can_be(glob.as_ref())?;
        if self.json {
            print_json(&entries.iter().map(document).collect::<Vec<_>>())?;
        } else if self.tree {
            print(&tree::draw(entries.iter().map(|entry| &*entry.name)))?;
        } else if stdout().is_terminal() {
            print(&table(&entries, time::now(), Style::of(&stdout())))?;
        } else {
            let mut names = String::new();
            for entry in &entries {
                names.push_str(&entry.name);
                names.push('\n');
            }
            print(&names)?;
        }
        if let Some(damaged) = damaged {
            return Err(damaged);
        }
        if entries.is_empty() && !self.json {
            notice::say(match glob {
                Some(_) => "no name matches. All names: ctl list",
                None => "the vault is empty. Store a secret: ctl set NAME",
            });
        }
        Ok(Exit::Ok)
    }
}

fn document<'a>(entry: &'a Entry<'_>) -> Document<'a> {
    Document {
        name: &entry.name,
        version: entry.version,
        changed: entry.changed,
        expires: entry.expires,
        size: entry.size,
        fields: entry.fields,
    }
}

fn table(entries: &[Entry<'_>], now: u64, style: Style) -> String {
    let row = |entry: &Entry<'_>| {
        let expiry = match entry.expires {
            Some(at) if at <= now => style.careful("expired"),
            Some(at) => format!("expires {}", time::date(at)),
            None => String::new(),
        };
        vec![escaped(&entry.name), format!("v{}", entry.version), time::date(entry.changed), expiry]
    };
    columns(&entries.iter().map(row).collect::<Vec<_>>())
}

#[cfg(test)]
mod tests {
    use glassdome_proto::Name;

    use super::*;

    #[test]
    fn a_line_a_secret() {
        let entry = |name, expires| Entry {
            name: Name::parse(name).unwrap(),
            version: 3,
            changed: 1_795_348_800,
            expires,
            size: Some(5),
            fields: 0,
        };
        let lines = table(&[entry("a", None), entry("long", Some(1))], 2, Style::plain());
        let lines: Vec<&str> = lines.lines().collect();
        assert!(lines[0].starts_with("a     v3  2026-11-2"), "{lines:?}");
        assert!(lines[1].ends_with("  expired"), "{lines:?}");
        let turned = table(&[entry("turned\u{202e}around", None)], 2, Style::plain());
        assert!(turned.starts_with("turned\\u{202e}around  v3"), "{turned:?}");
    }
}
