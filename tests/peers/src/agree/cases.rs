//! The lookups of the scenarios that suit other implementations, and their expected results.
//!
//! It does not depend on the implementations.

use std::fs;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use discovery_core::{AddressPolicy, DnsError, Policy, ServerName};
use discovery_sim::{
    ConnectFault, DnsOutcome, Expect, Expected, Line, Reference, Resolve, Scenario, Served,
    Verdict, Wanted, World, ZoneEntry,
};

/// A name to resolve in a world.
#[derive(Clone, Debug)]
pub struct Case {
    /// The path of the scenario below the folder, without its extension.
    pub scenario: String,
    /// The name.
    pub name: String,
    /// The world at that moment.
    pub world: World,
    /// The number of name servers.
    pub name_servers: u8,
    /// The expected result of the scenario.
    pub expect: Expect,
    /// The expected result of the reference model. None: it is not a server name.
    pub verdict: Option<Verdict>,
}

/// Why a lookup is not compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum LeftOut {
    /// It follows other lookups or reports, and tests the cache.
    Later,
    /// It is abandoned.
    Abandoned,
    /// It tests a local failure: a route, a file descriptor.
    OwnSide,
    /// The scenario expects no particular result.
    Anything,
    /// The result depends on a setting or revision other than the default.
    Setting,
    /// The result depends on timeouts.
    Time,
}

impl LeftOut {
    /// As text.
    pub fn reason(self) -> &'static str {
        match self {
            Self::Later => "asked later, about what is remembered",
            Self::Abandoned => "abandoned by the caller",
            Self::OwnSide => "a failure of one's own side",
            Self::Anything => "any result is right",
            Self::Setting => "owed to a setting or revision that is not the default",
            Self::Time => "owed to how long one waits",
        }
    }
}

/// A lookup that is compared or left out.
pub type Lookup = Result<Box<Case>, LeftOut>;

/// The policy for the comparison: the default, with documentation and private addresses allowed, because worlds use them.
pub fn policy() -> Policy {
    let mut policy = Policy::default();
    policy.addresses = AddressPolicy::any();
    policy
}

/// Every lookup of every scenario in a folder, in the order of their paths.
pub fn all(folder: &Path) -> io::Result<Vec<Lookup>> {
    let mut lookups = Vec::new();
    for path in Scenario::files(folder)? {
        let scenario = Scenario::parse(&fs::read_to_string(&path)?).map_err(io::Error::other)?;
        let name = path.strip_prefix(folder).unwrap_or(&path).with_extension("");
        lookups.extend(of(&name.to_string_lossy(), &scenario));
    }
    Ok(lookups)
}

/// Every lookup of a scenario. Those at its start run on fresh clients.
fn of(path: &str, scenario: &Scenario) -> Vec<Lookup> {
    let world = scenario.world_at(Duration::ZERO);
    let reports = scenario.reports().iter().any(|report| report.at.is_zero());
    let own_side = own_side(scenario, &world);
    let expectations = scenario.expect.iter().cloned().map(Some).chain(std::iter::repeat(None));
    let lookup = |(resolve, expect): (Resolve, Option<Expect>)| {
        if reports || !resolve.at.is_zero() {
            return Err(LeftOut::Later);
        }
        if resolve.abandon.is_some() {
            return Err(LeftOut::Abandoned);
        }
        let expect = expect.filter(|expect| !expect.wanted.is_empty()).ok_or(LeftOut::Anything)?;
        if own_side {
            return Err(LeftOut::OwnSide);
        }
        if path.starts_with("boundaries/") {
            return Err(LeftOut::Time);
        }
        // Only the simulator changes clocks, and resolv.conf has at most three name servers.
        if path.starts_with("time/clock-") || scenario.name_servers() > 3 {
            return Err(LeftOut::Setting);
        }
        let read = |policy: &Policy| {
            let name: ServerName = resolve.name.parse().ok()?;
            let reference = Reference::new(&world, policy).name_servers(scenario.name_servers());
            Some(reference.resolve(&name))
        };
        let right = |verdict: &Option<Verdict>| match verdict {
            Some(verdict) => expect.check_reference(&verdict.expected).is_empty(),
            None => expect.wanted.iter().any(|wanted| matches!(wanted, Wanted::Fail(_))),
        };
        let verdict = read(&policy());
        if !right(&verdict) {
            let owed_to_setting = right(&read(&scenario.policy()));
            return Err(if owed_to_setting { LeftOut::Setting } else { LeftOut::Time });
        }
        Ok(Box::new(Case {
            scenario: path.to_owned(),
            name: resolve.name,
            world: world.clone(),
            name_servers: scenario.name_servers(),
            expect,
            verdict,
        }))
    };
    scenario.resolves().into_iter().zip(expectations).map(lookup).collect()
}

/// Whether a local failure is involved, which other implementations cannot be given.
fn own_side(scenario: &Scenario, world: &World) -> bool {
    let own_error = |entry: &ZoneEntry| {
        let errors = [DnsError::Local, DnsError::NoRoute, DnsError::Timeout];
        matches!(&entry.outcome, DnsOutcome::Error(error) if errors.contains(error))
    };
    let own_fault = |fault| matches!(fault, ConnectFault::Local | ConnectFault::NoRoute);
    world.zone().any(|(_, _, entry)| own_error(entry))
        || world
            .pages()
            .any(|(_, _, page)| matches!(page.answer, Served::Fault(fault) if own_fault(fault)))
        || scenario.lines.iter().any(|line| match line {
            Line::Tcp(_, fault) => fault.is_some_and(own_fault),
            Line::Routes(_) => true,
            _ => false,
        })
}

impl Case {
    /// Whether a server in the world is slow.
    pub fn is_silent(&self) -> bool {
        let world = &self.world;
        let slow = |after: Duration| !after.is_zero();
        world.zone().any(|(_, _, entry)| {
            entry.outcome == DnsOutcome::Silence
                || slow(entry.after)
                || entry.lost > 0
                || entry.wire.is_some()
        }) || world.pages().any(|(_, _, page)| {
            let waits = [ConnectFault::Timeout, ConnectFault::Stall];
            slow(page.after)
                || matches!(page.answer, Served::Fault(fault) if waits.contains(&fault))
        }) || (0..self.name_servers).any(|index| world.server(index).is_some())
    }

    /// The endpoints of the first priority by the reference model. None: it has no result.
    pub fn first_group(&self) -> Option<Vec<SocketAddr>> {
        match &self.verdict.as_ref()?.expected {
            Expected::Resolved(result) => {
                let group = result.groups.iter().find(|group| !group.places.is_empty())?;
                Some(group.socket_addrs().collect())
            }
            Expected::Failed(_) => None,
        }
    }
}
