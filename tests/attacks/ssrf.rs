//! Server-side request forgery: names, documents, redirects and records that point to addresses which the attacker cannot
//! reach.
//!
//! Connections and results are checked against a list of ranges that is independent of the policy's.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};

use discovery_core::{ErrorKind, HttpGet, Outcome, Policy, Step};
use discovery_tokio::Discovery;
use discovery_wire::Transport;
use hickory_proto::op::{Message, ResponseCode};
use hickory_proto::rr::rdata::{A, AAAA, SRV};
use hickory_proto::rr::{Name, RData, Record, RecordType};

use crate::certificates::{client, server};
use crate::stack::{Stack, Web, at_once, reply};

const GOOD: Ipv4Addr = Ipv4Addr::new(9, 9, 9, 9);

/// An address in each forbidden range, with the purpose of the range.
const INSIDE: [(&str, &str); 42] = [
    ("0.0.0.0", "this machine, on many systems"),
    ("0.1.2.3", "this network"),
    ("10.0.0.1", "private"),
    ("10.255.255.255", "private, its last"),
    ("172.16.0.1", "private"),
    ("172.31.255.255", "private, its last"),
    ("192.168.1.1", "private"),
    ("127.0.0.1", "loopback"),
    ("127.255.255.254", "loopback, far"),
    ("169.254.1.1", "link-local"),
    ("169.254.169.254", "metadata of most clouds"),
    ("169.254.170.2", "credentials of containers"),
    ("100.64.0.1", "carrier-grade NAT"),
    ("100.100.100.200", "metadata of another cloud"),
    ("168.63.129.16", "a cloud's host, at a public address: on the deny list of this test"),
    ("192.0.0.192", "metadata of yet another cloud"),
    ("192.0.2.1", "documentation"),
    ("198.51.100.1", "documentation"),
    ("203.0.113.1", "documentation"),
    ("198.18.0.1", "benchmarks"),
    ("198.19.255.255", "benchmarks, their last"),
    ("192.88.99.1", "6to4 relay"),
    ("224.0.0.1", "multicast"),
    ("240.0.0.1", "reserved"),
    ("255.255.255.255", "broadcast"),
    ("::", "this machine, on many systems"),
    ("::1", "loopback"),
    ("::127.0.0.1", "v4-compatible"),
    ("::ffff:127.0.0.1", "v4-mapped loopback"),
    ("::ffff:10.0.0.1", "v4-mapped private"),
    ("::ffff:169.254.169.254", "v4-mapped metadata"),
    ("64:ff9b::7f00:1", "NAT64 of loopback"),
    ("64:ff9b::a9fe:a9fe", "NAT64 of metadata"),
    ("64:ff9b:1::a00:1", "NAT64 of a local prefix"),
    ("2002:7f00:1::1", "6to4 of loopback"),
    ("2002:a00:1::1", "6to4 of private"),
    ("2001:0:4136:e378:8000:63bf:3fff:fdd2", "Teredo"),
    ("2001:db8::1", "documentation"),
    ("2001:2::1", "benchmarks"),
    ("fe80::a9fe:a9fe", "link-local"),
    ("fd00:ec2::254", "metadata over IPv6"),
    ("ff02::1", "multicast"),
];

fn inside() -> impl Iterator<Item = (IpAddr, &'static str)> {
    INSIDE.iter().map(|(address, what)| (address.parse().unwrap(), *what))
}

/// The default policy. Services of a cloud at public addresses need an entry in the deny list.
fn policy() -> Policy {
    let mut policy = Policy::default();
    policy.addresses.deny.push("168.63.129.16/32".parse().unwrap());
    policy
}

fn is_inside(address: IpAddr) -> bool {
    inside().any(|(inside, _)| inside == address)
}

fn add(m: &mut Message, data: RData) {
    let owner = m.queries[0].name().clone();
    m.add_answer(Record::from_rdata(owner, 0, data));
}

fn record(address: IpAddr) -> (RecordType, RData) {
    match address {
        IpAddr::V4(ip) => (RecordType::A, RData::A(A(ip))),
        IpAddr::V6(ip) => (RecordType::AAAA, RData::AAAA(AAAA(ip))),
    }
}

