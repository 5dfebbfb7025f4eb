//! Facts that travel between resolvers: which counts, for how long, and what follows for those who wait.

#![allow(
    clippy::unwrap_used,
    clippy::arithmetic_side_effects,
    clippy::wildcard_enum_match_arm,
    reason = "tests"
)]
use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::address::Addresses;
use crate::events::Event;
use crate::export::{Dated, Exported};
use crate::fact::{Fact, Failure, NotFound};
use crate::io::{Answer, DnsError, DnsRecord, DnsReply, RecordData, RecordType, Request};
use crate::outcome::ErrorKind;
use crate::{CacheLookup, Config, DefaultAction, DnsName, Policy, ServerName, Standing};

const WALL: UnixMillis = UnixMillis(1_764_000_000_000);
const NOW: Instant = Instant::from_secs(5);

fn resolver() -> Resolver {
    let mut policy = Policy::default();
    policy.cache.refresh_ahead_percent = None;
    policy.addresses.otherwise = DefaultAction::Any;
    Resolver::new(Config::new(policy), Instant::ORIGIN)
}

fn later(wall: UnixMillis, by: Duration) -> UnixMillis {
    UnixMillis(wall.0 + u64::try_from(by.as_millis()).unwrap())
}

fn host(which: u8) -> DnsName {
    DnsName::host(&format!("{}.example", char::from(b'a' + which))).unwrap()
}

/// A question for the addresses of one of many hosts.
fn of_many(which: u32) -> Question {
    Question::Dns(DnsName::host(&format!("h{which}.example")).unwrap(), RecordType::A)
}

fn addresses(last: u8) -> Fact {
    let addresses = Addresses::from(vec![[192, 0, 2, last].into()]);
    Fact::Addresses { addresses, alias: None }
}

fn told(which: u8, fact: Fact, age: u64, left: u64) -> Exported {
    let question = Question::Dns(host(which), RecordType::A);
    let failures = u8::from(fact.is_temporary());
    Exported { question, fact, age, left, never_stale: false, failures, good: None }
}

fn export(facts: Vec<Exported>) -> Export {
    Export { at: WALL, cursor: Cursor::START, more: false, facts }
}

/// All that is known, by question; without what orders it.
fn state(resolver: &Resolver) -> Vec<String> {
    let mut all: Vec<String> = resolver
        .cache
        .iter()
        .map(|(question, known)| {
            format!(
                "{known:?} {:?} {:?}",
                resolver.cache.failure(question),
                resolver.cache.peek(question)
            )
        })
        .collect();
    all.sort();
    all
}

fn fact() -> impl Strategy<Value = Fact> {
    prop_oneof![
        4 => (1..4_u8).prop_map(addresses),
        1 => Just(Fact::NotFound(NotFound::NoData)),
        2 => Just(Fact::Failed(Failure::Dns(DnsError::ServerFailure))),
        2 => Just(Fact::Failed(Failure::Dns(DnsError::Timeout))),
    ]
}

prop_compose! {
    fn dated()(
        which in 0..3_u8,
        fact in fact(),
        age in prop_oneof![0..4_u64, 0..100_000_000_u64],
        left in prop_oneof![0..4_u64, 0..200_000_000_u64],
        never_stale in any::<bool>(),
        failures in 1..4_u8,
        good in proptest::option::of((1..4_u8, 0..4_u64, 0..4_u64)),
    ) -> Exported {
        let temporary = fact.is_temporary();
        let good = good.filter(|_| temporary).map(|(last, more, left)| Dated {
            fact: addresses(last), age: age + more, left, never_stale: false,
        });
        let failures = if temporary { failures } else { 0 };
        let never_stale = never_stale && !temporary;
        Exported { failures, never_stale, good, ..told(which, fact, age, left) }
    }
}

