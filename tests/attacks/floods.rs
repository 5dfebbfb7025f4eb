//! Floods of names, lookups and records that try to fill memory or to use CPU time.
//!
//! Memory is counted, not measured: by the machine's counters, and by open requests.

use std::collections::BTreeSet;
use std::time::Duration;

use discovery_core::{
    Answer, Config, Counters, DnsError, DnsReply, ErrorKind, Event, Instant, Policy, Request,
    Resolver, ServerName, Ticket,
};
use discovery_sim::Bench;

/// Answers all requests at once with the result of `say`. Returns how many tickets have ended.
fn drain(
    resolver: &mut Resolver,
    now: Instant,
    mut say: impl FnMut(&Request) -> Option<Answer>,
) -> usize {
    let mut ended = 0;
    while let Some(event) = resolver.poll() {
        match event {
            Event::Request(request) => {
                if let Some(answer) = say(&request) {
                    let _ = resolver.handle_answer(answer, now);
                }
            }
            Event::Cancel(_) => {}
            Event::Finished(..) => ended += 1,
        }
    }
    ended
}

fn nxdomain(request: &Request) -> Option<Answer> {
    Some(match request {
        Request::Dns(dns) => {
            let reply = DnsReply::not_found(true, Some(3600));
            Answer::Dns(dns.id, Ok(reply))
        }
        Request::Http(get) => Answer::Http(get.id, Err(discovery_core::HttpError::Refused)),
    })
}

fn name(text: &str) -> ServerName {
    text.parse().unwrap()
}

/// The limits of a resolver in these tests.
fn within(counters: &Counters, policy: &Policy) {
    assert!(counters.facts <= policy.cache.max_facts, "{counters:?}");
    assert!(counters.results <= policy.cache.max_results, "{counters:?}");
    // Of facts and of results.
    assert!(counters.bytes <= 2 * policy.cache.max_bytes, "{counters:?}");
    assert!(counters.lookups <= policy.limits.max_lookups, "{counters:?}");
    assert!(counters.dns_in_flight <= policy.limits.dns_slots, "{counters:?}");
    assert!(counters.gets_in_flight <= policy.limits.http_slots, "{counters:?}");
}

/// I10: a million names that are never asked for again. Memory stops growing at the limits.
#[test]
fn a_million_names_leave_no_more_than_the_limits() {
    let mut policy = Policy::default();
    policy.addresses.families = discovery_core::Families::V4;
    policy.cache.max_facts = 5_000;
    policy.cache.max_results = 5_000;
    let mut resolver = Resolver::new(Config::new(policy.clone()), Instant::ORIGIN);
    let mut now = Instant::ORIGIN;
    let mut levels = BTreeSet::new();
    for n in 0..1_000_000_u32 {
        let _ = resolver.resolve(&name(&format!("h{n:07}.example:1")), now);
        assert_eq!(drain(&mut resolver, now, nxdomain), 1);
        if n % 1_000 == 999 {
            now = now + Duration::from_secs(1);
            let counters = resolver.counters();
            within(&counters, &policy);
            assert_eq!((counters.lookups, counters.queued, resolver.unfinished()), (0, 0, 0));
            if n > 20_000 {
                levels.insert((counters.facts, counters.results, counters.bytes));
            }
        }
    }
    assert_eq!(levels.len(), 1, "flat: {levels:?}");
    assert_eq!(resolver.poll_timeout(), None, "I7");
}

/// I10, I14: names without any answer. Queries stop at the slots and lookups at their limit. Further names are refused at
/// once, and all lookups end by their deadlines.
#[test]
fn flood_of_unanswered_names_is_refused_at_the_limit() {
    let policy = Policy::default();
    let mut resolver = Resolver::new(Config::new(policy.clone()), Instant::ORIGIN);
    let total = 2 * policy.limits.max_lookups;
    let (mut ended, mut open) = (0, 0_usize);
    for n in 0..total {
        let _ = resolver.resolve(&name(&format!("h{n}.example")), Instant::ORIGIN);
        ended += drain(&mut resolver, Instant::ORIGIN, |_| {
            open += 1;
            None
        });
    }
    within(&resolver.counters(), &policy);
    assert_eq!(ended, total - policy.limits.max_lookups, "refused at once");
    assert_eq!(usize::try_from(resolver.counters().refused).unwrap(), ended);
    assert!(open <= policy.limits.dns_slots, "{open}");
    let last = policy.limits.queue_deadline.unwrap() + policy.limits.lookup_deadline;
    while let Some(deadline) = resolver.poll_timeout() {
        resolver.handle_timeout(deadline.at);
        let since = deadline.at.saturating_duration_since(Instant::ORIGIN);
        assert!(since <= last || resolver.unfinished() == 0, "{since:?}");
        ended += drain(&mut resolver, deadline.at, |_| None);
    }
    assert_eq!(ended, total);
    assert_eq!(resolver.unfinished(), 0);
}

