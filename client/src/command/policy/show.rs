//! `ctl policy show`.

use std::io::stdout;

use crate::cli::{connect, print, print_json};
use crate::error::Error;
use crate::exit::Exit;
use crate::proof::{ProofArgs, with_proof};
use crate::text::notice;
use crate::text::rule::{document, toml};
use crate::text::style::Style;

#[derive(clap::Args)]
pub(super) struct Show {
    /// Print a JSON array for programs; times are seconds since the epoch
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    proof: ProofArgs,
}

impl Show {
    pub(super) fn run(self) -> Result<Exit, Error> {
        let rules = with_proof(&mut connect()?, &self.proof, |connection, proof| connection.rules(proof))?;
        if self.json {
            print_json(&rules.iter().map(document).collect::<Vec<_>>())?;
        } else {
            let style = Style::of(&stdout());
            let all: Vec<String> = rules.iter().map(|rule| toml(rule, style)).collect();
            print(&all.join("\n"))?;
            if all.is_empty() {
                notice::say("there is no rule. Make one: ctl policy allow --secrets GLOB --script FILE");
            }
        }
        Ok(Exit::Ok)
    }
}
