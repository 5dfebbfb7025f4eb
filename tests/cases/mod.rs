//! Cases in JSON: read, turned into scenarios, run through every layer and judged.
//!
//! Knows nothing of where a file came from, and prints nothing.

mod base64;
mod convert;
mod fields;
mod format;
mod judge;
mod resolution;
mod simple;
#[cfg(test)]
mod tests;

use std::time::Duration;

use discovery_core::{Policy, Speculation};

pub use convert::scenario;
pub use format::{Case, read};
pub use simple::Verdict;

use crate::layers::{self, Layer};

/// What became of one case.
#[derive(Clone, Debug)]
pub struct Report {
    /// Which case.
    pub id: String,
    /// Layer by layer.
    pub verdicts: Vec<(&'static str, Verdict)>,
}

impl Report {
    /// Whether any layer failed.
    pub fn failed(&self) -> bool {
        self.verdicts.iter().any(|(_, verdict)| matches!(verdict, Verdict::Failed(_)))
    }

    /// Whether a part of the case could not be judged, and none failed.
    pub fn skipped(&self) -> bool {
        !self.failed() && self.verdicts.iter().any(|(_, one)| matches!(one, Verdict::Skipped(_)))
    }
}

/// Runs cases through layers.
pub struct Runner {
    layers: Vec<Box<dyn Layer>>,
    /// Whether every order of answers is tried, too.
    orders: bool,
    /// Whether the layers that remember do.
    remembers: bool,
}

/// How long after an answer virtual time goes on to what is asked for next, where the case does not say.
const PAUSE: Duration = Duration::from_millis(1);

impl Runner {
    /// Runs cases through a layer of each kind, and in every order of answers.
    ///
    /// # Errors
    /// Says what a layer lacks on this computer.
    pub fn with_all_layers() -> Result<Self, String> {
        Ok(Self { orders: true, ..Self::new(layers::of_each_kind()?) })
    }

    /// Runs cases through these layers, and through the reference model.
    pub fn new(layers: Vec<Box<dyn Layer>>) -> Self {
        Self { layers, orders: false, remembers: true }
    }

    /// Runs one case.
    pub fn run(&self, case: &Case) -> Report {
        let verdicts = match case {
            Case::Resolution(case) => self.resolution(case),
            Case::ServerName(case) => vec![("name", simple::server_name(case))],
            Case::Freshness(case) => {
                let open = case.agrees_with_spec == "unclear";
                vec![
                    ("headers", simple::freshness(case).left_open(open)),
                    ("resolution", self.lifetime(case).left_open(open)),
                ]
            }
            Case::Address(case) => vec![("policy", simple::address(case))],
        };
        Report { id: case.id(), verdicts }
    }

    /// The lifetime of a response as a whole lookup shows it.
    fn lifetime(&self, case: &format::FreshnessCase) -> Verdict {
        let scenario = match simple::lifetime_scenario(case) {
            Ok(scenario) => layers::speculating(&scenario, Speculation::Off),
            Err(why) => return Verdict::Skipped(why.0),
        };
        match layers::OnItsOwn.attempt(&scenario, 0) {
            Some(Ok(ends)) => match ends.first() {
                Some(end) => simple::lifetime(case, end, &Policy::default()),
                None => Verdict::Skipped("nothing came out".to_owned()),
            },
            Some(Err(broken)) => Verdict::Failed(vec![broken]),
            None => Verdict::Skipped("it was not run at all".to_owned()),
        }
    }

    fn resolution(&self, case: &format::ResolutionCase) -> Vec<(&'static str, Verdict)> {
        if let Some(why) = resolution::foreign(case) {
            return vec![("all", Verdict::Skipped(why))];
        }
        let scenario = match resolution::paced(case, PAUSE) {
            Ok(scenario) => scenario,
            Err(why) => return vec![("all", Verdict::Skipped(format!("unwritable: {}", why.0)))],
        };
        let trial = resolution::Trial { case, scenario: &scenario, remembers: self.remembers };
        let mut verdicts = vec![("reference", trial.reference())];
        if self.orders {
            verdicts.push(("orders", trial.orders()));
        }
        for layer in &self.layers {
            verdicts.push((layer.name(), trial.machine(&**layer)));
        }
        verdicts.extend(trial.special());
        trial.settle(verdicts)
    }
}
