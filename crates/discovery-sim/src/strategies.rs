//! Strategies for property tests: server names, worlds, scenarios, and moves against a machine.
//!
//! Knows nothing of what a property is. Everything shrinks towards what is plain.

use std::time::Duration;

use discovery_core::{DnsName, RecordData, RecordType, Revision, ServerName, Speculation, Url};
use http::{HeaderName, HeaderValue, StatusCode};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use crate::play::Move;
use crate::scenario::{DnsLine, HttpsLine, Line, RouteSet, Scenario};
use crate::web::{Body, End, Page, RawPiece, Served};
use crate::world::{
    ConnectFault, DEFAULT_TTL, Destination, DnsOutcome, NoEdns, ServerFault, WireFault, ZoneEntry,
    ZoneType, service,
};

/// The hosts of generated worlds: few, so that what one line says meets what another asks.
const HOSTS: [&str; 7] = [
    "a.example",
    "b.example",
    "c.example",
    "n1.b.example",
    "localhost",
    "hidden.onion",
    "gone.invalid",
];

/// A text that obeys the grammar of server names.
pub fn server_name() -> impl Strategy<Value = ServerName> {
    server_name_text().prop_filter_map("not a server name", |text| text.parse().ok())
}

/// A text that is a server name, or nearly one, or anything.
pub fn server_name_text() -> impl Strategy<Value = String> {
    let host = prop_oneof![
        4 => select(&HOSTS[..]).prop_map(str::to_owned),
        2 => "[a-zA-Z0-9-]{1,12}(\\.[a-zA-Z0-9-]{1,12}){0,3}\\.?",
        1 => any::<std::net::Ipv4Addr>().prop_map(|ip| ip.to_string()),
        1 => any::<std::net::Ipv6Addr>().prop_map(|ip| format!("[{ip}]")),
        1 => "[a-z0-9.-]{0,300}",
        1 => "(0x)?[0-9]{1,4}(\\.[0-9]{1,4}){0,4}",
        1 => "\\[[0-9a-f:.%]{0,20}\\]",
    ];
    let port = prop_oneof![
        4 => Just(String::new()),
        2 => (1_u16..).prop_map(|port| format!(":{port}")),
        1 => ":[0-9+-]{0,6}",
    ];
    prop_oneof![8 => (host, port).prop_map(|(host, port)| host + &port), 1 => any::<String>()]
}

/// A host of a generated world.
pub fn host() -> impl Strategy<Value = DnsName> {
    select(&HOSTS[..]).prop_filter_map("a host", |text| DnsName::host(text).ok())
}

/// A name that a generated world may know something of.
pub fn known_name() -> impl Strategy<Value = ServerName> {
    let port = prop_oneof![4 => Just(""), 1 => Just(":8448"), 1 => Just(":443")];
    let host = prop_oneof![
        6 => select(&HOSTS[..3]),
        2 => select(&HOSTS[..]),
        1 => select(&["192.0.2.1", "[2001:db8::1]", "A.example", "a.example."][..]),
    ];
    (host, port).prop_filter_map("a name", |(host, port)| format!("{host}{port}").parse().ok())
}

/// A `dns` line.
pub fn dns_line() -> impl Strategy<Value = DnsLine> {
    let addresses =
        (host(), any::<bool>(), 1_u8..5, 0..8_usize).prop_map(|(name, v4, last, outcome)| {
            let data = match v4 {
                true => RecordData::A([192, 0, 2, last].into()),
                false => RecordData::Aaaa(std::net::Ipv6Addr::new(
                    0x2001,
                    0xdb8,
                    0,
                    0,
                    0,
                    0,
                    0,
                    last.into(),
                )),
            };
            let kind = if v4 { ZoneType::A } else { ZoneType::Aaaa };
            line(name, kind, said(data, outcome))
        });
    let services = (
        host(),
        any::<bool>(),
        (0..3_u16, 0..3_u16, select(&[443_u16, 8448, 0][..])),
        prop_oneof![6 => host(), 1 => Just(DnsName::root())],
        0..8_usize,
        prop_oneof![9 => Just(None), 1 => (1..20_u32).prop_map(Some)],
    )
        .prop_filter_map("an owner", |(name, fed, numbers, target, outcome, repeat)| {
            let owner = name.service(if fed { "_matrix-fed" } else { "_matrix" })?;
            let (priority, weight, port) = numbers;
            let outcome = said(service(priority, weight, port, target), outcome);
            let repeat = repeat.filter(|_| matches!(outcome, DnsOutcome::Records(_)));
            Some(DnsLine { repeat, ..line(owner, ZoneType::Srv, outcome) })
        });
    let aliases = (host(), host(), any::<bool>()).prop_map(|(name, alias, cut)| {
        let mut line = line(name, ZoneType::Cname, said(RecordData::Cname(alias), 0));
        line.entry.cut = cut;
        line
    });
    let plain = prop_oneof![5 => addresses, 4 => services, 1 => aliases];
    (plain, options()).prop_map(|(mut line, (ttl, soa, lost, wire))| {
        if let DnsOutcome::Records(records) = &mut line.entry.outcome {
            records.iter_mut().for_each(|record| record.1 = ttl);
        }
        (line.entry.soa, line.entry.lost, line.entry.wire) = (soa, lost, wire);
        line
    })
}

