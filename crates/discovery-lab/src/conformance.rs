//! The conformance kit for adapters: worlds on loopback, names to resolve in them, and complaints about what came out.
//!
//! Knows nothing of runtimes: an adapter is a function from a task to outcomes.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use discovery_core::{Instant, Outcome, Policy, Routes, ServerName};
use discovery_sim::Scenario;
use discovery_wire::Transport;
use rustls::ClientConfig;

use crate::built_in::built_in;
use crate::certificates::Authority;
use crate::lab::{Lab, LabOptions, hurried};
use crate::ran::{Ran, RunTrouble, differences};

/// By how much waits are divided, one after the other until the machine that this runs on keeps up.
const DIVISORS: [u32; 3] = [20, 5, 1];

/// What an adapter has to do: resolve these names, at once, with one machine.
#[non_exhaustive]
pub struct ConformanceTask {
    /// Whom to trust.
    pub tls: Arc<ClientConfig>,
    /// The policy.
    pub policy: Policy,
    /// The seed.
    pub seed: u64,
    /// The name servers, in order.
    pub name_servers: Vec<SocketAddr>,
    /// Where to connect instead of an address; to be asked whenever a socket is opened.
    pub connect_to: ConnectTo,
    /// Which families have a route: these, whatever the system says.
    pub routes: Routes,
    /// The names.
    pub names: Vec<ServerName>,
}

/// Says where to connect instead of an address.
pub type ConnectTo = Box<dyn Fn(SocketAddr, Transport) -> SocketAddr + Send + Sync>;

/// Puts an adapter through its paces: every task to `adapter`, which gives the outcomes in the order of the names. What comes
/// back is what is wrong with them, nothing if all is right.
///
/// # Errors
/// When the lab can't be served on this machine.
pub fn conformance(
    mut adapter: impl FnMut(ConformanceTask) -> Vec<Outcome>,
) -> Result<Vec<String>, RunTrouble> {
    let authority = Arc::new(Authority::new()?);
    let mut complaints = Vec::new();
    for scenario in scenarios() {
        let mut found = Vec::new();
        for divisor in DIVISORS {
            found = run(&scenario, divisor, &authority, &mut adapter)?;
            if found.is_empty() {
                break;
            }
        }
        complaints.append(&mut found);
    }
    Ok(complaints)
}

fn scenarios() -> [Scenario; 2] {
    #[expect(
        clippy::expect_used,
        reason = "the text is a part of this crate, and a test parses it"
    )]
    let faults = Scenario::parse(include_str!("conformance.scenario")).expect("it is a scenario");
    [built_in(), faults]
}

fn run(
    scenario: &Scenario,
    divisor: u32,
    authority: &Arc<Authority>,
    adapter: &mut impl FnMut(ConformanceTask) -> Vec<Outcome>,
) -> Result<Vec<String>, RunTrouble> {
    let options = LabOptions { divisor, ..LabOptions::default() };
    let world = scenario.world_at(Duration::ZERO);
    let lab = Lab::start_as(world, options, Arc::clone(authority))?;
    let resolves = scenario.resolves();
    let parsed: Vec<_> = resolves.iter().map(|resolve| ServerName::parse(&resolve.name)).collect();
    let names: Vec<ServerName> = parsed.iter().flatten().cloned().collect();
    let count = names.len();
    let outcomes = adapter(ConformanceTask {
        tls: lab.client_config(),
        policy: hurried(scenario.policy(), divisor),
        seed: scenario.seed(),
        name_servers: lab.dns_servers().to_vec(),
        connect_to: Box::new(lab.connector()),
        routes: scenario.routes_at(Duration::ZERO),
        names,
    });
    if outcomes.len() != count {
        return Ok(vec![format!("{count} names, but {} outcomes", outcomes.len())]);
    }
    let mut outcomes = outcomes.into_iter();
    let ran: Vec<Ran> = resolves
        .into_iter()
        .zip(parsed)
        .filter_map(|(resolve, parsed)| {
            let outcome = match parsed {
                Ok(_) => Ok(outcomes.next()?),
                Err(why) => Err(why),
            };
            // By another machine's clock, which nobody tells: lifetimes are left to those who know it.
            let (at, hurried) = (Instant::ORIGIN, true);
            Some(Ran { name: resolve.name, at, outcome, asked: None, hurried })
        })
        .collect();
    let found = differences(scenario, &ran);
    Ok(found.into_iter().map(|(name, mismatch)| format!("{name}: {mismatch}")).collect())
}

impl fmt::Debug for ConformanceTask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConformanceTask")
            .field("name_servers", &self.name_servers)
            .field("names", &self.names)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
#[path = "conformance_tests.rs"]
mod tests;
