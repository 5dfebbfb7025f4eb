//! Machines among strangers: a list of moves, true and false answers among them, and whether the invariants hold.
//!
//! Knows nothing of what is right; any list of moves is legal (I1).

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use discovery_core::{
    Answer, DnsError, DnsId, DnsName, DnsRecord, DnsReply, DnsRequest, Feedback, HttpError,
    HttpGet, HttpId, HttpResponse, Instant, Noticed, Outcome, RecordData, Request, Routes,
    ServerName, SrvRecord, Ticket, UnixTime,
};
use http::header::{AGE, CACHE_CONTROL, CONTENT_ENCODING, DATE, EXPIRES, LOCATION};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};

use crate::draw::Draw;
use crate::fuzz::{Adversary, Trace, nth};
use crate::run::{Bounds, Input, Machine, answer};
use crate::world::World;

/// One move in a game against a machine. Indices count around what is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Move {
    /// An open request gets what the world says, if the world says anything.
    Answer(u8),
    /// An open request gets something absurd, drawn from this seed.
    Bogus(u8, u64),
    /// A request of long ago gets something absurd once more.
    Late(u8, u64),
    /// A request that never was gets an answer.
    Unknown(u64),
    /// TLS is up for an open GET.
    Connected(u8),
    /// So many milliseconds pass without the machine being told.
    Wait(u32),
    /// The machine is called with the current time.
    Tell,
    /// Time goes on to the next deadline.
    Timeout,
    /// The machine is told a time that is past.
    Back(u32),
    /// A ticket is abandoned.
    Abandon(u8),
    /// A name is resolved.
    Resolve(u8),
    /// The routes change.
    Routes(bool, bool),
    /// The number of name servers changes.
    NameServers(u8),
    /// Reports a random result about a random endpoint, one that a name led to or another one.
    Report(u8, u64),
}

/// Plays a list of moves, then lets time pass until nothing is left to happen; no request is answered any more.
///
/// The first name is asked for at the beginning.
pub fn play<M: Machine>(
    machine: M,
    bounds: Bounds,
    world: &World,
    names: &[ServerName],
    moves: &[Move],
) -> Trace {
    let mut machine = Adversary::within(machine, bounds);
    for next in [&Move::Resolve(0)].into_iter().chain(moves) {
        if let Some(input) = input(&mut machine, *next, world, names) {
            machine.input(input);
        }
    }
    machine.finish()
}

/// The input that a move means; None: it means none here, or only that time passes.
fn input<M: Machine>(
    machine: &mut Adversary<M>,
    next: Move,
    world: &World,
    names: &[ServerName],
) -> Option<Input> {
    let now = machine.now();
    let (ended, tickets, places) = machine.past();
    let open = |index| machine.nth_open(index);
    match next {
        Move::Answer(index) => {
            let told = answer(world, open(index)?, Some(UnixTime(now.as_nanos() >> 30)));
            told.answer.map(|answer| Input::Answer(answer, now))
        }
        Move::Bogus(index, seed) => Some(Input::Answer(bogus_answer(open(index)?, seed), now)),
        Move::Late(index, seed) => Some(Input::Answer(bogus_answer(nth(ended, index)?, seed), now)),
        Move::Unknown(number) => {
            let number = number | 1 << 63;
            let answer = if number & 1 == 0 {
                Answer::Dns(DnsId::from_number(number), Err(DnsError::Timeout))
            } else {
                Answer::Http(HttpId::from_number(number), Err(HttpError::Timeout))
            };
            Some(Input::Answer(answer, now))
        }
        Move::Connected(index) => match open(index)? {
            Request::Http(get) => Some(Input::Connected(get.id, now)),
            Request::Dns(_) => None,
        },
        Move::Wait(millis) => {
            machine.pass(Duration::from_millis(millis.into()));
            None
        }
        Move::Tell => Some(Input::Timeout(now)),
        Move::Timeout => {
            machine.pass_deadline();
            None
        }
        Move::Back(millis) => {
            let back = Duration::from_millis(millis.into()).as_nanos();
            let back = u64::try_from(back).unwrap_or(u64::MAX);
            Some(Input::Timeout(Instant::from_nanos(now.as_nanos().saturating_sub(back))))
        }
        Move::Abandon(index) => {
            let ticket = nth(tickets, index).copied();
            Some(Input::Abandon(ticket.unwrap_or(Ticket::from_number(1 << 60)), now))
        }
        Move::Resolve(index) => nth(names, index).map(|name| Input::Resolve(name.clone(), now)),
        Move::Routes(v4, v6) => Some(Input::Routes(Routes { v4, v6 }, now)),
        Move::NameServers(count) => Some(Input::NameServers(count, now)),
        Move::Report(index, seed) => {
            nth(places, index).map(|(name, place)| report(name, *place, seed, now))
        }
    }
}

