//! The states of a question in a [`Resolver`](crate::Resolver), for tests. Nothing is decided by them.

/// Where a question stands: whether it is being asked, and what is remembered of it. The two go on side by side, for what is
/// remembered is asked again before and after its expiry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Life {
    /// Whether it is being asked.
    pub under_way: UnderWay,
    /// What is remembered of it.
    pub in_memory: InMemory,
}

/// Whether a question is being asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum UnderWay {
    /// Nobody asks it.
    Idle,
    /// It waits for a slot.
    Queued,
    /// Requests are out, and somebody waits for it.
    Asked,
    /// Requests are out, and nobody waits for it any longer: what it brings is remembered.
    RunningOn,
}

/// What is remembered of a question.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum InMemory {
    /// Nothing.
    Unknown,
    /// A fact that may be used: an answer, or that there is none.
    Fresh,
    /// It has failed, and is not asked again before its back-off is over; there is nothing better.
    Failing,
    /// It has failed or is late, and is not asked again before its back-off is over; what was known before stands in.
    Stale,
    /// A fact, or a failure, whose time is over: good for a guess, and to stand in should the next answer fail or be late.
    Expired,
}
