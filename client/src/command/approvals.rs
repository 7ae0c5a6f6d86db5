//! `ctl approvals`: the questions that wait for a person.

use std::io::stdout;

use glassdome_proto::policy::Question;

use crate::cli::{Command, connect, json_line, print};
use crate::connection::Connection;
use crate::error::Error;
use crate::exit::Exit;
use crate::proof::{ProofArgs, with_proof};
use crate::text::notice;
use crate::text::question::{brief, document};
use crate::text::table::columns;

/// What can be typed behind `ctl approvals`.
#[derive(clap::Args)]
pub(crate) struct Approvals {
    /// Stay, and print each new question as it comes, until the session ends
    #[arg(long, conflicts_with_all = ["password_stdin", "password_fd"])]
    watch: bool,
    /// Print JSON for programs: an array, or with --watch one question a line
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    proof: ProofArgs,
}

impl Command for Approvals {
    const NAME: &'static str = "approvals";
    const ABOUT: &'static str = "List the questions that wait for your answer";
    const EXAMPLES: &'static str = "ctl approvals\nctl approvals --watch";

    fn run(self) -> Result<Exit, Error> {
        if self.watch {
            return with_proof(&mut connect()?, &self.proof, |connection, _| self.follow(connection));
        }
        let (text, none) = with_proof(&mut connect()?, &self.proof, |connection, proof| {
            let (questions, _) = connection.questions(None, proof)?;
            let text = if self.json {
                json_line(&questions.iter().map(document).collect::<Vec<_>>())?
            } else {
                columns(&questions.iter().map(brief).collect::<Vec<_>>())
            };
            Ok((text, questions.is_empty()))
        })?;
        print(&text)?;
        if !self.json {
            notice::say(if none { "nothing waits for you" } else { "answer: ctl approve ID, ctl refuse ID" });
        }
        Ok(Exit::Ok)
    }
}

impl Approvals {
    fn follow(&self, connection: &mut Connection) -> Result<Exit, Error> {
        let mut state = None;
        let mut newest = 0;
        loop {
            let (questions, now) = connection.questions(state, None)?;
            state = Some(now);
            let fresh: Vec<&Question<'_>> =
                questions.iter().filter(|question| question.id > newest).collect();
            let mut text = String::new();
            for question in &fresh {
                text.push_str(&match self.json {
                    true => json_line(&document(question))?,
                    false => columns(&[brief(question)]),
                });
            }
            newest = fresh.iter().map(|question| question.id).max().unwrap_or(newest);
            drop(questions);
            match print(&text) {
                // Whoever read it has seen enough.
                Err(error) if error.is_broken_pipe() => return Ok(Exit::Ok),
                other => other?,
            }
            std::io::Write::flush(&mut stdout()).map_err(Error::Output)?;
        }
    }
}
