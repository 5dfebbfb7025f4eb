//! "Resolving server names": the specification as one function over a board of facts, top to bottom like the text.
//!
//! Knows no time, no socket, no retry, no cache and no randomness: it is given a number. What it needs and does not find, the board
//! asks for.
//!
//! The function runs again from the top after every fact; it keeps no position between runs. A whole run takes a few
//! microseconds, and a stored position would be state that an order of answers could change.

use std::net::IpAddr;
use std::sync::Arc;

use crate::fact::{Fact, Question, UnusableResponse};
use crate::io::SrvRecord;
use crate::name::{DnsName, Host, ServerName, TlsName, Url};
use crate::outcome::{Effect, ErrorKind, SrvRank, Step, Target};
use crate::policy::{OnFailure, OnHttpGone, OnInvalidDocument, Policy, SrvTargetAlias};
use crate::revision::Revision;
use crate::spec::{Draws, FactView, Fetched, HostAddresses, Priority, Suspend, Trouble};

/// The port where no other is said (R26, R45, R57, R60).
const DEFAULT_PORT: u16 = 8448;

/// Where to connect, and how to verify the server.
pub(crate) struct Found {
    pub(crate) targets: Box<[Target]>,
    pub(crate) host_header: Arc<str>,
    pub(crate) tls_name: TlsName,
    pub(crate) step: Step,
}

/// Steps 1, 2, 4, 5 and 6 are run on the name that was asked for, or as 3.1 to 3.5 on the name that it delegates to.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Pass {
    Asked,
    Delegated,
}

impl Pass {
    const fn step(self, asked: Step, delegated: Step) -> Step {
        match self {
            Self::Asked => asked,
            Self::Delegated => delegated,
        }
    }
}

/// Resolves a server name from the facts on the board. `draws` orders SRV targets of one priority.
pub(crate) fn resolve(
    name: &ServerName,
    draws: &Draws,
    view: &mut FactView<'_>,
) -> Result<Found, Suspend> {
    let result = pass(name, Pass::Asked, draws, view);
    // What a guess would return is thrown away: speculation asks earlier, it never decides.
    if view.is_guessing() { Err(Suspend::Missing) } else { result }
}

fn pass(
    name: &ServerName,
    pass: Pass,
    draws: &Draws,
    view: &mut FactView<'_>,
) -> Result<Found, Suspend> {
    // R25: one step after the other, and the first that applies is the answer. Steps 1 and 3.1.
    let text = match name.host() {
        Host::Ip(ip) => return literal(name, ip, pass, view),
        Host::Name(text) => text,
    };
    let host = match view.host(name, text) {
        Ok(host) => host,
        Err(why) => {
            let step = pass.step(Step::ExplicitPort, Step::WellKnown);
            view.decide(step, None, Effect::UnresolvableName(why));
            return Err(Suspend::Failed(ErrorKind::UnresolvableName));
        }
    };

    // Steps 2 and 3.2: with an explicit port neither document nor SRV record is asked for (R29, R48).
    if let Some(port) = name.port() {
        let step = pass.step(Step::ExplicitPort, Step::DelegatedPort);
        view.decide(step, None, Effect::ExplicitPort(port));
        return at_own_addresses(name, host, port, step, view);
    }

    // Step 3: never a second time, for the delegated name (R44).
    if pass == Pass::Asked
        && let Some(delegated) = well_known(&host, view)?
    {
        return self::pass(&delegated, Pass::Delegated, draws, view);
    }

    // Steps 4 and 5, 3.3 and 3.4: the SRV record of `_matrix-fed`, and only where there is none that of `_matrix` (R51, R55,
    // R58, R59; R78 and R80 know `_matrix` alone).
    for service in view.policy.spec.revision.services() {
        let step = match *service {
            "_matrix-fed" => pass.step(Step::FedService, Step::DelegatedFedService),
            _ => pass.step(Step::Service, Step::DelegatedService),
        };
        if let Some(targets) = services(&host, service, step, draws, view)? {
            return Ok(Found {
                targets,
                // R53, R58, R59: the name, never the SRV target.
                host_header: name.shared_host(),
                // R54, R61, R124: DNS is not authenticated, so the name itself must be proven, never the target.
                tls_name: TlsName::Dns(host),
                step,
            });
        }
    }

    // Steps 6 and 3.5 (R57, R60; R79, R81).
    let step = pass.step(Step::Default, Step::DelegatedDefault);
    view.decide(step, None, Effect::DefaultPort);
    at_own_addresses(name, host, DEFAULT_PORT, step, view)
}

