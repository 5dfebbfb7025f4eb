//! A scenario from end to end in memory: the core's `Resolver`, the wire's exchanges and the lab's servers hand each other
//! bytes, in virtual time.
//!
//! Opens no socket and reads no clock, except where a scenario has none: TLS judges certificates by the system's then.

mod flow;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use discovery_core::{
    Config, Disposition, Event, Instant, Outcome, Question, Request, RequestId, Resolver,
    ServerName, Ticket, UnixTime, Url,
};
use discovery_sim::{Report, Resolve, Scenario, World};
use discovery_wire::Predictable;
use rustls::ClientConfig;

use crate::certificates::Authority;
use crate::ran::{Ran, RunTrouble, window};
use flow::Flow;

/// More steps than any scenario takes.
const MAX_STEPS: usize = 2_000_000;

/// Runs scenarios in memory. One runner may run many: what is costly (keys, certificates) is made once.
#[derive(Clone, Debug)]
pub struct MemoryRunner {
    authority: Arc<Authority>,
}

impl MemoryRunner {
    /// A runner with a new certificate authority.
    ///
    /// # Errors
    /// When the machine gives no randomness for its keys.
    pub fn new() -> Result<Self, RunTrouble> {
        Ok(Self { authority: Arc::new(Authority::new()?) })
    }

    /// Runs every `resolve` of a scenario, each at its time.
    ///
    /// # Errors
    /// When the run does not come to its end, which is a bug.
    pub fn run(&self, scenario: &Scenario) -> Result<Vec<Ran>, RunTrouble> {
        self.run_with(scenario, |_| {})
    }

    /// Runs every `resolve` of a scenario, with a configuration that is changed before: another way to ask ahead, another
    /// seed.
    ///
    /// # Errors
    /// When the run does not come to its end, which is a bug.
    pub fn run_with(
        &self,
        scenario: &Scenario,
        change: impl FnOnce(&mut Config),
    ) -> Result<Vec<Ran>, RunTrouble> {
        let mut config = Config::new(scenario.policy());
        config.name_servers = scenario.name_servers();
        config.seed = scenario.seed();
        change(&mut config);
        let mut run = Run {
            runner: self,
            client: self.authority.client_config_at(scenario.clock()),
            scenario,
            resolves: scenario.resolves(),
            resolver: Resolver::new(config, Instant::ORIGIN),
            world: Arc::new(scenario.world_at(Duration::ZERO)),
            now: Instant::ORIGIN,
            due: BTreeMap::new(),
            planned: 0,
            flows: BTreeMap::new(),
            entropy: Predictable::new(scenario.seed()),
            asked: Vec::new(),
            tickets: BTreeMap::new(),
            ended: BTreeMap::new(),
        };
        run.plan_scenario();
        run.go_to_the_end()?;
        run.collect()
    }
}

/// Something that happens at its time.
enum Due {
    /// The world or the routes change.
    Change,
    /// A name is asked for.
    Resolve(usize),
    /// A name is given up.
    Abandon(usize),
    /// A caller tells of a place.
    Report(Report),
    /// Something arrives at the client of a request.
    Arrive(RequestId, flow::Arrival),
    /// A server goes on after a pause.
    GoOn(RequestId),
}

struct Run<'a> {
    runner: &'a MemoryRunner,
    client: Arc<ClientConfig>,
    scenario: &'a Scenario,
    resolves: Vec<Resolve>,
    resolver: Resolver,
    world: Arc<World>,
    now: Instant,
    due: BTreeMap<(Instant, u64), Due>,
    planned: u64,
    flows: BTreeMap<RequestId, Flow>,
    entropy: Predictable,
    asked: Vec<(Duration, Question)>,
    tickets: BTreeMap<Ticket, usize>,
    ended: BTreeMap<usize, (Instant, Outcome)>,
}

