//! Runs in virtual time: a machine in a scripted world, answers arriving when the world says so.
//!
//! Knows nothing of what the answers mean. A run equals its list of inputs: [`replay`] repeats it without a world.

mod machine;
mod monitor;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use discovery_core::{
    Answer, Config, Event, Instant, InvalidServerName, Outcome, Question, Request, RequestId,
    Resolution, Resolver, Routes, ServerName, Ticket, UnixTime, Url,
};

pub use machine::{Input, Machine};
pub use monitor::{Bounds, Monitor, Violation};

use crate::scenario::{Expect, Mismatch, Observed, Report, Resolve, Scenario};
use crate::world::World;

/// When runs start: not at the origin, so that nothing can hide behind saturating at it.
pub const START: Instant = Instant::from_secs(1_000_000);
/// Steps after which a run counts as one that goes on for ever.
const MAX_STEPS: usize = 1_000_000;

/// How a run is driven.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// How long replies take.
    pub latency: Latency,
    /// What becomes of requests that the machine cancels.
    pub cancelled: Cancelled,
    /// Whether the machine is told when TLS is up.
    pub connected: Connected,
}

/// How long replies take.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Latency {
    /// As long as the world says.
    #[default]
    World,
    /// All the same; what never comes does not come.
    Same(Duration),
}

/// What becomes of requests that the machine cancels.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Cancelled {
    /// Their answers are not given.
    #[default]
    Dropped,
    /// Their answers are given all the same, and must change nothing (I3).
    Answered,
}

/// Whether the machine is told when TLS is up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Connected {
    /// It is.
    #[default]
    Told,
    /// It is not, which must not change the result.
    Untold,
}

/// What came of a run.
#[derive(Clone, Debug, Default)]
pub struct Run {
    /// Every input, in order: the run again, without the world.
    pub inputs: Vec<Input>,
    /// The ends, in the order of the names to resolve; None for a name whose end never came.
    pub ends: Vec<Ended>,
    /// Every request, with the moment it was handed out.
    pub requests: Vec<(Instant, Request)>,
    /// Promises that the machine broke.
    pub violations: Vec<Violation>,
}

/// What came of one name.
#[derive(Clone, Debug)]
pub struct Ended {
    /// The name, as the scenario writes it.
    pub name: String,
    /// When it was asked for.
    pub asked: Instant,
    /// When the end came out; None: never.
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
    /// A name is given up.
    Abandon(usize),
    /// A caller tells of a place.
    Report(Report),
    /// The world changes.
    Change(Duration),
    /// A reply, or part of one.
    Reply(Input),
}

struct Driver<'a, M> {
    machine: Monitor<M>,
    scenario: &'a Scenario,
    options: Options,
    world: World,
    start: Duration,
    now: Instant,
    /// By time, then in the order planned; the script before replies.
    coming: BTreeMap<(Instant, u64), Coming>,
    planned: u64,
    cancelled: BTreeSet<RequestId>,
    tickets: BTreeMap<Ticket, Vec<usize>>,
    run: Run,
}

impl<'a, M: Machine> Driver<'a, M> {
    /// A driver whose world is the one of that time after the start.
    fn new(machine: M, scenario: &'a Scenario, options: Options, start: Duration) -> Self {
        Self {
            machine: Monitor::new(machine, Bounds::of(&scenario.policy())),
            scenario,
            options,
            world: scenario.world_at(start),
            start,
            now: START + start,
            coming: BTreeMap::new(),
            planned: 0,
            cancelled: BTreeSet::new(),
            tickets: BTreeMap::new(),
            run: Run::default(),
        }
    }

    /// Plans what the scenario says will happen.
    fn script(&mut self, resolves: Vec<Resolve>) {
        let start = self.start;
        for at in self.scenario.changes().into_iter().filter(|at| *at > start) {
            self.plan(START + at, Coming::Change(at));
        }
        for report in self.scenario.reports() {
            self.plan(START + report.at, Coming::Report(report));
        }
        for (index, resolve) in resolves.into_iter().enumerate() {
            let asked = START + resolve.at;
            self.run.ends.push(Ended { name: resolve.name, asked, at: None, outcome: None });
            self.plan(asked, Coming::Resolve(index));
            if let Some(abandon) = resolve.abandon {
                self.plan(asked + abandon, Coming::Abandon(index));
            }
        }
        let routes = self.scenario.routes_at(self.start);
        if routes != Routes::default() {
            let input = Input::Routes(routes, self.now);
            self.machine.apply(&input);
            self.run.inputs.push(input);
        }
    }

    fn plan(&mut self, at: Instant, coming: Coming) {
        self.planned = self.planned.saturating_add(1);
        self.coming.insert((at, self.planned), coming);
    }

