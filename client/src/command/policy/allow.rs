//! `ctl policy allow`: shows what would be sealed and what it is worth, asks for the master password,
//! and seals it.
//!
//! ```text
//! Draft ─► show ─► ask ─► Allow, with what was shown
//! ```
//! A process can become another, and a file can change, while somebody reads what the rule would be: the
//! daemon compares before it seals, and what was not shown is not sealed.

use std::io::{IsTerminal, stderr, stdout};
use std::path::{Path, PathBuf};

use glassdome_proto::policy::{Action, Decision, NewRule, PathText, Shown, Whom};
use glassdome_proto::{Glob, List, limits};

use super::rm::rule_id;
use crate::cli::{connect, print};
use crate::error::Error;
use crate::exit::Exit;
use crate::password::{PasswordArgs, Source};
use crate::proof::with_password;
use crate::text::escape::escaped;
use crate::text::notice;
use crate::text::rule::toml;
use crate::text::style::Style;

#[derive(clap::Args)]
#[command(group = clap::ArgGroup::new("whom").required(true).multiple(true))]
pub(super) struct Allow {
    /// Names that it covers: * stops at /, ** crosses it; several with commas, or by giving it again
    #[arg(long, value_name = "GLOB", required = true, value_delimiter = ',')]
    secrets: Vec<String>,
    /// What may be done with them: get, list, set, remove
    #[arg(long, value_name = "ACTION", value_delimiter = ',', default_value = "get")]
    actions: Vec<String>,
    /// Allow whatever runs the program, and the script, that process PID runs now
    #[arg(long, value_name = "PID", group = "whom", conflicts_with_all = ["script", "exe"])]
    like: Option<u32>,
    /// Allow a script, with the bytes that it has now
    #[arg(long, value_name = "FILE", group = "whom")]
    script: Option<PathBuf>,
    /// Allow a program; with --script, the interpreter (otherwise what the script's first line names)
    #[arg(long, value_name = "FILE", group = "whom")]
    exe: Option<PathBuf>,
    /// Call the rule this
    #[arg(long, value_name = "NAME")]
    id: Option<String>,
    #[command(flatten)]
    password: PasswordArgs,
}

impl Allow {
    pub(super) fn run(self) -> Result<Exit, Error> {
        let wanted = self.rule()?;
        let mut connection = connect()?;
        let draft = connection.draft(wanted.clone())?;
        let mut source = Source::open(&self.password)?;
        source.say(&toml(&draft, Style::of(&stderr())))?;
        let shown = Shown { exe: draft.exe, script: draft.script };
        let sealed = with_password(&mut source, |password| {
            connection.allow(password, wanted.clone(), Some(shown.clone()))
        })?;
        // A person has just read it on the terminal.
        if !source.can_ask_again() || !stdout().is_terminal() {
            print(&toml(&sealed, Style::of(&stdout())))?;
        }
        let id = escaped(&sealed.id);
        notice::done(&format!("sealed as {id}. Take it away: ctl policy rm {id}"));
        Ok(Exit::Ok)
    }

    /// The rule as it was typed, judged before anybody is asked for anything.
    fn rule(&self) -> Result<NewRule<'static>, Error> {
        let globs = self.secrets.iter().map(|glob| Glob::parse(glob)).collect::<Result<Vec<_>, _>>()?;
        let actions = self.actions.iter().map(|word| action(word)).collect::<Result<Vec<_>, _>>()?;
        let too_many = |what, max| Error::Usage(format!("a rule has at most {max} {what}: make another one"));
        let whom = match (self.like, &self.script, &self.exe) {
            (Some(pid), _, _) => Whom::Like { pid },
            (None, Some(script), exe) => {
                Whom::Script { script: absolute(script)?, exe: exe.as_deref().map(absolute).transpose()? }
            }
            (None, None, Some(exe)) => Whom::Exe { exe: absolute(exe)? },
            (None, None, None) => {
                return Err(Error::Usage("for whom? Give --like PID, --script FILE or --exe FILE".into()));
            }
        };
        Ok(NewRule {
            id: self.id.clone().map(rule_id).transpose()?,
            decision: Decision::Allow,
            secrets: List::new(globs).ok_or_else(|| too_many("globs", limits::RULE_GLOBS))?,
            actions: List::new(actions).ok_or_else(|| too_many("actions", limits::RULE_ACTIONS))?,
            whom,
        })
    }
}

