//! What the options, and this machine, say about how to resolve.
//!
//! Reads the system's files; knows nothing of names or results.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use discovery_core::{
    DefaultAction, DnsName, Families, Host, HttpGet, Policy, ServerName, Speculation,
};
use discovery_driver::Builder;
use discovery_wire::{Hosts, NameServers, WarningKind, client_config};
use rustls::{ClientConfig, RootCertStore};

use crate::options::{ConnectTo, ResolveOptions};
use crate::resolve::most_lookups;
use crate::status::{Trouble, warn};
use crate::trust;

/// DNS questions that one lookup has in flight at most: both families of 16 SRV targets, and what is asked beside them.
const DNS_PER_LOOKUP: usize = 40;
/// DNS questions that a lookup has in flight for as long as its name servers are silent: addresses of both families, and services.
const DNS_PER_SLOW_LOOKUP: usize = 4;
/// GETs that one lookup has in flight at most: one, and one that is on its way out.
const HTTP_PER_LOOKUP: usize = 2;
/// Open files that one question takes at most: four attempts, or as many addresses of one GET.
const FILES_PER_QUESTION: usize = 4;

/// The policy that the options ask for; `base` is what holds where they say nothing.
pub(crate) fn policy(options: &ResolveOptions, base: Policy) -> Policy {
    let mut policy = base;
    // A single name is wanted soon, and costs its servers little; many are not to be a burden.
    policy.spec.speculation = match options.names.as_slice() {
        [name] if name != "-" => Speculation::Full,
        _ => Speculation::Remembered,
    };
    if options.explain() {
        // Whoever wants to know why wants to know all of it.
        policy.addresses.wait = None;
    }
    if let Some(timeout) = options.timeout {
        policy.limits.lookup_deadline = timeout;
    }
    if let Some(revision) = options.revision {
        policy.spec.revision = revision;
    }
    policy.addresses.families = match (options.network.ipv4, options.network.ipv6) {
        (true, _) => Families::V4,
        (_, true) => Families::V6,
        (false, false) => policy.addresses.families,
    };
    policy.addresses.allow.extend(&options.network.allow_address);
    policy.addresses.deny.extend(&options.network.deny_address);
    if options.network.any_address {
        policy.addresses.otherwise = DefaultAction::Any;
    }
    for (name, addresses) in said(&options.network.resolve) {
        policy.addresses.static_addresses.insert(name, addresses);
    }
    // Nobody else waits behind this batch: names wait for their turn as long as it takes.
    policy.limits.queue_deadline = None;
    let most = most_lookups(options.jobs);
    policy.limits.max_lookups = policy.limits.max_lookups.max(most);
    let files = open_files() / FILES_PER_QUESTION / 2;
    let slots = |default: usize, wanted: usize| wanted.max(default).min(files.max(1));
    let dns = options.jobs.saturating_mul(DNS_PER_LOOKUP);
    policy.limits.dns_slots =
        slots(policy.limits.dns_slots, dns.max(most.saturating_mul(DNS_PER_SLOW_LOOKUP)));
    policy.limits.http_slots =
        slots(policy.limits.http_slots, most.saturating_mul(HTTP_PER_LOOKUP));
    policy
}

/// The addresses of the command line, by host.
fn said(pairs: &[(DnsName, IpAddr)]) -> BTreeMap<DnsName, Vec<IpAddr>> {
    let mut all: BTreeMap<DnsName, Vec<IpAddr>> = BTreeMap::new();
    for (name, address) in pairs {
        all.entry(name.clone()).or_default().push(*address);
    }
    all
}

/// How many files may be open, after as many as possible have been asked for.
fn open_files() -> usize {
    let limit = rlimit::increase_nofile_limit(u64::MAX).unwrap_or(1024);
    usize::try_from(limit).unwrap_or(usize::MAX)
}

/// A discovery in the world outside, as the options and this machine say.
pub(crate) fn outside(options: &ResolveOptions) -> Result<Builder, Trouble> {
    let mut base = Policy::default();
    base.addresses.hosts_file = hosts();
    let mut builder = Builder::new(trust(options)?).policy(policy(options, base));
    if options.network.nameserver.is_empty() {
        warn_of_resolv_conf();
    } else {
        builder = builder.name_servers(options.network.nameserver.iter().copied());
    }
    if !options.network.connect_to.is_empty() {
        let rules = options.network.connect_to.clone();
        builder = builder.fetch_from(move |get| fetch_from(&rules, get));
    }
    Ok(builder)
}

