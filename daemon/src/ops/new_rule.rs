//! From files or a process to a rule: what a rule that somebody asks for would be.

use std::os::fd::AsFd;
use std::path::Path;
use std::time::Instant;

use glassdome_proto::policy::{self as wire, Action, Decision};
use glassdome_proto::{Code, Glob, Rate, Refusal, Text, date, limits};

use crate::attest::lineage::Member;
use crate::attest::program::{self, FileFacts, Interpreter, Unreadable, Want};
use crate::attest::unit::Unit;
use crate::looks::Looks;
use crate::policy::rule::{self, Origin, Pinned, Rule};
use crate::questions::Past;
use crate::refuse::words;
use crate::{clock, refuse};

/// A rule to be made, as it was asked for.
pub struct Wanted {
    id: Option<String>,
    decision: Decision,
    secrets: Vec<Glob>,
    actions: Vec<Action>,
    whom: Whom,
    unit: Option<(wire::Manager, String)>,
    rate: Option<Rate>,
    expires: Option<u64>,
}

enum Whom {
    Like(i32),
    Script { script: String, exe: Option<String> },
    Exe(String),
    Anyone,
    Request(u32),
}

impl Wanted {
    /// The request that it is to be made of.
    pub fn request(&self) -> Option<u32> {
        match self.whom {
            Whom::Request(id) => Some(id),
            _ => None,
        }
    }

    /// For whoever made this request, by their files, and for what it asked for unless other secrets or
    /// actions were named.
    ///
    /// # Errors
    /// The refusal to send: no rule can name it.
    pub fn made_of(self, past: &Past) -> Result<Self, Refusal<'static>> {
        let Past { asked, asker, .. } = past;
        let whom = match (&asker.script, &asker.exe) {
            (Some(script), exe) => Whom::Script { script: script.clone(), exe: exe.clone() },
            (None, Some(exe)) if !asker.interpreter => Whom::Exe(exe.clone()),
            _ => {
                return Err(refuse::usage(
                    "what asked runs no script file, or could not be seen: no rule can name it",
                ));
            }
        };
        let globs = match asked.names.as_slice() {
            [] => vec!["**".to_owned()],
            // Whatever would mean more than itself in a glob is any one character.
            names => names.iter().map(|name| name.replace('*', "?")).collect(),
        };
        if self.secrets.is_empty() && globs.len() > limits::RULE_GLOBS {
            let message = format!("it asked for {} secrets at once: name them: --secrets GLOB", globs.len());
            return Err(refuse::usage(message));
        }
        let globs = globs.iter().filter_map(|glob| Glob::parse(glob).ok()).collect();
        Ok(Self {
            secrets: if self.secrets.is_empty() { globs } else { self.secrets },
            actions: if self.actions.is_empty() { vec![asked.action] } else { self.actions },
            whom,
            ..self
        })
    }
}

impl From<wire::NewRule<'_>> for Wanted {
    fn from(rule: wire::NewRule<'_>) -> Self {
        let mut actions = rule.actions.into_vec();
        actions.sort_unstable();
        actions.dedup();
        Self {
            id: rule.id.map(Text::into_owned),
            decision: rule.decision,
            secrets: rule.secrets.into_vec(),
            actions,
            whom: match rule.whom {
                wire::Whom::Like { pid } => Whom::Like(pid.cast_signed()),
                wire::Whom::Script { script, exe } => {
                    Whom::Script { script: script.into_owned(), exe: exe.map(Text::into_owned) }
                }
                wire::Whom::Exe { exe } => Whom::Exe(exe.into_owned()),
                wire::Whom::Anyone => Whom::Anyone,
                wire::Whom::Request { id } => Whom::Request(id),
            },
            unit: rule.unit.map(|unit| (unit.manager, unit.name.into_owned())),
            rate: rule.rate,
            expires: rule.expires,
        }
    }
}

/// The files that a rule was shown with to whoever types the password.
pub struct Shown {
    exe: Option<Pinned>,
    script: Option<Pinned>,
}

impl From<wire::Shown<'_>> for Shown {
    fn from(shown: wire::Shown<'_>) -> Self {
        let pinned = |file: wire::Pinned<'_>| Pinned { path: file.path.into_owned(), sha256: file.sha256 };
        Self { exe: shown.exe.map(pinned), script: shown.script.map(pinned) }
    }
}

impl Shown {
    /// Refuses a rule about other files, or other bytes.
    ///
    /// # Errors
    /// The refusal to send.
    pub fn check(&self, rule: &Rule) -> Result<(), Refusal<'static>> {
        let what = match (self.exe == rule.exe, self.script == rule.script) {
            (true, true) => return Ok(()),
            (true, false) => "the script",
            (false, true) => "the program",
            (false, false) => "the program and its script",
        };
        let message =
            format!("{what} changed since it was shown: nothing was sealed. Look at it, and try again");
        Err(Refusal::new(Code::Conflict, message))
    }
}

