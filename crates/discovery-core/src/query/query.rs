//! One question's way to its fact: the places that may answer it, its errors, its deadlines and its end.
//!
//! Knows nothing of what the fact is for: no step of the specification is named here. DNS questions and GETs are alike: places
//! to try in turn, some of them open at once.
//!
//! When a query fails, several endpoints may have failed in different ways. A GET reports the error of its first address
//! in order, a DNS question the most specific of its errors. Both are independent of the order in which the errors
//! arrived.

use std::collections::{BTreeMap, VecDeque};
use std::net::IpAddr;
use std::ops::Range;
use std::time::Duration;

use crate::events::{Deadline, DeadlineKind};
use crate::fact::lifetime::{self};
use crate::fact::{CachedFact, Fact, Failure, Question};
use crate::io::{DnsError, HttpError, RequestId};
use crate::policy::Policy;
use crate::query::{Asked, Fared, Turn, slots};
use crate::util::Instant;

/// A name server or address that may answer a question.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Place {
    /// A name server, by the number of the attempt.
    Attempt(u8),
    /// An address of the URL's host.
    Address(IpAddr),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Error {
    Dns(DnsError),
    Http(HttpError),
}

/// An open request.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Open {
    pub(crate) id: RequestId,
    pub(crate) place: Place,
    /// For a DNS request, the name server and how it is asked.
    pub(crate) asked: Option<Asked>,
    pub(crate) since: Instant,
    pub(crate) connected: bool,
    /// Whether the driver was away while it was open.
    pub(crate) paused: bool,
}

/// The additional state of a GET in flight.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Get {
    /// Addresses that it has yet to be sent to.
    pub(crate) left: VecDeque<IpAddr>,
    /// All its addresses in order.
    pub(crate) via: Vec<IpAddr>,
    /// The lookups that may come with more.
    pub(crate) more: Vec<u64>,
    /// How often one that was silent made room for another: no more often than there are addresses.
    pub(crate) yielded: usize,
}

/// One question in flight.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Query {
    /// Minted in order: what is due at the same instant happens in this order.
    pub(crate) number: u64,
    /// Its place in the queue for a slot.
    pub(crate) place: slots::Place,
    /// For a DNS question, the attempts that are left.
    pub(crate) attempts: Range<u8>,
    /// For a DNS question, the queries sent so far, by attempt.
    pub(crate) asked: Vec<Asked>,
    /// For a DNS question, the lookups that have waited for it: its queries count against their budgets.
    pub(crate) payers: Vec<u64>,
    /// Whether an attempt was left out for want of a budget.
    pub(crate) over_budget: bool,
    pub(crate) open: Vec<Open>,
    /// Places that failed, and how.
    pub(crate) errors: Vec<(Place, Error)>,
    /// The state of a GET.
    pub(crate) get: Option<Box<Get>>,
    /// When it got its slot.
    pub(crate) released: Option<Instant>,
    pub(crate) next_at: Option<Instant>,
    pub(crate) last_start: Instant,
    /// Its entry among the timers.
    pub(crate) timer: Option<Instant>,
}

impl Query {
    pub(crate) fn has_left(&self) -> bool {
        !self.attempts.is_empty() || self.get.as_ref().is_some_and(|get| !get.left.is_empty())
    }

    /// The next place to put the question to.
    pub(crate) fn next_place(&mut self) -> Option<Place> {
        match &mut self.get {
            Some(get) => get.left.pop_front().map(Place::Address),
            None => self.attempts.next().map(Place::Attempt),
        }
    }

    /// The place is to be tried again: what became of it says nothing. An attempt only while it is the last one: numbers of attempts that
    /// are open stay apart.
    pub(crate) fn put_back(&mut self, place: Place) {
        match (&mut self.get, place) {
            (Some(get), Place::Address(address)) => get.left.push_front(address),
            (_, Place::Attempt(attempt)) => {
                if self.attempts.start == attempt.saturating_add(1) {
                    self.attempts.start = attempt;
                }
            }
            // Addresses are a GET's.
            (None, Place::Address(_)) => {}
        }
    }

    /// The place is to be tried again although other attempts are open: under a number of its own.
    pub(crate) fn try_again(&mut self, place: Place) {
        let left = self.attempts.len();
        self.put_back(place);
        if matches!(place, Place::Attempt(_)) && self.attempts.len() == left {
            self.attempts.end = self.attempts.end.saturating_add(1);
        }
    }

    /// The driver was away for so long: none of that counts as waiting (I15).
    pub(crate) fn resume(&mut self, away: Duration) {
        let moved = |at: &mut Instant| *at = *at + away;
        [&mut self.released, &mut self.next_at].into_iter().flatten().for_each(moved);
        moved(&mut self.last_start);
        for open in &mut self.open {
            moved(&mut open.since);
            open.paused = true;
        }
    }

    pub(crate) fn tried(&self, place: Place) -> bool {
        self.open.iter().any(|open| open.place == place)
            || self.errors.iter().any(|(other, _)| *other == place)
    }

