//! A scripted world: what name servers, web servers and destinations say to whoever asks.
//!
//! Knows nothing of who asks, in which order, nor when: it is what holds at one moment. Later moments are other worlds
//! (see [`crate::Scenario::world_at`]).

mod servers;

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use discovery_core::{
    DnsError, DnsName, DnsRecord, DnsReply, DnsRequest, DnsTransport, EARLIEST_CLOCK, HttpError,
    HttpResponse, Noticed, RecordData, RecordType, SrvRecord, TlsName, UnixTime, Url,
};

use crate::web::{Page, Reading};

pub use servers::{NoEdns, ServerFault};

/// Aliases that one reply follows at most: more than any resolver would.
const MAX_CHAIN: usize = 64;
/// TTL of a record where nothing else is said, in seconds.
pub const DEFAULT_TTL: u32 = 300;
/// Lifetime of a negative answer where nothing else is said, in seconds.
pub const DEFAULT_SOA: u32 = 300;
/// From when on good certificates are valid: 1975-01-01T00:00:00Z, as those of the lab are.
const VALID_FROM: UnixTime = UnixTime(157_766_400);

/// A type of record that a zone holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ZoneType {
    /// IPv4 addresses.
    A,
    /// IPv6 addresses.
    Aaaa,
    /// Services.
    Srv,
    /// An alias, for every type that has no entry of its own.
    Cname,
}

impl From<RecordType> for ZoneType {
    fn from(kind: RecordType) -> Self {
        match kind {
            RecordType::A => Self::A,
            RecordType::Aaaa => Self::Aaaa,
            RecordType::Srv => Self::Srv,
        }
    }
}

/// What a zone says to one name and type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ZoneEntry {
    /// The reply's substance.
    pub outcome: DnsOutcome,
    /// How long the reply takes.
    pub after: Duration,
    /// Of each question, so many first attempts are lost.
    pub lost: u8,
    /// Lifetime of a negative answer by its SOA record; None: the reply carries none.
    pub soa: Option<u32>,
    /// Something wrong with the message that carries the reply.
    pub wire: Option<WireFault>,
    /// For an alias: the reply stops here, what the alias stands for has to be asked.
    pub cut: bool,
}

/// The substance of a reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DnsOutcome {
    /// Records, with their TTLs.
    Records(Vec<(RecordData, u32)>),
    /// The name does not exist (for this type: other types of the name speak for themselves).
    NxDomain,
    /// The name exists without records of this type.
    NoData,
    /// Never a reply.
    Silence,
    /// An error of the name server, or of our own side.
    Error(DnsError),
}

/// What can be wrong with the message that carries a reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum WireFault {
    /// It carries another id than the question: to the machine, silence.
    WrongId,
    /// It answers another question: to the machine, silence.
    WrongQuestion,
    /// One of its records can't be read: to the machine, a malformed reply.
    BadRecord,
    /// It is truncated over UDP and whole over TCP: to the machine, the reply.
    Truncated,
    /// It is truncated over TCP too: to the machine, a malformed reply.
    TruncatedTwice,
    /// It counts one more additional record than it holds: to the machine, the reply.
    ExtraCount,
    /// A record of its authority section can't be read: to the machine, the reply.
    BadAuthority,
    /// A record of its additional section can't be read: to the machine, the reply.
    BadAdditional,
    /// Its OPT record has an owner name other than the root: to the machine, the reply.
    OptOwner,
    /// Over UDP it is longer than a driver's read buffer, without the truncation bit; over TCP it is whole: to the machine, the reply.
    Oversize,
}

/// How connecting to a web server fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ConnectFault {
    /// The connection is refused.
    Refused,
    /// Nothing comes back.
    Timeout,
    /// TLS is up, then the connection breaks.
    Reset,
    /// TLS is up, then nothing more comes.
    Stall,
    /// What comes back is not HTTP.
    Garbage,
    /// The certificate is from nobody known.
    BadCert,
    /// The certificate is for another name.
    WrongName,
    /// The certificate has expired.
    Expired,
    /// The validity period of the certificate has not begun yet.
    NotYetValid,
    /// The certificate is signed with an algorithm that the client does not support (ECDSA P-256 with SHA-512).
    Algorithm,
    /// The certificate chain is longer than a client is willing to check.
    LongChain,
    /// TLS fails for another reason.
    Tls,
    /// There is no route to the address.
    NoRoute,
    /// The network rejects the connection by an ICMP error, although there is a route.
    Rejected,
    /// Our own side can't connect: no file descriptor.
    Local,
}