/// Looks at the files that a rule shall name.
///
/// # Errors
/// The refusal to send.
pub async fn make(looks: &Looks, owner: u32, wanted: Wanted) -> Result<Rule, Refusal<'static>> {
    let Wanted { id, decision, secrets, actions, whom, unit, rate, expires } = wanted;
    if secrets.is_empty() || actions.is_empty() {
        return Err(refuse::usage("a rule names at least one glob and one action"));
    }
    if rate.is_some() && decision != Decision::Allow {
        return Err(refuse::usage("a rate is for a rule that allows"));
    }
    if expires.is_some_and(|expires| date::write(expires).is_none()) {
        return Err(refuse::usage("a rule ends before the year 10000"));
    }
    let named = |(manager, name): (_, String)| {
        let bad = || refuse::usage("a unit is called NAME.service, or another kind that processes live in");
        Unit::named(manager, &name).ok_or_else(bad)
    };
    let unit = unit.map(named).transpose()?;
    let mut rule = Rule {
        id: id.unwrap_or_default(),
        origin: Origin::Sealed,
        decision,
        secrets,
        actions,
        exe: None,
        script: None,
        unit,
        process: None,
        rate,
        expires,
        made: clock::now().wall.as_secs(),
    };
    if matches!(whom, Whom::Anyone) {
        return match decision {
            Decision::Allow if rule.unit.is_none() => {
                let message = "a rule that allows says whom: --unit U, --like PID, --script F or --exe F";
                Err(refuse::usage(message))
            }
            _ => Ok(rule),
        };
    }
    let (exe, script, interpreter) = looks.run(move |until| look(whom, owner, until)).await??;
    can_be_named(&exe, script.as_ref())?;
    if interpreter.is_some() && script.is_none() && decision == Decision::Allow {
        let message = format!(
            "{} runs whatever it is given: a rule for it would be a rule for every program. Name the script: --script F",
            words::shown_file(&exe.path)
        );
        return Err(refuse::usage(message));
    }
    // What root alone can change may be upgraded; what others can change is pinned. What keeps back
    // holds whatever becomes of the bytes.
    let pinned = decision == Decision::Allow;
    let exe = Pinned { sha256: exe.sha256.filter(|_| exe.writable && pinned), path: exe.path };
    let script = script.map(|script| Pinned { path: script.path, sha256: script.sha256.filter(|_| pinned) });
    rule.exe = Some(exe);
    rule.script = script;
    Ok(rule)
}

fn can_be_named(exe: &FileFacts, script: Option<&FileFacts>) -> Result<(), Refusal<'static>> {
    let paths = [Some(exe), script].into_iter().flatten().map(|file| &file.path);
    match paths.into_iter().all(|path| rule::is_path(path)) {
        true => Ok(()),
        false => Err(refuse::usage("the path of the program or script is too long, or not UTF-8")),
    }
}

type Looked = (FileFacts, Option<FileFacts>, Option<Interpreter>);

fn look(whom: Whom, owner: u32, until: Instant) -> Result<Looked, Refusal<'static>> {
    let unreadable = |error: Unreadable| refuse::unreadable(&error);
    match whom {
        Whom::Like(pid) => {
            let gone = |_| refuse::usage("there is no such process of yours");
            let member = Member::of(pid).map_err(gone)?;
            if member.uid() != Some(owner) {
                return Err(refuse::usage("there is no such process of yours"));
            }
            let want = Want { exe_digest: true, script: true };
            let dir = member.dir.as_fd();
            let program = program::read(dir, want, until).map_err(unreadable)?;
            // Everything was read of one process that has not become another program meanwhile.
            let still = Member::of(pid).map_err(gone)?;
            if !member.is_in_our_namespaces() {
                return Err(refuse::usage(
                    "the process is in a user or pid namespace of its own: name the files",
                ));
            }
            if still.stat.start != member.stat.start || still.stat.layout != member.stat.layout {
                return Err(refuse::usage("the process became another program while it was looked at"));
            }
            can_be_named(&program.exe, program.script.as_ref())?;
            if !program.is_in_place(until) {
                let message = "what the process runs no longer lies where it was started from. Start it anew";
                return Err(refuse::usage(message));
            }
            Ok((program.exe, program.script, program.interpreter))
        }
        Whom::Script { script, exe } => {
            let script = Path::new(&script);
            let exe = match exe {
                Some(exe) => exe.into(),
                None => program::interpreter_of(script, until).map_err(unreadable)?,
            };
            let exe = program::file(&exe, true, until).map_err(unreadable)?;
            let interpreter = program::known_interpreter(&exe.path);
            if !interpreter.is_some_and(Interpreter::tells_script) {
                let message = format!(
                    "{} is no interpreter whose words are known here: which script it runs could not be told later",
                    words::shown_file(&exe.path)
                );
                return Err(refuse::usage(message));
            }
            let script = program::file(script, true, until).map_err(unreadable)?;
            let script =
                Some(script).filter(|script| !program::is_loaded_interpreter(interpreter, &script.path));
            Ok((exe, script, interpreter))
        }
        Whom::Exe(exe) => {
            let exe = program::file(Path::new(&exe), true, until).map_err(unreadable)?;
            if program::is_script(Path::new(&exe.path), until).map_err(unreadable)? {
                let typed = words::path(&exe.path).unwrap_or_else(|| "FILE".to_owned());
                let message = format!("{} is a script: say --script {typed}", words::shown_file(&exe.path));
                return Err(refuse::usage(message));
            }
            let interpreter = program::known_interpreter(&exe.path);
            Ok((exe, None, interpreter))
        }
        Whom::Anyone | Whom::Request(_) => Err(refuse::usage("whoever asks has no files")),
    }
}

