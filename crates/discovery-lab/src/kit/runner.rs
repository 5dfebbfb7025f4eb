//! A scenario over real sockets: an adapter on one side, a [`Lab`] on the other, both by a clock that is paused: it jumps to the
//! next timer whenever no byte is on its way and nobody is at work. Years pass in moments, to the millisecond.
//!
//! Knows nothing of what must come out.
//!
//! Virtual time needs to know when the adapter is idle. A fixed wait is too short on a busy machine, and an executor of
//! the kit's own would not be the adapter's. The runner therefore watches the threads that read the clock or ask where to
//! connect: the adapter is idle when all of them sleep and none has woken since the last check. Adapters on tokio run on
//! the servers' runtime, whose paused clock drives their timers directly, so that a wrong timer shows.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use discovery_core::{
    Config, Disposition, Event, Instant, Outcome, Question, Resolution, ServerName, Speculation,
    Url,
};
use discovery_sim::{Mismatch, Report, Resolve, Scenario};
use tokio::task::{AbortHandle, JoinSet};
use tokio::time;

use super::adapter::{Adapter, Client};
use super::limits;
use super::setup::Setup;
use super::virtual_time::VirtualTime;
use super::wall_clock;
use crate::certificates::Authority;
use crate::lab::{Lab, LabOptions};
use crate::results::{LookupResult, RunTrouble, differences};

/// How long the system gets to carry what was sent over loopback before the clock jumps; from the second time on, for a busy machine.
pub(super) const GRACE: [Duration; 3] =
    [Duration::from_micros(100), Duration::from_millis(5), Duration::from_millis(50)];
/// Time of the scenario after which a run counts as one that never ends.
const PATIENCE: Duration = Duration::from_secs(3600);
/// How often to look whether all has come to rest.
const GLANCE: Duration = Duration::from_millis(500);

/// Runs scenarios over real sockets on loopback, through an adapter.
#[derive(Clone)]
pub struct Runner {
    adapter: Arc<dyn Adapter>,
    authority: Arc<Authority>,
}

impl Runner {
    /// How often a scenario is worth running: a busy machine may need more time than the first attempt leaves it.
    pub const ATTEMPTS: usize = GRACE.len();

    /// A runner with a new certificate authority.
    ///
    /// # Errors
    /// When the machine gives no randomness for its keys.
    pub fn new(adapter: Arc<dyn Adapter>) -> Result<Self, RunTrouble> {
        Ok(Self { adapter, authority: Arc::new(Authority::new()?) })
    }

    /// The adapter that it runs scenarios through.
    pub fn adapter(&self) -> &Arc<dyn Adapter> {
        &self.adapter
    }

    /// Runs a scenario and says how what came out differs from what it expects. What differs is run again, with more time for
    /// the system, before it counts: a busy machine is no difference.
    ///
    /// # Errors
    /// When the run does not come to its end, or the scenario speaks of what sockets can't show.
    pub fn differences(&self, scenario: &Scenario) -> Result<Vec<(String, Mismatch)>, RunTrouble> {
        let mut last = Ok(Vec::new());
        for attempt in 0..Self::ATTEMPTS {
            // What is asked is judged by what is needed.
            let off = |config: &mut Config| config.policy.spec.speculation = Speculation::Off;
            last = self.run_with(scenario, attempt, off).map(|ran| differences(scenario, &ran));
            if last.as_ref().is_ok_and(Vec::is_empty) {
                break;
            }
        }
        last
    }

