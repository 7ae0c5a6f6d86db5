//! Questions to the person: a request waits for an answer, and a granted terminal, or whoever has the
//! master password, gives it.
//!
//! ```text
//!  request ─► look at whoever asks ─► question ─┬─ yes ─────────► judged anew, with the yes
//!     ▲                                         ├─ no, too late ─► refused, recorded
//!     └── what may be had has changed ◄─────────┘
//! ```

use std::rc::Rc;
use std::time::Duration;

use glassdome_audit::{Event, Outcome};
use glassdome_lockmem::LockedBytes;
use glassdome_proto::policy::{self as wire, Process, Scope};
use glassdome_proto::{Answer, Code, List, Refusal, Text, limits};
use tokio::time::{Instant, timeout, timeout_at};

use super::picture::process;
use super::policy::right;
use super::{Asking, Pending};
use crate::answers::{self, Answer as Remembered, Unremembered};
use crate::attest::subject::Subject;
use crate::caller::Caller;
use crate::clock;
use crate::gate;
use crate::notify::Note;
use crate::policy::{Asked, Clearance};
use crate::questions::{Draft, Question, Reply, Unasked};
use crate::refuse::{self, Said};
use crate::standing;

/// How long a list of questions is waited for that is unlike another.
const WATCH: Duration = Duration::from_secs(25);

/// Waits for the person; `tell` tells the one who asks which question it waits for, and how long. With the
/// clearance, if the yes is for this request alone.
///
/// # Errors
/// The refusal to send.
pub async fn wait(
    asking: &Asking,
    pending: &Pending,
    tell: impl AsyncFn(u32, Duration),
) -> Result<Option<Clearance>, Refusal<'static>> {
    let Asking { state, .. } = asking;
    let deadline = Instant::now() + asking.wait;
    let mut last: Option<Seen> = None;
    let waiting = loop {
        // Looked at once, unless it has become another program while it waited for its turn.
        let seen = match last.take().filter(Seen::holds) {
            Some(seen) => seen,
            None => look(asking).await?,
        };
        let left = deadline.saturating_duration_since(Instant::now());
        match put(asking, pending, left, &seen) {
            Ok(waiting) => break waiting,
            // Its turn comes.
            Err(Unasked::Another) if !left.is_zero() => {
                let mut changes = state.questions().changes();
                // In time or not: either way it is tried once more.
                timeout_at(deadline, changes.changed()).await.ok();
                asking.find_out_again().await?;
                if !asks(asking, &pending.asked) {
                    return Ok(None);
                }
            }
            Err(unasked) => return Err(refused(asking, pending, unasked.into())?),
        }
        last = Some(seen);
    };
    let question = &waiting.question;
    let mut policy = state.policy_changes();
    for name in names(&pending.asked) {
        asking.record(Event::Ask, Outcome::Allowed, name, &format!("question:{}", question.id))?;
    }
    let Question { id, subject, asker, asked, .. } = &**question;
    let (pid, secrets) = (subject.member.stat.pid, asked.names.len());
    let note = Note::question(*id, &asker.name, pid, pending.deed, secrets);
    state.notifier().tell(&note, clock::now().boot);
    tell(question.id, question.left(clock::now().boot)).await;
    loop {
        let replied = tokio::select! {
            biased;
            replied = question.replied() => Some(replied),
            _ = policy.changed() => None,
            () = tokio::time::sleep_until(deadline) => {
                waiting.in_vain.set(true);
                return Err(refused(asking, pending, Said::Nothing)?);
            }
        };
        match replied {
            Some(Some(Reply::Yes)) => {
                asking.find_out_again().await?;
                let asked = pending.asked.clone();
                return Ok(Some(Clearance { id: question.id, asked }));
            }
            Some(Some(Reply::No)) => return Err(refused(asking, pending, Said::No)?),
            // Taken away with the session.
            Some(None) => return Err(refuse::lock_came()),
            // Perhaps it may by now, or may not at all.
            None => {
                asking.find_out_again().await?;
                if !asks(asking, &pending.asked) {
                    return Ok(None);
                }
            }
        }
    }
}

