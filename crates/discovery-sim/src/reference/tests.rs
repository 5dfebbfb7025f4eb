//! The reference model against the text: small worlds, and what the requirements say must come out.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "tests stop at the first surprise"
)]

use std::collections::BTreeMap;
use std::time::Duration;

use discovery_core::{DnsError, Fact, Failure, Question, Revision, Routes};

use super::{Expected, Given, Reference, Verdict};
use crate::Scenario;

fn verdict(scenario: &Scenario, given: Given, routes: Routes) -> Verdict {
    let (world, policy) = (scenario.world_at(Duration::ZERO), scenario.policy());
    let name = scenario.resolves()[0].name.parse().unwrap();
    let reference = Reference::new(&world, &policy).name_servers(scenario.name_servers());
    reference.given(given).routes(routes).resolve(&name)
}

/// Checks each scenario of a text; empty lines separate them.
fn check(text: &str) {
    for text in text.split("\n\n") {
        let scenario = Scenario::parse(text).unwrap_or_else(|error| panic!("{error}\n{text}"));
        let verdict = verdict(&scenario, Given::new(), Routes::default());
        let found = scenario.expect[0].check_reference(&verdict.expected);
        assert!(found.is_empty(), "{text}\n{found:?}\n{:?}", verdict.expected);
        for question in &scenario.expect[0].asked {
            assert!(verdict.asked.contains(question), "{text}\nnot asked: {question}");
        }
        for question in &scenario.expect[0].never {
            assert!(!verdict.asked.contains(question), "{text}\nasked: {question}");
        }
    }
}