    /// What a scenario needs that sockets can't show; None: they can show all of it.
    pub fn inexpressible(scenario: &Scenario) -> Option<&'static str> {
        limits::inexpressible(scenario)
    }

    /// Why a scenario cannot be run over sockets or with this adapter; `None` if it can.
    pub fn declines(&self, scenario: &Scenario) -> Option<&'static str> {
        limits::inexpressible(scenario).or_else(|| self.adapter.declines(scenario))
    }

    /// Runs every `resolve` of a scenario, each at its time. A further attempt leaves the system more time to carry bytes.
    ///
    /// # Errors
    /// When the run does not come to its end, or the scenario speaks of what sockets can't show.
    pub fn run(
        &self,
        scenario: &Scenario,
        attempt: usize,
    ) -> Result<Vec<LookupResult>, RunTrouble> {
        self.run_with(scenario, attempt, |_| {})
    }

    /// Runs every `resolve` of a scenario with a changed configuration, such as another speculation or seed.
    ///
    /// # Errors
    /// When the run does not come to its end, or the scenario speaks of what sockets can't show.
    pub fn run_with(
        &self,
        scenario: &Scenario,
        attempt: usize,
        change: impl FnOnce(&mut Config),
    ) -> Result<Vec<LookupResult>, RunTrouble> {
        if let Some(what) = self.declines(scenario) {
            return Err(RunTrouble::Inexpressible(what));
        }
        let mut config = Config::new(scenario.policy());
        config.name_servers = scenario.name_servers();
        config.seed = scenario.seed();
        change(&mut config);
        let [.., ample] = GRACE;
        let time = VirtualTime::new(GRACE.get(attempt).copied().unwrap_or(ample))?;
        time.block_on(async {
            let options = LabOptions { name_servers: config.name_servers, ..LabOptions::default() };
            let world = wall_clock::world(scenario, Duration::ZERO);
            let lab = Lab::start_here(world, options, Arc::clone(&self.authority))?;
            let gets = Arc::new(Mutex::new(Vec::new()));
            let log = Arc::clone(&gets);
            let mut setup = Setup::for_lab(&lab, time.clock(), Arc::clone(time.probe()));
            setup.tls = self.authority.client_config_at(scenario.clock());
            setup.policy = config.policy;
            setup.seed = config.seed;
            setup.routes = scenario.routes_at(Duration::ZERO);
            // The web servers see less than is asked: what is refused, for instance, never reaches them.
            setup.on_fetch(move |get| {
                log.lock().unwrap_or_else(PoisonError::into_inner).push(get.url.to_string());
            });
            let client: Arc<dyn Client> =
                self.adapter.start(setup).map_err(std::io::Error::other)?.into();
            time.keep(self.adapter.timers(), &client);
            let mut run = Run {
                scenario,
                resolves: scenario.resolves(),
                lab: &lab,
                client,
                began: time::Instant::now(),
                clock: discovery_driver::Clock::start(time::Instant::now().into_std()),
                moment: None,
                running: JoinSet::new(),
                aborts: BTreeMap::new(),
                gets,
                asked: BTreeMap::new(),
                ended: BTreeMap::new(),
            };
            run.play().await?;
            run.collect()
        })
    }
}

impl fmt::Debug for Runner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Runner").field("adapter", &self.adapter.name()).finish_non_exhaustive()
    }
}

/// Something that the scenario has happen.
enum Happening {
    Change,
    Report(Report),
    Resolve(usize),
    Abandon(usize),
    /// The machine does nothing for so long, while the servers do.
    Away(Duration),
}

struct Run<'a> {
    scenario: &'a Scenario,
    resolves: Vec<Resolve>,
    lab: &'a Lab,
    client: Arc<dyn Client>,
    began: time::Instant,
    clock: discovery_driver::Clock,
    /// The last moment that names were resolved at.
    moment: Option<Duration>,
    running: JoinSet<(usize, Outcome, Instant)>,
    aborts: BTreeMap<usize, AbortHandle>,
    /// URLs that were asked for since they were last booked.
    gets: Arc<Mutex<Vec<String>>>,
    /// What was asked from each of the scenario's moments on.
    asked: BTreeMap<Duration, Vec<Question>>,
    ended: BTreeMap<usize, (Instant, Outcome)>,
}

