//! Feedback: reports of callers about endpoints, and their effects.

use std::net::SocketAddr;
use std::time::Duration;

use discovery_core::{Disposition, Feedback, Outcome, Question};
use discovery_sim::Bench;

const MINUTE: Duration = Duration::from_secs(60);
const WORLD: &str = "https example.org 200 {\"m.server\":\"fed.example.net:443\"}\n\
                     dns fed.example.net A 192.0.2.1 ttl=86400\n\
                     dns fed.example.net A 192.0.2.2 ttl=86400\n\
                     dns fed.example.net AAAA NODATA soa=86400\n\
                     https other.example 200 {\"m.server\":\"fed.example.net:443\"}\n\
                     https third.example 200 {\"m.server\":\"fed.example.net:8448\"}";

fn place(text: &str) -> SocketAddr {
    text.parse().expect("an address and a port")
}

fn places(outcome: &Outcome) -> Vec<String> {
    let resolved = outcome.as_ref().expect("it is resolved");
    resolved.socket_addrs().map(|place| place.to_string()).collect()
}

fn why(outcome: &Outcome) -> String {
    outcome.as_ref().expect("it is resolved").explanation.summary()
}

/// A resolver that has resolved the name some time ago.
fn warm(world: &str) -> Bench {
    let mut bench = Bench::new(world);
    assert_eq!(places(&bench.resolve("example.org")), ["192.0.2.1:443", "192.0.2.2:443"]);
    bench.settle();
    bench.wait(MINUTE);
    bench.news();
    bench
}

/// Reports on an endpoint of the name.
fn tell(bench: &mut Bench, name: &str, at: &str, said: Feedback) {
    assert_eq!(bench.report(name, place(at), said), Disposition::Accepted, "{name} {at}");
}

fn fail(bench: &mut Bench, at: &str) {
    tell(bench, "example.org", at, Feedback::ConnectFailed);
}

/// How many GETs of the document there were since the last time.
fn documents(bench: &mut Bench) -> usize {
    bench.asked().iter().filter(|question| matches!(question, Question::Get(_))).count()
}

#[test]
fn failed_endpoint_moves_back_at_once_and_returns_after_its_back_off() {
    let mut bench = warm(WORLD);
    fail(&mut bench, "192.0.2.1:443");
    let outcome = bench.resolve("example.org");
    assert_eq!(places(&outcome), ["192.0.2.2:443", "192.0.2.1:443"]);
    assert!(why(&outcome).ends_with("→ 192.0.2.1:443 moved back (connect-failed)"), "{outcome:?}");
    bench.wait(MINUTE - Duration::from_millis(1));
    assert_eq!(places(&bench.resolve("example.org"))[0], "192.0.2.2:443");
    bench.wait(Duration::from_millis(1));
    let outcome = bench.resolve("example.org");
    assert_eq!(places(&outcome)[0], "192.0.2.1:443", "tried again");
    assert!(!why(&outcome).contains("moved back"));
    // Twice in a row, twice as long. Reports in between have no effect.
    fail(&mut bench, "192.0.2.1:443");
    bench.wait(MINUTE);
    fail(&mut bench, "192.0.2.1:443");
    assert_eq!(places(&bench.resolve("example.org"))[0], "192.0.2.2:443");
    bench.wait(MINUTE);
    assert_eq!(places(&bench.resolve("example.org"))[0], "192.0.2.1:443");
    assert_eq!(bench.asked(), [], "while another place works nothing is asked");
    bench.finish();
}

#[test]
fn working_endpoint_returns_at_once() {
    for said in [Feedback::ConnectFailed, Feedback::NotMatrix] {
        let mut bench = warm(WORLD);
        tell(&mut bench, "example.org", "192.0.2.1:443", said);
        assert_eq!(places(&bench.resolve("example.org"))[0], "192.0.2.2:443");
        tell(&mut bench, "example.org", "192.0.2.1:443", Feedback::Connected);
        assert_eq!(places(&bench.resolve("example.org"))[0], "192.0.2.1:443");
        assert_eq!(bench.resolver().failed_places().count(), 0);
    }
}

#[test]
fn all_endpoints_are_returned_in_order_when_all_fail() {
    let mut bench = warm(WORLD);
    fail(&mut bench, "192.0.2.2:443");
    fail(&mut bench, "192.0.2.1:443");
    bench.settle();
    let outcome = bench.resolve("example.org");
    assert_eq!(places(&outcome), ["192.0.2.1:443", "192.0.2.2:443"]);
    assert!(why(&outcome).contains("192.0.2.2:443 moved back"), "{}", why(&outcome));
    bench.finish();
}

