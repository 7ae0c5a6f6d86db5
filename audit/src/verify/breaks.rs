//! The places where seals begin anew, and nothing shows that the same daemon went on. Each may be the
//! work of a forger, or of a crash; a check goes on behind them, since what was done later must not
//! hide behind what happened once. They are kept until something vouches for them.

use super::fault::Fault;

/// Places that are listed; of the others, how many there are.
const LISTED: usize = 20;

/// Such places, in bounded memory.
#[derive(Debug, Default)]
pub(super) struct Breaks {
    first: Vec<Fault>,
    count: u64,
}

impl Breaks {
    /// One more.
    pub(super) fn push(&mut self, fault: Fault) {
        self.count += 1;
        if self.first.len() < LISTED {
            self.first.push(fault);
        }
    }

    /// All up to here are vouched for: how many.
    pub(super) fn clear(&mut self) -> u64 {
        self.first.clear();
        std::mem::take(&mut self.count)
    }

    /// These and then those: the first of both, and how many more there are.
    pub(super) fn and(mut self, later: Self) -> (Vec<Fault>, u64) {
        let count = self.count + later.count;
        self.first.extend(later.first);
        self.first.truncate(LISTED);
        let more = count - self.first.len() as u64;
        (self.first, more)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verify::{Kind, Place};

    #[test]
    fn the_first_are_listed_and_all_are_counted() {
        let of = |from: u64, to: u64| {
            let mut breaks = Breaks::default();
            (from..to).for_each(|seq| {
                breaks.push(Fault::at(&Place::default(), Some(seq), Kind::Unlinked));
            });
            breaks
        };
        for (earlier, later, more) in [(0, 3, 0), (3, 17, 0), (3, 18, 1), (20, 5, 5), (100, 100, 180)] {
            let (listed, rest) = of(0, earlier).and(of(earlier, earlier + later));
            let seqs: Vec<u64> = listed.iter().filter_map(|fault| fault.seq).collect();
            let expected: Vec<u64> = (0..(earlier + later).min(20)).collect();
            assert_eq!((seqs, rest), (expected, more), "{earlier} and {later}");
        }
        let mut breaks = of(0, 30);
        assert_eq!(breaks.clear(), 30);
        assert_eq!(breaks.and(of(7, 8)).1, 0);
    }
}
