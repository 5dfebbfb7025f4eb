//! The results of the lookups of a scenario, in whichever layer they ran.
//!
//! Knows nothing of how they ran.

use std::fmt;
use std::io;
use std::time::Duration;

use discovery_core::{Instant, InvalidServerName, Outcome, Question};
use discovery_sim::{Mismatch, Observed, Resolve, Scenario, Violation};

use crate::certificates::CertificateTrouble;

/// The result of one `resolve` of a scenario.
#[derive(Clone, Debug)]
pub struct LookupResult {
    /// The name.
    pub name: String,
    /// When it ended, after the scenario's start, in the scenario's time.
    pub at: Instant,
    /// How it ended; an error where the name is none, and no machine was asked.
    pub outcome: Result<Outcome, InvalidServerName>,
    /// What was asked from this `resolve` to the next later one, in order; a question stands there once for each request.
    /// None: that was not watched.
    pub asked: Option<Vec<Question>>,
    /// Whether waits were shorter than the scenario says, so that lifetimes come out longer.
    pub hurried: bool,
}

/// Why a scenario could not be run to its end.
#[derive(Debug)]
#[non_exhaustive]
pub enum RunTrouble {
    /// A certificate could not be made.
    Certificate(CertificateTrouble),
    /// The machine did not come to rest after very many steps: a bug of the machine or of the lab.
    Restless,
    /// The machine broke an invariant on the way: a bug of the machine or of the lab.
    Broken(Violation),
    /// A lookup never ended although nothing was left to happen: a bug of the machine or of the lab.
    Unfinished(String),
    /// This layer can't show what the scenario speaks of.
    Inexpressible(&'static str),
    /// The machine that this runs on refuses a socket.
    Io(io::Error),
}

impl LookupResult {
    /// What came out, for [`Expect::check`](discovery_sim::Expect::check).
    pub fn observed(&self) -> Observed<'_> {
        let observed = match &self.outcome {
            Ok(outcome) => Observed::new(outcome, self.at),
            Err(why) => Observed::invalid(*why, self.at),
        };
        match &self.asked {
            Some(asked) => observed.asking(asked),
            None => observed,
        }
    }
}

/// How what came out differs from what the scenario expects, with the name that it concerns; nothing if all is right.
pub fn differences(scenario: &Scenario, ran: &[LookupResult]) -> Vec<(String, Mismatch)> {
    let pairs = scenario.expect.iter().zip(ran);
    pairs
        .flat_map(|(expect, ran)| {
            let mut found = expect.check(&ran.observed());
            found.retain(|mismatch| !(ran.hurried && mismatch.what == "fresh"));
            found.into_iter().map(|mismatch| (ran.name.clone(), mismatch))
        })
        .collect()
}

/// The questions that belong to one `resolve`: from its moment to that of the next later one.
pub(crate) fn window(
    resolves: &[Resolve],
    index: usize,
    asked: &[(Duration, Question)],
) -> Vec<Question> {
    let Some(from) = resolves.get(index).map(|resolve| resolve.at) else { return Vec::new() };
    let until = resolves.iter().map(|resolve| resolve.at).filter(|at| *at > from).min();
    asked
        .iter()
        .filter(|(at, _)| *at >= from && until.is_none_or(|until| *at < until))
        .map(|(_, question)| question.clone())
        .collect()
}

impl fmt::Display for RunTrouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Certificate(trouble) => trouble.fmt(f),
            Self::Broken(broken) => write!(f, "the machine broke an invariant: {broken}"),
            Self::Restless => f.write_str("the machine does not come to rest"),
            Self::Unfinished(name) => write!(f, "the lookup of {name} never ends"),
            Self::Inexpressible(what) => write!(f, "this layer can't show {what}"),
            Self::Io(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for RunTrouble {}

impl From<CertificateTrouble> for RunTrouble {
    fn from(trouble: CertificateTrouble) -> Self {
        Self::Certificate(trouble)
    }
}

impl From<io::Error> for RunTrouble {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}
