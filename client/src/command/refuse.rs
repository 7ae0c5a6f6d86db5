//! `ctl refuse`: says no.

use crate::cli::{Command, connect};
use crate::error::Error;
use crate::exit::Exit;
use crate::proof::{ProofArgs, with_proof};
use crate::text::notice;

/// What can be typed behind `ctl refuse`.
#[derive(clap::Args)]
pub(crate) struct Refuse {
    /// Which question, by the number that it was told with
    id: u32,
    #[command(flatten)]
    proof: ProofArgs,
}

impl Command for Refuse {
    const NAME: &'static str = "refuse";
    const ABOUT: &'static str = "Say no to a program that waits for your answer";
    const EXAMPLES: &'static str = "ctl refuse 3";

    fn run(self) -> Result<Exit, Error> {
        with_proof(&mut connect()?, &self.proof, |connection, proof| connection.refuse(self.id, proof))?;
        notice::done("refused. It is not asked again for a while");
        Ok(Exit::Ok)
    }
}