/// A request for which there is no place to wait: records that, and gives what to tell it.
///
/// # Errors
/// The refusal to send instead.
pub fn crowded(asking: &Asking, pending: &Pending) -> Result<Refusal<'static>, Refusal<'static>> {
    denied(asking, pending, "too-many-wait")?;
    Ok(refuse::crowded(pending.asked.question()))
}

/// Whoever waits, as places to wait are counted.
pub fn whoever_asks(asking: &Asking) -> Caller {
    let (_, asker) = asking.stand.now(&asking.state);
    Caller::of(&asker, asking.peer.evidence().kernel.pid)
}

/// The yes of whoever has shown that a person stands behind it, to the one request that is under way: for this
/// nobody is asked, and nobody waits. `None` of a connection that has shown nothing.
///
/// # Errors
/// The refusal to send.
pub fn answered(asking: &Asking, pending: &Pending) -> Option<Result<Clearance, Refusal<'static>>> {
    let state = &asking.state;
    asking.stand.proven(state)?;
    let id = state.questions().number();
    let mut recorded = names(&pending.asked)
        .map(|name| asking.record(Event::Approve, Outcome::Allowed, name, &format!("question:{id}")));
    Some(recorded.try_for_each(|recorded| recorded).map(|()| Clearance { id, asked: pending.asked.clone() }))
}

/// The list of open questions; one unlike `unlike`, if it comes in time.
pub async fn questions(
    asking: Asking,
    unlike: Option<u64>,
    proof: Option<LockedBytes>,
) -> Result<Answer<'static>, Refusal<'static>> {
    right(&asking, Event::Questions, proof).await?;
    let mut changes = asking.state.questions().changes();
    // What is there when the time is over is told.
    let unlike_that = changes.wait_for(|state| Some(*state) != unlike);
    let state = match timeout(WATCH, unlike_that).await {
        Ok(Ok(state)) => *state,
        Ok(Err(_)) | Err(_) => unlike.unwrap_or_default(),
    };
    let boot = clock::now().boot;
    let all = asking.state.questions().all();
    let shown: Option<Vec<_>> = all.iter().map(|question| sent(question, boot)).collect();
    let questions = shown.and_then(List::new).ok_or_else(unsendable)?;
    Ok(Answer::Policy(wire::Answer::Questions { questions, state }))
}

/// A page of the answers that are remembered.
pub async fn answers(
    asking: Asking,
    skip: u16,
    proof: Option<LockedBytes>,
) -> Result<Answer<'static>, Refusal<'static>> {
    right(&asking, Event::Answers, proof).await?;
    let boot = clock::now().boot;
    let all = asking.state.answers().all(boot);
    let rest = all.get(usize::from(skip)..).unwrap_or_default();
    let page: Option<Vec<_>> =
        rest.iter().take(limits::ANSWERS_PAGE).map(|answer| remembered(answer, boot)).collect();
    let answers = page.and_then(List::new).ok_or_else(unsendable)?;
    Ok(Answer::Policy(wire::Answer::Answers { answers, more: rest.len() > limits::ANSWERS_PAGE }))
}

/// Says yes.
pub async fn approve(
    asking: Asking,
    id: u32,
    scope: Scope,
    proof: Option<LockedBytes>,
) -> Result<Answer<'static>, Refusal<'static>> {
    right(&asking, Event::Approve, proof).await?;
    let in_place = still_in_place(&asking, id, scope).await?;
    let state = &asking.state;
    let question = state.questions().find(id).ok_or_else(no_question)?;
    if let Scope::Program { for_s: Some(s) } = scope
        && !(1..=limits::REMEMBERED).contains(&s)
    {
        return Err(refuse::usage("an answer is remembered for 1 second to 24 hours"));
    }
    if let (Scope::Process | Scope::Program { .. }, Some(rule)) = (scope, &question.rule) {
        return Err(unremembered(&Unremembered::Rule(rule.clone())));
    }
    if !in_place {
        return Err(unremembered(&Unremembered::Misplaced));
    }
    let now = clock::now();
    let answer = match scope {
        Scope::Once => None,
        Scope::Process | Scope::Program { .. } => {
            let number = state.grants().number();
            let given = state.answers().give(number, &question.subject, question.asked.clone(), scope, now);
            given.map_err(|reason| unremembered(&reason))?;
            Some(number)
        }
    };
    let word = match answer {
        Some(number) => format!("answer:{number}"),
        None => format!("question:{id}"),
    };
    // Recorded once it is decided, before anybody is served by it.
    for name in names(&question.asked) {
        if let Err(unlogged) = asking.record(Event::Approve, Outcome::Allowed, name, &word) {
            answer.map(|number| state.answers().revoke(number));
            return Err(unlogged);
        }
    }
    state.policy_changed();
    state.questions().answer(id, Reply::Yes, now.boot);
    Ok(Answer::Policy(wire::Answer::Approved { answer }))
}