#[test]
fn connect_failures_count_for_the_endpoint_and_others_for_the_name() {
    let mut bench = warm(WORLD);
    drop(bench.resolve("other.example"));
    drop(bench.resolve("third.example"));
    tell(&mut bench, "example.org", "192.0.2.1:443", Feedback::TlsFailed);
    bench.settle();
    assert_eq!(places(&bench.resolve("other.example"))[0], "192.0.2.1:443");
    assert_eq!(places(&bench.resolve("example.org"))[0], "192.0.2.2:443");
    fail(&mut bench, "192.0.2.1:443");
    assert_eq!(places(&bench.resolve("other.example"))[0], "192.0.2.2:443");
    // Another port of the same address is another endpoint.
    assert_eq!(places(&bench.resolve("third.example"))[0], "192.0.2.1:8448");
    bench.finish();
}

#[test]
fn report_on_an_unknown_endpoint_changes_nothing_and_says_so() {
    let mut bench = warm(WORLD);
    let said = Feedback::ConnectFailed;
    assert_eq!(bench.report("nobody.example", place("192.0.2.1:443"), said), Disposition::Unknown);
    assert_eq!(bench.report("example.org", place("192.0.2.9:443"), said), Disposition::Stale);
    assert_eq!(bench.report("example.org", place("192.0.2.1:444"), said), Disposition::Stale);
    assert_eq!(bench.resolver().failed_places().count(), 0);
    assert_eq!(bench.counters().reports, 0);
    assert_eq!(places(&bench.resolve("example.org"))[0], "192.0.2.1:443");
    bench.finish();
}

#[test]
fn a_mapped_address_is_the_ipv4_address_that_it_stands_for() {
    let mut bench = warm(WORLD);
    // What `peer_addr` says on a socket of both families.
    tell(&mut bench, "example.org", "[::ffff:192.0.2.1]:443", Feedback::ConnectFailed);
    let failed: Vec<_> = bench.resolver().failed_places().map(|failed| failed.place).collect();
    assert_eq!(failed, [place("192.0.2.1:443")]);
    assert_ne!(places(&bench.resolve("example.org"))[0], "192.0.2.1:443");
    // A mapped address that was handed out means itself.
    tell(&mut bench, "[::ffff:192.0.2.1]:443", "192.0.2.1:443", Feedback::TlsFailed);
    let failed: Vec<_> = bench.resolver().failed_places().map(|failed| failed.place).collect();
    assert!(failed.contains(&place("[::ffff:192.0.2.1]:443")), "{failed:?}");
    bench.finish();
}

#[test]
fn when_all_endpoints_fail_facts_are_fetched_again_for_the_next_attempt() {
    let mut bench = warm(WORLD);
    bench.become_world(&WORLD.replace("fed.example.net:443", "new.example.net:443"));
    fail(&mut bench, "192.0.2.1:443");
    assert_eq!(documents(&mut bench), 0, "another place is left");
    fail(&mut bench, "192.0.2.2:443");
    bench.become_world(
        "https example.org 200 {\"m.server\":\"new.example.net:443\"}\n\
         dns new.example.net A 192.0.2.7",
    );
    bench.settle();
    assert_eq!(documents(&mut bench), 1);
    let outcome = bench.resolve("example.org");
    assert_eq!(places(&outcome), ["192.0.2.7:443"]);
    assert_eq!(bench.asked(), [], "it is there already");
    bench.finish();
}

#[test]
fn wrong_service_at_one_endpoint_invalidates_the_facts() {
    for said in [Feedback::TlsFailed, Feedback::Misdirected, Feedback::NotMatrix] {
        let mut bench = warm(WORLD);
        tell(&mut bench, "example.org", "192.0.2.2:443", said);
        bench.settle();
        assert_eq!(documents(&mut bench), 1, "{said}");
    }
}

#[test]
fn facts_that_are_young_are_asked_again_when_the_name_is_next_used_after_that() {
    let mut bench = Bench::new(WORLD);
    drop(bench.resolve("example.org"));
    bench.settle();
    bench.news();
    tell(&mut bench, "example.org", "192.0.2.1:443", Feedback::Misdirected);
    bench.wait(MINUTE - Duration::from_secs(1));
    drop(bench.resolve("example.org"));
    bench.settle();
    assert_eq!(documents(&mut bench), 0, "learnt less than a minute ago");
    bench.wait(Duration::from_secs(1));
    drop(bench.resolve("example.org"));
    bench.settle();
    assert_eq!(documents(&mut bench), 1);
    drop(bench.resolve("example.org"));
    bench.settle();
    assert_eq!(documents(&mut bench), 0, "once");
    bench.finish();
}

