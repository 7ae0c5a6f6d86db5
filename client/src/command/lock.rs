//! `ctl lock`: end the session now.

use crate::cli::{Command, connect_as_anyone};
use crate::error::Error;
use crate::exit::Exit;
use crate::text::notice;

/// What can be typed behind `ctl lock`: nothing.
#[derive(clap::Args)]
pub(crate) struct Lock {}

impl Command for Lock {
    const NAME: &'static str = "lock";
    const ABOUT: &'static str = "Lock now: the key is wiped from the daemon's memory";
    const EXAMPLES: &'static str = "ctl lock";

    fn run(self) -> Result<Exit, Error> {
        connect_as_anyone()?.lock()?;
        notice::done("locked. Unlock: glassdome_start");
        Ok(Exit::Ok)
    }
}
