//! A scenario over real sockets: `discovery-tokio` on one side, a [`Lab`] on the other, the scenario's waits hurried and its
//! long pauses skipped.
//!
//! Knows nothing of what must come out.

mod limits;
mod wall_clock;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use discovery_core::{
    Config, Event, Instant, Outcome, Question, Resolution, ServerName, Speculation, Timeline,
};
use discovery_sim::{Mismatch, Resolve, Scenario};
use discovery_tokio::Discovery;
use tokio::task::{AbortHandle, JoinSet};
use tokio::time;

use crate::certificates::Authority;
use crate::lab::{Lab, LabOptions, hurried};
use crate::ran::{Ran, RunTrouble, differences};

/// By how much waits are divided, one after the other until the machine that this runs on keeps up.
const DIVISORS: [u32; 3] = [20, 5, 1];
/// Real time after which a run counts as one that never ends, whatever it is hurried by.
const PATIENCE: Duration = Duration::from_secs(120);

/// Runs scenarios over real sockets on loopback.
#[derive(Clone, Debug)]
pub struct TokioRunner {
    authority: Arc<Authority>,
}

impl TokioRunner {
    /// A runner with a new certificate authority.
    ///
    /// # Errors
    /// When the machine gives no randomness for its keys.
    pub fn new() -> Result<Self, RunTrouble> {
        Ok(Self { authority: Arc::new(Authority::new()?) })
    }

    /// Runs a scenario and says how what came out differs from what it expects. Where waits matter they are hurried; what
    /// differs then is run again more slowly before it counts, for a busy machine is no difference.
    ///
    /// # Errors
    /// When the run does not come to its end, or the scenario speaks of what sockets can't show.
    pub fn differences(&self, scenario: &Scenario) -> Result<Vec<(String, Mismatch)>, RunTrouble> {
        let divisors = if limits::waits(scenario) { &DIVISORS[..] } else { &[1] };
        let mut found = Vec::new();
        for divisor in divisors {
            // What is asked is judged by what is needed.
            let off = |config: &mut Config| config.policy.speculation = Speculation::Off;
            found = differences(scenario, &self.run_with(scenario, *divisor, off)?);
            if found.is_empty() {
                break;
            }
        }
        Ok(found)
    }

    /// What a scenario needs that sockets can't show; None: they can show all of it.
    pub fn inexpressible(scenario: &Scenario) -> Option<&'static str> {
        limits::inexpressible(scenario)
    }

    /// Runs every `resolve` of a scenario, each at its time; waits are divided.
    ///
    /// # Errors
    /// When the run does not come to its end, or the scenario speaks of what sockets can't show.
    pub fn run(&self, scenario: &Scenario, divisor: u32) -> Result<Vec<Ran>, RunTrouble> {
        self.run_with(scenario, divisor, |_| {})
    }

    /// Runs every `resolve` of a scenario, with a configuration that is changed before: another way to ask ahead, another
    /// seed.
    ///
    /// # Errors
    /// When the run does not come to its end, or the scenario speaks of what sockets can't show.
    pub fn run_with(
        &self,
        scenario: &Scenario,
        divisor: u32,
        change: impl FnOnce(&mut Config),
    ) -> Result<Vec<Ran>, RunTrouble> {
        if let Some(what) = limits::inexpressible(scenario) {
            return Err(RunTrouble::Inexpressible(what));
        }
        let mut config = Config::new(scenario.policy());
        config.name_servers = scenario.name_servers();
        config.seed = scenario.seed();
        change(&mut config);
        let options = LabOptions {
            name_servers: config.name_servers,
            divisor: divisor.max(1),
            ..LabOptions::default()
        };
        let world = wall_clock::world(scenario, Duration::ZERO);
        let lab = Lab::start_as(world, options, Arc::clone(&self.authority))?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(async {
            let discovery = Discovery::builder(lab.client_config())
                .policy(hurried(config.policy, options.divisor))
                .seed(config.seed)
                .name_servers(lab.dns_servers().iter().copied())
                .connect_to(lab.connector())
                .probe_routes(false)
                .spawn()
                .map_err(std::io::Error::other)?;
            let mut run = Run {
                scenario,
                resolves: scenario.resolves(),
                divisor: options.divisor,
                lab: &lab,
                discovery,
                reached: Duration::ZERO,
                running: JoinSet::new(),
                aborts: BTreeMap::new(),
                begun: BTreeMap::new(),
                asked: BTreeMap::new(),
                ended: BTreeMap::new(),
            };
            run.set_routes();
            run.play().await?;
            run.collect()
        })
    }
}

/// Something that the scenario has happen.
#[derive(Clone, Copy)]
enum Happening {
    Change,
    Resolve(usize),
    Abandon(usize),
}

struct Run<'a> {
    scenario: &'a Scenario,
    resolves: Vec<Resolve>,
    divisor: u32,
    lab: &'a Lab,
    discovery: Discovery,
    /// How far the scenario's time has come.
    reached: Duration,
    running: JoinSet<(usize, Outcome, Instant)>,
    aborts: BTreeMap<usize, AbortHandle>,
    /// When each of the scenario's moments was, by the machine's clock.
    begun: BTreeMap<Duration, Instant>,
    /// What was asked from each of them on.
    asked: BTreeMap<Duration, Vec<Question>>,
    ended: BTreeMap<usize, (Instant, Outcome)>,
}

