//! Generated servers: as many as wanted, each answered for from its name and the time alone.
//!
//! Nothing is stored, so a million servers cost no more than one, and a seed is the whole of them. Knows no machine.

mod draw;
mod drive;
mod join;
mod life;
mod ground_truth;
mod year;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use discovery_core::{
    AddressPolicy, Answer, DnsError, DnsName, DnsRecord, DnsReply, HttpError, HttpGet,
    HttpResponse, Instant, Policy, RecordData, RecordType, Request, ServerName, SrvRecord,
};
use http::header::{CACHE_CONTROL, HeaderMap, HeaderValue};
use http::{StatusCode, Uri};

use draw::{draw, pick};
pub use drive::{Drive, Finished};
pub use ground_truth::{Sight, Wrong};
pub use join::Join;
pub use life::{Churn, Span};
pub use year::{Report, Year};

/// How a server is set up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// A document that names host and port.
    Port,
    /// A document that names a host, which has no SRV record.
    Host,
    /// A document that names a host with an SRV record.
    HostAndService,
    /// An SRV record, no document.
    Service,
    /// Neither: port 8448.
    Plain,
    /// No such name.
    NxDomain,
    /// Addresses where nothing listens on port 443.
    Refused,
    /// Name servers that fail.
    ServerFailure,
    /// Addresses where nothing ever answers on port 443.
    Silent,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::Port,
        Self::Host,
        Self::HostAndService,
        Self::Service,
        Self::Plain,
        Self::NxDomain,
        Self::Refused,
        Self::ServerFailure,
        Self::Silent,
    ];

    /// Whether there is a document.
    pub const fn is_documented(self) -> bool {
        matches!(self, Self::Port | Self::Host | Self::HostAndService)
    }

    /// Whether anybody can be connected to.
    pub const fn is_resolvable(self) -> bool {
        !matches!(self, Self::NxDomain | Self::ServerFailure)
    }
}

/// How many of a hundred servers are of each kind; what is missing to a hundred is plain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mix(pub [(Kind, u8); 9]);

impl Default for Mix {
    /// What a survey of one large room found.
    fn default() -> Self {
        Self([
            (Kind::Port, 55),
            (Kind::Host, 6),
            (Kind::HostAndService, 4),
            (Kind::Service, 4),
            (Kind::Plain, 13),
            (Kind::NxDomain, 10),
            (Kind::Refused, 4),
            (Kind::ServerFailure, 3),
            (Kind::Silent, 1),
        ])
    }
}

/// The servers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Population {
    /// Everything is drawn from it.
    pub seed: u64,
    /// Which kinds there are.
    pub mix: Mix,
    /// Lifetimes of DNS records in seconds, each as likely as the others.
    pub ttls: Vec<u32>,
    /// Lifetimes of negative DNS answers in seconds, likewise.
    pub negative_ttls: Vec<u32>,
    /// `Cache-Control` of documents, likewise; empty for none.
    pub cache_control: Vec<&'static str>,
    /// How it changes; None: not at all.
    pub churn: Option<Churn>,
}

/// A host of a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    /// The one of the server name.
    Own,
    /// The one that the document of an era names.
    Delegated(u64),
    /// The target of the SRV record of an era.
    Target(u64),
}

/// A name of the population, taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Parsed<'a> {
    server: u64,
    role: Role,
    /// `_matrix-fed` or `_matrix`, where the name is that of an SRV record.
    service: Option<&'a str>,
}

impl Population {
    /// Servers that never change, with lifetimes between an hour and a day.
    pub fn steady(seed: u64) -> Self {
        Self {
            seed,
            mix: Mix::default(),
            ttls: vec![3600, 14_400, 86_400],
            negative_ttls: vec![3600],
            cache_control: vec![""],
            churn: None,
        }
    }

    /// Servers that change, with lifetimes from nothing to a week, and name servers that fail for hours.
    pub fn changing(seed: u64) -> Self {
        let mut ttls = vec![0, 604_800, 604_800];
        for (ttl, share) in [(60, 10), (300, 35), (3600, 30), (14_400, 8), (86_400, 14)] {
            ttls.extend(std::iter::repeat_n(ttl, share));
        }
        Self {
            ttls,
            negative_ttls: vec![60, 300, 900, 3600, 86_400],
            cache_control: vec![
                "",
                "",
                "",
                "max-age=600",
                "max-age=86400",
                "max-age=604800",
                "no-store",
            ],
            churn: Some(Churn::default()),
            ..Self::steady(seed)
        }
    }

    /// The policy to meet it with: the default, but that its addresses, which are nobody's, may be connected to.
    pub fn policy() -> Policy {
        let mut policy = Policy::default();
        policy.addresses = AddressPolicy::any();
        policy
    }