/// Checks the rule's name, or makes one up after its script or program.
///
/// # Errors
/// The refusal to send: a bad name, or one that is taken.
pub fn name(rule: &mut Rule, taken: impl Fn(&str) -> bool) -> Result<(), Refusal<'static>> {
    if !rule.id.is_empty() {
        if !rule::is_name(&rule.id) {
            let message = "the name of a rule is 1 to 64 letters, digits, '.', '_' and '-'";
            return Err(refuse::usage(message));
        }
        if taken(&rule.id) {
            let message = format!("there is a rule {} already. Another --id, or: ctl policy rm {0}", rule.id);
            return Err(Refusal::new(Code::Conflict, message));
        }
        return Ok(());
    }
    let file = rule.script.as_ref().or(rule.exe.as_ref()).map(|file| file.path.as_str());
    let unit = rule.unit.as_ref().map(|unit| unit.name.as_str());
    let path = file.or(unit).unwrap_or(rule.decision.name());
    let stem = Path::new(path).file_stem().map(|stem| stem.to_string_lossy()).unwrap_or_default();
    let stem: String = stem.chars().filter(|c| rule::is_of_name(*c)).take(48).collect();
    let stem = if stem.is_empty() { "rule".to_owned() } else { stem };
    let mut candidates = (1..).map(|n| if n == 1 { stem.clone() } else { format!("{stem}-{n}") });
    rule.id = candidates.find(|id| !taken(id)).unwrap_or_else(|| unreachable!("numbers do not end"));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str, sha256: Option<[u8; 32]>) -> Pinned {
        Pinned { path: path.to_owned(), sha256 }
    }

    fn rule(exe: Pinned, script: Option<Pinned>) -> Rule {
        Rule { exe: Some(exe), script, ..Rule::any() }
    }

    #[test]
    fn a_script_is_no_program_of_a_rule() {
        let dir = tempfile::tempdir().unwrap();
        let path = std::fs::canonicalize(dir.path()).unwrap().join("s2.sh");
        let path = path.to_str().unwrap();
        let looked = || look(Whom::Exe(path.into()), 0, Instant::now() + std::time::Duration::from_secs(10));
        std::fs::write(path, "#!/bin/sh\n").unwrap();
        let refusal = looked().unwrap_err();
        assert_eq!(refusal.code, Code::Usage);
        assert_eq!(&*refusal.message, format!("s2.sh is a script: say --script '{path}'"));
        std::fs::write(path, "\x7fELF").unwrap();
        assert!(looked().is_ok(), "control");
    }

    #[test]
    fn what_was_not_shown_is_refused() {
        let python = || file("/bin/python3", None);
        let script = |byte| Some(file("/a.py", Some([byte; 32])));
        let shown = Shown { exe: Some(python()), script: script(1) };
        assert!(shown.check(&rule(python(), script(1))).is_ok());
        let elsewhere = Some(file("/b.py", Some([1; 32])));
        for (exe, script, what) in [
            (python(), script(2), "the script changed"),
            (python(), elsewhere, "the script changed"),
            (python(), None, "the script changed"),
            // Somebody other than root can change it by now.
            (file("/bin/python3", Some([1; 32])), script(1), "the program changed"),
            (file("/bin/python", None), script(1), "the program changed"),
            (file("/bin/python", None), None, "the program and its script changed"),
        ] {
            let refusal = shown.check(&rule(exe, script)).unwrap_err();
            assert_eq!(refusal.code, Code::Conflict);
            assert!(refusal.message.starts_with(what), "{}", refusal.message);
        }
        let shown = Shown { exe: Some(python()), script: None };
        assert!(shown.check(&rule(python(), None)).is_ok());
        assert!(shown.check(&rule(python(), script(1))).is_err());
    }
}
