//! How often a program is refused before it is told to come back later: what asks in a loop for what it may not
//! have costs a lookup, and neither the person nor the log a line for each. Pure; the clock is the caller's.
//!
//! Only refusals of the policy count. What is allowed, what is typed in a granted terminal, and lock are never
//! held up by it, whoever else is refused meanwhile.

use std::cell::RefCell;
use std::collections::HashMap;
use std::num::NonZeroU32;
use std::time::Duration;

use glassdome_proto::{Per, Rate};

use crate::caller::Caller;
use crate::policy::rate::Bucket;

/// So many refusals are told as what they are, at once; then as many in a minute, evenly.
pub const OFTEN: u32 = 30;
/// Programs told apart; all further ones count as one.
const PROGRAMS: usize = 256;

/// There were too many refusals.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Often {
    /// How long until the next is told as what it is.
    pub wait: Duration,
    /// Whether it is not this program that was refused so often, but many others with it.
    pub of_many: bool,
}

/// All of a session.
#[derive(Debug, Default)]
pub struct Refusals(RefCell<HashMap<Caller, Bucket>>);

impl Refusals {
    /// Counts one.
    ///
    /// # Errors
    /// There were too many.
    pub fn count(&self, who: Caller, now: Duration) -> Result<(), Often> {
        let mut buckets = self.0.borrow_mut();
        let mut who = who;
        if buckets.len() >= PROGRAMS && !buckets.contains_key(&who) {
            buckets.retain(|_, bucket| !bucket.is_full(now));
            if buckets.len() >= PROGRAMS {
                who = Caller::Another;
            }
        }
        let count = NonZeroU32::new(OFTEN).expect("it is not zero");
        let of_many = who == Caller::Another;
        let bucket = buckets.entry(who).or_insert(Bucket::full(Rate { count, per: Per::Minute }));
        *bucket = bucket.take(now).map_err(|wait| Often { wait, of_many })?;
        Ok(())
    }

    /// The session is over.
    pub fn clear(&self) {
        self.0.borrow_mut().clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Duration {
        Duration::from_secs(1000 + seconds)
    }

    #[test]
    fn a_loop_is_told_to_come_back_and_nobody_else_is() {
        let refusals = Refusals::default();
        let count = |pid, now| refusals.count(Caller::Process(pid), now);
        for _ in 0..OFTEN {
            count(1, at(0)).unwrap();
        }
        let often = |seconds| Err(Often { wait: Duration::from_secs(seconds), of_many: false });
        assert_eq!(count(1, at(0)), often(2));
        assert_eq!(count(1, at(1)), often(1), "what is held up costs nothing");
        count(2, at(1)).unwrap();
        count(1, at(2)).unwrap();
        assert_eq!(count(1, at(2)), often(2));
        refusals.clear();
        count(1, at(2)).unwrap();
    }

    #[test]
    fn a_thousand_programs_are_a_few() {
        let refusals = Refusals::default();
        for pid in 0..1000 {
            // Past the room that there is all count as one.
            let counted = refusals.count(Caller::Process(pid), at(0));
            assert_eq!(counted.is_ok(), pid < (PROGRAMS as i32) + OFTEN as i32, "{pid}");
            assert!(counted.is_ok() || counted.is_err_and(|often| often.of_many), "{pid} did nothing often");
        }
        assert!(refusals.0.borrow().len() <= PROGRAMS + 1);
        // Those that were not refused for a while leave room.
        refusals.count(Caller::Process(2000), at(61)).unwrap();
        assert!(refusals.0.borrow().len() <= 2, "{}", refusals.0.borrow().len());
    }
}
