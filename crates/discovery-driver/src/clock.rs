//! Converts between a monotonic clock and the core's instants. Reads no clock.

use std::time::{Duration, Instant as StdInstant};

use discovery_core::Instant;

/// Converts between instants of the standard library and of discovery-core, whose origin is the time at which it was started.
///
/// A resolver has one clock for as long as it exists: instants of two clocks cannot be compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Clock {
    origin: StdInstant,
}

impl Clock {
    /// The clock whose origin is `now`.
    pub const fn start(now: StdInstant) -> Self {
        Self { origin: now }
    }

    /// The core's instant for a time; times before the start become the origin.
    pub fn to_core(&self, moment: StdInstant) -> Instant {
        Instant::ORIGIN.saturating_add(moment.saturating_duration_since(self.origin))
    }

    /// The time of an instant, for timers; None if it is too late to be represented, and will never come.
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
