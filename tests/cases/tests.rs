//! Cases of the project's own, to show that each expectation is looked at: what is right passes, and each change of it fails.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use serde_json::{Value, json};

use super::{Report, Runner, Verdict, read};
use crate::layers::{Memory, OnItsOwn};

fn run(case: &Value) -> Report {
    let cases = read(&Value::Array(vec![case.clone()]).to_string()).unwrap();
    Runner::new(vec![Box::new(OnItsOwn), Box::new(Memory)]).run(&cases[0])
}

fn case(world: Value, expect: Value) -> Value {
    json!({
        "id": "own", "scope": "resolution", "server_name": "example.org", "agrees_with_spec": true,
        "world": world, "expect": expect,
    })
}

/// A delegated name with two SRV targets, one of which takes no connection.
fn delegated() -> Value {
    case(
        json!({
            "dns": [
                {"name": "example.org", "type": "A", "answer": ["192.0.2.1"]},
                {"name": "_matrix-fed._tcp.fed.example", "type": "SRV", "answer": [
                    {"priority": 1, "weight": 0, "port": 8001, "target": "a.example."},
                    {"priority": 2, "weight": 7, "port": 8002, "target": "b.example."},
                ]},
                {"name": "a.example", "type": "A", "answer": ["192.0.2.2"], "ttl": 60},
                {"name": "b.example", "type": "AAAA", "answer": ["2001:db8::2"]},
            ],
            "http": [
                {"url": "https://example.org/.well-known/matrix/server", "connect": "ok", "status": 302,
                 "headers": {"Location": ["/x"]}},
                {"url": "https://example.org/x", "connect": "ok", "status": 200, "headers": {},
                 "body_base64": "eyJtLnNlcnZlciI6ImZlZC5leGFtcGxlIn0="},
            ],
            "tcp": [{"ip": "192.0.2.2", "port": 8001, "connect": "refused"}],
        }),
        json!({
            "ok": true,
            "destinations": [
                {"ip": "192.0.2.2", "port": 8001, "srv_priority": 1},
                {"ip": "2001:db8::2", "port": 8002, "srv_priority": 2, "srv_weight": 7},
            ],
            "destinations_order": "exact",
            "host_header": "fed.example", "tls_name": "FED.example", "sni": "fed.example", "steps": "3.3",
            "http_requests": ["https://example.org/.well-known/matrix/server", "https://example.org/x"],
            "http_requests_max": 2,
            "dns_queries": {
                "must": [["_matrix-fed._tcp.fed.example.", "SRV"]],
                "must_not": [["_matrix._tcp.fed.example", "SRV"]],
            },
            "request_result": {"ok": true, "via": {"ip": "2001:db8::2", "port": 8002}},
            "concurrency": {"parallel_calls": 3, "cancel_first": true, "http_requests_total": 2},
            "distribution": {"first": {"192.0.2.2:8001": 1.0}, "tolerance": 0.0, "trials": 20},
        }),
    )
}

#[test]
fn every_layer_judges_alike() {
    let cases = read(&Value::Array(vec![delegated()]).to_string()).unwrap();
    let report = Runner::with_all_layers().unwrap().run(&cases[0]);
    assert!(!report.failed() && !report.skipped(), "{report:?}");
}

#[test]
fn each_field_of_an_expectation_is_looked_at() {
    let right = delegated();
    let report = run(&right);
    assert!(!report.failed() && !report.skipped(), "{report:?}");
    for (field, wrong) in [
        ("/expect/ok", json!(false)),
        ("/expect/destinations/0/port", json!(8009)),
        ("/expect/destinations/0/srv_priority", json!(9)),
        ("/expect/destinations/1/srv_weight", json!(9)),
        ("/expect/host_header", json!("FED.example")),
        ("/expect/tls_name", json!("a.example")),
        ("/expect/sni", Value::Null),
        ("/expect/steps", json!("3.4")),
        ("/expect/http_requests", json!(["https://example.org/.well-known/matrix/server"])),
        ("/expect/http_requests_max", json!(1)),
        ("/expect/dns_queries/must/0/0", json!("elsewhere.example")),
        ("/expect/dns_queries/must_not/0", json!(["a.example.", "A"])),
        ("/expect/request_result/via/port", json!(8001)),
        ("/expect/request_result", json!({"ok": false, "error": "tls_verify"})),
        ("/expect/concurrency/http_requests_total", json!(6)),
        ("/expect/distribution/first", json!({"192.0.2.2:8001": 0.5})),
    ] {
        let mut case = right.clone();
        *case.pointer_mut(field).unwrap() = wrong;
        assert!(run(&case).failed(), "{field}");
    }
    let mut swapped = right.clone();
    swapped["expect"]["destinations"].as_array_mut().unwrap().reverse();
    assert!(run(&swapped).failed());
    swapped["expect"]["destinations_order"] = json!("any");
    assert!(!run(&swapped).failed());
}

