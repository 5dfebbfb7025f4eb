//! What scenarios read as, and that writing them loses nothing.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "tests stop at the first surprise"
)]

use std::time::Duration;

use discovery_core::{DnsName, RecordType, Speculation, Url};

use super::{Problem, Scenario};

const EVERY_LINE: &str = r#"# everything that a line can say
seed 7
revision draft-new
servers 2
clock 1700000000
set addresses.otherwise=global-only
set addresses.deny=10.0.0.0/8,192.0.2.0/24
set addresses.static_addresses.fixed.example=192.0.2.1,2001:db8::9
set spec.speculation=full
set well_known.max_body=100
set addresses.wait=none

https example.org 200 "Cache-Control: max-age=60" {"m.server": "fed.example.net"}
https example.org on=192.0.2.7 connect=250ms after=1s then=stall 200 "Content-Length: 10" body="a\nb"
https [2001:db8::1]:8443/path 302 "Location: https://a.example/" "Location: /b"
https deep.example 200 repeat="{\"x\":" "[" 20000 ""
https endless.example 200 repeat="" "a" infinite "end"
https latin.example 200 body64=/wA=
https raw.example then=stall raw="HTTP/1.1 200 OK\r\nX: \u0001\u00e4\r\n" "Y: z\r\n"*200 "\r\n"
https flood.example raw="HTTP/1.1 100\r\n\r\n"*infinite
https broken.example bad-cert
https slow.example then=reset 404
tcp 192.0.2.7:443 refused
tcp 192.0.2.8 timeout
tcp v6 no-route
tcp all local
tcp v4 ok
server 0 TIMEOUT after=3s
server 1 ok after=100ms
routes v4
dns example.org A 192.0.2.7 ttl=60 after=1s lost=2 wire=truncated
dns example.org AAAA NODATA nosoa
dns alias.example CNAME b.example cut
dns x.example AAAA SERVFAIL
dns _matrix._tcp.example.org SRV 10 5 443 a.example.net repeat=1000
dns _matrix-fed._tcp.example.org SRV 0 0 0 .
dns _matrix-fed._tcp.b.example SRV UNUSABLE
dns y.example A NXDOMAIN soa=17
resolve example.org
resolve "odd name" abandon=100ms
at +900s
routes v4 v6
dns example.org A 192.0.2.9
report example.org 192.0.2.7:443 connect-failed
report example.org [2001:db8::1]:443 connected
resolve example.org:443
---
done {192.0.2.7:443 [2001:db8::1]:443} 192.0.2.9:1 host=fed.example.net tls=fed.example.net sni=fed.example.net step=3.4 fresh=300s
or fail srv_unavailable
why well-known → delegated _matrix SRV
asked example.org A
never GET https://example.org/.well-known/matrix/server
gets ..1
queries 3
fail invalid_server_name
done sni=- step=1 fresh=ever
"#;

fn name(text: &str) -> DnsName {
    text.parse().unwrap()
}

#[test]
fn what_is_printed_parses_to_the_same_scenario() {
    let scenario = Scenario::parse(EVERY_LINE).unwrap();
    let printed = scenario.to_string();
    assert_eq!(Scenario::parse(&printed).unwrap(), scenario, "{printed}");
    for (written, printed) in EVERY_LINE.lines().zip(printed.lines()) {
        let settled = ["revision", "https"].iter().any(|word| written.starts_with(word));
        assert!(settled || written == printed || written.contains("v6 "), "{written}\n{printed}");
    }
}

#[test]
fn settings_go_through_the_policy_and_keep_their_types() {
    let scenario = Scenario::parse(EVERY_LINE).unwrap();
    let policy = scenario.policy();
    assert_eq!(policy.spec.speculation, Speculation::Full);
    assert_eq!(policy.well_known.max_body, 100);
    assert_eq!(policy.addresses.wait, None);
    assert_eq!(policy.addresses.deny.len(), 2);
    assert!(policy.addresses.judge([10, 0, 0, 1].into()).is_err());
    assert_eq!(policy.addresses.static_addresses[&name("fixed.example")].len(), 2);
    assert_eq!((scenario.seed(), scenario.name_servers()), (7, 2));
}

#[test]
fn every_address_is_allowed_unless_the_scenario_says_otherwise() {
    let policy = Scenario::parse("").unwrap().policy();
    assert!(policy.addresses.judge([127, 0, 0, 1].into()).is_ok());
}