type DnsOptions = (u32, Option<u32>, u8, Option<WireFault>);

fn options() -> impl Strategy<Value = DnsOptions> {
    let wire = select(
        &[
            WireFault::WrongId,
            WireFault::WrongQuestion,
            WireFault::BadRecord,
            WireFault::Truncated,
            WireFault::TruncatedTwice,
            WireFault::ExtraCount,
            WireFault::BadAuthority,
            WireFault::BadAdditional,
            WireFault::OptOwner,
            WireFault::Oversize,
        ][..],
    );
    (
        prop_oneof![3 => Just(DEFAULT_TTL), 1 => Just(0), 1 => any::<u32>()],
        prop_oneof![4 => Just(Some(300)), 1 => Just(None), 1 => any::<u32>().prop_map(Some)],
        prop_oneof![9 => Just(0_u8), 1 => 1..5_u8],
        prop_oneof![19 => Just(None), 1 => wire.prop_map(Some)],
    )
}

fn said(data: RecordData, outcome: usize) -> DnsOutcome {
    match outcome {
        5 => DnsOutcome::NoData,
        6 => DnsOutcome::Error(discovery_core::DnsError::ServerFailure),
        7 => DnsOutcome::Silence,
        _ => DnsOutcome::Records(vec![(data, DEFAULT_TTL)]),
    }
}

fn line(name: DnsName, kind: ZoneType, outcome: DnsOutcome) -> DnsLine {
    DnsLine { name, kind, entry: ZoneEntry::outcome(outcome), repeat: None }
}

/// What a web server does with a request.
pub fn page() -> impl Strategy<Value = Page> {
    let fault = select(
        &[
            ConnectFault::Refused,
            ConnectFault::Timeout,
            ConnectFault::Reset,
            ConnectFault::Stall,
            ConnectFault::Garbage,
            ConnectFault::BadCert,
            ConnectFault::NoRoute,
            ConnectFault::Rejected,
            ConnectFault::Local,
        ][..],
    );
    let delegated = prop_oneof![
        6 => known_name().prop_map(|name| format!("{{\"m.server\":\"{name}\"}}")),
        1 => Just("{}".to_owned()),
        1 => server_name_text().prop_map(|text| {
            format!("{{\"m.server\":{}}}", serde_json::Value::from(text))
        }),
        1 => any::<String>(),
    ];
    let end = prop_oneof![9 => Just(End::Proper), 1 => Just(End::Stall), 1 => Just(End::Reset)];
    let body = prop_oneof![
        9 => delegated.prop_map(|text| Body::Bytes(text.into_bytes())),
        1 => vec(any::<u8>(), 0..20).prop_map(Body::Bytes),
        1 => (".{0,3}", ".{0,3}", proptest::option::of(0..99_u64), ".{0,3}").prop_map(
            |(prefix, unit, count, suffix)| Body::Repeat { prefix, unit, count, suffix }
        ),
    ];
    let document = (body, headers(), end).prop_map(|(body, headers, end)| Served::Response {
        status: StatusCode::OK,
        headers,
        body,
        end,
    });
    let status =
        select(&[404_u16, 410, 500, 503, 204][..]).prop_map(|code| empty(code, Vec::new()));
    let redirect = (host(), select(&[301_u16, 302, 307, 308, 300][..]), 0..3_u8).prop_map(
        |(host, code, path)| {
            let path =
                if path == 0 { ".well-known/matrix/server".into() } else { path.to_string() };
            let value = HeaderValue::try_from(format!("https://{host}/{path}"));
            empty(code, value.map(|value| (http::header::LOCATION, value)).into_iter().collect())
        },
    );
    let served = prop_oneof![
        6 => document,
        2 => status,
        2 => redirect,
        1 => raw(),
        2 => fault.prop_map(Served::Fault),
    ];
    served.prop_map(|answer| Page { connect: Duration::ZERO, after: Duration::ZERO, answer })
}

