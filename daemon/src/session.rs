//! The session state machine: whether a key exists, and until when. Pure: it takes inputs and
//! times and gives the next state and what ended; it reads no clock and does no I/O.
//!
//! ```text
//!            Open{key, limits}                  Lock(reason), or a deadline that passed
//!  Locked ───────────────────► Unlocked{key} ───────────────────────────────────► Locked
//!                               │  ▲
//!                         Pause └──┘ Resume, Open
//! ```
//!
//! A pause ends nothing: it says that what a person has granted rests. The deadlines go on meanwhile.
//!
//! `Unlocked` owns the key. There is no other place for one: to be locked means that the value does
//! not exist, so code that forgets to check does not compile.

use std::time::Duration;

use glassdome_proto::session::LockReason;

use crate::clock::Now;

/// The longest session there is.
pub const CEILING: Duration = Duration::from_secs(8 * 3600);
/// How often [`Input::Tick`] comes while a session is open.
pub const TICK: Duration = Duration::from_secs(5);
/// A tick that is later than this means that the process or the machine stood still.
pub const LATE: Duration = Duration::from_secs(10);

/// How long a session may last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// In all; never more than [`CEILING`].
    pub total: Duration,
    /// Without an authorised request.
    pub idle: Option<Duration>,
}

/// The session. `K` is the key, which nothing here looks at.
#[derive(Debug)]
pub struct Session<K> {
    state: State<K>,
    locks: u64,
}

#[derive(Debug)]
enum State<K> {
    Locked { last: Option<LockReason> },
    Unlocked(Unlocked<K>),
}

/// An open session.
#[derive(Debug)]
pub struct Unlocked<K> {
    key: K,
    boot_end: Duration,
    wall_end: Duration,
    idle: Option<Duration>,
    idle_end: Option<Duration>,
    last_tick: Duration,
    paused: bool,
}

/// What can happen to a session.
#[derive(Debug)]
pub enum Input<K> {
    /// The vault was opened: begin, or begin anew.
    Open {
        /// The key, from now on owned here.
        key: K,
        /// For how long.
        limits: Limits,
    },
    /// End.
    Lock(LockReason),
    /// What was granted rests from now on.
    Pause,
    /// It holds again.
    Resume,
    /// The timer: every [`TICK`] while open.
    Tick,
    /// A request is about to be judged: is it still open, at this very moment?
    Check,
    /// An authorised request: the only thing that moves the idle limit.
    Used,
}

impl<K> Default for Session<K> {
    fn default() -> Self {
        Self { state: State::Locked { last: None }, locks: 0 }
    }
}

impl<K> Session<K> {
    /// The next state, and the reason if a session just ended.
    #[must_use = "the old session is gone, and an end must be recorded"]
    pub fn step(mut self, input: Input<K>, now: Now) -> (Self, Option<LockReason>) {
        // Time is judged first: no input, an unlock included, finds a session that is over.
        let over = match &self.state {
            State::Unlocked(open) => open.over(now),
            State::Locked { .. } => None,
        };
        if let Some(reason) = over {
            self = self.locked(reason);
        }
        match (input, self.state) {
            (Input::Open { key, limits }, _) => {
                let state = State::Unlocked(Unlocked::begin(key, limits, now));
                (Self { state, locks: self.locks }, over)
            }
            (Input::Lock(reason), State::Unlocked(open)) => {
                let session = Self { state: State::Unlocked(open), locks: self.locks };
                (session.locked(reason), Some(reason))
            }
            // Counted though nothing was open: an unlock in flight must not survive it.
            (Input::Lock(_), locked) => (Self { state: locked, locks: self.locks + 1 }, over),
            (Input::Tick, State::Unlocked(open)) => {
                let state = State::Unlocked(Unlocked { last_tick: now.boot, ..open });
                (Self { state, locks: self.locks }, over)
            }
            (Input::Pause, State::Unlocked(open)) => {
                let state = State::Unlocked(Unlocked { paused: true, ..open });
                (Self { state, locks: self.locks }, over)
            }
            (Input::Resume, State::Unlocked(open)) => {
                let state = State::Unlocked(Unlocked { paused: false, ..open });
                (Self { state, locks: self.locks }, over)
            }
            (Input::Used, State::Unlocked(open)) => {
                let idle_end = open.idle.map(|idle| now.boot + idle);
                let state = State::Unlocked(Unlocked { idle_end, ..open });
                (Self { state, locks: self.locks }, over)
            }
            (_, state) => (Self { state, locks: self.locks }, over),
        }
    }

