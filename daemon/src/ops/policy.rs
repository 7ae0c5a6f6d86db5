//! The sealed rules and the grants: shown to a granted terminal or to whoever has the master password;
//! rules are made and taken away with the master password only.

use std::sync::Arc;

use glassdome_audit::{Event, Outcome};
use glassdome_lockmem::LockedBytes;
use glassdome_proto::pin::PinState;
use glassdome_proto::policy as wire;
use glassdome_proto::{Answer, Code, List, Refusal, Text, limits};
use glassdome_vault::{Keys, Vault};

use super::new_rule::{Shown, Wanted, make, name};
use super::password::{self, Verified};
use super::{Asking, Turn};
use crate::attest::unit::{self, Manager, Unit};
use crate::policy::Question;
use crate::policy::rule::{Pinned, Rule};
use crate::policy::text;
use crate::policy::warn::{self, Warning};
use crate::standing::Proven;
use crate::{clock, gate, refuse, settings, standing};

/// What lets one see rules and grants, and other processes as the daemon sees them.
pub enum Right {
    /// A granted terminal, as the log records it.
    Terminal(String),
    /// What this connection has shown, to answer for the person.
    Proven(Proven),
    /// The master password.
    Password(Verified),
}

impl Right {
    /// As the log records it.
    pub fn word(&self) -> &str {
        match self {
            Self::Terminal(word) => word,
            Self::Proven(proven) => proven.word(),
            Self::Password(keys) => password::word(keys),
        }
    }
}

/// Asks for a granted terminal, or what the connection has shown in its place, or takes the password instead.
///
/// # Errors
/// The refusal to send.
pub async fn right(
    asking: &Asking,
    event: Event,
    proof: Option<LockedBytes>,
) -> Result<Right, Refusal<'static>> {
    right_or(asking, event, proof, refuse::unproven).await
}

/// As [`right`] without a proof that comes along, for something that has a name.
pub async fn right_of(asking: &Asking, event: Event, named: &str) -> Result<Right, Refusal<'static>> {
    right_to(asking, event, Some(named), None, refuse::unproven).await
}

/// As [`right`]; `lacking` is told where there is none of these.
pub async fn right_or(
    asking: &Asking,
    event: Event,
    proof: Option<LockedBytes>,
    lacking: impl FnOnce(PinState) -> Refusal<'static>,
) -> Result<Right, Refusal<'static>> {
    right_to(asking, event, None, proof, lacking).await
}

async fn right_to(
    asking: &Asking,
    event: Event,
    named: Option<&str>,
    proof: Option<LockedBytes>,
    lacking: impl FnOnce(PinState) -> Refusal<'static>,
) -> Result<Right, Refusal<'static>> {
    let right = match proof {
        Some(password) => Right::Password(password::verify(asking, event, password).await?),
        None if !asking.state.is_open(clock::now()) => {
            asking.record(event, Outcome::Denied, named, "locked")?;
            return Err(asking.state.locked());
        }
        None => match (asking.stand.now(&asking.state).0.grant, asking.stand.proven(&asking.state)) {
            (Some(id), _) => Right::Terminal(format!("terminal:{id}")),
            (None, Some(proven)) => Right::Proven(proven),
            (None, None) => {
                if asking.stand.rests(&asking.state, Question::Sealed) {
                    asking.record(event, Outcome::Denied, named, "paused")?;
                    return Err(refuse::paused());
                }
                let (_, asker) = asking.stand.now(&asking.state);
                // Counted for the log. It is told the same each time: a person who can bring a proof must learn
                // that one is wanted, whoever else ran the same program in a loop.
                let often = gate::too_often(asking, Question::Sealed, &asker);
                let word = if often.is_some() { gate::TOO_OFTEN } else { "policy" };
                asking.record(event, Outcome::Denied, named, word)?;
                return Err(lacking(asking.state.pins().state()));
            }
        },
    };
    asking.record(event, Outcome::Allowed, named, right.word())?;
    Ok(right)
}