proptest! {
    #[test]
    fn what_is_taught_in_any_order_and_how_often_makes_no_difference(
        facts in proptest::collection::vec(dated(), 0..8),
        order in any::<prop::sample::Index>(),
    ) {
        let (mut once, mut other) = (resolver(), resolver());
        for fact in &facts {
            once.import(export(vec![fact.clone()]), NOW, WALL);
        }
        let at = if facts.is_empty() { 0 } else { order.index(facts.len()) };
        for fact in facts.iter().skip(at).chain(facts.iter().take(at)).rev() {
            other.import(export(vec![fact.clone()]), NOW, WALL);
            let again = other.import(export(vec![fact.clone()]), NOW, WALL);
            prop_assert_eq!(again.taken, 0);
        }
        prop_assert_eq!(state(&once), state(&other));
        let before = state(&once);
        let own = once.export(NOW, WALL);
        once.import(own, NOW, WALL);
        prop_assert_eq!(state(&once), before, "what it told itself it knew");
    }

    #[test]
    fn no_fact_gets_fresher_by_travelling_nor_outlives_its_cap_whatever_the_clocks_show(
        told in dated(),
        gone in 0..200_000_000_u64,
        back in any::<bool>(),
        hops in 1..4_u8,
    ) {
        let policy = Policy::default();
        let (age, left) = (Duration::from_millis(told.age), Duration::from_millis(told.left));
        let mut travelling = export(vec![told]);
        for _ in 0..hops {
            let mut there = resolver();
            let wall = if back { WALL.0 - gone } else { WALL.0 + gone };
            travelling.at = WALL;
            there.import(travelling, NOW, UnixMillis(wall));
            for entry in there.facts() {
                let crate::FactEntry { fact, learnt, expires: until, .. } = entry;
                let until = until.unwrap();
                prop_assert!(until <= NOW + left, "fresher");
                let cap = match fact {
                    Fact::Failed(_) => policy.dns.failure_max_ttl,
                    Fact::NotFound(_) => policy.dns.negative_max_ttl,
                    _ => policy.dns.max_ttl,
                };
                prop_assert!(until == NOW || until + age <= NOW + cap, "past its cap");
                prop_assert!(learnt + age <= NOW, "younger");
            }
            travelling = there.export(NOW, WALL);
        }
    }
}

#[test]
fn a_taught_fact_is_a_hit_until_it_expires_by_both_clocks() {
    let mut resolver = resolver();
    let facts = vec![told(0, addresses(1), 40_000, 10_000), {
        let question = Question::Dns(host(0), RecordType::Aaaa);
        Exported { question, ..told(0, Fact::NotFound(NotFound::NoData), 40_000, 10_000) }
    }];
    let two = Duration::from_secs(2);
    let taught = resolver.import(export(facts), NOW, later(WALL, two));
    assert_eq!(taught, ImportSummary { taken: 2, ..ImportSummary::default() });
    let name: ServerName = "a.example:1".parse().unwrap();
    let end = Duration::from_millis(7_999);
    resolver.resolve(&name, NOW + (end - Duration::from_nanos(1)));
    assert!(matches!(resolver.poll(), Some(Event::Finished(_, outcome)) if outcome.is_ok()));
    assert_eq!(resolver.counters().dns_questions, 0);
    resolver.resolve(&name, NOW + end);
    assert!(matches!(resolver.poll(), Some(Event::Request(_))));
}

#[test]
fn a_taught_address_is_judged_by_the_policy_of_whoever_reads_it() {
    let mut resolver = Resolver::new(Config::default(), Instant::ORIGIN);
    let private = Addresses::from(vec![[10, 0, 0, 1].into()]);
    let private = Fact::Addresses { addresses: private, alias: None };
    let question = Question::Dns(host(0), RecordType::Aaaa);
    let none = told(0, Fact::NotFound(NotFound::NoData), 0, 10_000);
    let facts = vec![told(0, private, 0, 10_000), Exported { question, ..none }];
    assert_eq!(resolver.import(export(facts), NOW, WALL).taken, 2);
    let CacheLookup::Known(outcome) = resolver.explain(&"a.example:1".parse().unwrap(), NOW) else {
        panic!("it is known");
    };
    assert_eq!(outcome.as_ref().unwrap_err().kind, ErrorKind::Blocked);
}