impl Run<'_> {
    async fn play(&mut self) -> Result<(), RunTrouble> {
        let mut script = Vec::new();
        // Dates in headers go by the real clock, which stands still beside the scenario's: each moment needs them anew.
        let mut moments = self.scenario.changes();
        moments.extend(self.resolves.iter().map(|resolve| resolve.at));
        script.extend(moments.into_iter().map(|at| (at, Happening::Change)));
        let reports = self.scenario.reports().into_iter();
        script.extend(reports.map(|report| (report.at, Happening::Report(report))));
        for (index, resolve) in self.resolves.iter().enumerate() {
            script.push((resolve.at, Happening::Resolve(index)));
            let abandon = resolve.abandon.map(|after| resolve.at.saturating_add(after));
            script.extend(abandon.map(|at| (at, Happening::Abandon(index))));
        }
        let pauses = self.scenario.pauses().into_iter();
        script.extend(pauses.map(|(from, to)| (from, Happening::Away(to.saturating_sub(from)))));
        // Stable: what happens at one moment happens in the order above.
        script.sort_by_key(|(at, _)| *at);
        for (at, happening) in script {
            time::sleep_until(self.began + at).await;
            if let Happening::Away(span) = happening {
                // Everybody's timers ring at once: those of the servers have long done so for a client that comes back.
                time::advance(span).await;
                continue;
            }
            self.happen(happening, at);
        }
        time::timeout(PATIENCE, self.rest())
            .await
            .map_err(|_| RunTrouble::Unfinished("some name".to_owned()))
    }

    /// Waits for all lookups to end, and for what goes on in the background.
    async fn rest(&mut self) {
        while let Some(joined) = self.running.join_next().await {
            // What was abandoned has been told of already, and what panicked will be missed.
            if let Ok((index, outcome, at)) = joined {
                self.ended.insert(index, (at, outcome));
            }
        }
        // I7: nothing in flight means no deadline.
        while self.client.deadline().is_some() {
            time::sleep(GLANCE).await;
        }
    }

    /// By the clock that the machine's instants are on: it began with the run.
    fn now(&self) -> Instant {
        self.clock.to_core(time::Instant::now().into_std())
    }

    fn happen(&mut self, happening: Happening, at: Duration) {
        match happening {
            Happening::Change => {
                self.lab.set_world(wall_clock::world(self.scenario, at));
                let routes = self.scenario.routes_at(at);
                self.client.set_routes(routes);
            }
            // It takes time: see above.
            Happening::Away(_) => {}
            Happening::Report(Report { name, place, said, .. }) => {
                let _: Disposition = self.client.report(&name, place, said);
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
        self.moment = Some(resolve.at);
        // A name that is none is told of in the end.
        let Ok(name) = ServerName::parse(&resolve.name) else { return };
        let resolving = self.client.resolve(&name);
        let clock = self.clock;
        let abort = self.running.spawn(async move {
            let outcome = resolving.await;
            (index, outcome, clock.to_core(time::Instant::now().into_std()))
        });
        self.aborts.insert(index, abort);
    }

    /// Books what was asked under the last moment that names were resolved at.
    fn note_asked(&mut self) {
        let dns = self.lab.take_asked();
        let dns = dns.into_iter().filter(|question| matches!(question, Question::Dns(..)));
        let gets = std::mem::take(&mut *self.gets.lock().unwrap_or_else(PoisonError::into_inner));
        let gets = gets.iter().filter_map(|url| Url::parse(url).ok().map(Question::Get));
        if let Some(moment) = self.moment {
            self.asked.entry(moment).or_default().extend(dns.chain(gets));
        }
    }

    fn collect(mut self) -> Result<Vec<LookupResult>, RunTrouble> {
        self.note_asked();
        let mut all = Vec::new();
        for (index, resolve) in self.resolves.iter().enumerate() {
            let (at, outcome) = match ServerName::parse(&resolve.name) {
                Err(why) => (Instant::ORIGIN, Err(why)),
                Ok(_) => match self.ended.remove(&index) {
                    Some((at, outcome)) => (at, Ok(outcome)),
                    None => return Err(RunTrouble::Unfinished(resolve.name.clone())),
                },
            };
            all.push(LookupResult {
                name: resolve.name.clone(),
                at,
                outcome,
                asked: Some(self.asked.get(&resolve.at).cloned().unwrap_or_default()),
                hurried: false,
            });
        }
        Ok(all)
    }
}

/// The outcome of a ticket that was given up: where a future was dropped nobody is left to be told.
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
#[path = "runner_tests.rs"]
mod tests;