/// A page of the sealed rules.
pub async fn rules(
    asking: Asking,
    skip: u16,
    proof: Option<LockedBytes>,
) -> Result<Answer<'static>, Refusal<'static>> {
    let rules: Vec<Arc<Rule>> = match right(&asking, Event::Rules, proof).await? {
        Right::Terminal(_) | Right::Proven(_) => asking.state.sealed_rules(),
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
    let state = &asking.state;
    // What others asked for is told to a granted terminal.
    if wanted.request().is_some() {
        asking.find_out_again().await?;
        right_or(&asking, Event::Questions, None, refuse::ungranted).await?;
    }
    let wanted = of_request(&asking, wanted)?;
    let mut rule = make(state.looks_on_request(), state.owner(), wanted).await?;
    // Which names are taken, and what other rules say, is told to whoever has the password, or sits at a
    // granted terminal.
    name(&mut rule, |_| false)?;
    let judged = standing::find_out(state, &asking.peer, &asking.stand).await;
    let granted = judged.is_ok() && asking.stand.now(state).0.grant.is_some();
    let others = if granted { state.rules() } else { Arc::new([]) };
    let warnings = warnings(&asking, &rule, others.iter().map(Arc::as_ref)).await?;
    Ok(Answer::Policy(wire::Answer::Draft(checked(&rule, &warnings)?.into())))
}

fn of_request(asking: &Asking, wanted: Wanted) -> Result<Wanted, Refusal<'static>> {
    let Some(id) = wanted.request() else { return Ok(wanted) };
    let past = asking.state.questions().request(id).ok_or_else(refuse::no_request)?;
    wanted.made_of(&past)
}

/// Seals a rule; one that was shown only if that is what it still would be.
pub async fn allow(
    asking: Asking,
    password: LockedBytes,
    wanted: Wanted,
    shown: Option<Shown>,
) -> Result<Answer<'static>, Refusal<'static>> {
    let keys = password::verify(&asking, Event::ChangeRules, password).await?;
    let wanted = of_request(&asking, wanted)?;
    let mut rule = make(asking.state.looks_proven(), asking.state.owner(), wanted).await?;
    // The files can change again from here on: what is sealed is what was compared.
    if let Some(shown) = shown {
        shown.check(&rule)?;
    }
    let turn = Turn::take_with(&asking, &keys).await?;
    let mut rules = sealed(&*vault_of(&asking)?, &keys)?;
    if rules.len() >= limits::RULES {
        let message = format!("there are {} rules already. Take some away: ctl policy rm ID", limits::RULES);
        return Err(refuse::usage(message));
    }
    name(&mut rule, |id| rules.iter().any(|rule| rule.id == id))?;
    let warnings = warnings(&asking, &rule, &rules).await?;
    let answer = checked(&rule, &warnings)?;
    rules.push(rule.clone());
    seal_rules(&asking, turn, keys, rules, rule.word()).await?;
    Ok(Answer::Policy(wire::Answer::Allowed(answer.into())))
}

/// Takes a rule away.
pub async fn remove(
    asking: Asking,
    password: LockedBytes,
    id: String,
) -> Result<Answer<'static>, Refusal<'static>> {
    let keys = password::verify(&asking, Event::ChangeRules, password).await?;
    let turn = Turn::take_with(&asking, &keys).await?;
    let mut rules = sealed(&*vault_of(&asking)?, &keys)?;
    let before = rules.len();
    rules.retain(|rule| rule.id != id);
    if rules.len() == before {
        return Err(Refusal::new(Code::NotFound, "there is no rule of that name. Rules: ctl policy show"));
    }
    seal_rules(&asking, turn, keys, rules, format!("rule:{id}")).await?;
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

/// Ends a grant, or a handle.
pub async fn revoke(
    asking: Asking,
    id: u32,
    proof: Option<LockedBytes>,
) -> Result<Answer<'static>, Refusal<'static>> {
    right(&asking, Event::Revoke, proof).await?;
    // All are numbered in one row.
    let state = &asking.state;
    if !state.grants().revoke(id) && !state.handles().revoke(id) && !state.answers().revoke(id) {
        let message = "there is no grant, handle or answer of that number. See: ctl grants";
        return Err(Refusal::new(Code::NotFound, message));
    }
    asking.state.policy_changed();
    Ok(Answer::Policy(wire::Answer::Revoked))
}

/// The vault.
///
/// # Errors
/// There is none.
pub fn vault_of(asking: &Asking) -> Result<Arc<Vault>, Refusal<'static>> {
    asking.state.vault().ok_or_else(refuse::no_vault)
}

