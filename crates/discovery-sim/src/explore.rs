//! The explorer: one name in one world, in every order of answers and timeouts.
//!
//! Knows nothing of what the machine does inside; it forks it, and asks for its state only to tell whether it has been
//! there before.

mod crowd;
mod faults;
mod judge;
mod places;
mod shrink;
#[cfg(test)]
mod tests;
mod walk;

use std::fmt;

use discovery_core::{Config, Outcome, Resolution, Routes, ServerName, Speculation, UnixTime};

use crate::run::{Bounds, Input, Monitor, START, Violation, config};
use crate::scenario::Scenario;
use crate::world::World;
pub use crowd::explore_crowd;
pub use faults::Fault;
use judge::Judge;
pub use shrink::{Counterexample, shrink};
use walk::{Node, Walk};

/// The limits of an exploration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Answers that may be open at once for every order of them to be tried; where there are more, orders are sampled.
    pub open: usize,
    /// States visited at most, over all modes of speculation.
    pub states: usize,
    /// Timers that may fire on one way while answers could still come. Where none can, timers fire without limit.
    pub early_timers: usize,
    /// Orders that are sampled where not all are tried.
    pub samples: usize,
    /// From which samples are drawn.
    pub seed: u64,
    /// Whether TLS being up is told before the answer, at any moment, as well as not at all.
    pub connected: bool,
    /// Whether the lookup is also abandoned in every state.
    pub abandon: bool,
    /// Faults on one way at most: answers that are lost, wrong or given up, and clocks that jump. Where there may be any, answers are
    /// also given twice and too late in every state, and must change nothing.
    pub faults: usize,
    /// Whether the shortest way to something wrong is looked for, and no other.
    pub shortest: bool,
    /// The modes of speculation, whose results must not differ.
    pub speculation: Vec<Speculation>,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            open: 10,
            states: 200_000,
            early_timers: 1,
            samples: 50,
            seed: 0,
            connected: true,
            abandon: false,
            faults: 0,
            shortest: false,
            speculation: vec![Speculation::Off, Speculation::Addresses, Speculation::Full],
        }
    }
}

/// The subject of an exploration: one name in one world.
#[derive(Clone, Debug)]
pub struct Subject {
    /// The name.
    pub name: ServerName,
    /// The world; it does not change.
    pub world: World,
    /// The configuration; its speculation is replaced by each mode in turn.
    pub config: Config,
    /// The routes that the driver reports.
    pub routes: Routes,
    /// The wall clock at the start.
    pub clock: Option<UnixTime>,
}

/// How the ways through a world were chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Coverage {
    /// Every order of answers, and of as many early timers as the limits allow.
    Complete,
    /// The limit of states cut it short.
    CutShort {
        /// States that were seen and not visited.
        left: usize,
        /// As complete with up to so many faults on each way; None: not even without any.
        whole: Option<usize>,
    },
    /// More answers were open at once than the limits allow: sampled orders, and in each state on them whether pairs of answers
    /// commute.
    Sampled {
        /// Orders tried.
        orders: usize,
        /// Pairs of answers tried in both orders.
        pairs: usize,
    },
}

/// The result of an exploration.
#[derive(Clone, Debug)]
pub struct Explored {
    /// How the ways were chosen, in the mode of speculation that was covered least.
    pub coverage: Coverage,
    /// Different states visited, over all modes of speculation.
    pub states: usize,
    /// Ends reached, counting each way into one; abandoned ones are not among them.
    pub ends: usize,
    /// Different ends: distinct facts, or distinct results.
    pub outcomes: Vec<Outcome>,
    /// The findings, each with its path.
    pub findings: Vec<Finding>,
}

/// Something wrong, and the way there.
#[derive(Clone, Debug)]
pub struct Finding {
    /// The fault.
    pub why: Wrong,
    /// The mode of speculation.
    pub speculation: Speculation,
    /// The inputs that lead there, from the beginning.
    pub way: Vec<Input>,
    /// The way in words; what did not happen is among them.
    pub moves: Vec<String>,
}

/// The kinds of faults.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Wrong {
    /// An invariant was broken.
    Broken(Violation),
    /// The same facts led to another end than before (I13).
    OrderMatters {
        /// The end that was reached first.
        first: String,
        /// The end here.
        here: String,
    },
    /// No timer fired, and yet other facts were read than on another such way.
    FactsDiffer {
        /// The facts that were read first.
        first: String,
        /// The facts here.
        here: String,
    },
    /// The reference model says otherwise.
    NotTheReference(String),
    /// Two answers lead to different ends in one order and the other.
    PairMatters(String),
    /// An answer to a request that has ended, or a time that is past, changed something (I3, I8).
    Stirred(String),
    /// It did not end although nothing more can happen.
    NeverEnds,
}

