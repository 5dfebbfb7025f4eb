//! What a machine hands out and how it treats inputs: events, tickets, deadlines and dispositions.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::io::{Request, RequestId, id};
use crate::outcome::Outcome;
use crate::util::Instant;

id! {
    /// Identifies one call of `resolve`.
    Ticket
}

/// An event from `poll`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    /// A request to start. Its answer may be passed in before the next `poll`.
    Request(Request),
    /// The request is no longer needed: stop it. A late answer changes nothing.
    Cancel(RequestId),
    /// The outcome of a lookup, exactly once for each ticket (I11).
    Finished(Ticket, Outcome),
}

/// How an input was processed (I3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[must_use = "a driver may want to count answers that came to nothing"]
pub enum Disposition {
    /// It matched an open request or ticket and was used.
    Accepted,
    /// Its request or ticket has ended (answered, cancelled or abandoned), or the endpoint does not belong to the name. Nothing changed.
    Stale,
    /// The id never existed, or the name is not in the cache. Nothing changed.
    Unknown,
}

/// A time at which the machine has to be called, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Deadline {
    /// The earliest time to call `handle_timeout`.
    pub at: Instant,
    /// The reason.
    pub kind: DeadlineKind,
}

/// The reason of a deadline.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum DeadlineKind {
    /// The next attempt at a question starts, at another name server or address.
    NextAttempt,
    /// A question has failed.
    QuestionTimeout,
    /// A GET starts with the addresses of one family, because the other is late.
    ResolutionDelay,
    /// A result is finished without late addresses.
    LateAddresses,
    /// The `.well-known` request has failed.
    WellKnownTimeout,
    /// An expired fact is used, because its refresh has no answer.
    Stale,
    /// A lookup has failed.
    LookupDeadline,
    /// A lookup without a slot has failed.
    QueueDeadline,
    /// No timer: the call shows that the driver is running ([`Config::heartbeat`](crate::Config::heartbeat)).
    Heartbeat,
}
