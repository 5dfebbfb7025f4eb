//! The reference model: the specification's text as one function over a world, read from top to bottom.
//!
//! Knows no time, no ids, no order of answers and no cache, and shares nothing with the machine but the types of its border.

mod ask;
mod document;
mod expected;
mod fresh;

use std::collections::{BTreeMap, BTreeSet};

use discovery_core::{
    DnsName, ErrorKind, Fact, Host, OnFailure, OnHttpGone, OnInvalidDocument, Policy, Question,
    Revision, Routes, ServerName, SrvTargetAlias, Step, TlsName, Url,
};

pub use expected::{Disagreement, Expected, ExpectedResult, Group, Place};
pub use fresh::Life;

#[cfg(test)]
mod tests;

use crate::world::World;
pub(crate) use document::m_server;

use ask::{Addresses, Services};

/// Facts that are given instead of read from the world: what was late or failed in a run in which timers fired, or
/// which HTTP answer came first where addresses disagree.
pub type Given = BTreeMap<Question, Fact>;

/// The reference model over one world.
#[derive(Clone, Debug)]
pub struct Reference<'a> {
    world: &'a World,
    policy: &'a Policy,
    name_servers: u8,
    routes: Routes,
    given: Given,
}

/// What must come of a name, and what has to be asked for it one after another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// The expected result.
    pub expected: Expected,
    /// Every question that the text asks on the way; where a set of SRV records is cut, of all its targets.
    pub asked: BTreeSet<Question>,
    /// For how long a result may be reused if all was learnt at its moment and for the first time; None: for ever.
    pub fresh: Option<Life>,
}

impl<'a> Reference<'a> {
    /// The model over a world, with one name server and routes for both families.
    pub fn new(world: &'a World, policy: &'a Policy) -> Self {
        Self { world, policy, name_servers: 1, routes: Routes::default(), given: Given::new() }
    }

    /// With so many name servers.
    #[must_use]
    pub fn name_servers(self, count: u8) -> Self {
        Self { name_servers: count, ..self }
    }

    /// With these routes.
    #[must_use]
    pub fn routes(self, routes: Routes) -> Self {
        Self { routes, ..self }
    }

    /// With these facts instead of the world's.
    #[must_use]
    pub fn given(self, given: Given) -> Self {
        Self { given, ..self }
    }

    /// Resolves a name as the text reads.
    pub fn resolve(&self, name: &ServerName) -> Verdict {
        let mut reading = Reading { of: self, asked: BTreeSet::new(), fresh: None, queries: 0 };
        let end = reading.server_name(name);
        let expected = match end {
            // The budget is the whole lookup's, whatever has been found within it.
            _ if reading.queries > self.policy.limits.max_queries_per_lookup => {
                Expected::Failed(ErrorKind::TooManyQueries)
            }
            Ok(result) => Expected::Resolved(result),
            Err(kind) => Expected::Failed(kind),
        };
        Verdict { expected, asked: reading.asked, fresh: reading.fresh }
    }
}

/// One reading of the text.
struct Reading<'a, 'w> {
    of: &'a Reference<'w>,
    asked: BTreeSet<Question>,
    fresh: Option<Life>,
    /// DNS queries sent, every attempt counted.
    queries: u32,
}

type End = Result<ExpectedResult, ErrorKind>;

/// The numbers of the steps for one of the two runs of the same routine: on the name, or on the delegated name.
struct Numbers {
    literal: Step,
    port: Step,
    fed: Step,
    legacy: Step,
    default: Step,
}

const OWN: Numbers = Numbers {
    literal: Step::IpLiteral,
    port: Step::ExplicitPort,
    fed: Step::FedService,
    legacy: Step::Service,
    default: Step::Default,
};
const DELEGATED: Numbers = Numbers {
    literal: Step::DelegatedIpLiteral,
    port: Step::DelegatedPort,
    fed: Step::DelegatedFedService,
    legacy: Step::DelegatedService,
    default: Step::DelegatedDefault,
};

impl Reading<'_, '_> {
    /// Takes note of the life of a fact.
    fn keep(&mut self, life: Life) {
        self.fresh = Some(self.fresh.map_or(life, |fresh| fresh.and(life)));
    }

