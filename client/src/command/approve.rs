//! `ctl approve`: shows who wants what, and says yes.

use std::io::stderr;

use glassdome_proto::limits;
use glassdome_proto::policy::Scope;
use glassdome_proto::span;

use crate::cli::{Command, connect};
use crate::error::Error;
use crate::exit::Exit;
use crate::proof::{ProofArgs, with_proof};
use crate::terminal::Terminal;
use crate::text::notice;
use crate::text::question::whole;
use crate::text::style::Style;

/// How long a yes to a program is remembered where nothing else is said.
const A_WHILE: u32 = 15 * 60;

/// What can be typed behind `ctl approve`.
#[derive(clap::Args)]
pub(crate) struct Approve {
    /// Which question, by the number that it was told with
    id: u32,
    /// How far the yes goes: once, process (while it runs), session (this program until the session ends),
    /// or this program for a time like 15m; asked if it is not given
    #[arg(long = "for", value_name = "SCOPE")]
    scope: Option<String>,
    /// Do not ask on the terminal: the question has been read
    #[arg(short, long)]
    yes: bool,
    #[command(flatten)]
    proof: ProofArgs,
}

/// What was said on the terminal.
enum Said {
    Yes(Scope),
    No,
    Nothing,
}

impl Command for Approve {
    const NAME: &'static str = "approve";
    const ABOUT: &'static str = "Say yes to a program that waits for your answer";
    const EXAMPLES: &'static str =
        "ctl approve 3\nctl approve 3 --for 15m\nctl approve 3 --for process --yes";

    fn run(self) -> Result<Exit, Error> {
        let scope = self.scope.as_deref().map(scope).transpose()?;
        let style = Style::of(&stderr());
        // Together: a password that is needed is asked for once.
        let line = with_proof(&mut connect()?, &self.proof, |connection, proof| {
            let said = if self.yes {
                Said::Yes(scope.unwrap_or(Scope::Once))
            } else {
                let (questions, _) = connection.questions(None, proof)?;
                let question = questions.iter().find(|question| question.id == self.id);
                let question = question.ok_or(Error::NoQuestion { id: self.id })?;
                ask(&whole(question, style), scope, [question.holdable, question.rememberable])?
            };
            Ok(match said {
                Said::Yes(scope) => match connection.approve(self.id, scope, proof)? {
                    Some(number) => Some(format!("allowed {}. End it: ctl revoke {number}", told(scope))),
                    None => Some("allowed once".to_owned()),
                },
                Said::No => {
                    connection.refuse(self.id, proof)?;
                    Some("refused. It is not asked again for a while".to_owned())
                }
                Said::Nothing => None,
            })
        })?;
        match line {
            Some(line) => notice::done(&line),
            None => notice::say("nothing was answered: the question stays open until its time is over"),
        }
        Ok(Exit::Ok)
    }
}

fn ask(text: &str, scope: Option<Scope>, [holdable, rememberable]: [bool; 2]) -> Result<Said, Error> {
    let terminal = Terminal::open().ok_or(Error::NoInput(
        "there is no terminal to ask on: read the question with `ctl approvals`, then answer with --yes",
    ))?;
    terminal.say(text.trim_end())?;
    let prompt = match scope {
        Some(scope) => format!("Allow it {}? [y/n] ", told(scope)),
        None => {
            let process = if holdable { ", while this process runs [p]" } else { "" };
            let program = match rememberable {
                true => ", to this program for 15 min [m], until the session ends [s]",
                false => "",
            };
            format!("Allow it once [y]{process}{program}? No: [n] ")
        }
    };
    let answer = terminal.ask(&prompt)?;
    Ok(match (answer.trim(), scope) {
        ("y" | "Y" | "yes", scope) => Said::Yes(scope.unwrap_or(Scope::Once)),
        ("p", None) if holdable => Said::Yes(Scope::Process),
        ("m", None) if rememberable => Said::Yes(Scope::Program { for_s: Some(A_WHILE) }),
        ("s", None) if rememberable => Said::Yes(Scope::Program { for_s: None }),
        ("n" | "N" | "no", _) => Said::No,
        _ => Said::Nothing,
    })
}

fn scope(word: &str) -> Result<Scope, Error> {
    let seconds = |word| span::parse(word).filter(|seconds| *seconds <= limits::REMEMBERED);
    match word {
        "once" => Ok(Scope::Once),
        "process" => Ok(Scope::Process),
        "session" => Ok(Scope::Program { for_s: None }),
        word => match seconds(word) {
            Some(seconds) => Ok(Scope::Program { for_s: Some(seconds) }),
            None => Err(Error::Usage(
                "--for is once, process, session, or a span of time up to 24h, like 15m".to_owned(),
            )),
        },
    }
}

fn told(scope: Scope) -> String {
    match scope {
        Scope::Once => "once".to_owned(),
        Scope::Process => "while this process runs".to_owned(),
        Scope::Program { for_s: None } => "to this program until the session ends".to_owned(),
        Scope::Program { for_s: Some(seconds) } => format!("to this program for {}", span::describe(seconds)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_are_typed_as_words_or_spans() {
        for (word, expected) in [
            ("once", Scope::Once),
            ("process", Scope::Process),
            ("session", Scope::Program { for_s: None }),
            ("15m", Scope::Program { for_s: Some(900) }),
            ("24h", Scope::Program { for_s: Some(86_400) }),
        ] {
            assert_eq!(scope(word).unwrap(), expected);
        }
        for bad in ["", "always", "25h", "15"] {
            assert!(scope(bad).is_err(), "{bad}");
        }
    }
}