/// A response as bytes, with and without what only bytes can show.
fn raw() -> impl Strategy<Value = Served> {
    let head = select(
        &[
            "HTTP/1.1 200 OK\r\n\r\n",
            "HTTP/1.2 200 OK\r\n\r\n",
            "HTTP/1.1 200 OK\r\nX: a\r\n b\r\n\r\n",
            "HTTP/1.1 200 OK\nCache-Control: max-age=600,\n\tno-store\n\n",
            "HTTP/1.1 200 OK\r\nContent-Length:\r\n 3\r\n\r\n",
            "HTTP/1.1 200 OK\r\n X: a\r\n\r\n",
            "HTTP/1.1 404 Not Found\r\nX: \u{e9}\r\n\r\n",
            "HTTP/1.1 302 Found\r\nLocation: /a b\r\n\r\n",
        ][..],
    );
    let interim = (select(&["HTTP/1.1 103 Hints\r\n\r\n", "\r\n"][..]), 0..9_u64);
    let end = select(&[End::Proper, End::Stall, End::Reset][..]);
    (interim, head, known_name(), end).prop_map(|((interim, count), head, name, end)| {
        let body = format!("{{\"m.server\":\"{name}\"}}");
        let piece = |text: &str, count| RawPiece { bytes: text.into(), count: Some(count) };
        Served::Raw { pieces: vec![piece(interim, count), piece(head, 1), piece(&body, 1)], end }
    })
}

fn empty(code: u16, headers: Vec<(HeaderName, HeaderValue)>) -> Served {
    Served::Response {
        status: StatusCode::from_u16(code).unwrap_or_default(),
        headers,
        body: Body::Bytes(Vec::new()),
        end: End::Proper,
    }
}

fn headers() -> impl Strategy<Value = Vec<(HeaderName, HeaderValue)>> {
    let header = select(
        &[
            ("cache-control", "max-age=600"),
            ("cache-control", "no-store"),
            ("cache-control", "max-age=600, must-revalidate"),
            ("expires", "0"),
            ("age", "60"),
            ("age", "60, 3600"),
            ("cache-control", "x=\"never closed, max-age=600"),
            ("vary", "*"),
            ("content-length", "3"),
            ("content-encoding", "gzip"),
            ("content-encoding", ""),
            ("transfer-encoding", "chunked,"),
            ("content-type", "text/html"),
            ("transfer-encoding", "chunked"),
        ][..],
    )
    .prop_map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)));
    prop_oneof![2 => Just(Vec::new()), 1 => vec(header, 0..3)]
}

/// An `https` line.
pub fn https_line() -> impl Strategy<Value = HttpsLine> {
    let place = prop_oneof![
        8 => host().prop_map(|host| Url::well_known(&host)),
        1 => (host(), 1..3_u8).prop_filter_map("a URL", |(host, path)| {
            Url::parse(&format!("https://{host}/{path}")).ok()
        }),
    ];
    (place, page()).prop_map(|(url, page)| HttpsLine { url, address: None, page })
}