#[test]
fn a_server_that_fails_on_purpose_makes_us_ask_no_more_often_than_the_back_off_allows() {
    for works_in_between in [false, true] {
        let mut bench = warm(WORLD);
        let (mut asked, mut gaps) = (Vec::new(), Vec::new());
        // Four hours, a caller each 5 s.
        for second in (0..4 * 3600).step_by(5) {
            for at in ["192.0.2.1:443", "192.0.2.2:443"] {
                if works_in_between && second % 10 == 5 {
                    tell(&mut bench, "example.org", at, Feedback::Connected);
                } else {
                    tell(&mut bench, "example.org", at, Feedback::NotMatrix);
                }
            }
            drop(bench.resolve("example.org"));
            if documents(&mut bench) > 0 {
                asked.push(second);
            }
            bench.wait(Duration::from_secs(5));
        }
        for pair in asked.windows(2) {
            gaps.push(pair[1] - pair[0]);
        }
        assert_eq!(gaps[..6], [60, 120, 240, 480, 960, 1920], "{works_in_between}");
        assert!(gaps[6..].iter().all(|gap| *gap >= 3600), "{gaps:?}");
        assert_eq!(asked.len(), 9, "{asked:?}");
        bench.finish();
    }
}

#[test]
fn facts_that_many_names_share_are_asked_again_once_a_minute_at_most() {
    let mut world = "dns fed.example.net A 192.0.2.1 ttl=86400\n".to_owned();
    for i in 0..50 {
        world += &format!("https n{i}.example 200 {{\"m.server\":\"fed.example.net:443\"}}\n");
    }
    let mut bench = Bench::new(&world);
    for i in 0..50 {
        drop(bench.resolve(&format!("n{i}.example")));
    }
    bench.settle();
    bench.wait(MINUTE);
    bench.news();
    for i in 0..50 {
        tell(&mut bench, &format!("n{i}.example"), "192.0.2.1:443", Feedback::NotMatrix);
        bench.settle();
    }
    let asked = bench.news();
    let shared = asked.iter().filter(|(_, happened)| {
        matches!(happened, discovery_sim::Happened::Asked(discovery_core::Request::Dns(dns))
            if dns.name.as_str() == "fed.example.net" && dns.kind == discovery_core::RecordType::A)
    });
    assert_eq!(shared.count(), 1);
    bench.finish();
}

#[test]
fn reports_are_bounded_and_evict_nothing_else() {
    let mut world = WORLD.to_owned();
    world += "\nset feedback.max_reports=100";
    for i in 0..300 {
        let (a, b) = (i / 100, i % 100);
        world += &format!("\nhttps s{i}.example 404\ndns s{i}.example A 198.51.{a}.{b}");
    }
    let mut bench = warm(&world);
    drop(bench.resolve("example.org"));
    for _ in 0..2 {
        fail(&mut bench, "192.0.2.1:443");
        bench.wait(MINUTE);
    }
    fail(&mut bench, "192.0.2.1:443");
    for i in 0..300 {
        let name = format!("s{i}.example");
        drop(bench.resolve(&name));
        let stranger = format!("198.51.{}.{}:8448", i / 100, i % 100);
        tell(&mut bench, &name, &stranger, Feedback::ConnectFailed);
        tell(&mut bench, &name, &stranger, Feedback::TlsFailed);
    }
    assert_eq!(bench.resolver().failed_places().count(), 100);
    assert_eq!(places(&bench.resolve("example.org"))[0], "192.0.2.2:443", "it is remembered");
    bench.finish();
}

#[test]
fn a_target_of_several_is_left_for_the_next_priority() {
    let world = "https example.org 404\n\
                 dns _matrix-fed._tcp.example.org SRV 10 1 443 a.example.org ttl=86400\n\
                 dns _matrix-fed._tcp.example.org SRV 20 1 443 b.example.org ttl=86400\n\
                 dns a.example.org A 192.0.2.1 ttl=86400\n\
                 dns a.example.org A 192.0.2.2 ttl=86400\n\
                 dns b.example.org A 192.0.2.3 ttl=86400";
    let mut bench = Bench::new(world);
    drop(bench.resolve("example.org"));
    bench.settle();
    fail(&mut bench, "192.0.2.1:443");
    let outcome = bench.resolve("example.org");
    assert_eq!(places(&outcome), ["192.0.2.2:443", "192.0.2.3:443", "192.0.2.1:443"]);
    fail(&mut bench, "192.0.2.2:443");
    let outcome = bench.resolve("example.org");
    assert_eq!(places(&outcome), ["192.0.2.3:443", "192.0.2.1:443", "192.0.2.2:443"]);
    let targets = &outcome.as_ref().unwrap().targets;
    assert_eq!(targets.len(), 2);
    assert_eq!(targets[0].srv.map(|rank| (rank.priority, rank.weight)), Some((20, 1)));
    bench.finish();
}

