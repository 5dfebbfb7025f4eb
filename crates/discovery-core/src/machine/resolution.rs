//! One name resolved: a lookup with inquiries of its own, as a value that can be copied, compared and enumerated.
//!
//! The specification and nothing else: no cache, no other names, no slots.

use std::sync::Arc;

use crate::address::Routes;
use crate::config::{Config, Context};
use crate::events::{Deadline, Disposition, Event, Ticket};
use crate::fact::lifetime::Failures;
use crate::fact::{CachedFact, Fact, Question};
use crate::io::{Answer, HttpId};
use crate::machine::{Due, Lookup, LookupState};
use crate::name::ServerName;
use crate::outcome::{ErrorKind, Outcome, ResolveError};
use crate::query::{
    FamilyMemory, Heartbeat, InFlight, InFlightState, NameServers, Slots, TOLERANCE, Turn,
};
use crate::util::Instant;

/// Resolves one server name.
///
/// Give it answers and the time, take events from [`poll`](Self::poll) until there are none. Every input is legal at any time, also after
/// the end (I1); two resolutions are equal when they will behave alike from now on.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Resolution {
    turn: Turn,
    lookup: Lookup,
    in_flight: InFlight,
    done: bool,
    heartbeat: Heartbeat,
}

/// What a [`Resolution`] depends on from now on, with request ids by rank and instants relative to now: for whoever
/// explores its states. Opaque.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct State {
    done: bool,
    routes: Routes,
    out: usize,
    lookup: LookupState,
    in_flight: InFlightState,
}

/// The ticket of the only lookup.
const TICKET: Ticket = Ticket(0);
/// The number of the only lookup.
const LOOKUP: u64 = 0;

impl Resolution {
    /// Starts to resolve a name at `now`.
    pub fn new(name: ServerName, config: &Config, now: Instant) -> Self {
        let policy = Arc::new(config.policy.clone());
        let (routes, seed) = (config.routes, config.seed);
        let mut resolution = Self {
            turn: Turn::new(Context { policy, routes, second: None, seed }, now),
            lookup: Lookup::new(name, LOOKUP, now),
            // What one lookup may ask is bounded by its policy; it needs no slots.
            in_flight: InFlight::new(
                &config.policy,
                NameServers::new(config.name_servers, false),
                FamilyMemory::new(false),
                Slots::new(usize::MAX, usize::MAX),
                Slots::new(usize::MAX, usize::MAX),
            ),
            done: false,
            heartbeat: Heartbeat::new(config.heartbeat),
        };
        resolution.evaluate();
        // A deadline of zero is due at once (I5).
        resolution.due();
        resolution
    }

    /// The ticket under which the outcome is reported.
    pub fn ticket(&self) -> Ticket {
        TICKET
    }

    /// Whether the outcome is available; it may still have to be taken from [`poll`](Self::poll).
    pub fn is_done(&self) -> bool {
        self.done
    }

    /// Processes the answer to a request. An answer to a request that has ended or never existed changes nothing (I3).
    pub fn handle_answer(&mut self, answer: Answer, now: Instant) -> Disposition {
        self.advance(now);
        let (disposition, learnt) = self.in_flight.answer(&answer, &mut self.turn);
        self.learn(learnt);
        self.due();
        disposition
    }

    /// Reports that the TLS handshake of a GET has completed: competing connection attempts are cancelled or not started. Results are the
    /// same without this call, at the cost of more requests.
    pub fn handle_connected(&mut self, id: HttpId, now: Instant) -> Disposition {
        self.advance(now);
        let disposition = self.in_flight.connected(id, &mut self.turn);
        self.due();
        disposition
    }

    /// Fires timers that are due. A call before a timer is due does nothing (I8).
    pub fn handle_timeout(&mut self, now: Instant) {
        self.advance(now);
        self.due();
    }

    /// Abandons the lookup: its outcome is an error of kind `Abandoned`.
    pub fn abandon(&mut self, ticket: Ticket, now: Instant) -> Disposition {
        self.advance(now);
        let disposition = match (ticket, self.done) {
            (TICKET, false) => {
                self.finish(Err(Arc::new(ResolveError::bare(ErrorKind::Abandoned))));
                Disposition::Accepted
            }
            (TICKET, true) => Disposition::Stale,
            _ => Disposition::Unknown,
        };
        self.due();
        disposition
    }

    /// Sets which address families have a route. It decides the order in which addresses are tried.
    pub fn set_routes(&mut self, routes: Routes, now: Instant) {
        self.advance(now);
        self.turn.context.routes = routes;
        self.due();
    }

    /// Sets the number of name servers.
    pub fn set_name_servers(&mut self, count: u8, now: Instant) {
        self.advance(now);
        self.in_flight.set_name_servers(count);
        self.due();
    }