/// A thousand lookups of one silent name cause the attempts of one question and one end each. When all are abandoned,
/// nothing is left.
#[test]
fn a_thousand_waiters_for_one_name_cost_one_lookup() {
    let policy = Policy::default();
    for give_up in [false, true] {
        let mut resolver = Resolver::new(Config::new(policy.clone()), Instant::ORIGIN);
        let mut requests = 0_u32;
        let mut ended = BTreeSet::new();
        let mut poll = |resolver: &mut Resolver, requests: &mut u32| {
            while let Some(event) = resolver.poll() {
                match event {
                    Event::Request(_) => *requests += 1,
                    Event::Cancel(_) => *requests -= 1,
                    Event::Finished(ticket, _) => assert!(ended.insert(ticket), "I11: once"),
                }
            }
            ended.len()
        };
        let tickets: Vec<Ticket> = (0..1_000)
            .map(|_| {
                let ticket = resolver.resolve(&name("silent.example:1"), Instant::ORIGIN);
                poll(&mut resolver, &mut requests);
                ticket
            })
            .collect();
        assert_eq!((resolver.counters().lookups, resolver.counters().coalesced), (1, 999));
        assert_eq!(requests, 2, "one question for each family");
        if give_up {
            for ticket in tickets {
                let _ = resolver.abandon(ticket, Instant::ORIGIN);
                poll(&mut resolver, &mut requests);
            }
        } else {
            while let Some(deadline) = resolver.poll_timeout() {
                resolver.handle_timeout(deadline.at);
                poll(&mut resolver, &mut requests);
                assert!(requests <= 8, "four attempts at each of two questions");
            }
        }
        assert_eq!(poll(&mut resolver, &mut requests), 1_000);
        assert_eq!((requests, resolver.poll_timeout()), (0, None));
    }
}

/// Thousands of names of maximum length are counted with their length.
#[test]
fn the_longest_names_fill_no_more_memory_than_is_allowed() {
    let mut policy = Policy::default();
    policy.cache.max_bytes = 1_000_000;
    let mut resolver = Resolver::new(Config::new(policy.clone()), Instant::ORIGIN);
    let label = "a".repeat(63);
    for n in 0..20_000_u32 {
        // DNS allows 253 octets, the grammar 255.
        for last in [61, 63] {
            let long = name(&format!("{label}.{label}.{label}.{n:0last$}"));
            assert_eq!(long.as_str().len(), 192 + last);
            let _ = resolver.resolve(&long, Instant::ORIGIN);
            assert_eq!(drain(&mut resolver, Instant::ORIGIN, nxdomain), 1);
        }
        if n % 500 == 0 {
            within(&resolver.counters(), &policy);
        }
    }
    let counters = resolver.counters();
    within(&counters, &policy);
    // Each fact holds at least its name, so there cannot be more facts.
    assert!(counters.facts * 253 <= policy.cache.max_bytes, "{counters:?}");
}

/// An answer with a TTL of 0 is shared by concurrent lookups, asked for again by later ones, and never causes an endless
/// loop.
#[test]
fn answers_that_expire_at_once_are_asked_once_a_lookup() {
    let mut bench = Bench::new(
        "set well_known.min_ttl=0s
        https a.example 200 \"Cache-Control: no-store, max-age=0\" {\"m.server\":\"fed.example:1\"}
        dns a.example A 192.0.2.2 ttl=0
        dns fed.example A 192.0.2.1 ttl=0",
    )
    .replying_after(Duration::from_millis(10));
    let mut each = BTreeSet::new();
    for _ in 0..20 {
        let crowd: Vec<_> = (0..1_000).map(|_| bench.ask("a.example")).collect();
        bench.settle();
        assert!(crowd.iter().all(|ticket| bench.end(*ticket).unwrap().1.is_ok()));
        each.insert(bench.asked().len());
        bench.wait(Duration::from_secs(1));
    }
    assert!(each.iter().all(|asked| *asked <= 6), "{each:?}");
    bench.finish();
}

/// Failures with a TTL of 0 are not retried before the back-off allows.
#[test]
fn a_name_that_fails_is_not_asked_for_at_every_call() {
    let mut bench = Bench::new("server 0 SERVFAIL");
    let mut asked = 0;
    for _ in 0..600 {
        let outcome = bench.resolve("a.example:1");
        assert_eq!(outcome.as_ref().unwrap_err().kind, ErrorKind::DnsFailure);
        asked += bench.asked().len();
        bench.wait(Duration::from_secs(1));
    }
    // Two questions at 0, 30, 90, 210, 450 s.
    assert!(asked <= 2 * 6, "{asked}");
    bench.finish();
}

/// A hundred thousand unsolicited answers: unknown, stale and duplicate ones change nothing (I3).
#[test]
fn unsolicited_answers_leave_nothing() {
    let mut resolver = Resolver::new(Config::default(), Instant::ORIGIN);
    let _ = resolver.resolve(&name("a.example:1"), Instant::ORIGIN);
    while resolver.poll().is_some() {}
    let before = (resolver.counters(), resolver.poll_timeout());
    for n in 100..100_100 {
        let id = discovery_core::DnsId::from_number(n);
        let disposition =
            resolver.handle_answer(Answer::Dns(id, Err(DnsError::ServerFailure)), Instant::ORIGIN);
        assert_eq!(disposition, discovery_core::Disposition::Unknown);
        assert_eq!(resolver.poll(), None);
    }
    assert_eq!((resolver.counters(), resolver.poll_timeout()), before);
}
