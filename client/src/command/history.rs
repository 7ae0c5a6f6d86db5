//! `ctl history`: the versions of a secret that are kept.

use std::io::stdout;

use glassdome_proto::secrets::{Change, Version};
use glassdome_proto::{Answer, Body, Name, secrets};

use crate::cli::{Command, connect_to_ask, print, print_json};
use crate::error::Error;
use crate::exit::Exit;
use crate::text::bytes::bytes;
use crate::text::style::Style;
use crate::text::table::columns;
use crate::text::time;
use crate::wait::WaitArgs;

/// What can be typed behind `ctl history`.
#[derive(clap::Args)]
pub(crate) struct History {
    /// Which secret, also a removed one
    name: String,
    /// Print a JSON array for programs; times are seconds since the epoch
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    wait: WaitArgs,
}

/// A version for programs.
#[derive(serde::Serialize)]
struct Document {
    version: u64,
    time: u64,
    size: Option<u32>,
    change: &'static str,
    current: bool,
}

impl Command for History {
    const NAME: &'static str = "history";
    const ABOUT: &'static str = "List the versions of a secret that are kept, newest first";
    const EXAMPLES: &'static str = "ctl history aws/prod/key";

    fn run(self) -> Result<Exit, Error> {
        let request = secrets::Request::History { name: Name::typed(&self.name)? };
        let mut connection = connect_to_ask(&self.wait)?;
        let Answer::Secrets(secrets::Answer::History(versions)) = connection.call(Body::Secrets(request))?
        else {
            return Err(Error::Unexpected);
        };
        if self.json {
            print_json(&versions.iter().map(document).collect::<Vec<_>>())?;
        } else {
            let style = Style::of(&stdout());
            let rows: Vec<Vec<String>> = versions.iter().map(|version| row(version, style)).collect();
            print(&columns(&rows))?;
        }
        Ok(Exit::Ok)
    }
}

fn document(version: &Version) -> Document {
    Document {
        version: version.version,
        time: version.time,
        size: version.size,
        change: word(version.change),
        current: version.current,
    }
}

fn row(version: &Version, style: Style) -> Vec<String> {
    let size = version.size.map_or_else(String::new, |size| bytes(size.into()));
    let current = if version.current { style.good("current") } else { String::new() };
    let word = word(version.change).to_owned();
    vec![version.version.to_string(), time::date_time(version.time), word, size, current]
}

fn word(change: Change) -> &'static str {
    match change {
        Change::Set => "set",
        Change::Removed => "removed",
        Change::Restored => "restored",
        Change::Moved => "moved",
    }
}
