//! `ctl panic`: end the session now, and keep it from being opened by the password alone.

use glassdome_proto::{Answer, Body, session};

use crate::cli::Command;
use crate::error::Error;
use crate::exit::Exit;
use crate::socket_path::SocketPath;
use crate::start::connect_or_start;
use crate::text::notice;

/// What can be typed behind `ctl panic`: nothing.
#[derive(clap::Args)]
pub(crate) struct Panic {}

impl Command for Panic {
    const NAME: &'static str = "panic";
    const ABOUT: &'static str = "Lock now, and open no session until glassdome_start --end-panic";
    const EXAMPLES: &'static str = "ctl panic\nctl unlock --end-panic";

    fn run(self) -> Result<Exit, Error> {
        // As whoever may lock. The daemon is started if there is none: the next one must know of it.
        let mut connection = connect_or_start(&SocketPath::find()?.path)?;
        match connection.call(Body::Session(session::Request::Panic))? {
            Answer::Session(session::Answer::Panicked) => {
                notice::done("locked, and no session opens. End it: glassdome_start --end-panic");
                Ok(Exit::Ok)
            }
            _ => Err(Error::Unexpected),
        }
    }
}
