//! Health of name servers: slow ones, silent ones, and ones that work again.

use std::time::Duration;

use discovery_core::{
    AddressPolicy, Answer, Config, DnsReply, DnsRequest, Event, Instant, Policy, Request, Resolver,
};
use discovery_sim::{Bench, Happened};

const LATENCY: Duration = Duration::from_millis(20);

/// So many servers of step 3.2, and how name servers do.
fn world(servers: &str, count: usize) -> String {
    let mut text = format!("servers 2\n{servers}\n");
    for i in 0..count {
        text += &format!("https n{i}.example 200 {{\"m.server\":\"fed.n{i}.example:443\"}}\n");
        text += &format!("https fed.n{i}.example 404\n");
    }
    text
}

fn bench(servers: &str, count: usize) -> Bench {
    Bench::new(&world(servers, count)).replying_after(LATENCY)
}

/// How long a name took.
fn took(bench: &mut Bench, name: &str) -> Duration {
    let began = bench.now();
    let ticket = bench.ask(name);
    bench.settle();
    let (at, outcome) = bench.end(ticket).expect("it has ended");
    assert!(outcome.is_ok(), "{name}: {outcome:?}");
    at.saturating_duration_since(began)
}

/// How many DNS requests went to each server since the last time.
fn requests(bench: &mut Bench) -> [usize; 2] {
    let mut counts = [0, 0];
    for (_, happened) in bench.news() {
        if let Happened::Asked(Request::Dns(dns)) = happened {
            counts[usize::from(dns.server)] += 1;
        }
    }
    counts
}

#[test]
fn a_dead_name_server_is_waited_for_once_and_by_the_next_hundred_names_never() {
    let mut good = bench("", 101);
    let usual = took(&mut good, "n0.example");
    for dead in 0..2 {
        let mut bench = bench(&format!("server {dead} TIMEOUT"), 101);
        let first = took(&mut bench, "n0.example");
        let waited = first.saturating_sub(usual);
        println!("server {dead} dead: the first name took {first:?} instead of {usual:?}");
        // The second attempt starts 0.8 s after the first, and concurrent questions wait together.
        let once = if dead == 0 { Duration::from_millis(800) } else { Duration::ZERO };
        assert_eq!(waited, once);
        requests(&mut bench);
        for i in 1..=100 {
            assert_eq!(took(&mut bench, &format!("n{i}.example")), usual, "name {i}");
        }
        let mut expected = [400, 400];
        expected[dead] = 0;
        assert_eq!(requests(&mut bench), expected, "no request more than without the dead one");
    }
}

#[test]
fn a_name_server_that_comes_back_is_found_again() {
    let mut bench = bench("server 0 TIMEOUT", 40);
    took(&mut bench, "n0.example");
    requests(&mut bench);
    bench.become_world(&world("", 40));
    // For 30 s after its failure no question goes to it; from then on all do.
    for i in 1..=10 {
        took(&mut bench, &format!("n{i}.example"));
    }
    assert_eq!(requests(&mut bench)[0], 0);
    bench.wait(Duration::from_secs(30));
    for i in 11..=20 {
        took(&mut bench, &format!("n{i}.example"));
    }
    assert!(requests(&mut bench)[0] >= 35, "found again");
    let known: Vec<_> = bench.resolver().name_servers().copied().collect();
    assert_eq!(known[0].failures, 0);
    assert!(known[0].round_trip.is_some());
}

#[test]
fn a_name_server_that_stays_silent_is_tried_by_one_question_at_a_time() {
    let mut bench = bench("server 0 TIMEOUT", 40);
    took(&mut bench, "n0.example");
    requests(&mut bench);
    bench.wait(Duration::from_secs(31));
    let names: Vec<_> = (1..40).map(|i| bench.ask(&format!("n{i}.example"))).collect();
    bench.settle();
    assert!(names.into_iter().all(|ticket| bench.end(ticket).is_some()));
    assert_eq!(requests(&mut bench)[0], 1);
}

#[test]
fn a_slow_name_server_is_given_the_time_that_it_takes() {
    let mut bench = bench("server 0 ok after=900ms", 40);
    took(&mut bench, "n0.example");
    for i in 1..20 {
        took(&mut bench, &format!("n{i}.example"));
    }
    requests(&mut bench);
    took(&mut bench, "n20.example");
    let asked = requests(&mut bench);
    // The faster server is asked, once for each question.
    assert_eq!(asked.iter().sum::<usize>(), 4, "{asked:?}");
}

#[test]
fn silence_of_the_only_server_is_forgiven_when_it_replies_to_the_question() {
    let mut policy = Policy::default();
    policy.addresses = AddressPolicy::any();
    let mut resolver = Resolver::new(Config::new(policy), Instant::ORIGIN);
    resolver.resolve(&"a.example:1".parse().unwrap(), Instant::ORIGIN);
    let asked = |resolver: &mut Resolver| -> Vec<DnsRequest> {
        let requests = std::iter::from_fn(|| resolver.poll()).filter_map(|event| match event {
            Event::Request(Request::Dns(request)) => Some(request),
            _ => None,
        });
        requests.collect()
    };
    assert!(asked(&mut resolver).iter().all(|request| request.attempt == 0));
    let now = resolver.poll_timeout().unwrap().at;
    resolver.handle_timeout(now);
    let again = asked(&mut resolver);
    assert!(again.len() == 2 && again.iter().all(|request| request.attempt == 1), "{again:?}");
    for request in again {
        let nothing = DnsReply::not_found(true, None);
        let _ = resolver.handle_answer(Answer::Dns(request.id, Ok(nothing)), now + LATENCY);
    }
    let server = resolver.name_servers().next().unwrap();
    assert_eq!((server.failures, server.rests_until), (0, None));
}