/// Steps 1 and 3.1: the address itself, without a query (R26, R45).
fn literal(
    name: &ServerName,
    ip: IpAddr,
    pass: Pass,
    view: &mut FactView<'_>,
) -> Result<Found, Suspend> {
    let step = pass.step(Step::IpLiteral, Step::DelegatedIpLiteral);
    view.decide(step, None, Effect::IpLiteral(ip));
    if let Err(denied) = view.policy.addresses.judge(ip) {
        view.decide(step, None, Effect::Denied(denied.into()));
        return Err(Suspend::Failed(ErrorKind::Blocked));
    }
    let port = name.port().unwrap_or(DEFAULT_PORT);
    let host_header = match (view.policy.spec.revision, pass) {
        // R70, R133: both drafts leave the port out of step 1, the older one out of step 3.1, too.
        (Revision::DraftOld, _) | (Revision::DraftNew, Pass::Asked) => name.shared_host(),
        // R76: the newer draft wants a port in step 3.1; where none was given, the one that is used.
        (Revision::DraftNew, Pass::Delegated) => {
            if name.port().is_none() {
                view.decide(step, None, Effect::HostWithDefaultPort);
            }
            format!("{}:{port}", name.host_str()).into()
        }
        // R28, R47: as written, with the port if one was given.
        (Revision::V1_7 | Revision::V1_8, _) => name.shared(),
    };
    // R27, R46: a certificate for the IP.
    let tls_name = TlsName::Ip(ip);
    let target = Target { host: tls_name.clone(), port, srv: None, addresses: Box::new([ip]) };
    Ok(Found { targets: Box::new([target]), host_header, tls_name, step })
}

/// Steps 2, 3.2, 3.5 and 6: the addresses of the host itself.
fn at_own_addresses(
    name: &ServerName,
    host: DnsName,
    port: u16,
    step: Step,
    view: &mut FactView<'_>,
) -> Result<Found, Suspend> {
    let candidate = Candidate { host: host.clone(), port, srv: None };
    let targets = targets(std::slice::from_ref(&candidate), step, view)?;
    let host_header = match (view.policy.spec.revision, step) {
        // R132: the older draft leaves the port out of step 2.
        (Revision::DraftOld, Step::ExplicitPort) => name.shared_host(),
        // R30, R49, R71, R77: as written, even `:443`. R57, R60: no port was written, none is sent.
        _ => name.shared(),
    };
    // R31, R50, R57, R60: a certificate for the host, without port.
    Ok(Found { targets, host_header, tls_name: TlsName::Dns(host), step })
}

/// Step 3: the delegated name, if the host has a valid document.
fn well_known(host: &DnsName, view: &mut FactView<'_>) -> Result<Option<ServerName>, Suspend> {
    const STEP: Step = Step::WellKnown;
    // R32, R65, R72: at the hostname, on port 443.
    let mut url = Url::well_known(host);
    let mut seen: Vec<Url> = Vec::new();
    loop {
        let known = match view.get(&url)? {
            // The guess goes on as if there were no document.
            None => return Ok(None),
            Some(Fetched::NoAddress(addresses)) => return no_address(&addresses, view),
            Some(Fetched::Answer(known)) => known,
        };
        let cause = Some(&known);
        match &known.fact {
            // R43: a valid document.
            Fact::Document(delegated) => {
                view.decide(STEP, cause, Effect::Delegated(delegated.clone()));
                return Ok(Some(delegated.clone()));
            }
            // R34, R35, R64, R73, R112: redirects are followed, never twice to one place, and not for ever.
            Fact::Redirect(next) => {
                if *next == url || seen.contains(next) {
                    view.dead_end(&known);
                    view.decide(STEP, cause, Effect::RedirectLoop);
                    return Ok(None);
                }
                if seen.len() >= usize::from(view.policy.well_known.max_redirects) {
                    view.dead_end(&known);
                    view.decide(STEP, cause, Effect::TooManyRedirects);
                    return Ok(None);
                }
                view.decide(STEP, cause, Effect::Followed);
                seen.push(std::mem::replace(&mut url, next.clone()));
            }
            Fact::Unusable(UnusableResponse::Document(_)) if aborts(view) => {
                view.decide(STEP, cause, Effect::Aborted);
                return Err(Suspend::Failed(ErrorKind::WellKnownInvalid));
            }
            Fact::Unusable(UnusableResponse::Status(410))
                if view.policy.spec.gone == OnHttpGone::Dead =>
            {
                view.decide(STEP, cause, Effect::Failed(ErrorKind::Gone));
                return Err(Suspend::Failed(ErrorKind::Gone));
            }
            // A failure of our own side says nothing about the world: it never leads to step 4.
            Fact::Failed(why) if why.is_local() => {
                view.decide(STEP, cause, Effect::Failed(ErrorKind::Local));
                return Err(Suspend::Failed(ErrorKind::Local));
            }
            // R42, R67: any other answer, and none at all, leads to step 4.
            Fact::Unusable(_)
            | Fact::Failed(_)
            | Fact::Late
            | Fact::Addresses { .. }
            | Fact::Services(_)
            | Fact::UnusableServices
            | Fact::Alias(_)
            | Fact::NotFound(_) => {
                view.decide(STEP, cause, Effect::NoDocument);
                return Ok(None);
            }
        }
    }
}

