//! What a machine hands out and how it treats inputs: events, tickets, deadlines and dispositions.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::io::{Request, RequestId, id};
use crate::outcome::Outcome;
use crate::util::Instant;

id! {
    /// Names one call of `resolve`.
    Ticket
}

/// What `poll` hands out, in order.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    /// Start this, and answer it when it is done. Answering before the next `poll` is fine.
    Request(Request),
    /// Nobody waits for this request any more: stop it. An answer that comes all the same changes nothing.
    Cancel(RequestId),
    /// The end of a lookup, exactly once for each ticket (I11).
    Finished(Ticket, Outcome),
}

/// What became of an input (I3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[must_use = "a driver may want to count answers that came to nothing"]
pub enum Disposition {
    /// It was waited for.
    Accepted,
    /// Its request (or ticket) has ended: answered before, cancelled, or abandoned; or the name does not lead to that place. Nothing changed.
    Stale,
    /// No such id was ever minted; or nothing is remembered of the name. Nothing changed.
    Unknown,
}

/// When the machine wants to be called although nothing was answered, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Deadline {
    /// Call `handle_timeout` at this instant or later.
    pub at: Instant,
    /// What happens then.
    pub kind: DeadlineKind,
}

/// What a deadline is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum DeadlineKind {
    /// The next attempt at a question begins: another name server, or another address.
    NextAttempt,
    /// A question is given up.
    QuestionTimeout,
    /// A GET begins with the addresses of one family, the other being late.
    ResolutionDelay,
    /// A result goes out without the addresses that are late.
    LateAddresses,
    /// The `.well-known` request is given up.
    WellKnownTimeout,
    /// The last good fact is used while its refresh hangs.
    Stale,
    /// A lookup is given up.
    LookupDeadline,
    /// A lookup that never got a slot is given up.
    QueueDeadline,
    /// Nothing: the call shows that the driver is there ([`Config::heartbeat`](crate::Config::heartbeat)).
    Heartbeat,
}
