//! The tokio adapter over real sockets on loopback, against the lab's servers; waits are hurried.
//!
//! What no socket can show it leaves to the other layers.

use std::time::Duration;

use discovery_core::Speculation;
use discovery_lab::{Ran, RunTrouble, TokioRunner};
use discovery_sim::Scenario;

use super::{Ended, Layer};

/// By how much waits are divided, one after the other until a busy computer keeps up.
const DIVISORS: [u32; 3] = [20, 5, 1];

/// The tokio adapter.
#[derive(Clone, Debug)]
pub struct Sockets(TokioRunner);

impl Sockets {
    /// With keys and certificates of its own.
    ///
    /// # Errors
    /// When the machine gives no randomness for its keys.
    pub fn new() -> Result<Self, RunTrouble> {
        TokioRunner::new().map(Self)
    }
}

impl Layer for Sockets {
    fn name(&self) -> &'static str {
        "tokio"
    }

    fn declines(&self, scenario: &Scenario) -> Option<&'static str> {
        TokioRunner::inexpressible(scenario)
    }

    /// Sockets show bytes and time; how far to ask ahead is the machine's, and the other layers show it.
    fn speculations(&self) -> &'static [Speculation] {
        &[Speculation::Off]
    }

    /// Skipped as soon as nothing is under way, and long enough for a busy computer.
    fn pause(&self) -> Duration {
        Duration::from_secs(20)
    }

    fn attempt(&self, scenario: &Scenario, attempt: usize) -> Option<Result<Vec<Ended>, String>> {
        let divisor = DIVISORS.get(attempt)?;
        Some(self.0.run(scenario, *divisor).map(ended).map_err(|trouble| trouble.to_string()))
    }
}

pub(super) fn ended(ran: Vec<Ran>) -> Vec<Ended> {
    let one = |ran: Ran| Ended { outcome: ran.outcome, at: ran.at, asked: ran.asked };
    ran.into_iter().map(one).collect()
}