    fn server_name(&mut self, name: &ServerName) -> End {
        let revision = self.of.policy.spec.revision;
        match (name.host(), name.port()) {
            // R26, R28: an IP literal is connected to as it is. Both drafts leave the port out of `Host` (R70).
            (Host::Ip(_), _) => {
                let draft = matches!(revision, Revision::DraftOld | Revision::DraftNew);
                let host_header = if draft { name.host_str() } else { name.as_str() };
                self.literal(name, host_header.to_owned(), &OWN)
            }
            // R29, R30: an explicit port, no document, no SRV. The left column leaves it out of `Host` (R132).
            (Host::Name(host), Some(port)) => {
                let host = DnsName::host(host).map_err(|_| ErrorKind::UnresolvableName)?;
                let old = revision == Revision::DraftOld;
                let host_header = if old { name.host_str() } else { name.as_str() };
                self.plain(&host, port, host_header.to_owned(), OWN.port)
            }
            // R32: the document of the host comes before its SRV records.
            (Host::Name(host), None) => {
                let host = DnsName::host(host).map_err(|_| ErrorKind::UnresolvableName)?;
                match self.well_known(&host)? {
                    Some(delegated) => self.delegated(&delegated),
                    // R42, R58: no document, on at step 4.
                    None => self.services(&host, name.as_str().to_owned(), &OWN),
                }
            }
        }
    }

    /// Steps 3.1 to 3.5; no second document (R44).
    fn delegated(&mut self, name: &ServerName) -> End {
        match (name.host(), name.port()) {
            // R47; the left column never has the port (R133), the right one always (R76).
            (Host::Ip(_), port) => {
                let revision = self.of.policy.spec.revision;
                let host_header = if revision == Revision::DraftOld {
                    name.host_str().to_owned()
                } else if revision == Revision::DraftNew {
                    format!("{}:{}", name.host_str(), port.unwrap_or(8448))
                } else {
                    name.as_str().to_owned()
                };
                self.literal(name, host_header, &DELEGATED)
            }
            // R48, R49: the port stands in `Host` whatever it is.
            (Host::Name(host), Some(port)) => {
                let host = DnsName::host(host).map_err(|_| ErrorKind::UnresolvableName)?;
                self.plain(&host, port, name.as_str().to_owned(), DELEGATED.port)
            }
            (Host::Name(host), None) => {
                let host = DnsName::host(host).map_err(|_| ErrorKind::UnresolvableName)?;
                self.services(&host, name.as_str().to_owned(), &DELEGATED)
            }
        }
    }

    fn literal(&mut self, name: &ServerName, host_header: String, numbers: &Numbers) -> End {
        let Host::Ip(ip) = name.host() else { return Err(ErrorKind::UnresolvableName) };
        self.of.policy.addresses.judge(ip).map_err(|_| ErrorKind::Blocked)?;
        let place =
            Place { host: TlsName::Ip(ip), port: name.port().unwrap_or(8448), addresses: vec![ip] };
        // R27, R46: the certificate is for the IP.
        Ok(ExpectedResult::single(place, host_header, TlsName::Ip(ip), numbers.literal))
    }

    /// Steps 2, 3.2, 3.5 and 6: the addresses of a host, one port, the certificate for the host (R31, R50, R57, R60).
    fn plain(&mut self, host: &DnsName, port: u16, host_header: String, step: Step) -> End {
        let addresses = self.addresses(host);
        let tls = TlsName::Dns(host.clone());
        if addresses.usable.is_empty() {
            return Err(addresses.failure());
        }
        let place = Place { host: tls.clone(), port, addresses: addresses.usable };
        Ok(ExpectedResult::single(place, host_header, tls, step))
    }

    /// Steps 3.3 to 3.5, and 4 to 6.
    fn services(&mut self, host: &DnsName, host_header: String, numbers: &Numbers) -> End {
        // R51, R55, R58, R59; before v1.8 there is only the legacy name (R78).
        let fed = (self.of.policy.spec.revision == Revision::V1_8)
            .then_some(("_matrix-fed", numbers.fed));
        for (service, step) in fed.into_iter().chain([("_matrix", numbers.legacy)]) {
            match self.srv(host, service) {
                Services::NotFound => {}
                // R97: only "not found" leads on, unless the policy says otherwise.
                Services::Failed if self.of.policy.spec.srv_failure == OnFailure::GoOn => {}
                Services::Failed => return Err(ErrorKind::DnsFailure),
                Services::Local => return Err(ErrorKind::Local),
                // R53, R54, R61, R124: `Host` and certificate are the name's, never the target's.
                Services::Found(records) => {
                    let groups = self.targets(records)?;
                    let tls_name = TlsName::Dns(host.clone());
                    return Ok(ExpectedResult { groups, host_header, tls_name, step });
                }
            }
        }
        self.plain(host, 8448, host_header, numbers.default)
    }

