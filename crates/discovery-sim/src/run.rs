//! Runs in virtual time: a machine in a scripted world, answers arriving when the world says so.
//!
//! Knows nothing of what the answers mean. A run equals its list of inputs: [`replay`] repeats it without a world.

mod machine;
mod monitor;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::time::Duration;

use discovery_core::{
    Answer, Config, Event, Instant, InvalidServerName, Outcome, Question, Request, RequestId,
    Resolution, Resolver, Routes, ServerName, Ticket, UnixTime, Url,
};

pub use machine::{Input, Machine};
pub use monitor::{Bounds, Monitor, Violation};

use crate::scenario::{Expect, Mismatch, Observed, Report, Resolve, Scenario};
use crate::simulator::{Next, Simulator};
use crate::world::World;

/// When runs start: not at the origin, so that nothing can hide behind saturating at it.
pub const START: Instant = Instant::from_secs(1_000_000);
/// The number of steps after which a run counts as endless.
const MAX_STEPS: usize = 1_000_000;

/// How a run is driven.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// The delay of replies.
    pub latency: Latency,
    /// The handling of cancelled requests.
    pub cancelled: Cancelled,
    /// Whether completed TLS handshakes are reported to the machine.
    pub connected: Connected,
}

/// The delay of replies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Latency {
    /// As long as the world says.
    #[default]
    World,
    /// All the same; what never comes does not come.
    Same(Duration),
}

/// The handling of cancelled requests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Cancelled {
    /// Their answers are not given.
    #[default]
    Dropped,
    /// Their answers are given all the same, and must change nothing (I3).
    Answered,
}

/// Whether completed TLS handshakes are reported to the machine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Connected {
    /// It is.
    #[default]
    Told,
    /// It is not, which must not change the result.
    Untold,
}

/// The outcome of a run.
#[derive(Clone, Debug, Default)]
pub struct Run {
    /// Every input, in order: the run again, without the world.
    pub inputs: Vec<Input>,
    /// The ends, in the order of the names to resolve; None for a name whose end never came.
    pub ends: Vec<Ended>,
    /// Every request, with the moment it was handed out.
    pub requests: Vec<(Instant, Request)>,
    /// Invariants that the machine broke.
    pub violations: Vec<Violation>,
}

/// The outcome of one name.
#[derive(Clone, Debug)]
pub struct Ended {
    /// The name, as the scenario writes it.
    pub name: String,
    /// When it was asked for.
    pub asked: Instant,
    /// The time of the outcome; `None` if there was none.
    pub at: Option<Instant>,
    /// The end; an error where the name is none. None: it never came.
    pub outcome: Option<Result<Outcome, InvalidServerName>>,
}

/// Gives every name of a scenario to one machine that remembers.
pub fn run_resolver(scenario: &Scenario, options: Options) -> Run {
    let machine = Resolver::new(config(scenario), START);
    let mut driver = Driver::new(machine, scenario, options, Duration::ZERO);
    driver.script(scenario.resolves());
    driver.run();
    driver.finish()
}

/// Gives every name of a scenario to a machine of its own that remembers nothing, in the world of its time.
pub fn run_each(scenario: &Scenario, options: Options) -> Vec<Run> {
    let run = |resolve: Resolve| {
        let now = START + resolve.at;
        let name: ServerName = match resolve.name.parse() {
            Ok(name) => name,
            Err(why) => {
                let ended = Ended {
                    name: resolve.name.clone(),
                    asked: now,
                    at: Some(now),
                    outcome: Some(Err(why)),
                };
                return Run { ends: vec![ended], ..Run::default() };
            }
        };
        let machine = Resolution::new(name, &config(scenario), now);
        let mut driver = Driver::new(machine, scenario, options, resolve.at);
        driver.script(vec![resolve.clone()]);
        driver.run();
        driver.finish()
    };
    scenario.resolves().into_iter().map(run).collect()
}

/// How many replies have to be waited for one after another until the name of that index is resolved, if each takes one
/// round; None where the end never comes that way.
pub fn sequential_waits(scenario: &Scenario, index: usize) -> Option<u64> {
    let round = Duration::from_millis(1);
    let options = Options { latency: Latency::Same(round), ..Options::default() };
    let run = run_each(scenario, options).into_iter().nth(index)?;
    let ended = run.ends.first()?;
    let took = ended.at?.saturating_duration_since(ended.asked);
    u64::try_from(took.as_millis()).ok()
}

/// Gives a list of inputs to a machine and returns what it handed out; the same inputs give the same events.
pub fn replay<M: Machine>(machine: &mut M, inputs: &[Input]) -> Vec<Event> {
    let mut events = Vec::new();
    events.extend(std::iter::from_fn(|| machine.poll()));
    for input in inputs {
        machine.apply(input);
        events.extend(std::iter::from_fn(|| machine.poll()));
    }
    events
}

