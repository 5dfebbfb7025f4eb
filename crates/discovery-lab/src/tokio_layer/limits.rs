//! What a scenario needs that sockets can't show, and whether it is one where waits matter.

use std::time::Duration;

use discovery_core::DnsError;
use discovery_sim::{ConnectFault, DnsOutcome, End, Line, Page, Scenario, Served, WireFault};

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
        | Line::At(_) => None,
    })
}

const DNS_ON_OUR_SIDE: &str = "a DNS failure of the asker's own side";

/// Whether something takes its time, or never comes.
pub(super) fn waits(scenario: &Scenario) -> bool {
    let slow = |fault: &ConnectFault| matches!(fault, ConnectFault::Timeout | ConnectFault::Stall);
    scenario.lines.iter().any(|line| match line {
        Line::Dns(line) => {
            let entry = &line.entry;
            let foreign = matches!(entry.wire, Some(WireFault::WrongId | WireFault::WrongQuestion));
            let silent = entry.outcome == DnsOutcome::Silence;
            entry.after > Duration::ZERO || entry.lost > 0 || foreign || silent
        }
        Line::Https(line) => {
            let Page { connect, after, answer } = &line.page;
            let stalls = match answer {
                Served::Fault(fault) => slow(fault),
                Served::Response { end, .. } => *end == End::Stall,
            };
            *connect > Duration::ZERO || *after > Duration::ZERO || stalls
        }
        Line::Tcp(_, fault) => fault.as_ref().is_some_and(slow),
        Line::Server(_, fault) => {
            fault.after > Duration::ZERO || fault.outcome == Some(DnsOutcome::Silence)
        }
        Line::Resolve { abandon, .. } => abandon.is_some(),
        Line::Blank
        | Line::Comment(_)
        | Line::Servers(_)
        | Line::Routes(_)
        | Line::Set { .. }
        | Line::Revision(_)
        | Line::Seed(_)
        | Line::Clock(_)
        | Line::At(_) => false,
    })
}