/// Which destinations a fault concerns; the narrowest that fits applies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Destination {
    /// One address and port.
    Socket(SocketAddr),
    /// Every port of one address.
    Address(IpAddr),
    /// Every IPv4 address.
    V4,
    /// Every IPv6 address.
    V6,
    /// Every address.
    All,
}

/// A page's place: its URL, at all addresses or at one.
pub(crate) type Place = (Url, Option<IpAddr>);

/// What name servers, web servers and destinations say, at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct World {
    pub(crate) zone: BTreeMap<(DnsName, ZoneType), ZoneEntry>,
    pub(crate) web: BTreeMap<Place, Page>,
    pub(crate) tcp: BTreeMap<Destination, ConnectFault>,
    pub(crate) servers: BTreeMap<u8, ServerFault>,
    /// The clock that clients judge certificates by, where it is not right.
    pub(crate) clock: Option<UnixTime>,
}

/// What comes of one DNS request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DnsAnswer {
    /// How long after the request.
    pub after: Duration,
    /// The answer; None: never any.
    pub said: Option<Result<DnsReply, DnsError>>,
}

/// What comes of one GET.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpAnswer {
    /// When TLS is up, after the request; None: it never is.
    pub connected: Option<Duration>,
    /// When the answer comes, after the request.
    pub after: Duration,
    /// The answer, without the wall clock; None: never any.
    pub said: Option<Result<HttpResponse, HttpError>>,
}

impl World {
    /// A world in which no name exists and every connection is refused.
    pub fn new() -> Self {
        Self::default()
    }

    /// Says what the zone says to a name and type, replacing what it said.
    pub fn set_zone(&mut self, name: DnsName, kind: ZoneType, entry: ZoneEntry) {
        self.zone.insert((name, kind), entry);
    }

    /// Adds a record with the default TTL; the other records of its name and type stay.
    pub fn add_record(&mut self, name: DnsName, kind: ZoneType, data: RecordData) {
        let entry = self.zone.entry((name, kind)).or_insert_with(|| ZoneEntry::records(Vec::new()));
        if let DnsOutcome::Records(records) = &mut entry.outcome {
            records.push((data, DEFAULT_TTL));
        } else {
            *entry = ZoneEntry::records(vec![(data, DEFAULT_TTL)]);
        }
    }

    /// Says what is found under a URL, at one address of its host or at all that have no page of their own.
    pub fn set_page(&mut self, url: Url, address: Option<IpAddr>, page: Page) {
        self.web.insert((url, address), page);
    }

    /// Says how connecting to destinations fails; None: it does not.
    pub fn set_destination(&mut self, destination: Destination, fault: Option<ConnectFault>) {
        match fault {
            Some(fault) => self.tcp.insert(destination, fault),
            None => self.tcp.remove(&destination),
        };
    }

    /// Says what is the matter with the name server of that index.
    pub fn set_server(&mut self, server: u8, fault: ServerFault) {
        self.servers.insert(server, fault);
    }

    /// What the zone holds, by name and type, without addresses made from web servers.
    pub fn zone(&self) -> impl Iterator<Item = (&DnsName, ZoneType, &ZoneEntry)> {
        self.zone.iter().map(|((name, kind), entry)| (name, *kind, entry))
    }

    /// What the web holds, by URL; with an address where the page is found at that address only.
    pub fn pages(&self) -> impl Iterator<Item = (&Url, Option<IpAddr>, &Page)> {
        self.web.iter().map(|((url, address), page)| (url, *address, page))
    }

    /// What is the matter with the name server of that index.
    pub fn server(&self, server: u8) -> Option<&ServerFault> {
        self.servers.get(&server)
    }

    /// Whether a name server denies what others know.
    pub fn servers_disagree(&self) -> bool {
        self.servers.values().any(|fault| {
            let denies = [DnsOutcome::NxDomain, DnsOutcome::NoData];
            fault.outcome.as_ref().is_some_and(|outcome| denies.contains(outcome))
        })
    }

    /// Whether some question's first queries get no reply.
    pub fn loses_queries(&self) -> bool {
        self.zone.values().any(|entry| entry.lost > 0)
    }

    /// The page that is found under a URL at an address.
    pub fn page(&self, url: &Url, address: IpAddr) -> Option<&Page> {
        let here = self.web.get(&(url.clone(), Some(address)));
        here.or_else(|| self.web.get(&(url.clone(), None)))
    }

