//! `ctl policy allow`, `ask` and `deny`: show what would be sealed and what it is worth, ask for the master
//! password, and seal it.
//!
//! ```text
//! Draft ─► show ─► ask ─► Allow, with what was shown
//! ```
//! A process can become another, and a file can change, while somebody reads what the rule would be: the
//! daemon compares before it seals, and what was not shown is not sealed.

use std::io::{IsTerminal, stderr, stdout};
use std::path::{Path, PathBuf};

use glassdome_proto::policy::{Action, Checked, Decision, Manager, NewRule, PathText, Shown, Unit, Whom};
use glassdome_proto::{Glob, List, Rate, Text, limits};

use super::review;
use super::rm::rule_id;
use crate::cli::{connect, print};
use crate::connection::Connection;
use crate::error::{Error, printable};
use crate::exit::Exit;
use crate::password::{PasswordArgs, Source};
use crate::proof::with_password;
use crate::text::escape::escaped;
use crate::text::notice;
use crate::text::rule::toml;
use crate::text::style::Style;
use crate::text::time;

#[derive(clap::Args)]
pub(super) struct Make {
    /// Names that it covers: * stops at /, ** crosses it; several with commas, or by giving it again
    #[arg(long, value_name = "GLOB", required_unless_present = "request", value_delimiter = ',')]
    secrets: Vec<String>,
    /// What may be done with them: get, list, set, remove, encrypt, decrypt [default: get]
    #[arg(long, value_name = "ACTION", value_delimiter = ',')]
    actions: Vec<String>,
    /// About whoever made a request that was refused, or waits: by the number that it was told with.
    /// Secrets and actions are those that it asked for, unless others are named
    #[arg(long, value_name = "N", conflicts_with_all = ["like", "script", "exe"])]
    request: Option<u32>,
    /// About whatever runs the program, and the script, that process PID runs now
    #[arg(long, value_name = "PID", conflicts_with_all = ["script", "exe"])]
    like: Option<u32>,
    /// About a script; to allow it, with the bytes that it has now
    #[arg(long, value_name = "FILE")]
    script: Option<PathBuf>,
    /// About a program; with --script, the interpreter (otherwise what the script's first line names)
    #[arg(long, value_name = "FILE")]
    exe: Option<PathBuf>,
    /// About what runs in this system unit of systemd, such as api.service
    #[arg(long, value_name = "UNIT")]
    unit: Option<String>,
    /// About what runs in this unit of your own systemd
    #[arg(long, value_name = "UNIT", conflicts_with = "unit")]
    user_unit: Option<String>,
    /// Allow it so often: N/s, N/min, N/h or N/day
    #[arg(long, value_name = "RATE")]
    rate: Option<String>,
    /// Until a day, such as 2027-06-30, or for a span, such as 90d
    #[arg(long, value_name = "DATE")]
    expires: Option<String>,
    /// Call the rule this
    #[arg(long, value_name = "NAME")]
    id: Option<String>,
    #[command(flatten)]
    password: PasswordArgs,
}

impl Make {
    pub(super) fn run(self, decision: Decision) -> Result<Exit, Error> {
        let wanted = self.rule(decision)?;
        let mut connection = connect()?;
        // Elsewhere than in a granted terminal it is not told what others asked for.
        if self.request.is_some() && self.password.any() {
            return self.seal_unseen(&mut connection, &wanted);
        }
        let Checked { rule: draft, warnings } = connection.draft(wanted.clone())?;
        let mut source = Source::open(&self.password)?;
        if let Source::Person(terminal) = &source {
            let warned: String = warnings.iter().map(|warning| warned(warning) + "\n").collect();
            // What a process asked for, or runs, can be as long as it likes.
            if !review::shown_text(terminal, &format!("{}\n{warned}", toml(&draft, Style::of(&stderr()))))? {
                return Ok(Exit::Ok);
            }
        } else {
            warnings.iter().for_each(|warning| notice::say(&warned(warning)));
        }
        let shown = Shown { exe: draft.exe, script: draft.script };
        let Checked { rule: sealed, warnings: since } = with_password(&mut source, |password| {
            connection.allow(password, wanted.clone(), Some(shown.clone()))
        })?;
        // What other rules say is told before to a granted terminal only.
        for warning in since.iter().filter(|warning| !warnings.contains(warning)) {
            notice::say(&warned(warning));
        }
        // A person has just read it on the terminal.
        if !source.can_ask_again() || !stdout().is_terminal() {
            print(&toml(&sealed, Style::of(&stdout())))?;
        }
        told_sealed(&sealed.id);
        Ok(Exit::Ok)
    }

    /// With a password that a program gave: nothing is asked, and so nothing shown before.
    fn seal_unseen(&self, connection: &mut Connection, wanted: &NewRule<'_>) -> Result<Exit, Error> {
        connection.require_session()?;
        let Checked { rule: sealed, warnings } =
            with_password(&mut Source::open(&self.password)?, |password| {
                connection.allow(password, wanted.clone(), None)
            })?;
        warnings.iter().for_each(|warning| notice::say(&warned(warning)));
        print(&toml(&sealed, Style::of(&stdout())))?;
        told_sealed(&sealed.id);
        Ok(Exit::Ok)
    }

