//! What a machine is made with.

use std::time::Duration;

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
    /// How often the driver calls while anything is under way, although nothing is due: `poll_timeout` asks for it. A pause of the
    /// driver (a stopped process, a suspended machine) is only noticed where it comes later than it was to call by more than a
    /// second, so this is how short a pause can be noticed. Default: 1 s. `None`: only a pause that lasts beyond a deadline is
    /// noticed, and shorter ones count as the servers' time.
    pub heartbeat: Option<Duration>,
}

impl Config {
    /// A configuration with this policy, one name server, seed 0 and a heartbeat of 1 s.
    pub fn new(policy: Policy) -> Self {
        let heartbeat = Some(Duration::from_secs(1));
        Self { policy, name_servers: 1, seed: 0, routes: Routes::default(), heartbeat }
    }
}

impl Default for Config {
    fn default() -> Self {
        Self::new(Policy::default())
    }
}