    /// How connecting to a destination fails, whatever is asked of it; None: it does not.
    pub fn destination(&self, address: SocketAddr) -> Option<ConnectFault> {
        let family = if address.is_ipv4() { Destination::V4 } else { Destination::V6 };
        let candidates = [
            Destination::Socket(address),
            Destination::Address(address.ip()),
            family,
            Destination::All,
        ];
        candidates.iter().find_map(|destination| self.tcp.get(destination).copied())
    }

    /// What a name and type have in the zone, addresses made from web servers included; None: NXDOMAIN.
    pub fn entry(&self, name: &DnsName, kind: ZoneType) -> Option<ZoneEntry> {
        if let Some(entry) = self.zone.get(&(name.clone(), kind)) {
            return Some(entry.clone());
        }
        let made = match kind {
            ZoneType::A => RecordData::A(made_v4(name)),
            ZoneType::Aaaa => RecordData::Aaaa(made_v6(name)),
            ZoneType::Srv | ZoneType::Cname => return None,
        };
        let spoken_for = [ZoneType::A, ZoneType::Aaaa, ZoneType::Cname]
            .iter()
            .any(|kind| self.zone.contains_key(&(name.clone(), *kind)));
        let host = TlsName::Dns(name.clone());
        let serves = !spoken_for && self.web.keys().any(|(url, _)| url.host() == host);
        serves.then(|| ZoneEntry::records(vec![(made, DEFAULT_TTL)]))
    }

    /// What the name server of that index says to one attempt at a question. Aliases are followed to their end, as a
    /// recursive server does.
    pub fn dns_answer(
        &self,
        name: &DnsName,
        kind: RecordType,
        server: u8,
        attempt: u8,
    ) -> DnsAnswer {
        self.answer_over(DnsTransport::Udp, name, kind, server, attempt)
    }

    /// What comes of one request, for a driver that asks as [`DnsRequest`] says: once more without EDNS where the server rejects that, and
    /// over TCP where the server folds letters.
    pub fn dns_reply(&self, request: &DnsRequest) -> DnsAnswer {
        let DnsRequest { name, kind, server, attempt, edns, transport, .. } = request;
        let fault = self.servers.get(server).map(|fault| fault.about(*kind)).unwrap_or_default();
        let silence = DnsAnswer { after: Duration::ZERO, said: None };
        let mut noticed = Noticed::default();
        let udp = *transport == DnsTransport::Udp;
        if udp && fault.udp_silent {
            return silence;
        }
        match fault.edns.filter(|_| *edns) {
            Some(NoEdns::Silent) => return silence,
            // Over TCP it is known who speaks: the reply is no good.
            Some(NoEdns::Cut) if udp => return silence,
            Some(NoEdns::Cut) => {
                return DnsAnswer { said: Some(Err(DnsError::Malformed)), ..silence };
            }
            Some(NoEdns::ServFail) => {
                return DnsAnswer { said: Some(Err(DnsError::ServerFailure)), ..silence };
            }
            Some(NoEdns::FormErr | NoEdns::NotImp | NoEdns::BadVers) => noticed.rejects_edns = true,
            None => {}
        }
        let mut answer = self.answer_over(*transport, name, *kind, *server, *attempt);
        if udp && fault.folds && answer.said.is_some() {
            noticed.folds_letters = true;
            answer = self.answer_over(DnsTransport::Tcp, name, *kind, *server, *attempt);
        }
        if let Some(Ok(reply)) = &mut answer.said {
            reply.noticed = noticed;
        }
        answer
    }

    fn answer_over(
        &self,
        transport: DnsTransport,
        name: &DnsName,
        kind: RecordType,
        server: u8,
        attempt: u8,
    ) -> DnsAnswer {
        let mut answer = self.recurse(name, kind, attempt, transport);
        if let Some(fault) = self.servers.get(&server) {
            answer.after = answer.after.saturating_add(fault.after);
            match &fault.outcome {
                None => {}
                Some(DnsOutcome::Silence) => answer.said = None,
                Some(DnsOutcome::Error(DnsError::Unreachable)) => {
                    answer.said = Some(Err(DnsError::NotListening(closed_port(server))));
                }
                Some(DnsOutcome::Error(error)) => answer.said = Some(Err(*error)),
                Some(DnsOutcome::NxDomain) => {
                    answer.said = Some(Ok(negative(true, Some(DEFAULT_SOA))));
                }
                Some(DnsOutcome::NoData) => {
                    answer.said = Some(Ok(negative(false, Some(DEFAULT_SOA))));
                }
                Some(DnsOutcome::Records(records)) => {
                    let mut reply = negative(false, None);
                    append(&mut reply, name, records);
                    answer.said = Some(Ok(reply));
                }
            }
        }
        answer
    }