/// `good.example` and all below it are at an address outside; `evil.example` and all below it are at `evil` alone.
fn zone(evil: IpAddr) -> impl FnMut(&Message, Transport) -> Vec<Vec<u8>> {
    move |query, _| {
        let name = query.queries[0].name().to_string().to_ascii_lowercase();
        let kind = query.queries[0].query_type();
        vec![reply(query, |m| {
            let (evil_kind, evil) = record(evil);
            if kind == RecordType::SRV && name == "_matrix-fed._tcp.served.good.example." {
                let target = Name::from_ascii("evil.example.").unwrap();
                add(m, RData::SRV(SRV::new(1, 0, 80, target)));
            } else if kind == RecordType::A && name.ends_with("good.example.") {
                add(m, RData::A(A(GOOD)));
            } else if kind == evil_kind && name.ends_with("evil.example.") {
                add(m, evil);
            } else {
                m.metadata.response_code = ResponseCode::NXDomain;
            }
        })]
    }
}

/// The outcome when `good.example` sends this response. No internal address may have been connected to or returned.
fn attacked(name: &str, evil: IpAddr, response: &str) -> Outcome {
    let config = server(&["good.example", "*.good.example", "evil.example"]);
    let response = response.to_owned();
    let site = move |get: &HttpGet| match get.address.ip() == IpAddr::V4(GOOD) {
        true => Web::Tls(config.clone(), at_once(response.clone())),
        false => Web::Refused,
    };
    let mut stack = Stack::new(policy(), client(), zone(evil), site);
    let outcome = stack.resolve(name);
    for dialled in &stack.dialled {
        assert!(!is_inside(dialled.ip()), "{name}: {dialled} was dialled");
    }
    if let Ok(resolved) = outcome.as_ref() {
        for place in resolved.socket_addrs() {
            assert!(!is_inside(place.ip()), "{name}: {place} was handed out");
        }
    }
    outcome
}

fn blocked(outcome: &Outcome) -> bool {
    matches!(outcome.as_ref(), Err(failed) if failed.kind == ErrorKind::Blocked)
}

fn literal(address: IpAddr) -> String {
    match address {
        IpAddr::V4(ip) => ip.to_string(),
        IpAddr::V6(ip) => format!("[{ip}]"),
    }
}

const NOT_FOUND: &str = "HTTP/1.1 404 Not Found\r\n\r\n";

/// By an IP literal as the server name.
#[test]
fn no_literal_leads_inside() {
    for (address, what) in inside() {
        for port in ["", ":1", ":443"] {
            let name = format!("{}{port}", literal(address));
            assert!(blocked(&attacked(&name, address, NOT_FOUND)), "{name}: {what}");
        }
    }
    // Another spelling of an address is another name, and never parsed as an address.
    for name in ["2130706433", "0x7f000001", "0x7f.1", "127.1", "017700000001", "127.0.0.1."] {
        if let Ok(parsed) = name.parse::<discovery_core::ServerName>() {
            let loopback = IpAddr::from([127, 0, 0, 1]);
            let outcome = attacked(parsed.as_str(), loopback, NOT_FOUND);
            let failed = outcome.as_ref().unwrap_err();
            assert_eq!(failed.kind, ErrorKind::UnresolvableName, "{name}");
        }
    }
}

/// By the records of a name, with a port and without one.
#[test]
fn no_address_record_leads_inside() {
    for (address, what) in inside() {
        for name in ["evil.example:8448", "evil.example"] {
            assert!(blocked(&attacked(name, address, NOT_FOUND)), "{name} {address}: {what}");
        }
    }
}

/// By a document.
#[test]
fn no_document_leads_inside() {
    for (address, what) in inside() {
        let literal = literal(address);
        for to in [
            literal.clone(),
            format!("{literal}:80"),
            "evil.example:80".to_owned(),
            "evil.example".to_owned(),
        ] {
            let response = format!("HTTP/1.1 200 OK\r\n\r\n{{\"m.server\":\"{to}\"}}");
            assert!(blocked(&attacked("good.example", address, &response)), "{to}: {what}");
        }
    }
}

