//! `ctl audit accept`: the owner has seen that there was an alarm about the log.

use glassdome_proto::settings::{Answer as SettingsAnswer, Request};
use glassdome_proto::{Answer, Body};

use crate::cli::connect;
use crate::error::Error;
use crate::exit::Exit;
use crate::password::{PasswordArgs, Source};
use crate::proof::with_password;
use crate::text::notice;

/// What can be typed behind `ctl audit accept`.
#[derive(clap::Args)]
pub(crate) struct Accept {
    #[command(flatten)]
    password: PasswordArgs,
}

impl Accept {
    pub(super) fn run(self) -> Result<Exit, Error> {
        let mut connection = connect()?;
        // Greets the daemon before anybody is asked; see `unlock`.
        connection.require_vault()?;
        with_password(&mut Source::open(&self.password)?, |password| {
            match connection.call(Body::Settings(Request::AcceptLog { password }))? {
                Answer::Settings(SettingsAnswer::LogAccepted) => Ok(()),
                _ => Err(Error::Unexpected),
            }
        })?;
        notice::done("the alarm is over; what was set or moved aside stays where it is");
        Ok(Exit::Ok)
    }
}
