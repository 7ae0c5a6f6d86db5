//! How each thing that can go wrong is told to a client: a code, and one line that says what
//! happened and what to do next. Of a peer's own bytes a line holds the name that it asked for, and
//! the names of programs and scripts, cut and without control characters.

use std::time::Duration;

use glassdome_proto::session::LockReason;
use glassdome_proto::{Code, Refusal, limits};
use glassdome_vault::Error;

use crate::attest::Unattested;
use crate::attest::program::{self, Interpreter, Unreadable};
use crate::grants::Uncovered;
use crate::journal::Unwritable;
use crate::policy::{Action, Question};
use crate::settings::Unread;
use crate::standing::Asker;
use crate::worker::Lost;

/// No session.
pub fn locked(last: Option<LockReason>) -> Refusal<'static> {
    let why = last.map_or("no session since the daemon started", LockReason::describe);
    Refusal::new(Code::Locked, format!("locked: {why}. Unlock: glassdome_start"))
}

/// A lock came while the request was under way.
pub fn lock_came() -> Refusal<'static> {
    Refusal::new(Code::Locked, "locked: a lock came before the answer. Unlock: glassdome_start")
}

/// No vault.
pub fn no_vault() -> Refusal<'static> {
    Refusal::new(Code::NoVault, "there is no vault yet. Create one: glassdome_start")
}

/// The peer ended, or became another program.
pub fn gone(pid: i32) -> Refusal<'static> {
    Refusal::new(Code::Denied, format!("denied: {}", Unattested::Gone { pid }))
}

/// A debugger holds it.
pub fn traced(pid: i32) -> Refusal<'static> {
    let message = format!("denied: pid {pid} is held by a debugger or tracer. Run it without");
    Refusal::new(Code::Denied, message)
}

/// Nothing speaks for whoever asks: what was missing, and the command that would allow it.
pub fn denied(question: Question<'_>, asker: &Asker) -> Refusal<'static> {
    let (what, allow) = match question {
        Question::Secret(Action::Get, name) => (plain(name), secrets(name)),
        Question::Secret(action, name) => {
            let word = action.name();
            (format!("{word} {}", plain(name)), format!("{} --actions {word}", secrets(name)))
        }
        Question::Names => ("list".to_owned(), "--secrets '**' --actions list".to_owned()),
        Question::Sealed => {
            return Refusal::new(Code::Denied, format!("{ONLY_GRANTED}. Type: ctl unlock"));
        }
    };
    let told = format!("denied {what}: {}", missing(asker, &allow));
    if told.len() > limits::MESSAGE && told.contains(ALLOW) {
        // Who it was can be looked up; half a command would be another one.
        let told = format!("denied: no rule allows it. {ALLOW} {allow} {}", whom(asker));
        return Refusal::new(Code::Denied, cut(&told));
    }
    Refusal::new(Code::Denied, cut(&told))
}

/// What is missing for anything to be given.
pub fn lacking(asker: &Asker) -> String {
    cut(&missing(asker, "--secrets GLOB"))
}

const ONLY_GRANTED: &str = "denied: only a terminal where the master password was typed may do that";

/// It takes a granted terminal, or the password.
pub fn unproven() -> Refusal<'static> {
    let message = format!("{ONLY_GRANTED}. Type: ctl unlock; or bring the password: --password-fd N");
    Refusal::new(Code::Denied, message)
}

/// Passwords are taken from the installed programs only.
pub fn unstamped() -> Refusal<'static> {
    let message =
        "denied: this daemon takes the master password from the installed glassdome_start and ctl only";
    Refusal::new(Code::Denied, message)
}

