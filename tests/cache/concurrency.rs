//! Concurrent lookups: shared questions, slots, and a single lookup in the middle of a flood.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use discovery_core::{Outcome, Question, RecordType};
use discovery_sim::{Bench, Happened};

const DELEGATED: &str = "https a.example 200 {\"m.server\":\"fed.example.net:443\"}
    https b.example 200 {\"m.server\":\"fed.example.net:443\"}
    dns fed.example.net A 192.0.2.1";

fn gets(asked: &[Question]) -> usize {
    asked.iter().filter(|question| matches!(question, Question::Get(_))).count()
}

#[test]
fn concurrent_lookups_of_a_name_send_the_queries_of_one() {
    let one = |count: usize| {
        let mut bench = Bench::new(
            "https a.example 200 {\"m.server\":\"fed.example.net\"}
            dns fed.example.net A 192.0.2.1",
        );
        let tickets: Vec<_> = (0..count).map(|_| bench.ask("a.example")).collect();
        bench.settle();
        let outcomes: Vec<_> = tickets.iter().map(|t| bench.end(*t).unwrap().clone()).collect();
        assert!(outcomes.iter().all(|end| *end == outcomes[0] && end.1.is_ok()));
        let asked = bench.asked();
        bench.finish();
        asked
    };
    let crowd = one(500);
    assert_eq!(crowd, one(1));
    let [gets, dns] = [gets(&crowd), crowd.len() - gets(&crowd)];
    println!(
        "500 lookups at once of one cold name: {dns} DNS questions, {gets} GET (target: at most 6, and 1)"
    );
    assert_eq!(gets, 1);
    assert!(dns <= 6, "{crowd:?}");
}

#[test]
fn names_that_delegate_to_one_host_share_its_lookups() {
    let mut bench = Bench::new(DELEGATED).replying_after(Duration::from_millis(20));
    let (a, b) = (bench.ask("a.example"), bench.ask("b.example"));
    bench.settle();
    assert!(bench.end(a).unwrap().1.is_ok() && bench.end(b).unwrap().1.is_ok());
    let news = bench.news();
    let asked = |kind| {
        let of = |(_, happened): &&(_, Happened)| {
            matches!(happened, Happened::Asked(discovery_core::Request::Dns(dns))
                if dns.name.as_str() == "fed.example.net" && dns.kind == kind)
        };
        news.iter().filter(of).count()
    };
    assert_eq!((asked(RecordType::A), asked(RecordType::Aaaa)), (1, 1));
    bench.finish();
}

#[test]
fn i12_the_last_abandon_cancels_requests_without_other_waiters() {
    let mut bench = Bench::new(DELEGATED).replying_after(Duration::from_millis(20));
    let (a, b) = (bench.ask("a.example"), bench.ask("b.example"));
    // Both wait for their shared host.
    bench.wait(Duration::from_millis(50));
    bench.news();
    bench.abandon(a);
    assert_eq!(bench.asked(), []);
    bench.abandon(b);
    let cancelled = |(_, happened): &(_, Happened)| matches!(happened, Happened::Cancelled(_));
    assert_eq!(bench.news().iter().filter(|news| cancelled(news)).count(), 2);
    assert_eq!(bench.counters().dns_in_flight, 0);
    // The answers of the other lookups are cached all the same.
    bench.resolve("a.example").as_ref().as_ref().unwrap();
    assert_eq!(gets(&bench.asked()), 0);
    bench.finish();
}

#[test]
fn single_lookup_amid_a_flood_does_not_wait_for_its_end() {
    let mut world = String::new();
    for n in 0..2001 {
        writeln!(world, "https n{n}.example 200 {{\"m.server\":\"fed{n}.example.net\"}}").unwrap();
        writeln!(world, "dns fed{n}.example.net A 192.0.2.1").unwrap();
    }
    let mut bench = Bench::new(&world).replying_after(Duration::from_millis(50));
    let crowd: Vec<_> = (0..2000).map(|n| bench.ask(&format!("n{n}.example"))).collect();
    bench.wait(Duration::from_secs(2));
    assert!(bench.end(crowd[1000]).is_none() || bench.end(crowd[999]).is_none());
    let begun = bench.now();
    let alone = bench.ask("n2000.example");
    bench.outcome(alone).as_ref().as_ref().unwrap();
    let took = bench.now().saturating_duration_since(begun);
    assert!(took <= Duration::from_secs(2), "{took:?}");
    assert!(crowd.iter().any(|ticket| bench.end(*ticket).is_none()));
    bench.settle();
    assert!(crowd.iter().all(|ticket| bench.end(*ticket).unwrap().1.is_ok()));
    bench.finish();
}

#[test]
fn one_host_gets_few_gets_at_once() {
    let mut world = "https many.example/x 200 {\"m.server\":\"192.0.2.1\"}\n".to_owned();
    for n in 0..40 {
        writeln!(world, "https n{n}.example 302 \"Location: https://many.example/x?{n}\"").unwrap();
        writeln!(world, "https many.example/x?{n} 200 {{\"m.server\":\"192.0.2.1\"}}").unwrap();
    }
    let mut bench = Bench::new(&world).replying_after(Duration::from_millis(50));
    let tickets: Vec<_> = (0..40).map(|n| bench.ask(&format!("n{n}.example"))).collect();
    bench.settle();
    assert!(tickets.iter().all(|ticket| bench.end(*ticket).unwrap().1.is_ok()));
    let (mut open, mut most) = (BTreeMap::<String, usize>::new(), 0);
    for (_, happened) in bench.news() {
        let (request, more) = match happened {
            Happened::Asked(request) => (request, true),
            Happened::Answered(request, _) | Happened::Cancelled(request) => (request, false),
            Happened::Ended(..) => continue,
        };
        let discovery_core::Request::Http(get) = request else { continue };
        let count = open.entry(get.url.host().unwrap().to_owned()).or_default();
        *count = if more { *count + 1 } else { *count - 1 };
        if get.url.host() == Some("many.example") {
            most = most.max(*count);
        }
    }
    assert_eq!(most, 8);
    bench.finish();
}

#[test]
fn abandoned_queued_get_frees_its_host_slot() {
    let mut world = String::new();
    for n in 0..40 {
        writeln!(world, "https n{n}.example 302 \"Location: https://many.example/x?{n}\"").unwrap();
        writeln!(world, "https many.example/x?{n} 200 {{\"m.server\":\"192.0.2.1\"}}").unwrap();
    }
    world.push_str("set limits.http_slots=8\nset limits.http_slots_per_host=2\n");
    for keep in 0..40 {
        let mut bench = Bench::new(&world).replying_after(Duration::from_millis(50));
        let tickets: Vec<_> = (0..40).map(|n| bench.ask(&format!("n{n}.example"))).collect();
        bench.wait(Duration::from_millis(230 + 13 * u64::from(u32::try_from(keep).unwrap())));
        for (n, ticket) in tickets.iter().enumerate() {
            if n != keep {
                bench.abandon(*ticket);
            }
        }
        let begun = bench.now();
        bench.outcome(tickets[keep]).as_ref().as_ref().unwrap();
        let took = bench.now().saturating_duration_since(begun);
        assert!(took <= Duration::from_secs(1), "{keep}: {took:?}");
        bench.finish();
    }
}

#[test]
fn a_dead_ipv6_address_beside_a_live_ipv4_costs_at_most_260_ms() {
    let mut bench = Bench::new(
        "https a.example 200 {\"m.server\":\"192.0.2.1\"}
        dns a.example AAAA 2001:db8::1
        dns a.example A 192.0.2.7
        tcp v6 timeout",
    );
    let begun = bench.now();
    bench.resolve("a.example").as_ref().as_ref().unwrap();
    let took = bench.now().saturating_duration_since(begun);
    println!("a dead IPv6 address beside a live IPv4 one: {took:?} (target: at most 260 ms)");
    assert!(took <= Duration::from_millis(260), "{took:?}");
    bench.finish();
}

#[test]
fn lookups_that_wait_for_one_failing_question_count_as_one_failure() {
    // Twenty names at one host whose name server falls silent.
    let mut world = String::new();
    for n in 0..20 {
        writeln!(world, "https n{n}.example 200 {{\"m.server\":\"fed.example.net:{}\"}}", 1000 + n)
            .unwrap();
    }
    let mut bench = Bench::new(&format!(
        "{world}dns fed.example.net A 192.0.2.1 ttl=60
        dns fed.example.net AAAA 2001:db8::1 ttl=60"
    ));
    let ask = |bench: &mut Bench| {
        let tickets: Vec<_> = (0..20).map(|n| bench.ask(&format!("n{n}.example"))).collect();
        bench.settle();
        assert!(tickets.iter().all(|ticket| bench.end(*ticket).unwrap().1.is_ok()));
    };
    ask(&mut bench);
    bench.become_world(&format!(
        "{world}dns fed.example.net A TIMEOUT
        dns fed.example.net AAAA TIMEOUT"
    ));
    bench.wait(Duration::from_secs(61));
    ask(&mut bench);
    bench.news();
    // The first failure is retried after 30 s, as for a single name.
    bench.wait(Duration::from_secs(31));
    ask(&mut bench);
    assert_eq!(bench.asked().len(), 2);
    bench.finish();
}

#[test]
fn impatience_of_one_lookup_is_no_failure_to_another() {
    // `two` is slow. A result with `one` goes out without it; whoever needs it waits for it.
    let world = "https a.example 404
        dns _matrix-fed._tcp.a.example SRV 1 1 1 one.example
        dns _matrix-fed._tcp.a.example SRV 2 1 1 two.example
        dns one.example A 192.0.2.1
        dns two.example A 192.0.2.2 after=3s
        dns two.example AAAA NODATA after=3s";
    let mut bench = Bench::new(world);
    let first = bench.resolve("a.example");
    assert_eq!(first.as_ref().unwrap().targets.len(), 1);
    let second = bench.resolve("two.example:8448");
    assert!(second.is_ok(), "{second:?}");
    bench.finish();
}

/// The result of a name with a port, and its time.
fn places(outcome: &Outcome) -> Vec<String> {
    outcome.as_ref().unwrap().socket_addrs().map(|place| place.to_string()).collect()
}

#[test]
fn question_without_a_slot_has_not_failed_and_is_asked_when_one_is_free() {
    let mut bench = Bench::new(
        "set limits.dns_slots=3
        dns b.example AAAA 2001:db8::1 ttl=60
        dns b.example A 192.0.2.1 ttl=60",
    );
    drop(bench.resolve("b.example:1"));
    bench.wait(Duration::from_secs(61));
    // Silent name servers of another zone hold two slots, and a slow one holds the third.
    bench.become_world(
        "dns s.example AAAA TIMEOUT
        dns s.example A TIMEOUT
        dns b.example AAAA 2001:db8::2 ttl=60 after=2500ms
        dns b.example A 192.0.2.2 ttl=60",
    );
    bench.ask("s.example:1");
    let outcome = bench.resolve("b.example:1");
    assert_eq!(places(&outcome), ["[2001:db8::1]:1", "192.0.2.1:1"]);
    // It applies to this moment only; the next lookup may ask.
    assert_eq!(outcome.as_ref().unwrap().expires, Some(bench.now()));
    bench.wait(Duration::from_secs(11));
    bench.news();
    assert_eq!(places(&bench.resolve("b.example:1")), ["[2001:db8::2]:1", "192.0.2.2:1"]);
    assert_eq!(bench.asked().len(), 1);
    bench.finish();
}

#[test]
fn address_without_a_slot_is_not_late_for_the_next_lookup() {
    let mut bench = Bench::new(
        "set limits.dns_slots=3
        dns s.example AAAA TIMEOUT
        dns s.example A TIMEOUT
        dns t.example AAAA NODATA after=100ms
        dns t.example A 192.0.2.9 after=100ms
        dns u.example AAAA TIMEOUT
        dns b.example AAAA 2001:db8::1
        dns b.example A 192.0.2.1",
    );
    // The queue serves the oldest and the newest in turn: `b` gets a slot for one family, and other names hold all slots
    // when its second family is due.
    for stranger in ["s.example:1", "t.example:1", "u.example:1"] {
        bench.ask(stranger);
    }
    let outcome = bench.resolve("b.example:1");
    assert_eq!(places(&outcome), ["192.0.2.1:1"]);
    assert_eq!(outcome.as_ref().unwrap().expires, Some(bench.now()));
    bench.wait(Duration::from_secs(11));
    bench.news();
    assert_eq!(places(&bench.resolve("b.example:1")), ["[2001:db8::1]:1", "192.0.2.1:1"]);
    assert_eq!(bench.asked().len(), 1);
    bench.finish();
}