    /// The targets of a set of SRV records, by priority. Found but unusable is a failure, and leads nowhere else.
    fn targets(
        &mut self,
        records: Vec<discovery_core::SrvRecord>,
    ) -> Result<Vec<Group>, ErrorKind> {
        // R87, R92: `.` and port 0 are of no use; where nothing else is there, the service is not offered.
        let mut by_priority: BTreeMap<u16, BTreeSet<(DnsName, u16)>> = BTreeMap::new();
        for record in records {
            if !record.target.is_root() && record.port != 0 {
                by_priority
                    .entry(record.priority)
                    .or_default()
                    .insert((record.target, record.port));
            }
        }
        if by_priority.is_empty() {
            return Err(ErrorKind::SrvUnavailable);
        }
        let mut groups = Vec::new();
        let mut left = usize::from(self.of.policy.spec.max_srv_targets);
        let mut none = Addresses::default();
        let mut all_rejected = true;
        for (priority, targets) in by_priority {
            let take = left.min(targets.len());
            left -= take;
            let mut group =
                Group { priority: Some(priority), places: BTreeSet::new(), take, without: 0 };
            let targets = if take == 0 { BTreeSet::new() } else { targets };
            for (number, (host, port)) in targets.into_iter().enumerate() {
                let before = self.queries;
                let addresses = self.addresses(&host);
                if number >= take {
                    // All are looked at here, since a draw decides which are asked for; no more than those count.
                    self.queries = before;
                }
                // R62, R88: an alias is followed, unless the policy says otherwise.
                let alias = addresses.alias
                    && self.of.policy.spec.srv_target_alias == SrvTargetAlias::Reject;
                all_rejected &= alias;
                if alias {
                    group.without += 1;
                } else if addresses.usable.is_empty() {
                    group.without += 1;
                    none.merge(addresses);
                } else {
                    let addresses = addresses.usable;
                    group.places.insert(Place { host: TlsName::Dns(host), port, addresses });
                }
            }
            groups.push(group);
        }
        groups.retain(|group| !group.places.is_empty());
        match groups.is_empty() {
            false => Ok(groups),
            true if all_rejected => Err(ErrorKind::SrvUnavailable),
            true => Err(none.failure()),
        }
    }

    /// Step 3: the `.well-known` document of a host; None where the text goes on at step 4.
    fn well_known(&mut self, host: &DnsName) -> Result<Option<ServerName>, ErrorKind> {
        let policy = self.of.policy;
        let mut url = Url::well_known(host);
        let mut visited = BTreeSet::from([url.clone()]);
        loop {
            match self.get(&url)? {
                None => return Ok(None),
                Some(document::Answer::Document(name)) => return Ok(Some(name)),
                // R42, R67, R75: an invalid document aborts in the drafts.
                Some(document::Answer::Invalid) => {
                    let draft =
                        matches!(policy.spec.revision, Revision::DraftOld | Revision::DraftNew);
                    let by_revision = policy.spec.invalid_document == OnInvalidDocument::ByRevision;
                    let abort = if by_revision {
                        draft
                    } else {
                        policy.spec.invalid_document == OnInvalidDocument::Abort
                    };
                    return if abort { Err(ErrorKind::WellKnownInvalid) } else { Ok(None) };
                }
                Some(document::Answer::Status(410)) if policy.spec.gone == OnHttpGone::Dead => {
                    return Err(ErrorKind::Gone);
                }
                Some(document::Answer::Status(_) | document::Answer::BadRedirect) => {
                    return Ok(None);
                }
                // R34, R35, R112: redirects are followed, not in circles and not for ever.
                Some(document::Answer::Redirect(next)) => {
                    let hops = visited.len();
                    if !visited.insert(next.clone())
                        || hops > usize::from(policy.well_known.max_redirects)
                    {
                        return Ok(None);
                    }
                    url = next;
                }
            }
        }
    }

    /// One GET, at whichever address answers; None without an answer.
    fn get(&mut self, url: &Url) -> Result<Option<document::Answer>, ErrorKind> {
        let before = self.fresh;
        let addresses = match url.host() {
            TlsName::Ip(ip) => {
                let allowed = self.of.policy.addresses.judge(ip).is_ok();
                let usable = if allowed { vec![ip] } else { Vec::new() };
                Addresses { usable, denied: !allowed, ..Addresses::default() }
            }
            TlsName::Dns(host) => self.addresses(&host),
        };
        if addresses.usable.is_empty() {
            // No address for a temporary reason sends nothing elsewhere; not found and denied are as no response.
            let kind = addresses.failure();
            let fails = kind == ErrorKind::Local
                || kind == ErrorKind::DnsFailure
                    && self.of.policy.spec.well_known_dns_failure == OnFailure::Fail;
            return if fails { Err(kind) } else { Ok(None) };
        }
        // A document that is there asks for no address again: theirs does not count.
        self.fresh = before;
        self.fetch(url, &addresses.usable)
    }
}