fn missing(asker: &Asker, allow: &str) -> String {
    let Asker { pid, name, tty, .. } = asker;
    let name = &plain(name);
    let whom = whom(asker);
    let script =
        asker.script.as_deref().map(|script| format!(" running {}", plain(script))).unwrap_or_default();
    if let Some(rule) = &asker.changed {
        let id = plain(&rule.id);
        return format!(
            "{name}{script} (pid {pid}) changed since rule {id} allowed it. Look at it; then: ctl policy rm {id} && \
             ctl policy allow {allow} {whom}"
        );
    }
    match &asker.uncovered {
        Some(Uncovered::Token) => "this shell was granted with a token, and this command did not bring it: it was \
                                   not typed there, or not as the function of `ctl shell-init`. Type it there, or: \
                                   ctl unlock"
            .to_owned(),
        Some(Uncovered::Off) if asker.interpreter && asker.script.is_none() => format!(
            "the sealed setting 'terminals' is 'none', so only rules allow, and none about {name} does. Change it: \
             ctl settings set terminals own"
        ),
        Some(Uncovered::Elsewhere) => {
            "it was started by a granted shell, but in another session or terminal. Type: ctl unlock".to_owned()
        }
        Some(Uncovered::Launched(launcher)) => format!(
            "{} ran it, and only what a granted shell runs itself is taken for typed. Type it without {0}",
            plain(launcher)
        ),
        // The terminal is its own. Of any other shell it is not known whether a person types there.
        Some(Uncovered::NotGranted) if is_shell(asker) && !tty.is_empty() && asker.line.len() <= 1 => {
            format!("the master password was not typed in this terminal ({name}, {tty}). Type: ctl unlock")
        }
        Some(Uncovered::NotGranted) if is_shell(asker) && !tty.is_empty() => format!(
            "{name} (pid {pid}; {}) ran it, and the master password was not typed there, nor can a rule name it. \
             If it was you who typed there: ctl unlock",
            chain(asker)
        ),
        // Without a script of its own an interpreter is anybody.
        _ if asker.interpreter && asker.script.is_none() => {
            let ran = if asker.itself { "runs no script file" } else { "ran it, and runs no script file" };
            format!(
                "{name} (pid {pid}; {}) {ran}: no rule can name it. Put it into a file, or type the command in a \
                 terminal where you unlocked",
                chain(asker)
            )
        }
        Some(Uncovered::NotGranted | Uncovered::Off) => format!(
            "{name}{script} (pid {pid}; {}) ran it, and no rule allows that. {ALLOW} {allow} {whom}",
            chain(asker)
        ),
        Some(Uncovered::Program) => {
            format!("no rule allows it to {name}{script} (pid {pid}). {ALLOW} {allow} {whom}")
        }
        None => "what may be had has just changed. Try again".to_owned(),
    }
}

const ALLOW: &str = "Allow: ctl policy allow";

/// Whom a rule would be for, as it is typed.
fn whom(asker: &Asker) -> String {
    // What cannot be shown as it is would name another file.
    let typed = |path: &&String| path.len() <= SHOWN && plain(path) == **path;
    let exe = asker.exe.as_ref().filter(typed);
    match (asker.script.as_ref().filter(typed), exe) {
        (Some(script), None) if asker.exe.is_none() => format!("--script {}", quoted(script)),
        (Some(script), Some(exe)) => format!("--script {} --exe {}", quoted(script), quoted(exe)),
        (None, Some(exe)) if !asker.interpreter => format!("--exe {}", quoted(exe)),
        _ => format!("--like {}", asker.pid),
    }
}

fn is_shell(asker: &Asker) -> bool {
    use Interpreter::{Bash, Fish, Sh, Zsh};
    let shell = matches!(program::known_interpreter(&asker.name), Some(Bash | Fish | Sh | Zsh));
    asker.script.is_none() && (shell || asker.name == "busybox")
}

fn chain(asker: &Asker) -> String {
    let names: Vec<String> = asker.line.iter().map(|name| plain(name)).collect();
    names.join(" → ")
}

/// How much of a name is shown, in characters.
const SHOWN: usize = 200;

/// Names that somebody chose: nothing that steers a terminal, hides or turns the line around (UAX #9), and
/// no end.
fn plain(name: &str) -> String {
    let deceives = |c: char| {
        c.is_control()
            || matches!(c, '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
    };
    name.chars().take(SHOWN).map(|c| if deceives(c) { '?' } else { c }).collect()
}

/// The narrowest glob that covers a name, as it is typed: what would mean more than itself there is any one
/// character.
fn secrets(name: &str) -> String {
    let glob = quoted(&name.replace(['*', ','], "?"));
    if name.starts_with('-') { format!("--secrets={glob}") } else { format!("--secrets {glob}") }
}

/// As a shell takes it.
fn quoted(word: &str) -> String {
    format!("'{}'", word.replace('\'', r"'\''"))
}

fn cut(message: &str) -> String {
    glassdome_proto::Text::<{ limits::MESSAGE }>::cut(message).into_owned()
}

/// Bad arguments.
pub fn usage(message: impl Into<String>) -> Refusal<'static> {
    Refusal::new(Code::Usage, message)
}

