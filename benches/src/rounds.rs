//! Taking turns: a few calls of one, a few of the other, and again, each time in another order. A
//! disturbance that lasts longer than a round hits all of them.

use std::time::{Duration, Instant};

use crate::error::Error;

/// Something that is timed, one call at a time. It is told how often it was called before.
pub(crate) type Timed<'a> = &'a mut dyn FnMut(usize) -> Result<(), Error>;

/// How long each call took.
#[derive(Debug, Clone)]
pub(crate) struct Samples(Vec<Duration>);

impl Samples {
    /// Half took no longer.
    pub(crate) fn median(&self) -> Duration {
        self.at(0.5)
    }

    /// 99 of 100 took no longer.
    pub(crate) fn p99(&self) -> Duration {
        self.at(0.99)
    }

    fn at(&self, share: f64) -> Duration {
        // At most the length, which is small.
        let rank = ((self.0.len() as f64 * share).ceil() as usize).clamp(1, self.0.len());
        self.0[rank - 1]
    }
}

/// Times `calls` of each in every round. The first call after another's turn is not counted: it
/// finds the caches cold.
pub(crate) fn take_turns<const N: usize>(
    rounds: usize,
    calls: usize,
    timed: [Timed<'_>; N],
) -> Result<[Samples; N], Error> {
    let mut samples = [const { Vec::new() }; N];
    for round in 0..rounds {
        for turn in 0..N {
            let who = (round + turn) % N;
            timed[who](round * (calls + 1))?;
            for call in 0..calls {
                let started = Instant::now();
                timed[who](round * (calls + 1) + call + 1)?;
                samples[who].push(started.elapsed());
            }
        }
    }
    Ok(samples.map(|mut times| {
        times.sort_unstable();
        Samples(times)
    }))
}