    fn recurse(
        &self,
        question: &DnsName,
        kind: RecordType,
        attempt: u8,
        transport: DnsTransport,
    ) -> DnsAnswer {
        let mut reply = negative(false, None);
        let mut after = Duration::ZERO;
        let mut name = question.clone();
        for _ in 0..MAX_CHAIN {
            let own = self.entry(&name, kind.into());
            let alias = own.is_none();
            let entry = own.or_else(|| self.entry(&name, ZoneType::Cname));
            let Some(entry) = entry else {
                reply.nxdomain = true;
                reply.negative_ttl = Some(DEFAULT_SOA);
                break;
            };
            after = after.saturating_add(entry.after);
            if attempt < entry.lost {
                return DnsAnswer { after, said: None };
            }
            match entry.wire {
                Some(WireFault::WrongId | WireFault::WrongQuestion)
                    if transport == DnsTransport::Udp =>
                {
                    return DnsAnswer { after, said: None };
                }
                // Over TCP it is known who speaks: the reply is no good.
                Some(
                    WireFault::WrongId
                    | WireFault::WrongQuestion
                    | WireFault::BadRecord
                    | WireFault::TruncatedTwice,
                ) => {
                    return DnsAnswer { after, said: Some(Err(DnsError::Malformed)) };
                }
                Some(
                    WireFault::Truncated
                    | WireFault::ExtraCount
                    | WireFault::BadAuthority
                    | WireFault::BadAdditional
                    | WireFault::OptOwner
                    | WireFault::Oversize,
                )
                | None => {}
            }
            match &entry.outcome {
                DnsOutcome::Silence => return DnsAnswer { after, said: None },
                DnsOutcome::Error(error) => return DnsAnswer { after, said: Some(Err(*error)) },
                DnsOutcome::NxDomain => {
                    (reply.nxdomain, reply.negative_ttl) = (true, entry.soa);
                    break;
                }
                DnsOutcome::NoData => {
                    reply.negative_ttl = entry.soa;
                    break;
                }
                DnsOutcome::Records(records) => {
                    let seen = reply.records.iter().any(|record| record.owner == name);
                    if seen {
                        // The chain is a circle, and the reply shows it once around.
                        break;
                    }
                    append(&mut reply, &name, records);
                    let next = records.iter().find_map(|(data, _)| {
                        if let RecordData::Cname(next) = data { Some(next.clone()) } else { None }
                    });
                    match next {
                        Some(next) if alias && !entry.cut => name = next,
                        _ => break,
                    }
                }
            }
        }
        DnsAnswer { after, said: Some(Ok(reply)) }
    }

    /// What comes of a GET at one address, for a driver that reads at most one byte more than `max_body`.
    pub fn http_answer(&self, url: &Url, address: SocketAddr, max_body: usize) -> HttpAnswer {
        let page = self.page(url, address.ip());
        let (connect, after) =
            page.map_or_else(Default::default, |page| (page.connect, page.after));
        let done = connect.saturating_add(after);
        let never = |said| HttpAnswer { connected: None, after: connect, said };
        let up = |said| HttpAnswer { connected: Some(connect), after: done, said };
        let reading = match (self.destination(address), page) {
            (Some(fault), _) => Err(fault),
            (None, Some(page)) => page.read(max_body),
            (None, None) => Err(ConnectFault::Refused),
        };
        if self.clock.is_some_and(|clock| is_too_early(clock, &reading)) {
            return never(Some(Err(HttpError::WrongClock)));
        }
        match reading {
            Ok(Reading::Whole(response)) => up(Some(Ok(response))),
            Ok(Reading::BreaksOff) | Err(ConnectFault::Reset) => up(Some(Err(HttpError::Reset))),
            Ok(Reading::Contradictory) | Err(ConnectFault::Garbage) => {
                up(Some(Err(HttpError::Protocol)))
            }
            Ok(Reading::Stalls) | Err(ConnectFault::Stall) => up(None),
            Err(ConnectFault::Timeout) => never(None),
            Err(ConnectFault::Refused) => never(Some(Err(HttpError::Refused))),
            Err(ConnectFault::BadCert) => never(Some(Err(HttpError::Certificate))),
            Err(ConnectFault::WrongName) => never(Some(Err(HttpError::CertificateName))),
            Err(ConnectFault::Expired) => never(Some(Err(HttpError::CertificateExpired))),
            Err(ConnectFault::NotYetValid) => never(Some(Err(HttpError::CertificateNotYetValid))),
            Err(ConnectFault::Algorithm) => never(Some(Err(HttpError::CertificateAlgorithm))),
            Err(ConnectFault::LongChain) => never(Some(Err(HttpError::CertificateChain))),
            Err(ConnectFault::Tls) => never(Some(Err(HttpError::Tls))),
            Err(ConnectFault::Rejected) => never(Some(Err(HttpError::Rejected))),
            Err(ConnectFault::NoRoute) => never(Some(Err(HttpError::NoRoute))),
            Err(ConnectFault::Local) => never(Some(Err(HttpError::Local))),
        }
    }
}

