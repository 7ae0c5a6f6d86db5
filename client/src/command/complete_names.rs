//! `ctl complete-names`: what the shells' completions ask. It says nothing at all unless a session
//! is open, and never keeps a shell waiting.

use std::time::Duration;

use glassdome_proto::session::{self, State};
use glassdome_proto::{Answer, Body};

use crate::cli::{Command, as_ourselves, print};
use crate::connection::Connection;
use crate::error::Error;
use crate::exit::Exit;
use crate::socket_path::SocketPath;

const PATIENCE: Duration = Duration::from_millis(300);

/// What can be typed behind `ctl complete-names`: nothing.
#[derive(clap::Args)]
pub(crate) struct CompleteNames {}

impl Command for CompleteNames {
    const NAME: &'static str = "complete-names";
    const ABOUT: &'static str = "Print all names, for the shells' completions";
    const EXAMPLES: &'static str = "ctl complete-names";
    const HIDDEN: bool = true;

    fn run(self) -> Result<Exit, Error> {
        // Trouble of any kind means that there is nothing to complete; `ctl status` tells it.
        if let Ok(names) = names() {
            print(&names)?;
        }
        Ok(Exit::Ok)
    }
}

fn names() -> Result<String, Error> {
    let socket = SocketPath::find()?;
    let mut connection = as_ourselves(|| Connection::open_within(&socket.path, PATIENCE))?;
    let mut names = String::new();
    if let Answer::Session(session::Answer::Status(status)) =
        connection.call(Body::Session(session::Request::Status))?
        && matches!(status.state, State::Unlocked { .. })
    {
        for entry in connection.list_what_can_be(None)?.0 {
            names.push_str(&entry.name);
            names.push('\n');
        }
    }
    Ok(names)
}
