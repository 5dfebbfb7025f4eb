//! What the explorer covers, and that it finds what is planted.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "tests stop at the first surprise"
)]

use std::collections::BTreeSet;
use std::time::Duration;

use discovery_core::{ErrorKind, Speculation};

use super::judge::Judge;
use super::walk::Walk;
use super::{Coverage, Explored, Finding, Limits, Subject, Wrong, explore, explore_crowd, shrink};
use crate::Scenario;
use crate::run::{config, replay};

const DELEGATED: &str = "https example.org 200 {\"m.server\":\"fed.example.net\"}
dns _matrix._tcp.fed.example.net SRV 10 5 443 a.example.net
dns a.example.net A 192.0.2.1
dns a.example.net AAAA 2001:db8::1
resolve example.org";

const TWO_PAGES: &str = "dns example.org AAAA 2001:db8::1
dns example.org A 192.0.2.1
https example.org on=192.0.2.1 200 {\"m.server\":\"192.0.2.9\"}
https example.org on=2001:db8::1 404
resolve example.org";

fn limits() -> Limits {
    Limits { abandon: true, ..Limits::default() }
}

fn explored(text: &str, limits: &Limits) -> Explored {
    explore(&Scenario::parse(text).unwrap(), 0, limits).unwrap()
}

fn subject(text: &str) -> Subject {
    let scenario = Scenario::parse(text).unwrap();
    Subject {
        name: scenario.resolves()[0].name.parse().unwrap(),
        world: scenario.world_at(Duration::ZERO),
        config: config(&scenario),
        routes: scenario.routes_at(Duration::ZERO),
        clock: scenario.clock(),
    }
}

/// Walks through one world and judges by another.
fn findings(walked: &str, judged: &str) -> Vec<Finding> {
    let (walked, judged) = (subject(walked), subject(judged));
    let limits = limits();
    let mut judge = Judge::new(&judged);
    let coverage = Walk::new(&walked, &limits, Speculation::Addresses, 10_000, &mut judge).run();
    judge.explored(coverage, 0).findings
}

#[test]
fn every_order_comes_to_one_end() {
    let limits = Limits { early_timers: 0, ..limits() };
    let found = explored(DELEGATED, &limits);
    assert_eq!(found.coverage, Coverage::Complete);
    assert!(found.states > 100 && found.ends > 10, "{found}");
    assert!(found.findings.is_empty(), "{found}");
    assert_eq!(found.outcomes.len(), 1);
}

#[test]
fn timers_that_fire_early_lead_to_ends_that_the_reference_knows() {
    let found = explored(DELEGATED, &limits());
    assert!(found.findings.is_empty(), "{found}");
    let more = found.states;
    let few = explored(DELEGATED, &Limits { early_timers: 0, ..limits() }).states;
    assert!(more > few, "{more} {few}");
}

#[test]
fn what_never_answers_ends_by_timers_alone() {
    let text =
        "https example.org 404\ndns _matrix-fed._tcp.example.org SRV TIMEOUT\nresolve example.org";
    let found = explored(text, &Limits { early_timers: 0, ..limits() });
    assert_eq!(found.coverage, Coverage::Complete);
    assert!(found.findings.is_empty(), "{found}");
    let kinds: Vec<_> = found.outcomes.iter().map(|end| end.as_ref().unwrap_err().kind).collect();
    assert_eq!(kinds, [ErrorKind::DnsFailure]);
}

#[test]
fn where_addresses_disagree_both_ends_are_right() {
    let found = explored(TWO_PAGES, &limits());
    assert!(found.findings.is_empty(), "{found}");
    let steps = found.outcomes.iter().filter_map(|end| end.as_ref().ok());
    let steps: BTreeSet<&str> = steps.map(|done| done.step.number()).collect();
    assert_eq!(steps, BTreeSet::from(["3.1", "6"]));
    let sampled = explored(TWO_PAGES, &Limits { open: 1, samples: 20, ..limits() });
    assert!(sampled.findings.is_empty(), "{sampled}");
}

#[test]
fn more_open_answers_than_wanted_are_sampled_and_a_bound_on_states_is_told() {
    let found = explored(DELEGATED, &Limits { open: 1, samples: 7, ..limits() });
    let Coverage::Sampled { orders, pairs } = found.coverage else { panic!("{found}") };
    assert!(orders == 21 && pairs > 10, "{found}");
    assert!(found.findings.is_empty(), "{found}");
    let found = explored(DELEGATED, &Limits { states: 10, ..limits() });
    let Coverage::CutShort { left, whole: None } = found.coverage else { panic!("{found}") };
    assert!(left > 0 && found.states <= 10, "{found}");
}

#[test]
fn what_a_bound_on_states_cuts_off_are_ways_with_the_most_faults() {
    let short = "dns example.org A 192.0.2.1\nresolve example.org:1";
    let [none, one, two] = [0, 1, 2].map(|faults| {
        let found = explored(short, &Limits { faults, ..limits() });
        assert_eq!(found.coverage, Coverage::Complete);
        found.states
    });
    assert!(none < one && one < two, "{none} {one} {two}");
    // Each mode of speculation gets a third.
    for (states, whole) in [(none - 3, None), (none, Some(0)), (two - 3, Some(1))] {
        let found = explored(short, &Limits { faults: 2, states, ..limits() });
        let Coverage::CutShort { left, whole: so_far } = found.coverage else { panic!("{found}") };
        assert!(left > 0 && so_far == whole, "{states}: {found}");
    }
}

#[test]
fn a_planted_disagreement_with_the_reference_is_found() {
    let other = DELEGATED.replace("443", "444");
    let found = findings(DELEGATED, &other);
    assert!(matches!(found[0].why, Wrong::NotTheReference(_)), "{found:?}");
    assert!(findings(DELEGATED, DELEGATED).is_empty());
    let other = DELEGATED.replace("A 192.0.2.1", "A 192.0.2.1 ttl=20");
    let found = findings(&other, DELEGATED);
    assert!(
        matches!(&found[0].why, Wrong::NotTheReference(how) if how.contains("20s")),
        "{found:?}"
    );
}

#[test]
fn a_planted_dependence_on_order_is_found_with_the_way_there() {
    // To a judge who takes the addresses to agree, which one answers first looks like chance.
    let blind = TWO_PAGES
        .replace("on=192.0.2.1 ", "")
        .replace("https example.org on=2001:db8::1 404\n", "");
    let found = findings(TWO_PAGES, &blind);
    let order = found.iter().find(|finding| matches!(finding.why, Wrong::OrderMatters { .. }));
    let finding = order.unwrap_or_else(|| panic!("{found:?}"));
    let subject = subject(TWO_PAGES);
    let mut machine = discovery_core::Resolution::new(subject.name, &subject.config, crate::START);
    let events = replay(&mut machine, &finding.way);
    assert!(matches!(events.last(), Some(discovery_core::Event::Finished(..))), "{events:?}");
}

#[test]
fn a_name_that_is_none_is_not_explored() {
    assert!(explore(&Scenario::parse("resolve a:b").unwrap(), 0, &limits()).is_none());
    assert!(explore(&Scenario::parse("resolve a").unwrap(), 1, &limits()).is_none());
}

#[test]
fn with_two_faults_anywhere_every_end_is_right() {
    let limits = Limits { faults: 2, states: 6_000, ..limits() };
    let found = explored(DELEGATED, &limits);
    assert!(found.findings.is_empty(), "{found}");
    // Lost, wrong and given up: there are far more ends than without.
    assert!(found.outcomes.len() > 5, "{found}");
    let short = explored("dns example.org A 192.0.2.1\nresolve example.org:1", &limits);
    assert_eq!(short.coverage, Coverage::Complete);
    assert!(short.findings.is_empty() && short.outcomes.len() > 3, "{short}");
}

const SHARED: &str = "https a.example 200 {\"m.server\":\"fed.example.net:443\"}
https b.example 200 {\"m.server\":\"fed.example.net:443\"}
dns a.example A 192.0.2.1
dns b.example A 192.0.2.2
dns fed.example.net A 192.0.2.3
resolve a.example
resolve b.example
resolve A.example";

#[test]
fn tickets_that_share_questions_come_to_their_ends_in_every_order() {
    let limits = Limits { states: 4_000, early_timers: 0, ..limits() };
    let found = explore_crowd(&Scenario::parse(SHARED).unwrap(), &limits).unwrap();
    assert!(found.findings.is_empty(), "{found}");
    assert!(found.states > 500, "{found}");
    let limits = Limits { faults: 1, early_timers: 1, ..limits };
    let found = explore_crowd(&Scenario::parse(SHARED).unwrap(), &limits).unwrap();
    assert!(found.findings.is_empty(), "{found}");
}

#[test]
fn what_is_not_found_again_is_not_made_less_of() {
    let scenario = Scenario::parse(DELEGATED).unwrap();
    let planted = Finding {
        why: Wrong::NeverEnds,
        speculation: Speculation::Off,
        way: Vec::new(),
        moves: vec!["nothing".to_owned()],
    };
    let same = shrink(&scenario, Some(0), &Limits { states: 300, ..limits() }, &planted);
    assert_eq!(same.scenario, scenario);
    assert!(Scenario::parse(&same.to_string()).is_ok(), "{same}");
}
