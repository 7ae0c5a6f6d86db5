//! `ctl revoke`: commands of a granted terminal, or programs with a handle, are served no longer, or an answer
//! is forgotten.

use crate::cli::{Command, connect};
use crate::error::Error;
use crate::exit::Exit;
use crate::proof::{ProofArgs, with_proof};
use crate::text::notice;

/// What can be typed behind `ctl revoke`.
#[derive(clap::Args)]
pub(crate) struct Revoke {
    /// Which grant or handle, by the number that `ctl grants` shows
    id: u32,
    #[command(flatten)]
    proof: ProofArgs,
}

impl Command for Revoke {
    const NAME: &'static str = "revoke";
    const ABOUT: &'static str = "End the grant of a terminal or the handle of a program, or forget an answer";
    const EXAMPLES: &'static str = "ctl revoke 3";

    fn run(self) -> Result<Exit, Error> {
        with_proof(&mut connect()?, &self.proof, |connection, proof| connection.revoke(self.id, proof))?;
        notice::done(&format!("{} has ended. Others: ctl grants", self.id));
        Ok(Exit::Ok)
    }
}
