//! The bridge between the caller's monotonic clock and the core's instants.
//!
//! Reads no clock: it only adds and subtracts.

use std::time::{Duration, Instant as StdInstant};

use discovery_core::Instant;

/// Fixes which moment of the caller's clock is the core's origin, and converts both ways.
///
/// One clock serves one machine for as long as it lives: instants of two clocks mean nothing to each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Clock {
    origin: StdInstant,
}

impl Clock {
    /// The clock whose origin is `now`.
    pub const fn start(now: StdInstant) -> Self {
        Self { origin: now }
    }

    /// The core's instant for a moment; moments before the start are the origin.
    pub fn to_core(&self, moment: StdInstant) -> Instant {
        Instant::ORIGIN.saturating_add(moment.saturating_duration_since(self.origin))
    }

    /// The moment of an instant, for timers. `None` where the caller's clock cannot tell so late a moment: never.
    pub fn to_std(&self, instant: Instant) -> Option<StdInstant> {
        self.origin.checked_add(Duration::from_nanos(instant.as_nanos()))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "tests")]
    use super::*;

    #[test]
    fn there_and_back_is_the_same_moment() {
        let start = StdInstant::now();
        let clock = Clock::start(start);
        let later = start + Duration::from_nanos(1_234_567_891);
        assert_eq!(clock.to_core(start), Instant::ORIGIN);
        assert_eq!(clock.to_core(later), Instant::from_nanos(1_234_567_891));
        assert_eq!(clock.to_std(clock.to_core(later)), Some(later));
    }

    #[test]
    fn moments_before_the_start_are_the_origin() {
        let start = StdInstant::now() + Duration::from_secs(5);
        let clock = Clock::start(start);
        assert_eq!(
            clock.to_core(start.checked_sub(Duration::from_secs(3)).unwrap()),
            Instant::ORIGIN
        );
    }
}
