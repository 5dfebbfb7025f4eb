//! A large room joined: all its servers asked for at once, cold, then again, warm.
//!
//! Knows no step of the specification; it counts what a driver sees.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use discovery_core::{Config, ErrorKind, Instant};

use super::drive::{Drive, Finished};
use super::{Kind, Population};
use crate::run::{START, Violation};

/// When single names are asked for in the middle of it.
const ALONE_AT: [Duration; 4] = [
    Duration::from_secs(1),
    Duration::from_secs(5),
    Duration::from_secs(9),
    Duration::from_secs(13),
];

/// The result of a join.
#[derive(Clone, Debug, Default)]
pub struct Join {
    /// Servers in the room.
    pub servers: u64,
    /// DNS requests and GETs of the cold join, every attempt counted.
    pub cold: [u64; 2],
    /// When half, 99 of 100 and the last had come to an end, those left out that never answer on port 443.
    pub ends: [Duration; 3],
    /// When the last of all had.
    pub end: Duration,
    /// How long each of the names waited that were asked for alone in the middle of it.
    pub alone: Vec<Duration>,
    /// Failures, by kind.
    pub failed: BTreeMap<ErrorKind, u64>,
    /// Requests of the same join when all that answer have ended, by the kind of server; the silent ones are still being asked
    /// for the first time then.
    pub warm: BTreeMap<Kind, u64>,
    /// How many of the second time were answered without waiting.
    pub at_once: u64,
    /// Broken invariants.
    pub violations: Vec<Violation>,
}

impl Join {
    /// Joins a room with this number of servers, twice.
    pub fn run(population: &Population, servers: u64, config: Config, latency: Duration) -> Self {
        let mut drive = Drive::new(population, config, latency);
        (0..servers).for_each(|server| drive.resolve(server));
        // Servers with the longest way, none of them in the room.
        let longest = |server: &u64| population.kind(*server, START) == Kind::HostAndService;
        for (after, server) in ALONE_AT.into_iter().zip((servers..).filter(longest)) {
            drive.run_until(START + after);
            drive.resolve(server);
        }
        let is_silent = |server: u64, at: Instant| population.kind(server, at) == Kind::Silent;
        let mut waits = (0..servers).filter(|server| !is_silent(*server, START)).count();
        let mut join = Self { servers, ..Self::default() };
        let mut took = Vec::new();
        // What has not ended when nothing is left to happen is among the violations.
        while waits > 0 && drive.run_until_finished() {
            while let Some(finished) = drive.finished() {
                let silent = is_silent(finished.server, finished.at);
                let waited = join.note(&finished);
                if finished.server < servers && !silent {
                    waits = waits.saturating_sub(1);
                    took.push(waited);
                }
            }
        }
        took.sort_unstable();
        let at = |percent: usize| {
            let index = took.len().saturating_sub(1).saturating_mul(percent) / 100;
            took.get(index).copied().unwrap_or_default()
        };
        join.ends = [50, 99, 100].map(at);
        join.cold = drive.requests();
        drive.watch();
        (0..servers).for_each(|server| drive.resolve(server));
        let again = drive.now();
        drive.run();
        while let Some(finished) = drive.finished() {
            if finished.asked < again {
                join.note(&finished);
            } else if finished.at == again {
                join.at_once = join.at_once.saturating_add(1);
            }
        }
        for (server, requests) in drive.watch() {
            let count = join.warm.entry(population.kind(server, again)).or_default();
            *count = count.saturating_add(requests);
        }
        join.violations = drive.violations().to_vec();
        join
    }

    /// Takes an end of the first time; gives how long it took.
    fn note(&mut self, finished: &Finished) -> Duration {
        let waited = finished.at.saturating_duration_since(finished.asked);
        if finished.server >= self.servers {
            self.alone.push(waited);
            return waited;
        }
        self.end = self.end.max(waited);
        if let Err(failed) = &finished.outcome {
            let count = self.failed.entry(failed.kind).or_default();
            *count = count.saturating_add(1);
        }
        waited
    }
}

impl fmt::Display for Join {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [half, most, last] = self.ends;
        writeln!(f, "servers              {}", self.servers)?;
        writeln!(f, "cold DNS requests    {}, GETs {}", self.cold[0], self.cold[1])?;
        writeln!(f, "half of them after   {half:?}, 99 % {most:?}, all that answer {last:?}")?;
        writeln!(f, "the silent, too      {:?}", self.end)?;
        writeln!(f, "single names waited  {:?}", self.alone)?;
        writeln!(f, "failures             {:?}", self.failed)?;
        writeln!(f, "again, at once       {}, requests {:?}", self.at_once, self.warm)
    }
}
