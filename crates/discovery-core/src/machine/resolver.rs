//! Many names at once: tickets, lookups that share questions, the cache, slots and a queue.
//!
//! A question is sent once however many lookups wait for it, and not again while its fact is fresh.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use crate::address::Routes;
use crate::cache::Cache;
use crate::cache::life::{Life, UnderWay};
use crate::cache::reports::Reports;
use crate::cache::results::{Hit, Results};
use crate::config::{Config, Context};
use crate::events::{Deadline, DeadlineKind, Disposition, Event, Ticket};
use crate::fact::{Fact, Question};
use crate::io::{Answer, HttpId};
use crate::machine::run::set_timer;
use crate::machine::{Counters, Lookup};
use crate::name::ServerName;
use crate::outcome::{ErrorKind, Outcome, ResolveError};
use crate::policy::Policy;
use crate::query::{
    FamiliesHealth, FamilyMemory, Heartbeat, InFlight, NameServer, NameServers, Slots, TOLERANCE,
    Turn,
};
use crate::util::{Few, Instant};

/// Resolves many server names, shares questions between them, and caches facts and results.
///
/// A driver takes events from [`poll`](Self::poll) until there are none, waits for an answer or until
/// [`poll_timeout`](Self::poll_timeout), passes it in, and repeats. Every input is valid in any state and order (I1).
#[derive(Clone, Debug)]
pub struct Resolver {
    pub(super) turn: Turn,
    pub(super) lookups: BTreeMap<u64, Box<Running>>,
    /// Tickets for one name share its lookup.
    pub(super) names: BTreeMap<ServerName, u64>,
    /// Names that are being refreshed in the background.
    pub(super) refreshing: BTreeSet<ServerName>,
    pub(super) tickets: BTreeMap<Ticket, u64>,
    /// Which lookups wait for a question.
    pub(super) waiting: BTreeMap<Question, Few<u64>>,
    /// Questions that were given up as late: nobody needs to wait for them, what they bring is remembered. And until when.
    pub(super) detached: BTreeMap<Question, Detached>,
    pub(super) detached_timers: BTreeSet<(Instant, Question)>,
    pub(super) heartbeat: Heartbeat,
    pub(super) in_flight: InFlight,
    pub(super) cache: Cache,
    pub(super) results: Results,
    pub(super) reports: Reports,
    pub(super) counters: Counters,
    pub(super) timers: BTreeSet<(Instant, u64)>,
    /// Lookups that have something new to read.
    pub(super) dirty: BTreeSet<u64>,
    pub(super) next_ticket: u64,
    pub(super) next_lookup: u64,
}

#[derive(Clone, Debug)]
pub(crate) struct Running {
    pub(super) lookup: Lookup,
    pub(super) tickets: Few<Ticket>,
    /// What it waits for, as in `waiting`.
    pub(super) asked: Vec<Question>,
    /// Whether it has needed a question.
    pub(super) has_asked: bool,
    pub(super) timer: Option<Instant>,
}

/// A fact in the cache of a [`Resolver`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct FactEntry<'a> {
    /// The question that it answers.
    pub question: &'a Question,
    /// The fact.
    pub fact: &'a Fact,
    /// When it was learnt.
    pub learnt: Instant,
    /// When it expires; `None`: never.
    pub expires: Option<Instant>,
}

/// A question that is asked to its end although nobody needs to wait for it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Detached {
    pub(super) until: Instant,
    /// Whether the driver was away meanwhile: then that it got no answer until its time was over says nothing.
    pub(super) paused: bool,
}

impl Resolver {
    /// A resolver with an empty cache.
    pub fn new(config: Config, now: Instant) -> Self {
        let Config { policy, name_servers, seed, hash_key, routes, heartbeat } = config;
        let dns = Slots::new(policy.limits.dns_slots, usize::MAX);
        let http = Slots::new(policy.limits.http_slots, policy.limits.http_slots_per_host);
        Self {
            in_flight: InFlight::new(
                &policy,
                NameServers::new(name_servers, true),
                FamilyMemory::new(true),
                dns,
                http,
            ),
            cache: Cache::new(&policy, hash_key),
            results: Results::new(&policy, hash_key),
            reports: Reports::new(&policy, hash_key),
            turn: Turn::new(Context { policy: Arc::new(policy), routes, second: None, seed }, now),
            lookups: BTreeMap::new(),
            names: BTreeMap::new(),
            refreshing: BTreeSet::new(),
            tickets: BTreeMap::new(),
            waiting: BTreeMap::new(),
            detached: BTreeMap::new(),
            detached_timers: BTreeSet::new(),
            heartbeat: Heartbeat::new(heartbeat),
            counters: Counters::default(),
            timers: BTreeSet::new(),
            dirty: BTreeSet::new(),
            next_ticket: 0,
            next_lookup: 0,
        }
    }

