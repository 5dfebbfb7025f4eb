//! Many names at once: tickets, lookups that share questions, slots and a queue.
//!
//! A question is asked once however many lookups wait for it. Knows no step of the specification and nothing of how a
//! question is answered.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use crate::config::Config;
use crate::inquiries::{Inquiries, Learnt};
use crate::lookup::{Context, Lookup};
use crate::name::ServerName;
use crate::outcome::{Failed, FailureKind, Resolved};
use crate::question::Question;
use crate::request::{Answer, Deadline, Disposition, Event, HttpId, Routes, Ticket};
use crate::time::Instant;

/// Resolves many server names over one set of questions.
///
/// The loop around it: take events from [`poll`](Self::poll) until there are none, wait for an answer or until
/// [`poll_timeout`](Self::poll_timeout), hand it in, repeat. Every input is legal in any state and order (I1).
#[derive(Clone, Debug)]
pub struct Resolver {
    context: Context,
    lookups: BTreeMap<u64, Running>,
    /// Tickets for one name share its lookup.
    names: BTreeMap<ServerName, u64>,
    tickets: BTreeMap<Ticket, u64>,
    /// Which lookups wait for a question.
    waiting: BTreeMap<Question, BTreeSet<u64>>,
    inquiries: Inquiries,
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
    timer: Option<Instant>,
}

impl Resolver {
    /// A resolver that has nothing to do yet.
    pub fn new(config: Config, now: Instant) -> Self {
        let Config { policy, name_servers, seed } = config;
        let (dns, http) = (policy.dns_slots.max(1), policy.http_slots.max(1));
        Self {
            inquiries: Inquiries::new(&policy, name_servers, dns, http),
            context: Context { policy: Arc::new(policy), routes: Routes::default(), seed },
            lookups: BTreeMap::new(),
            names: BTreeMap::new(),
            tickets: BTreeMap::new(),
            waiting: BTreeMap::new(),
            timers: BTreeSet::new(),
            dirty: BTreeSet::new(),
            out: VecDeque::new(),
            next_ticket: 0,
            next_lookup: 0,
            now,
        }
    }

    /// Asks for a name. The end comes from [`poll`](Self::poll) under the ticket given, exactly once (I11).
    pub fn resolve(&mut self, name: &ServerName, now: Instant) -> Ticket {
        self.advance(now);
        let ticket = Ticket(self.next_ticket);
        self.next_ticket = self.next_ticket.saturating_add(1);
        if let Some(number) = self.names.get(name).copied()
            && let Some(running) = self.lookups.get_mut(&number)
        {
            running.tickets.insert(ticket);
            self.tickets.insert(ticket, number);
        } else if self.lookups.len() >= self.context.policy.max_lookups {
            let failed = Failed::bare(FailureKind::Overloaded);
            self.out.push_back(Event::Finished(ticket, Arc::new(Err(failed))));
        } else {
            let number = self.next_lookup;
            self.next_lookup = number.saturating_add(1);
            self.tickets.insert(ticket, number);
            self.names.insert(name.clone(), number);
            let running = Running {
                lookup: Lookup::new(name.clone(), number, self.now),
                tickets: BTreeSet::from([ticket]),
                asked: Vec::new(),
                timer: None,
            };
            self.lookups.insert(number, running);
            self.dirty.insert(number);
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

    /// Tells how many name servers there are from now on.
    pub fn set_name_servers(&mut self, count: u8, now: Instant) {
        self.advance(now);
        self.inquiries.set_name_servers(count);
        self.settle();
    }

    /// Tells which families have a route; it orders the addresses that are tried from now on.
    pub fn set_routes(&mut self, routes: Routes, now: Instant) {
        self.advance(now);
        self.context.routes = routes;
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
        [question, lookup].into_iter().flatten().min_by_key(|deadline| deadline.at)
    }

    /// How many tickets have not ended yet.
    pub fn unfinished(&self) -> usize {
        self.tickets.len()
    }

    /// Time never goes back inside (I8).
    fn advance(&mut self, now: Instant) {
        self.now = self.now.max(now);
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
            } else if let Some((_, number)) = self.timers.pop_first()
                && let Some(running) = self.lookups.get_mut(&number)
            {
                running.timer = None;
                let released = |question: &Question| self.inquiries.is_released(question);
                match running.lookup.handle_timeout(&self.context, self.now, released) {
                    Some(failed) => self.finish(number, Err(failed)),
                    None => {
                        self.dirty.insert(number);
                    }
                }
            }
            self.run();
        }
        self.now = now;
    }

    fn learn(&mut self, learnt: Option<Learnt>) {
        let Some((question, known)) = learnt else { return };
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
        if let Some(end) = running.lookup.turn(&self.context, self.now) {
            return self.finish(number, end);
        }
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
        for ask in &asks {
            let learnt = self.inquiries.ask(ask, number, &self.context, self.now, &mut self.out);
            if self.inquiries.is_released(&ask.question)
                && let Some(running) = self.lookups.get_mut(&number)
            {
                running.lookup.released(&ask.question, self.now);
            }
            self.learn(learnt);
        }
        if let Some(running) = self.lookups.get_mut(&number) {
            set_timer(&mut self.timers, number, running, &self.context);
        }
    }

    /// One lookup does not wait for a question any longer.
    fn leave(&mut self, number: u64, question: &Question) {
        let Some(waiting) = self.waiting.get_mut(question) else { return };
        waiting.remove(&number);
        if waiting.is_empty() {
            self.waiting.remove(question);
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
        let running = self.lookups.remove(&number)?;
        self.names.remove(running.lookup.name());
        self.dirty.remove(&number);
        if let Some(at) = running.timer {
            self.timers.remove(&(at, number));
        }
        for question in &running.asked {
            self.leave(number, question);
        }
        Some(running)
    }

    /// Hands the end to every ticket: shared, unless a draw of its own makes a difference.
    fn finish(&mut self, number: u64, end: Result<Resolved, Failed>) {
        let Some(running) = self.remove(number) else { return };
        let drawn = end.as_ref().is_ok_and(|resolved| {
            resolved.targets.iter().filter(|target| target.srv.is_some()).nth(1).is_some()
        });
        let shared = Arc::new(end);
        for ticket in &running.tickets {
            self.tickets.remove(ticket);
            let own = if drawn { running.lookup.end_for(ticket.0, &self.context) } else { None };
            let outcome = own.map_or_else(|| Arc::clone(&shared), Arc::new);
            self.out.push_back(Event::Finished(*ticket, outcome));
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
