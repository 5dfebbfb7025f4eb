//! Tests of the lab over real sockets, by a blocking client.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "tests")]

use std::io::{self, Read, Write};
use std::net::{IpAddr, TcpStream, UdpSocket};
use std::time::Duration;

use discovery_core::{
    Answer, Config, DnsError, DnsReply, Event, HttpError, HttpGet, HttpResponse, Instant,
    RecordType, Request, Resolution, ServerName, Url,
};
use discovery_sim::Scenario;
use discovery_wire::{Exchange, Predictable, READ_BUFFER, Want};

use super::*;

enum Socket {
    Udp(UdpSocket),
    Tcp(TcpStream),
}

/// A whole blocking client of the lab.
fn run(lab: &Lab, mut exchange: Exchange) -> Answer {
    let mut socket: Option<Socket> = None;
    let mut buffer = [0; READ_BUFFER];
    loop {
        let moved = match (exchange.wants(), &mut socket) {
            (Want::Finish, _) => return exchange.into_answer(),
            (Want::Open(transport, address), _) => open(lab, transport, address).map(|opened| {
                socket = Some(opened);
                exchange.opened();
            }),
            (Want::Write(bytes), Some(Socket::Udp(socket))) => {
                socket.send(bytes).map(|count| exchange.wrote(count))
            }
            (Want::Write(bytes), Some(Socket::Tcp(socket))) => {
                socket.write(bytes).map(|count| exchange.wrote(count))
            }
            (Want::Read, Some(Socket::Udp(socket))) => {
                socket.recv(&mut buffer).map(|count| exchange.read(&buffer[..count], None))
            }
            (Want::Read, Some(Socket::Tcp(socket))) => {
                socket.read(&mut buffer).map(|count| exchange.read(&buffer[..count], None))
            }
            (Want::Write(_) | Want::Read, None) => Err(io::ErrorKind::NotConnected.into()),
        };
        if let Err(error) = moved {
            exchange.failed(error.kind());
        }
    }
}

fn open(lab: &Lab, transport: Transport, address: SocketAddr) -> io::Result<Socket> {
    let address = lab.connect_to(address, transport);
    match transport {
        Transport::Udp => {
            let socket = UdpSocket::bind("127.0.0.1:0")?;
            socket.connect(address)?;
            Ok(Socket::Udp(socket))
        }
        Transport::Tcp => TcpStream::connect(address).map(Socket::Tcp),
    }
}

/// The GET that a resolution of that host would put to that address.
fn get(host: &str, address: IpAddr) -> HttpGet {
    let name: ServerName = host.parse().unwrap();
    let mut config = Config::default();
    config.policy.addresses = discovery_core::AddressPolicy::any();
    config.policy.addresses.static_addresses.insert(host.parse().unwrap(), vec![address]);
    let mut machine = Resolution::new(name, &config, Instant::ORIGIN);
    let event = std::iter::from_fn(|| machine.poll()).find_map(|event| match event {
        Event::Request(Request::Http(get)) => Some(get),
        Event::Request(Request::Dns(_)) | Event::Cancel(_) | Event::Finished(..) => None,
    });
    *event.unwrap()
}

fn fetch(lab: &Lab, host: &str, address: &str) -> Result<HttpResponse, HttpError> {
    let get = get(host, address.parse().unwrap());
    match run(lab, Exchange::http(&get, lab.client_config())) {
        Answer::Http(_, answer) => answer,
        Answer::Dns(..) => unreachable!("a GET was asked for"),
    }
}

fn ask(lab: &Lab, name: &str, kind: RecordType) -> Result<DnsReply, DnsError> {
    let request = discovery_core::DnsRequest::new(
        discovery_core::DnsId::from_number(0),
        name.parse().unwrap(),
        kind,
    );
    let exchange = Exchange::dns(&request, lab.dns_servers()[0], &mut Predictable::new(7));
    match run(lab, exchange) {
        Answer::Dns(_, answer) => answer,
        Answer::Http(..) => unreachable!("DNS was asked"),
    }
}

fn world(text: &str) -> World {
    Scenario::parse(text).unwrap().world_at(Duration::ZERO)
}

