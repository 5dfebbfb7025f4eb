//! Interfaces for callers and drivers: routes as keys, events and answers as JSON.

use std::collections::BTreeSet;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::*;

/// SRV targets of one priority on two hosts with one address each, below the name.
fn two_targets(request: &Request) -> Answer {
    let (dns, target) = match request {
        Request::Http(get) => return Answer::Http(get.id, Err(HttpError::Refused)),
        Request::Dns(dns) => (dns, dns.name.as_str()),
    };
    let service = |target: &str| {
        let target = host(target);
        RecordData::Srv(SrvRecord { priority: 1, weight: 1, port: 8449, target })
    };
    let records = match (dns.kind, target) {
        (RecordType::Srv, "_matrix-fed._tcp.a.example") => {
            ["x.example", "y.example"].map(|to| record(target, service(to))).into()
        }
        (RecordType::A, "a.example" | "x.example") => vec![address(target, dns.kind, 1)],
        (RecordType::A, "y.example") => vec![address(target, dns.kind, 2)],
        _ => Vec::new(),
    };
    answer(request, records)
}

fn resolved(
    text: &str,
    world: fn(&Request) -> Answer,
    seed: u64,
) -> std::sync::Arc<discovery_core::Resolved> {
    let mut config = config(|_| {});
    config.seed = seed;
    let mut resolver = Resolver::new(config, START);
    let ticket = resolver.resolve(&name(text), START);
    settle(&mut resolver, ticket, START, world).unwrap()
}

#[test]
fn another_order_of_srv_targets_is_the_same_route() {
    let all: Vec<_> = (0..20).map(|seed| resolved("a.example", two_targets, seed)).collect();
    let orders: BTreeSet<Vec<_>> = all.iter().map(|it| it.socket_addrs().collect()).collect();
    let routes: BTreeSet<_> = all.iter().map(|it| it.route().clone()).collect();
    assert_eq!((orders.len(), routes.len()), (2, 1));
}

#[test]
fn servers_with_one_address_and_different_host_values_have_different_routes() {
    fn one_address(request: &Request) -> Answer {
        let Request::Dns(dns) = request else { panic!("{request:?}") };
        answer(request, vec![address("a.example", dns.kind, 1)])
    }
    let with_port = resolved("a.example:8448", one_address, 0);
    let other_port = resolved("a.example:8449", one_address, 0);
    assert_eq!(with_port.tls_name, other_port.tls_name);
    assert_ne!(with_port.route(), other_port.route());
}

#[test]
fn the_route_of_a_result_is_made_once() {
    let result = resolved("192.0.2.1", two_targets, 0);
    assert!(std::sync::Arc::ptr_eq(result.route(), result.route()));
    let name = rustls_pki_types::ServerName::try_from(&result.route().tls_name).unwrap();
    assert_eq!(name, rustls_pki_types::ServerName::from(Ipv4Addr::new(192, 0, 2, 1)));
}

/// The value after a round trip through JSON.
fn through_json<T: Serialize + DeserializeOwned>(value: &T) -> T {
    serde_json::from_str(&serde_json::to_string(value).unwrap()).unwrap()
}

#[test]
fn a_driver_in_another_process_can_exchange_events_and_answers_as_json() {
    let mut resolver = Resolver::new(config(|_| {}), START);
    let ticket = resolver.resolve(&name("a.example"), START);
    let outcome = loop {
        let events: Vec<Event> = std::iter::from_fn(|| resolver.poll()).collect();
        assert_eq!(through_json(&events), events);
        if let Some(outcome) = end(&events, ticket) {
            break outcome;
        }
        for request in requests(&events) {
            let answer = match &request {
                Request::Http(get) => {
                    let head = http::Response::builder().status(404).header("Age", "1");
                    let response = head.body(&b"\xff"[..]).unwrap();
                    Answer::Http(get.id, Ok(response.into()))
                }
                Request::Dns(_) => two_targets(&request),
            };
            assert_eq!(through_json(&answer), answer);
            let _ = resolver.handle_answer(through_json(&answer), START);
        }
    };
    assert_eq!(outcome.unwrap().step, discovery_core::Step::FedService);
}

