//! `ctl mv`: give a secret another name.

use glassdome_proto::{Answer, Body, Name, secrets};

use crate::cli::{Command, connect_to_ask};
use crate::error::Error;
use crate::exit::Exit;
use crate::text::notice;
use crate::wait::WaitArgs;

/// What can be typed behind `ctl mv`.
#[derive(clap::Args)]
pub(crate) struct Mv {
    /// Its present name
    from: String,
    /// Its next name, which must be free
    to: String,
    #[command(flatten)]
    wait: WaitArgs,
}

impl Command for Mv {
    const NAME: &'static str = "mv";
    const ABOUT: &'static str = "Give a secret another name; its versions go with it";
    const EXAMPLES: &'static str = "ctl mv aws/key aws/prod/key";

    fn run(self) -> Result<Exit, Error> {
        let (from, to) = (Name::typed(&self.from)?, Name::typed(&self.to)?);
        let request = secrets::Request::Move { from: from.clone(), to: to.clone() };
        match connect_to_ask(&self.wait)?.call(Body::Secrets(request))? {
            Answer::Secrets(secrets::Answer::Moved) => {
                notice::done(&format!("{from} is {to} now. Read it: ctl get {to}"));
                Ok(Exit::Ok)
            }
            _ => Err(Error::Unexpected),
        }
    }
}
