//! Which results are handed out again as they are, and until when.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "tests"
)]

use std::net::IpAddr;
use std::sync::OnceLock;

use http::HeaderValue;

use super::*;
use crate::fact::{Fact, Failure};
use crate::io::{DnsError, RecordType};
use crate::name::TlsName;
use crate::outcome::{Effect, Explanation, ResolveError, SrvRank, Step};

const V6: &str = "2001:db8::1";
const V4: &str = "192.0.2.1";

fn at(seconds: u64) -> Instant {
    Instant::from_secs(seconds)
}

fn name() -> ServerName {
    "a.example".parse().unwrap()
}

/// A result with one target for each of these lists of addresses, fresh until second 60.
fn resolved(targets: &[&[&str]], srv: Option<SrvRank>) -> Resolved {
    let host: TlsName = TlsName::Dns("a.example".parse().unwrap());
    let addresses = |all: &[&str]| all.iter().map(|ip| ip.parse::<IpAddr>().unwrap()).collect();
    let target =
        |all: &&[&str]| Target { host: host.clone(), port: 1, srv, addresses: addresses(all) };
    Resolved {
        server_name: name(),
        targets: targets.iter().map(target).collect(),
        host_header: HeaderValue::from_static("a.example"),
        tls_name: host.clone(),
        step: Step::Default,
        expires: Some(at(60)),
        explanation: Explanation::default(),
        timeline: Timeline::default(),
        route: OnceLock::new(),
    }
}

fn shared(targets: &[&[&str]], srv: Option<SrvRank>) -> Arc<Resolved> {
    Arc::new(resolved(targets, srv))
}

/// What is remembered of an outcome that came about while this family led nowhere.
fn remembering(outcome: Outcome, second: Option<AddressFamily>) -> Results {
    let mut results = Results::new(&Policy::default(), crate::config::HashKey::default());
    results.remember(&name(), &outcome, second, None, at(0));
    results
}

#[test]
fn a_result_is_handed_out_again_until_its_first_fact_expires() {
    let mut results = remembering(Ok(shared(&[&[V4]], None)), None);
    assert!(results.get(&name(), None, at(59)).is_some());
    assert!(results.get(&name(), None, at(60)).is_none());
    assert!(results.last(&name()).is_some(), "what it was is known for longer");
}

#[test]
fn one_outcome_is_handed_out_however_often_it_is_asked_for() {
    let mut results = remembering(Ok(shared(&[&[V4]], None)), None);
    let kept = results.last(&name()).cloned().unwrap().unwrap();
    for time in 0..300 {
        let hit = results.get(&name(), None, at(1)).unwrap();
        assert!(Arc::ptr_eq(&hit.outcome.unwrap(), &kept));
        assert_eq!(hit.is_first, time == 0);
    }
    let other = "b.example".parse().unwrap();
    assert!(results.get(&other, None, at(1)).is_none());
    results.clear();
    assert_eq!(Arc::strong_count(&kept), 1, "nothing is kept of what is forgotten");
}

#[test]
fn what_has_been_used_has_been_used_when_it_is_replaced_and_its_successor_is_handed_out() {
    let mut results = remembering(Ok(shared(&[&[V4]], None)), None);
    assert!(results.get(&name(), None, at(1)).is_some_and(|hit| hit.is_first));
    results.remember(&name(), &Ok(shared(&[&[V6]], None)), None, None, at(2));
    for _ in 0..3 {
        let hit = results.get(&name(), None, at(3)).unwrap();
        assert!(!hit.is_first);
        let places = hit.outcome.as_ref().unwrap().socket_addrs();
        assert_eq!(places.map(|place| place.ip().to_string()).collect::<Vec<_>>(), [V6]);
    }
}

#[test]
fn only_a_result_with_addresses_of_both_families_is_put_in_order_anew_when_one_leads_nowhere() {
    let second = Some(AddressFamily::V6);
    for (addresses, holds) in [(&[V4][..], true), (&[V6], true), (&[V6, V4], false)] {
        let mut results = remembering(Ok(shared(&[addresses], None)), None);
        assert!(results.get(&name(), None, at(1)).is_some(), "{addresses:?}");
        assert_eq!(results.get(&name(), second, at(1)).is_some(), holds, "{addresses:?}");
        let mut results = remembering(Ok(shared(&[addresses], None)), second);
        assert!(results.get(&name(), second, at(1)).is_some(), "{addresses:?}");
    }
}

#[test]
fn a_failure_is_told_anew_once_something_was_taught_and_a_result_is_not() {
    let (explanation, timeline) = (Explanation::default(), Timeline::default());
    let failed = ResolveError::new(ErrorKind::DnsFailure, Some(at(60)), explanation, timeline);
    for (outcome, holds) in [(Err(Arc::new(failed)), false), (Ok(shared(&[&[V4]], None)), true)] {
        let mut results = remembering(outcome, None);
        assert!(results.get(&name(), None, at(1)).is_some());
        results.taught();
        assert_eq!(results.get(&name(), None, at(1)).is_some(), holds);
    }
}

/// R86: weights are drawn for each ticket.
#[test]
fn where_a_draw_decides_the_order_each_ticket_has_its_own() {
    let srv = Some(SrvRank { priority: 1, weight: 1 });
    for (targets, kept) in [(&[&[V4][..]][..], true), (&[&[V4], &[V6]], false)] {
        let results = remembering(Ok(shared(targets, srv)), None);
        assert_eq!(results.last(&name()).is_some(), kept, "{targets:?}");
    }
}

/// What is young, has failed, or stands in as the last good one is no reason to ask the others again.
#[test]
fn a_result_is_as_old_as_the_oldest_of_its_facts_that_are_no_failures() {
    let decision = |fact, learnt, standing| {
        let question = Question::Dns("a.example".parse().unwrap(), RecordType::A);
        let known = CachedFact::new(question, fact, at(learnt), Some(at(60)));
        Decision::with_fact(Step::Default, Arc::new(CachedFact { standing, ..known }), Effect::Used)
    };
    let good = || Fact::Addresses { addresses: [].into_iter().collect(), alias: None };
    let failed = Fact::Failed(Failure::Dns(DnsError::Timeout));
    let of = |decisions: Vec<Decision>| {
        let explanation = Explanation { decisions: decisions.into() };
        oldest(&Resolved { explanation, ..resolved(&[&[V4]], None) })
    };
    let fresh = || decision(good(), 7, Standing::Fresh);
    let stale = decision(good(), 3, Standing::Stale);
    let failure = decision(failed, 4, Standing::Fresh);
    assert_eq!(of(vec![fresh(), decision(good(), 9, Standing::Fresh)]), Some(at(7)));
    assert_eq!(of(vec![stale.clone(), fresh(), failure.clone()]), Some(at(7)));
    assert_eq!(of(vec![stale, failure]), None);
}
