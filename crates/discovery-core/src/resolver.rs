//! Many names at once: tickets, lookups that share questions, what is remembered, slots and a queue.
//!
//! A question is asked once however many lookups wait for it, and not again while its fact is fresh. Knows no step of the
//! specification and nothing of how a question is answered.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use crate::board::{Memory, Need};
use crate::cache::{Cache, Freshness};
use crate::config::Config;
use crate::counters::Counters;
use crate::inquiries::{Inquiries, Learnt};
use crate::lookup::{Context, Due, Lookup};
use crate::name::{ServerName, TlsName};
use crate::outcome::{Failed, FailureKind, Resolved};
use crate::question::{Fact, Failure, Known, Question};
use crate::request::{
    Answer, Deadline, Disposition, Event, HttpError, HttpId, RecordKind, Routes, Ticket, Why,
};
use crate::results::{Results, is_drawn};
use crate::slots::Slots;
use crate::time::Instant;

/// Resolves many server names over one set of questions, and remembers what it learns.
///
/// The loop around it: take events from [`poll`](Self::poll) until there are none, wait for an answer or until
/// [`poll_timeout`](Self::poll_timeout), hand it in, repeat. Every input is legal in any state and order (I1).
#[derive(Clone, Debug)]
pub struct Resolver {
    context: Context,
    lookups: BTreeMap<u64, Running>,
    /// Tickets for one name share its lookup.
    names: BTreeMap<ServerName, u64>,
    /// Names that are being refreshed in the background.
    refreshing: BTreeSet<ServerName>,
    tickets: BTreeMap<Ticket, u64>,
    /// Which lookups wait for a question.
    waiting: BTreeMap<Question, BTreeSet<u64>>,
    /// Questions that were given up as late: nobody needs to wait for them, what they bring is remembered. And until when.
    orphans: BTreeMap<Question, Instant>,
    orphan_timers: BTreeSet<(Instant, Question)>,
    inquiries: Inquiries,
    cache: Cache,
    results: Results,
    counters: Counters,
    timers: BTreeSet<(Instant, u64)>,
    /// Lookups that have something new to read.
    dirty: BTreeSet<u64>,
    out: VecDeque<Event>,
    next_ticket: u64,
    next_lookup: u64,
    now: Instant,
}

#[derive(Clone, Debug)]
struct Running {
    lookup: Lookup,
    tickets: BTreeSet<Ticket>,
    /// What it waits for, as in `waiting`.
    asked: Vec<Question>,
    /// Whether it has had to ask for anything.
    has_asked: bool,
    timer: Option<Instant>,
}

impl Resolver {
    /// A resolver that has nothing to do yet, and knows nothing.
    pub fn new(config: Config, now: Instant) -> Self {
        let Config { policy, name_servers, seed, routes } = config;
        let dns = Slots::new(policy.dns_slots, usize::MAX);
        let http = Slots::new(policy.http_slots, policy.http_slots_per_host);
        Self {
            inquiries: Inquiries::new(&policy, name_servers, dns, http),
            cache: Cache::new(&policy, seed),
            results: Results::new(&policy, seed),
            context: Context { policy: Arc::new(policy), routes, seed },
            lookups: BTreeMap::new(),
            names: BTreeMap::new(),
            refreshing: BTreeSet::new(),
            tickets: BTreeMap::new(),
            waiting: BTreeMap::new(),
            orphans: BTreeMap::new(),
            orphan_timers: BTreeSet::new(),
            counters: Counters::default(),
            timers: BTreeSet::new(),
            dirty: BTreeSet::new(),
            out: VecDeque::new(),
            next_ticket: 0,
            next_lookup: 0,
            now,
        }
    }

