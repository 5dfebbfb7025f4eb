//! Every choice that the specification leaves open, as a named field with its default and the reason for it.
//!
//! Knows nothing of how a choice is carried out.

mod duration;

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::address::AddressPolicy;
use crate::name::DnsName;
use crate::revision::Revision;

/// The choices. Start from [`Policy::default`] and change fields; more fields may come.
///
/// With `serde`, missing fields take their defaults, and durations are text (`250ms`, `1.5s`, `5m`, `24h`, `1d`) or whole seconds.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct Policy {
    /// Which text to follow. The latest: servers are configured for it.
    pub revision: Revision,
    /// What a 200 response with an invalid document leads to. By revision: the drafts abort, all releases go on at step 4
    /// (R42, R67, R75).
    pub invalid_document: OnInvalidDocument,
    /// What to do when no address of the `.well-known` host can be had for a temporary reason. Fail: a lost packet must not
    /// send traffic elsewhere.
    pub well_known_dns_failure: OnFailure,
    /// What to do when an SRV lookup fails (SERVFAIL, no reply). Fail: only "not found" leads on (R55, R97).
    pub srv_failure: OnFailure,
    /// Whether an SRV target may be an alias, which RFC 2782 forbids to zone owners (R62, R88). Follow, and report it:
    /// everybody does.
    pub srv_target_alias: SrvTargetAlias,
    /// What `.well-known` with status 410 means (MSC4188). Any other status: the proposal is not accepted.
    pub gone: OnHttpGone,
    /// How far to ask ahead of need. `Remembered`: as `Addresses` for a new name, which costs two queries more for a delegated SRV
    /// record and none otherwise; none at all for a name that was resolved before.
    pub speculation: Speculation,
    /// Which address families to ask for and use. Both (R127).
    pub families: Families,
    /// Which addresses may be connected to. Global unicast only: names, documents and records are written by strangers.
    pub addresses: AddressPolicy,
    /// Addresses known beforehand (`--resolve`): these names are never asked for. Beats `hosts_file`. None.
    pub static_addresses: BTreeMap<DnsName, Vec<IpAddr>>,
    /// Addresses of the system's hosts file: these names are never asked for. Explanations name `/etc/hosts` as their source,
    /// which `static_addresses` are not from. None: reading the file is the caller's business.
    pub hosts_file: BTreeMap<DnsName, Vec<IpAddr>>,
    /// `User-Agent` of `.well-known` requests: some firewalls refuse requests without.
    pub user_agent: String,

    /// SRV targets used, the first in order. 16: more would only multiply queries.
    pub max_srv_targets: u8,
    /// Addresses used of one host and family, the first in order. 16.
    pub max_addresses: u8,
    /// Aliases followed in one reply, and replies in a row that end with an alias. 8, as common resolvers do (R94).
    pub max_aliases: u8,
    /// Redirects followed for one `.well-known` document. 10 (R35).
    pub max_redirects: u8,
    /// Longest `.well-known` document, in bytes. 50 KiB.
    pub max_body: usize,

    /// Attempts at one DNS question, over the name servers in turn. 4; 1 for drivers with a DNS library of their own.
    pub dns_attempts: u8,
    /// Over which transport name servers are asked. UDP, and TCP where a reply is truncated or UDP does not work; `tcp` for TCP alone
    /// (`options use-vc` of resolv.conf): some networks let no DNS datagrams through.
    pub dns_transport: DnsTransport,
    /// DNS queries that one lookup may cause, further attempts included; with more it fails as
    /// [`TooManyQueries`](crate::ErrorKind::TooManyQueries). 100: 16 SRV targets of both families take about 40, and records that a
    /// stranger writes could otherwise lead to more than a thousand.
    pub max_queries_per_lookup: u32,
    /// When the second attempt starts after the first; each later wait is twice as long. 0.8 s: attempts start at 0, 0.8, 2.4 and
    /// 5.6 s.
    #[serde(with = "duration::required")]
    pub dns_retry_interval: Duration,
    /// A `Resolver` waits for as long as each server's measured round trip suggests instead, once it has one (RFC 6298): never less
    /// than this, never more than a quarter of [`dns_timeout`](Self::dns_timeout). 200 ms; `None` goes by
    /// [`dns_retry_interval`](Self::dns_retry_interval) always.
    #[serde(with = "duration::optional")]
    pub dns_min_retry_interval: Option<Duration>,
    /// A DNS question is given up after this. 10 s.
    #[serde(with = "duration::required")]
    pub dns_timeout: Duration,
    /// A GET waits this long for IPv6 addresses once it has IPv4 ones. 50 ms (RFC 8305 §3, R127).
    #[serde(with = "duration::required")]
    pub resolution_delay: Duration,
    /// The next address is tried this long after the last. 250 ms (RFC 8305 §5, R129).
    #[serde(with = "duration::required")]
    pub connection_attempt_delay: Duration,
    /// A connected address that sends no response within this gets company. 2.5 s.
    #[serde(with = "duration::required")]
    pub response_patience: Duration,
    /// The whole chain of `.well-known` redirects is given up after this, counted while a GET is open. 10 s.
    #[serde(with = "duration::required")]
    pub well_known_timeout: Duration,
    /// A result waits this long for late addresses once the first target has one; `None` waits for all. 1 s.
    #[serde(with = "duration::optional")]
    pub address_wait: Option<Duration>,
    /// A lookup is given up this long after its first request. 40 s.
    #[serde(with = "duration::required")]
    pub lookup_deadline: Duration,
    /// A lookup that got no slot is given up after this. 60 s; `None` waits for ever (batches).
    #[serde(with = "duration::optional")]
    pub queue_deadline: Option<Duration>,
    /// Lookups at once, more are refused as overloaded. 20,000: twice the largest room.
    pub max_lookups: usize,
    /// DNS questions in flight. 96: Docker's resolver takes 100.
    pub dns_slots: usize,
    /// GETs in flight. 128.
    pub http_slots: usize,
    /// GETs in flight to one host. 8: redirects may lead many names to one.
    pub http_slots_per_host: usize,

    /// Life of a valid document whose headers say nothing. 24 h (R38).
    #[serde(with = "duration::required")]
    pub well_known_default_ttl: Duration,
    /// How far a default life is moved at random, up or down, in percent: answers learnt together must not expire together.
    pub ttl_jitter_percent: u8,
    /// Shortest life of a valid document, whatever its headers say. 5 min.
    #[serde(with = "duration::required")]
    pub well_known_min_ttl: Duration,
    /// Longest life of a valid document. 48 h (R39).
    #[serde(with = "duration::required")]
    pub well_known_max_ttl: Duration,
    /// Life of a firm `.well-known` failure (404, an invalid document), and longest life of any. 1 h (R40).
    #[serde(with = "duration::required")]
    pub well_known_failure_ttl: Duration,
    /// Life of the first temporary `.well-known` failure (no response, 503); each further one in a row lives twice as long. 1 min
    /// (R41).
    #[serde(with = "duration::required")]
    pub well_known_retry_ttl: Duration,
    /// Shortest life of DNS records, whatever their TTL says: a floor for zones whose records live for seconds. 0 s: TTLs are
    /// kept (R93).
    #[serde(with = "duration::required")]
    pub dns_min_ttl: Duration,
    /// Longest life of DNS records. 24 h.
    #[serde(with = "duration::required")]
    pub dns_max_ttl: Duration,
    /// Shortest life of a negative DNS answer, whatever its SOA record says. 0 s.
    #[serde(with = "duration::required")]
    pub dns_negative_min_ttl: Duration,
    /// Longest life of a negative DNS answer. 1 h (R96).
    #[serde(with = "duration::required")]
    pub dns_negative_max_ttl: Duration,
    /// Life of a negative DNS answer without SOA record. 30 s: without any, each such name would be asked for every time.
    #[serde(with = "duration::required")]
    pub dns_negative_default_ttl: Duration,
    /// Life of the first DNS failure, and of a result that went out without late addresses; each further one in a row lives twice
    /// as long. 30 s (R97).
    #[serde(with = "duration::required")]
    pub dns_failure_ttl: Duration,
    /// Longest life of a DNS failure. 5 min (R97).
    #[serde(with = "duration::required")]
    pub dns_failure_max_ttl: Duration,
    /// Longest life of a result that went out without late addresses, while the same family stays silent. 1 h.
    #[serde(with = "duration::required")]
    pub partial_result_ttl: Duration,

    /// After which part of its life a fact is asked again when it is used, in percent; `None` asks only when it has expired. 80:
    /// names in use never wait. A fact that is due is also asked again where the lookup had to ask for another fact of the name.
    pub refresh_ahead_percent: Option<u8>,
    /// How long a lookup waits for a refresh before the last good fact is used instead; `None` never uses it. 1.8 s (RFC 8767 §5).
    #[serde(with = "duration::optional")]
    pub serve_stale_after: Option<Duration>,
    /// How old a DNS fact may be as the last good one. 24 h.
    #[serde(with = "duration::required")]
    pub max_stale: Duration,
    /// For how long a place that a caller reported as failing is handed out behind all others; each further time in a row twice as
    /// long. Also how soon the facts behind a name are asked again when its places fail, counted from when they were learnt, and from
    /// when they were last asked again for that reason, which doubles, too. 1 min, as for a failed `.well-known` (R41); 0 moves
    /// nothing and asks nothing.
    #[serde(with = "duration::required")]
    pub report_backoff: Duration,
    /// The longest of both. 1 h, as for `.well-known` failures (R40): a server that has moved is found again within it.
    #[serde(with = "duration::required")]
    pub report_max_backoff: Duration,
    /// Places and names each of which failures are remembered. 20,000: as many as names at once. Where more names fail within two
    /// hours, facts are asked again for the further ones once they are as old as `report_max_backoff`.
    pub max_reports: usize,
    /// Most facts kept; 0 keeps none. 400,000: about 100,000 names.
    pub max_facts: usize,
    /// Most results kept, ready to be handed out; 0 keeps none, and each is told anew from its facts. 100,000.
    pub max_results: usize,
    /// Most memory for facts, for results and for what was reported each, in bytes, as far as it can be told. 256 MiB.
    pub max_cache_bytes: usize,
}