/// The endpoints of an outcome.
pub(crate) fn places(outcome: &Outcome) -> Vec<(ServerName, SocketAddr)> {
    let Ok(resolved) = outcome else { return Vec::new() };
    resolved.socket_addrs().map(|place| (resolved.server_name.clone(), place)).collect()
}

/// Something that a caller may tell of a place; or of one that nobody was sent to.
pub(crate) fn report(name: &ServerName, mut place: SocketAddr, seed: u64, now: Instant) -> Input {
    const ALL: [Feedback; 5] = [
        Feedback::Connected,
        Feedback::ConnectFailed,
        Feedback::TlsFailed,
        Feedback::Misdirected,
        Feedback::NotMatrix,
    ];
    let mut draw = Draw::new(seed);
    if draw.below(8) == 0 {
        place.set_port(place.port().wrapping_add(1));
    }
    Input::Report(name.clone(), place, *draw.one_of(&ALL), now)
}

/// A bogus answer: an error, or a reply that no server should send.
pub fn bogus_answer(request: &Request, seed: u64) -> Answer {
    let mut draw = Draw::new(seed);
    match request {
        Request::Dns(dns) => Answer::Dns(dns.id, bogus_dns(dns, &mut draw)),
        Request::Http(get) => Answer::Http(get.id, bogus_http(get, &mut draw)),
    }
}

fn bogus_dns(dns: &DnsRequest, draw: &mut Draw) -> Result<DnsReply, DnsError> {
    const SERVER: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 53);
    const ERRORS: [DnsError; 11] = [
        DnsError::Local,
        DnsError::NoRoute,
        DnsError::NotListening(SERVER),
        DnsError::Rejected(SERVER),
        DnsError::Timeout,
        DnsError::Unreachable,
        DnsError::Malformed,
        DnsError::OtherCode,
        DnsError::NotImplemented,
        DnsError::Refused,
        DnsError::ServerFailure,
    ];
    if draw.below(4) == 0 {
        return Err(*draw.one_of(&ERRORS));
    }
    let mut owner = dns.name.clone();
    let count = *draw.one_of(&[0, 1, 2, 5, 40, 300]);
    let mut records = Vec::new();
    for _ in 0..count {
        let data = bogus_record(&owner, draw);
        records.push(DnsRecord { owner: owner.clone(), ttl: bogus_ttl(draw), data: data.clone() });
        owner = match (data, draw.below(4)) {
            // Mostly a chain of aliases, now and then a record of somebody else.
            (RecordData::Cname(next), 1..) => next,
            (_, 0) => bogus_name(&owner, draw),
            _ => owner,
        };
    }
    let negative_ttl = (draw.below(2) == 0).then(|| bogus_ttl(draw));
    let mut reply = DnsReply::with_records(records);
    reply.nxdomain = draw.below(3) == 0;
    reply.negative_ttl = negative_ttl;
    reply.noticed = Noticed { rejects_edns: draw.below(8) == 0, folds_letters: draw.below(8) == 0 };
    Ok(reply)
}

fn bogus_record(owner: &DnsName, draw: &mut Draw) -> RecordData {
    let number = draw.next();
    match draw.below(6) {
        0 => RecordData::A(u32::try_from(number >> 32).unwrap_or_default().into()),
        1 => RecordData::Aaaa((u128::from(number) << 64 | u128::from(draw.next())).into()),
        2 => RecordData::Cname(bogus_name(owner, draw)),
        3 => RecordData::Unusable,
        _ => {
            let [a, b, c, d, e, f, ..] = number.to_be_bytes();
            let pair = |high, low| u16::from_be_bytes([high & 1, low]);
            let (priority, weight, port) = (pair(a, b), pair(c, d), pair(e, f));
            RecordData::Srv(SrvRecord { priority, weight, port, target: bogus_name(owner, draw) })
        }
    }
}

