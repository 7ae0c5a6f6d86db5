//! What would become of a request, and why: tried on a process, and nothing is given.

use std::rc::Rc;
use std::sync::Arc;

use glassdome_audit::Event;
use glassdome_lockmem::LockedBytes;
use glassdome_proto::policy::{self as wire, Action, Decision, Finding};
use glassdome_proto::{Answer, Code, List, Refusal, Text, limits};

use super::{Asking, policy};
use crate::attest::lineage::{self, Member};
use crate::attest::{self, matching};
use crate::policy::explain::explain;
use crate::policy::rule::{Origin, Rule};
use crate::policy::{Question, Standing, Verdict, decide};
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
    let (decision, by) = match decide(&standing, question) {
        Verdict::Allow(by) => (Decision::Allow, Some(by.word())),
        Verdict::Ask(rule) => (Decision::Ask, rule.map(|rule| rule.word())),
        Verdict::Deny(rule) => (Decision::Deny, rule.map(|rule| rule.word())),
    };
    let unit = standing::unit_of(state, &member(pid)?);
    let holds = |rule: &&Arc<Rule>| rule.origin == Origin::Sealed || state.has_rule(rule);
    let rules: Vec<Arc<Rule>> = state.rules().iter().filter(holds).cloned().collect();
    let subject = member(pid)?;
    let subject = if is_client(&subject) { lineage::ran(&subject) } else { Some(subject) };
    let compared = match subject {
        Some(subject) => {
            let look = move |until| matching::compare(&subject, unit.as_ref(), &rules, until);
            state.looks_on_request().run(look).await?
        }
        None => rules.iter().map(|rule| (rule.clone(), Some(wire::Condition::Unseen))).collect(),
    };
    let explained = explain(&compared, question, now);
    let rest = explained.get(usize::from(skip)..).unwrap_or_default();
    let finding = |(rule, unmet): &(_, Option<wire::Condition>)| {
        let rule: &Arc<Rule> = rule;
        Some(Finding { rule: Text::new(rule.id.clone())?, decision: rule.decision, unmet: *unmet })
    };
    let findings = rest.iter().take(limits::FINDINGS).map(finding).collect::<Option<Vec<_>>>();
    let findings = findings.and_then(List::new).ok_or_else(unsendable)?;
    let more = rest.len() > limits::FINDINGS;
    Ok(Answer::Policy(wire::Answer::Tested { decision, by: by.map(Text::cut), findings, more }))
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
        standing::judge_caller(state, &member, None).await
    } else {
        let unit = standing::unit_of(state, &member);
        standing::judge(state, member, unit, None, Came::Itself).await
    };
    judged.map(|(standing, _)| standing).map_err(|unjudged| unjudged.refusal)
}

fn unsendable() -> Refusal<'static> {
    Refusal::new(Code::Error, "the findings do not fit a message")
}
