//! Faults between a machine and its world: answers that are lost, duplicated, reordered or bogus.
//!
//! The same seed and the same requests give the same faults.

use std::time::Duration;

use crate::draw::Draw;
use crate::world::World;

/// Draws the faults of each answer, and counts them.
#[derive(Clone, Debug)]
pub struct FaultInjector {
    draw: Draw,
    /// Of a hundred answers, how many are lost, duplicated, reordered and bogus.
    percent: [usize; 4],
    /// The worlds from which bogus answers are taken.
    bogus: Vec<World>,
    /// Answers lost, duplicated, reordered and bogus so far.
    pub faults: [u64; 4],
}

/// The faults of one answer.
#[derive(Clone, Debug, Default)]
pub(crate) struct Fate {
    pub(crate) lost: bool,
    /// How much later it comes than the world says.
    pub(crate) late: Duration,
    /// The time until its duplicate arrives.
    pub(crate) again: Option<Duration>,
    /// The world that gives the answer instead.
    pub(crate) bogus: Option<World>,
}

/// The longest delay of a reordered answer, in milliseconds.
const LATEST: usize = 4_000;

impl FaultInjector {
    /// Rates of faults of its own for each seed, from none to many; a bogus answer is one of these worlds'.
    #[must_use]
    pub fn new(seed: u64, bogus: Vec<World>) -> Self {
        let mut draw = Draw::new(seed);
        let percent = [40, 20, 50, 10].map(|most| draw.below(most));
        Self { draw, percent, bogus, faults: [0; 4] }
    }

    pub(crate) fn next(&mut self) -> Fate {
        let mut happens = [false; 4];
        for ((happens, percent), count) in
            happens.iter_mut().zip(self.percent).zip(&mut self.faults)
        {
            *happens = self.draw.below(100) < percent;
            *count = count.saturating_add(u64::from(*happens));
        }
        let [lost, twice, late, not_so] = happens;
        let mut span =
            |most: usize| Duration::from_millis(u64::try_from(self.draw.below(most)).unwrap_or(0));
        Fate {
            lost,
            late: if late { span(LATEST) } else { Duration::ZERO },
            again: twice.then(|| span(LATEST)),
            bogus: (not_so && !self.bogus.is_empty())
                .then(|| self.draw.one_of(&self.bogus).clone()),
        }
    }
}
