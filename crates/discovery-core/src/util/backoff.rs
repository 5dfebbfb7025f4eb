//! Exponential back-off.

use std::time::Duration;

/// A wait that doubles with each failure in a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Backoff {
    /// The wait after the first failure.
    pub(crate) first: Duration,
    /// The longest wait.
    pub(crate) max: Duration,
}

impl Backoff {
    /// The wait after so many failures in a row; none after no failure.
    pub(crate) fn after(self, failures: u32) -> Duration {
        let Some(doublings) = failures.checked_sub(1) else { return Duration::ZERO };
        let factor = 1_u32.checked_shl(doublings).unwrap_or(u32::MAX);
        self.first.saturating_mul(factor).min(self.max)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wait_doubles_up_to_the_longest() {
        let backoff = Backoff { first: Duration::from_secs(60), max: Duration::from_secs(600) };
        let waits = [0, 1, 2, 3, 4, 5, 33, u32::MAX].map(|failures| backoff.after(failures));
        assert_eq!(waits.map(|wait| wait.as_secs()), [0, 60, 120, 240, 480, 600, 600, 600]);
    }
}
