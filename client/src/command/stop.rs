//! `ctl stop`: end the session and the daemon.

use glassdome_proto::{Answer, Body, session};

use crate::cli::{Command, connect_as_anyone};
use crate::error::Error;
use crate::exit::Exit;
use crate::text::notice;

/// What can be typed behind `ctl stop`: nothing.
#[derive(clap::Args)]
pub(crate) struct Stop {}

impl Command for Stop {
    const NAME: &'static str = "stop";
    const ABOUT: &'static str = "Lock and end the daemon";
    const EXAMPLES: &'static str = "ctl stop";

    fn run(self) -> Result<Exit, Error> {
        let mut connection = connect_as_anyone()?;
        match connection.call(Body::Session(session::Request::Stop))? {
            Answer::Session(session::Answer::Stopping) => {
                // Whoever starts it again right afterwards must not meet the one that ends.
                connection.wait_for_end()?;
                notice::done("locked, and the daemon has ended. Start it: glassdome_start");
                Ok(Exit::Ok)
            }
            _ => Err(Error::Unexpected),
        }
    }
}
