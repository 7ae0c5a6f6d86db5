//! `ctl info`: everything about a secret but its value.

use std::fmt::Write;

use glassdome_proto::Name;
use glassdome_proto::secrets::Info as About;

use crate::cli::{Command, connect_to_ask, print, print_json};
use crate::error::Error;
use crate::exit::Exit;
use crate::text::bytes::bytes;
use crate::text::escape::escaped;
use crate::text::time;
use crate::wait::WaitArgs;

/// What can be typed behind `ctl info`.
#[derive(clap::Args)]
pub(crate) struct Info {
    /// Which secret
    name: String,
    /// Print a JSON object for programs; times are seconds since the epoch
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    wait: WaitArgs,
}

/// A secret for programs.
#[derive(serde::Serialize)]
struct Document<'a> {
    name: &'a str,
    version: u64,
    versions: u8,
    created: u64,
    changed: u64,
    expires: Option<u64>,
    size: Option<u32>,
    fields: Vec<Field<'a>>,
}

#[derive(serde::Serialize)]
struct Field<'a> {
    name: &'a str,
    size: u32,
}

impl Command for Info {
    const NAME: &'static str = "info";
    const ABOUT: &'static str = "Show everything about a secret but its value";
    const EXAMPLES: &'static str = "ctl info aws/prod/key\nctl info aws/prod/key --json";

    fn run(self) -> Result<Exit, Error> {
        let name = Name::typed(&self.name)?;
        let mut connection = connect_to_ask(&self.wait)?;
        let about = connection.info(name)?;
        if self.json {
            print_json(&document(&about))?
        } else {
            print(&describe(&about, time::now()))?
        }
        Ok(Exit::Ok)
    }
}

fn document<'a>(about: &'a About<'_>) -> Document<'a> {
    Document {
        name: &about.entry.name,
        version: about.entry.version,
        versions: about.versions,
        created: about.created,
        changed: about.entry.changed,
        expires: about.entry.expires,
        size: about.entry.size,
        fields: about.fields.iter().map(|field| Field { name: &field.name, size: field.size }).collect(),
    }
}

fn describe(about: &About<'_>, now: u64) -> String {
    let entry = &about.entry;
    let mut text = format!("name      {}\n", escaped(&entry.name));
    let mut line = |key: &str, value: &str| {
        // Writing to a string does not fail.
        writeln!(text, "{key:<9} {value}").ok();
    };
    line("version", &format!("{} ({} kept)", entry.version, about.versions));
    line("created", &time::date_time(about.created));
    line("changed", &time::date_time(entry.changed));
    if let Some(expires) = entry.expires {
        let passed = if expires <= now { ", which has passed: replace it" } else { "" };
        line("expires", &format!("{}{passed}", time::date(expires)));
    }
    match entry.size {
        Some(size) => line("value", &bytes(size.into())),
        None => line("value", "none, only fields"),
    }
    for field in about.fields.iter() {
        line("field", &format!("{} ({})", escaped(&field.name), bytes(field.size.into())));
    }
    text
}