/// The configuration that a scenario asks for. The driver calls when something is due and at no other time, unless the machine is
/// away in the scenario: a heartbeat would only multiply the orders that an explorer walks through.
pub fn config(scenario: &Scenario) -> Config {
    let mut config = Config::new(scenario.policy());
    config.heartbeat = config.heartbeat.filter(|_| !scenario.pauses().is_empty());
    config.name_servers = scenario.name_servers();
    config.seed = scenario.seed();
    config
}

impl Run {
    /// What was asked, in order; a question with several attempts or addresses several times.
    pub fn questions(&self) -> Vec<Question> {
        self.asked(Instant::ORIGIN, None)
    }

    fn asked(&self, from: Instant, to: Option<Instant>) -> Vec<Question> {
        let within = |at: Instant| at >= from && to.is_none_or(|to| at < to);
        let requests = self.requests.iter().filter(|(at, _)| within(*at));
        requests.filter_map(|(_, request)| question(request)).collect()
    }

    /// How what came out differs from what the scenario expects, by the index of the name. `asked`, `never`, `gets` and `queries` are
    /// looked at if speculation is off.
    pub fn check(&self, expects: &[Expect], speculation: bool) -> Vec<(usize, Mismatch)> {
        let mut found = Vec::new();
        for (index, (ended, expect)) in self.ends.iter().zip(expects).enumerate() {
            let later =
                self.ends.iter().map(|other| other.asked).find(|asked| *asked > ended.asked);
            let questions = self.asked(ended.asked, later);
            let at = ended.at.unwrap_or(ended.asked);
            let observed = match &ended.outcome {
                Some(Ok(outcome)) => Observed::new(outcome, at),
                Some(Err(why)) => Observed::invalid(*why, at),
                None => {
                    found.push((index, Mismatch::never_ended()));
                    continue;
                }
            };
            let observed = if speculation { observed } else { observed.asking(&questions) };
            found.extend(expect.check(&observed).into_iter().map(|mismatch| (index, mismatch)));
        }
        found
    }
}

/// The question that a request puts.
pub fn question(request: &Request) -> Option<Question> {
    match request {
        Request::Dns(dns) => Some(Question::Dns(dns.name.clone(), dns.kind)),
        Request::Http(get) => Url::parse(&get.url.to_string()).ok().map(Question::Get),
    }
}

/// What the world answers to a request; the wall clock is the response's.
pub(crate) struct Answered {
    pub(crate) connected: Option<Duration>,
    pub(crate) after: Duration,
    pub(crate) answer: Option<Answer>,
}

pub(crate) fn answer(world: &World, request: &Request, received: Option<UnixTime>) -> Answered {
    match request {
        Request::Dns(dns) => {
            let told = world.dns_reply(dns);
            let answer = told.said.map(|said| Answer::Dns(dns.id, said));
            Answered { connected: None, after: told.after, answer }
        }
        Request::Http(get) => {
            let Ok(url) = Url::parse(&get.url.to_string()) else {
                let answer = Some(Answer::local_failure(RequestId::Http(get.id)));
                return Answered { connected: None, after: Duration::ZERO, answer };
            };
            let told = world.http_answer(&url, get.address, get.max_body);
            let answer = told.said.map(|said| {
                let said = said.map(|mut response| {
                    response.received = received;
                    response
                });
                Answer::Http(get.id, said)
            });
            Answered { connected: told.connected, after: told.after, answer }
        }
    }
}

/// Something that will happen.
enum Coming {
    /// The next name is asked for.
    Resolve(usize),
    /// A name is abandoned.
    Abandon(usize),
    /// A caller reports an endpoint.
    Report(Report),
    /// The world changes.
    Change(Duration),
    /// A reply, or part of one.
    Reply(Input),
}

struct Driver<'a, M> {
    simulator: Simulator<M, Coming>,
    scenario: &'a Scenario,
    options: Options,
    world: World,
    start: Duration,
    tickets: BTreeMap<Ticket, Vec<usize>>,
    run: Run,
}

impl<'a, M: Machine> Driver<'a, M> {
    /// A driver whose world is the one of that time after the start.
    fn new(machine: M, scenario: &'a Scenario, options: Options, start: Duration) -> Self {
        let pauses = scenario.pauses().into_iter().map(|(from, to)| (START + from, START + to));
        let bounds = Bounds::of(&scenario.policy());
        Self {
            simulator: Simulator::new(machine, bounds, START + start).paused(pauses.collect()),
            scenario,
            options,
            world: scenario.world_at(start),
            start,
            tickets: BTreeMap::new(),
            run: Run::default(),
        }
    }

