//! A resolver in front of a population, in virtual time: the same latency for every reply.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use discovery_core::{Config, Event, Instant, Outcome, Request, RequestId, Resolver, Ticket};

use super::{Population, server_of};
use crate::run::{Bounds, Input, START, Violation};
use crate::simulator::{Next, Simulator};

/// Broken invariants after which it is of no use to go on.
const MAX_VIOLATIONS: usize = 20;

/// A resolver and the population that it meets.
#[derive(Debug)]
pub struct Drive<'a> {
    population: &'a Population,
    /// A scheduled request is answered by the population as it is when the reply arrives.
    simulator: Simulator<Resolver, Request>,
    latency: Duration,
    tickets: BTreeMap<Ticket, (u64, Instant)>,
    finished: VecDeque<Finished>,
    requests: [u64; 2],
    /// Requests about each server since counting began.
    watched: Option<BTreeMap<u64, u64>>,
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

impl<'a> Drive<'a> {
    /// A resolver that knows nothing yet, in front of a population.
    pub fn new(population: &'a Population, config: Config, latency: Duration) -> Self {
        let bounds = Bounds::of(&config.policy);
        Self {
            population,
            simulator: Simulator::new(Resolver::new(config, START), bounds, START),
            latency,
            tickets: BTreeMap::new(),
            finished: VecDeque::new(),
            requests: [0, 0],
            watched: None,
        }
    }

    /// The time.
    pub fn now(&self) -> Instant {
        self.simulator.now()
    }

    /// The resolver.
    pub fn resolver(&self) -> &Resolver {
        self.simulator.monitor().machine()
    }

    /// DNS requests and GETs so far, every attempt counted.
    pub fn requests(&self) -> [u64; 2] {
        self.requests
    }

    /// Invariants that were broken, the first few.
    pub fn violations(&self) -> &[Violation] {
        self.simulator.monitor().violations()
    }

    /// From now on, counts the requests about each server; gives those that were counted before.
    pub fn watch(&mut self) -> BTreeMap<u64, u64> {
        self.watched.replace(BTreeMap::new()).unwrap_or_default()
    }

    /// Asks for a server.
    pub fn resolve(&mut self, server: u64) {
        let now = self.now();
        let input = Input::Resolve(self.population.name(server), now);
        if let Some(ticket) = self.simulator.input(&input) {
            self.tickets.insert(ticket, (server, now));
        }
        self.take_events();
    }

    /// The next end, in the order in which they came out.
    pub fn finished(&mut self) -> Option<Finished> {
        self.finished.pop_front()
    }

    /// Lets time pass until that moment.
    pub fn run_until(&mut self, end: Instant) {
        while self.step(end) {}
        self.simulator.pass_until(end);
    }

    /// Lets time pass until nothing is left to happen.
    pub fn run(&mut self) {
        while self.step(Instant::FAR_FUTURE) {}
        let monitor = self.simulator.monitor_mut();
        let (done, open) = (monitor.is_done(), monitor.open().count());
        if !done {
            monitor.violate("I11", "tickets without an end".to_owned());
        }
        if open > 0 {
            monitor.violate("I2", format!("{open} requests are open without a lookup"));
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

    /// Runs the next event up to this time. Returns false if there is none, or if too many invariants are broken to continue.
    fn step(&mut self, end: Instant) -> bool {
        match self.simulator.step(end) {
            // An answer to a cancelled request never arrives.
            Some(Next::Due(request)) if self.simulator.monitor().is_open(request.id()) => {
                // Silence is no input: the request stays open until it is cancelled.
                let now = self.now();
                if let Some(answer) = self.population.answer(&request, now) {
                    self.simulator.input(&Input::Answer(answer, now));
                }
            }
            Some(Next::Due(_) | Next::Timeout) => {}
            None => return false,
        }
        self.take_events();
        self.violations().len() < MAX_VIOLATIONS
    }

    fn take_events(&mut self) {
        while let Some(event) = self.simulator.event() {
            match event {
                Event::Request(request) => self.request(request),
                Event::Cancel(_) => {}
                Event::Finished(ticket, outcome) => {
                    if let Some((server, asked)) = self.tickets.remove(&ticket) {
                        let at = self.now();
                        self.finished.push_back(Finished { server, asked, at, outcome });
                    }
                }
            }
        }
    }

    fn request(&mut self, request: Request) {
        let [queries, gets] = &mut self.requests;
        let count = match request.id() {
            RequestId::Dns(_) => queries,
            RequestId::Http(_) => gets,
        };
        *count = count.saturating_add(1);
        if let (Some(watched), Some(server)) = (&mut self.watched, server_of(&request)) {
            let count = watched.entry(server).or_default();
            *count = count.saturating_add(1);
        }
        self.simulator.schedule(self.now() + self.latency, request);
    }
}