/// Not understood: the two sides are not of one version, or the peer is no client at all.
pub fn protocol(message: impl Into<String>) -> Refusal<'static> {
    Refusal::new(Code::Protocol, message)
}

/// Too much at once.
pub fn throttled(message: impl Into<String>, wait: Duration) -> Refusal<'static> {
    let millis = u32::try_from(wait.as_millis()).unwrap_or(u32::MAX);
    Refusal { retry_after_ms: Some(millis), ..Refusal::new(Code::Throttled, message) }
}

/// A file that a rule shall name cannot be looked at.
pub fn unreadable(error: &Unreadable) -> Refusal<'static> {
    let cause = std::error::Error::source(error).map(|source| format!(" ({source})")).unwrap_or_default();
    Refusal::new(Code::Usage, format!("{error}{cause}"))
}

/// What the vault said about a secret, by name.
pub fn secret(error: &Error, name: &str) -> Refusal<'static> {
    match error {
        Error::NotFound => Refusal::new(Code::NotFound, format!("no secret {name}. Names: ctl list")),
        Error::NoSuchVersion => {
            Refusal::new(Code::NotFound, format!("{name} has no such version. Versions: ctl history {name}"))
        }
        Error::Exists => Refusal::new(Code::Conflict, format!("{name} exists already")),
        Error::Stale { .. } => {
            Refusal::new(Code::Conflict, format!("{name} has changed since it was read. Read it again"))
        }
        Error::TooLarge => Refusal::new(
            Code::Usage,
            format!("{name} would be over the limit: 1 MiB with all fields, 64 fields"),
        ),
        other => vault(other),
    }
}

/// What the vault said.
pub fn vault(error: &Error) -> Refusal<'static> {
    let (code, text) = match error {
        Error::WrongPassword => (Code::WrongPassword, "wrong password".to_owned()),
        Error::Corrupt(damage) => {
            (Code::Corrupt, format!("the vault is damaged: {damage}. Put back a copy of the vault file"))
        }
        Error::WeakenedKdf => (
            Code::Corrupt,
            "the vault's key derivation was weakened: it was tampered with. Put back a copy of the vault file"
                .to_owned(),
        ),
        Error::NewerVersion { found } => {
            (Code::Protocol, format!("the vault has format {found}, newer than this daemon. Upgrade glassdomed"))
        }
        Error::Storage(source) => {
            (Code::Storage, format!("the disk refused ({source}): nothing was changed. Make room or mend it"))
        }
        Error::Memory(source) => (Code::Error, source.to_string()),
        Error::Conflict => (Code::Conflict, "the vault changed meanwhile. Try again".to_owned()),
        Error::InUse => (Code::Conflict, "another process has the vault open. Stop it: ctl stop".to_owned()),
        Error::Exists => (Code::Conflict, "it exists already".to_owned()),
        Error::NotFound | Error::NoSuchVersion => (Code::NotFound, error.to_string()),
        Error::Name | Error::TooLarge | Error::Empty => (Code::Usage, error.to_string()),
        Error::NotAFile => (Code::Storage, "the vault's path is not a regular file".to_owned()),
        Error::Stale { .. } | Error::Random(_) | Error::Kdf(_) => (Code::Error, error.to_string()),
    };
    Refusal::new(code, text)
}

/// The log could not be written: the session is over with it.
pub fn unlogged(error: &Unwritable) -> Refusal<'static> {
    let cause = std::error::Error::source(error).map(ToString::to_string).unwrap_or_default();
    Refusal::new(
        Code::Storage,
        format!("{error} ({cause}): locked, since nothing is served unlogged. Make room or mend it"),
    )
}