    /// Schedules what the scenario says will happen.
    fn script(&mut self, resolves: Vec<Resolve>) {
        let start = self.start;
        for at in self.scenario.changes().into_iter().filter(|at| *at > start) {
            self.simulator.schedule(START + at, Coming::Change(at));
        }
        for report in self.scenario.reports() {
            self.simulator.schedule(START + report.at, Coming::Report(report));
        }
        for (index, resolve) in resolves.into_iter().enumerate() {
            let asked = START + resolve.at;
            self.run.ends.push(Ended { name: resolve.name, asked, at: None, outcome: None });
            self.simulator.schedule(asked, Coming::Resolve(index));
            if let Some(abandon) = resolve.abandon {
                self.simulator.schedule(asked + abandon, Coming::Abandon(index));
            }
        }
        let routes = self.scenario.routes_at(self.start);
        if routes != Routes::default() {
            self.input(Input::Routes(routes, self.simulator.now()));
        }
    }

    fn input(&mut self, input: Input) -> Option<Ticket> {
        let ticket = self.simulator.input(&input);
        self.run.inputs.push(input);
        ticket
    }

    fn event(&mut self, event: Event) {
        match event {
            Event::Request(request) => self.request(request),
            // The monitor knows what is open.
            Event::Cancel(_) => {}
            Event::Finished(ticket, outcome) => {
                for index in self.tickets.remove(&ticket).unwrap_or_default() {
                    if let Some(ended) = self.run.ends.get_mut(index) {
                        ended.at = Some(self.simulator.now());
                        ended.outcome = Some(Ok(outcome.clone()));
                    }
                }
            }
        }
    }

    fn request(&mut self, request: Request) {
        let now = self.simulator.now();
        let elapsed = now.saturating_duration_since(START).as_secs();
        let clock = self.scenario.clock();
        let told = answer(&self.world, &request, None);
        let same = match self.options.latency {
            Latency::World => None,
            Latency::Same(latency) => Some(latency),
        };
        let after = same.unwrap_or(told.after);
        let received = clock
            .map(|clock| UnixTime(clock.0.saturating_add(elapsed).saturating_add(after.as_secs())));
        let told = answer(&self.world, &request, received);
        if let (Some(connected), Request::Http(get), Connected::Told) =
            (told.connected, &request, self.options.connected)
        {
            let at = now + same.unwrap_or(connected);
            self.simulator.schedule(at, Coming::Reply(Input::Connected(get.id, at)));
        }
        if let Some(answer) = told.answer {
            let at = now + after;
            self.simulator.schedule(at, Coming::Reply(Input::Answer(answer, at)));
        }
        self.run.requests.push((now, request));
    }

    fn run(&mut self) {
        for _ in 0..MAX_STEPS {
            while let Some(event) = self.simulator.event() {
                self.event(event);
            }
            match self.simulator.step(Instant::FAR_FUTURE) {
                Some(Next::Due(coming)) => self.happen(coming),
                Some(Next::Timeout) => self.run.inputs.push(Input::Timeout(self.simulator.now())),
                None => return,
            }
        }
        let what = format!("still busy after {MAX_STEPS} steps");
        self.simulator.monitor_mut().violate("I5", what);
    }

    fn happen(&mut self, coming: Coming) {
        let now = self.simulator.now();
        match coming {
            Coming::Change(at) => {
                self.world = self.scenario.world_at(at);
                let before = self.scenario.routes_at(at.saturating_sub(Duration::from_millis(1)));
                let routes = self.scenario.routes_at(at);
                if routes != before {
                    self.input(Input::Routes(routes, now));
                }
            }
            Coming::Resolve(index) => self.resolve(index),
            Coming::Report(Report { name, place, said, .. }) => {
                self.input(Input::Report(name, place, said, now));
            }
            Coming::Abandon(index) => {
                let ticket = self.tickets.iter().find(|(_, names)| names.contains(&index));
                if let Some(ticket) = ticket.map(|(ticket, _)| *ticket) {
                    self.input(Input::Abandon(ticket, now));
                }
            }
            Coming::Reply(input) => {
                let is_open =
                    input.replies_to().is_none_or(|id| self.simulator.monitor().is_open(id));
                if is_open || self.options.cancelled == Cancelled::Answered {
                    self.input(input.told_at(now));
                }
            }
        }
    }

    fn resolve(&mut self, index: usize) {
        let now = self.simulator.now();
        let Some(ended) = self.run.ends.get_mut(index) else { return };
        let name: ServerName = match ended.name.parse() {
            Ok(name) => name,
            Err(why) => {
                (ended.at, ended.outcome) = (Some(now), Some(Err(why)));
                return;
            }
        };
        if let Some(ticket) = self.input(Input::Resolve(name, now)) {
            self.tickets.entry(ticket).or_default().push(index);
        }
    }

    fn finish(mut self) -> Run {
        self.run.violations = self.simulator.into_monitor().finish();
        self.run
    }
}