    /// Asks for a name. The end comes from [`poll`](Self::poll) under the ticket given, exactly once (I11); at once if the
    /// answer is remembered.
    pub fn resolve(&mut self, name: &ServerName, now: Instant) -> Ticket {
        self.advance(now);
        let ticket = Ticket(self.next_ticket);
        self.next_ticket = self.next_ticket.saturating_add(1);
        if let Some(result) = self.results.get(name, self.now) {
            self.counters.hits = self.counters.hits.saturating_add(1);
            self.out.push_back(Event::Finished(ticket, Arc::clone(&result.outcome)));
            // What leads nowhere is not in use.
            let due = result.refresh_at <= self.now && result.outcome.is_ok();
            // A second use is one of the facts, too: strangers must not push them out.
            if !std::mem::replace(&mut result.is_used, true) {
                for question in crate::results::questions(&result.outcome) {
                    self.cache.touch(question);
                }
            }
            if due {
                self.refresh(name);
            }
        } else if let Some(number) = self.names.get(name).copied()
            && let Some(running) = self.lookups.get_mut(&number)
        {
            self.counters.coalesced = self.counters.coalesced.saturating_add(1);
            running.tickets.insert(ticket);
            self.tickets.insert(ticket, number);
        } else if self.lookups.len() >= self.context.policy.max_lookups {
            self.counters.refused = self.counters.refused.saturating_add(1);
            let failed = Failed::bare(FailureKind::Overloaded);
            self.out.push_back(Event::Finished(ticket, Arc::new(Err(failed))));
        } else {
            let number = self.next_lookup;
            self.tickets.insert(ticket, number);
            self.names.insert(name.clone(), number);
            self.begin(Lookup::new(name.clone(), number, self.now), BTreeSet::from([ticket]));
        }
        self.settle();
        ticket
    }

    /// Takes the answer to a request. Answers that nobody waits for change nothing (I3).
    pub fn handle_answer(&mut self, answer: Answer, now: Instant) -> Disposition {
        self.advance(now);
        let (disposition, learnt) =
            self.inquiries.answer(&answer, &self.context, self.now, &mut self.out);
        self.learn(learnt);
        self.settle();
        disposition
    }

    /// Takes the news that TLS is up for a GET: its rivals are stopped, or not started. A driver that never says so is still
    /// right, only busier.
    pub fn handle_connected(&mut self, id: HttpId, now: Instant) -> Disposition {
        self.advance(now);
        let disposition = self.inquiries.connected(id, &self.context, self.now, &mut self.out);
        self.settle();
        disposition
    }

    /// Does what is due. Early calls do nothing and are safe; late ones fire in order (I8).
    pub fn handle_timeout(&mut self, now: Instant) {
        self.advance(now);
        self.settle();
    }

    /// Gives a ticket up; it ends as abandoned. The requests that nobody else waits for are cancelled, other tickets don't
    /// notice (I12).
    pub fn abandon(&mut self, ticket: Ticket, now: Instant) -> Disposition {
        self.advance(now);
        let disposition = match self.tickets.remove(&ticket) {
            Some(number) => {
                if let Some(running) = self.lookups.get_mut(&number) {
                    running.tickets.remove(&ticket);
                    if running.tickets.is_empty() {
                        self.remove(number);
                    }
                }
                let failed = Failed::bare(FailureKind::Abandoned);
                self.out.push_back(Event::Finished(ticket, Arc::new(Err(failed))));
                Disposition::Accepted
            }
            None if ticket.0 < self.next_ticket => Disposition::Stale,
            None => Disposition::Unknown,
        };
        self.settle();
        disposition
    }

    /// Drops what is remembered of a name: its result, and every fact that it rests on.
    pub fn forget(&mut self, name: &ServerName, now: Instant) {
        self.advance(now);
        self.results.forget(name);
        let mut lookup = Lookup::in_background(name.clone(), 0, self.now);
        // What has expired may still stand in as the last good fact.
        let memory = Memory {
            cache: &mut self.cache,
            freshness: Freshness::Expired,
            late: true,
            now: self.now,
        };
        // Whether it comes to an end or not: what it has read on the way is what the answer rests on.
        let _ = lookup.turn(&self.context, Some(memory), self.now);
        for question in lookup.questions_read() {
            self.cache.forget(question);
            if let Question::Get(url) = question
                && let TlsName::Dns(host) = url.host()
            {
                for kind in [RecordKind::Aaaa, RecordKind::A] {
                    self.cache.forget(&Question::Dns(host.clone(), kind));
                }
            }
        }
        self.settle();
    }

    /// Tells how many name servers there are from now on.
    pub fn set_name_servers(&mut self, count: u8, now: Instant) {
        self.advance(now);
        self.inquiries.set_name_servers(count);
        self.settle();
    }

