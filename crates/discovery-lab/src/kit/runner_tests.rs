//! Tests of whole lookups over sockets on tokio.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "tests")]

use discovery_core::{AddressPolicy, Families, Policy, RecordType};
use discovery_tokio::Discovery;

use super::*;
use crate::dns::Weather;
use crate::kit::on_tokio::OnTokio;
use crate::lab::hurried;

fn check(text: &str) {
    let scenario = Scenario::parse(text).unwrap();
    assert!(!scenario.expect.is_empty(), "nothing is expected of {text}");
    let found = Runner::new(Arc::new(OnTokio)).unwrap().differences(&scenario).unwrap();
    assert!(found.is_empty(), "{text}\n{found:#?}");
}

#[test]
fn every_step_leads_over_sockets() {
    check(
        "https example.org 200 \"cache-control: max-age=600\" {\"m.server\":\"fed.example.net\"}\n\
         dns _matrix._tcp.fed.example.net SRV 10 5 443 a.example.net\n\
         dns a.example.net AAAA 2001:db8::1\n\
         resolve example.org\nresolve 192.0.2.9\nresolve a.example.net:1\nresolve a_b\n---\n\
         done [2001:db8::1]:443 host=fed.example.net tls=fed.example.net step=3.4 fresh=300s\n\
         asked GET https://example.org/.well-known/matrix/server\nnever a.example.net SRV\n\
         done 192.0.2.9:8448 sni=- step=1 fresh=ever\n\
         done [2001:db8::1]:1 step=2\n\
         fail invalid_server_name\n",
    );
}

#[test]
fn what_never_comes_is_given_up_without_waiting() {
    check(
        "https example.org timeout\ndns example.org A 192.0.2.1\nset addresses.families=v4\n\
         dns _matrix._tcp.example.org SRV TIMEOUT\nresolve example.org\n---\n\
         fail dns_failure\n\
         why no well-known (no response in time) → no _matrix-fed SRV (NXDOMAIN) → dns_failure: _matrix._tcp.example.org SRV: no reply\n",
    );
}

#[test]
fn dates_are_those_of_the_scenario_s_clock() {
    check(
        "clock 1600000000\n\
         https example.org 200 \"expires: Sun, 13 Sep 2020 13:26:40 GMT\" {\"m.server\":\"192.0.2.1\"}\n\
         resolve example.org\n---\ndone 192.0.2.1:8448 step=3.1 fresh=3599s..3601s\n",
    );
}

#[test]
fn later_worlds_come_without_waiting() {
    check(
        "dns example.org A 192.0.2.1 ttl=60\nset addresses.families=v4\nresolve example.org:1\n\
         at +2h\ndns example.org A 192.0.2.2\nresolve example.org:1\n---\n\
         done 192.0.2.1:1\ndone 192.0.2.2:1\nasked example.org A\n",
    );
}

#[test]
fn a_lookup_that_is_given_up_ends_as_abandoned() {
    check(
        "https example.org timeout\nresolve example.org abandon=1s\nresolve 192.0.2.1\n---\n\
         fail abandoned\ndone 192.0.2.1:8448\n",
    );
}

#[test]
fn what_sockets_can_t_show_is_refused() {
    let scenario = Scenario::parse("dns example.org A LOCAL\nresolve example.org:1\n").unwrap();
    let refused = Runner::new(Arc::new(OnTokio)).unwrap().run(&scenario, 0);
    assert!(matches!(refused, Err(RunTrouble::Inexpressible(_))), "{refused:?}");
}

#[test]
fn lost_datagrams_are_made_good_by_further_attempts() {
    let world = Scenario::parse("dns a.example A 192.0.2.1\n").unwrap().world_at(Duration::ZERO);
    let name = "a.example".parse().unwrap();
    let weather = |seed| Weather { seed, loss_percent: 40, delay: Duration::from_millis(10) };
    let lost = |seed, attempt| weather(seed).fate(&name, RecordType::A, attempt).is_none();
    let seed = (0..1000).find(|seed| lost(*seed, 0) && lost(*seed, 1) && !lost(*seed, 2)).unwrap();
    let options = LabOptions { weather: weather(seed), ..LabOptions::default() };
    let lab = Lab::start_with(world, options).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let outcome = runtime.block_on(async {
        let mut policy = hurried(Policy::default(), 20);
        policy.addresses = AddressPolicy::any();
        policy.addresses.families = Families::V4;
        let builder = Discovery::builder(lab.client_config())
            .policy(policy)
            .name_servers(lab.dns_servers().iter().copied());
        let discovery = discovery_tokio::spawn(builder).unwrap();
        discovery.resolve("a.example:1").await
    });
    assert!(outcome.is_ok(), "{outcome:?}");
    // The lost one never reached the name server, so to speak.
    assert_eq!(lab.take_asked().len(), 1);
}
