//! The questions that wait for a person: numbered, few at a time, and worn out by no: whoever was
//! refused, or found nobody, asks again only after a while, so that nobody is worn down to a yes.
//!
//! Pure but for its wake-up calls: the time is handed in, and what an answer means is another room's
//! ([`crate::answers`], [`crate::policy`]).
//!
//! ```text
//!  put ─► open ─┬─ answer(yes) ─► gone, the request goes on
//!               ├─ answer(no) ──► gone, its program rests
//!               └─ its request ends ─► gone; long in vain: its program rests
//! ```

use std::cell::{Cell, RefCell};
use std::collections::{HashMap, VecDeque};
use std::rc::Rc;
use std::time::Duration;

use glassdome_proto::limits;
use glassdome_proto::policy::Process;
use tokio::sync::watch;

use crate::attest::subject::{Key, Subject};
use crate::policy::Asked;
use crate::standing::Asker;

/// How long a program rests after the first no; each further one doubles it.
const REST: Duration = Duration::from_secs(30);
/// Who waited less than this found nobody because it did not wait: anybody can start a program so.
const IN_VAIN: Duration = Duration::from_secs(20);
/// Where room comes with somebody's answer, it is looked for again no sooner.
const SOON: Duration = Duration::from_secs(1);
/// How long it rests at most.
const LONGEST_REST: Duration = Duration::from_secs(15 * 60);
/// Within this time only so many questions are put, whoever asks.
const SPAN: Duration = Duration::from_secs(60);
/// So many.
const IN_SPAN: usize = 12;
/// So many of one program, unless a person said yes to it: one that keeps asking leaves room for others.
const OF_ONE: usize = 4;
/// Programs whose rest is remembered; with more than these nobody asks until some have rested.
const RESTING: usize = 256;
/// Requests that are remembered after they were refused, so that a rule can be made from one.
const PAST: usize = 64;

/// What a person said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reply {
    /// Yes, to what waits.
    Yes,
    /// No.
    No,
}

/// Why a question was not put.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unasked {
    /// Its program has another question open.
    Another,
    /// Its program rests, for so much longer.
    Rests(Duration),
    /// There are enough questions for now, of this program or in all: there is room in so long, at the latest.
    Enough(Duration),
}

/// A question.
#[derive(Debug)]
pub struct Question {
    /// Names it.
    pub id: u32,
    /// Who asks.
    pub subject: Rc<Subject>,
    /// Who asks, as the lines of refusals tell it.
    pub asker: Rc<Asker>,
    /// The process, as a person is shown it.
    pub shown: Process<'static>,
    /// For what.
    pub asked: Asked,
    /// That, in a word or two.
    pub deed: &'static str,
    /// The rule that wants a person to be asked.
    pub rule: Option<String>,
    /// Since when it is open, by `CLOCK_BOOTTIME`.
    since: Duration,
    /// Until when.
    until: Duration,
    reply: watch::Sender<Option<Reply>>,
}

impl Question {
    /// How long it stays open.
    pub fn left(&self, boot: Duration) -> Duration {
        self.until.saturating_sub(boot)
    }

    /// Waits for what the person says. A question that is taken away was answered by nobody.
    pub async fn replied(&self) -> Option<Reply> {
        let mut reply = self.reply.subscribe();
        reply.wait_for(Option::is_some).await.ok().and_then(|reply| *reply)
    }
}

/// What a question is made of.
#[derive(Debug)]
pub struct Draft {
    /// Who asks.
    pub subject: Rc<Subject>,
    /// As the lines of refusals tell it.
    pub asker: Rc<Asker>,
    /// As a person is shown it.
    pub shown: Process<'static>,
    /// For what.
    pub asked: Asked,
    /// That, in a word or two.
    pub deed: &'static str,
    /// The rule that wants a person to be asked.
    pub rule: Option<String>,
}

/// A request that was refused, by number.
#[derive(Debug, Clone)]
pub struct Past {
    /// Names it.
    pub id: u32,
    /// What was asked for.
    pub asked: Asked,
    /// By whom.
    pub asker: Rc<Asker>,
}

#[derive(Debug, Clone, Copy)]
struct Rest {
    refusals: u32,
    until: Duration,
}

/// All of a session.
#[derive(Debug)]
pub struct Questions {
    last: Cell<u32>,
    open: RefCell<Vec<Rc<Question>>>,
    resting: RefCell<HashMap<Key, Rest>>,
    recent: RefCell<VecDeque<(Duration, Key)>>,
    past: RefCell<VecDeque<Past>>,
    changes: watch::Sender<u64>,
}

impl Default for Questions {
    fn default() -> Self {
        Self {
            last: Cell::new(0),
            open: RefCell::default(),
            resting: RefCell::default(),
            recent: RefCell::default(),
            past: RefCell::default(),
            changes: watch::Sender::new(0),
        }
    }
}