/// R42, R67: an invalid document leads on; R75: in the drafts it is the end.
fn aborts(view: &FactView<'_>) -> bool {
    match view.policy.spec.invalid_document {
        OnInvalidDocument::ByRevision => view.policy.spec.revision.is_draft(),
        OnInvalidDocument::GoOn => false,
        OnInvalidDocument::Abort => true,
    }
}

/// The document can't be asked for. Without any address that is "no response"; where it may be the fault of a lost packet
/// the lookup fails instead, for traffic must not go elsewhere by accident.
fn no_address(
    addresses: &HostAddresses,
    view: &mut FactView<'_>,
) -> Result<Option<ServerName>, Suspend> {
    let trouble = addresses.trouble();
    let fails = match trouble {
        Trouble::Local => true,
        Trouble::Failed => view.policy.spec.well_known_dns_failure == OnFailure::Fail,
        Trouble::NotFound | Trouble::Denied => false,
    };
    note_addresses(Step::WellKnown, addresses, view);
    if fails {
        let kind = ErrorKind::from(trouble);
        view.decide(Step::WellKnown, None, Effect::Failed(kind));
        return Err(Suspend::Failed(kind));
    }
    view.decide(Step::WellKnown, None, Effect::NoAddressForDocument);
    Ok(None)
}

/// Steps 3.3, 3.4, 4 and 5: the targets of the SRV record; None: it was not found.
fn services(
    host: &DnsName,
    service: &str,
    step: Step,
    draws: &Draws,
    view: &mut FactView<'_>,
) -> Result<Option<Box<[Target]>>, Suspend> {
    // Where the owner's name would be too long for DNS there is no such record.
    let Some(owner) = view.service(host, service) else { return Ok(None) };
    let Some(known) = view.services(step, &owner)? else { return Ok(None) };
    let cause = Some(&known);
    let records = match &known.fact {
        // R91: found is found, whatever can be made of it.
        Fact::Services(records) => records,
        Fact::NotFound(_) => {
            view.decide(step, cause, Effect::NotFound);
            return Ok(None);
        }
        Fact::Failed(why) if !why.is_local() && view.policy.spec.srv_failure == OnFailure::GoOn => {
            view.decide(step, cause, Effect::CountsAsNotFound);
            return Ok(None);
        }
        // R97: a failure is not "not found".
        Fact::Failed(why) => {
            let kind = if why.is_local() { ErrorKind::Local } else { ErrorKind::DnsFailure };
            view.decide(step, cause, Effect::Failed(kind));
            return Err(Suspend::Failed(kind));
        }
        Fact::UnusableServices
        | Fact::Addresses { .. }
        | Fact::Alias(_)
        | Fact::Document(_)
        | Fact::Redirect(_)
        | Fact::Unusable(_)
        | Fact::Late => {
            view.decide(step, cause, Effect::Failed(ErrorKind::SrvUnavailable));
            return Err(Suspend::Failed(ErrorKind::SrvUnavailable));
        }
    };
    let usable: Vec<&SrvRecord> =
        records.iter().filter(|record| !record.target.is_root() && record.port != 0).collect();
    if usable.is_empty() {
        // R87: a lone `.` says that the service is not offered. R55: never on to `_matrix`, nor to port 8448.
        view.decide(step, cause, Effect::NotOffered);
        return Err(Suspend::Failed(ErrorKind::SrvUnavailable));
    }
    view.decide(step, cause, Effect::Services);
    for record in records.iter().filter(|r| r.target.is_root() || r.port == 0) {
        view.decide(step, None, Effect::TargetDropped(record.target.clone()));
    }
    let limit = usize::from(view.policy.spec.max_srv_targets);
    let ordered = draws.order(&usable, limit);
    if usable.len() > limit {
        view.decide(step, None, Effect::TargetsLeftOut(usable.len().saturating_sub(limit)));
    }
    let candidates: Vec<Candidate> = ordered.into_iter().map(Candidate::from).collect();
    targets(&candidates, step, view).map(Some)
}

