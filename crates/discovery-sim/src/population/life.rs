//! How servers change: eras between which everything may change, moves to other addresses, hours in which name servers fail.
//!
//! Every server has periods and phases of its own, so that when something happens is arithmetic.

use std::time::Duration;

use discovery_core::Instant;

use super::Population;
use super::draw::draw;

const HOUR: Duration = Duration::from_secs(60 * 60);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// How servers change. Each server draws its own period from each range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Churn {
    /// For how long a server stays set up as it is; more than the 48 h that a document may be kept for.
    pub era: (Duration, Duration),
    /// How long it keeps its addresses.
    pub stay: (Duration, Duration),
    /// How often its name servers fail.
    pub outage_every: (Duration, Duration),
    /// For how long.
    pub outage: (Duration, Duration),
}

impl Default for Churn {
    fn default() -> Self {
        Self {
            era: (DAY.saturating_mul(20), DAY.saturating_mul(200)),
            stay: (DAY.saturating_mul(7), DAY.saturating_mul(90)),
            outage_every: (DAY.saturating_mul(15), DAY.saturating_mul(90)),
            outage: (HOUR, HOUR.saturating_mul(12)),
        }
    }
}

/// A stretch of a server's life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// Which one.
    pub number: u64,
    /// When it began.
    pub since: Instant,
}

impl Population {
    /// The era that a server is in.
    pub fn era(&self, server: u64, at: Instant) -> Span {
        self.span("era", self.churn.map(|churn| churn.era), server, at)
    }

    /// How often a server has moved to other addresses.
    pub fn moves(&self, server: u64, at: Instant) -> Span {
        self.span("stay", self.churn.map(|churn| churn.stay), server, at)
    }

    fn span(
        &self,
        what: &str,
        range: Option<(Duration, Duration)>,
        server: u64,
        at: Instant,
    ) -> Span {
        let Some(range) = range else { return Span { number: 0, since: Instant::ORIGIN } };
        let period = self.within(what, range, server, 0);
        let phase = draw(self.seed, what, server, 1).checked_rem(period).unwrap_or(0);
        let since_first = at.as_nanos().saturating_add(phase);
        let number = since_first.checked_div(period).unwrap_or(0);
        let since = number.saturating_mul(period).saturating_sub(phase);
        Span { number, since: Instant::from_nanos(since) }
    }

    /// Whether the name servers of a server fail, and then whether they are silent.
    pub fn outage(&self, server: u64, at: Instant) -> Option<bool> {
        let number =
            self.span("outage", self.churn.map(|churn| churn.outage_every), server, at).number;
        let (_, end) = self.last_outage(server, at)?;
        let silent = draw(self.seed, "silent", server, number).is_multiple_of(2);
        (at < end).then_some(silent)
    }

    /// When the name servers of a server began to fail the last time, and when that was or will be over.
    pub fn last_outage(&self, server: u64, at: Instant) -> Option<(Instant, Instant)> {
        let churn = self.churn?;
        let Span { number, since } = self.span("outage", Some(churn.outage_every), server, at);
        let length = self.within("length", churn.outage, server, number);
        // The one that would have begun before time did is left out.
        (number > 0).then(|| (since, since.saturating_add(Duration::from_nanos(length))))
    }

    /// Whether the name servers of a server have failed since then.
    pub fn has_failed_since(&self, server: u64, since: Instant, at: Instant) -> bool {
        self.last_outage(server, at).is_some_and(|(_, end)| end > since)
    }

    /// Nanoseconds within a range.
    fn within(&self, what: &str, range: (Duration, Duration), server: u64, number: u64) -> u64 {
        let nanos = |duration: Duration| u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        let (least, most) = (nanos(range.0).max(1), nanos(range.1));
        let width = most.saturating_sub(least).saturating_add(1);
        let number = draw(self.seed ^ 0x5eed, what, server, number);
        least.saturating_add(number.checked_rem(width).unwrap_or(0))
    }
}
