//! The sealed rules and the grants: shown to a granted terminal or to whoever has the master password;
//! rules are made and taken away with the master password only.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use glassdome_audit::{Event, Outcome};
use glassdome_lockmem::LockedBytes;
use glassdome_proto::policy::{self as wire, Action};
use glassdome_proto::{Answer, Code, Glob, List, Refusal, Text, limits};
use glassdome_vault::{Keys, Vault};

use super::{Asking, Turn, password};
use crate::attest::lineage::{self, Member};
use crate::attest::program::{self, FileFacts, Interpreter, Unreadable, Want};
use crate::policy::rule::{self, Pinned, Rule};
use crate::{clock, refuse, settings, standing};

/// A rule to be made, as it was asked for.
pub struct Wanted {
    id: Option<String>,
    secrets: Vec<Glob>,
    actions: Vec<Action>,
    whom: Whom,
}

enum Whom {
    Like(i32),
    Script { script: String, exe: Option<String> },
    Exe(String),
}

impl From<wire::NewRule<'_>> for Wanted {
    fn from(rule: wire::NewRule<'_>) -> Self {
        let mut actions = rule.actions.into_vec();
        actions.sort_unstable();
        actions.dedup();
        Self {
            id: rule.id.map(Text::into_owned),
            secrets: rule.secrets.into_vec(),
            actions,
            whom: match rule.whom {
                wire::Whom::Like { pid } => Whom::Like(pid.cast_signed()),
                wire::Whom::Script { script, exe } => {
                    Whom::Script { script: script.into_owned(), exe: exe.map(Text::into_owned) }
                }
                wire::Whom::Exe { exe } => Whom::Exe(exe.into_owned()),
            },
        }
    }
}

/// The files that a rule was shown with to whoever types the password.
pub struct Shown {
    exe: Pinned,
    script: Option<Pinned>,
}

impl From<wire::Shown<'_>> for Shown {
    fn from(shown: wire::Shown<'_>) -> Self {
        let pinned = |file: wire::Pinned<'_>| Pinned { path: file.path.into_owned(), sha256: file.sha256 };
        Self { exe: pinned(shown.exe), script: shown.script.map(pinned) }
    }
}

impl Shown {
    /// Refuses a rule about other files, or other bytes.
    fn check(&self, rule: &Rule) -> Result<(), Refusal<'static>> {
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

/// What lets one see rules and grants, and other processes as the daemon sees them.
pub enum Right {
    /// A granted terminal, as the log records it.
    Terminal(String),
    /// The master password.
    Password(Keys),
}

impl Right {
    /// As the log records it.
    pub fn word(&self) -> &str {
        match self {
            Self::Terminal(word) => word,
            Self::Password(_) => "master-password",
        }
    }
}

/// Asks for a granted terminal, or takes the password instead.
///
/// # Errors
/// The refusal to send.
pub async fn right(
    asking: &Asking,
    event: Event,
    proof: Option<LockedBytes>,
) -> Result<Right, Refusal<'static>> {
    let right = match proof {
        Some(password) => Right::Password(password::verify(asking, event, password).await?),
        None if !asking.state.is_open(clock::now()) => {
            password::record(asking, event, Outcome::Denied, "locked")?;
            return Err(refuse::locked(asking.state.last_lock()));
        }
        None => match asking.stand.now(&asking.state).0.grant {
            Some(id) => Right::Terminal(format!("terminal:{id}")),
            None => {
                password::record(asking, event, Outcome::Denied, "policy")?;
                return Err(refuse::unproven());
            }
        },
    };
    password::record(asking, event, Outcome::Allowed, right.word())?;
    Ok(right)
}

/// A page of the sealed rules.
pub async fn rules(
    asking: Asking,
    skip: u16,
    proof: Option<LockedBytes>,
) -> Result<Answer<'static>, Refusal<'static>> {
    let rules: Vec<Arc<Rule>> = match right(&asking, Event::Rules, proof).await? {
        Right::Terminal(_) => asking.state.rules().to_vec(),
        Right::Password(keys) => sealed(&*vault_of(&asking)?, &keys)?.into_iter().map(Arc::new).collect(),
    };
    let rest = rules.get(usize::from(skip)..).unwrap_or_default();
    let more = rest.len() > limits::RULES_PAGE;
    let page = rest.iter().take(limits::RULES_PAGE).map(|rule| sent(rule)).collect::<Option<Vec<_>>>();
    let rules = page.and_then(List::new).ok_or_else(unsendable)?;
    Ok(Answer::Policy(wire::Answer::Rules { rules, more }))
}

/// What a rule would be.
pub async fn draft(asking: Asking, wanted: Wanted) -> Result<Answer<'static>, Refusal<'static>> {
    let mut rule = make(&asking, wanted).await?;
    // Which names are taken is told to whoever has the password.
    name(&mut rule, |_| false)?;
    Ok(Answer::Policy(wire::Answer::Draft(sent(&rule).ok_or_else(unsendable)?)))
}