    /// Tells which families have a route; it orders the addresses that are tried and handed out from now on.
    pub fn set_routes(&mut self, routes: Routes, now: Instant) {
        self.advance(now);
        if routes != self.context.routes {
            self.context.routes = routes;
            self.results.clear();
        }
        self.settle();
    }

    /// Hands out the next event. Takes no time; once it gave nothing it gives nothing until an input arrives (I4).
    pub fn poll(&mut self) -> Option<Event> {
        self.out.pop_front()
    }

    /// When to call [`handle_timeout`](Self::handle_timeout) if nothing else happens. None: nothing is waited for, an idle
    /// resolver sleeps for ever (I7).
    pub fn poll_timeout(&self) -> Option<Deadline> {
        let question = self.inquiries.deadline(&self.context.policy);
        let lookup = self
            .timers
            .first()
            .and_then(|(_, number)| self.lookups.get(number)?.lookup.deadline(&self.context));
        let orphan = self.orphan_timers.first();
        let orphan = orphan.map(|(at, _)| Deadline { at: *at, why: Why::QuestionTimeout });
        [question, orphan, lookup].into_iter().flatten().min_by_key(|deadline| deadline.at)
    }

    /// How many tickets have not ended yet.
    pub fn unfinished(&self) -> usize {
        self.tickets.len()
    }

    /// What it has done so far, and what it holds now.
    pub fn counters(&self) -> Counters {
        let (dns, http, queued) = self.inquiries.in_flight();
        Counters {
            dns_questions: self.inquiries.dns_asked(),
            gets: self.inquiries.gets_asked(),
            lookups: self.lookups.len(),
            dns_in_flight: dns,
            gets_in_flight: http,
            queued,
            facts: self.cache.len(),
            results: self.results.len(),
            bytes: self.cache.bytes().saturating_add(self.results.bytes()),
            ..self.counters
        }
    }

    /// The results that are remembered, each until its expiry, in no order of meaning.
    pub fn results(&self) -> impl Iterator<Item = (&ServerName, &Result<Resolved, Failed>)> {
        let fresh =
            |(_, result): &(&ServerName, &crate::results::Remembered)| result.until > self.now;
        self.results.iter().filter(fresh).map(|(name, result)| (name, &*result.outcome))
    }

    /// The facts that are remembered: when they were learnt and until when they are fresh, in no order of meaning.
    pub fn facts(&self) -> impl Iterator<Item = (&Question, &Fact, Instant, Option<Instant>)> {
        self.cache
            .iter()
            .map(|(question, known)| (question, &known.fact, known.learnt, known.fresh_until))
    }

    /// Time never goes back inside (I8).
    fn advance(&mut self, now: Instant) {
        self.now = self.now.max(now);
    }

    fn begin(&mut self, lookup: Lookup, tickets: BTreeSet<Ticket>) {
        let number = self.next_lookup;
        self.next_lookup = number.saturating_add(1);
        let running = Running { lookup, tickets, asked: Vec::new(), has_asked: false, timer: None };
        self.lookups.insert(number, running);
        self.dirty.insert(number);
    }

    /// Asks again for what is soon to expire, while what is remembered is still handed out.
    fn refresh(&mut self, name: &ServerName) {
        if self.refreshing.contains(name) || self.lookups.len() >= self.context.policy.max_lookups {
            return;
        }
        self.counters.refreshes = self.counters.refreshes.saturating_add(1);
        self.refreshing.insert(name.clone());
        let lookup = Lookup::in_background(name.clone(), self.next_lookup, self.now);
        self.begin(lookup, BTreeSet::new());
    }

    /// The input has been applied: runs what has news, then fires what is due, in order of instant, each at its own.
    fn settle(&mut self) {
        self.run();
        let now = self.now;
        while let Some(deadline) = self.poll_timeout().filter(|deadline| deadline.at <= now) {
            self.now = deadline.at;
            // Questions first: what they bring may be what a lookup has been waiting for.
            let question = self.inquiries.deadline(&self.context.policy);
            if question.is_some_and(|question| question.at <= deadline.at) {
                let learnt = self.inquiries.handle_timeout(&self.context, self.now, &mut self.out);
                self.learn(learnt);
            } else if self.orphan_timers.first().is_some_and(|(at, _)| *at <= deadline.at) {
                self.drop_orphan();
            } else if let Some((_, number)) = self.timers.pop_first() {
                self.lookup_is_due(number);
            }
            self.run();
        }
        self.now = now;
    }

