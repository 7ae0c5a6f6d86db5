//! `ctl policy`: the sealed rules, which say what programs are given without a granted terminal.

use crate::cli::Command;
use crate::error::Error;
use crate::exit::Exit;

mod allow;
mod rm;
mod show;

/// What can be typed behind `ctl policy`.
#[derive(clap::Args)]
pub(crate) struct Policy {
    #[command(subcommand)]
    what: What,
}

#[derive(clap::Subcommand)]
enum What {
    /// Show all rules, with the strength of each
    Show(show::Show),
    /// Seal a rule that allows a program, or a script, some secrets; takes the master password
    Allow(allow::Allow),
    /// Take a rule away; takes the master password
    Rm(rm::Rm),
}

impl Command for Policy {
    const NAME: &'static str = "policy";
    const ABOUT: &'static str = "Show or change the rules that say which program is given which secrets";
    const EXAMPLES: &'static str = "ctl policy show\n\
                                    ctl policy allow --secrets 'aws/prod/*' --script deploy.py\n\
                                    ctl policy allow --secrets 'db/**' --like 4711 --id reports\n\
                                    ctl policy rm reports";

    fn run(self) -> Result<Exit, Error> {
        match self.what {
            What::Show(show) => show.run(),
            What::Allow(allow) => allow.run(),
            What::Rm(rm) => rm.run(),
        }
    }
}