impl Run<'_> {
    async fn play(&mut self) -> Result<(), RunTrouble> {
        let mut script = Vec::new();
        script.extend(self.scenario.changes().into_iter().map(|at| (at, Happening::Change)));
        for (index, resolve) in self.resolves.iter().enumerate() {
            script.push((resolve.at, Happening::Resolve(index)));
            let abandon = resolve.abandon.map(|after| resolve.at.saturating_add(after));
            script.extend(abandon.map(|at| (at, Happening::Abandon(index))));
        }
        // Stable: what happens at one moment happens in the order above.
        script.sort_by_key(|(at, _)| *at);
        for (at, happening) in script {
            self.reach(at).await;
            self.happen(happening);
        }
        let last = async { while self.finish_one().await {} };
        time::timeout(PATIENCE, last)
            .await
            .map_err(|_| RunTrouble::Unfinished("some name".to_owned()))
    }

    /// Lets the scenario's time come to `at`: waits, divided, as long as a lookup runs, and skips the rest.
    async fn reach(&mut self, at: Duration) {
        while self.reached < at {
            let left = at.saturating_sub(self.reached);
            if self.running.is_empty() {
                // Only this runtime's clock moves: lifetimes go by, and nobody waits.
                time::pause();
                time::advance(left).await;
                time::resume();
                self.reached = at;
                return;
            }
            let begun = time::Instant::now();
            let waited = time::timeout(left / self.divisor, self.finish_one()).await;
            self.reached = match waited {
                Ok(_) => self.reached.saturating_add(begun.elapsed().saturating_mul(self.divisor)),
                Err(_) => at,
            };
        }
    }

    /// Waits for one lookup to end; false: none is running.
    async fn finish_one(&mut self) -> bool {
        let Some(joined) = self.running.join_next().await else { return false };
        // What was abandoned has been told of already, and what panicked will be missed.
        if let Ok((index, outcome, at)) = joined {
            self.ended.insert(index, (at, outcome));
        }
        true
    }

    fn now(&self) -> Instant {
        self.discovery.handle().clock().to_core(time::Instant::now().into_std())
    }

    fn set_routes(&self) {
        let routes = self.scenario.routes_at(self.reached);
        self.discovery.handle().with(|resolver, now| resolver.set_routes(routes, now));
    }

    fn happen(&mut self, happening: Happening) {
        match happening {
            Happening::Change => {
                self.lab.set_world(wall_clock::world(self.scenario, self.reached));
                self.set_routes();
            }
            Happening::Resolve(index) => self.resolve(index),
            Happening::Abandon(index) => {
                if let Some(abort) = self.aborts.remove(&index)
                    && !abort.is_finished()
                {
                    abort.abort();
                    let name = self.resolves.get(index).map(|resolve| resolve.name.as_str());
                    let outcome = name.and_then(|name| abandoned(name, self.now()));
                    self.ended.extend(outcome.map(|outcome| (index, (self.now(), outcome))));
                }
            }
        }
    }

    fn resolve(&mut self, index: usize) {
        let Some(resolve) = self.resolves.get(index).cloned() else { return };
        self.note_asked();
        self.begun.entry(resolve.at).or_insert_with(|| {
            self.discovery.handle().clock().to_core(time::Instant::now().into_std())
        });
        // A name that is none is told of in the end.
        let Ok(name) = ServerName::parse(&resolve.name) else { return };
        let resolving = self.discovery.resolve(&name);
        let clock = self.discovery.handle().clock();
        let abort = self.running.spawn(async move {
            let outcome = resolving.await;
            (index, outcome, clock.to_core(time::Instant::now().into_std()))
        });
        self.aborts.insert(index, abort);
    }

    /// Books what the name servers were asked under the last moment that names were resolved at.
    fn note_asked(&mut self) {
        let log = self.lab.take_asked();
        if let Some((at, _)) = self.begun.last_key_value() {
            let dns = log.into_iter().filter(|question| matches!(question, Question::Dns(..)));
            self.asked.entry(*at).or_default().extend(dns);
        }
    }

    fn collect(mut self) -> Result<Vec<Ran>, RunTrouble> {
        self.note_asked();
        // The web servers see less than was asked (what is refused, for instance): the lookups know.
        for (_, outcome) in self.ended.values() {
            let timeline: &Timeline = match outcome.as_ref() {
                Ok(resolved) => &resolved.timeline,
                Err(failed) => &failed.timeline,
            };
            for timed in &timeline.questions {
                let window = self.begun.iter().rfind(|(_, begun)| **begun <= timed.asked);
                if let Some((at, _)) = window {
                    self.asked.entry(*at).or_default().push(timed.question.clone());
                }
            }
        }
        let mut all = Vec::new();
        for (index, resolve) in self.resolves.iter().enumerate() {
            let (at, outcome) = match ServerName::parse(&resolve.name) {
                Err(why) => (Instant::ORIGIN, Err(why)),
                Ok(_) => match self.ended.remove(&index) {
                    Some((at, outcome)) => (at, Ok(outcome)),
                    None => return Err(RunTrouble::Unfinished(resolve.name.clone())),
                },
            };
            all.push(Ran {
                name: resolve.name.clone(),
                at,
                outcome,
                asked: Some(self.asked.get(&resolve.at).cloned().unwrap_or_default()),
                hurried: self.divisor > 1,
            });
        }
        Ok(all)
    }
}

/// The outcome of a ticket that was given up: on tokio nobody is left to be told.
fn abandoned(name: &str, now: Instant) -> Option<Outcome> {
    let name = ServerName::parse(name).ok()?;
    let mut machine = Resolution::new(name, &Config::default(), now);
    let ticket = machine.ticket();
    let _ = machine.abandon(ticket, now);
    std::iter::from_fn(|| machine.poll()).find_map(|event| match event {
        Event::Finished(_, outcome) => Some(outcome),
        Event::Request(_) | Event::Cancel(_) => None,
    })
}

#[cfg(test)]
#[path = "tokio_layer_tests.rs"]
mod tests;