    /// How each query fared that has no reply, or none of use. `patience` is how long a server's reply may take.
    pub(crate) fn fared(
        &self,
        patience: impl Fn(u8) -> Duration,
        now: Instant,
    ) -> Vec<(Asked, Fared)> {
        let open = self.open.iter().filter_map(|open| {
            let asked = open.asked?;
            (open.since + patience(asked.server) <= now).then_some((asked, Fared::Silent))
        });
        let failed = self.errors.iter().filter_map(|(place, error)| {
            let Place::Attempt(attempt) = place else { return None };
            let fared = match error {
                Error::Dns(DnsError::ServerFailure | DnsError::Malformed) => Fared::Failed,
                Error::Dns(DnsError::Timeout) => Fared::Silent,
                Error::Dns(_) | Error::Http(_) => return None,
            };
            let asked = self.asked.iter().rev().find(|asked| asked.attempt == *attempt);
            Some((*asked?, fared))
        });
        open.chain(failed).collect()
    }

    pub(crate) fn deadline(&self, question: &Question, policy: &Policy) -> Option<Deadline> {
        let next = self.next_at.map(|at| Deadline { at, kind: DeadlineKind::NextAttempt });
        let end = match question {
            Question::Dns(..) => self.released.map(|at| Deadline {
                at: at + policy.dns.timeout,
                kind: DeadlineKind::QuestionTimeout,
            }),
            // A GET's patience is that of the lookups that wait for it.
            Question::Get(_) => None,
        };
        match (next, end) {
            (Some(next), Some(end)) => Some(if next.at < end.at { next } else { end }),
            (next, end) => next.or(end),
        }
    }

    /// The fact, if no place is left, none is open and none can come.
    pub(crate) fn exhausted(&self, question: &Question, turn: &Turn) -> Option<CachedFact> {
        let waits = self.has_left()
            || !self.open.is_empty()
            || self.get.as_ref().is_some_and(|get| !get.more.is_empty())
            || self.released.is_none();
        (!waits).then(|| self.failed(question, turn))
    }

    pub(crate) fn timed_out(&mut self, question: &Question, turn: &Turn) -> CachedFact {
        let silent = self.open.iter().map(|open| (open.place, Error::Dns(DnsError::Timeout)));
        self.errors.extend(silent);
        self.failed(question, turn)
    }

    pub(crate) fn failed(&self, question: &Question, turn: &Turn) -> CachedFact {
        let policy = &turn.context.policy;
        let (why, base) = match question {
            // The most telling error, whatever the order in which they came.
            Question::Dns(..) if self.over_budget => {
                (Failure::TooManyQueries, policy.dns.failure_ttl)
            }
            Question::Dns(..) => {
                let errors = self.errors.iter().filter_map(|(_, error)| match error {
                    Error::Dns(error) => Some(*error),
                    Error::Http(_) => None,
                });
                let error = errors.max().unwrap_or(DnsError::Timeout);
                (Failure::Dns(error), policy.dns.failure_ttl)
            }
            // The first address's, unless it is our own side's and another got further. Where the clock is wrong, no address
            // got further than that.
            Question::Get(_) => {
                let error = |ip: &IpAddr| {
                    let failed = |(place, _): &&(Place, Error)| *place == Place::Address(*ip);
                    match self.errors.iter().find(failed) {
                        Some((_, Error::Http(error))) => Some(*error),
                        _ => None,
                    }
                };
                let world = |error: &HttpError| !Failure::Http(*error).is_local();
                let via = self.get.iter().flat_map(|get| &get.via);
                let mut errors = via.filter_map(error);
                let wrong_clock = errors.clone().find(|error| *error == HttpError::WrongClock);
                let error =
                    wrong_clock.or_else(|| errors.clone().find(world)).or_else(|| errors.next());
                (Failure::Http(error.unwrap_or(HttpError::Local)), policy.well_known.retry_ttl)
            }
        };
        // A failure of our own side is never kept, nor what a budget left unasked: it says nothing about the question.
        let expires = if why.is_local() || why == Failure::TooManyQueries {
            turn.now
        } else {
            turn.now + lifetime::failure(base, policy, turn.context.seed, question)
        };
        CachedFact::new(question.clone(), Fact::Failed(why), turn.now, Some(expires))
    }

    /// The state that its future depends on, with ids by rank and instants relative to `now`.
    pub(crate) fn state(
        &self,
        question: &Question,
        ranks: &BTreeMap<RequestId, usize>,
        now: Instant,
    ) -> QueryState {
        let ago = |at: Instant| now.saturating_duration_since(at);
        let open = |open: &Open| (ranks.get(&open.id).copied(), open.place, open.connected);
        QueryState {
            question: question.clone(),
            attempts: self.attempts.clone(),
            asked: self.asked.clone(),
            over_budget: self.over_budget,
            open: self.open.iter().map(open).collect(),
            errors: self.errors.clone(),
            get: self.get.clone(),
            released: self.released.map(ago),
            next_at: self.next_at.map(|at| at.saturating_duration_since(now)),
            last_start: ago(self.last_start),
        }
    }
}

/// The state that the future of one question depends on.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct QueryState {
    question: Question,
    attempts: Range<u8>,
    asked: Vec<Asked>,
    over_budget: bool,
    open: Vec<(Option<usize>, Place, bool)>,
    errors: Vec<(Place, Error)>,
    get: Option<Box<Get>>,
    released: Option<Duration>,
    next_at: Option<Duration>,
    last_start: Duration,
}
