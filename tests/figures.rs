//! Counts queries and sequential waits of cold lookups, in virtual time. `-- --nocapture` prints the table.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "tests")]

use discovery_core::Request;
use std::time::Duration;

use discovery_sim::{Latency, Options, Scenario, run_each, run_resolver, sequential_waits};

/// A step of the specification: its number, a world in which it decides, and the name to resolve.
struct Case {
    step: &'static str,
    world: &'static str,
    name: &'static str,
}

const CASES: [Case; 6] = [
    Case { step: "2", world: "https example.org 404\n", name: "example.org:8448" },
    Case {
        step: "3.2",
        world: "https example.org 200 {\"m.server\":\"fed.example.net:443\"}\n\
                https fed.example.net 404\n",
        name: "example.org",
    },
    Case {
        step: "3.3",
        world: "https example.org 200 {\"m.server\":\"fed.example.net\"}\n\
                dns _matrix-fed._tcp.fed.example.net SRV 10 5 443 a.example.net\n\
                https a.example.net 404\n",
        name: "example.org",
    },
    Case {
        step: "3.5",
        world: "https example.org 200 {\"m.server\":\"fed.example.net\"}\n\
                https fed.example.net 404\n",
        name: "example.org",
    },
    Case {
        step: "4",
        world: "https example.org 404\n\
                dns _matrix-fed._tcp.example.org SRV 10 5 443 a.example.net\n\
                https a.example.net 404\n",
        name: "example.org",
    },
    Case { step: "6", world: "https example.org 404\n", name: "example.org" },
];

#[derive(Debug, PartialEq, Eq)]
struct Figures {
    waits: Option<u64>,
    queries: usize,
    gets: usize,
}

fn figures(case: &Case, speculation: &str) -> Figures {
    let text = format!(
        "set spec.speculation={speculation}\n{}resolve {}\n---\ndone step={}\n",
        case.world, case.name, case.step
    );
    let scenario = Scenario::parse(&text).expect(case.step);
    let run = run_each(&scenario, Options::default()).remove(0);
    assert_eq!(run.check(&scenario.expect, true), [], "{text}");
    assert_eq!(run.violations, [], "{text}");
    let dns = |request: &Request| matches!(request, Request::Dns(_));
    let queries = run.requests.iter().filter(|(_, request)| dns(request)).count();
    Figures { waits: sequential_waits(&scenario, 0), queries, gets: run.requests.len() - queries }
}

#[test]
fn a_cold_resolution_asks_and_waits_as_little_as_its_step_needs() {
    println!("cold, one SRV target   waits, DNS queries and GETs by speculation");
    println!("step    off           addresses     full");
    let table = CASES.map(|case| {
        let row = ["off", "addresses", "full"].map(|speculation| figures(&case, speculation));
        let cell = |f: &Figures| format!("{} {} {}", f.waits.unwrap(), f.queries, f.gets);
        println!("{:<7} {:<13} {:<13} {}", case.step, cell(&row[0]), cell(&row[1]), cell(&row[2]));
        row
    });
    let queries = table.each_ref().map(|[off, ..]| off.queries);
    assert_eq!(queries, [2, 4, 5, 6, 5, 4], "DNS queries without speculation");
    let waits = table.each_ref().map(|[.., full]| full.waits);
    assert_eq!(waits, [1, 3, 4, 3, 2, 2].map(Some), "waits with all speculation");
    // Speculation never asks for another document.
    for row in &table {
        assert!(row.iter().all(|figures| figures.gets == row[0].gets), "{row:?}");
    }
}

/// The questions of a name whose facts have all expired.
fn expired(case: &Case, speculation: &str) -> Figures {
    let text = format!(
        "set spec.speculation={speculation}\n{world}resolve {name}\nat +200h\nresolve {name}\n\
         ---\ndone step={step}\ndone step={step}\n",
        world = case.world,
        name = case.name,
        step = case.step
    );
    let scenario = Scenario::parse(&text).expect(case.step);
    let latency = Latency::Same(Duration::from_millis(1));
    let run = run_resolver(&scenario, Options { latency, ..Options::default() });
    assert_eq!(run.check(&scenario.expect, false), [], "{text}");
    assert_eq!(run.violations, [], "{text}");
    let again = &run.ends[1];
    let requests = run.requests.iter().filter(|(at, _)| *at >= again.asked);
    let (dns, gets): (Vec<_>, Vec<_>) =
        requests.partition(|(_, request)| matches!(request, Request::Dns(_)));
    let took = again.at.map(|at| at.saturating_duration_since(again.asked));
    let waits = took.and_then(|took| u64::try_from(took.as_millis()).ok());
    Figures { waits, queries: dns.len(), gets: gets.len() }
}

#[test]
fn an_expired_name_asks_what_decided_it_last_time_and_all_at_once() {
    println!("expired, one SRV target  waits, DNS queries and GETs by speculation");
    println!("step    off           addresses     full          remembered");
    for case in &CASES {
        let row = ["off", "addresses", "full", "remembered"].map(|how| expired(case, how));
        let cells = row
            .each_ref()
            .map(|f| format!("{:<13}", format!("{} {} {}", f.waits.unwrap(), f.queries, f.gets)));
        println!("{:<7} {}", case.step, cells.join(" "));
        let [off, _, full, remembered] = &row;
        assert_eq!((remembered.queries, remembered.gets), (off.queries, off.gets), "no query more");
        assert!(remembered.waits <= full.waits, "no wait more than with all speculation: {row:?}");
        assert!(remembered.waits <= Some(2), "{row:?}");
    }
}
