//! What a scenario needs that sockets can't show.

use discovery_core::DnsError;
use discovery_sim::{DnsOutcome, Line, Scenario};

/// What sockets can't show; None: they can show all of it.
pub(super) fn inexpressible(scenario: &Scenario) -> Option<&'static str> {
    let own_side = |outcome: &DnsOutcome| match outcome {
        DnsOutcome::Error(DnsError::Local | DnsError::NoRoute | DnsError::Timeout) => true,
        DnsOutcome::Error(_)
        | DnsOutcome::Records(_)
        | DnsOutcome::NxDomain
        | DnsOutcome::NoData
        | DnsOutcome::Silence => false,
    };
    scenario.lines.iter().find_map(|line| match line {
        Line::Dns(line) if own_side(&line.entry.outcome) => Some(DNS_ON_OUR_SIDE),
        Line::Server(_, fault) if fault.outcome.as_ref().is_some_and(own_side) => {
            Some(DNS_ON_OUR_SIDE)
        }
        Line::Clock(None) => Some("a driver without a wall clock"),
        Line::Blank
        | Line::Comment(_)
        | Line::Dns(_)
        | Line::Https(_)
        | Line::Tcp(..)
        | Line::Server(..)
        | Line::Servers(_)
        | Line::Routes(_)
        | Line::Set { .. }
        | Line::Revision(_)
        | Line::Seed(_)
        | Line::Clock(Some(_))
        | Line::Resolve { .. }
        | Line::Report { .. }
        | Line::Away(_)
        | Line::At(_) => None,
    })
}

const DNS_ON_OUR_SIDE: &str = "a DNS failure of the asker's own side";
