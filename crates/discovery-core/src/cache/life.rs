//! The life of a question in a [`Resolver`](crate::Resolver): its states, and what leads from one to another.
//!
//! Decides nothing: the states are read from where a question stands, and the tables below say which ways there are between
//! them. The diagram of the architecture is printed from these tables, and random lives take every way in them and no other.

use std::fmt::Debug;
use std::fmt::Write as _;

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
    LastGood,
    /// A fact, or a failure, whose time is over: good for a guess, and to stand in should the next answer fail or be late.
    Expired,
}

/// The ways of a question that is asked: from where, whereto, and what for.
pub const UNDER_WAY: [(UnderWay, UnderWay, &str); 11] = [
    (UnderWay::Idle, UnderWay::Queued, "needed, no slot is free"),
    (UnderWay::Idle, UnderWay::Asked, "needed"),
    (UnderWay::Idle, UnderWay::RunningOn, "needed late, what was known stands in at once"),
    (UnderWay::Queued, UnderWay::Asked, "a slot comes free"),
    (UnderWay::Queued, UnderWay::Idle, "nobody waits any longer"),
    (UnderWay::Queued, UnderWay::RunningOn, "a slot comes free late, what was known stands in"),
    (UnderWay::Asked, UnderWay::Idle, "fact learnt, or nobody waits any longer"),
    (UnderWay::Asked, UnderWay::RunningOn, "given up as late"),
    (UnderWay::Asked, UnderWay::Queued, "forgotten and needed, no slot is free"),
    (UnderWay::RunningOn, UnderWay::Asked, "needed by another"),
    (UnderWay::RunningOn, UnderWay::Idle, "fact learnt, forgotten, or its own time is over"),
];

/// The ways of what is remembered of a question: from where, whereto, and what for.
pub const IN_MEMORY: [(InMemory, InMemory, &str); 17] = [
    (InMemory::Unknown, InMemory::Fresh, "answer"),
    (InMemory::Unknown, InMemory::Failing, "failure, or late"),
    (InMemory::Unknown, InMemory::Expired, "answer that lives no time"),
    (InMemory::Fresh, InMemory::Expired, "lifetime over"),
    (InMemory::Fresh, InMemory::LastGood, "refresh ahead failed"),
    (InMemory::Fresh, InMemory::Unknown, "forgotten, evicted"),
    (InMemory::Failing, InMemory::Fresh, "answer after all"),
    (InMemory::Failing, InMemory::Expired, "back-off over"),
    (InMemory::Failing, InMemory::Unknown, "forgotten, evicted"),
    (InMemory::LastGood, InMemory::Fresh, "answer after all, or back-off over before the lifetime"),
    (InMemory::LastGood, InMemory::Expired, "back-off over, or too old to stand in"),
    (InMemory::LastGood, InMemory::Failing, "too old to stand in"),
    (InMemory::LastGood, InMemory::Unknown, "forgotten, evicted"),
    (InMemory::Expired, InMemory::Fresh, "answer"),
    (InMemory::Expired, InMemory::LastGood, "failure, or late: what was known stands in"),
    (InMemory::Expired, InMemory::Failing, "failure, nothing stands in"),
    (InMemory::Expired, InMemory::Unknown, "forgotten, evicted"),
];

/// Both tables as diagrams, in the language of Mermaid.
pub fn diagram() -> String {
    let mut text = String::new();
    draw(&mut text, UnderWay::Idle, &UNDER_WAY);
    text.push('\n');
    draw(&mut text, InMemory::Unknown, &IN_MEMORY);
    text
}

fn draw<S: Copy + Debug>(text: &mut String, first: S, ways: &[(S, S, &str)]) {
    text.push_str("```mermaid\nstateDiagram-v2\n");
    // Writing to a text never fails.
    let _ = writeln!(text, "    [*] --> {first:?}");
    for (from, to, what_for) in ways {
        let _ = writeln!(text, "    {from:?} --> {to:?}: {what_for}");
    }
    text.push_str("```\n");
}