/// Explores the name of that index of a scenario, in the world of its time. None where the name is none.
pub fn explore(scenario: &Scenario, index: usize, limits: &Limits) -> Option<Explored> {
    let resolve = scenario.resolves().into_iter().nth(index)?;
    let subject = Subject {
        name: resolve.name.parse().ok()?,
        world: scenario.world_at(resolve.at),
        config: config(scenario),
        routes: scenario.routes_at(resolve.at),
        clock: scenario.clock(),
    };
    Some(subject.explore(limits))
}

impl Subject {
    /// Explores every order within the limits.
    pub fn explore(&self, limits: &Limits) -> Explored {
        let mut judge = Judge::new(self);
        let mut states = 0_usize;
        let mut coverage = Coverage::Complete;
        for (index, speculation) in limits.speculation.iter().enumerate() {
            // What one mode does not need the ones after it have.
            let modes = limits.speculation.len().saturating_sub(index).max(1);
            let left = limits.states.saturating_sub(states) / modes;
            let mut walk = Walk::new(self, limits, *speculation, left, &mut judge);
            let this = walk.run();
            states = states.saturating_add(walk.visited());
            coverage = coverage.lesser(this);
        }
        judge.explored(coverage, states)
    }

    fn begin(&self, speculation: Speculation) -> Node {
        let mut config = self.config.clone();
        config.policy.spec.speculation = speculation;
        let machine = Resolution::new(self.name.clone(), &config, START);
        let mut node = Node::new(Monitor::new(machine, Bounds::of(&config.policy)));
        if self.routes != Routes::default() {
            node.apply_first(Input::Routes(self.routes, START));
        }
        node.apply(Input::Resolve(self.name.clone(), START), &self.world);
        node
    }
}

impl Coverage {
    fn lesser(self, other: Self) -> Self {
        match (self, other) {
            (Self::Complete, other) | (other, Self::Complete) => other,
            (
                Self::CutShort { left: one, whole: first },
                Self::CutShort { left: two, whole: second },
            ) => Self::CutShort { left: one.saturating_add(two), whole: first.min(second) },
            (Self::Sampled { orders, pairs }, Self::Sampled { orders: more, pairs: others }) => {
                Self::Sampled {
                    orders: orders.saturating_add(more),
                    pairs: pairs.saturating_add(others),
                }
            }
            (sampled @ Self::Sampled { .. }, Self::CutShort { .. })
            | (Self::CutShort { .. }, sampled @ Self::Sampled { .. }) => sampled,
        }
    }
}

impl fmt::Display for Coverage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Complete => f.write_str("every order"),
            Self::CutShort { left, whole: None } => write!(f, "cut short, {left} states left"),
            Self::CutShort { left, whole: Some(0) } => {
                write!(f, "every order without a fault; with faults {left} states left")
            }
            Self::CutShort { left, whole: Some(faults) } => {
                write!(f, "every order with up to {faults} faults; with more {left} states left")
            }
            Self::Sampled { orders, pairs } => {
                write!(f, "{orders} orders sampled, {pairs} pairs tried both ways")
            }
        }
    }
}

impl fmt::Display for Explored {
    /// The coverage, the numbers, and what is wrong, a line each.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (states, ends, outcomes) = (self.states, self.ends, self.outcomes.len());
        write!(f, "{}: {states} states, {ends} ends, {outcomes} different", self.coverage)?;
        for finding in &self.findings {
            write!(f, "\n{finding}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}, after {} inputs: ", self.speculation, self.way.len())?;
        match &self.why {
            Wrong::Broken(violation) => violation.fmt(f),
            Wrong::OrderMatters { first, here } => write!(f, "first {first}, here {here}"),
            Wrong::FactsDiffer { first, here } => {
                write!(f, "without a timer, first {first}, here {here}")
            }
            Wrong::NotTheReference(how) => write!(f, "not the reference: {how}"),
            Wrong::PairMatters(which) => write!(f, "order matters for {which}"),
            Wrong::Stirred(input) => write!(f, "something changed by {input}"),
            Wrong::NeverEnds => f.write_str("nothing more can happen, and there is no end"),
        }
    }
}
