//! Tests of how results are written.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "tests")]

use std::sync::Arc;

use serde_json::{Value, json};

use super::*;

fn resolved() -> Answered {
    let outcome: Resolved = serde_json::from_value(json!({
        "server_name": "example.org",
        "targets": [
            {"host": "a.example.net", "port": 443, "srv": [10, 5],
             "addresses": ["2001:db8::1", "192.0.2.1"]},
            {"host": "b.example.net", "port": 444, "srv": [20, 0],
             "addresses": ["192.0.2.2", "192.0.2.3", "192.0.2.4"]},
        ],
        "host_header": "fed.example.net",
        "tls_name": "fed.example.net",
        "step": "3.4",
        "expires": 301_000_000_000_u64,
        "timeline": [
            {"question": {"get": "https://example.org/.well-known/matrix/server"},
             "asked": 990_000_000_u64, "answered": 999_000_000_u64, "wasted": false},
            {"question": {"dns": ["example.org", "A"]},
             "asked": 990_000_000_u64, "answered": null, "wasted": true},
        ],
        "explanation": [
            {"step": "3", "question": {"get": "https://example.org/.well-known/matrix/server"},
             "fact": {"document": "fed.example.net"}, "effect": {"delegated": "fed.example.net"}},
            {"step": "3.3", "question": {"dns": ["_matrix-fed._tcp.fed.example.net", "SRV"]},
             "fact": {"not_found": "nx_domain"}, "effect": "not_found"},
            {"step": "3.4", "question": {"dns": ["_matrix._tcp.fed.example.net", "SRV"]},
             "fact": {"services": [{"priority": 10, "weight": 5, "port": 443, "target": "a.example.net"}]},
             "effect": "services"},
        ],
    }))
    .unwrap();
    ended("example.org", Ok(Arc::new(outcome)))
}

fn failed(kind: &str) -> Answered {
    let failed: ResolveError = serde_json::from_value(json!({
        "kind": kind,
        "retry_after": 31_000_000_000_u64,
        "timeline": [],
        "explanation": [
            {"step": "6", "question": {"dns": ["gone.example", "A"]},
             "fact": {"not_found": "nx_domain"}, "effect": {"failed": kind}},
        ],
    }))
    .unwrap();
    ended("gone.example", Err(Arc::new(failed)))
}

fn ended(name: &str, outcome: Outcome) -> Answered {
    Answered {
        name: name.to_owned(),
        end: End::Outcome(outcome),
        took: Duration::from_micros(12_345),
        at: Instant::from_nanos(1_000_000_001),
        revision: Revision::default(),
        note: None,
    }
}

fn not_a_name(name: &str) -> Answered {
    let end = End::NotAName(InvalidServerName::Character);
    Answered {
        name: name.to_owned(),
        end,
        took: Duration::ZERO,
        at: Instant::ORIGIN,
        revision: Revision::default(),
        note: None,
    }
}

