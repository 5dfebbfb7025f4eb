//! Every homeserver of the lab gives just the findings that it is an example of.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "tests run against servers on loopback, in real time"
)]

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use discovery_check::{Checker, Evidence, Federates, Thresholds, Verdict, judge};
use discovery_core::Revision;
use discovery_driver::Builder;
use discovery_lab::{FederationCase, Lab, federation};
use discovery_sim::Scenario;
use discovery_wire::Transport;
use rustls::RootCertStore;

struct Place {
    lab: Lab,
    checker: Checker,
    cases: Vec<FederationCase>,
}

fn place() -> Place {
    serve(|_| {})
}

/// The lab's homeservers, and others by further lines of its world.
fn serve(add: impl FnOnce(&mut String)) -> Place {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
    let (scenario, cases) = federation(now);
    let mut text = scenario.to_string();
    add(&mut text);
    let scenario = Scenario::parse(&text).unwrap();
    let lab = Lab::start(scenario.world_at(Duration::ZERO)).unwrap();
    let discovery = |revision| {
        let mut policy = scenario.policy();
        policy.spec.revision = revision;
        policy.addresses.wait = None;
        let builder = Builder::new(lab.client_config())
            .policy(policy)
            .name_servers(lab.dns_servers().iter().copied())
            .connect_to(lab.connector())
            .probe_routes(false);
        discovery_tokio::spawn(builder).unwrap()
    };
    let mut roots = RootCertStore::empty();
    roots.add(lab.authority().certificate().clone()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let connect = lab.connector();
    let checker = Checker::new(discovery(Revision::V1_8), provider, Arc::new(roots))
        .unwrap()
        .legacy(discovery(Revision::V1_7))
        .connect_to(move |_, address| connect(address, Transport::Tcp));
    Place { lab, checker, cases }
}

#[tokio::test]
async fn each_broken_server_gives_just_its_findings() {
    let place = place();
    let mut wrong = Vec::new();
    for case in &place.cases {
        let report = judge(&place.checker.check(case.name).await, &Thresholds::default());
        let found: BTreeSet<&str> = report.findings.iter().map(|one| one.id.as_str()).collect();
        let expected: BTreeSet<&str> = case.findings.iter().copied().collect();
        if found != expected {
            wrong.push(format!(
                "{}: {found:?} instead of {expected:?}: {:#?}",
                case.name, report.findings
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test]
async fn a_healthy_server_federates_and_gets_two_requests_an_address() {
    let place = place();
    let evidence = place.checker.check("healthy.example").await;
    let report = judge(&evidence, &Thresholds::default());
    assert_eq!((report.verdict, report.federates), (Verdict::Ok, Federates::Yes));
    assert_eq!(report.summary, "healthy.example federates: Stub 1.0 at fed.healthy.example:8448");
    assert_eq!((report.targets.len(), report.well_known.len()), (2, 2));
    let seen = place.lab.take_seen();
    let api = seen.iter().filter(|seen| seen.target.starts_with("/_matrix/"));
    assert_eq!(api.count(), 4, "{seen:?}");
}

#[tokio::test]
async fn a_recording_gives_the_same_report() {
    let place = place();
    for name in ["healthy.example", "wrong-name.example", "absent.example", "https://a.example"] {
        let evidence = place.checker.check(name).await;
        let text = serde_json::to_string(&evidence).unwrap();
        let read: Evidence = serde_json::from_str(&text).unwrap();
        let thresholds = Thresholds::default();
        assert_eq!(judge(&read, &thresholds), judge(&evidence, &thresholds), "{name}");
    }
}

#[tokio::test]
async fn servers_that_do_not_answer_in_time_count_as_silent() {
    let place = serve(|world| {
        world.push_str("https silent.example:8448/_matrix/key/v2/server stall\n");
        world.push_str("https deaf.example:8448/_matrix/key/v2/server timeout\n");
    });
    let checker = place.checker.clone().timeout(Duration::from_millis(300));
    for name in ["silent.example:8448", "deaf.example:8448"] {
        let report = judge(&checker.check(name).await, &Thresholds::default());
        let ids: Vec<&str> = report.findings.iter().map(|one| one.id.as_str()).collect();
        assert_eq!(ids, ["connect.all"], "{name}");
        assert_eq!((report.targets.len(), report.federates), (2, Federates::No), "{name}");
        assert!(report.took_ms < 5000, "{name}");
    }
}