#[test]
fn a_line_behind_at_replaces_and_lines_beside_each_other_add() {
    let text = "dns a.example A 192.0.2.1\ndns a.example A 192.0.2.2\nat +900s\ndns a.example A 192.0.2.3\ndns a.example A 192.0.2.4\n";
    let scenario = Scenario::parse(text).unwrap();
    let count = |at| {
        let answer = scenario.world_at(at).dns_answer(&name("a.example"), RecordType::A, 0, 0);
        let records = answer.said.unwrap().unwrap().records;
        records.iter().map(|record| format!("{:?}", record.data)).collect::<Vec<_>>()
    };
    assert_eq!(count(Duration::ZERO), ["A(192.0.2.1)", "A(192.0.2.2)"]);
    assert_eq!(count(Duration::from_secs(899)), ["A(192.0.2.1)", "A(192.0.2.2)"]);
    assert_eq!(count(Duration::from_secs(900)), ["A(192.0.2.3)", "A(192.0.2.4)"]);
    assert_eq!(scenario.changes(), [Duration::from_secs(900)]);
}

#[test]
fn a_repeated_line_stands_for_distinct_records() {
    let text = "dns _matrix._tcp.a.example SRV 1 2 3 t.example repeat=1000";
    let world = Scenario::parse(text).unwrap().world_at(Duration::ZERO);
    let answer = world.dns_answer(&name("_matrix._tcp.a.example"), RecordType::Srv, 0, 0);
    let records = answer.said.unwrap().unwrap().records;
    assert_eq!(records.len(), 1000);
    assert!(format!("{:?}", records[999].data).contains("n1000.t.example"));
}

#[test]
fn resolves_know_when_they_happen() {
    let resolves = Scenario::parse(EVERY_LINE).unwrap().resolves();
    let seen: Vec<(u64, &str)> = resolves.iter().map(|r| (r.at.as_secs(), &*r.name)).collect();
    assert_eq!(seen, [(0, "example.org"), (0, "odd name"), (900, "example.org:443")]);
    assert_eq!(resolves[1].abandon, Some(Duration::from_millis(100)));
}

#[test]
fn a_body_is_taken_as_it_stands() {
    let scenario = Scenario::parse("https a.example 200 {\"m.server\":  \"b # c\"}").unwrap();
    let url = Url::parse("https://a.example/.well-known/matrix/server").unwrap();
    let answer =
        scenario.world_at(Duration::ZERO).http_answer(&url, "192.0.2.1:443".parse().unwrap(), 100);
    assert_eq!(answer.said.unwrap().unwrap().body, b"{\"m.server\":  \"b # c\"}");
}

#[test]
fn errors_name_the_line_and_what_is_wrong() {
    let problem = |text: &str| {
        let error = Scenario::parse(text).unwrap_err();
        (error.line, error.problem.to_string())
    };
    let expected = [
        ("\nfoo bar", 2, "no line starts with \"foo\" here"),
        ("dns a.example", 1, "missing: a type"),
        ("dns a.example A 1.2.3", 1, "expected an IPv4 address, found \"1.2.3\""),
        ("dns a.example A 1.2.3.4 nonsense", 1, "\"nonsense\" has no place here"),
        ("dns a.example A 1.2.3.4 repeat=0", 1, "expected a number from 1 to 65536, found \"0\""),
        ("https a.example", 1, "missing: a status, or how it fails"),
        ("https a.example 2000", 1, "expected a status, found \"2000\""),
        ("set nonsense=1", 1, "nonsense=1: no such setting"),
        ("revision v9", 1, "expected a release, found \"v9\""),
        ("at +5s\nat +4s", 2, "times must not go back"),
        ("at +5s\nseed 1", 2, "this holds from the start and must stand before `at`"),
        ("---\ndone", 2, "more expectations than names to resolve"),
        ("report a.example 1.2.3.4:5", 1, "missing: what is told"),
        ("report :5 1.2.3.4:5 connected", 1, "expected a server name, found \":5\""),
        ("report a.example 1.2.3.4 connected", 1, "expected ADDRESS:PORT, found \"1.2.3.4\""),
        ("report a.example 1.2.3.4:5 happy", 1, "expected what is told, found \"happy\""),
        ("resolve a.example\n---\nwhy x", 3, "missing: done, fail or any, before anything else"),
        (
            "resolve a.example\n---\nfail nonsense",
            3,
            "expected a kind of failure, found \"nonsense\"",
        ),
        ("resolve a.example\n---\ndone {1.2.3.4:5", 3, "missing: }"),
    ];
    for (text, line, message) in expected {
        assert_eq!(problem(text), (line, message.to_owned()), "{text}");
    }
    let error = Scenario::parse("set well_known.max_body=much").unwrap_err();
    assert!(matches!(error.problem, Problem::Setting(_)));
}
