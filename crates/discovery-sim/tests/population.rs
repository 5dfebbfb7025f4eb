//! A homeserver among generated servers: its queries, its waits, and the age of wrong results.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "tests")]

use std::time::Duration;

use discovery_core::Config;
use discovery_sim::population::{Churn, Join, Kind, Population, Year};

const HOUR: Duration = Duration::from_secs(60 * 60);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);
const LATENCY: Duration = Duration::from_millis(50);

#[test]
fn a_fortnight_gives_no_answer_beyond_its_bound() {
    // Time-lapse: most servers change within a fortnight.
    let churn = Churn {
        era: (DAY * 4, DAY * 9),
        stay: (DAY * 3, DAY * 12),
        outage_every: (DAY * 3, DAY * 8),
        outage: (HOUR, HOUR * 30),
    };
    let population = Population { churn: Some(churn), ..Population::changing(11) };
    let year = Year {
        names: 200,
        length: DAY * 14,
        join_every: DAY * 2,
        use_every: Duration::from_secs(120),
        latency: LATENCY,
    };
    let report = year.run(&population, Config::new(Population::policy()));
    println!("{report}");
    assert_eq!(report.violations, []);
    // Each wrong result is within the lifetime of its facts and comes from a change.
    assert!(report.too_old.is_empty(), "{}", report.too_old.join("\n"));
    assert!(report.failed.is_empty(), "{:?}", report.failed);
    // R39: 48 h for documents; records live at most a day.
    assert!((HOUR * 24..=HOUR * 48).contains(&report.longest_set_up), "{report}");
    assert!((HOUR..=HOUR * 24).contains(&report.longest_addresses), "{report}");
    // There are few names, seldom used, with short lifetimes.
    assert!((100..=500).contains(&report.hit_rate()), "{report}");
    // A document that is due is refreshed ahead even where the lookup had to ask for addresses: a little more than half are fetched.
    assert!(report.requests[0] < report.cold[0], "{report}");
    assert!(report.requests[1] < report.cold[1] * 3 / 5, "{report}");
    assert!(report.stale > 0 && report.excused > 0, "{report}");
    assert_eq!(report.counters.lookups + report.counters.queued, 0);
}

#[test]
fn a_large_room_is_joined_cold_and_then_warm() {
    const SERVERS: u64 = 9_550;
    let join =
        Join::run(&Population::steady(9), SERVERS, Config::new(Population::policy()), LATENCY);
    println!("{join}");
    println!(
        "targets: at most 45000 DNS requests, under 70 s, alone in the middle under 2 s; warm none"
    );
    assert_eq!(join.violations, []);
    assert!((40_000..=45_000).contains(&join.cold[0]), "{join}");
    assert!(join.ends[2] < Duration::from_secs(70), "{join}");
    assert_eq!(join.alone.len(), 4);
    assert!(join.alone.iter().all(|waited| *waited <= Duration::from_secs(2)), "{join}");
    let dead: u64 = join.failed.values().sum();
    assert!(dead.abs_diff(SERVERS * 13 / 100) < 150, "{join}");
    // Within lifetimes nothing is asked again, and lookups wait only for first answers.
    assert!(join.warm.keys().all(|kind| *kind == Kind::Silent), "{join}");
    assert!(join.at_once >= SERVERS * 985 / 1000, "{join}");
}
