//! A homeserver's life in virtual time: rooms joined, names in steady use, and what it costs.
//!
//! Knows no step of the specification; it counts what a driver sees.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use discovery_core::{Config, Counters, Effect, ErrorKind, Instant, Outcome};

use super::draw::draw;
use super::drive::{Drive, Finished};
use super::ground_truth::Sight;
use super::{Kind, Population};
use crate::run::{START, Violation};

/// Servers of each kind that are asked for cold, to know what they cost.
const SAMPLES: u64 = 20;

/// The activity of a homeserver.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Year {
    /// How many servers it knows.
    pub names: u64,
    /// For how long it runs.
    pub length: Duration,
    /// How often it joins a room that all of them are in, the first time at the beginning.
    pub join_every: Duration,
    /// How often it needs one of them otherwise, on average; the most used as often as the next two (Zipf).
    pub use_every: Duration,
    /// How long each reply takes.
    pub latency: Duration,
}

/// The answer.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// Names asked for.
    pub tickets: u64,
    /// DNS requests and GETs, every attempt counted.
    pub requests: [u64; 2],
    /// What they would have been without memory, had each name been asked for in a calm hour.
    pub cold: [u64; 2],
    /// The resolver's own figures at the end.
    pub counters: Counters,
    /// Most memory that the resolver reported, in bytes.
    pub most_bytes: usize,
    /// Answers that rested on a fact that was not fresh.
    pub stale: u64,
    /// Answers that were not true any more.
    pub wrong: u64,
    /// The longest that one was wrong because the server was set up otherwise.
    pub longest_set_up: Duration,
    /// The longest that one was wrong because the server had other addresses.
    pub longest_addresses: Duration,
    /// Answers that were wrong for longer than allowed, the first few.
    pub too_old: Vec<String>,
    /// Temporary failures of servers whose name servers failed.
    pub excused: u64,
    /// Failures for no such reason.
    pub failed: BTreeMap<ErrorKind, u64>,
    /// What came of them, the first few.
    pub unexplained: Vec<String>,
    /// Answers that came without waiting.
    pub at_once: u64,
    /// The longest wait.
    pub longest_wait: Duration,
    /// Broken invariants.
    pub violations: Vec<Violation>,
}

impl Year {
    /// Lives it.
    pub fn run(&self, population: &Population, config: Config) -> Report {
        let costs = costs(population, &config, self.latency);
        let zipf = Zipf::new(self.names);
        let mut drive = Drive::new(population, config, self.latency);
        let mut report = Report::default();
        let end = START + self.length;
        let (mut join, mut turn) = (START, START + self.use_every);
        let mut uses = 0;
        loop {
            let at = join.min(turn);
            if at > end {
                break;
            }
            drive.run_until(at);
            let servers = if at == join {
                join = join + self.join_every;
                0..self.names
            } else {
                uses = u64::saturating_add(uses, 1);
                turn = turn + self.pause(population.seed, uses);
                let server = zipf.draw(draw(population.seed, "use", uses, 0));
                server..server.saturating_add(1)
            };
            for server in servers {
                drive.resolve(server);
                report.tickets = report.tickets.saturating_add(1);
                let cost = costs.get(&population.kind(server, at));
                for (cold, cost) in report.cold.iter_mut().zip(cost.into_iter().flatten()) {
                    *cold = cold.saturating_add(*cost);
                }
            }
            report.take(population, &mut drive);
        }
        drive.run();
        report.take(population, &mut drive);
        // Costs are those of all samples.
        report.cold = report.cold.map(|cold| cold / SAMPLES);
        report.requests = drive.requests();
        report.counters = drive.resolver().counters();
        report.violations = drive.violations().to_vec();
        report
    }

    /// Between nothing and twice the average.
    fn pause(&self, seed: u64, uses: u64) -> Duration {
        let average = u64::try_from(self.use_every.as_nanos()).unwrap_or(u64::MAX);
        let drawn = draw(seed, "pause", uses, 0);
        Duration::from_nanos(drawn.checked_rem(average.saturating_mul(2)).unwrap_or(0))
    }
}

impl Report {
    fn take(&mut self, population: &Population, drive: &mut Drive<'_>) {
        while let Some(finished) = drive.finished() {
            self.note(population, &finished);
        }
        self.most_bytes = self.most_bytes.max(drive.resolver().counters().bytes);
    }

    fn note(&mut self, population: &Population, finished: &Finished) {
        let Finished { server, asked, at, outcome } = finished;
        let waited = at.saturating_duration_since(*asked);
        count(&mut self.at_once, waited == Duration::ZERO);
        self.longest_wait = self.longest_wait.max(waited);
        count(&mut self.stale, is_stale(outcome));
        match population.judge(*server, outcome, *at) {
            Sight::True => {}
            Sight::Excused => count(&mut self.excused, true),
            Sight::Failed(kind) => {
                count(self.failed.entry(kind).or_default(), true);
                if self.unexplained.len() < 10 {
                    self.unexplained.push(describe(population, finished, "unexplained"));
                }
            }
            Sight::Wrong(wrong) => {
                count(&mut self.wrong, true);
                self.longest_set_up = self.longest_set_up.max(wrong.set_up.unwrap_or_default());
                self.longest_addresses =
                    self.longest_addresses.max(wrong.addresses.unwrap_or_default());
                if wrong.is_too_old() && self.too_old.len() < 10 {
                    self.too_old.push(describe(population, finished, &format!("{wrong:?}")));
                }
            }
        }
    }