    /// The name of a server.
    ///
    /// # Panics
    /// Never: every number makes a name.
    #[expect(
        clippy::expect_used,
        reason = "digits behind a letter, below a word, are a server name"
    )]
    pub fn name(&self, server: u64) -> ServerName {
        format!("s{server}.example").parse().expect("a server name")
    }

    /// How a server is set up in one of its eras.
    fn kind_in(&self, server: u64, era: u64) -> Kind {
        let mut share = draw(self.seed, "kind", server, era) % 100;
        for (kind, count) in self.mix.0 {
            match share.checked_sub(u64::from(count)) {
                Some(rest) => share = rest,
                None => return kind,
            }
        }
        Kind::Plain
    }

    /// How a server is set up.
    pub fn kind(&self, server: u64, at: Instant) -> Kind {
        self.kind_in(server, self.era(server, at).number)
    }

    /// Answers a request; None: nothing ever comes.
    pub fn answer(&self, request: &Request, at: Instant) -> Option<Answer> {
        Some(match request {
            Request::Dns(dns) => Answer::Dns(dns.id, self.dns(&dns.name, dns.kind, at)?),
            Request::Http(get) => Answer::Http(get.id, self.http(get, at)?),
        })
    }

    fn dns(
        &self,
        name: &DnsName,
        kind: RecordType,
        at: Instant,
    ) -> Option<Result<DnsReply, DnsError>> {
        let Some(Parsed { server, role, service }) = parse(name.as_str()) else {
            return Some(Ok(self.negative(0, true)));
        };
        if let Some(silent) = self.outage(server, at) {
            return (!silent).then_some(Err(DnsError::ServerFailure));
        }
        if self.kind(server, at) == Kind::ServerFailure {
            return Some(Err(DnsError::ServerFailure));
        }
        if !self.exists(server, role, at) {
            return Some(Ok(self.negative(server, true)));
        }
        let data = match (kind, service) {
            (RecordType::Aaaa, None) => {
                self.v6(server, role, self.moves(server, at).number).map(RecordData::Aaaa)
            }
            (RecordType::A, None) => {
                self.v4(server, role, self.moves(server, at).number).map(RecordData::A)
            }
            (RecordType::Srv, Some(service)) => {
                let service = self.service(server, role, service, at);
                let Some(target) = service else { return Some(Ok(self.negative(server, true))) };
                Some(RecordData::Srv(target))
            }
            _ => None,
        };
        Some(Ok(match data {
            Some(data) => DnsReply::with_records(vec![DnsRecord {
                owner: name.clone(),
                ttl: self.ttl(server),
                data,
            }]),
            None => self.negative(server, false),
        }))
    }

    fn negative(&self, server: u64, nxdomain: bool) -> DnsReply {
        let ttl = pick(&self.negative_ttls, draw(self.seed, "negative", server, 0));
        DnsReply::not_found(nxdomain, ttl)
    }

    /// The lifetime of a server's records, in seconds.
    pub fn ttl(&self, server: u64) -> u32 {
        pick(&self.ttls, draw(self.seed, "ttl", server, 0)).unwrap_or(300)
    }

    /// Whether a host has addresses. Of the hosts of an era that is over, some stay for one more.
    fn exists(&self, server: u64, role: Role, at: Instant) -> bool {
        let now = self.era(server, at).number;
        let (era, of) = match role {
            Role::Own => (now, self.kind_in(server, now).is_resolvable()),
            Role::Delegated(era) => (era, self.kind_in(server, era).is_documented()),
            Role::Target(era) => (era, self.has_service(server, era)),
        };
        let stays = || draw(self.seed, "stays", server, era).is_multiple_of(2);
        of && (era == now || (era.checked_add(1) == Some(now) && stays()))
    }

    fn has_service(&self, server: u64, era: u64) -> bool {
        matches!(self.kind_in(server, era), Kind::HostAndService | Kind::Service)
    }

    /// The name under which an era's SRV record stands.
    fn service_name(&self, server: u64, era: u64) -> &'static str {
        let old = draw(self.seed, "service", server, era).is_multiple_of(2);
        if old { "_matrix" } else { "_matrix-fed" }
    }

    fn service(&self, server: u64, role: Role, service: &str, at: Instant) -> Option<SrvRecord> {
        let now = self.era(server, at).number;
        let owner = match self.kind_in(server, now) {
            Kind::Service => Role::Own,
            Kind::HostAndService => Role::Delegated(now),
            Kind::Port | Kind::Host | Kind::Plain | Kind::NxDomain | Kind::Refused => return None,
            Kind::ServerFailure | Kind::Silent => return None,
        };
        let is_here = role == owner && service == self.service_name(server, now);
        let target = DnsName::host(&host(server, Role::Target(now))).ok()?;
        is_here.then_some(SrvRecord { priority: 10, weight: 5, port: SERVICE_PORT, target })
    }

    /// Half of all servers have both families, of the others most IPv4 alone.
    fn v6(&self, server: u64, role: Role, moves: u64) -> Option<Ipv6Addr> {
        let has = draw(self.seed, "families", server, 0) % 10 < 6;
        let bits =
            draw(self.seed, "v6", server, number(role)) ^ draw(self.seed, "move", server, moves);
        let prefix = 0x2001_0db8_u128 << 96;
        has.then(|| Ipv6Addr::from(prefix | u128::from(bits)))
    }

    fn v4(&self, server: u64, role: Role, moves: u64) -> Option<Ipv4Addr> {
        let has = !draw(self.seed, "families", server, 0).is_multiple_of(10);
        let bits =
            draw(self.seed, "v4", server, number(role)) ^ draw(self.seed, "move", server, moves);
        let [a, b, c, ..] = bits.to_be_bytes();
        has.then(|| Ipv4Addr::new(10, a, b, c))
    }

    fn has_address(&self, server: u64, address: IpAddr, moves: u64) -> bool {
        match address {
            IpAddr::V4(ip) => self.v4(server, Role::Own, moves) == Some(ip),
            IpAddr::V6(ip) => self.v6(server, Role::Own, moves) == Some(ip),
        }
    }

    fn http(&self, get: &HttpGet, at: Instant) -> Option<Result<HttpResponse, HttpError>> {
        let parsed = get.url.host().and_then(parse);
        let Some(Parsed { server, role: Role::Own, service: None }) = parsed else {
            return Some(Err(HttpError::Refused));
        };
        // Nobody is left where the server has moved away from.
        if !self.has_address(server, get.address.ip(), self.moves(server, at).number) {
            return Some(Err(HttpError::Refused));
        }
        let era = self.era(server, at).number;
        Some(match self.kind_in(server, era) {
            Kind::Port | Kind::Host | Kind::HostAndService => Ok(self.document(server, era)),
            Kind::Service | Kind::Plain | Kind::NxDomain | Kind::ServerFailure => {
                Ok(response(StatusCode::NOT_FOUND, Vec::new()))
            }
            Kind::Refused => Err(HttpError::Refused),
            Kind::Silent => return None,
        })
    }

    fn document(&self, server: u64, era: u64) -> HttpResponse {
        let delegated = self.delegated(server, era);
        let mut answer =
            response(StatusCode::OK, format!("{{\"m.server\":\"{delegated}\"}}").into_bytes());
        let control = pick(&self.cache_control, draw(self.seed, "control", server, 0));
        if let Some(control) = control.filter(|control| !control.is_empty()) {
            answer.headers.insert(CACHE_CONTROL, HeaderValue::from_static(control));
        }
        answer
    }

    /// What the document of an era says.
    fn delegated(&self, server: u64, era: u64) -> String {
        let host = host(server, Role::Delegated(era));
        if self.kind_in(server, era) == Kind::Port {
            format!("{host}:{DELEGATED_PORT}")
        } else {
            host
        }
    }
}