    fn input(&mut self, input: Input) {
        self.run.inputs.push(input.clone());
        self.machine.apply(&input);
        self.drain();
    }

    fn drain(&mut self) {
        for event in self.machine.drain() {
            match event {
                Event::Request(request) => self.request(request),
                Event::Cancel(id) => {
                    self.cancelled.insert(id);
                }
                Event::Finished(ticket, outcome) => {
                    for index in self.tickets.remove(&ticket).unwrap_or_default() {
                        if let Some(ended) = self.run.ends.get_mut(index) {
                            ended.at = Some(self.now);
                            ended.outcome = Some(Ok(outcome.clone()));
                        }
                    }
                }
            }
        }
    }

    fn request(&mut self, request: Request) {
        let elapsed = self.now.saturating_duration_since(START).as_secs();
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
            let at = self.now + same.unwrap_or(connected);
            self.plan(at, Coming::Reply(Input::Connected(get.id, at)));
        }
        if let Some(answer) = told.answer {
            let at = self.now + after;
            self.plan(at, Coming::Reply(Input::Answer(answer, at)));
        }
        self.run.requests.push((self.now, request));
    }

    fn run(&mut self) {
        for _ in 0..MAX_STEPS {
            let next = self.coming.first_key_value().map(|((at, _), _)| self.reaches_at(*at));
            let due = self.machine.poll_timeout().map(|deadline| deadline.at);
            let deadline = due.map(|at| self.reaches_at(at));
            match (next, deadline) {
                (None, None) => return,
                // Back from a pause, it looks at the clock before it reads what has arrived.
                (_, Some(at)) if due < deadline && next.is_none_or(|next| at <= next) => {
                    self.now = self.now.max(at);
                    self.input(Input::Timeout(self.now));
                }
                // I9: what comes in at the very moment of a deadline beats it.
                (Some(at), deadline) if deadline.is_none_or(|deadline| at <= deadline) => {
                    let Some((_, coming)) = self.coming.pop_first() else { return };
                    self.now = self.now.max(at);
                    self.happen(coming);
                }
                (_, Some(at)) => {
                    self.now = self.now.max(at);
                    self.input(Input::Timeout(self.now));
                }
                (Some(_), None) => return,
            }
        }
        self.machine.violate("I5", format!("still busy after {MAX_STEPS} steps"));
    }

    /// When something that happens at this time reaches a machine that is away meanwhile.
    fn reaches_at(&self, at: Instant) -> Instant {
        START + self.scenario.reaches_at(at.saturating_duration_since(START))
    }

    fn happen(&mut self, coming: Coming) {
        match coming {
            Coming::Change(at) => {
                self.world = self.scenario.world_at(at);
                let before = self.scenario.routes_at(at.saturating_sub(Duration::from_millis(1)));
                let routes = self.scenario.routes_at(at);
                if routes != before {
                    self.input(Input::Routes(routes, self.now));
                }
            }
            Coming::Resolve(index) => self.resolve(index),
            Coming::Report(Report { name, place, said, .. }) => {
                self.input(Input::Report(name, place, said, self.now));
            }
            Coming::Abandon(index) => {
                let ticket = self.tickets.iter().find(|(_, names)| names.contains(&index));
                if let Some(ticket) = ticket.map(|(ticket, _)| *ticket) {
                    self.input(Input::Abandon(ticket, self.now));
                }
            }
            Coming::Reply(input) => {
                let id = match &input {
                    Input::Answer(answer, _) => Some(answer.id()),
                    Input::Connected(id, _) => Some(RequestId::Http(*id)),
                    Input::Resolve(..)
                    | Input::Timeout(_)
                    | Input::Abandon(..)
                    | Input::Routes(..)
                    | Input::NameServers(..)
                    | Input::Forget(..)
                    | Input::Teach(..)
                    | Input::Report(..) => None,
                };
                let cancelled = id.is_some_and(|id| self.cancelled.contains(&id));
                if !cancelled || self.options.cancelled == Cancelled::Answered {
                    self.input(input.told_at(self.now));
                }
            }
        }
    }

    fn resolve(&mut self, index: usize) {
        let Some(ended) = self.run.ends.get_mut(index) else { return };
        let name: ServerName = match ended.name.parse() {
            Ok(name) => name,
            Err(why) => {
                (ended.at, ended.outcome) = (Some(self.now), Some(Err(why)));
                return;
            }
        };
        let input = Input::Resolve(name, self.now);
        self.run.inputs.push(input.clone());
        if let Some(ticket) = self.machine.apply(&input) {
            self.tickets.entry(ticket).or_default().push(index);
        }
        self.drain();
    }

    fn finish(mut self) -> Run {
        self.run.violations = self.machine.finish();
        self.run
    }
}
