//! What a resolver has done, as plain data.

use serde::{Deserialize, Serialize};

/// What a resolver has done since it was made, and what it holds now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Counters {
    /// Tickets that were answered from memory, without asking anything.
    pub hits: u64,
    /// Tickets for which something had to be asked.
    pub misses: u64,
    /// Tickets that joined a lookup of the same name that was under way.
    pub coalesced: u64,
    /// Tickets refused because there were too many lookups.
    pub refused: u64,
    /// Lookups begun to refresh what was in use.
    pub refreshes: u64,
    /// Reports of callers about places that were theirs to report.
    pub reports: u64,
    /// Lookups begun because what callers reported put the facts behind a name in doubt.
    pub rechecks: u64,
    /// Times that a last good fact stood in for one that could not be had in time.
    pub fallbacks: u64,
    /// DNS questions asked, each with one request or more.
    pub dns_questions: u64,
    /// GETs asked, each at one address or more.
    pub gets: u64,
    /// Facts that came in as data and were news.
    pub taught: u64,
    /// Questions that speculation asked for nothing.
    pub speculated_in_vain: u64,
    /// Times that the driver was away while something was under way ([`Config::heartbeat`](crate::Config::heartbeat)).
    pub pauses: u64,
    /// Lookups under way.
    pub lookups: usize,
    /// DNS questions under way.
    pub dns_in_flight: usize,
    /// GETs under way.
    pub gets_in_flight: usize,
    /// Questions that wait for a slot.
    pub queued: usize,
    /// Facts kept.
    pub facts: usize,
    /// Results kept.
    pub results: usize,
    /// Memory of both and of what was reported, in bytes, as far as it can be told.
    pub bytes: usize,
}
