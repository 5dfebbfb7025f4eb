//! A light driver in virtual time: one resolver, one fleet, the same latency for every reply.
//!
//! Checks the promises that cost next to nothing to check: requests end once (I2), no spin (I5), no hang (I6), quiescence
//! (I7), one end for each ticket (I11).

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap, VecDeque};
use std::time::Duration;

use discovery_core::{
    Answer, Config, Disposition, Event, Instant, Outcome, Request, RequestId, Resolver, Ticket,
};

use super::{Fleet, server_of};
use crate::run::{START, Violation};

/// Broken promises that are kept; more say nothing new.
const MAX_VIOLATIONS: usize = 20;

/// A resolver and the fleet that it meets.
#[derive(Debug)]
pub struct Drive<'a> {
    fleet: &'a Fleet,
    resolver: Resolver,
    latency: Duration,
    now: Instant,
    coming: BinaryHeap<Reverse<Coming>>,
    planned: u64,
    open: BTreeSet<RequestId>,
    /// The last ids handed out, of DNS and of HTTP requests.
    minted: [Option<RequestId>; 2],
    tickets: BTreeMap<Ticket, (u64, Instant)>,
    finished: VecDeque<Finished>,
    requests: [u64; 2],
    /// Requests about each server, since somebody began to watch.
    watched: Option<BTreeMap<u64, u64>>,
    violations: Vec<Violation>,
}

/// A ticket's end.
#[derive(Clone, Debug)]
pub struct Finished {
    /// The server that was asked for.
    pub server: u64,
    /// When it was asked for.
    pub asked: Instant,
    /// When the end came out.
    pub at: Instant,
    /// The end.
    pub outcome: Outcome,
}

/// A request on its way; it is answered by the fleet as it is when the reply arrives.
#[derive(Debug)]
struct Coming {
    at: Instant,
    /// In the order asked, at the same moment.
    number: u64,
    request: Request,
}

impl PartialEq for Coming {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Coming {}

impl PartialOrd for Coming {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Coming {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.at, self.number).cmp(&(other.at, other.number))
    }
}

impl<'a> Drive<'a> {
    /// A resolver that knows nothing yet, in front of a fleet.
    pub fn new(fleet: &'a Fleet, config: Config, latency: Duration) -> Self {
        Self {
            fleet,
            resolver: Resolver::new(config, START),
            latency,
            now: START,
            coming: BinaryHeap::new(),
            planned: 0,
            open: BTreeSet::new(),
            minted: [None, None],
            tickets: BTreeMap::new(),
            finished: VecDeque::new(),
            requests: [0, 0],
            watched: None,
            violations: Vec::new(),
        }
    }

    /// The time.
    pub fn now(&self) -> Instant {
        self.now
    }

    /// The resolver.
    pub fn resolver(&self) -> &Resolver {
        &self.resolver
    }

    /// DNS requests and GETs so far, every attempt counted.
    pub fn requests(&self) -> [u64; 2] {
        self.requests
    }

    /// Promises that were broken, the first few.
    pub fn violations(&self) -> &[Violation] {
        &self.violations
    }

    /// From now on, counts the requests about each server; gives those that were counted before.
    pub fn watch(&mut self) -> BTreeMap<u64, u64> {
        self.watched.replace(BTreeMap::new()).unwrap_or_default()
    }

    /// Asks for a server.
    pub fn resolve(&mut self, server: u64) {
        let ticket = self.resolver.resolve(&self.fleet.name(server), self.now);
        if self.tickets.insert(ticket, (server, self.now)).is_some() {
            self.violate("I11", format!("{ticket:?} was given out twice"));
        }
        self.drain();
    }

    /// The next end, in the order in which they came out.
    pub fn finished(&mut self) -> Option<Finished> {
        self.finished.pop_front()
    }

    /// Lets time pass until that moment.
    pub fn run_until(&mut self, end: Instant) {
        while self.step(end) {}
        self.now = self.now.max(end);
    }