/// The answer to a request for addresses of a family.
fn answer(request: &Request, last: u8) -> Answer {
    let Request::Dns(request) = request else { panic!("{request:?}") };
    let records = match request.kind {
        RecordType::A => vec![DnsRecord {
            owner: request.name.clone(),
            ttl: 300,
            data: RecordData::A([192, 0, 2, last].into()),
        }],
        RecordType::Aaaa | RecordType::Srv => Vec::new(),
    };
    let negative_ttl = records.is_empty().then_some(300);
    Answer::Dns(
        request.id,
        Ok({
            let mut reply = DnsReply::with_records(records);
            reply.negative_ttl = negative_ttl;
            reply
        }),
    )
}

#[test]
fn a_lookup_that_waits_goes_on_with_what_is_taught_and_the_answer_under_way_counts_after_it() {
    let mut resolver = resolver();
    let name: ServerName = "a.example:1".parse().unwrap();
    resolver.resolve(&name, NOW);
    let requests: Vec<Request> = std::iter::from_fn(|| match resolver.poll() {
        Some(Event::Request(request)) => Some(request),
        _ => None,
    })
    .collect();
    assert_eq!(requests.len(), 2, "both families");
    let of =
        |kind| move |request: &&Request| matches!(request, Request::Dns(dns) if dns.kind == kind);
    let aaaa = requests.iter().find(of(RecordType::Aaaa)).unwrap();
    let _ = resolver.handle_answer(answer(aaaa, 0), NOW);
    assert!(resolver.poll().is_none());
    resolver.import(export(vec![told(0, addresses(1), 0, 60_000)]), NOW, WALL);
    let Some(Event::Finished(_, outcome)) = resolver.poll() else { panic!("it is answered") };
    let first = |outcome: &crate::Outcome| {
        outcome.as_ref().unwrap().socket_addrs().next().unwrap().to_string()
    };
    assert_eq!(first(&outcome), "192.0.2.1:1");
    assert!(resolver.poll().is_none(), "the request is not cancelled");
    let a = requests.iter().find(of(RecordType::A)).unwrap();
    let _ = resolver.handle_answer(answer(a, 2), NOW);
    let later =
        resolver.facts().find(|entry| matches!(entry.question, Question::Dns(_, RecordType::A)));
    assert_eq!(later.map(|entry| entry.fact.clone()), Some(addresses(2)));
    assert_eq!(resolver.poll_timeout(), None, "nothing is left to wait for");
}

#[test]
fn a_name_that_has_failed_here_is_answered_at_once_with_what_others_have_learnt() {
    let mut resolver = resolver();
    let name: ServerName = "a.example:1".parse().unwrap();
    let failed = Fact::Failed(Failure::Dns(DnsError::ServerFailure));
    let question = Question::Dns(host(0), RecordType::Aaaa);
    let facts = vec![
        told(0, failed.clone(), 50_000, 100_000),
        Exported { question, ..told(0, Fact::NotFound(NotFound::NoData), 0, 100_000) },
    ];
    resolver.import(export(facts), NOW, WALL);
    for (last, ok) in [(None, false), (Some(1), true)] {
        if let Some(last) = last {
            resolver.import(export(vec![told(0, addresses(last), 10_000, 90_000)]), NOW, WALL);
        }
        resolver.resolve(&name, NOW);
        let Some(Event::Finished(_, outcome)) = resolver.poll() else { panic!("it is known") };
        assert_eq!(outcome.is_ok(), ok);
    }
    assert_eq!(
        resolver.counters().dns_questions,
        0,
        "a failure that was taught is not asked about"
    );
}

