//! `ctl mv`: give a secret another name.

use glassdome_proto::{Answer, Body, Name, secrets};

use crate::cli::{Command, connect};
use crate::error::Error;
use crate::exit::Exit;
use crate::text::notice;

/// What can be typed behind `ctl mv`.
#[derive(clap::Args)]
pub(crate) struct Mv {
    /// Its present name
    from: String,
    /// Its next name, which must be free
    to: String,
}

impl Command for Mv {
    const NAME: &'static str = "mv";
    const ABOUT: &'static str = "Give a secret another name; its versions go with it";
    const EXAMPLES: &'static str = "ctl mv aws/key aws/prod/key";

    fn run(self) -> Result<Exit, Error> {
        let (from, to) = (Name::typed(&self.from)?, Name::typed(&self.to)?);
        let request = secrets::Request::Move { from: from.clone(), to: to.clone() };
        match connect()?.call(Body::Secrets(request))? {
            Answer::Secrets(secrets::Answer::Moved) => {
                notice::done(&format!("{from} is {to} now. Read it: ctl get {to}"));
                Ok(Exit::Ok)
            }
            _ => Err(Error::Unexpected),
        }
    }
}
