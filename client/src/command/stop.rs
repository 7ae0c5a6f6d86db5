//! `ctl stop`: end the session and the daemon.

use glassdome_proto::{Answer, Body, session};

use crate::cli::{Command, connect};
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
        match connect()?.call(Body::Session(session::Request::Stop))? {
            Answer::Session(session::Answer::Stopping) => {
                notice::done("locked, and the daemon ends. Start it: glassdome_start");
                Ok(Exit::Ok)
            }
            _ => Err(Error::Unexpected),
        }
    }
}