    /// Requests spared, in thousandths of those that would have been sent without memory.
    pub fn spared(&self) -> u64 {
        let sum = |requests: [u64; 2]| requests.iter().fold(0, |a: u64, b| a.saturating_add(*b));
        let (sent, cold) = (sum(self.requests), sum(self.cold));
        cold.saturating_sub(sent).saturating_mul(1000).checked_div(cold).unwrap_or(0)
    }

    /// Answers from memory, in thousandths.
    pub fn hit_rate(&self) -> u64 {
        self.counters.hits.saturating_mul(1000).checked_div(self.tickets).unwrap_or(0)
    }
}

fn count(counter: &mut u64, one: bool) {
    *counter = counter.saturating_add(u64::from(one));
}

fn is_stale(outcome: &Outcome) -> bool {
    let explanation = match outcome {
        Ok(resolved) => &resolved.explanation,
        Err(failed) => &failed.explanation,
    };
    explanation.decisions.iter().any(|decision| decision.effect == Effect::Stale)
}

fn describe(population: &Population, finished: &Finished, what: &str) -> String {
    let Finished { server, at, outcome, .. } = finished;
    let since = |at: Instant| at.saturating_duration_since(START);
    let era = population.era(*server, *at);
    let came = match outcome {
        Ok(resolved) => format!(
            "{} {:?} {}",
            resolved.host_header_str(),
            resolved.socket_addrs().collect::<Vec<_>>(),
            resolved.explanation.summary()
        ),
        Err(failed) => format!("{:?} {}", failed.kind, failed.explanation.summary()),
    };
    format!(
        "s{server} ({:?} since {:?}, moved at {:?}, last outage at {:?}, ttl {}) at {:?}: {what}: {came}",
        population.kind(*server, *at),
        since(era.since),
        since(population.moves(*server, *at).since),
        population.last_outage(*server, *at).map(|(from, to)| (since(from), since(to))),
        population.ttl(*server),
        since(*at),
    )
}

/// What servers of each kind cost cold: DNS requests and GETs of so many samples.
fn costs(population: &Population, config: &Config, latency: Duration) -> BTreeMap<Kind, [u64; 2]> {
    let calm = Population { churn: None, ..population.clone() };
    let cost = |kind: Kind| {
        let of_kind = |server: &u64| calm.kind(*server, START) == kind;
        let samples = (0..100_000).filter(of_kind).take(usize::try_from(SAMPLES).unwrap_or(0));
        let mut sum = [0, 0];
        for server in samples {
            let mut drive = Drive::new(&calm, config.clone(), latency);
            drive.resolve(server);
            drive.run();
            let [queries, gets] = drive.requests();
            sum = [queries.saturating_add(sum[0]), gets.saturating_add(sum[1])];
        }
        (kind, sum)
    };
    Kind::ALL.map(cost).into()
}

/// Ranks, the first drawn twice as often as the second, three times as often as the third.
struct Zipf(Vec<u64>);

impl Zipf {
    fn new(names: u64) -> Self {
        let shares = (1..=names.max(1)).scan(0, |sum: &mut u64, rank| {
            *sum = sum.saturating_add(1_000_000_000 / rank);
            Some(*sum)
        });
        Self(shares.collect())
    }

    fn draw(&self, number: u64) -> u64 {
        let all = self.0.last().copied().unwrap_or(1);
        let at = number % all.max(1);
        u64::try_from(self.0.partition_point(|share| *share <= at)).unwrap_or(0)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { tickets, requests: [queries, gets], cold: [cold_queries, cold_gets], .. } = self;
        let Counters { hits, misses, coalesced, refreshes, fallbacks, .. } = self.counters;
        let per_mille = |n: u64| format!("{}.{} %", n / 10, n % 10);
        let hours = |d: Duration| format!("{:.2} h", d.as_secs_f64() / 3600.0);
        writeln!(f, "names asked for      {tickets}")?;
        writeln!(f, "DNS requests         {queries}, without memory {cold_queries}")?;
        writeln!(f, "GETs                 {gets}, without memory {cold_gets}")?;
        writeln!(f, "requests spared      {}", per_mille(self.spared()))?;
        writeln!(
            f,
            "hit rate             {} ({hits} hits, {misses} misses, {coalesced} joined)",
            per_mille(self.hit_rate())
        )?;
        writeln!(f, "answered at once     {} of {tickets}", self.at_once)?;
        writeln!(f, "longest wait         {:?}", self.longest_wait)?;
        writeln!(f, "refreshes            {refreshes}, last good facts used {fallbacks} times")?;
        writeln!(f, "stale answers        {}, without memory 0", self.stale)?;
        writeln!(f, "wrong answers        {}, without memory 0", self.wrong)?;
        writeln!(
            f,
            "longest wrong        {} after a server was set up anew, {} after it moved",
            hours(self.longest_set_up),
            hours(self.longest_addresses)
        )?;
        writeln!(f, "wrong for too long   {}", self.too_old.len())?;
        writeln!(f, "failures             {} in outages, others {:?}", self.excused, self.failed)?;
        let Counters { facts, results, bytes, .. } = self.counters;
        writeln!(
            f,
            "memory               {facts} facts, {results} results, {bytes} bytes; most {} bytes",
            self.most_bytes
        )
    }
}