    fn locked(self, reason: LockReason) -> Self {
        Self { state: State::Locked { last: Some(reason) }, locks: self.locks + 1 }
    }

    /// Why it will end with this input, if it will: what [`Session::step`] will say.
    pub fn would_end(&self, input: &Input<K>, now: Now) -> Option<LockReason> {
        let State::Unlocked(open) = &self.state else { return None };
        match input {
            Input::Lock(reason) => Some(open.over(now).unwrap_or(*reason)),
            _ => open.over(now),
        }
    }

    /// Whether it is as it was: a look at the time would end nothing.
    pub fn holds(&self, now: Now) -> bool {
        match &self.state {
            State::Unlocked(open) => open.over(now).is_none(),
            State::Locked { .. } => true,
        }
    }

    /// Moves the idle limit, as [`Input::Used`] does, of a session that [`Session::holds`].
    pub fn touch(&mut self, now: Now) {
        if let State::Unlocked(open) = &mut self.state {
            open.idle_end = open.idle.map(|idle| now.boot + idle);
        }
    }

    /// The open session, if there is one. Whoever asks has stepped [`Input::Check`] before.
    pub fn open(&self) -> Option<&Unlocked<K>> {
        match &self.state {
            State::Unlocked(open) => Some(open),
            State::Locked { .. } => None,
        }
    }

    /// Why the last session ended, while none is open.
    pub fn last_lock(&self) -> Option<LockReason> {
        match &self.state {
            State::Locked { last } => *last,
            State::Unlocked(_) => None,
        }
    }

    /// Has the open session go on with another key, until the time that it had; `false` if there is none.
    pub fn go_on_with(&mut self, key: K) -> bool {
        match &mut self.state {
            State::Unlocked(open) => open.key = key,
            State::Locked { .. } => return false,
        }
        true
    }

    /// Counts the locks. A request that sees another count than when it began is answered `Locked`.
    pub fn locks(&self) -> u64 {
        self.locks
    }
}

impl<K> Unlocked<K> {
    fn begin(key: K, limits: Limits, now: Now) -> Self {
        let total = limits.total.min(CEILING);
        Self {
            key,
            boot_end: now.boot + total,
            wall_end: now.wall + total,
            idle: limits.idle,
            idle_end: limits.idle.map(|idle| now.boot + idle),
            last_tick: now.boot,
            paused: false,
        }
    }

    /// Why this session is over at `now`, if it is. Either clock suffices: one that was set back
    /// cannot lengthen what the other ends.
    fn over(&self, now: Now) -> Option<LockReason> {
        if now.boot >= self.boot_end || now.wall >= self.wall_end {
            Some(LockReason::Expired)
        } else if self.idle_end.is_some_and(|end| now.boot >= end) {
            Some(LockReason::Idle)
        } else if now.boot.saturating_sub(self.last_tick) > TICK + LATE {
            Some(LockReason::Suspend)
        } else {
            None
        }
    }

    /// Whether what was granted rests.
    pub fn is_paused(&self) -> bool {
        self.paused
    }

    /// The key.
    pub fn key(&self) -> &K {
        &self.key
    }

    /// When it ends at the latest, by the wall clock as it goes at `now`.
    pub fn expires_at(&self, now: Now) -> Duration {
        now.wall + self.left_in_all(now)
    }

    /// How long until it ends if nobody uses it.
    pub fn left(&self, now: Now) -> Duration {
        let idle = self.idle_end.map_or(Duration::MAX, |end| end.saturating_sub(now.boot));
        self.left_in_all(now).min(idle)
    }

    fn left_in_all(&self, now: Now) -> Duration {
        self.boot_end.saturating_sub(now.boot).min(self.wall_end.saturating_sub(now.wall))
    }

    /// How long until the timer must look again.
    pub fn next_tick(&self, now: Now) -> Duration {
        self.left(now).min(TICK)
    }
}

#[cfg(test)]
#[path = "session_tests.rs"]
mod tests;
