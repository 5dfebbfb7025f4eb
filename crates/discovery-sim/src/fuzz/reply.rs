//! A small alphabet of names, and of what the world may say to a request: proper replies, failures and malice.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use discovery_core::{
    Answer, DnsError, DnsName, DnsRecord, DnsReply, DnsRequest, HttpError, HttpGet, HttpResponse,
    Question, RecordData, RecordType, Request, ServerName, SrvRecord, UnixTime,
};
use http::header::{CACHE_CONTROL, LOCATION};
use http::{HeaderMap, HeaderValue, StatusCode};

/// Server names that are asked for and delegated to.
pub const NAMES: [&str; 16] = [
    "a.example",
    "b.example",
    "c.example",
    "d.example",
    "a.example:8448",
    "b.example:443",
    "192.0.2.1",
    "[2001:db8::1]:1",
    "A.Example",
    "a.example.",
    "localhost",
    "x.invalid:1",
    "x.onion",
    "a..b",
    "010.0.0.1",
    "127.0.0.1",
];

/// Hosts that aliases, redirects and SRV records lead to.
pub const HOSTS: [&str; 8] =
    ["a.example", "b.example", "c.example", "d.example", "localhost", "x.invalid", "1.2.3.4", "."];

/// A name of the alphabet.
pub fn server_name(byte: u8) -> ServerName {
    let text = NAMES.get(usize::from(byte) % NAMES.len()).copied().unwrap_or("a.example");
    // The alphabet holds only names that obey the grammar.
    #[expect(clippy::expect_used, reason = "constants, each parsed by a test")]
    text.parse().expect("a server name")
}

fn host(byte: u8) -> DnsName {
    let text = HOSTS.get(usize::from(byte) % HOSTS.len()).copied().unwrap_or(".");
    DnsName::parse(text).unwrap_or_else(|_| DnsName::root())
}

/// A world in which every question of the alphabet has one answer: one byte each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Table(pub [u8; Self::SLOTS]);

impl Table {
    /// How many questions differ.
    pub const SLOTS: usize = 64;

    /// What this world says to a request, whichever server or address it goes to.
    pub fn said(&self, request: &Request) -> Answer {
        let byte = crate::run::question(request).map_or(0, |question| self.byte(&question));
        said(request, byte)
    }

    fn byte(&self, question: &Question) -> u8 {
        let index = |name: &str| HOSTS.iter().position(|host| *host == name).unwrap_or(6);
        let slot = match question {
            Question::Dns(name, RecordType::Aaaa) => index(name.as_str()),
            Question::Dns(name, RecordType::A) => 8 | index(name.as_str()),
            Question::Dns(name, RecordType::Srv) => match name.as_str().split_once("._tcp.") {
                Some(("_matrix-fed", host)) => 16 | index(host),
                Some((_, host)) => 24 | index(host),
                None => 24 | index(name.as_str()),
            },
            Question::Get(url) => {
                let hop = url.text().rsplit('/').next().map_or(0, str::len) % 4;
                32 | (hop << 3) | index(&url.host().to_string())
            }
        };
        self.0.get(slot).copied().unwrap_or(0)
    }
}

/// What the world says to a request: the low half of the byte says what, the high half to what it leads.
pub fn said(request: &Request, byte: u8) -> Answer {
    match request {
        Request::Dns(dns) => Answer::Dns(
            dns.id,
            match dns.kind {
                RecordType::A | RecordType::Aaaa => addresses(dns, byte & 15, byte >> 4),
                RecordType::Srv => services(dns, byte & 15, byte >> 4),
            },
        ),
        Request::Http(get) => Answer::Http(get.id, page(get, byte & 15, byte >> 4)),
    }
}

fn reply(owner: &DnsName, data: impl IntoIterator<Item = (RecordData, u32)>) -> DnsReply {
    let record = |(data, ttl)| DnsRecord { owner: owner.clone(), ttl, data };
    DnsReply::with_records(data.into_iter().map(record).collect())
}

fn nothing(nxdomain: bool, negative_ttl: Option<u32>) -> DnsReply {
    DnsReply::not_found(nxdomain, negative_ttl)
}

fn address(kind: RecordType, number: u8) -> RecordData {
    match kind {
        RecordType::Aaaa => {
            let last = u16::from(number);
            RecordData::Aaaa(Ipv6Addr::new(0x2606, 0x4700, 0, 0, 0, 0, 0, last))
        }
        RecordType::A | RecordType::Srv => RecordData::A(Ipv4Addr::new(8, 8, 8, number)),
    }
}

fn loopback(kind: RecordType) -> RecordData {
    match kind {
        RecordType::Aaaa => RecordData::Aaaa(Ipv6Addr::LOCALHOST),
        RecordType::A | RecordType::Srv => RecordData::A(Ipv4Addr::LOCALHOST),
    }
}