fn action(word: &str) -> Result<Action, Error> {
    Action::parse(word).ok_or_else(|| {
        let known = Action::ALL.map(Action::name).join(", ");
        Error::Usage(format!("no such action: {}. There are: {known}", escaped(word)))
    })
}

/// The path as the daemon can open it, wherever it runs. Links stay: what they lead to is the daemon's to
/// find out.
fn absolute(path: &Path) -> Result<PathText<'static>, Error> {
    let failed = |source| Error::ReadFile { path: path.to_owned(), source };
    let path = std::path::absolute(path).map_err(failed)?;
    let path = path.into_os_string().into_string();
    let path = path.map_err(|_| Error::Usage("a rule's paths are UTF-8".into()))?;
    PathText::new(path).ok_or(Error::TooLong { what: "a rule's path", max: limits::PATH })
}

#[cfg(test)]
mod tests {
    use clap::{Args, FromArgMatches};

    use super::*;

    fn typed(line: &str) -> Result<NewRule<'static>, String> {
        let parser = Allow::augment_args(clap::Command::new("allow"));
        let matches = parser.try_get_matches_from(["allow"].into_iter().chain(line.split(' ')));
        let matches = matches.map_err(|error| error.to_string())?;
        let allow = Allow::from_arg_matches(&matches).map_err(|error| error.to_string())?;
        allow.rule().map_err(|error| error.to_string())
    }

    #[test]
    fn rules_are_typed_in_three_ways() {
        let rule = typed("--secrets aws/**,db --secrets x --like 4711 --id deploy").unwrap();
        let globs: Vec<String> = rule.secrets.iter().map(ToString::to_string).collect();
        assert_eq!(globs, ["aws/**", "db", "x"]);
        assert_eq!(*rule.actions, [Action::Get]);
        assert_eq!(rule.id.as_deref(), Some("deploy"));
        assert!(matches!(rule.whom, Whom::Like { pid: 4711 }));
        let rule = typed("--secrets a --actions get,set --script /a.py --exe /usr/bin/python3").unwrap();
        assert_eq!(*rule.actions, [Action::Get, Action::Set]);
        assert!(matches!(rule.whom, Whom::Script { script, exe: Some(exe) }
            if &*script == "/a.py" && &*exe == "/usr/bin/python3"));
        let rule = typed("--secrets a --exe psql").unwrap();
        let here = std::env::current_dir().unwrap().join("psql");
        assert!(matches!(rule.whom, Whom::Exe { exe } if *exe == *here.to_str().unwrap()));
    }

    #[test]
    fn what_is_no_rule_is_refused_before_anybody_is_asked() {
        let nine = format!("--secrets {} --like 1", ["a"; limits::RULE_GLOBS + 1].join(","));
        for line in [
            "--secrets a",
            "--like 1",
            "--secrets a --like 1 --script /a",
            "--secrets a --like 1 --exe /a",
            "--secrets a, --like 1",
            "--secrets a --like x",
            "--secrets a --like 1 --actions admin",
            &nine,
        ] {
            assert!(typed(line).is_err(), "{line}");
        }
        let long = format!("--secrets a --exe /{}", "x".repeat(limits::PATH));
        assert_eq!(typed(&long).unwrap_err(), "a rule's path may have at most 1024 bytes");
        let long = format!("--secrets a --like 1 --id {}", "x".repeat(limits::RULE_ID + 1));
        assert_eq!(typed(&long).unwrap_err(), "a rule's name may have at most 64 bytes");
    }
}
