//! Tests of whole lookups over bytes in memory.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "tests")]

use super::*;
use crate::results::differences;

fn check(text: &str) {
    let scenario = Scenario::parse(text).unwrap();
    assert!(!scenario.expect.is_empty(), "nothing is expected of {text}");
    let ran = MemoryRunner::new().unwrap().run(&scenario).unwrap();
    let found = differences(&scenario, &ran);
    assert!(found.is_empty(), "{text}\n{found:#?}");
}

/// What a document server does, and what comes of it.
fn well_known(does: &str, why: &str) {
    check(&format!(
        "https example.org {does}\ndns example.org A 192.0.2.1\nset addresses.families=v4\nresolve example.org\n---\n\
         done 192.0.2.1:8448 step=6\nwhy {why} → no _matrix-fed SRV (NXDOMAIN) → no _matrix SRV (NXDOMAIN) → port 8448\n"
    ));
}

/// What a name server says of the first SRV record, and what comes of it.
fn service(says: &str, end: &str) {
    check(&format!(
        "https example.org 404\ndns _matrix-fed._tcp.example.org SRV {says}\n\
         dns a.example.net A 192.0.2.1\nset addresses.families=v4\nresolve example.org\n---\n{end}\n"
    ));
}

#[test]
fn every_step_leads_through_bytes() {
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
fn redirects_lead_to_other_servers() {
    check(
        "https example.org 302 \"location: https://www.example.org:444/x?y\"\n\
         https www.example.org:444/x?y 200 {\"m.server\":\"192.0.2.1\"}\n\
         resolve example.org\n---\ndone 192.0.2.1:8448 step=3.1\ngets 2\n",
    );
}

#[test]
fn each_way_to_fail_before_a_response_is_told_apart() {
    well_known("refused", "no well-known (connection refused)");
    well_known("timeout", "no well-known (no response in time)");
    well_known("bad-cert", "no well-known (certificate not trusted)");
    well_known("wrong-name", "no well-known (certificate for another name)");
    well_known("expired", "no well-known (certificate out of date)");
    well_known(
        "unknown-algorithm",
        "no well-known (certificate signed with an unsupported algorithm)",
    );
    well_known("long-chain", "no well-known (certificate chain too long to be checked)");
    well_known("bad-tls", "no well-known (TLS failed)");
    well_known("reset", "no well-known (connection broke off)");
    well_known("stall", "no well-known (no response in time)");
    well_known("garbage", "no well-known (not proper HTTP)");
    well_known("503", "no well-known (503)");
}

#[test]
fn each_way_to_fail_within_a_response_is_told_apart() {
    well_known(
        "then=reset 200 {\"m.server\":\"a.example\"}",
        "no well-known (connection broke off)",
    );
    well_known(
        "then=stall 200 {\"m.server\":\"a.example\"}",
        "no well-known (no response in time)",
    );
    well_known(
        "200 \"content-length: 99\" {\"m.server\":\"a.example\"}",
        "no well-known (connection broke off)",
    );
    well_known(
        "200 \"content-length: 5\" \"transfer-encoding: chunked\" {\"m.server\":\"a.example\"}",
        "no well-known (not proper HTTP)",
    );
    well_known(
        "200 repeat=\"{\" \" \" infinite \"\"",
        "no well-known (invalid document: too long)",
    );
    well_known("200 repeat=\"{\" \" \" 60000 \"}\"", "no well-known (invalid document: too long)");
}

#[test]
fn a_chunked_document_counts() {
    check(
        "https example.org 200 \"transfer-encoding: chunked\" {\"m.server\":\"192.0.2.1\"}\n\
         resolve example.org\n---\ndone 192.0.2.1:8448 step=3.1\n",
    );
}

#[test]
fn each_fault_of_a_name_server_is_told_apart() {
    let found = "done 192.0.2.1:8001 step=4";
    service("1 0 8001 a.example.net", found);
    service("1 0 8001 a.example.net wire=truncated", found);
    service("1 0 8001 a.example.net lost=2", found);
    service("1 0 8001 a.example.net after=700ms", found);
    let failed = |why: &str| {
        format!(
            "fail dns_failure\nwhy no well-known (404) → dns_failure: _matrix-fed._tcp.example.org SRV: {why}"
        )
    };
    service("1 0 8001 a.example.net wire=truncated-twice", &failed("unreadable reply"));
    service("1 0 8001 a.example.net wire=bad-record", &failed("unreadable reply"));
    service("1 0 8001 a.example.net wire=wrong-id", &failed("unreadable reply"));
    service("1 0 8001 a.example.net wire=wrong-question", &failed("unreadable reply"));
    service("SERVFAIL", &failed("SERVFAIL"));
    service("REFUSED", &failed("REFUSED"));
    service("NOTIMP", &failed("NOTIMP"));
    service("FORMERR", &failed("error reply"));
    service("TIMEOUT", &failed("no reply"));
    service("UNREACHABLE", &failed("name server unreachable"));
}

#[test]
fn a_thousand_records_come_over_tcp() {
    service(
        "1 0 8001 a.example.net\ndns _matrix-fed._tcp.example.org SRV 10 5 8002 many.example.net repeat=999",
        "done 192.0.2.1:8001 step=4\nqueries 18",
    );
}

#[test]
fn what_takes_time_takes_it_in_the_scenario_s_time() {
    let scenario = Scenario::parse(
        "https example.org connect=2s after=3s 200 {\"m.server\":\"192.0.2.1\"}\n\
         dns example.org A 192.0.2.1 after=500ms\nset addresses.families=v4\nat +60s\nresolve example.org\n",
    )
    .unwrap();
    let ran = MemoryRunner::new().unwrap().run(&scenario).unwrap();
    assert_eq!(ran[0].at, Instant::ORIGIN + Duration::from_millis(65_500));
}
