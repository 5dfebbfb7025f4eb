//! What a machine is made with.

use crate::policy::Policy;
use crate::request::Routes;

/// What a machine is made with.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Config {
    /// The choices that the specification leaves open.
    pub policy: Policy,
    /// How many name servers the driver has; without any, no DNS question can be asked.
    pub name_servers: u8,
    /// From which SRV draws and jitter are derived. The same seed and inputs give the same run; give each process its own.
    pub seed: u64,
    /// Which address families have a route, as far as is known at the start.
    pub routes: Routes,
}

impl Config {
    /// A configuration with this policy, one name server and seed 0.
    pub fn new(policy: Policy) -> Self {
        Self { policy, name_servers: 1, seed: 0, routes: Routes::default() }
    }
}

impl Default for Config {
    fn default() -> Self {
        Self::new(Policy::default())
    }
}
