//! The reference model on the world of a scenario, without time.
//!
//! It does not run scenarios in which time decides.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use discovery_core::ServerName;
use discovery_sim::{
    Addresses, Done, Expect, Expected, ExpectedResult, Line, Reference, Scenario, Verdict, Wanted,
};

use super::is_about_memory;

/// Settings with which time decides.
const TIMES: [&str; 4] =
    ["limits.lookup_deadline", "well_known.timeout", "addresses.wait", "dns.timeout"];

/// Why the model cannot run a scenario. None: it can.
pub fn declines(scenario: &Scenario) -> Option<&'static str> {
    let timed = |line: &Line| match line {
        Line::Dns(line) => !line.entry.after.is_zero(),
        Line::Https(line) => !(line.page.after.is_zero() && line.page.connect.is_zero()),
        Line::Server(_, fault) => !fault.after.is_zero(),
        Line::Set { field, .. } => TIMES.contains(&field.as_str()),
        Line::Resolve { abandon, .. } => abandon.is_some(),
        Line::Blank
        | Line::Comment(_)
        | Line::Tcp(..)
        | Line::Servers(_)
        | Line::Routes(_)
        | Line::Revision(_)
        | Line::Seed(_)
        | Line::Clock(_)
        | Line::Report { .. }
        | Line::Away(_)
        | Line::At(_) => false,
    };
    if is_about_memory(scenario) {
        Some("the model remembers nothing")
    } else {
        scenario.lines.iter().any(timed).then_some("the model knows no time")
    }
}

/// The verdict of the model on each name. None: it is not a server name.
fn verdicts(scenario: &Scenario) -> Vec<Option<Verdict>> {
    let policy = scenario.policy();
    let verdict = |resolve: discovery_sim::Resolve| {
        let world = scenario.world_at(resolve.at);
        let name = ServerName::parse(&resolve.name).ok()?;
        let reference = Reference::new(&world, &policy)
            .name_servers(scenario.name_servers())
            .routes(scenario.routes_at(resolve.at));
        Some(reference.resolve(&name))
    };
    scenario.resolves().into_iter().map(verdict).collect()
}

/// The differences between the model and the scenario. None: the model cannot run it.
pub fn check(scenario: &Scenario) -> Option<Vec<String>> {
    if declines(scenario).is_some() {
        return None;
    }
    let mut found = Vec::new();
    let names = scenario.resolves().into_iter().map(|resolve| resolve.name);
    for ((verdict, expect), name) in verdicts(scenario).iter().zip(&scenario.expect).zip(names) {
        let Some(verdict) = verdict else {
            let invalid = discovery_core::ErrorKind::InvalidServerName;
            if !expect.wanted.contains(&Wanted::Fail(invalid)) {
                found.push(format!("{name}: the text is no server name"));
            }
            continue;
        };
        let right = |wanted: &Wanted| match (wanted, &verdict.expected) {
            (Wanted::Fail(wanted), Expected::Failed(kind)) => wanted == kind,
            (Wanted::Done(wanted), Expected::Resolved(result)) => allows(wanted, result),
            (Wanted::Fail(_), Expected::Resolved(_)) | (Wanted::Done(_), Expected::Failed(_)) => {
                false
            }
        };
        if !expect.wanted.is_empty() && !expect.wanted.iter().any(right) {
            let wanted: Vec<String> = expect.wanted.iter().map(Wanted::to_string).collect();
            found.push(format!(
                "{name}: expected {}, but the model gives {:?}",
                wanted.join(" or "),
                verdict.expected
            ));
        }
        asked(expect, verdict, &name, &mut found);
    }
    Some(found)
}

fn asked(expect: &Expect, verdict: &Verdict, name: &str, found: &mut Vec<String>) {
    for question in expect.asked.iter().filter(|question| !verdict.asked.contains(question)) {
        found.push(format!("{name}: the model does not ask {question}"));
    }
    for question in expect.never.iter().filter(|question| verdict.asked.contains(question)) {
        found.push(format!("{name}: the model asks {question}"));
    }
}

/// Whether a result matches as far as the model knows. The order within a priority is random.
fn allows(wanted: &Done, result: &ExpectedResult) -> bool {
    let same = |wanted: Option<&String>, got: &str| wanted.is_none_or(|wanted| wanted == got);
    let sni = wanted.sni.as_ref().is_none_or(|wanted| wanted.as_deref() == result.tls_name.sni());
    let step = wanted.step.is_none_or(|step| step == result.step);
    same(wanted.host.as_ref(), &result.host_header)
        && same(wanted.tls.as_ref(), &result.tls_name.to_string())
        && sni
        && step
        && places(wanted, result)
}

fn places(wanted: &Done, result: &ExpectedResult) -> bool {
    if wanted.targets.is_empty() {
        return true;
    }
    let mut rest: Vec<SocketAddr> = Vec::new();
    for target in &wanted.targets {
        match target {
            Addresses::One(address) => rest.push(*address),
            Addresses::AnyOrder(addresses) => rest.extend(addresses),
        }
    }
    for group in &result.groups {
        let all: BTreeSet<SocketAddr> = group.socket_addrs().collect();
        // A group of one target has a fixed order. Of several, order and selection are random.
        let one = group.places.len() == 1 && group.take > 0;
        let count = rest.iter().take_while(|address| all.contains(address)).count();
        let these: Vec<SocketAddr> = rest.drain(..count).collect();
        let complete = group.take >= group.places.len();
        let right = if one {
            these == group.socket_addrs().collect::<Vec<_>>()
        } else {
            !complete || these.iter().copied().collect::<BTreeSet<_>>() == all
        };
        if !right {
            return false;
        }
    }
    rest.is_empty()
}
