//! Time as data: instants on the caller's own monotonic clock, and seconds of the wall clock that arrive with responses.
//!
//! Nothing here, nor anywhere in this crate, reads a clock.
//!
//! Instants may lie before the origin. A fact that was imported may be older than this process, and must not look
//! younger.

use std::fmt;
use std::num::NonZeroU64;
use std::ops::Add;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// A point on the caller's monotonic clock, in nanoseconds from an origin that the caller chooses.
///
/// Arithmetic saturates: no instant overflows (over 500 years fit). Instants of callers never lie before the origin; imported facts can
/// have been learnt up to two years before it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(from = "u64", into = "u64")]
pub struct Instant(
    /// Never zero: instants that may be missing are kept by the million, and take no more room than others.
    NonZeroU64,
);

/// What stands for the origin inside: two years, in nanoseconds, may lie before it.
const BEFORE: u64 = 2 * 366 * 24 * 60 * 60 * 1_000_000_000;

impl Instant {
    /// The origin: where the caller's clock starts.
    pub const ORIGIN: Self = Self(NonZeroU64::MIN.saturating_add(BEFORE));
    /// The last instant there is.
    pub const FAR_FUTURE: Self = Self(NonZeroU64::MAX);

    /// The instant that many nanoseconds after the origin.
    pub const fn from_nanos(nanos: u64) -> Self {
        Self(Self::ORIGIN.0.saturating_add(nanos))
    }

    /// The instant that many seconds after the origin.
    pub const fn from_secs(seconds: u64) -> Self {
        Self::from_nanos(seconds.saturating_mul(1_000_000_000))
    }

    /// Nanoseconds since the origin; zero for what lies before it.
    pub const fn as_nanos(self) -> u64 {
        self.0.get().saturating_sub(Self::ORIGIN.0.get())
    }

    /// This instant moved earlier, before the origin if need be; None: so long ago can't be told.
    pub(crate) fn before(self, duration: Duration) -> Option<Self> {
        let nanos = u64::try_from(duration.as_nanos()).ok()?;
        self.0.get().checked_sub(nanos).and_then(NonZeroU64::new).map(Self)
    }

    /// This instant moved later by `duration`; the last instant there is if that overflows.
    #[must_use]
    pub fn saturating_add(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)))
    }

    /// The time since `earlier`; zero if it is later.
    #[must_use]
    pub const fn saturating_duration_since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.get().saturating_sub(earlier.0.get()))
    }
}

impl Default for Instant {
    fn default() -> Self {
        Self::ORIGIN
    }
}

impl From<u64> for Instant {
    /// As [`Instant::from_nanos`].
    fn from(nanos: u64) -> Self {
        Self::from_nanos(nanos)
    }
}

impl From<Instant> for u64 {
    /// As [`Instant::as_nanos`].
    fn from(instant: Instant) -> Self {
        instant.as_nanos()
    }
}

impl Add<Duration> for Instant {
    type Output = Self;

    fn add(self, duration: Duration) -> Self {
        self.saturating_add(duration)
    }
}

impl fmt::Debug for Instant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Instant(+{:?})", Duration::from_nanos(self.as_nanos()))
    }
}

/// Seconds of the wall clock since 1970-01-01T00:00:00Z, as a driver saw it when a response came in.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct UnixTime(pub u64);

/// Milliseconds of the wall clock since 1970-01-01T00:00:00Z, at an export or import.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct UnixMillis(pub u64);

impl UnixMillis {
    /// Milliseconds since 1970, from the caller's clock; a clock before 1970 counts as 1970.
    pub fn from_system_time(time: std::time::SystemTime) -> Self {
        let since = time.duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        Self(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
    }
}

impl UnixTime {
    /// Seconds since 1970, from the driver's clock; a clock before 1970 counts as 1970.
    pub fn from_system_time(time: std::time::SystemTime) -> Self {
        Self(time.duration_since(std::time::UNIX_EPOCH).map_or(0, |since| since.as_secs()))
    }
}