#[test]
fn pages_are_bounded_and_tell_everything_once_and_what_is_new_after_that() {
    let mut resolver = resolver();
    let fact = |n: u32| Exported { question: of_many(n), ..told(0, addresses(1), 0, 60_000) };
    resolver.import(export((0..10_000).map(fact).collect()), NOW, WALL);
    let mut cursor = Cursor::START;
    let mut pages = Vec::new();
    loop {
        let page = resolver.export_since(cursor, NOW, WALL);
        cursor = page.cursor();
        pages.push(page.iter().map(|it| it.question().clone()).collect::<Vec<_>>());
        if !page.has_more() {
            break;
        }
    }
    assert_eq!(pages.iter().map(Vec::len).collect::<Vec<_>>(), [4096, 4096, 1808]);
    assert_eq!(pages.concat(), (0..10_000).map(of_many).collect::<Vec<_>>());
    assert!(resolver.export_since(cursor, NOW, WALL).is_empty());
    assert_eq!(resolver.export_since(cursor, NOW, WALL).cursor(), cursor);
    resolver.import(export(vec![told(0, addresses(1), 0, 60_000)]), NOW, WALL);
    let news = resolver.export_since(cursor, NOW, WALL);
    assert_eq!(
        news.iter().map(|it| it.question().clone()).collect::<Vec<_>>(),
        [Question::Dns(host(0), RecordType::A)]
    );
    assert_eq!(resolver.export_since(Cursor::START, NOW, WALL).len(), 4096);
}

#[test]
fn a_flood_of_taught_facts_stays_within_the_bounds_and_pushes_out_nothing_in_use() {
    let mut policy = Policy::default();
    policy.cache.max_facts = 100;
    policy.addresses.otherwise = DefaultAction::Any;
    let mut resolver = Resolver::new(Config::new(policy), Instant::ORIGIN);
    let question = Question::Dns(host(0), RecordType::Aaaa);
    let facts = vec![
        told(0, addresses(1), 0, 600_000),
        Exported { question, ..told(0, Fact::NotFound(NotFound::NoData), 0, 600_000) },
    ];
    resolver.import(export(facts), NOW, WALL);
    for _ in 0..3 {
        resolver.resolve(&"a.example:1".parse().unwrap(), NOW);
        resolver.resolve(&"a.example:2".parse().unwrap(), NOW);
    }
    let fact = |n: u32| Exported { question: of_many(n), ..told(0, addresses(1), 0, 60_000) };
    resolver.import(export((0..10_000).map(fact).collect()), NOW, WALL);
    assert_eq!(resolver.counters().facts, 100);
    let name: ServerName = "a.example:3".parse().unwrap();
    assert!(matches!(resolver.explain(&name, NOW), CacheLookup::Known(outcome) if outcome.is_ok()));
    let rows = resolver.entries(NOW);
    assert!(rows.iter().all(|row| row.standing == Standing::Fresh), "{rows:?}");
}

#[test]
fn the_order_of_changes_takes_its_room_from_the_facts() {
    let fact = |n: u32| Exported { question: of_many(n), ..told(0, addresses(1), 0, 600_000) };
    let bound = 200_000;
    let mut policy = Policy::default();
    policy.cache.max_bytes = bound;
    let mut resolver = Resolver::new(Config::new(policy), Instant::ORIGIN);
    resolver.import(export((0..5000).map(fact).collect()), NOW, WALL);
    let before = resolver.counters();
    let told = resolver.export_since(Cursor::START, NOW, WALL).len();
    let after = resolver.counters();
    assert!(told > 100 && after.facts <= before.facts && after.bytes <= bound, "{after:?}");
    assert!(after.bytes >= after.facts * (before.bytes / before.facts + 16), "{after:?}");
    resolver.import(export((5000..9000).map(fact).collect()), NOW, WALL);
    assert!(resolver.counters().bytes <= bound);
}
