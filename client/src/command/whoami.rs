//! `ctl whoami`: what the daemon sees of a process, how strong each piece of it is, and what it would be
//! given.

use std::io::stdout;

use glassdome_proto::session::Password;

use crate::cli::{Command, connect, json_line, print};
use crate::connection::Connection;
use crate::error::Error;
use crate::exit::Exit;
use crate::proof::{ProofArgs, with_proof};
use crate::text::picture::draw;
use crate::text::picture_document::document;
use crate::text::style::Style;

/// What can be typed behind `ctl whoami`.
#[derive(clap::Args)]
pub(crate) struct WhoAmI {
    /// Of this process instead of oneself; elsewhere than in a granted terminal with the approval PIN
    #[arg(long, value_name = "N")]
    pid: Option<u32>,
    /// Print a JSON object for programs; times are seconds since the epoch
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    proof: ProofArgs,
}

impl Command for WhoAmI {
    const NAME: &'static str = "whoami";
    const ABOUT: &'static str = "Show for whom the daemon takes a process, and what it would be given";
    const EXAMPLES: &'static str = "ctl whoami\nctl whoami --pid 4711\nctl whoami --json";

    fn run(self) -> Result<Exit, Error> {
        let mut connection = connect()?;
        let text = match self.pid {
            None => self.told(&mut connection, None)?,
            Some(_) => {
                with_proof(&mut connection, &self.proof, |connection, proof| self.told(connection, proof))?
            }
        };
        print(&text)?;
        Ok(Exit::Ok)
    }
}

impl WhoAmI {
    fn told(&self, connection: &mut Connection, proof: Option<Password<'_>>) -> Result<String, Error> {
        let picture = connection.who_am_i(self.pid, proof)?;
        if self.json { json_line(&document(&picture)) } else { Ok(draw(&picture, Style::of(&stdout()))) }
    }
}
