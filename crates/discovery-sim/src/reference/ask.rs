//! What the reference model is told when it asks: a name server's reply down the chain of aliases, a web server's answer
//! at the first address that gives one.
//!
//! Knows nothing of why something is asked.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use discovery_core::{
    DnsError, DnsId, DnsName, DnsReply, DnsRequest, DnsTransport, ErrorKind, Fact, Failure,
    Families, HttpError, Question, RecordData, RecordType, SrvRecord, Url,
};

use super::Reading;
use super::document::Answer;
use super::fresh::Life;

/// What is known of a host's addresses.
#[derive(Default)]
pub(super) struct Addresses {
    /// Those that may be used, in the order to try.
    pub(super) usable: Vec<IpAddr>,
    /// Some may not be used.
    pub(super) denied: bool,
    /// Some could not be had, for a temporary reason.
    pub(super) failed: bool,
    /// Some could not be had because of our own side.
    pub(super) local: bool,
    /// The host is an alias.
    pub(super) alias: bool,
}

impl Addresses {
    /// Why there is none.
    pub(super) fn failure(&self) -> ErrorKind {
        if self.local {
            ErrorKind::Local
        } else if self.failed {
            ErrorKind::DnsFailure
        } else if self.denied {
            ErrorKind::Blocked
        } else {
            ErrorKind::NoAddresses
        }
    }

    pub(super) fn merge(&mut self, other: Self) {
        self.denied |= other.denied;
        self.failed |= other.failed;
        self.local |= other.local;
    }
}

/// What is known of SRV records.
pub(super) enum Services {
    Found(Vec<SrvRecord>),
    NotFound,
    Failed,
    Local,
}

/// What a DNS question comes to.
enum Found {
    Records(Vec<RecordData>, bool),
    Nothing,
    Failed,
    Local,
}

impl Reading<'_, '_> {
    /// The addresses of a host of both families, vetted and in order (R127, R128, R130).
    pub(super) fn addresses(&mut self, host: &DnsName) -> Addresses {
        let families = self.of.policy.addresses.families;
        let mut all = Addresses::default();
        let mut family = |kind: RecordType, wanted: bool| -> Vec<IpAddr> {
            if !wanted {
                return Vec::new();
            }
            let mut list = Vec::new();
            match self.records(host, kind) {
                Found::Records(records, alias) => {
                    all.alias |= alias;
                    for record in records {
                        let ip = match record {
                            RecordData::A(ip) => IpAddr::V4(ip),
                            RecordData::Aaaa(ip) => IpAddr::V6(ip),
                            RecordData::Cname(_) | RecordData::Srv(_) | RecordData::Unusable => {
                                continue;
                            }
                        };
                        if !list.contains(&ip) {
                            list.push(ip);
                        }
                    }
                }
                Found::Nothing => {}
                Found::Failed => all.failed = true,
                Found::Local => all.local = true,
            }
            list.truncate(usize::from(self.of.policy.addresses.max_per_family));
            list.retain(|ip| {
                let allowed = self.of.policy.addresses.judge(*ip).is_ok();
                all.denied |= !allowed;
                allowed
            });
            list
        };
        let v6 = family(RecordType::Aaaa, families != Families::V4);
        let v4 = family(RecordType::A, families != Families::V6);
        let routes = self.of.routes;
        let (first, second) = if routes.v4 && !routes.v6 { (v4, v6) } else { (v6, v4) };
        if routes.v4 == routes.v6 {
            for i in 0..first.len().max(second.len()) {
                all.usable.extend(first.get(i).into_iter().chain(second.get(i)));
            }
        } else {
            all.usable.extend(first.into_iter().chain(second));
        }
        all
    }

    /// The SRV records of a service of a host.
    pub(super) fn srv(&mut self, host: &DnsName, service: &str) -> Services {
        // A name too long for DNS has no records. Special names have no services (R104–R106).
        let special = ["localhost", "invalid", "onion"].iter().any(|domain| host.is_below(domain));
        let Some(owner) = host.service(service).filter(|_| !special) else {
            return Services::NotFound;
        };
        match self.records(&owner, RecordType::Srv) {
            Found::Records(records, _) => {
                let services = records.into_iter().filter_map(|data| {
                    if let RecordData::Srv(service) = data { Some(service) } else { None }
                });
                Services::Found(services.collect())
            }
            Found::Nothing => Services::NotFound,
            Found::Failed => Services::Failed,
            Found::Local => Services::Local,
        }
    }