/// By a redirect, which then counts as no response, so the name leads to itself.
#[test]
fn no_redirect_leads_inside() {
    for (address, what) in inside() {
        let literal = literal(address);
        for to in [
            format!("https://{literal}/"),
            format!("https://{literal}:8500/v1"),
            format!("//{literal}/"),
            "https://evil.example/".to_owned(),
        ] {
            let response = format!("HTTP/1.1 307 Go\r\nLocation: {to}\r\n\r\n");
            let outcome = attacked("good.example", address, &response);
            assert_eq!(outcome.as_ref().unwrap().step, Step::Default, "{to}: {what}");
        }
    }
}

/// By an SRV record.
#[test]
fn no_service_leads_inside() {
    for (address, what) in inside() {
        let outcome = attacked("served.good.example", address, NOT_FOUND);
        assert!(blocked(&outcome), "{address}: {what}");
    }
}

/// With a policy that denies only loopback and one private range, every notation of these is denied.
#[test]
fn no_notation_passes_a_deny_list() {
    let mut policy = Policy::default();
    policy.addresses.otherwise = discovery_core::DefaultAction::Any;
    policy.addresses.deny = vec!["127.0.0.0/8".parse().unwrap(), "10.0.0.0/8".parse().unwrap()];
    // An allowed range allows no other notation.
    policy.addresses.allow = vec!["10.1.0.0/16".parse().unwrap()];
    for address in [
        "0.0.0.0",
        "::",
        "::127.0.0.1",
        "::ffff:0.0.0.0",
        "::ffff:10.0.0.1",
        "::ffff:0:10.0.0.1",
        "64:ff9b::a00:1",
        "64:ff9b:1::7f00:1",
        "64:ff9b:1:a00:0:100::",
        "2002:a01:1::1",
        "2001:0:4136:e378:8000:63bf:80ff:fffe",
    ] {
        let address: IpAddr = address.parse().unwrap();
        for name in [literal(address), "evil.example:8448".to_owned()] {
            let mut stack = Stack::new(policy.clone(), client(), zone(address), |_| Web::Refused);
            assert!(blocked(&stack.resolve(&name)), "{name}: {address}");
            assert!(stack.dialled.is_empty(), "{name}: {address}");
        }
    }
}

/// A forbidden address among good ones is dropped, whatever the order.
#[test]
fn an_inside_address_among_others_is_dropped() {
    let mixed = |query: &Message, _: Transport| {
        vec![reply(query, |m| match query.queries[0].query_type() {
            RecordType::A => {
                for ip in [Ipv4Addr::LOCALHOST, GOOD, Ipv4Addr::new(10, 0, 0, 1)] {
                    add(m, RData::A(A(ip)));
                }
            }
            RecordType::AAAA => add(m, RData::AAAA(AAAA("fd00:ec2::254".parse().unwrap()))),
            _ => m.metadata.response_code = ResponseCode::NXDomain,
        })]
    };
    let mut stack = Stack::new(policy(), client(), mixed, |_| Web::Refused);
    let outcome = stack.resolve("evil.example");
    let places: Vec<_> = outcome.as_ref().unwrap().socket_addrs().collect();
    assert_eq!(places, [SocketAddr::from((GOOD, 8448))]);
    assert_eq!(stack.dialled, [SocketAddr::from((GOOD, 443))]);
}