impl Default for Policy {
    fn default() -> Self {
        let seconds = Duration::from_secs;
        Self {
            revision: Revision::default(),
            invalid_document: OnInvalidDocument::ByRevision,
            well_known_dns_failure: OnFailure::Fail,
            srv_failure: OnFailure::Fail,
            srv_target_alias: SrvTargetAlias::Follow,
            gone: OnHttpGone::AnyOtherStatus,
            speculation: Speculation::Remembered,
            families: Families::Both,
            addresses: AddressPolicy::default(),
            static_addresses: BTreeMap::new(),
            hosts_file: BTreeMap::new(),
            user_agent: concat!("matrix-discovery/", env!("CARGO_PKG_VERSION")).to_owned(),
            max_srv_targets: 16,
            max_addresses: 16,
            max_aliases: 8,
            max_redirects: 10,
            max_body: 50 * 1024,
            dns_attempts: 4,
            dns_transport: DnsTransport::Udp,
            max_queries_per_lookup: 100,
            dns_retry_interval: Duration::from_millis(800),
            dns_min_retry_interval: Some(Duration::from_millis(200)),
            dns_timeout: seconds(10),
            resolution_delay: Duration::from_millis(50),
            connection_attempt_delay: Duration::from_millis(250),
            response_patience: Duration::from_millis(2500),
            well_known_timeout: seconds(10),
            address_wait: Some(seconds(1)),
            lookup_deadline: seconds(40),
            queue_deadline: Some(seconds(60)),
            max_lookups: 20_000,
            dns_slots: 96,
            http_slots: 128,
            http_slots_per_host: 8,
            well_known_default_ttl: seconds(24 * 60 * 60),
            ttl_jitter_percent: 10,
            well_known_min_ttl: seconds(5 * 60),
            well_known_max_ttl: seconds(48 * 60 * 60),
            well_known_failure_ttl: seconds(60 * 60),
            well_known_retry_ttl: seconds(60),
            dns_min_ttl: Duration::ZERO,
            dns_max_ttl: seconds(24 * 60 * 60),
            dns_negative_min_ttl: Duration::ZERO,
            dns_negative_max_ttl: seconds(60 * 60),
            dns_negative_default_ttl: seconds(30),
            dns_failure_ttl: seconds(30),
            dns_failure_max_ttl: seconds(5 * 60),
            partial_result_ttl: seconds(60 * 60),
            refresh_ahead_percent: Some(80),
            serve_stale_after: Some(Duration::from_millis(1800)),
            max_stale: seconds(24 * 60 * 60),
            report_backoff: seconds(60),
            report_max_backoff: seconds(60 * 60),
            max_reports: 20_000,
            max_facts: 400_000,
            max_results: 100_000,
            max_cache_bytes: 256 * 1024 * 1024,
        }
    }
}

