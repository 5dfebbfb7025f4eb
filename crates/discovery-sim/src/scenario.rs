//! Scenarios: a small world, the names to resolve in it, and what must come out, as a text that people read and write.
//!
//! Knows nothing of who runs it. The format is described in the documentation of this crate.

mod expect;
mod files;
mod line;
mod parse;
mod print;
#[cfg(test)]
mod tests;
mod token;

use std::net::SocketAddr;
use std::time::Duration;

use discovery_core::{AddressPolicy, Feedback, Policy, Revision, Routes, ServerName, UnixTime};

pub use expect::{Addresses, Asked, Count, Done, Expect, Fresh, Mismatch, Observed, Wanted};
pub use line::{DnsLine, HttpsLine, Line, RouteSet};
pub use parse::{ParseError, Problem};

use crate::world::World;

/// A world, the names to resolve in it, and what must come out.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Scenario {
    /// What stands above `---`, line by line.
    pub lines: Vec<Line>,
    /// What must come out, one for each `resolve`, in order; fewer where nothing is said of the last ones.
    pub expect: Vec<Expect>,
}

/// One name to resolve.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resolve {
    /// When, after the start.
    pub at: Duration,
    /// The name; it may break the grammar.
    pub name: String,
    /// Abandoned so long after.
    pub abandon: Option<Duration>,
}

/// What a caller tells of a place that a name led to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// When, after the start: before what else happens at that time.
    pub at: Duration,
    /// The name.
    pub name: ServerName,
    /// The place.
    pub place: SocketAddr,
    /// What is told of it.
    pub said: Feedback,
}

/// The wall clock at the start, unless the scenario sets it: 2020-09-13T12:26:40Z.
pub const DEFAULT_CLOCK: UnixTime = UnixTime(1_600_000_000);

impl Scenario {
    /// Parses a scenario.
    ///
    /// # Errors
    /// Says which line is wrong, and how.
    pub fn parse(text: &str) -> Result<Self, ParseError> {
        parse::scenario(text)
    }

    /// The policy: as by default, except that every address is allowed unless the scenario says otherwise.
    ///
    /// A `set` line that does not fit is left out; the parser lets none pass.
    pub fn policy(&self) -> Policy {
        let mut policy = Policy::default();
        policy.addresses = AddressPolicy::any();
        for line in &self.lines {
            if let Line::Set { field, value } = line
                && let Ok(changed) = parse::set(&policy, field, value)
            {
                policy = changed;
            }
            if let Line::Revision(revision) = line {
                policy.spec.revision = *revision;
            }
        }
        policy
    }

    /// The revision to follow.
    pub fn revision(&self) -> Revision {
        self.policy().spec.revision
    }

    /// The seed; 0 unless the scenario gives one.
    pub fn seed(&self) -> u64 {
        self.last(|line| if let Line::Seed(seed) = line { Some(*seed) } else { None }).unwrap_or(0)
    }

    /// How many name servers there are; 1 unless the scenario says otherwise.
    pub fn name_servers(&self) -> u8 {
        self.last(|line| if let Line::Servers(count) = line { Some(*count) } else { None })
            .unwrap_or(1)
    }

    /// The wall clock at the start; None: drivers have none.
    pub fn clock(&self) -> Option<UnixTime> {
        self.last(|line| if let Line::Clock(clock) = line { Some(*clock) } else { None })
            .unwrap_or(Some(DEFAULT_CLOCK))
    }

    /// The routes that drivers report at that time.
    pub fn routes_at(&self, at: Duration) -> Routes {
        let mut routes = Routes::default();
        for (time, line) in self.timed() {
            if let Line::Routes(set) = line
                && time <= at
            {
                routes = set.routes();
            }
        }
        routes
    }

    /// The world as it is at that time.
    pub fn world_at(&self, at: Duration) -> World {
        let mut world = World::new();
        world.clock = self.clock();
        let mut said = line::Said::default();
        for (time, line) in self.timed() {
            if time <= at {
                line.apply(time, &mut world, &mut said);
            }
        }
        world
    }

    /// When the world or the routes change, the start not among them.
    pub fn changes(&self) -> Vec<Duration> {
        let mut times: Vec<Duration> = self
            .timed()
            .filter(|(time, line)| *time > Duration::ZERO && line.changes_the_world())
            .map(|(time, _)| time)
            .collect();
        times.dedup();
        times
    }

    /// The names to resolve, in order.
    pub fn resolves(&self) -> Vec<Resolve> {
        self.timed()
            .filter_map(|(at, line)| {
                let Line::Resolve { name, abandon } = line else { return None };
                Some(Resolve { at, name: name.clone(), abandon: *abandon })
            })
            .collect()
    }

    /// What callers tell, in order.
    pub fn reports(&self) -> Vec<Report> {
        self.timed()
            .filter_map(|(at, line)| {
                let Line::Report { name, place, said } = line else { return None };
                Some(Report { at, name: name.clone(), place: *place, said: *said })
            })
            .collect()
    }

    /// When the machine is away, in order: from when, and until when.
    pub fn pauses(&self) -> Vec<(Duration, Duration)> {
        self.timed()
            .filter_map(|(at, line)| {
                let Line::Away(span) = line else { return None };
                Some((at, at.saturating_add(*span)))
            })
            .collect()
    }

    /// When something that happens at `at` reaches a machine that is away from time to time.
    pub fn reaches_at(&self, at: Duration) -> Duration {
        let within = |at: Duration, (from, until)| if from < at && at < until { until } else { at };
        self.pauses().into_iter().fold(at, within)
    }

    /// Every line with the time it holds from.
    fn timed(&self) -> impl Iterator<Item = (Duration, &Line)> {
        self.lines.iter().scan(Duration::ZERO, |time, line| {
            if let Line::At(at) = line {
                *time = *at;
            }
            Some((*time, line))
        })
    }

    fn last<T>(&self, pick: impl Fn(&Line) -> Option<T>) -> Option<T> {
        self.lines.iter().rev().find_map(pick)
    }
}

impl std::str::FromStr for Scenario {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}