/// A thread of the daemon gave no answer.
pub fn lost(lost: Lost) -> Refusal<'static> {
    Refusal::new(Code::Error, format!("{lost}. See the daemon's log"))
}

/// The sealed settings could not be read.
pub fn unread(unread: &Unread) -> Refusal<'static> {
    match unread {
        Unread::Vault(error) => vault(error),
        Unread::Rules(error) => Refusal::new(Code::Protocol, format!("{error}. Upgrade glassdomed")),
        Unread::Unknown { .. } => Refusal::new(Code::Protocol, format!("{unread}. Upgrade glassdomed")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn script(path: &str) -> Asker {
        Asker {
            pid: 7,
            name: "python3".into(),
            script: Some(path.into()),
            interpreter: true,
            itself: true,
            uncovered: Some(Uncovered::Program),
            ..Asker::default()
        }
    }

    fn line(secret: &str, asker: &Asker) -> String {
        denied(Question::Secret(Action::Get, secret), asker).message.to_string()
    }

    #[test]
    fn the_command_that_would_allow_it_is_told() {
        let asker = script("/it's");
        let told = line("a", &asker);
        assert!(told.ends_with(r"ctl policy allow --secrets 'a' --script '/it'\''s'"), "{told}");
        let told = denied(Question::Secret(Action::Set, "a"), &asker).message;
        assert!(
            told.contains("denied set a: ") && told.contains("--secrets 'a' --actions set --script"),
            "{told}"
        );
        let told = line("a", &Asker { exe: Some("/bin/python3".into()), ..script("/s") });
        assert!(told.ends_with("--script '/s' --exe '/bin/python3'"), "{told}");
        let program = Asker { script: None, interpreter: false, exe: Some("/bin/x".into()), ..asker };
        assert!(line("a", &program).ends_with("--secrets 'a' --exe '/bin/x'"));
    }

    #[test]
    fn the_command_covers_no_more_than_was_asked_for() {
        let told = line("a,b*", &script("/s"));
        assert!(told.starts_with("denied a,b*: ") && told.contains("--secrets 'a?b?' "), "{told}");
        assert!(line("-a", &script("/s")).contains(" --secrets='-a' "), "no option of its own");
    }

    #[test]
    fn what_cannot_be_shown_is_not_typed_either() {
        for path in ["/a\x1b[2J\nb", "/a\u{202e}b", &format!("/{}", "x".repeat(SHOWN))] {
            let told = line("a", &script(path));
            assert!(told.ends_with("--secrets 'a' --like 7"), "{told}");
            assert!(!told.contains(path) && !told.contains(['\x1b', '\n', '\u{202e}']), "{told}");
        }
    }

    #[test]
    fn only_a_shell_that_leads_its_terminal_is_told_to_unlock_outright() {
        let shell = |line: &[&str]| Asker {
            name: "bash".into(),
            script: None,
            tty: "pts/3".into(),
            uncovered: Some(Uncovered::NotGranted),
            line: line.iter().map(|name| (*name).to_owned()).collect(),
            ..script("")
        };
        let told = line("a", &shell(&["bash"]));
        assert!(told.ends_with("not typed in this terminal (bash, pts/3). Type: ctl unlock"), "{told}");
        let told = line("a", &shell(&["zsh", "npm install", "bash"]));
        assert!(told.contains("bash (pid 7; zsh → npm install → bash) ran it"), "{told}");
        let launched = Asker { uncovered: Some(Uncovered::Launched("timeout\n".into())), ..shell(&["bash"]) };
        let told = line("a", &launched);
        assert!(told.contains(": timeout? ran it, ") && told.ends_with("without timeout?"), "{told}");
    }

    #[test]
    fn no_command_is_cut_in_half() {
        let name = "n".repeat(limits::NAME);
        let line_of = vec!["x".repeat(15); 24];
        let asker = Asker { uncovered: Some(Uncovered::NotGranted), line: line_of, ..script("/s") };
        let told = line(&name, &asker);
        assert!(
            told.len() <= limits::MESSAGE && told.ends_with(&format!("'{name}' --script '/s'")),
            "{told}"
        );
    }
}