/// Seals a rule; one that was shown only if that is what it still would be.
pub async fn allow(
    asking: Asking,
    password: LockedBytes,
    wanted: Wanted,
    shown: Option<Shown>,
) -> Result<Answer<'static>, Refusal<'static>> {
    let mut rule = make(&asking, wanted).await?;
    // The files can change again from here on: what is sealed is what was compared.
    if let Some(shown) = shown {
        shown.check(&rule)?;
    }
    let keys = password::verify(&asking, Event::ChangeRules, password).await?;
    let turn = Turn::take(&asking).await;
    let mut rules = sealed(&*vault_of(&asking)?, &keys)?;
    if rules.len() >= limits::RULES {
        let message = format!("there are {} rules already. Take some away: ctl policy rm ID", limits::RULES);
        return Err(refuse::usage(message));
    }
    name(&mut rule, |id| rules.iter().any(|rule| rule.id == id))?;
    rules.push(rule.clone());
    seal(&asking, turn, keys, rules, &rule.id).await?;
    Ok(Answer::Policy(wire::Answer::Allowed(sent(&rule).ok_or_else(unsendable)?)))
}

/// Takes a rule away.
pub async fn remove(
    asking: Asking,
    password: LockedBytes,
    id: String,
) -> Result<Answer<'static>, Refusal<'static>> {
    let keys = password::verify(&asking, Event::ChangeRules, password).await?;
    let turn = Turn::take(&asking).await;
    let mut rules = sealed(&*vault_of(&asking)?, &keys)?;
    let before = rules.len();
    rules.retain(|rule| rule.id != id);
    if rules.len() == before {
        return Err(Refusal::new(Code::NotFound, "there is no rule of that name. Rules: ctl policy show"));
    }
    seal(&asking, turn, keys, rules, &id).await?;
    Ok(Answer::Policy(wire::Answer::RuleRemoved))
}

/// The granted terminals.
pub async fn grants(asking: Asking, proof: Option<LockedBytes>) -> Result<Answer<'static>, Refusal<'static>> {
    right(&asking, Event::Grants, proof).await?;
    let own = asking.stand.now(&asking.state).0.grant;
    let shown = asking.state.grants().shown();
    let grants = shown.into_iter().map(|grant| wire::Grant {
        id: grant.id,
        pid: grant.pid.cast_unsigned(),
        name: Text::cut(grant.name),
        tty: Text::cut(grant.tty),
        since: grant.since,
        token: grant.token,
        yours: own == Some(grant.id),
    });
    let grants = List::new(grants.collect()).ok_or_else(unsendable)?;
    Ok(Answer::Policy(wire::Answer::Grants(grants)))
}

/// Ends a grant.
pub async fn revoke(
    asking: Asking,
    id: u32,
    proof: Option<LockedBytes>,
) -> Result<Answer<'static>, Refusal<'static>> {
    right(&asking, Event::Revoke, proof).await?;
    if !asking.state.grants().revoke(id) {
        let message = "there is no grant of that number. Grants: ctl grants";
        return Err(Refusal::new(Code::NotFound, message));
    }
    asking.state.policy_changed();
    Ok(Answer::Policy(wire::Answer::Revoked))
}

fn vault_of(asking: &Asking) -> Result<Arc<Vault>, Refusal<'static>> {
    asking.state.vault().ok_or_else(refuse::no_vault)
}

fn sealed(vault: &Vault, keys: &Keys) -> Result<Vec<Rule>, Refusal<'static>> {
    settings::rules(vault, keys).map_err(|error| refuse::unread(&error))
}

/// Seals the rules as they are now; `id` names the one that came or went.
async fn seal(
    asking: &Asking,
    turn: Turn,
    keys: Keys,
    rules: Vec<Rule>,
    id: &str,
) -> Result<(), Refusal<'static>> {
    let vault = vault_of(asking)?;
    let text = rule::write(&rules).map_err(|_| unsendable())?;
    let change = vault
        .draft(&keys)
        .and_then(|mut draft| {
            draft.setting(rule::SETTING, Some(text.as_bytes()))?;
            draft.finish()
        })
        .map_err(|error| refuse::vault(&error))?;
    drop(keys);
    let word = format!("rule:{id}");
    password::record(asking, Event::ChangeRules, Outcome::Allowed, &word)?;
    let failed = move |asking: &Asking| password::record(asking, Event::ChangeRules, Outcome::Failed, &word);
    let done = move |asking: &Asking| {
        if asking.state.is_open(clock::now()) {
            asking.state.set_rules(rules.into_iter().map(Arc::new).collect());
        }
    };
    turn.commit_then(asking, vault, change, done, failed).await
}