fn addresses(dns: &DnsRequest, what: u8, to: u8) -> Result<DnsReply, DnsError> {
    let (name, kind) = (&dns.name, dns.kind);
    let alias = (RecordData::Cname(host(to)), 200);
    Ok(match what {
        0 => reply(name, [(address(kind, to), 300)]),
        1 => reply(name, [(loopback(kind), 300), (address(kind, to), 9), (address(kind, 99), 300)]),
        2 => reply(name, [(loopback(kind), 300)]),
        3 => nothing(true, Some(300)),
        4 => nothing(false, Some(u32::MAX)),
        5 => {
            let mut reply = reply(name, [alias]);
            let data = address(kind, to);
            reply.records.push(DnsRecord { owner: host(to), ttl: 100, data });
            reply
        }
        6 => reply(name, [alias]),
        7 => return Err(DnsError::ServerFailure),
        8 => return Err(DnsError::Timeout),
        9 => return Err(DnsError::Local),
        10 => return Err(DnsError::NoRoute),
        11 => return Err(DnsError::Malformed),
        12 => reply(name, [(RecordData::Cname(name.clone()), 300)]),
        13 => reply(name, [(RecordData::Unusable, 300)]),
        14 => reply(name, (0..=255).map(|number| (address(kind, number), 0))),
        _ => nothing(false, None),
    })
}

fn services(dns: &DnsRequest, what: u8, to: u8) -> Result<DnsReply, DnsError> {
    let name = &dns.name;
    let service = |priority: u8, weight: u8, port, target| {
        let (priority, weight) = (u16::from(priority), u16::from(weight));
        (RecordData::Srv(SrvRecord { priority, weight, port, target }), 300)
    };
    let good = service(1, 10, 443, host(to & 3));
    let root = service(1, 0, 443, DnsName::root());
    Ok(match what {
        0 => nothing(true, Some(300)),
        1 => reply(name, [good]),
        2 => {
            reply(name, [good, service(1, 0, 444, host(to / 4)), service(2, 5, 445, host(to / 2))])
        }
        3 => nothing(false, None),
        4 => reply(name, [root]),
        5 => reply(name, [service(1, 1, 0, host(to))]),
        6 => reply(name, [(RecordData::Cname(host(to)), 60)]),
        7 => return Err(DnsError::ServerFailure),
        8 => return Err(DnsError::Timeout),
        9 => return Err(DnsError::Local),
        10 => reply(name, (0..=255).map(|i| service(i / 16, i, 1 + u16::from(i), host(i)))),
        11 => reply(name, [(RecordData::Unusable, 300)]),
        12 => reply(name, [service(0, 0, 65535, host(6))]),
        13 => reply(name, [root, good]),
        14 => return Err(DnsError::Refused),
        _ => reply(name, [(RecordData::Cname(name.clone()), 300)]),
    })
}

fn page(get: &HttpGet, what: u8, to: u8) -> Result<HttpResponse, HttpError> {
    let text = |to: u8| NAMES.get(usize::from(to)).copied().unwrap_or_default();
    let document = || format!(r#"{{"m.server":"{}"}}"#, text(to)).into_bytes();
    let redirect = |location: String| {
        let mut answer = response(302, Vec::new());
        if let Ok(location) = HeaderValue::try_from(location) {
            answer.headers.insert(LOCATION, location);
        }
        answer
    };
    Ok(match what {
        0 => response(404, Vec::new()),
        1 => response(200, document()),
        2 => redirect(format!("https://{}/{}", host(to & 3), "x".repeat(usize::from(to)))),
        3 => redirect(get.url.to_string()),
        4 => redirect("/x".to_owned()),
        5..=8 => return Err(failure(get.address.ip(), what)),
        9 => response(200, b"<html>".to_vec()),
        10 => response(503, Vec::new()),
        11 => response(200, vec![b' '; get.max_body.saturating_add(1)]),
        12 => redirect("http://a.example/".to_owned()),
        13 => response(410, Vec::new()),
        14 => {
            let mut answer = response(200, document());
            answer.headers.insert(CACHE_CONTROL, HeaderValue::from_static("max-age=0, no-store"));
            answer
        }
        // Every hop leads to another place.
        _ => redirect(format!("{}x", get.url)),
    })
}

/// Addresses of one host fail in different ways.
fn failure(address: IpAddr, what: u8) -> HttpError {
    let last = match address {
        IpAddr::V4(ip) => ip.octets()[3],
        IpAddr::V6(ip) => ip.octets()[15] ^ 1,
    };
    match (last ^ what) % 5 {
        0 => HttpError::Refused,
        1 => HttpError::CertificateName,
        2 => HttpError::NoRoute,
        3 => HttpError::Local,
        _ => HttpError::Reset,
    }
}

fn response(status: u16, body: Vec<u8>) -> HttpResponse {
    let status = StatusCode::from_u16(status).unwrap_or_default();
    let received = Some(UnixTime(1_600_000_000));
    let mut response = HttpResponse::new(status, HeaderMap::new(), body);
    response.received = received;
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_alphabet_obeys_the_grammar() {
        assert!((0..=255).all(|byte| NAMES.contains(&server_name(byte).as_str())));
        assert!((0..7).all(|byte| !host(byte).is_root()));
        assert!(host(7).is_root());
    }
}
