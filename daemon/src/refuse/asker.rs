//! What is missing for whoever asks, in one line: who it is, why nothing speaks for it, and last the
//! command that would allow it. People paste that command, and whoever asks chose the names around it.

use std::time::Duration;

use glassdome_proto::{Code, Glob, Refusal, limits, span};

use super::ONLY_GRANTED;
use super::words::{path, quoted, secrets, shown, shown_file, shown_secret};
use crate::attest::program::{self, Interpreter};
use crate::grants::Uncovered;
use crate::handles::Handle;
use crate::policy::rate::Over;
use crate::policy::rule::{Origin, Rule};
use crate::policy::{Action, Question};
use crate::refusals::OFTEN;
use crate::standing::Asker;

/// What came of asking the person.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Said {
    /// No.
    No,
    /// Nothing, in all the time that there was.
    Nothing,
    /// No, or nothing, a while ago: it is not asked again for so long.
    NotAgain(Duration),
    /// There are too many questions for now: for so long.
    Enough(Duration),
}

impl Said {
    /// As the log records it.
    pub fn word(self) -> &'static str {
        match self {
            Self::No => "refused",
            Self::Nothing => "unanswered",
            Self::NotAgain(_) => "not-asked-again",
            Self::Enough(_) => "too-many-questions",
        }
    }

    fn tell(self) -> String {
        match self {
            Self::No => "you said no".to_owned(),
            Self::Nothing => "nobody answered in time".to_owned(),
            Self::NotAgain(left) => {
                let left = span::describe(u32::try_from(left.as_millis().div_ceil(1000)).unwrap_or(u32::MAX));
                format!("you said no, or nothing, and are not asked again for {left}")
            }
            Self::Enough(_) => "too many questions wait, or waited just now".to_owned(),
        }
    }
}

/// Nothing speaks for whoever asks: what was missing, and the command that would allow it. `request` is the
/// number by which it is remembered, `said` what came of asking the person.
pub fn denied(
    question: Question<'_>,
    asker: &Asker,
    request: Option<u32>,
    said: Option<Said>,
) -> Refusal<'static> {
    let (what, allow) = match question {
        Question::Secret(Action::Get, name) => (shown_secret(name), secrets(name)),
        Question::Secret(action, name) => {
            let word = action.name();
            (format!("{word} {}", shown_secret(name)), format!("{} --actions {word}", secrets(name)))
        }
        Question::Names => ("list".to_owned(), "--secrets '**' --actions list".to_owned()),
        Question::Sealed => {
            return Refusal::new(Code::Denied, format!("{ONLY_GRANTED}. Type: ctl unlock"));
        }
    };
    let mut missing = missing(asker, &allow);
    if let Some(said) = said {
        missing.why = format!("{}; {}", said.tell(), missing.why);
    }
    let nameable = asker.script.is_some() || (asker.exe.is_some() && !asker.interpreter);
    missing.shorter = request.filter(|_| nameable).map(|id| format!("ctl policy allow --request {id}"));
    // By which a rule could be made; whatever else is told to be typed stands at the end.
    if let Some(id) = request.filter(|_| missing.command.is_some()) {
        missing.why = format!("{} (request {id})", missing.why);
    }
    answered(said, fitting(&format!("denied {what}: "), &missing))
}

/// The sealed rule of that name wants a person asked each time, and there was no yes; `said` is what came of asking,
/// if anybody was asked.
pub fn unasked(
    question: Question<'_>,
    rule: &str,
    request: Option<u32>,
    said: Option<Said>,
) -> Refusal<'static> {
    let (what, rule) = (what(question), shown(rule));
    let request = request.map(|id| format!(" (request {id})")).unwrap_or_default();
    let why = match said {
        Some(said) => format!("{}; the sealed rule {rule} wants you asked each time{request}", said.tell()),
        None => format!(
            "the sealed rule {rule} wants you asked each time, and this did not wait for you{request}. Let it wait: \
             GLASSDOME_WAIT=60s, or ctl get --wait 60s"
        ),
    };
    answered(
        said,
        glassdome_proto::Text::<{ limits::MESSAGE }>::cut(format!("denied {what}: {why}")).into_owned(),
    )
}

fn answered(said: Option<Said>, message: String) -> Refusal<'static> {
    let (code, left) = match said {
        Some(Said::NotAgain(left)) => (Code::Denied, Some(left)),
        // Not the policy: another time it would be asked about.
        Some(Said::Enough(left)) => (Code::Throttled, Some(left)),
        _ => (Code::Denied, None),
    };
    let retry_after_ms = left.and_then(|left| u32::try_from(left.as_millis()).ok());
    Refusal { retry_after_ms, ..Refusal::new(code, message) }
}

