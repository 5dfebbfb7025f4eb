//! Adapters over real sockets on loopback, against the lab's servers, in virtual time.
//!
//! Other layers test what sockets cannot show.

use std::sync::Arc;

use discovery_core::Speculation;
use discovery_lab::kit::{Adapter, Runner};
use discovery_lab::{LookupResult, RunTrouble};
use discovery_sim::Scenario;

use super::{Ended, Layer};

/// One adapter.
#[derive(Clone, Debug)]
pub struct Sockets(Runner);

impl Sockets {
    /// With keys and certificates of its own.
    ///
    /// # Errors If the system provides no randomness for keys.
    pub fn new(adapter: Arc<dyn Adapter>) -> Result<Self, RunTrouble> {
        Runner::new(adapter).map(Self)
    }
}

impl Layer for Sockets {
    fn name(&self) -> &'static str {
        self.0.adapter().name()
    }

    fn declines(&self, scenario: &Scenario) -> Option<&'static str> {
        self.0.declines(scenario)
    }

    /// Speculation is tested by other layers.
    fn speculations(&self) -> &'static [Speculation] {
        &[Speculation::Off]
    }

    fn attempt(&self, scenario: &Scenario, attempt: usize) -> Option<Result<Vec<Ended>, String>> {
        let run = || self.0.run(scenario, attempt).map(ended);
        (attempt < Runner::ATTEMPTS).then(|| run().map_err(|trouble| trouble.to_string()))
    }
}

pub(super) fn ended(ran: Vec<LookupResult>) -> Vec<Ended> {
    let one = |ran: LookupResult| Ended { outcome: ran.outcome, at: ran.at, asked: ran.asked };
    ran.into_iter().map(one).collect()
}
