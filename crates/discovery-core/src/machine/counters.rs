//! What a resolver has done, as plain data.

use serde::{Deserialize, Serialize};

/// Totals since the resolver was made, and its current size.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Counters {
    /// Tickets answered from the cache, without a request.
    pub hits: u64,
    /// Tickets that needed a request.
    pub misses: u64,
    /// Tickets that joined a running lookup of the same name.
    pub coalesced: u64,
    /// Tickets refused because `limits.max_lookups` was reached.
    pub refused: u64,
    /// Lookups started to refresh facts in use.
    pub refreshes: u64,
    /// Accepted reports of callers about endpoints.
    pub reports: u64,
    /// Lookups started because reports of callers invalidated the facts behind a name.
    pub rechecks: u64,
    /// Number of times an expired fact was used because its refresh failed or was late.
    pub fallbacks: u64,
    /// DNS questions sent, each in one request or more.
    pub dns_questions: u64,
    /// GETs sent, each to one address or more.
    pub gets: u64,
    /// Imported facts that were new.
    pub taught: u64,
    /// Speculative questions whose answers were not needed.
    pub speculated_in_vain: u64,
    /// Number of pauses of the driver while requests were in flight ([`Config::heartbeat`](crate::Config::heartbeat)).
    pub pauses: u64,
    /// Running lookups.
    pub lookups: usize,
    /// DNS questions in flight.
    pub dns_in_flight: usize,
    /// GETs in flight.
    pub gets_in_flight: usize,
    /// Questions waiting for a slot.
    pub queued: usize,
    /// Facts in the cache.
    pub facts: usize,
    /// Results in the cache.
    pub results: usize,
    /// Memory of facts, results and reports, in bytes, as far as it can be counted.
    pub bytes: usize,
}