/// A line that changes the world.
pub fn world_line() -> impl Strategy<Value = Line> {
    let places = [Destination::V4, Destination::V6, Destination::All];
    let faults = [
        ConnectFault::Refused,
        ConnectFault::Timeout,
        ConnectFault::NoRoute,
        ConnectFault::Rejected,
    ];
    let tcp = (select(places.to_vec()), proptest::option::of(select(faults.to_vec())));
    let replies = [
        None,
        Some(DnsOutcome::Silence),
        Some(DnsOutcome::Error(discovery_core::DnsError::Refused)),
        Some(DnsOutcome::Error(discovery_core::DnsError::Unreachable)),
    ];
    let edns = [
        NoEdns::Silent,
        NoEdns::Cut,
        NoEdns::FormErr,
        NoEdns::NotImp,
        NoEdns::ServFail,
        NoEdns::BadVers,
    ];
    let edns = proptest::option::weighted(0.2, select(edns.to_vec()));
    let only = [RecordType::A, RecordType::Aaaa, RecordType::Srv];
    let only = proptest::option::weighted(0.2, select(only.to_vec()));
    let rare = || proptest::bool::weighted(0.1);
    let server = (0..2_u8, select(replies.to_vec()), edns, (rare(), rare(), rare()), only)
        .prop_map(|(index, outcome, edns, (folds, udp_silent, bare), only)| {
            let after = Duration::ZERO;
            (index, ServerFault { outcome, after, edns, folds, udp_silent, bare, only })
        });
    let routes = [RouteSet::Both, RouteSet::V4, RouteSet::V6, RouteSet::Neither];
    prop_oneof![
        12 => dns_line().prop_map(|line| Line::Dns(Box::new(line))),
        6 => https_line().prop_map(|line| Line::Https(Box::new(line))),
        1 => tcp.prop_map(|(place, fault)| Line::Tcp(place, fault)),
        1 => server.prop_map(|(index, fault)| Line::Server(index, fault)),
        1 => select(routes.to_vec()).prop_map(Line::Routes),
    ]
}

/// A setting of the policy.
pub fn setting() -> impl Strategy<Value = Line> {
    let set = select(
        &[
            ("spec.invalid_document", "abort"),
            ("spec.well_known_dns_failure", "go-on"),
            ("spec.srv_failure", "go-on"),
            ("spec.gone", "dead"),
            ("addresses.families", "v4"),
            ("addresses.families", "v6"),
            ("well_known.max_redirects", "1"),
            ("spec.max_srv_targets", "2"),
            ("dns.attempts", "1"),
            ("addresses.deny", "192.0.2.1,2001:db8::/64"),
            ("addresses.static_addresses.b.example", "192.0.2.9"),
        ][..],
    );
    prop_oneof![
        3 => set.prop_map(|(field, value)| Line::Set { field: field.into(), value: value.into() }),
        1 => select(Revision::ALL.to_vec()).prop_map(Line::Revision),
        1 => any::<u64>().prop_map(Line::Seed),
        1 => (1..3_u8).prop_map(Line::Servers),
    ]
}

/// A scenario with one name and no expectations.
pub fn scenario() -> impl Strategy<Value = Scenario> {
    (vec(setting(), 0..3), vec(world_line(), 0..12), known_name()).prop_map(
        |(mut lines, world, name)| {
            lines.extend(world);
            lines.push(Line::Resolve { name: name.to_string(), abandon: None });
            Scenario { lines, expect: Vec::new() }
        },
    )
}

/// A mode of speculation.
pub fn speculation() -> impl Strategy<Value = Speculation> {
    use Speculation::{Addresses, Full, Off, Remembered};
    select(&[Off, Addresses, Full, Remembered][..])
}

/// Moves against a machine, true answers and bogus ones among them.
pub fn moves() -> impl Strategy<Value = Vec<Move>> {
    let one = prop_oneof![
        8 => any::<u8>().prop_map(Move::Answer),
        4 => any::<(u8, u64)>().prop_map(|(index, seed)| Move::Bogus(index, seed)),
        1 => any::<(u8, u64)>().prop_map(|(index, seed)| Move::Late(index, seed)),
        1 => any::<u64>().prop_map(Move::Unknown),
        1 => any::<u8>().prop_map(Move::Connected),
        2 => (0..3_000_u32).prop_map(Move::Wait),
        1 => any::<u32>().prop_map(Move::Wait),
        1 => Just(Move::Tell),
        3 => Just(Move::Timeout),
        1 => any::<u32>().prop_map(Move::Back),
        1 => any::<u8>().prop_map(Move::Abandon),
        2 => any::<u8>().prop_map(Move::Resolve),
        1 => any::<(bool, bool)>().prop_map(|(v4, v6)| Move::Routes(v4, v6)),
        1 => (0..4_u8).prop_map(Move::NameServers),
        2 => any::<(u8, u64)>().prop_map(|(index, seed)| Move::Report(index, seed)),
    ];
    vec(one, 0..60)
}

#[cfg(test)]
mod tests;
