//! `ctl policy rm`.

use glassdome_proto::limits;
use glassdome_proto::policy::RuleId;

use crate::cli::connect;
use crate::error::Error;
use crate::exit::Exit;
use crate::password::{PasswordArgs, Source};
use crate::proof::with_password;
use crate::text::notice;

#[derive(clap::Args)]
pub(super) struct Rm {
    /// Which rule, by the name that `ctl policy show` shows
    id: String,
    #[command(flatten)]
    password: PasswordArgs,
}

impl Rm {
    pub(super) fn run(self) -> Result<Exit, Error> {
        let id = rule_id(self.id)?;
        let mut connection = connect()?;
        // Greets the daemon before anybody is asked; see `unlock`.
        connection.require_session()?;
        with_password(&mut Source::open(&self.password)?, |password| {
            connection.remove_rule(password, id.clone())
        })?;
        notice::done("the rule is taken away. Others: ctl policy show");
        Ok(Exit::Ok)
    }
}

/// A rule's name as somebody typed it.
pub(super) fn rule_id(typed: String) -> Result<RuleId<'static>, Error> {
    RuleId::new(typed).ok_or(Error::TooLong { what: "a rule's name", max: limits::RULE_ID })
}