/// The rules as they lie in it.
///
/// # Errors
/// The refusal to send.
pub fn sealed(vault: &Vault, keys: &Keys) -> Result<Vec<Rule>, Refusal<'static>> {
    settings::rules(vault, keys).map_err(|error| refuse::unread(&error))
}

/// Seals the rules as they are now; `word` says for the log which came or went.
pub async fn seal_rules(
    asking: &Asking,
    turn: Turn,
    keys: Verified,
    rules: Vec<Rule>,
    word: String,
) -> Result<(), Refusal<'static>> {
    let vault = vault_of(asking)?;
    let written = text::write(&rules).map_err(|_| unsendable())?;
    let change = vault
        .draft(&keys)
        .and_then(|mut draft| {
            draft.setting(text::SETTING, Some(written.as_bytes()))?;
            draft.finish()
        })
        .map_err(|error| refuse::vault(&error))?;
    drop(keys);
    asking.record(Event::ChangeRules, Outcome::Allowed, None, &word)?;
    let failed = move |asking: &Asking| asking.record(Event::ChangeRules, Outcome::Failed, None, &word);
    let done = move |asking: &Asking| {
        if asking.state.is_open(clock::now()) {
            asking.state.set_rules(rules.into_iter().map(Arc::new).collect());
        }
    };
    turn.commit_then(asking, vault, change, done, failed).await
}

/// Why a rule would never say anything, as far as that can be told.
async fn warnings<'r>(
    asking: &Asking,
    rule: &Rule,
    others: impl IntoIterator<Item = &'r Rule>,
) -> Result<Vec<Warning>, Refusal<'static>> {
    let mut all = warn::about(rule, others, clock::now().wall.as_secs());
    if let Some(Unit { manager: Manager::System, name }) = rule.unit.clone() {
        let look = move |_| (!unit::is_installed(&name)).then_some(Warning::NoUnit { name });
        all.extend(asking.state.looks_on_request().run(look).await?);
    }
    Ok(all)
}

fn checked(rule: &Rule, warnings: &[Warning]) -> Result<wire::Checked<'static>, Refusal<'static>> {
    Ok(wire::Checked { rule: sent(rule).ok_or_else(unsendable)?, warnings: warned(warnings)? })
}

type Warned = List<Text<'static, { limits::MESSAGE }>, { limits::WARNINGS }>;

/// The first of them, as lines.
pub fn warned(warnings: &[Warning]) -> Result<Warned, Refusal<'static>> {
    let warnings = warnings.iter().take(limits::WARNINGS).map(|warning| Text::cut(warning.to_string()));
    List::new(warnings.collect()).ok_or_else(unsendable)
}

/// A rule as it travels; nothing of one that does not fit.
pub fn sent(rule: &Rule) -> Option<wire::Rule<'static>> {
    let pinned =
        |file: &Pinned| Some(wire::Pinned { path: Text::new(file.path.clone())?, sha256: file.sha256 });
    Some(wire::Rule {
        id: Text::new(rule.id.clone())?,
        decision: rule.decision,
        secrets: List::new(rule.secrets.clone())?,
        actions: List::new(rule.actions.clone())?,
        exe: sendable(rule.exe.as_ref().map(pinned))?,
        script: sendable(rule.script.as_ref().map(pinned))?,
        made: rule.made,
        unit: sendable(
            rule.unit
                .as_ref()
                .map(|unit| Some(wire::Unit { manager: unit.manager, name: Text::new(unit.name.clone())? })),
        )?,
        rate: rule.rate,
        expires: rule.expires,
    })
}

/// Nothing to send can be sent.
fn sendable<T>(value: Option<Option<T>>) -> Option<Option<T>> {
    value.map_or(Some(None), |value| value.map(Some))
}

/// Sealed by a version whose limits are others.
pub fn unsendable() -> Refusal<'static> {
    Refusal::new(Code::Error, "the vault holds rules that this protocol cannot carry. Upgrade glassdomed")
}