/// Whether a yes that is remembered for the program would find it again. The person may have read for long.
async fn still_in_place(asking: &Asking, id: u32, scope: Scope) -> Result<bool, Refusal<'static>> {
    let question = asking.state.questions().find(id).filter(|_| matches!(scope, Scope::Program { .. }));
    let program = question.and_then(|question| answers::program(&question.subject).ok().cloned());
    match program {
        Some(program) => asking.state.looks_on_request().run(move |until| program.is_in_place(until)).await,
        // What else there is to say against it is said where it is remembered.
        None => Ok(true),
    }
}

/// Says no.
pub async fn refuse(
    asking: Asking,
    id: u32,
    proof: Option<LockedBytes>,
) -> Result<Answer<'static>, Refusal<'static>> {
    right(&asking, Event::Refuse, proof).await?;
    let state = &asking.state;
    let question = state.questions().find(id).ok_or_else(no_question)?;
    for name in names(&question.asked) {
        asking.record(Event::Refuse, Outcome::Allowed, name, &format!("question:{id}"))?;
    }
    state.questions().answer(id, Reply::No, clock::now().boot).ok_or_else(no_question)?;
    Ok(Answer::Policy(wire::Answer::Refused))
}

/// A question that is waited for; it is left however the waiting ends.
struct Waiting<'a> {
    asking: &'a Asking,
    question: Rc<Question>,
    in_vain: std::cell::Cell<bool>,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.asking.state.questions().leave(&self.question, clock::now().boot, self.in_vain.get());
    }
}

/// Whoever is asked about, as it was when it was looked at.
struct Seen {
    subject: Rc<Subject>,
    shown: Process<'static>,
}

impl Seen {
    /// Whether it is known to be still so.
    fn holds(&self) -> bool {
        self.subject.held.as_ref().is_some_and(|held| held.alive())
    }
}

async fn look(asking: &Asking) -> Result<Seen, Refusal<'static>> {
    let (pid, is_client) = (asking.peer.evidence().kernel.pid, asking.peer.ours().is_some());
    let look = move |until| {
        let subject = Subject::look(pid, is_client, until).ok()?;
        let shown = process(&subject.member, subject.program.as_deref());
        Some((subject, shown))
    };
    let looked = asking.state.looks().run(look).await?;
    let (subject, shown) = looked.ok_or_else(|| refuse::gone(pid))?;
    asking.peer.still().map_err(|_| refuse::gone(pid))?;
    Ok(Seen { subject: Rc::new(subject), shown })
}

fn put<'a>(
    asking: &'a Asking,
    pending: &Pending,
    left: Duration,
    seen: &Seen,
) -> Result<Waiting<'a>, Unasked> {
    let (_, asker) = asking.stand.now(&asking.state);
    let (subject, shown) = (seen.subject.clone(), seen.shown.clone());
    let Pending { asked, deed, rule, .. } = pending;
    let draft = Draft { subject, asker, shown, asked: asked.clone(), deed, rule: rule.clone() };
    let question = asking.state.questions().put(draft, clock::now().boot, left)?;
    Ok(Waiting { asking, question, in_vain: false.into() })
}

/// Whether it is still a question.
fn asks(asking: &Asking, asked: &Asked) -> bool {
    match asked.names.as_slice() {
        [] => gate::asks_to_list(asking).is_some(),
        names => gate::asks(asking, asked.action, names.iter().map(String::as_str)).is_some(),
    }
}

