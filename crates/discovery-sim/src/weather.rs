//! What goes wrong between a machine and its world: packets lost, doubled and out of order, name servers and hosts that say what is not
//! so.
//!
//! Knows nothing of machines. The same seed and the same requests make the same weather.

use std::time::Duration;

use crate::draw::Draw;
use crate::world::World;

/// What goes wrong, and what has gone wrong so far.
#[derive(Clone, Debug)]
pub struct Weather {
    draw: Draw,
    /// Of a hundred answers, so many are lost, given twice, given out of order, not so.
    percent: [usize; 4],
    /// What is said where it is not so.
    lies: Vec<World>,
    /// Answers lost, given twice, given out of order, not so.
    pub faults: [u64; 4],
}

/// What becomes of one answer.
#[derive(Clone, Debug, Default)]
pub(crate) struct Fate {
    pub(crate) lost: bool,
    /// How much later it comes than the world says.
    pub(crate) late: Duration,
    /// How long after that it comes once more.
    pub(crate) again: Option<Duration>,
    /// The world that answers instead.
    pub(crate) lie: Option<World>,
}

/// An answer that is out of order comes so many milliseconds later, at most.
const LATEST: usize = 4_000;

impl Weather {
    /// Weather of its own for each seed, from calm to wild; where it lies, one of these worlds answers.
    #[must_use]
    pub fn new(seed: u64, lies: Vec<World>) -> Self {
        let mut draw = Draw::new(seed);
        let percent = [40, 20, 50, 10].map(|most| draw.below(most));
        Self { draw, percent, lies, faults: [0; 4] }
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
            lie: (not_so && !self.lies.is_empty()).then(|| self.draw.one_of(&self.lies).clone()),
        }
    }
}