/// What a 200 response with an invalid document leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum OnInvalidDocument {
    /// As the revision says.
    ByRevision,
    /// On at step 4.
    GoOn,
    /// The lookup fails, nothing is connected to.
    Abort,
}

/// What a failed lookup leads to, where the specification only speaks of "not found".
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum OnFailure {
    /// The lookup fails as temporary.
    Fail,
    /// On, as if it had not been found.
    GoOn,
}

/// Whether an SRV target may be an alias.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum SrvTargetAlias {
    /// Follow it, and report it in the explanation.
    Follow,
    /// Drop the target.
    Reject,
}

/// What status 410 of `.well-known` means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum OnHttpGone {
    /// As any other status: on at step 4.
    AnyOtherStatus,
    /// The server is gone for good (MSC4188): the lookup fails.
    Dead,
}

/// How far to ask ahead of need. It never decides: results are the same in all of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Speculation {
    /// Only what is needed: the fewest queries.
    Off,
    /// Also addresses that may be needed.
    Addresses,
    /// Also services that may be needed: the fewest waits.
    Full,
    /// What decided last time, as far as it is remembered: the fewest waits that cost no query, unless the world has changed. As
    /// `Addresses` for a name of which nothing is remembered.
    Remembered,
}

/// The transports of DNS.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DnsTransport {
    /// UDP first, TCP where that is needed.
    Udp,
    /// TCP alone (RFC 7766).
    Tcp,
}

/// Which address families to ask for and use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Families {
    /// IPv6 and IPv4.
    Both,
    /// IPv4 alone.
    V4,
    /// IPv6 alone.
    V6,
}

#[cfg(test)]
mod tests;