    /// Starts to resolve a name. The outcome comes from [`poll`](Self::poll) under the returned ticket, exactly once (I11); at once if it
    /// is in the cache.
    pub fn resolve(&mut self, name: &ServerName, now: Instant) -> Ticket {
        self.advance(now);
        let ticket = Ticket(self.next_ticket);
        self.next_ticket = self.next_ticket.saturating_add(1);
        let second = self.in_flight.families().second(self.turn.now);
        if let Some(Hit { outcome, is_due, is_first }) =
            self.results.get(name, second, self.turn.now)
        {
            self.counters.hits = self.counters.hits.saturating_add(1);
            // A second use is one of the facts, too: strangers must not push them out.
            if is_first {
                for question in crate::cache::results::questions(&outcome) {
                    self.cache.touch(question);
                }
            }
            let outcome = self.reports.arrange(outcome, true, self.turn.now);
            self.turn.events.push_back(Event::Finished(ticket, outcome));
            if self.reports.is_due(name, self.turn.now) {
                self.recheck(name);
            } else if is_due {
                self.refresh(name);
            }
        } else if let Some(number) = self.names.get(name).copied()
            && let Some(running) = self.lookups.get_mut(&number)
        {
            self.counters.coalesced = self.counters.coalesced.saturating_add(1);
            running.tickets.insert(ticket);
            self.tickets.insert(ticket, number);
        } else if self.lookups.len() >= self.turn.context.policy.limits.max_lookups {
            self.counters.refused = self.counters.refused.saturating_add(1);
            let failed = ResolveError::bare(ErrorKind::Overloaded);
            self.turn.events.push_back(Event::Finished(ticket, Err(Arc::new(failed))));
        } else {
            let number = self.next_lookup;
            self.tickets.insert(ticket, number);
            self.names.insert(name.clone(), number);
            self.begin(Lookup::new(name.clone(), number, self.turn.now), Few::One(ticket));
        }
        self.process_pending();
        ticket
    }

    /// Processes the answer to a request. An answer to a request that has ended or never existed changes nothing (I3).
    pub fn handle_answer(&mut self, answer: Answer, now: Instant) -> Disposition {
        self.advance(now);
        let (disposition, learnt) = self.in_flight.answer(&answer, &mut self.turn);
        self.learn(learnt);
        self.process_pending();
        disposition
    }

    /// Reports that the TLS handshake of a GET has completed: competing connection attempts are cancelled or not started. Results are the
    /// same without this call, at the cost of more requests.
    pub fn handle_connected(&mut self, id: HttpId, now: Instant) -> Disposition {
        self.advance(now);
        let disposition = self.in_flight.connected(id, &mut self.turn);
        self.process_pending();
        disposition
    }

    /// Fires timers that are due, in their order. A call before a timer is due does nothing (I8).
    pub fn handle_timeout(&mut self, now: Instant) {
        self.advance(now);
        self.process_pending();
    }

    /// Abandons a ticket: its outcome is an error of kind `Abandoned`. Requests that no other ticket needs are cancelled; other tickets
    /// are not affected (I12).
    pub fn abandon(&mut self, ticket: Ticket, now: Instant) -> Disposition {
        self.advance(now);
        let disposition = match self.tickets.remove(&ticket) {
            Some(number) => {
                if let Some(running) = self.lookups.get_mut(&number) {
                    running.tickets.remove(ticket);
                    if running.tickets.is_empty() {
                        self.remove(number);
                    }
                }
                let failed = ResolveError::bare(ErrorKind::Abandoned);
                self.turn.events.push_back(Event::Finished(ticket, Err(Arc::new(failed))));
                Disposition::Accepted
            }
            None if ticket.0 < self.next_ticket => Disposition::Stale,
            None => Disposition::Unknown,
        };
        self.process_pending();
        disposition
    }

    /// Sets the number of name servers.
    pub fn set_name_servers(&mut self, count: u8, now: Instant) {
        self.advance(now);
        self.in_flight.set_name_servers(count);
        self.process_pending();
    }

    /// Sets which address families have a route. It decides the order in which addresses are tried and returned.
    pub fn set_routes(&mut self, routes: Routes, now: Instant) {
        self.advance(now);
        if routes != self.turn.context.routes {
            self.turn.context.routes = routes;
            self.results.clear();
        }
        self.process_pending();
    }

    /// Returns the next event. After `None` there is no further event until the next input (I4).
    pub fn poll(&mut self) -> Option<Event> {
        self.turn.events.pop_front()
    }

    /// The time at which to call [`handle_timeout`](Self::handle_timeout) if there is no other input before. `None` if no timer runs: an
    /// idle resolver needs no wake-up (I7).
    pub fn poll_timeout(&self) -> Option<Deadline> {
        let deadlines = [self.next_due(), self.heartbeat.deadline()];
        deadlines.into_iter().flatten().min_by_key(|deadline| deadline.at)
    }

    /// The next timer.
    pub(super) fn next_due(&self) -> Option<Deadline> {
        let question = self.in_flight.deadline(&self.turn.context.policy);
        let lookup = self
            .timers
            .first()
            .and_then(|(_, number)| self.lookups.get(number)?.lookup.deadline(&self.turn.context));
        let detached = self.detached_timers.first();
        let detached =
            detached.map(|(at, _)| Deadline { at: *at, kind: DeadlineKind::QuestionTimeout });
        [question, detached, lookup].into_iter().flatten().min_by_key(|deadline| deadline.at)
    }

