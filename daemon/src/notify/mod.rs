//! Tells the person, by a command of theirs, that a question waits or that bait was touched. Off unless the sealed
//! setting `notify` names a command. One runs at a time, in the [`helper`]; a few wait, and further ones are left
//! out: `ctl approvals` has them all. Nothing else waits for any of this, or fails with it.

mod command;
pub mod helper;
mod note;

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::num::NonZeroU32;
use std::rc::Rc;
use std::time::Duration;

use glassdome_proto::{Per, Rate};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

pub use command::Command;
pub use note::Note;

use crate::policy::rate::Bucket;
use helper::Helper;

/// Notifications in a minute, those left out that are never left out.
const RATE: u32 = 6;
/// Notifications that wait for the one that runs.
const WAITING: usize = 4;

/// How it stands with notifications.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// The helper has ended, says nothing, or could not be started.
    NoHelper,
    /// No command is sealed, or no session is open.
    Off,
    /// A command is sealed.
    On,
    /// The last one failed so.
    Failed(String),
}

/// Of one daemon.
#[derive(Debug)]
pub struct Notifier {
    helper: RefCell<Option<Rc<Helper>>>,
    command: RefCell<Option<Command>>,
    queue: RefCell<Queue>,
    /// Since when one runs, and a call when one begins.
    runs: Cell<Option<Instant>>,
    began: Notify,
    failed: RefCell<Option<String>>,
}

impl Notifier {
    /// With the helper that was started, if it could be.
    pub fn new(helper: Option<Helper>) -> Self {
        Self {
            helper: RefCell::new(helper.map(Rc::new)),
            command: RefCell::default(),
            queue: RefCell::new(Queue::new()),
            runs: Cell::default(),
            began: Notify::new(),
            failed: RefCell::default(),
        }
    }

    /// Another command is in force, or none.
    pub fn set_command(&self, command: Option<Command>) {
        *self.command.borrow_mut() = command;
        *self.failed.borrow_mut() = None;
    }

    /// How it stands.
    pub fn state(&self) -> State {
        match (&*self.helper.borrow(), &*self.command.borrow(), &*self.failed.borrow()) {
            (_, None, _) => State::Off,
            (None, Some(_), _) => State::NoHelper,
            (_, _, Some(why)) => State::Failed(why.clone()),
            _ => State::On,
        }
    }

    /// Tells the person, some time soon, or not at all.
    pub fn tell(&self, note: &Note, now: Duration) {
        let Some(words) =
            self.command.borrow().as_ref().map(|command| command.filled(&note.title, &note.body))
        else {
            return;
        };
        if !self.queue.borrow_mut().put(words, note.urgent, now) {
            tracing::info!("a notification was left out: there were too many");
        }
        self.go_on();
    }

    /// Hears what becomes of each, for as long as there is a helper.
    pub async fn listen(&self) {
        let Some(helper) = self.helper.borrow().clone() else { return };
        let why = loop {
            let became = tokio::select! {
                biased;
                became = helper.became() => became,
                () = self.overdue() => break "says nothing",
            };
            let Some(became) = became else { break "has ended" };
            self.runs.set(None);
            let failed = Some(became).filter(|became| !became.is_empty());
            if let Some(why) = &failed {
                tracing::warn!("the notification command failed: {why}");
            }
            *self.failed.borrow_mut() = failed;
            self.go_on();
        };
        tracing::warn!("there are no notifications from now on: the helper that runs the command {why}");
        self.helper.take();
        Rc::into_inner(helper).map(Helper::bury).unwrap_or_default();
    }

    /// Waits until the helper should have told what became of one, long since.
    async fn overdue(&self) {
        loop {
            let Some(since) = self.runs.get() else {
                self.began.notified().await;
                continue;
            };
            sleep_until(since + helper::ANSWERS_WITHIN).await;
            if self.runs.get() == Some(since) {
                return;
            }
        }
    }

    /// Has the next one run, if none does.
    fn go_on(&self) {
        if self.runs.get().is_some() {
            return;
        }
        let Some(helper) = self.helper.borrow().clone() else { return };
        let Some(words) = self.queue.borrow_mut().take() else { return };
        match helper.run(&words) {
            Ok(()) => {
                self.runs.set(Some(Instant::now()));
                self.began.notify_one();
            }
            Err(error) => tracing::warn!("a notification could not be handed on: {error}"),
        }
    }
}

/// What waits to be run, and how much may.
#[derive(Debug)]
struct Queue {
    waiting: VecDeque<(Vec<String>, bool)>,
    bucket: Bucket,
}

impl Queue {
    fn new() -> Self {
        let count = NonZeroU32::new(RATE).expect("it is not zero");
        Self { waiting: VecDeque::new(), bucket: Bucket::full(Rate { count, per: Per::Minute }) }
    }

    /// Puts one in: an urgent one before all that are not. `false` if one was left out for it, or it itself.
    fn put(&mut self, words: Vec<String>, urgent: bool, now: Duration) -> bool {
        if !urgent {
            match self.bucket.take(now) {
                Ok(bucket) if self.waiting.len() < WAITING => self.bucket = bucket,
                _ => return false,
            }
        }
        let at = if urgent { 0 } else { self.waiting.len() };
        self.waiting.insert(at, (words, urgent));
        let whole = self.waiting.len() <= WAITING;
        self.waiting.truncate(WAITING);
        whole
    }

    fn take(&mut self) -> Option<Vec<String>> {
        self.waiting.pop_front().map(|(words, _)| words)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        vec![text.to_owned()]
    }

    fn at(seconds: u64) -> Duration {
        Duration::from_secs(1000 + seconds)
    }

    #[test]
    fn a_flood_of_questions_is_a_few_notifications() {
        let mut queue = Queue::new();
        let mut told = 0;
        for n in 0..1000 {
            told += u32::from(queue.put(words("q"), false, at(n / 100)));
            queue.take();
        }
        // All at once, and one each ten seconds.
        assert_eq!(told, RATE);
        assert!(queue.put(words("q"), false, at(10)));
    }

    #[test]
    fn an_alarm_goes_before_and_is_never_left_out() {
        let mut queue = Queue::new();
        for n in 0..WAITING {
            assert!(queue.put(words(&n.to_string()), false, at(0)));
        }
        assert!(!queue.put(words("one too many"), false, at(0)));
        assert!(!queue.put(words("alarm"), true, at(0)), "the last one makes room");
        assert_eq!(queue.take(), Some(words("alarm")));
        for n in 0..WAITING - 1 {
            assert_eq!(queue.take(), Some(words(&n.to_string())));
        }
        assert_eq!(queue.take(), None);
        assert!(queue.put(words("alarm"), true, at(0)), "whatever was told before");
    }

    #[test]
    fn without_a_command_nothing_is_told() {
        let notifier = Notifier::new(None);
        assert_eq!(notifier.state(), State::Off);
        notifier.tell(&Note::alarm(), at(0));
        assert_eq!(notifier.queue.borrow_mut().take(), None);
        notifier.set_command(Command::parse("true"));
        assert_eq!(notifier.state(), State::NoHelper);
        notifier.tell(&Note::alarm(), at(0));
        assert_eq!(notifier.queue.borrow_mut().take(), Some(words("true")));
    }
}
