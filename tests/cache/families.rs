//! Health of address families: a broken family is noticed, and found again.

use std::time::Duration;

use discovery_core::{AddressFamily, Disposition, Effect, Feedback, Outcome, Request};
use discovery_sim::{Bench, Happened};

const LATENCY: Duration = Duration::from_millis(20);
const MINUTE: Duration = Duration::from_secs(60);

/// Servers with addresses of both families, each in networks of its own.
fn world(said: &str) -> String {
    let mut text = format!("{said}\n");
    for i in 0..30 {
        text += &format!("https n{i}.example 404\n");
        text += &format!("dns n{i}.example A 198.51.{i}.1 ttl=86400\n");
        text += &format!("dns n{i}.example AAAA 2001:db8:{i}::1 ttl=86400\n");
    }
    text
}

fn bench(said: &str) -> Bench {
    Bench::new(&world(said)).replying_after(LATENCY)
}

fn is_v6_first(outcome: &Outcome) -> bool {
    let resolved = outcome.as_ref().expect("it is resolved");
    let all: Vec<_> = resolved.socket_addrs().collect();
    assert_eq!(all.len(), 2, "none is left out");
    let second = |effect: &Effect| *effect == Effect::TriedSecond(AddressFamily::V6);
    let told = resolved.explanation.decisions.iter().any(|decision| second(&decision.effect));
    assert_eq!(told, all[0].is_ipv4(), "the explanation says so");
    all[0].is_ipv6()
}

/// How many GETs went to each family since the last time, IPv6 first.
fn gets(bench: &mut Bench) -> [usize; 2] {
    let mut counts = [0, 0];
    for (_, happened) in bench.news() {
        if let Happened::Asked(Request::Http(get)) = happened {
            counts[usize::from(get.address.is_ipv4())] += 1;
        }
    }
    counts
}

#[test]
fn a_family_that_leads_nowhere_is_tried_second_after_three_names_and_waited_for_no_more() {
    let mut bench = bench("tcp v6 timeout");
    for i in 0..3 {
        // The third failure is enough.
        assert_eq!(is_v6_first(&bench.resolve(&format!("n{i}.example"))), i < 2, "{i}");
    }
    assert_eq!(gets(&mut bench), [3, 3]);
    for i in 3..10 {
        let began = bench.now();
        let outcome = bench.resolve(&format!("n{i}.example"));
        assert!(!is_v6_first(&outcome), "{i}");
        let took = bench.now().saturating_duration_since(began);
        assert!(took < Duration::from_millis(250), "a broken family causes no wait: {took:?}");
    }
    assert_eq!(gets(&mut bench), [0, 7]);
    assert_eq!(bench.resolver().families().v6.rests, 1);
    // Cached results follow the current order, too.
    assert!(!is_v6_first(&bench.resolve("n0.example")));
    assert_eq!(gets(&mut bench), [0, 0]);
    bench.finish();
}

#[test]
fn one_get_tries_a_family_that_has_rested_and_it_rests_twice_as_long() {
    let mut bench = bench("tcp v6 timeout");
    for i in 0..3 {
        drop(bench.resolve(&format!("n{i}.example")));
    }
    bench.wait(MINUTE);
    gets(&mut bench);
    for i in 3..9 {
        drop(bench.resolve(&format!("n{i}.example")));
    }
    assert_eq!(gets(&mut bench), [1, 6]);
    assert_eq!(bench.resolver().families().v6.rests, 2);
    bench.wait(MINUTE);
    for i in 9..12 {
        assert!(!is_v6_first(&bench.resolve(&format!("n{i}.example"))));
    }
    assert_eq!(gets(&mut bench), [0, 3]);
    bench.finish();
}

#[test]
fn a_family_is_found_again_when_it_comes_back() {
    let mut bench = bench("tcp v6 timeout");
    for i in 0..4 {
        drop(bench.resolve(&format!("n{i}.example")));
    }
    bench.become_world(&world(""));
    assert!(!is_v6_first(&bench.resolve("n0.example")));
    bench.wait(MINUTE);
    gets(&mut bench);
    for i in 4..8 {
        assert!(is_v6_first(&bench.resolve(&format!("n{i}.example"))), "{i}");
    }
    assert_eq!(gets(&mut bench), [4, 0]);
    assert!(is_v6_first(&bench.resolve("n0.example")));
    assert_eq!(*bench.resolver().families(), Default::default());
    bench.finish();
}

#[test]
fn server_that_is_down_or_refuses_is_no_evidence_about_its_family() {
    for said in ["tcp all timeout", "tcp v6 refused", "tcp v6 bad-cert"] {
        let mut bench = bench(said);
        for i in 0..10 {
            assert!(is_v6_first(&bench.resolve(&format!("n{i}.example"))), "{said}");
        }
    }
}

#[test]
fn callers_tell_of_families_too() {
    let mut bench = bench("");
    let names: Vec<String> = (0..5).map(|i| format!("n{i}.example")).collect();
    for name in &names {
        assert!(is_v6_first(&bench.resolve(name)));
    }
    for (i, name) in names.iter().enumerate() {
        // Failed endpoints come last whatever their family; other names show the order.
        assert_eq!(is_v6_first(&bench.resolve(name)), i < 3);
        let places = [format!("[2001:db8:{i}::1]:8448"), format!("198.51.{i}.1:8448")];
        let told = [Feedback::ConnectFailed, Feedback::Connected];
        for (place, said) in places.iter().zip(told) {
            let place = place.parse().expect("a place");
            assert_eq!(bench.report(name, place, said), Disposition::Accepted);
        }
    }
    assert_eq!(bench.resolver().families().v6.rests, 1);
    let place = "[2001:db8:4::1]:8448".parse().expect("a place");
    assert_eq!(bench.report("n4.example", place, Feedback::TlsFailed), Disposition::Accepted);
    assert_eq!(*bench.resolver().families(), Default::default(), "something listens there");
    bench.finish();
}
