//! The wire over bytes in memory: DNS messages, TLS and HTTP between the machine and the lab's servers, in virtual time.
//!
//! Local failures and driver timeouts cannot be shown in bytes; other layers test them.

use discovery_lab::{MemoryRunner, RunTrouble};
use discovery_sim::Scenario;

use super::sockets::ended;
use super::{Ended, Layer, once};

/// The machine that remembers, behind the wire.
#[derive(Clone, Debug)]
pub struct Bytes(MemoryRunner);

impl Bytes {
    /// With keys and certificates of its own.
    ///
    /// # Errors If the system provides no randomness for keys.
    pub fn new() -> Result<Self, RunTrouble> {
        MemoryRunner::new().map(Self)
    }
}

impl Layer for Bytes {
    fn name(&self) -> &'static str {
        "wire"
    }

    fn declines(&self, _: &Scenario) -> Option<&'static str> {
        None
    }

    fn attempt(&self, scenario: &Scenario, attempt: usize) -> Option<Result<Vec<Ended>, String>> {
        once(attempt, || self.0.run(scenario).map(ended).map_err(|trouble| trouble.to_string()))
    }
}