    /// Lets time pass until nothing is left to happen.
    pub fn run(&mut self) {
        while self.step(Instant::FAR_FUTURE) {}
        if !self.tickets.is_empty() {
            let count = self.tickets.len();
            self.violate("I11", format!("{count} tickets without an end"));
        }
        if !self.open.is_empty() {
            let count = self.open.len();
            self.violate("I2", format!("{count} requests are open and nobody waits for them"));
        }
    }

    /// Lets time pass until something has come out, or nothing is left to happen: false.
    pub fn run_until_finished(&mut self) -> bool {
        while self.finished.is_empty() {
            if !self.step(Instant::FAR_FUTURE) {
                return false;
            }
        }
        true
    }

    /// The next thing that happens by that moment; false: nothing does.
    fn step(&mut self, end: Instant) -> bool {
        // What was cancelled never arrives.
        while let Some(Reverse(coming)) = self.coming.peek()
            && !self.open.contains(&coming.request.id())
        {
            self.coming.pop();
        }
        let reply = self.coming.peek().map(|Reverse(coming)| coming.at);
        let deadline = self.resolver.poll_timeout().map(|deadline| deadline.at);
        let Some(at) = [reply, deadline].into_iter().flatten().min().filter(|at| *at <= end) else {
            return false;
        };
        self.now = self.now.max(at);
        // I9: what comes in at the very moment of a deadline beats it.
        if reply != Some(at) {
            self.resolver.handle_timeout(self.now);
            self.drain();
        } else if let Some(Reverse(coming)) = self.coming.pop() {
            // Silence is no input: the request stays open until somebody cancels it.
            if let Some(answer) = self.fleet.answer(&coming.request, self.now) {
                self.reply(answer);
                self.drain();
            }
        }
        self.violations.len() < MAX_VIOLATIONS
    }

    fn reply(&mut self, answer: Answer) {
        let id = answer.id();
        self.open.remove(&id);
        let disposition = self.resolver.handle_answer(answer, self.now);
        if disposition != Disposition::Accepted {
            self.violate("I2", format!("{disposition:?} for the answer to {id:?}"));
        }
    }

    fn drain(&mut self) {
        while let Some(event) = self.resolver.poll() {
            match event {
                Event::Request(request) => self.request(request),
                Event::Cancel(id) => {
                    if !self.open.remove(&id) {
                        self.violate("I2", format!("{id:?} was cancelled, and is not open"));
                    }
                }
                Event::Finished(ticket, outcome) => match self.tickets.remove(&ticket) {
                    Some((server, asked)) => {
                        self.finished.push_back(Finished { server, asked, at: self.now, outcome });
                    }
                    None => self.violate("I11", format!("{ticket:?} ended without being open")),
                },
            }
        }
        let deadline = self.resolver.poll_timeout();
        if let Some(deadline) = deadline
            && deadline.at <= self.now
        {
            self.violate("I5", format!("at {:?} the next deadline is {deadline:?}", self.now));
        }
        if self.open.is_empty() {
            match (self.tickets.is_empty(), deadline) {
                (false, None) => self.violate("I6", "unfinished, and nothing is waited for".into()),
                (true, Some(deadline)) => {
                    self.violate("I7", format!("nothing is in flight, and yet {deadline:?}"));
                }
                _ => {}
            }
        }
    }

    fn request(&mut self, request: Request) {
        let id = request.id();
        let [dns, http] = &mut self.minted;
        let [queries, gets] = &mut self.requests;
        let (last, count) = match id {
            RequestId::Dns(_) => (dns, queries),
            RequestId::Http(_) => (http, gets),
        };
        let in_order = last.replace(id).is_none_or(|last| last < id);
        *count = count.saturating_add(1);
        if !in_order {
            self.violate("I2", format!("{id:?} was minted out of order or twice"));
        }
        self.open.insert(id);
        if let (Some(watched), Some(server)) = (&mut self.watched, server_of(&request)) {
            let count = watched.entry(server).or_default();
            *count = count.saturating_add(1);
        }
        self.planned = self.planned.saturating_add(1);
        let at = self.now + self.latency;
        self.coming.push(Reverse(Coming { at, number: self.planned, request }));
    }

    fn violate(&mut self, promise: &'static str, what: String) {
        if self.violations.len() < MAX_VIOLATIONS {
            self.violations.push(Violation { promise, what });
        }
    }
}