impl Run<'_> {
    fn plan(&mut self, at: Instant, due: Due) {
        self.planned = self.planned.saturating_add(1);
        self.due.insert((at, self.planned), due);
    }

    fn plan_scenario(&mut self) {
        self.resolver.set_routes(self.scenario.routes_at(Duration::ZERO), self.now);
        for at in self.scenario.changes() {
            self.plan(Instant::ORIGIN + at, Due::Change);
        }
        for report in self.scenario.reports() {
            self.plan(Instant::ORIGIN + report.at, Due::Report(report));
        }
        for (index, resolve) in self.resolves.clone().iter().enumerate() {
            let at = Instant::ORIGIN + resolve.at;
            self.plan(at, Due::Resolve(index));
            if let Some(after) = resolve.abandon {
                self.plan(at + after, Due::Abandon(index));
            }
        }
    }

    fn go_to_the_end(&mut self) -> Result<(), RunTrouble> {
        for _ in 0..MAX_STEPS {
            while let Some(event) = self.resolver.poll() {
                self.follow(event);
            }
            let planned = self.due.first_key_value().map(|((at, _), _)| self.reaches_at(*at));
            let due = self.resolver.poll_timeout().map(|deadline| deadline.at);
            let deadline = due.map(|at| self.reaches_at(at));
            match (planned, deadline) {
                (None, None) => return Ok(()),
                // Back from a pause, it looks at the clock before it reads what has arrived.
                (_, Some(at)) if due < deadline && planned.is_none_or(|next| at <= next) => {
                    self.now = self.now.max(at);
                    self.resolver.handle_timeout(self.now);
                }
                // What arrives at its deadline has arrived in time (I9).
                (Some(at), deadline) if deadline.is_none_or(|deadline| at <= deadline) => {
                    self.now = self.now.max(at);
                    if let Some((_, due)) = self.due.pop_first() {
                        self.happen(due);
                    }
                }
                (_, Some(at)) => {
                    self.now = self.now.max(at);
                    self.resolver.handle_timeout(self.now);
                }
                (Some(_), None) => {}
            }
        }
        Err(RunTrouble::Restless)
    }

    /// When something that happens at this time reaches a machine that is away meanwhile.
    fn reaches_at(&self, at: Instant) -> Instant {
        Instant::ORIGIN + self.scenario.reaches_at(at.saturating_duration_since(Instant::ORIGIN))
    }

    fn follow(&mut self, event: Event) {
        match event {
            Event::Request(request) => {
                let at = self.now.saturating_duration_since(Instant::ORIGIN);
                let question = match &request {
                    Request::Dns(dns) => Some(Question::Dns(dns.name.clone(), dns.kind)),
                    Request::Http(get) => Url::parse(&get.url.to_string()).ok().map(Question::Get),
                };
                self.asked.extend(question.map(|question| (at, question)));
                let id = request.id();
                let client = Arc::clone(&self.client);
                self.flows.insert(id, Flow::new(request, client, &mut self.entropy));
                self.move_on(id);
            }
            Event::Cancel(id) => {
                self.flows.remove(&id);
            }
            Event::Finished(ticket, outcome) => {
                if let Some(index) = self.tickets.remove(&ticket) {
                    self.ended.insert(index, (self.now, outcome));
                }
            }
        }
    }

    fn happen(&mut self, due: Due) {
        match due {
            Due::Change => {
                let at = self.now.saturating_duration_since(Instant::ORIGIN);
                self.world = Arc::new(self.scenario.world_at(at));
                self.resolver.set_routes(self.scenario.routes_at(at), self.now);
            }
            Due::Resolve(index) => {
                let name = self.resolves.get(index).and_then(|resolve| {
                    // A name that is none is told of in the end.
                    ServerName::parse(&resolve.name).ok()
                });
                if let Some(name) = name {
                    let ticket = self.resolver.resolve(&name, self.now);
                    self.tickets.insert(ticket, index);
                }
            }
            Due::Abandon(index) => {
                let ticket = self.tickets.iter().find(|(_, own)| **own == index);
                if let Some(ticket) = ticket.map(|(ticket, _)| *ticket) {
                    let _: Disposition = self.resolver.abandon(ticket, self.now);
                }
            }
            Due::Report(Report { name, place, said, .. }) => {
                let _: Disposition = self.resolver.report(&name, place, said, self.now);
            }
            Due::Arrive(id, arrival) => {
                if let Some(flow) = self.flows.get_mut(&id) {
                    flow.arrive(arrival);
                    self.move_on(id);
                }
            }
            Due::GoOn(id) => {
                if let Some(flow) = self.flows.get_mut(&id) {
                    flow.go_on();
                    self.move_on(id);
                }
            }
        }
    }

    /// Moves a request on as far as it goes now.
    fn move_on(&mut self, id: RequestId) {
        let Some(flow) = self.flows.get_mut(&id) else { return };
        let at = self.now.saturating_duration_since(Instant::ORIGIN);
        let clock =
            self.scenario.clock().map(|start| UnixTime(start.0.saturating_add(at.as_secs())));
        let steps = flow.run(&self.world, &self.runner.authority, clock);
        for (after, due) in steps.later {
            self.plan(self.now + after, due);
        }
        if let Some(id) = steps.connected {
            let _: Disposition = self.resolver.handle_connected(id, self.now);
        }
        if steps.finished
            && let Some(flow) = self.flows.remove(&id)
        {
            let _: Disposition = self.resolver.handle_answer(flow.into_answer(), self.now);
        }
    }

    fn collect(mut self) -> Result<Vec<Ran>, RunTrouble> {
        let mut all = Vec::new();
        for (index, resolve) in self.resolves.iter().enumerate() {
            let (at, outcome) = match ServerName::parse(&resolve.name) {
                Err(why) => (Instant::ORIGIN + resolve.at, Err(why)),
                Ok(_) => match self.ended.remove(&index) {
                    Some((at, outcome)) => (at, Ok(outcome)),
                    None => return Err(RunTrouble::Unfinished(resolve.name.clone())),
                },
            };
            let asked = Some(window(&self.resolves, index, &self.asked));
            all.push(Ran { name: resolve.name.clone(), at, outcome, asked, hurried: false });
        }
        Ok(all)
    }
}

#[cfg(test)]
#[path = "memory_tests.rs"]
mod tests;