#[test]
fn a_document_comes_over_tls_from_the_place_of_its_address() {
    let lab = Lab::start(world(
        "https a.example 200 {\"m.server\":\"b.example\"}\ndns a.example A 192.0.2.1\n\
         https c.example 404\ndns c.example A 192.0.2.2\n",
    ))
    .unwrap();
    let response = fetch(&lab, "a.example", "192.0.2.1").unwrap();
    assert_eq!(response.body, b"{\"m.server\":\"b.example\"}");
    assert_eq!(fetch(&lab, "c.example", "192.0.2.2").unwrap().status, 404);
    // A page is at whichever address its host is looked for.
    assert_eq!(fetch(&lab, "a.example", "192.0.2.2").unwrap().status, 200);
    assert_eq!(fetch(&lab, "gone.example", "192.0.2.1"), Err(HttpError::Reset));
    let asked = lab.take_asked();
    let url = |host: &str| {
        Question::Get(Url::parse(&format!("https://{host}/.well-known/matrix/server")).unwrap())
    };
    assert_eq!(asked, [url("a.example"), url("c.example"), url("a.example")]);
    assert!(lab.take_asked().is_empty());
}

#[test]
fn each_place_has_a_port_of_its_own_and_unknown_ones_are_refused() {
    let lab = Lab::start(world(
        "https a.example 200 {}\ndns a.example A 192.0.2.1\ndns a.example AAAA 2001:db8::1\n\
         dns b.example A 192.0.2.2\n",
    ))
    .unwrap();
    let to = |place: &str| lab.connect_to(place.parse().unwrap(), Transport::Tcp);
    let (v4, v6) = (to("192.0.2.1:443"), to("[2001:db8::1]:443"));
    assert_ne!(v4, v6);
    assert_eq!(v4, to("192.0.2.1:443"));
    // IPv6 places stand on IPv4 loopback: it is all that the lab needs.
    assert!(v4.ip() == Ipv4Addr::LOCALHOST && v6.ip() == Ipv4Addr::LOCALHOST);
    assert_eq!(fetch(&lab, "b.example", "192.0.2.2"), Err(HttpError::Refused));
    let refused = TcpStream::connect(to("192.0.2.1:80")).unwrap_err();
    assert_eq!(refused.kind(), io::ErrorKind::ConnectionRefused);
    let server = lab.dns_servers()[0];
    assert_eq!(lab.connect_to(server, Transport::Udp), server);
}

#[test]
fn each_fault_of_a_web_server_shows_over_sockets() {
    for (fault, error) in [
        ("refused", HttpError::Refused),
        ("no-route", HttpError::NoRoute),
        ("local", HttpError::Local),
        ("reset", HttpError::Reset),
        ("garbage", HttpError::Protocol),
        ("bad-cert", HttpError::Certificate),
        ("wrong-name", HttpError::CertificateName),
        ("expired", HttpError::CertificateExpired),
        ("not-yet-valid", HttpError::CertificateNotYetValid),
        ("unknown-algorithm", HttpError::CertificateAlgorithm),
        ("long-chain", HttpError::CertificateChain),
        ("bad-tls", HttpError::Tls),
        ("then=reset 200 {}", HttpError::Reset),
        ("200 \"content-length: 99\" {}", HttpError::Reset),
        ("200 \"content-length: 2\" \"content-length: 3\" {}", HttpError::Protocol),
    ] {
        let text = format!("https a.example {fault}\ndns a.example A 192.0.2.1\n");
        let lab = Lab::start(world(&text)).unwrap();
        assert_eq!(fetch(&lab, "a.example", "192.0.2.1"), Err(error), "{fault}");
        assert_eq!(lab.take_asked().len(), 1, "{fault}");
    }
}

#[test]
fn an_endless_body_is_cut_by_the_client_alone() {
    let lab = Lab::start(world("https a.example 200 repeat=\"\" \"x\" infinite \"\"\n")).unwrap();
    let body = fetch(&lab, "a.example", "192.0.2.1").unwrap().body;
    assert_eq!(body.len(), Config::default().policy.well_known.max_body + 1);
}

#[test]
fn a_certificate_for_an_address_names_the_address() {
    // R27, R125.
    let lab = Lab::start(world("https 192.0.2.9 200 {}\n")).unwrap();
    let mut get = get("a.example", "192.0.2.9".parse().unwrap());
    get.url = "https://192.0.2.9/.well-known/matrix/server".parse().unwrap();
    get.tls_name = discovery_core::TlsName::Ip("192.0.2.9".parse().unwrap());
    let answer = run(&lab, Exchange::http(&get, lab.client_config()));
    assert!(
        matches!(&answer, Answer::Http(_, Ok(response)) if response.status == 200),
        "{answer:?}"
    );
}

