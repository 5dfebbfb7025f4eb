//! Tests of the crowds: what leads their names, by which certificate, and how others find them. Knows no client but the lab's own.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use super::*;
use crate::{MemoryRunner, differences};

fn load(led_by: LedBy) -> LoadSet {
    LoadSet { led_by, names: 3, address: Ipv4Addr::new(198, 51, 100, 1) }
}

#[test]
fn every_name_of_a_crowd_is_led_by_its_step() {
    let runner = MemoryRunner::new().unwrap();
    for led_by in LedBy::ALL {
        let scenario = load(led_by).scenario();
        let ran = runner.run(&scenario).unwrap();
        assert_eq!(ran.len(), 3);
        let found = differences(&scenario, &ran);
        assert!(found.is_empty(), "{found:#?}");
    }
}

#[test]
fn one_certificate_is_good_for_a_whole_crowd() {
    let authority = Authority::for_all_under(LOAD_DOMAIN).unwrap();
    let config = |name: &str| {
        let name = discovery_core::TlsName::Dns(discovery_core::DnsName::parse(name).unwrap());
        authority.server_config(&name, crate::certificates::Flaw::None).unwrap()
    };
    let first = config("n0.crowd.example");
    assert!(Arc::ptr_eq(&first, &config("m1.crowd.example")));
    assert!(!Arc::ptr_eq(&first, &config("deep.n0.crowd.example")));
    assert!(!Arc::ptr_eq(&first, &config("example")));
}

#[test]
fn other_processes_are_told_where_a_crowd_is_until_they_have_enough() {
    let ca_file = std::env::temp_dir().join(format!("load-{}.pem", std::process::id()));
    let mut output = Vec::new();
    let load = load(LedBy::Document);
    load.serve_until_end(None, &ca_file, &mut &b"still here\n"[..], &mut output).unwrap();
    let output = String::from_utf8(output).unwrap();
    let lines: Vec<_> = output.lines().collect();
    let [names, dns, door, pem] = lines[..] else { panic!("{output}") };
    assert_eq!(names, "names n0.crowd.example to n2.crowd.example");
    for line in [dns, door] {
        let (_, address) = line.split_once(' ').unwrap();
        assert!(address.parse::<SocketAddr>().unwrap().ip().is_loopback(), "{line}");
    }
    assert_eq!(pem, format!("ca_file {}", ca_file.display()));
    let written = std::fs::read_to_string(&ca_file).unwrap();
    std::fs::remove_file(&ca_file).unwrap();
    assert!(written.starts_with("-----BEGIN CERTIFICATE-----"));
}
