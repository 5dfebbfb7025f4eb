//! A scenario from end to end in memory: the core's `Resolver`, the wire's exchanges and the lab's servers hand each other
//! bytes, in virtual time.
//!
//! Opens no socket and reads no clock, except where a scenario has none: TLS judges certificates by the system's then.

mod flow;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use discovery_core::{
    Config, Event, Instant, Outcome, Question, RequestId, Resolver, ServerName, Ticket, UnixTime,
};
use discovery_sim::{Bounds, Input, Next, Report, Resolve, Scenario, Simulator, World, question};
use discovery_wire::Predictable;
use rustls::ClientConfig;

use crate::certificates::Authority;
use crate::results::{LookupResult, RunTrouble, window};
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
    pub fn run(&self, scenario: &Scenario) -> Result<Vec<LookupResult>, RunTrouble> {
        self.run_with(scenario, |_| {})
    }

    /// Runs every `resolve` of a scenario with a changed configuration, such as another speculation or seed.
    ///
    /// # Errors
    /// When the run does not come to its end, which is a bug.
    pub fn run_with(
        &self,
        scenario: &Scenario,
        change: impl FnOnce(&mut Config),
    ) -> Result<Vec<LookupResult>, RunTrouble> {
        let mut config = Config::new(scenario.policy());
        config.name_servers = scenario.name_servers();
        config.seed = scenario.seed();
        change(&mut config);
        let bounds = Bounds::of(&config.policy);
        let since = |at: Duration| Instant::ORIGIN + at;
        let pauses = scenario.pauses().into_iter().map(|(from, to)| (since(from), since(to)));
        let mut run = Run {
            runner: self,
            client: self.authority.client_config_at(scenario.clock()),
            scenario,
            resolves: scenario.resolves(),
            simulator: Simulator::new(
                Resolver::new(config, Instant::ORIGIN),
                bounds,
                Instant::ORIGIN,
            )
            .paused(pauses.collect()),
            world: Arc::new(scenario.world_at(Duration::ZERO)),
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
    simulator: Simulator<Resolver, Due>,
    world: Arc<World>,
    flows: BTreeMap<RequestId, Flow>,
    entropy: Predictable,
    asked: Vec<(Duration, Question)>,
    tickets: BTreeMap<Ticket, usize>,
    ended: BTreeMap<usize, (Instant, Outcome)>,
}

impl Run<'_> {
    /// The time since the start.
    fn elapsed(&self) -> Duration {
        self.simulator.now().saturating_duration_since(Instant::ORIGIN)
    }

    fn plan_scenario(&mut self) {
        let routes = self.scenario.routes_at(Duration::ZERO);
        self.simulator.input(&Input::Routes(routes, Instant::ORIGIN));
        for at in self.scenario.changes() {
            self.simulator.schedule(Instant::ORIGIN + at, Due::Change);
        }
        for report in self.scenario.reports() {
            self.simulator.schedule(Instant::ORIGIN + report.at, Due::Report(report));
        }
        for (index, resolve) in self.resolves.iter().enumerate() {
            let at = Instant::ORIGIN + resolve.at;
            self.simulator.schedule(at, Due::Resolve(index));
            if let Some(after) = resolve.abandon {
                self.simulator.schedule(at + after, Due::Abandon(index));
            }
        }
    }

    fn go_to_the_end(&mut self) -> Result<(), RunTrouble> {
        for _ in 0..MAX_STEPS {
            while let Some(event) = self.simulator.event() {
                self.follow(event);
            }
            if let Some(broken) = self.simulator.monitor().violations().first() {
                return Err(RunTrouble::Broken(broken.clone()));
            }
            match self.simulator.step(Instant::FAR_FUTURE) {
                Some(Next::Due(due)) => self.happen(due),
                Some(Next::Timeout) => {}
                None => return Ok(()),
            }
        }
        Err(RunTrouble::Restless)
    }

    fn follow(&mut self, event: Event) {
        match event {
            Event::Request(request) => {
                let at = self.elapsed();
                self.asked.extend(question(&request).map(|question| (at, question)));
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
                    self.ended.insert(index, (self.simulator.now(), outcome));
                }
            }
        }
    }

    fn happen(&mut self, due: Due) {
        let now = self.simulator.now();
        match due {
            Due::Change => {
                let at = self.elapsed();
                self.world = Arc::new(self.scenario.world_at(at));
                self.simulator.input(&Input::Routes(self.scenario.routes_at(at), now));
            }
            Due::Resolve(index) => {
                let name = self.resolves.get(index).and_then(|resolve| {
                    // A name that is none is told of in the end.
                    ServerName::parse(&resolve.name).ok()
                });
                if let Some(name) = name {
                    let ticket = self.simulator.input(&Input::Resolve(name, now));
                    self.tickets.extend(ticket.map(|ticket| (ticket, index)));
                }
            }
            Due::Abandon(index) => {
                let ticket = self.tickets.iter().find(|(_, own)| **own == index);
                if let Some(ticket) = ticket.map(|(ticket, _)| *ticket) {
                    self.simulator.input(&Input::Abandon(ticket, now));
                }
            }
            Due::Report(Report { name, place, said, .. }) => {
                self.simulator.input(&Input::Report(name, place, said, now));
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
        let (now, at) = (self.simulator.now(), self.elapsed());
        let Some(flow) = self.flows.get_mut(&id) else { return };
        let clock =
            self.scenario.clock().map(|start| UnixTime(start.0.saturating_add(at.as_secs())));
        let steps = flow.run(&self.world, &self.runner.authority, clock);
        for (after, due) in steps.later {
            self.simulator.schedule(now + after, due);
        }
        if let Some(id) = steps.connected {
            self.simulator.input(&Input::Connected(id, now));
        }
        if steps.finished
            && let Some(flow) = self.flows.remove(&id)
        {
            self.simulator.input(&Input::Answer(flow.into_answer(), now));
        }
    }

    fn collect(mut self) -> Result<Vec<LookupResult>, RunTrouble> {
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
            all.push(LookupResult {
                name: resolve.name.clone(),
                at,
                outcome,
                asked,
                hurried: false,
            });
        }
        Ok(all)
    }
}

#[cfg(test)]
#[path = "memory_tests.rs"]
mod tests;