#[test]
fn every_step_decides_where_the_ones_before_do_not() {
    check(
        "resolve 192.0.2.1
---
done 192.0.2.1:8448 host=192.0.2.1 tls=192.0.2.1 sni=- step=1

resolve [2001:db8::1]:443
---
done [2001:db8::1]:443 host=[2001:db8::1]:443 tls=2001:db8::1 sni=- step=1

dns a.example A 192.0.2.1
resolve A.example:443
---
done 192.0.2.1:443 host=A.example:443 tls=a.example step=2
never GET https://a.example/.well-known/matrix/server

https a.example 200 {\"m.server\":\"192.0.2.9\"}
resolve a.example
---
done 192.0.2.9:8448 host=192.0.2.9 tls=192.0.2.9 sni=- step=3.1

https a.example 200 {\"m.server\":\"B.example:443\"}
dns b.example A 192.0.2.9
resolve a.example
---
done 192.0.2.9:443 host=B.example:443 tls=b.example step=3.2
never _matrix-fed._tcp.b.example SRV

https a.example 200 {\"m.server\":\"b.example\"}
dns _matrix-fed._tcp.b.example SRV 1 1 443 c.example
dns _matrix._tcp.b.example SRV 1 1 444 c.example
dns c.example A 192.0.2.9
resolve a.example
---
done 192.0.2.9:443 host=b.example tls=b.example step=3.3
never _matrix._tcp.b.example SRV
never GET https://b.example/.well-known/matrix/server

https a.example 200 {\"m.server\":\"b.example\"}
dns _matrix._tcp.b.example SRV 1 1 444 c.example
dns c.example A 192.0.2.9
resolve a.example
---
done 192.0.2.9:444 host=b.example tls=b.example step=3.4

https a.example 200 {\"m.server\":\"b.example\"}
dns b.example A 192.0.2.9
resolve a.example
---
done 192.0.2.9:8448 host=b.example tls=b.example step=3.5

https a.example 404
dns _matrix-fed._tcp.a.example SRV 1 1 443 c.example
dns c.example A 192.0.2.9
resolve a.example
---
done 192.0.2.9:443 host=a.example tls=a.example step=4

dns _matrix._tcp.a.example SRV 1 1 443 c.example
dns c.example A 192.0.2.9
resolve a.example
---
done 192.0.2.9:443 host=a.example tls=a.example step=5
never GET https://a.example/.well-known/matrix/server

dns a.example A 192.0.2.9
dns a.example AAAA 2001:db8::9
resolve a.example.
---
done [2001:db8::9]:8448 192.0.2.9:8448 host=a.example. tls=a.example step=6",
    );
}

#[test]
fn revisions_differ_in_host_services_and_invalid_documents() {
    let rows = [
        ("resolve 192.0.2.1:443", "192.0.2.1", "192.0.2.1", "192.0.2.1:443"),
        (
            "dns a.example A 192.0.2.1\nresolve a.example:443",
            "a.example",
            "a.example:443",
            "a.example:443",
        ),
        (
            "https a.example 200 {\"m.server\":\"192.0.2.1\"}\nresolve a.example",
            "192.0.2.1",
            "192.0.2.1:8448",
            "192.0.2.1",
        ),
        (
            "https a.example 200 {\"m.server\":\"[2001:db8::1]:443\"}\nresolve a.example",
            "[2001:db8::1]",
            "[2001:db8::1]:443",
            "[2001:db8::1]:443",
        ),
        (
            "https a.example 200 {\"m.server\":\"b.example:443\"}\ndns b.example A 192.0.2.1\nresolve a.example",
            "b.example:443",
            "b.example:443",
            "b.example:443",
        ),
    ];
    for (text, old, new, later) in rows {
        for (revision, host) in
            [("draft-old", old), ("draft-new", new), ("r0.1.2", later), ("v1.8", later)]
        {
            check(&format!("revision {revision}\n{text}\n---\ndone host={host}"));
        }
    }
    let services = "dns _matrix-fed._tcp.a.example SRV 1 1 443 b.example\ndns _matrix._tcp.a.example SRV 1 1 444 b.example\ndns b.example A 192.0.2.1\nresolve a.example";
    let invalid = "https a.example 200 {}\nresolve a.example";
    for revision in Revision::ALL {
        let latest = revision == Revision::V1_8;
        let step = if latest { "4" } else { "5" };
        check(&format!("revision {revision}\n{services}\n---\ndone step={step}"));
        let draft = revision.to_string().starts_with("draft");
        let end = if draft { "fail well_known_invalid" } else { "done step=6" };
        check(&format!("revision {revision}\n{invalid}\n---\n{end}"));
    }
    check(&format!("set spec.invalid_document=abort\n{invalid}\n---\nfail well_known_invalid"));
    check(&format!(
        "revision draft-new\nset spec.invalid_document=go-on\n{invalid}\n---\ndone step=6"
    ));
}

#[test]
fn what_is_no_valid_document_leads_to_step_4() {
    let bodies = [
        "200 {\"m.server\":\"b.example\",\"m.server\":\"b.example\"}",
        "200 {\"m.server\":1}",
        "200 [\"m.server\"]",
        "200 {\"m.server\":\"b..example\"}",
        "200 {\"m.server\":\"010.0.0.1\"}",
        "200 {\"m.server\":\"https://b.example\"}",
        "200 body=\"\\ufeff{\\\"m.server\\\":\\\"b.example\\\"}\"",
        "200 body64=eyJtLnNlcnZlciI6ImIuZXhhbXBsZSIsIngiOiL/In0=",
        "200 repeat=\"{\\\"x\\\":\" \"[\" 20000 \"\"",
        "200 repeat=\"{\\\"m.server\\\":\\\"\" \"a\" infinite \"\"",
        "200 \"Content-Encoding: gzip\" {\"m.server\":\"b.example\"}",
        "200 \"Content-Length: 99\" {\"m.server\":\"b.example\"}",
        "then=stall 200 {\"m.server\":\"b.example\"}",
        "201 {\"m.server\":\"b.example\"}",
        "410",
        "302 {\"m.server\":\"b.example\"}",
        "302 \"Location: https://c.example/\" \"Location: https://d.example/\"",
        "302 \"Location: http://c.example/\"",
        "301 \"Location: https://a.example/.well-known/matrix/server\"",
        "300 \"Location: https://c.example/\"",
        "bad-cert",
        "stall",
        "timeout",
    ];
    for body in bodies {
        check(&format!(
            "https a.example {body}\nhttps c.example/ 200 {{\"m.server\":\"b.example\"}}\nresolve a.example\n---\ndone step=6"
        ));
    }
    check("set spec.gone=dead\nhttps a.example 410\nresolve a.example\n---\nfail gone");
}

#[test]
fn redirects_are_followed_ten_hops_far() {
    let chain = |hops: usize| {
        let mut text = "https a.example 302 \"Location: https://c.example/1\"\n".to_owned();
        for hop in 1..hops {
            text += &format!("https c.example/{hop} 307 \"Location: {}\"\n", hop + 1);
        }
        text + &format!(
            "https c.example/{hops} 200 {{\"m.server\":\"192.0.2.1\"}}\nresolve a.example\n---\n"
        )
    };
    check(&(chain(10) + "done step=3.1"));
    check(&(chain(11) + "done step=6"));
    check(
        "https a.example 308 \"Location: https://192.0.2.1:8443/x\"\nhttps 192.0.2.1:8443/x 200 {\"m.server\":\"192.0.2.9\"}\nresolve a.example\n---\ndone step=3.1",
    );
    check(
        "set addresses.deny=192.0.2.1\nhttps a.example 308 \"Location: https://192.0.2.1/x\"\nhttps 192.0.2.1/x 200 {\"m.server\":\"192.0.2.9\"}\nresolve a.example\n---\ndone step=6",
    );
}

#[test]
fn only_not_found_leads_from_one_service_to_the_next() {
    let rest = "dns _matrix._tcp.a.example SRV 1 1 443 b.example\ndns b.example A 192.0.2.1\ndns a.example A 192.0.2.2\nresolve a.example\n---\n";
    let fed = |outcome: &str, end: &str| {
        check(&format!("dns _matrix-fed._tcp.a.example SRV {outcome}\n{rest}{end}"));
        check(&format!(
            "dns _matrix-fed._tcp.a.example CNAME x.example\ndns x.example SRV {outcome}\n{rest}{end}"
        ));
    };
    fed("NXDOMAIN", "done step=5");
    fed("NODATA", "done step=5");
    fed("NODATA nosoa", "done step=5");
    fed("SERVFAIL", "fail dns_failure");
    fed("TIMEOUT", "fail dns_failure");
    fed("LOCAL", "fail local");
    fed("0 0 0 .", "fail srv_unavailable");
    fed("1 1 0 b.example", "fail srv_unavailable");
    fed("UNUSABLE", "fail srv_unavailable");
    fed("1 1 443 nowhere.example", "fail no_addresses");
    fed("1 1 443 1.2.3.4", "fail no_addresses");
    check(&format!(
        "set spec.srv_failure=go-on\ndns _matrix-fed._tcp.a.example SRV SERVFAIL\n{rest}done step=5"
    ));
}

#[test]
fn targets_come_by_priority_and_drop_out_one_by_one() {
    check(
        "dns _matrix._tcp.a.example SRV 20 1 1 b.example
dns _matrix._tcp.a.example SRV 10 1 2 b.example
dns _matrix._tcp.a.example SRV 10 1 3 c.example
dns _matrix._tcp.a.example SRV 10 1 4 .
dns _matrix._tcp.a.example SRV 5 1 0 b.example
dns _matrix._tcp.a.example SRV 5 1 7 broken.example
dns broken.example A SERVFAIL
dns b.example A 192.0.2.1
dns c.example CNAME b.example
resolve a.example
---
done {192.0.2.1:2 192.0.2.1:3} 192.0.2.1:1 host=a.example step=5

set spec.srv_target_alias=reject
dns _matrix._tcp.a.example SRV 10 1 3 c.example
dns b.example A 192.0.2.1
dns c.example CNAME b.example
resolve a.example
---
fail srv_unavailable

dns _matrix._tcp.a.example SRV 10 1 3 b.example
dns b.example A 192.0.2.1
dns b.example AAAA SERVFAIL
resolve a.example
---
done 192.0.2.1:3

set addresses.deny=192.0.2.0/24
dns _matrix._tcp.a.example SRV 10 1 3 b.example
dns b.example A 192.0.2.1
resolve a.example
---
fail blocked",
    );
    let text = "dns _matrix._tcp.a.example SRV 10 1 3 b.example repeat=20\ndns n1.b.example A 192.0.2.1\nresolve a.example";
    let verdict = verdict(&Scenario::parse(text).unwrap(), Given::new(), Routes::default());
    let Expected::Resolved(result) = verdict.expected else { panic!("no result") };
    assert_eq!((result.groups[0].take, result.groups[0].without), (16, 19));
}

#[test]
fn a_lost_packet_never_sends_traffic_elsewhere() {
    let rest = "dns _matrix._tcp.a.example SRV 1 1 443 b.example\ndns b.example A 192.0.2.1\nresolve a.example\n---\n";
    for (addresses, end) in [
        ("dns a.example A SERVFAIL", "fail dns_failure"),
        ("dns a.example A SERVFAIL\nset spec.well_known_dns_failure=go-on", "done step=5"),
        ("dns a.example A TIMEOUT\ndns a.example AAAA NODATA", "fail dns_failure"),
        ("dns a.example A LOCAL\nset spec.well_known_dns_failure=go-on", "fail local"),
        ("dns a.example A 192.0.2.9\ndns a.example AAAA SERVFAIL", "done step=5"),
        ("dns a.example A 192.0.2.9\ntcp all no-route", "fail local"),
        (
            "dns a.example A 192.0.2.9\ndns a.example AAAA 2001:db8::1\ntcp v6 no-route",
            "done step=5",
        ),
        ("dns a.example CNAME x.example\ndns x.example CNAME a.example", "fail dns_failure"),
        ("servers 2\nserver 0 TIMEOUT\ndns a.example A NODATA", "done step=5"),
        ("server 0 SERVFAIL", "fail dns_failure"),
    ] {
        check(&format!("{addresses}\n{rest}{end}"));
    }
}

#[test]
fn special_names_are_never_asked_for() {
    check(
        "dns localhost A 192.0.2.1
resolve localhost
---
done [::1]:8448 127.0.0.1:8448 step=6
never localhost A
never _matrix-fed._tcp.localhost SRV

resolve a.onion
---
fail no_addresses
never a.onion A
never _matrix._tcp.a.onion SRV

set addresses.static_addresses.a.example=192.0.2.1
resolve a.example
---
done 192.0.2.1:8448 step=6
never a.example AAAA",
    );
}

#[test]
fn names_that_nothing_can_be_asked_for_under_fail_at_once() {
    check(
        "resolve a..example\n---\nfail unresolvable_name\n\nresolve 010.0.0.1:80\n---\nfail unresolvable_name",
    );
}

#[test]
fn given_facts_go_before_the_worlds() {
    let text = "https a.example 200 {\"m.server\":\"192.0.2.1\"}\ndns a.example A 192.0.2.9\nresolve a.example";
    let scenario = Scenario::parse(text).unwrap();
    let get =
        Question::Get("https://a.example/.well-known/matrix/server".to_owned().try_into().unwrap());
    let step = |given| match verdict(&scenario, given, Routes::default()).expected {
        Expected::Resolved(result) => result.step.to_string(),
        Expected::Failed(kind) => kind.to_string(),
    };
    assert_eq!(step(Given::new()), "3.1");
    assert_eq!(step(BTreeMap::from([(get.clone(), Fact::Late)])), "6");
    let local = Fact::Failed(Failure::Dns(DnsError::Local));
    assert_eq!(step(BTreeMap::from([(get, local)])), "local");
}

#[test]
fn a_family_without_route_goes_last() {
    let text = "dns a.example A 192.0.2.1\ndns a.example A 192.0.2.2\ndns a.example AAAA 2001:db8::1\nresolve a.example:1";
    let scenario = Scenario::parse(text).unwrap();
    let order = |v4, v6| {
        let verdict = verdict(&scenario, Given::new(), Routes { v4, v6 });
        let Expected::Resolved(result) = verdict.expected else { panic!("no result") };
        let places: Vec<String> =
            result.groups[0].socket_addrs().map(|place| place.ip().to_string()).collect();
        places.join(" ")
    };
    assert_eq!(order(true, true), "2001:db8::1 192.0.2.1 192.0.2.2");
    assert_eq!(order(true, false), "192.0.2.1 192.0.2.2 2001:db8::1");
    assert_eq!(order(false, true), "2001:db8::1 192.0.2.1 192.0.2.2");
    assert_eq!(order(false, false), "2001:db8::1 192.0.2.1 192.0.2.2");
}

#[test]
fn the_fact_that_expires_first_decides_how_long_a_result_lives() {
    let hour = 3600;
    let rows = [
        ("resolve 192.0.2.1", None),
        ("resolve localhost:1", None),
        (
            "dns a.example A 192.0.2.1 ttl=70\ndns a.example AAAA 2001:db8::1 ttl=60\nresolve a.example:1",
            Some((60, 60)),
        ),
        (
            "dns a.example A 192.0.2.1\ndns a.example AAAA NODATA soa=17\nresolve a.example:1",
            Some((17, 17)),
        ),
        (
            "dns a.example A 192.0.2.1\ndns a.example AAAA NODATA nosoa\nresolve a.example:1",
            Some((27, 30)),
        ),
        (
            "dns a.example A 192.0.2.1\ndns a.example AAAA SERVFAIL\nresolve a.example:1",
            Some((27, 30)),
        ),
        ("dns a.example A 192.0.2.1 ttl=4294967295\nresolve a.example:1", Some((0, 0))),
        (
            "dns a.example CNAME b.example ttl=5\ndns b.example A 192.0.2.1\nresolve a.example:1",
            Some((5, 5)),
        ),
        (
            "dns a.example A 192.0.2.1 ttl=604800\ndns a.example AAAA NODATA soa=604800\nresolve a.example:1",
            Some((hour, hour)),
        ),
        // The address of the document's host has done its work.
        (
            "https a.example 200 {\"m.server\":\"192.0.2.1\"}\ndns a.example A 192.0.2.2 ttl=1\nresolve a.example",
            Some((hour * 24 * 9 / 10, hour * 24 * 11 / 10)),
        ),
        (
            "https a.example 200 \"Cache-Control: max-age=400\" {\"m.server\":\"192.0.2.1\"}\nresolve a.example",
            Some((400, 400)),
        ),
        (
            "https a.example 404\nset dns.negative_max_ttl=48h\ndns a.example A 192.0.2.1 ttl=86400\ndns a.example AAAA 2001:db8::1 ttl=86400\ndns _matrix._tcp.a.example SRV NODATA soa=86400\ndns _matrix-fed._tcp.a.example SRV NODATA soa=86400\nresolve a.example",
            Some((hour * 9 / 10, hour)),
        ),
        ("https a.example 503\nresolve a.example", Some((54, 60))),
    ];
    for (text, expected) in rows {
        let scenario = Scenario::parse(text).unwrap();
        let life = verdict(&scenario, Given::new(), Routes::default()).fresh;
        let life = life.map(|life| (life.least.as_secs(), life.most.as_secs()));
        assert_eq!(life, expected, "{text}");
    }
}
