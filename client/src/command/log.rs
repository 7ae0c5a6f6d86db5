//! `ctl log`: all that happened to one secret.

use glassdome_proto::Name;

use super::audit::show::{self, Form};
use crate::audit_log::filter::{Filter, SinceArg};
use crate::audit_log::place::Place;
use crate::audit_log::tail::Start;
use crate::cli::Command;
use crate::error::Error;
use crate::exit::Exit;
use crate::text::notice;

/// What can be typed behind `ctl log`.
#[derive(clap::Args)]
pub(crate) struct Log {
    /// Which secret, also a removed one
    name: String,
    #[command(flatten)]
    since: SinceArg,
    /// Print the records as they stand in the log, one JSON object a line
    #[arg(long)]
    json: bool,
}

impl Command for Log {
    const NAME: &'static str = "log";
    const ABOUT: &'static str = "Show all that happened to a secret, as the audit log has it";
    const EXAMPLES: &'static str = "ctl log aws/prod/key\nctl log aws/prod/key --since yesterday";

    fn run(self) -> Result<Exit, Error> {
        let filter = Filter::about(&Name::typed(&self.name)?, self.since);
        let files = Place::find()?.files()?;
        let shown = show::all(files, Start::OLDEST, &filter, Form::of(self.json))?;
        if shown == 0 && !self.json {
            notice::say("the log has nothing about it. What is logged: ctl audit");
        }
        Ok(Exit::Ok)
    }
}
