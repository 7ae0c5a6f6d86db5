//! What would become of a request, and why: tried on a process, or on one that was refused. Nothing is given.

use std::rc::Rc;
use std::sync::Arc;

use glassdome_audit::Event;
use glassdome_lockmem::LockedBytes;
use glassdome_proto::policy::{self as wire, Action, Decision, Finding};
use glassdome_proto::{Answer, Code, List, Refusal, Text, limits};

use super::{Asking, policy};
use crate::attest;
use crate::attest::lineage::{self, Member};
use crate::attest::seen::{Compared, Seen};
use crate::policy::explain::explain;
use crate::policy::rule::{Origin, Rule};
use crate::policy::{Question, Standing, Verdict, decide};
use crate::questions::Past;
use crate::standing::{self, Came};
use crate::state::State;
use crate::{clock, refuse};

/// Tries one question on a process; of the findings a page.
pub async fn test(
    asking: Asking,
    pid: i32,
    action: Action,
    name: String,
    skip: u16,
    proof: Option<LockedBytes>,
) -> Result<Answer<'static>, Refusal<'static>> {
    policy::right(&asking, Event::Rules, proof).await?;
    let state = &asking.state;
    if !state.is_open(clock::now()) {
        return Err(refuse::locked(state.last_lock()));
    }
    let question = Question::Secret(action, &name);
    let now = clock::now().wall.as_secs();
    let standing = standing_of(state, pid).await?.at(now);
    let (decision, by) = said(decide(&standing, question));
    let unit = standing::unit_of(&member(pid)?);
    let rules = in_force(state);
    let subject = member(pid)?;
    let subject = if is_client(&subject) { lineage::ran(&subject) } else { Some(subject) };
    let compared = match subject {
        Some(subject) => {
            let look = move |until| Seen::look(&subject, unit, until).compare(&rules, until);
            state.looks_on_request().run(look).await?
        }
        None => rules.into_iter().map(|rule| (rule, Some(wire::Condition::Unseen))).collect(),
    };
    let (findings, more) = page(&explain(&compared, question, now), skip).ok_or_else(unsendable)?;
    Ok(Answer::Policy(wire::Answer::Tested { decision, by, findings, more }))
}

/// What the rules that there are now say to a request that was refused or waits, by what was seen of whoever
/// made it; of those that cover its name number `of` and its action a page.
pub async fn request(
    asking: Asking,
    id: u32,
    of: u8,
    skip: u16,
    proof: Option<LockedBytes>,
) -> Result<Answer<'static>, Refusal<'static>> {
    policy::right(&asking, Event::Questions, proof).await?;
    let state = &asking.state;
    if !state.is_open(clock::now()) {
        return Err(refuse::locked(state.last_lock()));
    }
    let Past { asked, asker, .. } = state.questions().request(id).ok_or_else(refuse::no_request)?;
    let question = match asked.names.get(usize::from(of)) {
        Some(name) => Question::Secret(asked.action, name),
        None if asked.names.is_empty() => Question::Names,
        None => return Err(refuse::usage("the request has fewer names")),
    };
    let rules = in_force(state);
    let compared = match asker.evidence.clone() {
        Some(seen) => {
            let look = move |until| seen.compare(&rules, until);
            state.looks_on_request().run(look).await?
        }
        // What was typed in a granted terminal: only rules about whatever asks were looked at.
        None => {
            let about = |rule: &Rule| (!rule.is_about_anyone()).then_some(wire::Condition::Unseen);
            rules.into_iter().map(|rule| (rule.clone(), about(&rule))).collect()
        }
    };
    let now = clock::now().wall.as_secs();
    let about = compared.iter().filter(|(_, otherwise)| otherwise.is_none()).map(|(rule, _)| rule.clone());
    // Which terminal's grant it was is not remembered; no grant has this number.
    let grant = asker.uncovered.is_none().then_some(0);
    let standing = Standing { grant, rules: about.collect(), cleared: None }.at(now);
    let (decision, by) = said(decide(&standing, question));
    let mut explained = explain(&compared, question, now);
    explained.retain(|(rule, _)| covers(rule, question));
    let (findings, more) = page(&explained, skip).ok_or_else(unsendable)?;
    let names = asked.names.iter().map(|name| Text::new(name.clone())).collect::<Option<Vec<_>>>();
    let explained = wire::Explained {
        action: asked.action,
        names: names.and_then(List::new).ok_or_else(unsendable)?,
        pid: asker.pid.cast_unsigned(),
        program: Text::cut(asker.name.clone()),
        script: asker.script.clone().map(Text::cut),
        why: Text::cut(refuse::why(&asker)),
        decision,
        by,
        findings,
        more,
    };
    Ok(Answer::Policy(wire::Answer::Explained(explained.into())))
}

type By = Option<Text<'static, { limits::MESSAGE }>>;

fn said(verdict: Verdict) -> (Decision, By) {
    let (decision, by) = match verdict {
        Verdict::Allow(by) => (Decision::Allow, Some(by.word())),
        Verdict::Ask(rule) => (Decision::Ask, rule.map(|rule| rule.word())),
        Verdict::Deny(rule) => (Decision::Deny, rule.map(|rule| rule.word())),
    };
    (decision, by.map(Text::cut))
}

fn in_force(state: &State) -> Vec<Arc<Rule>> {
    let holds = |rule: &&Arc<Rule>| rule.origin == Origin::Sealed || state.has_rule(rule);
    state.rules().iter().filter(holds).cloned().collect()
}

fn covers(rule: &Rule, question: Question<'_>) -> bool {
    match question {
        Question::Secret(action, name) => rule.covers(action, name),
        Question::Names | Question::Sealed => rule.actions.contains(&Action::List),
    }
}

type Page = (List<Finding<'static>, { limits::FINDINGS }>, bool);

/// A page of what each rule says, and whether there is more.
fn page(explained: &[Compared], skip: u16) -> Option<Page> {
    let rest = explained.get(usize::from(skip)..).unwrap_or_default();
    let finding = |(rule, unmet): &Compared| {
        Some(Finding { rule: Text::new(rule.id.clone())?, decision: rule.decision, unmet: *unmet })
    };
    let findings = rest.iter().take(limits::FINDINGS).map(finding).collect::<Option<Vec<_>>>()?;
    Some((List::new(findings)?, rest.len() > limits::FINDINGS))
}

fn member(pid: i32) -> Result<Member, Refusal<'static>> {
    Member::of(pid).map_err(|_| refuse::usage("there is no such process"))
}

/// A client is not judged but whoever ran it. Of another process its stamp is not seen.
fn is_client(member: &Member) -> bool {
    member.exe().filter(attest::is_client_file).is_some()
}

async fn standing_of(state: &Rc<State>, pid: i32) -> Result<Standing, Refusal<'static>> {
    let member = member(pid)?;
    let judged = if is_client(&member) {
        let judged = standing::judge_caller(state, &member, None).await;
        judged.map(|(settled, asker)| (settled.standing.clone(), asker))
    } else {
        let unit = standing::unit_of(&member);
        standing::judge(state, member, unit, None, Came::Itself).await
    };
    judged.map(|(standing, _)| standing).map_err(|unjudged| unjudged.refusal)
}

fn unsendable() -> Refusal<'static> {
    Refusal::new(Code::Error, "the findings do not fit a message")
}