    fn lookup_is_due(&mut self, number: u64) {
        let Some(running) = self.lookups.get_mut(&number) else { return };
        running.timer = None;
        let released = |question: &Question| self.inquiries.is_released(question);
        let due = running.lookup.handle_timeout(&self.context, self.now, released);
        self.dirty.insert(number);
        match due {
            Due::Turn => {}
            Due::End(failed) => self.finish(number, Err(failed)),
            Due::GiveUp(given_up) => {
                for (question, fact) in given_up {
                    let late = fact == Fact::Late;
                    let known = Known::new(fact, self.now, Some(self.now));
                    let Context { policy, seed, .. } = &self.context;
                    let known = self.cache.learn(&question, &Arc::new(known), policy, *seed);
                    self.stop_waiting(number, &question, &known, late);
                }
            }
            Due::FallBack(questions) => {
                for question in questions {
                    let Context { policy, seed, .. } = &self.context;
                    let known = self.cache.stand_in(&question, self.now, policy, *seed);
                    if let Some(known) = known {
                        self.counters.fallbacks = self.counters.fallbacks.saturating_add(1);
                        self.stop_waiting(number, &question, &known, true);
                    }
                }
            }
        }
    }

    /// One lookup goes on with what it is given; the question may run on for those that come later.
    fn stop_waiting(
        &mut self,
        number: u64,
        question: &Question,
        known: &Arc<Known>,
        runs_on: bool,
    ) {
        let Some(running) = self.lookups.get_mut(&number) else { return };
        running.lookup.learn(question, known);
        running.asked.retain(|asked| asked != question);
        if runs_on && self.inquiries.is_released(question) {
            let policy = &self.context.policy;
            let limit = match question {
                Question::Dns(..) => policy.dns_timeout,
                Question::Get(_) => policy.well_known_timeout,
            };
            if !self.orphans.contains_key(question) {
                let until = self.now + limit;
                self.orphans.insert(question.clone(), until);
                self.orphan_timers.insert((until, question.clone()));
            }
        }
        self.leave(number, question);
    }

    /// A question that was to run on has run for long enough.
    fn drop_orphan(&mut self) {
        let Some((at, question)) = self.orphan_timers.pop_first() else { return };
        self.orphans.remove(&question);
        if self.waiting.contains_key(&question) {
            return;
        }
        self.inquiries.drop_question(&question, &mut self.out);
        if matches!(question, Question::Get(_)) {
            let timeout = Fact::Failed(Failure::Http(HttpError::Timeout));
            self.learn(Some((question, Arc::new(Known::new(timeout, at, Some(at))))));
        }
    }

    fn learn(&mut self, learnt: Option<Learnt>) {
        let Some((question, known)) = learnt else { return };
        if let Some(until) = self.orphans.remove(&question) {
            self.orphan_timers.remove(&(until, question.clone()));
        }
        let Context { policy, seed, .. } = &self.context;
        let known = self.cache.learn(&question, &known, policy, *seed);
        for number in self.waiting.remove(&question).unwrap_or_default() {
            if let Some(running) = self.lookups.get_mut(&number) {
                running.asked.retain(|asked| *asked != question);
                running.lookup.learn(&question, &known);
                self.dirty.insert(number);
            }
        }
    }

    /// Runs lookups until none has news and no slot is free for what waits.
    fn run(&mut self) {
        loop {
            if let Some(number) = self.dirty.pop_first() {
                self.turn(number);
                continue;
            }
            let released = self.inquiries.release_waiting(&self.context, self.now, &mut self.out);
            let Some((question, learnt)) = released else { return };
            for number in self.waiting.get(&question).into_iter().flatten() {
                if let Some(running) = self.lookups.get_mut(number) {
                    running.lookup.released(&question, self.now);
                    set_timer(&mut self.timers, *number, running, &self.context);
                }
            }
            self.learn(learnt);
        }
    }