/// How many requests there were since the last time: DNS and GETs.
fn requests(bench: &mut Bench) -> (usize, usize) {
    let (mut dns, mut gets) = (0, 0);
    for (_, happened) in bench.news() {
        match happened {
            discovery_sim::Happened::Asked(discovery_core::Request::Dns(_)) => dns += 1,
            discovery_sim::Happened::Asked(discovery_core::Request::Http(_)) => gets += 1,
            _ => {}
        }
    }
    (dns, gets)
}

/// Names whose documents live for two days, at one endpoint of one host.
fn crowd(count: usize, set: &str) -> (Vec<String>, Bench) {
    let mut world = format!(
        "{set}dns fed.example.net A 192.0.2.1 ttl=86400\ndns fed.example.net AAAA NODATA soa=86400\n"
    );
    let names: Vec<_> = (0..count).map(|i| format!("n{i}.example")).collect();
    for name in &names {
        world += &format!(
            "https {name} 200 \"Cache-Control: max-age=172800\" {{\"m.server\":\"fed.example.net:443\"}}\n"
        );
    }
    let mut bench = Bench::new(&world);
    for name in &names {
        drop(bench.resolve(name));
    }
    bench.settle();
    bench.wait(MINUTE);
    bench.news();
    (names, bench)
}

#[test]
fn a_day_of_fifty_failing_names_costs_what_the_back_off_allows() {
    use Feedback::{ConnectFailed, Connected, Misdirected, NotMatrix, TlsFailed};
    let (names, mut bench) = crowd(50, "");
    let failures =
        [ConnectFailed, NotMatrix, Connected, TlsFailed, Misdirected, ConnectFailed, Connected];
    let fill = bench.counters().bytes;
    for minute in (0..24 * 60).step_by(2) {
        for (which, name) in names.iter().enumerate() {
            for round in 0..2 {
                let said = failures[(minute * 3 + which + round) % failures.len()];
                let _ = bench.report(name, place("192.0.2.1:443"), said);
            }
            bench.ask(name);
            // Reports while the facts are fetched again, and reports with an old time.
            let _ = bench.report(name, place("192.0.2.1:443"), NotMatrix);
        }
        if minute % 7 == 0 {
            bench.go_back(MINUTE * 60);
        }
        bench.wait(MINUTE * 2);
    }
    let (dns, gets) = requests(&mut bench);
    // Six times until the back-off is an hour, then each hour: 30 of each document at most, each with two questions for its host.
    assert!((50 * 20..=50 * 30).contains(&gets), "{gets}");
    // Shared facts are fetched at most once a minute.
    assert!(dns <= 2 * gets + 2 * 24 * 60, "{dns}");
    assert!(bench.counters().bytes < fill + 50 * 10_000, "{fill} {}", bench.counters().bytes);
    bench.finish();
}

#[test]
fn more_names_than_are_remembered_are_asked_again_no_more_often_than_the_longest_back_off() {
    let (names, mut bench) = crowd(60, "set feedback.max_reports=20\n");
    for _ in (0..24 * 60).step_by(2) {
        for name in &names {
            let _ = bench.report(name, place("192.0.2.1:443"), Feedback::NotMatrix);
            bench.ask(name);
        }
        bench.wait(MINUTE * 2);
    }
    let (_, gets) = requests(&mut bench);
    assert!(gets <= 60 * 30, "{gets}");
    bench.finish();
}

#[test]
fn invalidation_ends_when_the_endpoint_works() {
    let mut bench = Bench::new(WORLD);
    drop(bench.resolve("example.org"));
    bench.settle();
    bench.news();
    tell(&mut bench, "example.org", "192.0.2.1:443", Feedback::Misdirected);
    tell(&mut bench, "example.org", "192.0.2.1:443", Feedback::Connected);
    bench.wait(MINUTE * 2);
    drop(bench.resolve("example.org"));
    bench.settle();
    assert_eq!(bench.asked(), []);
    bench.finish();
}

#[test]
fn wrong_service_is_no_connect_failure_for_other_names() {
    let mut bench = warm(WORLD);
    drop(bench.resolve("other.example"));
    fail(&mut bench, "192.0.2.1:443");
    assert_eq!(places(&bench.resolve("other.example"))[0], "192.0.2.2:443");
    tell(&mut bench, "example.org", "192.0.2.1:443", Feedback::NotMatrix);
    assert_eq!(places(&bench.resolve("other.example"))[0], "192.0.2.1:443");
    bench.finish();
}