/// Whether the clock shows a time that no correct one shows, at which the certificate is not valid yet.
fn is_too_early(clock: UnixTime, reading: &Result<Reading, ConnectFault>) -> bool {
    match reading {
        Err(ConnectFault::NotYetValid) => clock < EARLIEST_CLOCK,
        // No certificate is judged.
        Err(
            ConnectFault::Timeout
            | ConnectFault::Refused
            | ConnectFault::Rejected
            | ConnectFault::LongChain
            | ConnectFault::Tls
            | ConnectFault::NoRoute
            | ConnectFault::Local,
        ) => false,
        Ok(_)
        | Err(
            ConnectFault::Reset
            | ConnectFault::Stall
            | ConnectFault::Garbage
            | ConnectFault::BadCert
            | ConnectFault::WrongName
            | ConnectFault::Expired
            | ConnectFault::Algorithm,
        ) => clock < VALID_FROM,
    }
}

impl ZoneEntry {
    /// A reply with these records and their TTLs, at once.
    pub fn records(records: Vec<(RecordData, u32)>) -> Self {
        Self::outcome(DnsOutcome::Records(records))
    }

    /// A reply of this substance, at once.
    pub fn outcome(outcome: DnsOutcome) -> Self {
        Self {
            outcome,
            after: Duration::ZERO,
            lost: 0,
            soa: Some(DEFAULT_SOA),
            wire: None,
            cut: false,
        }
    }
}

/// The address of a name server at whose port nothing listens.
fn closed_port(server: u8) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, server.saturating_add(1)], 53))
}

fn negative(nxdomain: bool, negative_ttl: Option<u32>) -> DnsReply {
    DnsReply::not_found(nxdomain, negative_ttl)
}

fn append(reply: &mut DnsReply, owner: &DnsName, records: &[(RecordData, u32)]) {
    reply.records.extend(records.iter().map(|(data, ttl)| DnsRecord {
        owner: owner.clone(),
        ttl: *ttl,
        data: data.clone(),
    }));
}

/// The IPv4 address of a host that has a web server and no address by the zone: of 198.18.0.0/15, made from its name.
pub fn made_v4(name: &DnsName) -> Ipv4Addr {
    let [.., low, c, d] = fingerprint(name).to_be_bytes();
    Ipv4Addr::new(198, 18 | (low & 1), c, d)
}

/// The IPv6 address of a host that has a web server and no address by the zone: of 2001:db8:d15c::/48, made from its
/// name.
pub fn made_v6(name: &DnsName) -> Ipv6Addr {
    let [a, b, c, d, e, f, g, h] = fingerprint(name).to_be_bytes();
    let pair = |high, low| u16::from_be_bytes([high, low]);
    Ipv6Addr::new(0x2001, 0xdb8, 0xd15c, 0, pair(a, b), pair(c, d), pair(e, f), pair(g, h))
}

/// FNV-1a: the same everywhere and for ever, which no hasher of the standard library promises.
fn fingerprint(name: &DnsName) -> u64 {
    name.as_str().bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

/// The data of an SRV record, from plain values.
pub fn service(priority: u16, weight: u16, port: u16, target: DnsName) -> RecordData {
    RecordData::Srv(SrvRecord { priority, weight, port, target })
}

#[cfg(test)]
mod tests;
