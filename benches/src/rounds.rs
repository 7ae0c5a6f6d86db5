//! Taking turns: a few calls of one, a few of the other, and again, each time in another order. A
//! disturbance that lasts longer than a round hits all of them.

use std::time::{Duration, Instant};

use crate::error::Error;

/// Something that is timed, one call at a time. It is told how often it was called before.
pub(crate) type Timed<'a> = &'a mut dyn FnMut(usize) -> Result<(), Error>;

/// Something that times its own calls: a turn of it, in that round, gives how long each took.
pub(crate) type Turn<'a> = &'a mut dyn FnMut(usize) -> Result<Vec<Duration>, Error>;

/// How long each call took.
#[derive(Debug, Clone)]
pub(crate) struct Samples {
    all: Vec<Duration>,
    /// The median of each round.
    rounds: Vec<Duration>,
}

impl Samples {
    /// Half took no longer.
    pub(crate) fn median(&self) -> Duration {
        at(&self.all, 0.5)
    }

    /// 99 of 100 took no longer.
    pub(crate) fn p99(&self) -> Duration {
        at(&self.all, 0.99)
    }

    /// For one of `count` that each call did.
    pub(crate) fn each(mut self, count: u32) -> Self {
        for time in self.all.iter_mut().chain(&mut self.rounds) {
            *time /= count;
        }
        self
    }

    /// How many times as long as `floor`: the median over all rounds of what each says for itself.
    /// What disturbs a whole round disturbs both alike.
    pub(crate) fn over(&self, floor: &Self) -> f64 {
        let rounds = self.rounds.iter().zip(&floor.rounds);
        let mut ratios: Vec<f64> = rounds.map(|(ours, floor)| ours.div_duration_f64(*floor)).collect();
        ratios.sort_unstable_by(f64::total_cmp);
        ratios[ratios.len() / 2]
    }

    /// How much longer than `floor`: the median over all rounds, as in [`Samples::over`].
    pub(crate) fn beyond(&self, floor: &Self) -> Duration {
        let rounds = self.rounds.iter().zip(&floor.rounds);
        let mut more: Vec<_> = rounds.map(|(ours, floor)| ours.saturating_sub(*floor)).collect();
        more.sort_unstable();
        more[more.len() / 2]
    }
}

fn at(sorted: &[Duration], share: f64) -> Duration {
    // At most the length, which is small.
    let rank = ((sorted.len() as f64 * share).ceil() as usize).clamp(1, sorted.len());
    sorted[rank - 1]
}

/// Times `calls` of each in every round.
pub(crate) fn take_turns<const N: usize>(
    rounds: usize,
    calls: usize,
    timed: [Timed<'_>; N],
) -> Result<[Samples; N], Error> {
    let mut turns = timed.map(|timed| move |round| turn(round, calls, timed));
    by_turns(rounds, turns.each_mut().map(|turn| turn as Turn<'_>))
}

/// One turn of `calls`. The first call after another's turn is not counted: it finds the caches cold.
pub(crate) fn turn(round: usize, calls: usize, timed: Timed<'_>) -> Result<Vec<Duration>, Error> {
    let first = round * (calls + 1);
    let mut times = Vec::with_capacity(calls);
    timed(first)?;
    for call in first + 1..=first + calls {
        let started = Instant::now();
        timed(call)?;
        times.push(started.elapsed());
    }
    Ok(times)
}

/// A turn of each in every round.
pub(crate) fn by_turns<const N: usize>(rounds: usize, turns: [Turn<'_>; N]) -> Result<[Samples; N], Error> {
    let mut samples = [const { Samples { all: Vec::new(), rounds: Vec::new() } }; N];
    for round in 0..rounds {
        for turn in 0..N {
            let who = (round + turn) % N;
            let mut times = turns[who](round)?;
            times.sort_unstable();
            samples[who].rounds.push(at(&times, 0.5));
            samples[who].all.extend(&times);
        }
    }
    for samples in &mut samples {
        samples.all.sort_unstable();
    }
    Ok(samples)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranks_are_those_of_the_sorted_times() {
        let times: Vec<_> = (1..=200).map(Duration::from_nanos).collect();
        let [median, p99] = [0.5, 0.99].map(|share| at(&times, share).as_nanos());
        assert_eq!((median, p99), (100, 198));
        assert_eq!(at(&times[..1], 0.99), times[0]);
    }

    #[test]
    fn a_disturbed_round_does_not_change_the_ratio() {
        let samples = |rounds: &[u64]| {
            let rounds: Vec<_> = rounds.iter().map(|n| Duration::from_nanos(*n)).collect();
            Samples { all: rounds.clone(), rounds }
        };
        let (floor, ours) = (samples(&[10, 40, 10, 10, 30]), samples(&[20, 80, 20, 90, 60]));
        assert!((ours.over(&floor) - 2.0).abs() < 1e-9);
        assert_eq!(ours.beyond(&floor), Duration::from_nanos(30));
    }

    #[test]
    fn each_has_its_turns() {
        let (mut a, mut b) = (0, 0);
        let [first, second] = take_turns(
            3,
            4,
            [
                &mut |turn| {
                    assert_eq!(turn, a);
                    a += 1;
                    Ok(())
                },
                &mut |_| {
                    b += 1;
                    Ok(())
                },
            ],
        )
        .unwrap();
        assert_eq!((a, b), (15, 15));
        assert_eq!((first.all.len(), second.rounds.len()), (12, 3));
    }
}
