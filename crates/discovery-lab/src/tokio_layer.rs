//! A scenario over real sockets: `discovery-tokio` on one side, a [`Lab`] on the other, both on one runtime whose clock is
//! paused: it jumps to the next timer whenever no byte is on its way. Years pass in moments, to the millisecond.
//!
//! Knows nothing of what must come out.

mod limits;
mod wall_clock;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use discovery_core::{
    Config, Disposition, Event, Instant, Outcome, Question, Resolution, ServerName, Speculation,
    Url,
};
use discovery_sim::{Mismatch, Report, Resolve, Scenario};
use discovery_tokio::Discovery;
use tokio::task::{AbortHandle, JoinSet};
use tokio::time;

use crate::certificates::Authority;
use crate::lab::{Lab, LabOptions};
use crate::ran::{Ran, RunTrouble, differences};

/// How long the system gets to carry what was sent over loopback before the clock jumps; the second time, for a busy machine.
const GRACE: [Duration; 2] = [Duration::from_micros(100), Duration::from_millis(5)];
/// Time of the scenario after which a run counts as one that never ends.
const PATIENCE: Duration = Duration::from_secs(3600);
/// How often to look whether all has come to rest.
const GLANCE: Duration = Duration::from_millis(100);

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

    /// Runs a scenario and says how what came out differs from what it expects. What differs is run again, with more time for
    /// the system, before it counts: a busy machine is no difference.
    ///
    /// # Errors
    /// When the run does not come to its end, or the scenario speaks of what sockets can't show.
    pub fn differences(&self, scenario: &Scenario) -> Result<Vec<(String, Mismatch)>, RunTrouble> {
        let mut found = Vec::new();
        for attempt in 0..GRACE.len() {
            // What is asked is judged by what is needed.
            let off = |config: &mut Config| config.policy.speculation = Speculation::Off;
            found = differences(scenario, &self.run_with(scenario, attempt, off)?);
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

    /// Runs every `resolve` of a scenario, each at its time. A further attempt leaves the system more time to carry bytes.
    ///
    /// # Errors
    /// When the run does not come to its end, or the scenario speaks of what sockets can't show.
    pub fn run(&self, scenario: &Scenario, attempt: usize) -> Result<Vec<Ran>, RunTrouble> {
        self.run_with(scenario, attempt, |_| {})
    }

    /// Runs every `resolve` of a scenario, with a configuration that is changed before: another way to ask ahead, another
    /// seed.
    ///
    /// # Errors
    /// When the run does not come to its end, or the scenario speaks of what sockets can't show.
    pub fn run_with(
        &self,
        scenario: &Scenario,
        attempt: usize,
        change: impl FnOnce(&mut Config),
    ) -> Result<Vec<Ran>, RunTrouble> {
        if let Some(what) = limits::inexpressible(scenario) {
            return Err(RunTrouble::Inexpressible(what));
        }
        let mut config = Config::new(scenario.policy());
        config.name_servers = scenario.name_servers();
        config.seed = scenario.seed();
        change(&mut config);
        let [grace, ample] = GRACE;
        let grace = if attempt == 0 { grace } else { ample };
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .start_paused(true)
            // Called when nothing is left to do: the clock jumps only if still nothing has arrived after it.
            .on_thread_park(move || thread::sleep(grace))
            .build()?;
        runtime.block_on(async {
            let options = LabOptions { name_servers: config.name_servers, ..LabOptions::default() };
            let world = wall_clock::world(scenario, Duration::ZERO);
            let lab = Lab::start_here(world, options, Arc::clone(&self.authority))?;
            let gets = Arc::new(Mutex::new(Vec::new()));
            let log = Arc::clone(&gets);
            let discovery = Discovery::builder(lab.client_config())
                .policy(config.policy)
                .seed(config.seed)
                .name_servers(lab.dns_servers().iter().copied())
                // The web servers see less than is asked: what is refused, for instance, never reaches them.
                .fetch_from(move |get| {
                    log.lock().unwrap_or_else(PoisonError::into_inner).push(get.url.to_string());
                    get.address
                })
                .connect_to(lab.connector())
                .probe_routes(false)
                .spawn()
                .map_err(std::io::Error::other)?;
            let mut run = Run {
                scenario,
                resolves: scenario.resolves(),
                lab: &lab,
                discovery,
                began: time::Instant::now(),
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

/// Something that the scenario has happen.
enum Happening {
    Change,
    Report(Report),
    Resolve(usize),
    Abandon(usize),
}

struct Run<'a> {
    scenario: &'a Scenario,
    resolves: Vec<Resolve>,
    lab: &'a Lab,
    discovery: Discovery,
    began: time::Instant,
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
        // Stable: what happens at one moment happens in the order above.
        script.sort_by_key(|(at, _)| *at);
        for (at, happening) in script {
            time::sleep_until(self.began + at).await;
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
        let handle = self.discovery.handle();
        while handle.with(|resolver, _| resolver.poll_timeout().is_some()) {
            time::sleep(GLANCE).await;
        }
    }

    fn now(&self) -> Instant {
        self.discovery.handle().clock().to_core(time::Instant::now().into_std())
    }

    fn happen(&mut self, happening: Happening, at: Duration) {
        match happening {
            Happening::Change => {
                self.lab.set_world(wall_clock::world(self.scenario, at));
                let routes = self.scenario.routes_at(at);
                self.discovery.handle().with(|resolver, now| resolver.set_routes(routes, now));
            }
            Happening::Report(Report { name, place, said, .. }) => {
                let _: Disposition = self.discovery.report(&name, place, said);
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
        let resolving = self.discovery.resolve(&name);
        let clock = self.discovery.handle().clock();
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

    fn collect(mut self) -> Result<Vec<Ran>, RunTrouble> {
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
            all.push(Ran {
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
