//! Which lookups of the scenarios can be given to others, and what must come out of them.
//!
//! Knows nothing of who is asked.

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

/// One name to ask for in one world.
#[derive(Clone, Debug)]
pub struct Case {
    /// The scenario's path below the folder, without its ending.
    pub scenario: String,
    /// The name.
    pub name: String,
    /// What the world is at that moment.
    pub world: World,
    /// How many name servers there are.
    pub name_servers: u8,
    /// What must come out, by the scenario.
    pub expect: Expect,
    /// What must come out, by the text; None: it is no server name.
    pub verdict: Option<Verdict>,
}

/// Why a lookup is given to nobody else.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum LeftOut {
    /// It comes after others, or after reports, and is about what is remembered.
    Later,
    /// It is abandoned.
    Abandoned,
    /// Our own side fails: a route, a file descriptor.
    OwnSide,
    /// The scenario says nothing about the result.
    Anything,
    /// The result is owed to a setting or a revision that is not the default.
    Setting,
    /// The result is owed to time: to how long somebody waits.
    Time,
}

impl LeftOut {
    /// In words.
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

/// A lookup: to be asked, or left out.
pub type Lookup = Result<Box<Case>, LeftOut>;

/// The policy that everybody is compared with: the default, with the addresses of documentation and private networks allowed, in
/// which worlds are made.
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

/// Every lookup of a scenario. Those at its start are each asked by somebody who remembers nothing.
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
        // Nobody but the simulator changes clocks, and resolv.conf has three name servers at most.
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

/// Whether something happens on the side of who asks, and can't be shown to others.
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
    /// Whether somebody in the world keeps others waiting.
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

    /// The places of the first priority by the text; None: nothing is said of it.
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