    /// Runs one lookup and follows what it asks for.
    fn turn(&mut self, number: u64) {
        let Some(running) = self.lookups.get_mut(&number) else { return };
        let freshness =
            if running.lookup.is_background() { Freshness::Ahead } else { Freshness::Any };
        let memory = Memory { cache: &mut self.cache, freshness, late: true, now: self.now };
        if let Some(end) = running.lookup.turn(&self.context, Some(memory), self.now) {
            return self.finish(number, end);
        }
        running.has_asked = true;
        let asks: Vec<_> = running.lookup.asks().cloned().collect();
        let questions = asks.iter().map(|ask| ask.question.clone()).collect();
        let before = std::mem::replace(&mut running.asked, questions);
        for ask in &asks {
            self.waiting.entry(ask.question.clone()).or_default().insert(number);
        }
        for question in before {
            if asks.iter().all(|ask| ask.question != question) {
                self.leave(number, &question);
            }
        }
        let mut can_fall_back = false;
        for ask in &asks {
            let learnt = self.inquiries.ask(ask, number, &self.context, self.now, &mut self.out);
            can_fall_back |= ask.need == Need::Now
                && self.cache.has_stand_in(&ask.question, self.now, &self.context.policy);
            if self.inquiries.is_released(&ask.question)
                && let Some(running) = self.lookups.get_mut(&number)
            {
                running.lookup.released(&ask.question, self.now);
            }
            self.learn(learnt);
        }
        if let Some(running) = self.lookups.get_mut(&number) {
            running.lookup.set_fall_back(can_fall_back, self.now);
            set_timer(&mut self.timers, number, running, &self.context);
        }
    }

    /// One lookup does not wait for a question any longer.
    fn leave(&mut self, number: u64, question: &Question) {
        let Some(waiting) = self.waiting.get_mut(question) else { return };
        waiting.remove(&number);
        let deserted = waiting.is_empty();
        if deserted {
            self.waiting.remove(question);
        }
        if deserted && !self.orphans.contains_key(question) {
            self.inquiries.drop_question(question, &mut self.out);
        } else {
            let learnt = self.inquiries.no_more_from(
                question,
                number,
                &self.context,
                self.now,
                &mut self.out,
            );
            self.learn(learnt);
        }
    }

    fn remove(&mut self, number: u64) -> Option<Running> {
        let mut running = self.lookups.remove(&number)?;
        let name = running.lookup.name();
        if running.lookup.is_background() {
            self.refreshing.remove(name);
        } else {
            self.names.remove(name);
        }
        self.dirty.remove(&number);
        if let Some(at) = running.timer {
            self.timers.remove(&(at, number));
        }
        for question in std::mem::take(&mut running.asked) {
            self.leave(number, &question);
        }
        Some(running)
    }

    /// Hands the end to every ticket: shared, unless a draw of its own makes a difference.
    fn finish(&mut self, number: u64, end: Result<Resolved, Failed>) {
        let Some(mut running) = self.remove(number) else { return };
        let drawn = end.as_ref().is_ok_and(is_drawn);
        let tickets = u64::try_from(running.tickets.len()).unwrap_or(u64::MAX);
        let count =
            if running.has_asked { &mut self.counters.misses } else { &mut self.counters.hits };
        *count = count.saturating_add(tickets.min(1));
        let in_vain = running.lookup.asked_in_vain();
        self.counters.speculated_in_vain = self.counters.speculated_in_vain.saturating_add(in_vain);
        let refresh_at = running.lookup.refresh_at();
        let shared = Arc::new(end);
        let name = running.lookup.name().clone();
        self.results.remember(&name, &shared, refresh_at, self.now);
        for ticket in &running.tickets {
            self.tickets.remove(ticket);
            let own = if drawn { running.lookup.end_for(ticket.0, &self.context) } else { None };
            let outcome = own.map_or_else(|| Arc::clone(&shared), Arc::new);
            self.out.push_back(Event::Finished(*ticket, outcome));
        }
        // What came from memory alone and is near its expiry has been used: a reason to ask again.
        let due = refresh_at.is_some_and(|at| at <= self.now);
        if due && shared.is_ok() && !running.has_asked && !running.lookup.is_background() {
            self.refresh(&name);
        }
    }
}

fn set_timer(
    timers: &mut BTreeSet<(Instant, u64)>,
    number: u64,
    running: &mut Running,
    context: &Context,
) {
    let at = running.lookup.deadline(context).map(|deadline| deadline.at);
    if at != running.timer {
        if let Some(old) = running.timer {
            timers.remove(&(old, number));
        }
        timers.extend(at.map(|at| (at, number)));
        running.timer = at;
    }
}
