//! Notices that the driver was away: a stopped process, a suspended machine, a blocked thread.
//!
//! Time in which the driver could not act is never the other side's silence (I15). An input that comes more than a second
//! after the driver was due ends a pause: every deadline of what is under way moves by the time since the input before, so
//! that answers which have arrived meanwhile are still read, and those that have not still have the time they had.

use std::time::Duration;

use crate::events::{Deadline, DeadlineKind};
use crate::io::Answer;
use crate::util::Instant;

/// How much later than it was due a driver may call without having been away.
pub(crate) const TOLERANCE: Duration = Duration::from_secs(1);
/// Pauses that one lookup outlives. With one more it fails as a local failure, so that a driver that is always late ends it (I14).
pub(crate) const MAX_PAUSES: u8 = 8;

/// When the driver has to call although nothing is due, so that a pause is noticed that is shorter than the next deadline.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Heartbeat {
    interval: Option<Duration>,
    next: Option<Instant>,
}

impl Heartbeat {
    pub(crate) const fn new(interval: Option<Duration>) -> Self {
        Self { interval, next: None }
    }

    /// The next call while requests are in flight.
    pub(crate) fn deadline(&self) -> Option<Deadline> {
        self.next.map(|at| Deadline { at, kind: DeadlineKind::Heartbeat })
    }

    /// An input has been processed. The time of the next call does not move with each input, for a driver is woken where its deadline
    /// has changed.
    pub(crate) fn beat(&mut self, is_busy: bool, now: Instant) {
        self.next = match self.interval {
            Some(interval) if is_busy => {
                Some(self.next.filter(|at| *at > now).unwrap_or(now + interval))
            }
            Some(_) | None => None,
        };
    }

    /// How long the driver was away, where it was: since the last input, and at least since something was `due`.
    pub(crate) fn away(
        &self,
        due: Option<Instant>,
        last: Instant,
        now: Instant,
    ) -> Option<Duration> {
        let due = [due, self.next].into_iter().flatten().min()?;
        (now > due + TOLERANCE).then(|| now.saturating_duration_since(last))
    }
}

/// Whether an answer may come from the pause in which its request was open: the server or something on the path may have given up
/// on a client that was silent.
pub(crate) fn is_doubtful(answer: &Answer) -> bool {
    match answer {
        Answer::Dns(_, reply) => reply.is_err(),
        Answer::Http(_, Ok(response)) => {
            response.status == http::StatusCode::REQUEST_TIMEOUT
                || response.status.is_server_error()
        }
        Answer::Http(_, Err(_)) => true,
    }
}
