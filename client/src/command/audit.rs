//! `ctl audit`: what the log says, for people.

use crate::cli::Command;
use crate::error::Error;
use crate::exit::Exit;

mod accept;
mod export;
mod new_key;
pub(crate) mod show;
mod summary;
mod tail;
mod verify;

/// What can be typed behind `ctl audit`.
#[derive(clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Audit {
    #[command(subcommand)]
    what: Option<What>,
    #[command(flatten)]
    tail: tail::Tail,
}

#[derive(clap::Subcommand)]
enum What {
    /// Show the last records, which is what ctl audit alone does too
    Tail(tail::Tail),
    /// Show who used which secret how often, and what was unusual
    Summary(summary::Summary),
    /// Check that the log is as it was written: its chain, and with the auditor's key its seals
    Verify(verify::Verify),
    /// Write the whole log as lines that a SIEM reads: OCSF, ECS or CEF
    Export(export::Export),
    /// Take note of an alarm about the log, and go on with the log that is there; takes the master password
    Accept(accept::Accept),
    /// Make a key pair for the auditor, and seal the log to it; takes the master password
    NewKey(new_key::NewKey),
}

impl Command for Audit {
    const NAME: &'static str = "audit";
    const ABOUT: &'static str = "Show who got what, when and by which right";
    const EXAMPLES: &'static str = "ctl audit\n\
                                    ctl audit --follow\n\
                                    ctl audit --denied --since yesterday\n\
                                    ctl audit -n all --program deploy.py --json\n\
                                    ctl audit summary --since 7d\n\
                                    ctl audit verify --key-file ~/auditor.key\n\
                                    ctl audit export --format ocsf > audit.ocsf.jsonl";

    fn run(self) -> Result<Exit, Error> {
        match self.what {
            None => self.tail.run(),
            Some(What::Tail(tail)) => tail.run(),
            Some(What::Summary(summary)) => summary.run(),
            Some(What::Verify(verify)) => verify.run(),
            Some(What::Export(export)) => export.run(),
            Some(What::Accept(accept)) => accept.run(),
            Some(What::NewKey(new_key)) => new_key.run(),
        }
    }
}