    /// The rule as it was typed, judged before anybody is asked for anything.
    fn rule(&self, decision: Decision) -> Result<NewRule<'static>, Error> {
        let globs = self.secrets.iter().map(|glob| Glob::parse(glob)).collect::<Result<Vec<_>, _>>()?;
        let mut actions = self.actions.iter().map(|word| action(word)).collect::<Result<Vec<_>, _>>()?;
        if actions.is_empty() && self.request.is_none() {
            actions.push(Action::Get);
        }
        let too_many = |what, max| Error::Usage(format!("a rule has at most {max} {what}: make another one"));
        let unit = self.unit()?;
        let whom = match (self.like, &self.script, &self.exe) {
            _ if let Some(id) = self.request => Whom::Request { id },
            (Some(pid), _, _) => Whom::Like { pid },
            (None, Some(script), exe) => {
                Whom::Script { script: absolute(script)?, exe: exe.as_deref().map(absolute).transpose()? }
            }
            (None, None, Some(exe)) => Whom::Exe { exe: absolute(exe)? },
            (None, None, None) if decision == Decision::Allow && unit.is_none() => {
                let whom = "for whom? Give --unit UNIT, --like PID, --script FILE or --exe FILE";
                return Err(Error::Usage(whom.into()));
            }
            (None, None, None) => Whom::Anyone,
        };
        if self.rate.is_some() && decision != Decision::Allow {
            return Err(Error::Usage("--rate is for rules that allow".into()));
        }
        let rate = self.rate.as_deref().map(|text| {
            let message = "--rate takes N/s, N/min, N/h or N/day, such as 60/min";
            Rate::parse(text).ok_or_else(|| Error::Usage(message.into()))
        });
        let expires = self.expires.as_deref().map(|text| {
            let message = "--expires takes a day to come, such as 2027-06-30, or a span, such as 90d";
            time::future(text).ok_or_else(|| Error::Usage(message.into()))
        });
        Ok(NewRule {
            id: self.id.clone().map(rule_id).transpose()?,
            decision,
            secrets: List::new(globs).ok_or_else(|| too_many("globs", limits::RULE_GLOBS))?,
            actions: List::new(actions).ok_or_else(|| too_many("actions", limits::RULE_ACTIONS))?,
            whom,
            unit,
            rate: rate.transpose()?,
            expires: expires.transpose()?,
        })
    }

    fn unit(&self) -> Result<Option<Unit<'static>>, Error> {
        let (manager, name) = match (&self.unit, &self.user_unit) {
            (Some(name), _) => (Manager::System, name),
            (None, Some(name)) => (Manager::User, name),
            (None, None) => return Ok(None),
        };
        // As systemctl(1) takes it.
        let name = if name.contains('.') { name.clone() } else { format!("{name}.service") };
        let name = Text::new(name).ok_or(Error::TooLong { what: "a unit's name", max: limits::UNIT })?;
        Ok(Some(Unit { manager, name }))
    }
}

fn told_sealed(id: &str) {
    let id = escaped(id);
    notice::done(&format!("sealed as {id}. Take it away: ctl policy rm {id}"));
}

fn warned(warning: &str) -> String {
    format!("Warning: {}", printable(warning))
}

pub(super) fn action(word: &str) -> Result<Action, Error> {
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
        typed_as(Decision::Allow, line)
    }

    fn typed_as(decision: Decision, line: &str) -> Result<NewRule<'static>, String> {
        let parser = Make::augment_args(clap::Command::new("allow"));
        let matches = parser.try_get_matches_from(["allow"].into_iter().chain(line.split(' ')));
        let matches = matches.map_err(|error| error.to_string())?;
        let make = Make::from_arg_matches(&matches).map_err(|error| error.to_string())?;
        make.rule(decision).map_err(|error| error.to_string())
    }

    #[test]
    fn units_rates_and_ends_are_typed() {
        let rule = typed("--secrets a --unit api --rate 60/min --expires 90d").unwrap();
        let unit = rule.unit.unwrap();
        assert_eq!((unit.manager, &*unit.name), (Manager::System, "api.service"));
        assert!(matches!(rule.whom, Whom::Anyone) && rule.rate == Rate::parse("60/min"));
        assert!(rule.expires.unwrap() > time::now() + 89 * 86_400);
        let rule = typed("--secrets a --user-unit a.scope --exe /a").unwrap();
        assert_eq!(rule.unit.unwrap().manager, Manager::User);
        for line in ["--unit a --user-unit b", "--unit a --rate 60", "--unit a --expires 2001-01-01"] {
            assert!(typed(&format!("--secrets a {line}")).is_err(), "{line}");
        }
    }

    #[test]
    fn what_keeps_back_may_be_about_anyone() {
        for decision in [Decision::Ask, Decision::Deny] {
            let rule = typed_as(decision, "--secrets a").unwrap();
            assert!(rule.decision == decision && matches!(rule.whom, Whom::Anyone));
            assert!(typed_as(decision, "--secrets a --rate 1/s").is_err());
        }
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