#[test]
fn words_for_failures_mean_their_kinds() {
    let nothing = json!({"dns": [], "http": []});
    for (name, policy, word, other) in [
        ("a b", json!({}), "invalid_server_name", "dns_no_addresses"),
        ("a..b", json!({}), "invalid_server_name", "dns_no_addresses"),
        ("gone.example", json!({}), "dns_no_addresses", "dns_failure"),
        ("10.0.0.1", json!({"ip_deny": ["10.0.0.0/8"]}), "denied_ip", "dns_no_addresses"),
    ] {
        let mut case =
            case(nothing.clone(), json!({"ok": false, "error": word, "network_io": false}));
        case["server_name"] = json!(name);
        case["policy"] = policy;
        if word == "dns_no_addresses" {
            assert!(run(&case).failed(), "{name} is asked for");
            case["expect"]["network_io"] = json!(true);
        }
        assert!(!run(&case).failed(), "{name}: {:?}", run(&case));
        case["expect"]["error"] = json!(other);
        assert!(run(&case).failed(), "{name} is not {other}");
    }
}

#[test]
fn any_of_several_results_will_do_and_no_other() {
    let world =
        json!({"dns": [{"name": "example.org", "type": "A", "answer": ["192.0.2.1"]}], "http": []});
    let here = json!({"ok": true, "destinations": [{"ip": "192.0.2.1", "port": 8448}]});
    let there = json!({"ok": false, "error": "dns_failure"});
    let with = |one_of: Value| case(world.clone(), json!({"ok": true, "one_of": one_of}));
    assert!(!run(&with(json!([there, here]))).failed());
    assert!(run(&with(json!([there]))).failed());
}

#[test]
fn what_is_none_of_ours_is_skipped_and_says_why() {
    let mut foreign = delegated();
    foreign["scope"] = json!("config");
    assert!(run(&foreign).skipped());
    let mut unknown = delegated();
    unknown["expect"]["colour"] = json!("red");
    let report = run(&unknown);
    let [(_, Verdict::Skipped(why))] = report.verdicts.as_slice() else { panic!("{report:?}") };
    assert!(why.contains("colour"));
}

#[test]
fn a_choice_that_is_left_open_is_told_apart_from_an_error() {
    let mut open = delegated();
    open["expect"] = json!({"ok": true, "steps": "6"});
    assert!(run(&open).failed());
    open["agrees_with_spec"] = json!("unclear");
    assert!(run(&open).skipped());
}

#[test]
fn the_simple_kinds_fail_where_they_are_wrong() {
    for (case, wrong) in [
        (
            json!({"input": "a.example:1", "valid": true, "host": "a.example", "kind": "dns", "port": 1}),
            "port",
        ),
        (
            json!({"id": "c", "status": 200, "headers": {"Cache-Control": "max-age=600"}, "now": 1_548_833_700,
                "expected_raw_s": 600, "expected_ttl_s": 600, "expected_ttl_with_min300_s": 600}),
            "expected_ttl_with_min300_s",
        ),
        (
            json!({"id": "c", "status": 404, "headers": {}, "now": 1_548_833_700, "expected_raw_s": null, "expected_ttl_s": "<=3600"}),
            "expected_ttl_s",
        ),
        (json!({"ip": "127.0.0.1", "recommended_deny": true}), "recommended_deny"),
    ] {
        assert!(!run(&case).failed(), "{:?}", run(&case));
        let mut case = case;
        case[wrong] = if wrong == "recommended_deny" { json!(false) } else { json!(7) };
        assert!(run(&case).failed(), "{wrong}");
    }
}