/// Records that it was refused, and says why.
fn refused(asking: &Asking, pending: &Pending, said: Said) -> Result<Refusal<'static>, Refusal<'static>> {
    let (_, asker) = asking.stand.now(&asking.state);
    // What a person said is told each time. What was not even asked about may be a loop.
    let unasked = matches!(said, Said::NotAgain(_) | Said::Enough(_));
    let often = unasked.then(|| gate::too_often(asking, pending.asked.question(), &asker)).flatten();
    let word = if often.is_some() { gate::TOO_OFTEN } else { said.word() };
    denied(asking, pending, word)?;
    if let Some(often) = often {
        return Ok(often);
    }
    let id = asking.state.questions().refused(pending.asked.clone(), asker.clone());
    let question = pending.asked.question();
    Ok(match &pending.rule {
        Some(rule) => refuse::unasked(question, rule, Some(id), Some(said)),
        None => refuse::denied(question, &asker, Some(id), Some(said)),
    })
}

/// Records what is refused: for each name that was asked about, and a renaming once, with both of its names.
fn denied(asking: &Asking, pending: &Pending, word: &str) -> Result<(), Refusal<'static>> {
    let asking = Asking { renames: pending.renames.clone(), ..asking.clone() };
    let records = if pending.renames.is_some() { 1 } else { usize::MAX };
    let mut names = names(&pending.asked).take(records);
    names.try_for_each(|name| asking.record(pending.event, Outcome::Denied, name, word))
}

fn names(asked: &Asked) -> impl Iterator<Item = Option<&str>> {
    let all = asked.names.is_empty().then_some(None);
    asked.names.iter().map(|name| Some(name.as_str())).chain(all)
}

fn sent(question: &Question, boot: Duration) -> Option<wire::Question<'static>> {
    let subject = &question.subject;
    let line = standing::line_of(&subject.member).into_iter().map(Text::cut).collect();
    Some(wire::Question {
        id: question.id,
        deed: Text::cut(question.deed),
        names: some(&question.asked)?,
        left_ms: u32::try_from(question.left(boot).as_millis()).unwrap_or(u32::MAX),
        rule: question.rule.clone().map(Text::cut),
        subject: question.shown.clone(),
        line: List::new(line)?,
        through_client: subject.through_client,
        why: Text::cut(refuse::why(&question.asker)),
        holdable: question.rule.is_none() && subject.held.is_some() && !subject.stands_for_others(),
        rememberable: question.rule.is_none() && answers::program(subject).is_ok(),
    })
}

fn remembered(answer: &Remembered, boot: Duration) -> Option<wire::Remembered<'static>> {
    let rule = &answer.rule;
    let path = |file: &crate::policy::rule::Pinned| Text::cut(file.path.clone());
    Some(wire::Remembered {
        id: answer.id,
        since: rule.made,
        pid: answer.pid.cast_unsigned(),
        name: Text::cut(answer.name.clone()),
        action: answer.asked.action,
        names: some(&answer.asked)?,
        script: rule.script.as_ref().map(path),
        exe: rule.exe.as_ref().map(path),
        left_s: answer.left(boot).map(|left| u32::try_from(left.as_secs()).unwrap_or(u32::MAX)),
    })
}

type Shown = List<Text<'static, { limits::NAME }>, { limits::ASKED }>;

fn some(asked: &Asked) -> Option<Shown> {
    List::new(asked.names.iter().map(|name| Text::cut(name.clone())).collect())
}

impl From<Unasked> for Said {
    fn from(unasked: Unasked) -> Self {
        match unasked {
            Unasked::Another => Self::Nothing,
            Unasked::Rests(left) => Self::NotAgain(left),
            Unasked::Enough(left) => Self::Enough(left),
        }
    }
}

fn unremembered(reason: &Unremembered) -> Refusal<'static> {
    Refusal::new(Code::Conflict, format!("not remembered: {reason}"))
}

fn no_question() -> Refusal<'static> {
    Refusal::new(Code::NotFound, "there is no open question of that number. Questions: ctl approvals")
}

fn unsendable() -> Refusal<'static> {
    Refusal::new(Code::Error, "the questions do not fit a message")
}