    /// Changes the policy, for running lookups as well.
    ///
    /// Results are computed again, without a request where the facts are still fresh. Facts keep the lifetimes that they got when they
    /// were learnt; [`forget_all`](Self::forget_all) drops them. Requests in flight are not cancelled. Entries beyond a smaller bound are
    /// evicted at once.
    pub fn set_policy(&mut self, policy: Policy, now: Instant) {
        self.advance(now);
        self.in_flight.set_policy(&policy);
        self.cache.set_policy(&policy);
        self.results.set_policy(&policy);
        self.reports.set_policy(&policy);
        self.turn.context.policy = Arc::new(policy);
        self.dirty.extend(self.lookups.keys());
        self.process_pending();
    }

    /// The policy in use.
    pub fn policy(&self) -> &Arc<Policy> {
        &self.turn.context.policy
    }

    /// The number of tickets without an outcome.
    pub fn unfinished(&self) -> usize {
        self.tickets.len()
    }

    /// Totals and current sizes.
    pub fn counters(&self) -> Counters {
        let (dns, http, queued) = self.in_flight.in_flight();
        Counters {
            dns_questions: self.in_flight.dns_asked(),
            gets: self.in_flight.gets_asked(),
            lookups: self.lookups.len(),
            dns_in_flight: dns,
            gets_in_flight: http,
            queued,
            facts: self.cache.len(),
            results: self.results.len(),
            bytes: self
                .cache
                .bytes()
                .saturating_add(self.results.bytes())
                .saturating_add(self.reports.bytes()),
            ..self.counters
        }
    }

    /// The results that are kept and fresh, for tests; [`entries`](Self::entries) is the interface.
    #[doc(hidden)]
    pub fn results(&self) -> impl Iterator<Item = (&ServerName, &Outcome)> {
        let fresh = self.results.iter().filter(|result| result.is_fresh(self.turn.now));
        fresh.map(|result| (&result.name, &result.outcome))
    }

    /// The facts that are kept, fresh or expired, in no particular order.
    pub fn facts(&self) -> impl Iterator<Item = FactEntry<'_>> {
        self.cache.iter().map(|(question, known)| FactEntry {
            question,
            fact: &known.fact,
            learnt: known.learnt,
            expires: known.expires,
        })
    }

    /// The state of a question, for tests.
    #[doc(hidden)]
    pub fn life(&self, question: &Question) -> Life {
        let released = self.in_flight.is_released(question);
        let under_way = match (released, self.waiting.contains_key(question)) {
            (true, true) => UnderWay::Asked,
            (true, false) => UnderWay::RunningOn,
            (false, true) => UnderWay::Queued,
            (false, false) => UnderWay::Idle,
        };
        let in_memory = self.cache.state(question, self.turn.now, &self.turn.context.policy);
        Life { under_way, in_memory }
    }

    /// The measured state of the name servers, by index.
    pub fn name_servers(&self) -> impl Iterator<Item = &NameServer> {
        self.in_flight.name_servers()
    }

    /// The measured state of the address families.
    pub fn families(&self) -> &FamiliesHealth {
        self.in_flight.families().health()
    }

    /// An instant before the last one counts as the last one (I8).
    pub(super) fn advance(&mut self, now: Instant) {
        let last = self.turn.now;
        self.turn.now = last.max(now);
        if self.turn.now > last + TOLERANCE {
            let timers = [
                self.in_flight.due(),
                self.timers.first().map(|(at, _)| *at),
                self.detached_timers.first().map(|(at, _)| *at),
            ];
            let due = timers.into_iter().flatten().min();
            if let Some(away) = self.heartbeat.away(due, last, self.turn.now) {
                self.resume(away);
            }
        }
    }

    /// Extends timers by the length of the driver's pause (I15).
    fn resume(&mut self, away: Duration) {
        self.counters.pauses = self.counters.pauses.saturating_add(1);
        self.in_flight.resume(away, &self.turn.context.policy);
        self.detached.values_mut().for_each(|detached| detached.paused = true);
        for (number, running) in &mut self.lookups {
            running.lookup.resume(away, self.turn.now);
            set_timer(&mut self.timers, *number, running, &self.turn.context);
        }
    }

    pub(super) fn begin(&mut self, lookup: Lookup, tickets: Few<Ticket>) {
        let number = self.next_lookup;
        self.next_lookup = number.saturating_add(1);
        let running = Running { lookup, tickets, asked: Vec::new(), has_asked: false, timer: None };
        self.lookups.insert(number, Box::new(running));
        self.dirty.insert(number);
    }

    /// Refreshes facts that expire soon, while cached results are still returned.
    pub(super) fn refresh(&mut self, name: &ServerName) {
        if self.refreshing.contains(name)
            || self.lookups.len() >= self.turn.context.policy.limits.max_lookups
        {
            return;
        }
        self.counters.refreshes = self.counters.refreshes.saturating_add(1);
        self.refreshing.insert(name.clone());
        let lookup = Lookup::in_background(name.clone(), self.next_lookup, self.turn.now);
        self.begin(lookup, Few::default());
    }
}