impl Questions {
    /// Puts a question, for `wait`. Each is of one request: several processes can pass for one, and a yes
    /// to what was asked first is none to who comes after.
    ///
    /// # Errors
    /// [`Unasked`].
    pub fn put(&self, draft: Draft, now: Duration, wait: Duration) -> Result<Rc<Question>, Unasked> {
        let Draft { subject, asker, shown, asked, deed, rule } = draft;
        let key = subject.key();
        if self.open.borrow().iter().any(|open| open.subject.key() == key) {
            return Err(Unasked::Another);
        }
        if let Some(rest) = self.resting.borrow().get(&key)
            && rest.until > now
        {
            return Err(Unasked::Rests(rest.until - now));
        }
        self.resting.borrow_mut().retain(|_, rest| rest.until + LONGEST_REST > now);
        let mut recent = self.recent.borrow_mut();
        recent.retain(|(at, _)| *at + SPAN > now);
        let mut of_one = recent.iter().filter(|(_, own)| *own == key);
        let first = match of_one.clone().count() {
            OF_ONE.. => of_one.next(),
            _ => recent.front().filter(|_| recent.len() >= IN_SPAN),
        };
        if let Some((at, _)) = first {
            return Err(Unasked::Enough(*at + SPAN - now));
        }
        if self.open.borrow().len() >= limits::QUESTIONS || self.resting.borrow().len() >= RESTING {
            let left = self.open.borrow().iter().map(|open| open.left(now)).min();
            return Err(Unasked::Enough(left.unwrap_or(REST).max(SOON)));
        }
        recent.push_back((now, key));
        let question = Rc::new(Question {
            id: self.number(),
            subject,
            asker,
            shown,
            asked,
            deed,
            rule,
            since: now,
            until: now + wait,
            reply: watch::Sender::new(None),
        });
        self.open.borrow_mut().push(question.clone());
        self.changed();
        Ok(question)
    }

    /// Its request waits no longer; `in_vain` if that waited until its time was over.
    pub fn leave(&self, question: &Question, now: Duration, in_vain: bool) {
        if self.take(question.id).is_some() {
            if in_vain && now.saturating_sub(question.since) >= IN_VAIN {
                self.tire(question, now);
            }
            self.changed();
        }
    }

    /// Answers one; `None` if there is none of that number.
    pub fn answer(&self, id: u32, reply: Reply, now: Duration) -> Option<Rc<Question>> {
        let question = self.take(id)?;
        match reply {
            Reply::Yes => {
                let key = question.subject.key();
                self.resting.borrow_mut().remove(&key);
                self.recent.borrow_mut().retain(|(_, own)| *own != key);
            }
            Reply::No => self.tire(&question, now),
        }
        question.reply.send_replace(Some(reply));
        self.changed();
        Some(question)
    }

    /// The open one of that number.
    pub fn find(&self, id: u32) -> Option<Rc<Question>> {
        self.open.borrow().iter().find(|open| open.id == id).cloned()
    }

    /// All that are open, the oldest first.
    pub fn all(&self) -> Vec<Rc<Question>> {
        self.open.borrow().clone()
    }

    /// Counts how often they changed, and wakes whoever waits for that.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    /// Remembers a request that was refused, and numbers it.
    pub fn refused(&self, asked: Asked, asker: Rc<Asker>) -> u32 {
        let mut past = self.past.borrow_mut();
        // The same again is the same: a loop must not push the others out.
        if let Some(same) = past.iter().find(|past| past.asked == asked && past.asker.is_like(&asker)) {
            return same.id;
        }
        if past.len() >= PAST {
            past.pop_front();
        }
        let id = self.number();
        past.push_back(Past { id, asked, asker });
        id
    }

    /// A request by number: an open question, or one that was refused.
    pub fn request(&self, id: u32) -> Option<Past> {
        let open = self.find(id);
        let open = open.map(|open| Past { id, asked: open.asked.clone(), asker: open.asker.clone() });
        open.or_else(|| self.past.borrow().iter().find(|past| past.id == id).cloned())
    }

    /// Forgets everything: the session has ended. Numbers go on.
    pub fn clear(&self) {
        self.open.borrow_mut().clear();
        self.resting.borrow_mut().clear();
        self.recent.borrow_mut().clear();
        self.past.borrow_mut().clear();
        self.changed();
    }

    fn take(&self, id: u32) -> Option<Rc<Question>> {
        let mut open = self.open.borrow_mut();
        let at = open.iter().position(|open| open.id == id)?;
        Some(open.remove(at))
    }

    fn tire(&self, question: &Question, now: Duration) {
        let mut resting = self.resting.borrow_mut();
        let rest = resting.entry(question.subject.key()).or_insert(Rest { refusals: 0, until: now });
        let time = REST.saturating_mul(1 << rest.refusals.min(8)).min(LONGEST_REST);
        *rest = Rest { refusals: rest.refusals.saturating_add(1), until: now + time };
    }

    /// The next number.
    pub fn number(&self) -> u32 {
        self.last.set(self.last.get().wrapping_add(1));
        self.last.get()
    }

    fn changed(&self) {
        self.changes.send_modify(|count| *count += 1);
    }
}

#[cfg(test)]
#[path = "questions_tests.rs"]
mod tests;