fn text(answered: &Answered, format: Format) -> String {
    let mut out = Vec::new();
    answered.write(format, Paint::Plain, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

fn json(answered: &Answered) -> Value {
    let text = text(answered, Format::Json);
    assert_eq!(text.matches('\n').count(), 1);
    serde_json::from_str(&text).unwrap()
}

#[test]
fn a_result_takes_six_lines() {
    assert_eq!(
        text(&resolved(), Format::Lines),
        "\
example.org
  connect to   [2001:db8::1]:443, 192.0.2.1:443 (a.example.net), 192.0.2.2:444, 192.0.2.3:444 and 1 more
  Host         fed.example.net
  certificate  for fed.example.net, also sent as SNI
  because      step 3.4: well-known → no delegated _matrix-fed SRV (NXDOMAIN) → delegated _matrix SRV
  cache for    5 min
"
    );
}

#[test]
fn a_failure_says_what_whose_and_when_again() {
    let text = text(&failed("no_addresses"), Format::Lines);
    assert!(text.lines().count() <= 6, "{text}");
    for part in ["gone.example A: NXDOMAIN", "the other side", "retry after  30 s"] {
        assert!(text.contains(part), "{part} is missing in {text}");
    }
}

#[test]
fn the_tree_shows_every_decision_under_its_step() {
    let tree = text(&resolved(), Format::Tree);
    for part in [
        "  step 3   the well-known document\n  └─ GET https://example.org/.well-known/matrix/server  (at 2.3 ms, took 9.0 ms)\n",
        "     m.server fed.example.net: delegated to fed.example.net\n",
        "  step 3.3 _matrix-fed SRV of the delegated host\n",
        "     NXDOMAIN: not found\n",
        "  not needed   example.org A\n",
    ] {
        assert!(tree.contains(part), "{part} is missing in {tree}");
    }
}

#[test]
fn short_is_one_line_also_for_what_is_no_name() {
    assert_eq!(
        text(&resolved(), Format::Short),
        "example.org [2001:db8::1]:443,192.0.2.1:443,192.0.2.2:444,192.0.2.3:444,192.0.2.4:444 \
         host=fed.example.net tls=fed.example.net step=3.4\n"
    );
    let text = text(&not_a_name("a b\n\u{1b}[2J"), Format::Short);
    assert_eq!(text.matches('\n').count(), 1);
    assert!(!text.contains('\u{1b}'), "{text:?}");
}

#[test]
fn json_has_the_documented_shape() {
    let line = text(&resolved(), Format::Json);
    assert!(line.starts_with(r#"{"name":"example.org","ok":true,"step":"3.4","step_name":"delegated_srv","targets":[{"addr":"[2001:db8::1]:443","host":"a.example.net","priority":10,"weight":5},"#), "{line}");
    let value = json(&resolved());
    let keys: Vec<&String> = value.as_object().unwrap().keys().collect();
    assert_eq!(keys.len(), 14, "{keys:?}");
    assert_eq!(value["targets"].as_array().unwrap().len(), 5);
    assert_eq!(value["host_header"], "fed.example.net");
    assert_eq!(value["tls_name"], "fed.example.net");
    assert_eq!(value["sni"], "fed.example.net");
    assert_eq!(value["fresh_for_s"], 300);
    assert_eq!(value["ms"], 12.3);
    assert_eq!(value["schema"], "matrix-discovery/resolve/1");
    assert_eq!(value["delegated"], "fed.example.net");
    assert_eq!(value["warnings"], json!([]));
    assert_eq!(value["explanation"].as_array().unwrap().len(), 3);
}

#[test]
fn steps_are_numbered_as_the_revision_numbers_them() {
    let answered = Answered { revision: "v1.7".parse().unwrap(), ..resolved() };
    let value = json(&answered);
    assert_eq!((&value["step"], &value["step_name"]), (&"3.3".into(), &"delegated_srv".into()));
    assert!(text(&answered, Format::Short).ends_with(" step=3.3\n"));
    assert!(text(&answered, Format::Lines).contains("step 3.3: "));
    assert!(text(&answered, Format::Tree).contains("step 3.3 "));
}

#[test]
fn json_failures_have_an_error_in_place_of_a_result() {
    let value = json(&failed("no_addresses"));
    assert_eq!(value["ok"], false);
    assert_eq!(value["error"]["kind"], "no_addresses");
    assert_eq!(value["error"]["origin"], "remote");
    assert!(value["error"]["message"].as_str().unwrap().contains("NXDOMAIN"));
    assert_eq!(value.as_object().unwrap().len(), 7);
    assert_eq!(value["retry_after_s"], 30);
    let value = json(&not_a_name("a_b"));
    assert_eq!(value["error"]["kind"], "invalid_server_name");
    assert_eq!(value["error"]["origin"], "caller");
    assert_eq!(value["explanation"], json!([]));
}

#[test]
fn the_worst_status_is_a_definite_no() {
    assert_eq!(resolved().status(), Status::Resolved);
    assert_eq!(failed("dns_failure").status(), Status::Unknown);
    assert_eq!(failed("blocked").status(), Status::No);
    assert_eq!(not_a_name("a_b").status(), Status::No);
    assert!(Status::Resolved < Status::Unknown && Status::Unknown < Status::No);
}