/// DNS rebinding: connections go to the address that was checked, not to a later one, and callers get checked addresses
/// instead of a name.
#[test]
fn checked_address_is_the_one_connected_to() {
    let mut asked = 0;
    let rebinding = move |query: &Message, _: Transport| {
        let kind = query.queries[0].query_type();
        vec![reply(query, |m| match kind {
            RecordType::A => {
                asked += 1;
                // Odd lookups return a good address, even ones an internal address.
                let ip = if asked % 2 == 1 { GOOD } else { Ipv4Addr::LOCALHOST };
                add(m, RData::A(A(ip)));
            }
            _ => m.metadata.response_code = ResponseCode::NXDomain,
        })]
    };
    let config = server(&["good.example"]);
    let response =
        "HTTP/1.1 200 OK\r\nCache-Control: no-store\r\n\r\n{\"m.server\":\"good.example:80\"}";
    let site = move |_: &HttpGet| Web::Tls(config.clone(), at_once(response));
    let mut policy = policy();
    policy.addresses.families = discovery_core::Families::V4;
    let mut stack = Stack::new(policy, client(), rebinding, site);
    let mut good = 0;
    for _ in 0..20 {
        match stack.resolve("good.example").as_ref() {
            Ok(resolved) => {
                good += 1;
                let places: Vec<_> = resolved.socket_addrs().collect();
                assert!(places.iter().all(|place| place.ip() == IpAddr::V4(GOOD)), "{places:?}");
            }
            Err(failed) => assert_eq!(failed.kind, ErrorKind::Blocked),
        }
    }
    assert!(good > 0 && !stack.dialled.is_empty());
    assert!(
        stack.dialled.iter().all(|place| place.ip() == IpAddr::V4(GOOD)),
        "{:?}",
        stack.dialled
    );
}

/// The same over sockets: the adapter connects to the checked address, once for each request, whatever the name server
/// answers next.
#[tokio::test]
async fn adapter_connects_to_checked_addresses_only() {
    let name_server = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let server_address = name_server.local_addr().unwrap();
    let serve = async {
        let (mut buffer, mut asked) = ([0; 4096], 0);
        loop {
            let (count, from) = name_server.recv_from(&mut buffer).await.unwrap();
            let query = Message::from_vec(&buffer[..count]).unwrap();
            let bytes = reply(&query, |m| match query.queries[0].query_type() {
                RecordType::A => {
                    asked += 1;
                    add(m, RData::A(A(if asked % 2 == 1 { GOOD } else { Ipv4Addr::LOCALHOST })));
                }
                _ => m.metadata.response_code = ResponseCode::NXDomain,
            });
            name_server.send_to(&bytes, from).await.unwrap();
        }
    };
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let dialled = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&dialled);
    let builder = Discovery::builder(client())
        .policy({
            let mut policy = policy();
            policy.addresses.families = discovery_core::Families::V4;
            policy
        })
        .name_servers([server_address])
        .probe_routes(false)
        .connect_to(move |place, transport| match transport {
            Transport::Tcp => {
                log.lock().unwrap().push(place);
                nobody
            }
            Transport::Udp => place,
        });
    let (discovery, driver) = discovery_tokio::build(builder).unwrap();
    let ask = async {
        for n in 0..20 {
            match discovery.resolve(format!("host{n}.example")).await.as_ref() {
                Ok(resolved) => {
                    assert!(resolved.socket_addrs().all(|place| place.ip() == IpAddr::V4(GOOD)));
                }
                Err(failed) => assert_eq!(failed.kind, ErrorKind::Blocked),
            }
        }
    };
    tokio::select! {
        () = ask => {}
        () = serve => unreachable!("serves for ever"),
        () = discovery_tokio::run(driver) => unreachable!("the handle lives"),
    }
    let dialled = dialled.lock().unwrap();
    assert!(!dialled.is_empty());
    assert!(dialled.iter().all(|place| *place == SocketAddr::from((GOOD, 443))), "{dialled:?}");
}

/// A name of one label is not completed by a search list, and special names do not reach DNS (R104–R106).
#[test]
fn no_name_is_looked_for_in_the_neighbourhood() {
    let loopback = IpAddr::from([127, 0, 0, 1]);
    for name in ["localhost", "localhost:80", "a.localhost", "LOCALHOST.:80"] {
        assert!(blocked(&attacked(name, loopback, NOT_FOUND)), "{name}");
    }
    let mut stack = Stack::new(policy(), client(), zone(loopback), |_| Web::Refused);
    for name in ["metadata", "kubernetes:443", "a.localhost", "x.onion:80", "x.invalid"] {
        assert!(stack.resolve(name).is_err());
    }
    let own = ["metadata", "kubernetes", "_matrix-fed._tcp.metadata", "_matrix._tcp.metadata"];
    for asked in &stack.asked {
        assert!(own.contains(&asked.name.as_str()), "{asked:?}");
    }
}