/// Where to fetch a document from: the first rule that concerns it tells.
fn fetch_from(rules: &[ConnectTo], get: &HttpGet) -> SocketAddr {
    let host = get.url.host().unwrap_or_default();
    let port = get.url.port_u16().unwrap_or(443);
    rules.iter().find_map(|step| step.apply(host, port, get.address)).unwrap_or(get.address)
}

/// Says what is wrong with the system's list of name servers, which the discovery reads itself.
fn warn_of_resolv_conf() {
    let servers = NameServers::from_resolv_conf(&read("/etc/resolv.conf"), interface_index);
    // Options that this program does not know are for others; a name server that is left out is not.
    let matters = |kind| {
        matches!(
            kind,
            WarningKind::Address | WarningKind::Zone | WarningKind::NoServer | WarningKind::TooMuch
        )
    };
    for warning in servers.warnings.iter().filter(|warning| matters(warning.kind)) {
        warn(&format!("/etc/resolv.conf: {warning}"));
    }
    if servers.addresses.is_empty() {
        warn("/etc/resolv.conf: no name server is left; see --nameserver");
    }
}

/// The number of a network interface, by its name.
#[cfg(unix)]
pub(crate) fn interface_index(name: &str) -> Option<u32> {
    nix::net::if_::if_nametoindex(name).ok()
}

/// As above, where interfaces go by number alone.
#[cfg(not(unix))]
pub(crate) fn interface_index(_name: &str) -> Option<u32> {
    None
}

fn hosts() -> BTreeMap<DnsName, Vec<IpAddr>> {
    // Whatever is odd in a hosts file concerns other programs, too, and hardly ever the names asked for.
    Hosts::from_hosts_file(&read("/etc/hosts")).addresses
}

/// A file of the system; one that is not there says nothing.
fn read(path: &str) -> Vec<u8> {
    match fs::read(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
        Err(error) => {
            warn(&format!("{path}: {error}"));
            Vec::new()
        }
    }
}

/// Whom to trust: the authorities in a file, or the system's (R16, R17).
fn trust(options: &ResolveOptions) -> Result<Arc<ClientConfig>, Trouble> {
    let roots = roots(options, options.names.iter().any(|name| wants_document(name)))?;
    let provider = rustls::crypto::ring::default_provider();
    let config = if roots.is_empty() {
        // No name needs a document, so there will be no connection.
        ClientConfig::builder_with_provider(Arc::new(provider))
            .with_safe_default_protocol_versions()
            .map(|versions| versions.with_root_certificates(roots).with_no_client_auth())
    } else {
        client_config(provider, roots)
    };
    config.map(Arc::new).map_err(|error| Trouble::Here(error.to_string()))
}

/// The authorities to trust: those that are named, or the system's, if certificates will be looked at.
pub(crate) fn roots(options: &ResolveOptions, needed: bool) -> Result<RootCertStore, Trouble> {
    if let Some(path) = options.network.ca_file.as_deref() {
        let mut roots = RootCertStore::empty();
        let unusable = |why| Trouble::Usage(format!("--ca-file {}: {why}", path.display()));
        trust::add_file(path, &mut roots).map_err(unusable)?;
        return Ok(roots);
    }
    if !needed {
        // No certificate will be looked at, so whatever is wrong with them does not matter.
        return Ok(RootCertStore::empty());
    }
    if let Some(roots) = trust::from_environment().map_err(Trouble::Usage)? {
        return Ok(roots);
    }
    let found = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(found.certs);
    if roots.is_empty() {
        // Going on would mean that no document is ever believed, and that every answer may be wrong.
        let why = found.errors.first().map_or_else(String::new, |why| format!(" ({why})"));
        return Err(Trouble::Here(format!(
            "this machine has no trusted certificate authorities{why}: install them \
             (ca-certificates), or name a file with --ca-file or SSL_CERT_FILE"
        )));
    }
    Ok(roots)
}

/// Whether a document may have to be fetched for a name: not for IP literals and explicit ports (R26, R29).
fn wants_document(name: &str) -> bool {
    match ServerName::parse(name) {
        Ok(name) => name.port().is_none() && matches!(name.host(), Host::Name(_)),
        // Names that are still to be typed.
        Err(_) => name == "-",
    }
}

/// By how much the lab's time is shorter than real time.
pub(crate) const LAB_DIVISOR: u32 = 10;

/// The policy of the lab: the options over the built-in world's own settings, in the lab's hurry.
pub(crate) fn lab_policy(options: &ResolveOptions, base: Policy) -> Policy {
    let mut policy = discovery_lab::hurried(policy(options, base), LAB_DIVISOR);
    if let Some(timeout) = options.timeout {
        policy.limits.lookup_deadline = timeout;
    }
    // Nothing in that world is late for good: what seems so is this machine's doing.
    policy.addresses.wait = None;
    policy
}