/// A host whose addresses make a target.
struct Candidate {
    host: DnsName,
    port: u16,
    srv: Option<SrvRank>,
}

impl Candidate {
    fn target(&self, addresses: Box<[IpAddr]>) -> Target {
        let host = TlsName::Dns(self.host.clone());
        Target { host, port: self.port, srv: self.srv, addresses }
    }
}

impl From<&SrvRecord> for Candidate {
    fn from(service: &SrvRecord) -> Self {
        Self {
            // R52: the target's name is looked up, whatever it looks like.
            host: service.target.clone(),
            port: service.port,
            srv: Some(SrvRank { priority: service.priority, weight: service.weight }),
        }
    }
}

/// The candidates that have addresses which may be used, all asked for at once. One that has none is dropped; when all are,
/// the gravest reason is the lookup's.
fn targets(
    candidates: &[Candidate],
    step: Step,
    view: &mut FactView<'_>,
) -> Result<Box<[Target]>, Suspend> {
    if view.policy.addresses.resolve_hosts_only {
        return Ok(candidates.iter().map(|candidate| candidate.target(Box::default())).collect());
    }
    let mut targets = Vec::with_capacity(candidates.len());
    let mut missing = Vec::new();
    // Whether the first candidate that may still come to something has an address: then the rest may be late.
    let mut enough = None;
    let mut gravest = None;
    let mut all_rejected = true;
    for candidate in candidates {
        let mut addresses = view.addresses(&candidate.host);
        note_addresses(step, &addresses, view);
        // R62, R88. A rejected target's other family is waited for all the same: which one came first must not be told (I13).
        let alias = candidate.srv.is_some() && addresses.is_alias(&candidate.host);
        let rejected = alias && view.policy.spec.srv_target_alias == SrvTargetAlias::Reject;
        if rejected {
            view.decide(step, None, Effect::TargetAliasRejected);
            addresses.usable.clear();
        } else if alias {
            view.decide(step, None, Effect::TargetIsAlias);
        }
        all_rejected &= rejected;
        let before = missing.len();
        missing.extend(addresses.missing().cloned());
        let usable = std::mem::take(&mut addresses.usable);
        if !usable.is_empty() {
            enough = enough.or(Some(true));
            targets.push(candidate.target(usable.into()));
        } else if missing.len() > before {
            enough = enough.or(Some(false));
        } else if !rejected {
            gravest = gravest.max(Some(addresses.trouble()));
        }
    }
    if !missing.is_empty() {
        let need = if enough == Some(true) { Priority::Optional } else { Priority::Required };
        missing.iter().for_each(|question| view.ask(question, need));
        if need == Priority::Required {
            view.missing()?;
            return Err(Suspend::Missing);
        }
    }
    if targets.is_empty() {
        let kind = if all_rejected {
            ErrorKind::SrvUnavailable
        } else {
            gravest.map_or(ErrorKind::NoAddresses, ErrorKind::from)
        };
        view.decide(step, None, Effect::Failed(kind));
        return Err(Suspend::Failed(kind));
    }
    Ok(targets.into())
}

/// Whether the addresses of a name are those of the hosts file.
fn is_from_hosts_file(question: &Question, policy: &Policy) -> bool {
    match question {
        Question::Dns(name, _) => {
            policy.addresses.hosts_file.contains_key(name)
                && !policy.addresses.static_addresses.contains_key(name)
        }
        Question::Get(_) => false,
    }
}

/// Notes what became of each family of a host.
fn note_addresses(step: Step, addresses: &HostAddresses, view: &mut FactView<'_>) {
    for known in addresses.known() {
        view.used(known);
        let effect = match &known.fact {
            Fact::Addresses { addresses: found, .. } => {
                let denied =
                    |ip: &IpAddr| addresses.denied.iter().any(|denied| denied.address == *ip);
                if found.iter().all(denied) {
                    Effect::NoAddress
                } else if is_from_hosts_file(&known.question, view.policy) {
                    Effect::UsedFromHostsFile
                } else {
                    Effect::Used
                }
            }
            Fact::Late => Effect::WentWithout,
            Fact::Failed(_) => Effect::DidWithout,
            Fact::NotFound(_)
            | Fact::Services(_)
            | Fact::UnusableServices
            | Fact::Alias(_)
            | Fact::Document(_)
            | Fact::Redirect(_)
            | Fact::Unusable(_) => Effect::NoAddress,
        };
        view.decide(step, Some(known), effect);
    }
    if let Some(family) = addresses.second {
        view.decide(step, None, Effect::TriedSecond(family));
    }
    for denied in &addresses.denied {
        view.decide(step, None, Effect::Denied(Box::new(*denied)));
    }
}