/// Looks at the files that a rule shall name.
async fn make(asking: &Asking, wanted: Wanted) -> Result<Rule, Refusal<'static>> {
    let Wanted { id, secrets, actions, whom } = wanted;
    if secrets.is_empty() || actions.is_empty() {
        return Err(refuse::usage("a rule names at least one glob and one action"));
    }
    let owner = asking.state.owner();
    let (exe, script, interpreter) =
        standing::look_on_request(&asking.state, move |until| look(whom, owner, until)).await??;
    if interpreter.is_some() && script.is_none() {
        let message = format!(
            "{} runs whatever it is given: a rule for it would be a rule for every program. Name the script: --script F",
            lineage::file_name(&exe.path)
        );
        return Err(refuse::usage(message));
    }
    // What root alone can change may be upgraded; what others can change is pinned.
    let exe = Pinned { sha256: exe.sha256.filter(|_| exe.writable), path: exe.path };
    let script = script.map(|script| Pinned { path: script.path, sha256: script.sha256 });
    for path in [Some(&exe), script.as_ref()].into_iter().flatten().map(|file| &file.path) {
        if path.len() > limits::PATH || path.contains(char::REPLACEMENT_CHARACTER) || path.contains('\0') {
            return Err(refuse::usage("the path of the program or script is too long, or not UTF-8"));
        }
    }
    Ok(Rule { id: id.unwrap_or_default(), secrets, actions, exe, script, made: clock::now().wall.as_secs() })
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
            let dir = std::os::fd::AsFd::as_fd(&member.dir);
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
            // A rule finds its files by their paths.
            for seen in [Some(&program.exe), program.script.as_ref()].into_iter().flatten() {
                let there = program::file(Path::new(&seen.path), false, until);
                if !there.is_ok_and(|there| (there.dev, there.ino) == (seen.dev, seen.ino)) {
                    let message =
                        "what the process runs no longer lies where it was started from. Start it anew";
                    return Err(refuse::usage(message));
                }
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
            if matches!(interpreter, None | Some(Interpreter::Gdb | Interpreter::Other)) {
                let message = format!(
                    "{} is no interpreter whose words are known here: which script it runs could not be told later",
                    lineage::file_name(&exe.path)
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
            let interpreter = program::known_interpreter(&exe.path);
            Ok((exe, None, interpreter))
        }
    }
}

/// Checks the rule's name, or makes one up after its script or program.
fn name(rule: &mut Rule, taken: impl Fn(&str) -> bool) -> Result<(), Refusal<'static>> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    if !rule.id.is_empty() {
        if rule.id.len() > limits::RULE_ID || !rule.id.chars().all(plain) {
            let message = "the name of a rule is 1 to 64 letters, digits, '.', '_' and '-'";
            return Err(refuse::usage(message));
        }
        if taken(&rule.id) {
            let message = format!("there is a rule {} already. Another --id, or: ctl policy rm {0}", rule.id);
            return Err(Refusal::new(Code::Conflict, message));
        }
        return Ok(());
    }
    let path = rule.script.as_ref().map_or(&rule.exe.path, |script| &script.path);
    let stem = Path::new(path).file_stem().map(|stem| stem.to_string_lossy()).unwrap_or_default();
    let stem: String = stem.chars().filter(|c| plain(*c)).take(48).collect();
    let stem = if stem.is_empty() { "rule".to_owned() } else { stem };
    let mut candidates = (1..).map(|n| if n == 1 { stem.clone() } else { format!("{stem}-{n}") });
    rule.id = candidates.find(|id| !taken(id)).unwrap_or_else(|| unreachable!("numbers do not end"));
    Ok(())
}

fn sent(rule: &Rule) -> Option<wire::Rule<'static>> {
    let pinned =
        |file: &Pinned| Some(wire::Pinned { path: Text::new(file.path.clone())?, sha256: file.sha256 });
    Some(wire::Rule {
        id: Text::new(rule.id.clone())?,
        secrets: List::new(rule.secrets.clone())?,
        actions: List::new(rule.actions.clone())?,
        exe: pinned(&rule.exe)?,
        script: match &rule.script {
            Some(script) => Some(pinned(script)?),
            None => None,
        },
        made: rule.made,
    })
}

fn unsendable() -> Refusal<'static> {
    Refusal::new(Code::Error, "the vault holds rules that this protocol cannot carry. Upgrade glassdomed")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str, sha256: Option<[u8; 32]>) -> Pinned {
        Pinned { path: path.to_owned(), sha256 }
    }

    fn rule(exe: Pinned, script: Option<Pinned>) -> Rule {
        Rule { id: String::new(), secrets: vec![], actions: vec![], exe, script, made: 0 }
    }

    #[test]
    fn what_was_not_shown_is_refused() {
        let python = || file("/bin/python3", None);
        let script = |byte| Some(file("/a.py", Some([byte; 32])));
        let shown = Shown { exe: python(), script: script(1) };
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
        let shown = Shown { exe: python(), script: None };
        assert!(shown.check(&rule(python(), None)).is_ok());
        assert!(shown.check(&rule(python(), script(1))).is_err());
    }
}