/// The port that documents name.
const DELEGATED_PORT: u16 = 443;
/// The port that SRV records name.
const SERVICE_PORT: u16 = 4443;

fn response(status: StatusCode, body: Vec<u8>) -> HttpResponse {
    HttpResponse::new(status, HeaderMap::new(), body)
}

fn number(role: Role) -> u64 {
    match role {
        Role::Own => 0,
        Role::Delegated(era) => era.saturating_mul(2).saturating_add(1),
        Role::Target(era) => era.saturating_mul(2).saturating_add(2),
    }
}

fn host(server: u64, role: Role) -> String {
    match role {
        Role::Own => format!("s{server}.example"),
        Role::Delegated(era) => format!("m{era}.s{server}.example"),
        Role::Target(era) => format!("t{era}.s{server}.example"),
    }
}

fn parse(name: &str) -> Option<Parsed<'_>> {
    let mut labels = name.rsplit('.');
    if labels.next() != Some("example") {
        return None;
    }
    let server = labels.next()?.strip_prefix('s')?.parse().ok()?;
    let mut next = labels.next();
    let mut role = Role::Own;
    let era = |prefix: char| next?.strip_prefix(prefix)?.parse().ok();
    if let Some(era) = era('m') {
        (role, next) = (Role::Delegated(era), labels.next());
    } else if let Some(era) = era('t') {
        (role, next) = (Role::Target(era), labels.next());
    }
    let service = match next {
        None => None,
        Some("_tcp") => Some(labels.next()?),
        Some(_) => return None,
    };
    labels.next().is_none().then_some(Parsed { server, role, service })
}

/// The server that a request is about.
pub(crate) fn server_of(request: &Request) -> Option<u64> {
    let parsed = match request {
        Request::Dns(dns) => parse(dns.name.as_str()),
        Request::Http(get) => Uri::host(&get.url).and_then(parse),
    };
    parsed.map(|parsed| parsed.server)
}

#[cfg(test)]
mod tests;