    /// Returns the next event. After `None` there is no further event until the next input (I4).
    pub fn poll(&mut self) -> Option<Event> {
        self.turn.events.pop_front()
    }

    /// The time at which to call [`handle_timeout`](Self::handle_timeout) if there is no other input before. `None` if no timer runs
    /// (I7).
    pub fn poll_timeout(&self) -> Option<Deadline> {
        let deadlines = [self.next_due(), self.heartbeat.deadline()];
        deadlines.into_iter().flatten().min_by_key(|deadline| deadline.at)
    }

    /// The next timer.
    fn next_due(&self) -> Option<Deadline> {
        if self.done {
            return None;
        }
        let lookup = self.lookup.deadline(&self.turn.context);
        let question = self.in_flight.deadline(&self.turn.context.policy);
        [question, lookup].into_iter().flatten().min_by_key(|deadline| deadline.at)
    }

    /// Everything that its future depends on.
    #[doc(hidden)]
    pub fn state(&self, now: Instant) -> State {
        State {
            done: self.done,
            routes: self.turn.context.routes,
            out: self.turn.events.len(),
            lookup: self.lookup.state(now),
            in_flight: self.in_flight.state(now),
        }
    }

    /// An instant before the last one counts as the last one (I8).
    fn advance(&mut self, now: Instant) {
        let last = self.turn.now;
        self.turn.now = last.max(now);
        if self.turn.now > last + TOLERANCE {
            let due = self.next_due().map(|deadline| deadline.at);
            if let Some(away) = self.heartbeat.away(due, last, self.turn.now) {
                self.lookup.resume(away, self.turn.now);
                self.in_flight.resume(away, &self.turn.context.policy);
            }
        }
    }

    fn learn(&mut self, learnt: Option<Arc<CachedFact>>) {
        if let Some(known) = learnt
            && self.lookup.learn(&known)
        {
            self.evaluate();
        }
    }

    /// Runs the function and follows what it asks for, until it waits or ends.
    fn evaluate(&mut self) {
        while !self.done {
            if let Some(end) = self.lookup.evaluate(&self.turn.context, None, self.turn.now) {
                return self.finish(end);
            }
            let stale: Vec<Question> = self
                .in_flight
                .questions()
                .filter(|question| !self.lookup.asks().any(|ask| ask.question == **question))
                .cloned()
                .collect();
            for question in stale {
                self.in_flight.drop_question(&question, &mut self.turn);
            }
            let mut learnt = Vec::new();
            for ask in self.lookup.asks() {
                learnt.extend(self.in_flight.ask(ask, LOOKUP, &mut self.turn));
            }
            self.lookup.all_released(self.turn.now);
            if learnt.is_empty() {
                return;
            }
            for known in &learnt {
                self.lookup.learn(known);
            }
        }
    }

    /// Fires what is due, in order of instant, each at its own (I8).
    fn due(&mut self) {
        let now = self.turn.now;
        while let Some(deadline) = self.next_due().filter(|deadline| deadline.at <= now) {
            self.turn.now = deadline.at;
            // Questions first: what they bring may be what the lookup has been waiting for.
            let question = self.in_flight.deadline(&self.turn.context.policy);
            if question.is_some_and(|question| question.at <= deadline.at) {
                let learnt = self.in_flight.handle_timeout(&mut self.turn);
                self.learn(learnt);
            } else {
                match self.lookup.handle_timeout(&self.turn.context, self.turn.now, |_| true) {
                    Due::End(failed) => self.finish(Err(Arc::new(failed))),
                    Due::GiveUp(given_up) => {
                        for (question, fact) in given_up {
                            self.give_up(&question, fact);
                        }
                        self.evaluate();
                    }
                    // Without memory there is nothing to fall back on.
                    Due::Turn | Due::FallBack(_) => self.evaluate(),
                }
            }
        }
        self.turn.now = now;
        self.heartbeat.beat(!self.done, now);
    }

    fn give_up(&mut self, question: &Question, fact: Fact) {
        let Context { policy, seed, .. } = &self.turn.context;
        let life = Failures::default().strike(question, &fact, policy, *seed);
        let known =
            CachedFact::new(question.clone(), fact, self.turn.now, Some(self.turn.now + life));
        self.lookup.learn(&Arc::new(known));
    }

    fn finish(&mut self, outcome: Outcome) {
        self.done = true;
        let open: Vec<Question> = self.in_flight.questions().cloned().collect();
        for question in open {
            self.in_flight.drop_question(&question, &mut self.turn);
        }
        self.turn.events.push_back(Event::Finished(TICKET, outcome));
    }
}
