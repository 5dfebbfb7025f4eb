//! What worlds say.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "tests stop at the first surprise"
)]

use std::time::Duration;

use discovery_core::{DnsError, DnsName, DnsReply, HttpError, RecordType, Url};

use super::{HttpAnswer, World, made_v4, made_v6};
use crate::Scenario;

fn world(text: &str) -> World {
    Scenario::parse(text).unwrap().world_at(Duration::ZERO)
}

fn dns(world: &World, name: &str, kind: RecordType) -> Option<Result<DnsReply, DnsError>> {
    world.dns_answer(&name.parse().unwrap(), kind, 0, 0).said
}

fn get(world: &World, host: &str, address: &str) -> HttpAnswer {
    let url = Url::well_known(&DnsName::host(host).unwrap());
    world.http_answer(&url, address.parse().unwrap(), 20)
}

fn said(world: &World) -> Result<Vec<u8>, Option<HttpError>> {
    match get(world, "a.example", "192.0.2.1:443").said {
        Some(Ok(response)) => Ok(response.body),
        Some(Err(error)) => Err(Some(error)),
        None => Err(None),
    }
}

#[test]
fn what_is_not_listed_does_not_exist_and_refuses_connections() {
    let world = world("dns a.example A 192.0.2.1");
    let reply = dns(&world, "a.example", RecordType::Aaaa).unwrap().unwrap();
    assert!(reply.nxdomain && reply.records.is_empty() && reply.negative_ttl == Some(300));
    let answer = get(&world, "a.example", "192.0.2.1:443");
    assert_eq!((answer.connected, answer.said), (None, Some(Err(HttpError::Refused))));
}

#[test]
fn a_web_server_has_made_addresses_unless_the_zone_speaks_of_its_host() {
    let web = "https a.example 404\n";
    let (v4, v6) = (made_v4(&"a.example".parse().unwrap()), made_v6(&"a.example".parse().unwrap()));
    let made = world(web);
    let first = |reply: DnsReply| format!("{:?}", reply.records[0].data);
    let reply = dns(&made, "a.example", RecordType::A).unwrap().unwrap();
    assert_eq!(first(reply), format!("A({v4})"));
    let reply = dns(&made, "a.example", RecordType::Aaaa).unwrap().unwrap();
    assert_eq!(first(reply), format!("Aaaa({v6})"));
    assert_ne!(v4, made_v4(&"b.example".parse().unwrap()));
    for line in ["A 192.0.2.1", "A NODATA", "AAAA SERVFAIL", "CNAME b.example"] {
        let world = world(&format!("{web}dns a.example {line}"));
        let other = if line.starts_with('A') && !line.starts_with("AAAA") {
            RecordType::Aaaa
        } else {
            RecordType::A
        };
        assert!(dns(&world, "a.example", other).unwrap().unwrap().nxdomain, "{line}");
    }
}

#[test]
fn aliases_are_followed_into_one_reply_unless_it_is_cut() {
    let chain = "dns a.example CNAME b.example\ndns b.example CNAME c.example after=1s";
    let whole = world(&format!("{chain}\ndns c.example A 192.0.2.1 after=2s"));
    let answer = whole.dns_answer(&"a.example".parse().unwrap(), RecordType::A, 0, 0);
    assert_eq!(answer.after, Duration::from_secs(3));
    assert_eq!(answer.said.unwrap().unwrap().records.len(), 3);
    let end = dns(&whole, "a.example", RecordType::Aaaa).unwrap().unwrap();
    assert!(end.nxdomain && end.records.len() == 2 && end.negative_ttl == Some(300));
    let cut = world("dns a.example CNAME b.example cut\ndns b.example A 192.0.2.1");
    let reply = dns(&cut, "a.example", RecordType::A).unwrap().unwrap();
    assert!(!reply.nxdomain && reply.records.len() == 1 && reply.negative_ttl.is_none());
}