#[test]
fn each_fault_of_a_name_server_shows_over_sockets() {
    for (says, error) in [
        ("SERVFAIL", DnsError::ServerFailure),
        ("REFUSED", DnsError::Refused),
        ("NOTIMP", DnsError::NotImplemented),
        ("FORMERR", DnsError::OtherCode),
        ("192.0.2.1 wire=bad-record", DnsError::Malformed),
        ("192.0.2.1 wire=truncated-twice", DnsError::Malformed),
        ("UNREACHABLE", DnsError::Unreachable),
    ] {
        let lab = Lab::start(world(&format!("dns a.example A {says}\n"))).unwrap();
        assert_eq!(ask(&lab, "a.example", RecordType::A), Err(error), "{says}");
    }
}

#[test]
fn a_thousand_records_come_over_tcp() {
    let lab =
        Lab::start(world("dns _x._tcp.a.example SRV 1 2 3 many.example repeat=1000\n")).unwrap();
    let reply = ask(&lab, "_x._tcp.a.example", RecordType::Srv).unwrap();
    assert_eq!(reply.records.len(), 1000);
    // Once by datagram, once by stream.
    assert_eq!(lab.take_asked().len(), 2);
}

#[test]
fn a_new_world_holds_for_whoever_asks_next() {
    let lab = Lab::start(world("dns a.example A 192.0.2.1\n")).unwrap();
    assert_eq!(ask(&lab, "a.example", RecordType::A).unwrap().records.len(), 1);
    lab.set_world(world("dns a.example A NXDOMAIN\nhttps a.example 200 {}\n"));
    assert!(ask(&lab, "a.example", RecordType::A).unwrap().nxdomain);
    assert_eq!(fetch(&lab, "a.example", "192.0.2.1").unwrap().status, 200);
}

#[test]
fn the_front_door_leads_to_whichever_name_is_asked_for() {
    let lab = Lab::start(world(
        "https a.example 200 a\nhttps b.example:8443/b 200 b\ndns a.example A 192.0.2.1\n",
    ))
    .unwrap();
    let mut get = get("a.example", "192.0.2.1".parse().unwrap());
    for (url, name, body) in [
        ("https://a.example/.well-known/matrix/server", "a.example", b"a"),
        ("https://b.example:8443/b", "b.example", b"b"),
    ] {
        get.url = url.parse().unwrap();
        get.address = lab.front_door();
        get.tls_name = discovery_core::TlsName::Dns(name.parse().unwrap());
        match run(&lab, Exchange::http(&get, lab.client_config())) {
            Answer::Http(_, Ok(response)) => assert_eq!(response.body, body),
            other @ (Answer::Http(..) | Answer::Dns(..)) => panic!("{other:?}"),
        }
    }
}

#[test]
fn lost_datagrams_are_lost_until_the_attempt_that_is_not() {
    let lab = Lab::start(world("dns a.example A 192.0.2.1 lost=1\n")).unwrap();
    let request = |id: u64| {
        let request = discovery_core::DnsRequest::new(
            discovery_core::DnsId::from_number(id),
            "a.example".parse().unwrap(),
            RecordType::A,
        );
        Exchange::dns(&request, lab.dns_servers()[0], &mut Predictable::new(id))
    };
    // The first goes out and is not waited for.
    let mut first = request(1);
    let Ok(Socket::Udp(socket)) = open(&lab, Transport::Udp, lab.dns_servers()[0]) else {
        panic!("no socket")
    };
    first.opened();
    let Want::Write(bytes) = first.wants() else { panic!("{first:?}") };
    socket.send(bytes).unwrap();
    assert!(matches!(run(&lab, request(2)), Answer::Dns(_, Ok(_))));
    socket.set_nonblocking(true).unwrap();
    assert_eq!(socket.recv(&mut [0; 512]).unwrap_err().kind(), io::ErrorKind::WouldBlock);
}

#[test]
fn patience_is_divided_and_lifetimes_are_not() {
    let policy = hurried(Policy::default(), 20);
    assert_eq!(policy.well_known.timeout, Duration::from_millis(500));
    assert_eq!(policy.addresses.wait, Some(Duration::from_millis(50)));
    assert_eq!(policy.well_known.default_ttl, Policy::default().well_known.default_ttl);
}