    /// The records of a name and type, and whether they are an alias's.
    fn records(&mut self, name: &DnsName, kind: RecordType) -> Found {
        let mut name = name.clone();
        let mut seen = BTreeSet::from([name.clone()]);
        let policy = self.of.policy;
        let failed = Life::jittered_down(policy.dns.failure_ttl, policy);
        // The least TTL on the way.
        let mut least: Option<u32> = None;
        loop {
            if let Some(known) = self.known_beforehand(&name, kind) {
                if let Some(ttl) = least {
                    self.keep(Life::of_records(ttl, policy));
                }
                return known
                    .map_or(Found::Nothing, |records| Found::Records(records, seen.len() > 1));
            }
            let question = Question::Dns(name.clone(), kind);
            let is_new = self.asked.insert(question.clone());
            match self.of.given.get(&question) {
                Some(Fact::Failed(failure)) if failure.is_local() => return Found::Local,
                // What is late is done without: as if there were none, and it would be back later.
                Some(Fact::Failed(_) | Fact::Late) => {
                    self.keep(failed);
                    return Found::Failed;
                }
                Some(Fact::Addresses { addresses, alias }) => {
                    self.keep(Life::at_most(policy.dns.max_ttl));
                    let record = |ip: &IpAddr| match ip {
                        IpAddr::V4(ip) => RecordData::A(*ip),
                        IpAddr::V6(ip) => RecordData::Aaaa(*ip),
                    };
                    let records = addresses.iter().map(record).collect();
                    return Found::Records(records, alias.is_some());
                }
                Some(Fact::Services(services)) => {
                    self.keep(Life::at_most(policy.dns.max_ttl));
                    let records = services.iter().cloned().map(RecordData::Srv).collect();
                    return Found::Records(records, false);
                }
                Some(Fact::NotFound(_)) => {
                    self.keep(Life::of_absence(None, least, policy));
                    return Found::Nothing;
                }
                _ => {}
            }
            let (queries, reply) = self.reply(&name, kind);
            if is_new {
                self.queries = self.queries.saturating_add(queries);
            }
            let reply = match reply {
                Ok(reply) => reply,
                Err(error) if Failure::Dns(error).is_local() => {
                    self.keep(Life::at_most(Duration::MAX));
                    return Found::Local;
                }
                Err(_) => {
                    self.keep(failed);
                    return Found::Failed;
                }
            };
            loop {
                let own = |wanted: fn(&RecordData, RecordType) -> bool| {
                    let records = reply.records.iter().filter(|record| record.owner == name);
                    records
                        .map(|record| record.data.clone())
                        .filter(|data| wanted(data, kind))
                        .collect::<Vec<_>>()
                };
                let records = own(is_of);
                let ttls = reply.records.iter().filter(|record| record.owner == name);
                let ttls =
                    ttls.map(|record| if record.ttl > u32::MAX / 2 { 0 } else { record.ttl });
                least = least.into_iter().chain(ttls).min();
                if !records.is_empty() {
                    self.keep(Life::of_records(least.unwrap_or(0), policy));
                    return Found::Records(records, seen.len() > 1);
                }
                let next =
                    own(|data, _| matches!(data, RecordData::Cname(_) | RecordData::Unusable));
                match next.into_iter().next() {
                    Some(RecordData::Cname(next)) => {
                        // R94: a chain is bounded, and a circle is an error.
                        let too_many = seen.len() > usize::from(self.of.policy.dns.max_aliases);
                        if too_many || !seen.insert(next.clone()) {
                            self.keep(failed);
                            return Found::Failed;
                        }
                        name = next;
                    }
                    Some(_) => {
                        self.keep(failed);
                        return Found::Failed;
                    }
                    None => break,
                }
            }
            // The reply ends at an alias of which it says nothing: that has to be asked.
            let cut = !reply.nxdomain && reply.negative_ttl.is_none();
            if !cut || reply.records.is_empty() || question == Question::Dns(name.clone(), kind) {
                self.keep(Life::of_absence(reply.negative_ttl, least, policy));
                return Found::Nothing;
            }
        }
    }