/// What covered it does so no more.
pub fn just_changed(question: Question<'_>) -> Refusal<'static> {
    Refusal::new(
        Code::Denied,
        format!("denied {}: what may be had has just changed. Try again", what(question)),
    )
}

/// What allowed it, and went on, has ended.
pub fn no_longer(question: Question<'_>) -> Refusal<'static> {
    let message = format!("denied {}: what allowed it has ended. Begin again", what(question));
    Refusal::new(Code::Denied, message)
}

/// A rule keeps it back, or nobody could be asked.
pub fn kept_back(question: Question<'_>, asker: &Asker, rule: Option<&Rule>) -> Refusal<'static> {
    let Some(rule) = rule else { return denied(question, asker, None, None) };
    let what = what(question);
    let id = quoted(&rule.id).filter(|_| shown(&rule.id) != rule.id).unwrap_or_else(|| shown(&rule.id));
    let message = format!("denied {what}: the sealed rule {id} says so. Take it away: ctl policy rm {id}");
    Refusal::new(Code::Denied, message)
}

/// It came by a handle that does not give this, or has ended.
pub fn beyond(question: Question<'_>, handle: &Handle) -> Refusal<'static> {
    let id = handle.id();
    let message = match question {
        Question::Secret(Action::Get, name) => {
            let name = shown_secret(name);
            format!(
                "denied {name}: handle {id} does not give it, or has ended. See ctl grants, ctl run --help"
            )
        }
        _ => format!(
            "denied: handle {id} gives values and nothing else. Without GLASSDOME_FD you ask yourself"
        ),
    };
    Refusal::new(Code::Denied, message)
}

/// A handle to what whoever asks for it may not get itself.
pub fn ungiven(glob: &Glob, asker: &Asker) -> Refusal<'static> {
    let what = format!("denied handle to {}: ", shown_secret(&glob.to_string()));
    Refusal::new(Code::Denied, fitting(&what, &missing(asker, "--secrets GLOB")))
}

/// A rule allows it, but not so often.
pub fn too_often(question: Question<'_>, over: &Over) -> Refusal<'static> {
    let what = what(question);
    let rate = over.rule.rate.map(|rate| rate.to_string()).unwrap_or_default();
    let seconds = over.wait.as_secs_f64().ceil();
    let message = format!(
        "denied {what} for now: the sealed rule {} allows {rate}. Try again in {seconds} s",
        shown(&over.rule.id)
    );
    super::throttled(message, over.wait)
}

/// It was refused in a loop, and is told what was missing only after a while again.
pub fn in_a_loop(question: Question<'_>, asker: &Asker, wait: Duration) -> Refusal<'static> {
    let what = what(question);
    let seconds = wait.as_secs_f64().ceil();
    let who = if asker.pid > 0 { format!("{} (pid {})", named(asker), asker.pid) } else { "it".to_owned() };
    let message = format!(
        "denied {what} for now: {who} was refused {OFTEN} times in a row. Try again in {seconds} s, and not in a \
         loop"
    );
    super::throttled(message, wait)
}

/// What is missing for anything to be given.
pub fn lacking(asker: &Asker) -> String {
    fitting("", &missing(asker, "--secrets GLOB"))
}

/// Why nothing speaks for whoever asks.
pub fn why(asker: &Asker) -> String {
    missing(asker, "--secrets GLOB").why
}

pub(super) fn what(question: Question<'_>) -> String {
    match question {
        Question::Secret(Action::Get, name) => shown_secret(name),
        Question::Secret(action, name) => format!("{} {}", action.name(), shown_secret(name)),
        Question::Names | Question::Sealed => "list".to_owned(),
    }
}

struct Missing {
    why: String,
    /// Complete, or not told.
    command: Option<String>,
    /// The same by the number of the request, where that is too long for a line.
    shorter: Option<String>,
}

/// Half a command would be another one: before that, who it was is left out, which can be looked up.
fn fitting(what: &str, missing: &Missing) -> String {
    let Missing { why, command, shorter } = missing;
    let Some(command) = command else {
        return glassdome_proto::Text::<{ limits::MESSAGE }>::cut(format!("{what}{why}")).into_owned();
    };
    let lines = [
        format!("{what}{why}. {ALLOW} {command}"),
        format!("{what}{why}. {ALLOW} {}", shorter.as_ref().unwrap_or(command)),
        format!("denied: no rule allows it. {ALLOW} {command}"),
        "denied: no rule allows it, and the command that would is too long to be told".to_owned(),
    ];
    lines.into_iter().find(|line| line.len() <= limits::MESSAGE).unwrap_or_default()
}

const ALLOW: &str = "Allow:";

fn missing(asker: &Asker, allow: &str) -> Missing {
    let whom = whom(asker);
    let command = whom.as_ref().map(|whom| format!("ctl policy allow {allow} {whom}"));
    if let Some(rule) = &asker.changed {
        let who = named(asker);
        if matches!(rule.origin, Origin::Answer(_)) {
            return Missing {
                why: format!("{who} (pid {}) changed since you allowed it. Look at it first", asker.pid),
                command,
                shorter: None,
            };
        }
        let id = quoted(&rule.id).filter(|_| shown(&rule.id) != rule.id).unwrap_or_else(|| shown(&rule.id));
        let why = format!("{who} (pid {}) changed since rule {id} allowed it. Look at it first", asker.pid);
        let command = command.map(|command| format!("ctl policy rm {id} && {command}"));
        return Missing { why, command, shorter: None };
    }
    match by_rule(asker) {
        None => Missing { why: by_grant(asker), command: None, shorter: None },
        Some(why) if command.is_some() => Missing { why, command, shorter: None },
        Some(why) => {
            let why = format!("{why}; nor can one be told for what cannot be seen or typed");
            Missing { why, command, shorter: None }
        }
    }
}

/// Why no rule allows it, where one could.
fn by_rule(asker: &Asker) -> Option<String> {
    let pid = asker.pid;
    match asker.uncovered.as_ref()? {
        _ if asker.interpreter && asker.script.is_none() => None,
        Uncovered::NotGranted if is_shell_at_terminal(asker) => None,
        Uncovered::NotGranted | Uncovered::Off => {
            Some(format!("{} ({}) ran it, and no rule allows that", named(asker), whereabouts(asker)))
        }
        Uncovered::Program => Some(format!("no rule allows it to {} (pid {pid})", named(asker))),
        Uncovered::Token | Uncovered::Elsewhere | Uncovered::Launched(_) | Uncovered::Paused => None,
    }
}

/// Why no grant covers it, where no rule can name it.
fn by_grant(asker: &Asker) -> String {
    let tty = &asker.tty;
    let name = &shown(&asker.name);
    match &asker.uncovered {
        Some(Uncovered::Token) => "this shell was granted with a token, and this command did not bring it: it was \
                                   not typed there, or not as the function of `ctl shell-init`. Type it there, or: \
                                   ctl unlock"
            .to_owned(),
        Some(Uncovered::Off) => format!(
            "the sealed setting 'terminals' is 'none', so only rules allow, and none about {name} does. Change it: \
             ctl settings set terminals own"
        ),
        Some(Uncovered::Elsewhere) => {
            "it was started by a granted shell, but in another session or terminal. Type: ctl unlock".to_owned()
        }
        Some(Uncovered::Paused) => {
            "what is granted to this terminal rests while the screen is locked. Unlock it, or: glassdome_start"
                .to_owned()
        }
        Some(Uncovered::Launched(launcher)) => format!(
            "{} ran it, and only what a granted shell runs itself is taken for typed. Type it without {0}",
            shown(launcher)
        ),
        // The terminal is its own. Of any other shell it is not known whether a person types there.
        Some(Uncovered::NotGranted) if is_shell_at_terminal(asker) && asker.line.len() <= 1 => {
            format!("the master password was not typed in this terminal ({name}, {tty}). Type: ctl unlock")
        }
        Some(Uncovered::NotGranted) if is_shell_at_terminal(asker) => format!(
            "{name} ({}) ran it, and the master password was not typed there, nor can a rule name it. \
             If it was you who typed there: ctl unlock",
            whereabouts(asker)
        ),
        // Without a script of its own an interpreter is anybody.
        Some(Uncovered::NotGranted | Uncovered::Program) => {
            let ran = if asker.itself { "runs no script file" } else { "ran it, and runs no script file" };
            format!(
                "{name} ({}) {ran}: no rule can name it. Put it into a file, or type the command in a \
                 terminal where you unlocked",
                whereabouts(asker)
            )
        }
        None => "it was typed in a granted terminal, where rules that want you asked hold too".to_owned(),
    }
}

/// Whom a rule would be for, as it is typed: by its files, or else by the process that shows them now.
fn whom(asker: &Asker) -> Option<String> {
    let files = match (&asker.script, &asker.exe) {
        // Its executable could not be seen.
        (None, None) => return None,
        (Some(script), None) => path(script).map(|script| format!("--script {script}")),
        (Some(script), Some(exe)) => {
            path(script).zip(path(exe)).map(|(script, exe)| format!("--script {script} --exe {exe}"))
        }
        (None, Some(exe)) if !asker.interpreter => path(exe).map(|exe| format!("--exe {exe}")),
        (None, Some(_)) => return None,
    };
    files.or_else(|| (asker.pid > 1).then(|| format!("--like {}", asker.pid)))
}

/// Its name, and what it runs.
fn named(asker: &Asker) -> String {
    let script = asker.script.as_deref().map(|script| format!(" running {}", shown_file(script)));
    format!("{}{}", shown(&asker.name), script.unwrap_or_default())
}

fn is_shell_at_terminal(asker: &Asker) -> bool {
    use Interpreter::{Bash, Fish, Sh, Zsh};
    let shell = matches!(program::known_interpreter(&asker.name), Some(Bash | Fish | Sh | Zsh));
    asker.script.is_none() && !asker.tty.is_empty() && (shell || asker.name == "busybox")
}

/// How many names of a chain are told: the first ones and the last ones.
const FIRST: usize = 2;
const LAST: usize = 6;

/// Its process, and what ran that, where it is known.
fn whereabouts(asker: &Asker) -> String {
    if asker.line.is_empty() {
        return format!("pid {}", asker.pid);
    }
    let mut names: Vec<String> = asker.line.iter().map(|name| shown(name)).collect();
    if names.len() > FIRST + LAST {
        names.splice(FIRST..names.len() - LAST, ["…".to_owned()]);
    }
    format!("pid {}; {}", asker.pid, names.join(" → "))
}

#[cfg(test)]
#[path = "asker_tests.rs"]
mod tests;
