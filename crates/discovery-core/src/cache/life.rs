//! The states of a question in a [`Resolver`](crate::Resolver), for tests. Nothing is decided by them.

/// Where a question stands: whether it is being asked, and what is remembered of it. The two go on side by side, for what is
/// remembered is asked again before and after its expiry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Life {
    /// Whether it is in flight.
    pub under_way: UnderWay,
    /// Its cache entry.
    pub in_memory: InMemory,
}

/// Whether a question is in flight.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum UnderWay {
    /// It is not in flight.
    Idle,
    /// It waits for a slot.
    Queued,
    /// Requests are out, and somebody waits for it.
    Asked,
    /// It is in flight and no lookup waits for it; its answer is cached.
    RunningOn,
}

/// The state of a cache entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum InMemory {
    /// Nothing.
    Unknown,
    /// A fact that may be used: an answer, or that there is none.
    Fresh,
    /// It has failed and is backed off; there is no stale fact.
    Failing,
    /// It has failed or is late and is backed off; the earlier fact is served stale.
    Stale,
    /// An expired fact or failure: usable for speculation, and stale if the next answer fails or is late.
    Expired,
}