    /// What needs no asking: static addresses, and special names (R104–R106).
    fn known_beforehand(
        &self,
        name: &DnsName,
        kind: RecordType,
    ) -> Option<Option<Vec<RecordData>>> {
        if kind == RecordType::Srv {
            return None;
        }
        let of = |ips: &mut dyn Iterator<Item = IpAddr>| {
            let data = ips.filter_map(|ip| match (ip, kind) {
                (IpAddr::V4(ip), RecordType::A) => Some(RecordData::A(ip)),
                (IpAddr::V6(ip), RecordType::Aaaa) => Some(RecordData::Aaaa(ip)),
                _ => None,
            });
            let data: Vec<RecordData> = data.collect();
            (!data.is_empty()).then_some(data)
        };
        let policy = self.of.policy;
        let fixed = policy.addresses.static_addresses.get(name);
        if let Some(ips) = fixed.or_else(|| policy.addresses.hosts_file.get(name)) {
            return Some(of(&mut ips.iter().copied()));
        }
        if name.is_below("localhost") {
            let loopback = [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)];
            return Some(of(&mut loopback.into_iter()));
        }
        (name.is_below("invalid") || name.is_below("onion")).then_some(None)
    }

    /// The reply of the first attempt that gets one, else the most telling error; and how many attempts that took.
    fn reply(&self, name: &DnsName, kind: RecordType) -> (u32, Result<DnsReply, DnsError>) {
        let policy = self.of.policy;
        let attempts = policy.dns.attempts.max(1);
        let mut worst = DnsError::Local;
        let servers = self.of.name_servers.max(1);
        // The server that is asked next, and whether all have been asked once.
        let (mut server, mut around) = (0, false);
        let (mut attempt, mut queries) = (0, 0_u32);
        let (mut edns, mut silent) = (true, BTreeSet::new());
        while attempt < attempts {
            // The third attempt is plain, and the last goes over TCP where UDP brought nothing (RFC 6891 §7, RFC 7766 §5).
            edns &= attempt < 2;
            let last = attempt >= 2 && attempt.saturating_add(1) == attempts;
            let by_tcp =
                policy.dns.transport == DnsTransport::Tcp || (last && silent.contains(&server));
            let mut request = DnsRequest::new(DnsId::from_number(0), name.clone(), kind);
            request.server = server;
            request.attempt = attempt;
            request.edns = edns;
            request.transport = if by_tcp { DnsTransport::Tcp } else { DnsTransport::Udp };
            queries = queries.saturating_add(1);
            let error = match self.of.world.dns_reply(&request).said {
                Some(Ok(reply)) => return (queries, Ok(reply)),
                Some(Err(error)) => error,
                None => DnsError::Timeout,
            };
            edns &= !matches!(error, DnsError::ServerFailure | DnsError::Malformed);
            if error == DnsError::Timeout {
                silent.insert(server);
            }
            worst = worst.max(error);
            server = (server + 1) % servers;
            around |= server == 0;
            // A server that can't be reached costs no attempt while there are others that have not been asked.
            let away = matches!(
                error,
                DnsError::NotListening(_) | DnsError::Rejected(_) | DnsError::NoRoute
            );
            if !away || around {
                attempt += 1;
            }
        }
        (queries, Err(worst))
    }

    /// The first HTTP answer among the addresses; None where there is none (R42).
    pub(super) fn fetch(
        &mut self,
        url: &Url,
        addresses: &[IpAddr],
    ) -> Result<Option<Answer>, ErrorKind> {
        let question = Question::Get(url.clone());
        self.asked.insert(question.clone());
        match self.of.given.get(&question) {
            None => {}
            Some(Fact::Failed(failure)) if failure.is_local() => return Err(ErrorKind::Local),
            Some(fact) => {
                // What was given came without headers.
                self.keep(Life::at_most(self.of.policy.well_known.max_ttl));
                return Ok(Answer::given(fact));
            }
        }
        let policy = self.of.policy;
        let mut reaction = false;
        for address in addresses {
            let place = SocketAddr::new(*address, url.port());
            match self.of.world.http_answer(url, place, policy.well_known.max_body).said {
                Some(Ok(response)) => {
                    let answer = Answer::read(url, &response, policy);
                    self.keep(answer.life(&response, policy));
                    return Ok(Some(answer));
                }
                // The document may be there: nothing can be concluded from what other addresses say.
                Some(Err(HttpError::WrongClock)) => return Err(ErrorKind::Local),
                Some(Err(HttpError::Local | HttpError::NoRoute)) => {}
                Some(Err(_)) | None => reaction = true,
            }
        }
        // Without any reaction of the world, nothing was learnt about it.
        self.keep(Life::jittered_down(policy.well_known.retry_ttl, policy));
        if reaction { Ok(None) } else { Err(ErrorKind::Local) }
    }
}

fn is_of(data: &RecordData, kind: RecordType) -> bool {
    matches!(
        (data, kind),
        (RecordData::A(_), RecordType::A)
            | (RecordData::Aaaa(_), RecordType::Aaaa)
            | (RecordData::Srv(_) | RecordData::Unusable, RecordType::Srv)
    )
}