#[test]
fn the_delegation_of_a_name_is_read_from_its_cached_document() {
    fn delegated(request: &Request) -> Answer {
        let Request::Http(get) = request else { return two_targets(request) };
        let document = http::Response::new(&br#"{"m.server": "y.example:1"}"#[..]);
        Answer::Http(get.id, Ok(document.into()))
    }
    let mut resolver = Resolver::new(config(|_| {}), START);
    assert_eq!(resolver.document(&name("a.example"), START), None);
    let ticket = resolver.resolve(&name("a.example"), START);
    settle(&mut resolver, ticket, START, delegated).unwrap();
    let delegation = resolver.document(&name("a.example"), START).unwrap();
    assert_eq!(delegation.server.as_str(), "y.example:1");
    assert_eq!(resolver.document(&name("a.example"), delegation.expires), None);
    assert!(resolver.poll().is_none());
}

#[test]
fn changed_policy_applies_to_cached_facts_without_a_request() {
    fn one_address(request: &Request) -> Answer {
        let Request::Dns(dns) = request else { panic!("{request:?}") };
        answer(request, vec![address("a.example", dns.kind, 1)])
    }
    let mut resolver = Resolver::new(config(|_| {}), START);
    let ticket = resolver.resolve(&name("a.example:1"), START);
    settle(&mut resolver, ticket, START, one_address).unwrap();
    let mut policy = Policy::clone(resolver.policy());
    policy.addresses.deny = ["0.0.0.0/0", "::/0"].map(|range| range.parse().unwrap()).into();
    resolver.set_policy(policy, START);
    let ticket = resolver.resolve(&name("a.example:1"), START);
    let nothing = |request: &Request| panic!("{request:?}");
    let outcome = settle(&mut resolver, ticket, START, nothing);
    assert_eq!(outcome.unwrap_err().kind, ErrorKind::Blocked);
}

#[test]
fn changed_policy_applies_to_lookups_in_flight() {
    let mut resolver = Resolver::new(config(|policy| policy.limits.dns_slots = 1), START);
    for name in ["a.example:1", "b.example:1"] {
        let _ = resolver.resolve(&super::name(name), START);
    }
    let open = |resolver: &mut Resolver| std::iter::from_fn(|| resolver.poll()).count();
    assert_eq!(open(&mut resolver), 1);
    let mut policy = Policy::clone(resolver.policy());
    policy.limits.dns_slots = 3;
    resolver.set_policy(policy, START);
    assert_eq!(open(&mut resolver), 2);
}

#[test]
fn a_smaller_cache_evicts_at_once() {
    let mut resolver = Resolver::new(config(|_| {}), START);
    for number in 0..10 {
        let text = format!("a{number}.example:1");
        let ticket = resolver.resolve(&name(&text), START);
        let owner = text.strip_suffix(":1").unwrap();
        let world = |request: &Request| {
            let Request::Dns(dns) = request else { panic!("{request:?}") };
            answer(request, vec![address(owner, dns.kind, 1)])
        };
        settle(&mut resolver, ticket, START, world).unwrap();
    }
    assert_eq!((resolver.counters().facts, resolver.counters().results), (20, 10));
    let mut policy = Policy::clone(resolver.policy());
    policy.cache.max_facts = 5;
    resolver.set_policy(policy, START);
    assert_eq!((resolver.counters().facts, resolver.counters().results), (5, 0));
}

#[test]
fn hosts_alone_are_resolved_for_a_proxy_that_resolves_names() {
    let resolve = |text: &str| {
        let config = config(|policy| policy.addresses.resolve_hosts_only = true);
        let mut resolver = Resolver::new(config, START);
        let ticket = resolver.resolve(&name(text), START);
        let world = |request: &Request| {
            if let Request::Dns(dns) = request {
                // Only the host of the document has an address.
                assert!(dns.kind == RecordType::Srv || dns.name.as_str() == "a.example");
            }
            two_targets(request)
        };
        settle(&mut resolver, ticket, START, world).unwrap()
    };
    let by_srv = resolve("a.example");
    assert_eq!(by_srv.socket_addrs().count(), 0);
    assert_eq!(by_srv.route().hosts, ["x.example:8449", "y.example:8449"]);
    assert_eq!(by_srv.host_header_str(), "a.example");
    assert_eq!(resolve("abc.onion:8449").route().hosts, ["abc.onion:8449"]);
    assert_eq!(resolve("abc.onion").route().hosts, ["abc.onion:8448"]);
    assert_ne!(resolve("abc.onion:8449").route(), resolve("abc.onion").route());
}