fn bogus_name(near: &DnsName, draw: &mut Draw) -> DnsName {
    let long = vec!["a".repeat(63); 3].join(".");
    let text = match draw.below(9) {
        0 => near.to_string(),
        1 => ".".to_owned(),
        2 => "localhost".to_owned(),
        3 => "1.2.3.4".to_owned(),
        4 => "hidden.onion".to_owned(),
        5 => long,
        6 => "a.example".to_owned(),
        7 => format!("x{}.{near}", draw.below(3)),
        _ => format!("n{}.example", draw.next()),
    };
    DnsName::parse(&text).unwrap_or_else(|_| DnsName::root())
}

fn bogus_ttl(draw: &mut Draw) -> u32 {
    *draw.one_of(&[0, 1, 300, 86_400, 604_800, 1 << 31, u32::MAX])
}

fn bogus_http(get: &HttpGet, draw: &mut Draw) -> Result<HttpResponse, HttpError> {
    const ERRORS: [HttpError; 15] = [
        HttpError::Local,
        HttpError::NoRoute,
        HttpError::Timeout,
        HttpError::Refused,
        HttpError::Rejected,
        HttpError::Reset,
        HttpError::Tls,
        HttpError::CertificateName,
        HttpError::CertificateExpired,
        HttpError::CertificateNotYetValid,
        HttpError::CertificateAlgorithm,
        HttpError::CertificateChain,
        HttpError::Certificate,
        HttpError::Protocol,
        HttpError::WrongClock,
    ];
    if draw.below(4) == 0 {
        return Err(*draw.one_of(&ERRORS));
    }
    let codes = [100, 199, 200, 200, 200, 204, 301, 302, 304, 307, 404, 410, 429, 500, 999];
    let status = StatusCode::from_u16(*draw.one_of(&codes)).unwrap_or_default();
    let mut headers = HeaderMap::new();
    for _ in 0..draw.below(4) {
        let (name, values): &(HeaderName, Values) = draw.one_of(&HEADERS);
        headers.append(name, HeaderValue::from_static(draw.one_of::<&str>(values)));
    }
    let body = match draw.below(12) {
        0 => Vec::new(),
        1 => vec![b'['; get.max_body.saturating_add(1)],
        2 => vec![0xff; 10],
        3 => b"{\"m.server\":\"a.example\",\"m.server\":\"b.example\"}".to_vec(),
        4 => b"\xef\xbb\xbf{\"m.server\":\"a.example\"}".to_vec(),
        5 => [b"{\"m.server\":\"".to_vec(), vec![b'a'; 255], b":1\"}".to_vec()].concat(),
        6 => b"{\"m.server\":\"127.0.0.1:0\"}".to_vec(),
        7 => b"{\"m.server\":\"[::1]:65535\"}".to_vec(),
        8 => b"{\"m.server\":\"localhost\"}".to_vec(),
        9 => b"{\"m.server\":\"a..b\"}".to_vec(),
        10 => format!("{{\"m.server\":\"n{}.example\"}}", draw.below(3)).into_bytes(),
        _ => format!("{{\"m.server\":\"n{}.example:443\"}}", draw.next()).into_bytes(),
    };
    let received = (draw.below(3) > 0).then(|| UnixTime(draw.next() >> draw.below(64)));
    let mut response = HttpResponse::new(status, headers, body);
    response.received = received;
    Ok(response)
}

type Values = &'static [&'static str];

const HEADERS: [(HeaderName, Values); 6] = [
    (
        LOCATION,
        &[
            "https://a.example/",
            "/",
            "//b.example",
            "http://a.example/",
            "https://127.0.0.1/",
            "https://[::1]:1/",
            "?x",
            "https://user@a.example/",
            "a b",
        ],
    ),
    (
        CACHE_CONTROL,
        &[
            "max-age=0",
            "max-age=99999999999999999999",
            "max-age=-1",
            "no-store",
            "no-cache",
            "max-age=1, max-age=2",
            "s-maxage=5",
            "must-revalidate",
            "=,;\"",
        ],
    ),
    (EXPIRES, &["0", "Thu, 01 Jan 1970 00:00:00 GMT", "Fri, 31 Dec 9999 23:59:59 GMT", "soon"]),
    (DATE, &["Thu, 01 Jan 1970 00:00:00 GMT", "Fri, 31 Dec 9999 23:59:59 GMT", "never"]),
    (AGE, &["0", "18446744073709551615", "-1", "x"]),
    (CONTENT_ENCODING, &["gzip", "identity", ""]),
];
