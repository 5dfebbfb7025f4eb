//! Tests of generated servers: what they are, what they answer, and that a name says it all.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "tests")]

use std::time::Duration;

use discovery_core::{Config, DnsId, DnsName, DnsRequest, Instant, RecordType, Request};

use super::{Drive, Kind, Parsed, Population, Role, Sight, Year, host, parse};
use crate::START;

const HOUR: Duration = Duration::from_secs(60 * 60);
const LATENCY: Duration = Duration::from_millis(50);

#[test]
fn a_name_is_taken_apart_as_it_was_put_together() {
    for role in [Role::Own, Role::Delegated(3), Role::Target(4)] {
        let name = host(12, role);
        assert_eq!(parse(&name), Some(Parsed { server: 12, role, service: None }));
        let service = format!("_matrix-fed._tcp.{name}");
        let service = parse(&service).unwrap();
        assert_eq!(service, Parsed { server: 12, role, service: Some("_matrix-fed") });
    }
    for name in ["", "example", "s.example", "s1.test", "a.s1.example", "x._tcp.s1.test"] {
        assert_eq!(parse(name), None, "{name}");
    }
}

#[test]
fn kinds_have_their_shares() {
    let population = Population::steady(1);
    for (kind, percent) in population.mix.0 {
        let count = (0..10_000).filter(|server| population.kind(*server, START) == kind).count();
        assert!(count.abs_diff(usize::from(percent) * 100) < 150, "{kind:?}: {count} of 10000");
    }
}

#[test]
fn a_fresh_answer_is_true_whatever_the_kind_and_the_time() {
    let calm = super::Churn { outage: (Duration::ZERO, Duration::ZERO), ..Default::default() };
    let population = Population { churn: Some(calm), ..Population::changing(3) };
    for day in [0, 100, 1000] {
        for server in 0..300 {
            let config = Config::new(Population::policy());
            let mut drive = Drive::new(&population, config, LATENCY);
            drive.run_until(START + HOUR * 24 * day);
            drive.resolve(server);
            drive.run();
            let end = drive.finished().unwrap();
            let kind = population.kind(server, end.at);
            assert_eq!(
                population.judge(server, &end.outcome, end.at),
                Sight::True,
                "{kind:?} {end:?}"
            );
            assert_eq!(drive.violations(), []);
        }
    }
}

#[test]
fn an_answer_from_before_a_change_is_wrong_since_then() {
    let population = Population::changing(3);
    let mut wrong = 0;
    for server in (0..300).filter(|server| population.kind(*server, START) == Kind::Port) {
        let mut drive = Drive::new(&population, Config::new(Population::policy()), LATENCY);
        drive.resolve(server);
        drive.run();
        let end = drive.finished().unwrap();
        let (era, moves) = (population.era(server, end.at), population.moves(server, end.at));
        let changes = |at: Instant| {
            population.era(server, at) != era || population.moves(server, at) != moves
        };
        let hour = (0..10_000).find(|hour| changes(end.at + HOUR * *hour)).unwrap();
        let Sight::Wrong(found) =
            population.judge(server, &end.outcome, end.at + HOUR * (hour + 48))
        else {
            continue;
        };
        let since = found.set_up.max(found.addresses).unwrap();
        assert!((HOUR * 47..=HOUR * 49).contains(&since), "{since:?}");
        wrong += 1;
    }
    assert!(wrong > 100, "{wrong}");
}

#[test]
fn name_servers_fail_for_hours_and_then_work_again() {
    let population = Population::changing(3);
    let fails = |hour: u32| population.outage(7, START + HOUR * hour).is_some();
    let hours: Vec<u32> = (0..24 * 365).filter(|hour| fails(*hour)).collect();
    assert!((4..400).contains(&hours.len()), "{hours:?}");
    let name = DnsName::parse("s7.example").unwrap();
    let request = DnsRequest::new(DnsId::from_number(0), name, RecordType::A);
    let failing = population.answer(&Request::Dns(request.clone()), START + HOUR * hours[0]);
    let working = population.answer(&Request::Dns(request), START + HOUR * (hours[0] - 1));
    assert_ne!(failing, working);
}

#[test]
fn the_same_seed_gives_the_same_year() {
    let year = Year {
        names: 50,
        length: HOUR * 24 * 3,
        join_every: HOUR * 40,
        use_every: Duration::from_secs(120),
        latency: LATENCY,
    };
    let run =
        |seed| year.run(&Population::changing(seed), Config::new(Population::policy())).to_string();
    assert_eq!(run(5), run(5));
    assert_ne!(run(5), run(6));
}
