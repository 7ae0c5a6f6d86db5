//! `ctl policy`: the sealed rules, which say what programs are given without a granted terminal.

use crate::cli::Command;
use crate::error::Error;
use crate::exit::Exit;
use glassdome_proto::policy::Decision;

mod edit;
mod explain;
mod finding;
mod make;
mod review;
mod rm;
mod show;
mod test;

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
    /// Seal a rule that allows a program, a script or a unit some secrets; takes the master password
    Allow(make::Make),
    /// Seal a rule by which a person decides each time; about whatever asks, or a program or unit
    Ask(make::Make),
    /// Seal a rule that keeps secrets back, from whatever asks, or from a program or unit
    Deny(make::Make),
    /// Say which rule decides what a process asks for, and why each other does not
    Test(test::Test),
    /// Say what the rules say to a request that was refused or waits, and why they do not allow it
    Explain(explain::Explain),
    /// Take a rule away; takes the master password
    Rm(rm::Rm),
    /// Change all rules in your editor, or by a file; takes the master password
    Edit(edit::Edit),
}

impl Command for Policy {
    const NAME: &'static str = "policy";
    const ABOUT: &'static str = "Show or change the rules that say which program is given which secrets";
    const EXAMPLES: &'static str = "ctl policy show\n\
                                    ctl policy allow --secrets 'aws/prod/*' --script deploy.py\n\
                                    ctl policy allow --secrets 'db/**' --like 4711 --id reports\n\
                                    ctl policy allow --secrets 'aws/prod/*' --unit api.service --rate 60/min\n\
                                    ctl policy deny --secrets 'root/**'\n\
                                    ctl policy test --pid 4711 db/password\n\
                                    ctl policy explain 41\n\
                                    ctl policy rm reports\n\
                                    ctl policy edit";

    fn run(self) -> Result<Exit, Error> {
        match self.what {
            What::Show(show) => show.run(),
            What::Allow(make) => make.run(Decision::Allow),
            What::Ask(make) => make.run(Decision::Ask),
            What::Deny(make) => make.run(Decision::Deny),
            What::Test(test) => test.run(),
            What::Explain(explain) => explain.run(),
            What::Rm(rm) => rm.run(),
            What::Edit(edit) => edit.run(),
        }
    }
}