#[test]
fn a_circle_of_aliases_is_shown_once_around() {
    let world = world("dns a.example CNAME b.example\ndns b.example CNAME a.example");
    assert_eq!(dns(&world, "a.example", RecordType::A).unwrap().unwrap().records.len(), 2);
}

#[test]
fn faults_of_replies_and_name_servers_are_what_a_machine_sees_of_them() {
    let line = |options: &str| {
        dns(&world(&format!("dns a.example A 192.0.2.1 {options}")), "a.example", RecordType::A)
    };
    assert_eq!(line("wire=wrong-id"), None);
    assert_eq!(line("wire=wrong-question"), None);
    assert_eq!(line("wire=bad-record"), Some(Err(DnsError::Malformed)));
    assert_eq!(line("wire=truncated-twice"), Some(Err(DnsError::Malformed)));
    assert!(line("wire=truncated").unwrap().is_ok());
    assert_eq!(line("lost=1"), None);
    let lossy = world("dns a.example A 192.0.2.1 lost=1\nserver 1 SERVFAIL after=1s");
    let again = |server| lossy.dns_answer(&"a.example".parse().unwrap(), RecordType::A, server, 1);
    assert!(again(0).said.unwrap().is_ok());
    assert_eq!(again(1).said, Some(Err(DnsError::ServerFailure)));
    assert_eq!(again(1).after, Duration::from_secs(1));
}

#[test]
fn bodies_are_read_up_to_one_byte_more_than_wanted() {
    let body = |line: &str| said(&world(&format!("https a.example {line}")));
    assert_eq!(body("200 {}"), Ok(b"{}".to_vec()));
    assert_eq!(body("200 repeat=\"x\" \"ab\" infinite \"\"").unwrap().len(), 21);
    assert_eq!(body("200 repeat=\"x\" \"ab\" 3 \"y\""), Ok(b"xabababy".to_vec()));
    assert_eq!(body("then=stall 200 {}"), Err(None));
    assert_eq!(body("then=reset 200 {}"), Err(Some(HttpError::Reset)));
    assert_eq!(body("then=stall 404 {}"), Ok(Vec::new()));
    assert_eq!(body("200 \"Content-Length: 9\" {}"), Err(Some(HttpError::Reset)));
    assert_eq!(body("200 \"Content-Length: 1\" {}"), Ok(b"{".to_vec()));
    assert_eq!(body("then=stall 200 \"Content-Length: 2\" {}"), Ok(b"{}".to_vec()));
    assert_eq!(body("200 \"Content-Length: +2\" {}"), Err(Some(HttpError::Protocol)));
    assert_eq!(
        body("200 \"Content-Length: 2\" \"Transfer-Encoding: chunked\" {}"),
        Err(Some(HttpError::Protocol))
    );
}

#[test]
fn the_narrowest_destination_decides_how_connecting_fails() {
    let text = "https a.example connect=1s after=2s 404\ntcp v4 no-route\ntcp 192.0.2.1 timeout\ntcp 192.0.2.1:443 local\n";
    let world = world(text);
    let seen = |address: &str| get(&world, "a.example", address).said;
    assert_eq!(seen("192.0.2.1:443"), Some(Err(HttpError::Local)));
    assert_eq!(seen("192.0.2.1:8443"), None);
    assert_eq!(seen("192.0.2.2:443"), Some(Err(HttpError::NoRoute)));
    let answer = get(&world, "a.example", "[2001:db8::1]:443");
    assert_eq!(answer.connected, Some(Duration::from_secs(1)));
    assert_eq!(answer.after, Duration::from_secs(3));
    assert_eq!(answer.said.unwrap().unwrap().status, 404);
}

#[test]
fn a_page_at_one_address_goes_before_the_page_at_all() {
    let world = world("https a.example 404\nhttps a.example on=192.0.2.9 stall");
    assert!(get(&world, "a.example", "192.0.2.1:443").said.is_some());
    let stalled = get(&world, "a.example", "192.0.2.9:443");
    assert_eq!((stalled.connected, stalled.said), (Some(Duration::ZERO), None));
}
