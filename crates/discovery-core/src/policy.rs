//! Every choice that the specification leaves open, as a named field with its default and the reason for it.

use std::time::Duration;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use crate::address::AddressPolicy;
use crate::revision::Revision;
use crate::util::duration;

/// The choices of a machine, in groups. Start from [`Policy::default`] and change fields; more fields may come.
///
/// With `serde`, missing groups and fields take their defaults; durations are text (`250ms`, `1.5s`, `5m`, `24h`, `1d`) or whole
/// seconds, and `none` where a duration is optional. Unknown keys are refused, with the nearest known one in the error.
/// ```
/// # use discovery_core::Policy;
/// # use std::time::Duration;
/// let policy: Policy = serde_json::from_str(r#"{"dns": {"timeout": "5s"}, "limits": {"max_lookups": 100}}"#)?;
/// assert_eq!(policy.dns.timeout, Duration::from_secs(5));
/// let refused = serde_json::from_str::<Policy>(r#"{"dns": {"timout": "5s"}}"#).unwrap_err();
/// assert_eq!(refused.to_string(), "unknown policy field `dns.timout`; did you mean `dns.timeout`?");
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(default, remote = "Self")]
#[non_exhaustive]
pub struct Policy {
    /// What the specification leaves open or says differently in its revisions.
    pub spec: SpecPolicy,
    /// DNS queries and the lifetimes of their answers.
    pub dns: DnsPolicy,
    /// `.well-known` requests and the lifetimes of documents.
    pub well_known: WellKnownPolicy,
    /// Which addresses are used, and the pace at which they are tried.
    pub addresses: AddressPolicy,
    /// What is kept beyond a lookup, and for how long it may be used.
    pub cache: CachePolicy,
    /// Bounds on lookups, queries and requests.
    pub limits: LimitsPolicy,
    /// How long endpoints that callers report as failing are tried last.
    pub feedback: FeedbackPolicy,
}

/// What the specification leaves open or says differently in its revisions.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct SpecPolicy {
    /// Which revision of the specification to follow. Default: the latest, because servers are configured for it.
    pub revision: Revision,
    /// What a response with status 200 and an invalid document leads to. Default: as the revision says; the drafts abort, all releases
    /// continue with step 4 (R42, R67, R75).
    pub invalid_document: OnInvalidDocument,
    /// What a temporary failure to find an address of the `.well-known` host leads to. Default: the lookup fails, because a lost packet
    /// must not send traffic elsewhere.
    pub well_known_dns_failure: OnFailure,
    /// What a failed SRV lookup (SERVFAIL, no reply) leads to. Default: the lookup fails, because only "not found" leads to the next
    /// step (R55, R97).
    pub srv_failure: OnFailure,
    /// Whether an SRV target may be an alias, which RFC 2782 forbids to zone owners (R62, R88). Default: it is followed and reported in
    /// the explanation, as other resolvers do.
    pub srv_target_alias: SrvTargetAlias,
    /// What a `.well-known` response with status 410 means (MSC4188). Default: the same as any other status, as long as the proposal is
    /// not accepted.
    pub gone: OnHttpGone,
    /// How far to ask ahead of need. It never changes a result. Default: `Remembered`.
    pub speculation: Speculation,
    /// Most SRV targets used, the first in order. Default: 16; each costs two queries.
    pub max_srv_targets: u8,
}

impl Default for SpecPolicy {
    fn default() -> Self {
        Self {
            revision: Revision::default(),
            invalid_document: OnInvalidDocument::ByRevision,
            well_known_dns_failure: OnFailure::Fail,
            srv_failure: OnFailure::Fail,
            srv_target_alias: SrvTargetAlias::Follow,
            gone: OnHttpGone::AnyOtherStatus,
            speculation: Speculation::Remembered,
            max_srv_targets: 16,
        }
    }
}

/// DNS queries and the lifetimes of their answers.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct DnsPolicy {
    /// Most queries for one DNS question, over the name servers in turn. Default: 4; use 1 in drivers with a DNS library that retries by
    /// itself.
    pub attempts: u8,
    /// The transport of queries. Default: UDP, and TCP where a reply is truncated or UDP does not work. `tcp` uses TCP alone
    /// (`options use-vc` of resolv.conf): some networks drop all DNS datagrams.
    pub transport: DnsTransport,
    /// The time between the first query and the second; each later wait is twice as long. Default: 0.8 s, which sends queries at 0, 0.8,
    /// 2.4 and 5.6 s.
    #[serde(with = "duration::required")]
    pub retry_interval: Duration,
    /// The least time between two queries once a [`Resolver`](crate::Resolver) has measured the round trip of the name server, which then
    /// sets the pace (RFC 6298), up to a quarter of [`timeout`](Self::timeout). Default: 200 ms; `None` always uses
    /// [`retry_interval`](Self::retry_interval).
    #[serde(with = "duration::optional")]
    pub min_retry_interval: Option<Duration>,
    /// The time after which a DNS question has failed. Default: 10 s.
    #[serde(with = "duration::required")]
    pub timeout: Duration,
    /// Most aliases (CNAME) followed in one reply, and most replies in a row that end with an alias. Default: 8, as common resolvers do
    /// (R94).
    pub max_aliases: u8,
    /// The shortest lifetime of records, whatever their TTL: a floor for zones with TTLs of seconds. Default: 0, which keeps TTLs (R93).
    #[serde(with = "duration::required")]
    pub min_ttl: Duration,
    /// The longest lifetime of records. Default: 24 h.
    #[serde(with = "duration::required")]
    pub max_ttl: Duration,
    /// The shortest lifetime of a negative answer, whatever its SOA record says. Default: 0.
    #[serde(with = "duration::required")]
    pub negative_min_ttl: Duration,
    /// The longest lifetime of a negative answer. Default: 1 h (R96).
    #[serde(with = "duration::required")]
    pub negative_max_ttl: Duration,
    /// The lifetime of a negative answer without an SOA record. Default: 30 s, so that such a name is not queried at every lookup.
    #[serde(with = "duration::required")]
    pub negative_default_ttl: Duration,
    /// The lifetime of a first failure, and of a result that was finished without late addresses. It doubles with each further failure in a
    /// row. Default: 30 s (R97).
    #[serde(with = "duration::required")]
    pub failure_ttl: Duration,
    /// The longest lifetime of a failure. Default: 5 min (R97).
    #[serde(with = "duration::required")]
    pub failure_max_ttl: Duration,
}

impl Default for DnsPolicy {
    fn default() -> Self {
        Self {
            attempts: 4,
            transport: DnsTransport::Udp,
            retry_interval: Duration::from_millis(800),
            min_retry_interval: Some(Duration::from_millis(200)),
            timeout: Duration::from_secs(10),
            max_aliases: 8,
            min_ttl: Duration::ZERO,
            max_ttl: HOUR.saturating_mul(24),
            negative_min_ttl: Duration::ZERO,
            negative_max_ttl: HOUR,
            negative_default_ttl: Duration::from_secs(30),
            failure_ttl: Duration::from_secs(30),
            failure_max_ttl: MINUTE.saturating_mul(5),
        }
    }
}

/// `.well-known` requests and the lifetimes of documents.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct WellKnownPolicy {
    /// The value of `User-Agent`. Default: the project's name and version; some firewalls reject requests without one.
    pub user_agent: String,
    /// Most redirects followed for one document. Default: 10 (R35).
    pub max_redirects: u8,
    /// The longest document that is read, in bytes. Default: 50 KiB.
    pub max_body: usize,
    /// Most addresses of one host that are tried at the same time for one document. Default: 4; a value of 0 counts as 1.
    pub max_open: u8,
    /// The time after which a document has failed, over all redirects, counted while a GET is open. Default: 10 s.
    #[serde(with = "duration::required")]
    pub timeout: Duration,
    /// How long to wait for a response on an established connection before another address is tried in parallel. Default: 2.5 s.
    #[serde(with = "duration::required")]
    pub response_wait: Duration,
    /// The lifetime of a valid document whose headers say nothing. Default: 24 h (R38).
    #[serde(with = "duration::required")]
    pub default_ttl: Duration,
    /// The shortest lifetime of a valid document, whatever its headers say. Default: 5 min.
    #[serde(with = "duration::required")]
    pub min_ttl: Duration,
    /// The longest lifetime of a valid document. Default: 48 h (R39).
    #[serde(with = "duration::required")]
    pub max_ttl: Duration,
    /// The lifetime of a permanent failure (status 404, an invalid document), and the longest of any failure. Default: 1 h (R40).
    #[serde(with = "duration::required")]
    pub failure_ttl: Duration,
    /// The lifetime of a first temporary failure (no response, status 503). It doubles with each further failure in a row. Default: 1 min
    /// (R41).
    #[serde(with = "duration::required")]
    pub retry_ttl: Duration,
}

impl Default for WellKnownPolicy {
    fn default() -> Self {
        Self {
            user_agent: concat!("matrix-discovery/", env!("CARGO_PKG_VERSION")).to_owned(),
            max_redirects: 10,
            max_body: 50 * 1024,
            max_open: 4,
            timeout: Duration::from_secs(10),
            response_wait: Duration::from_millis(2500),
            default_ttl: HOUR.saturating_mul(24),
            min_ttl: MINUTE.saturating_mul(5),
            max_ttl: HOUR.saturating_mul(48),
            failure_ttl: HOUR,
            retry_ttl: MINUTE,
        }
    }
}

impl WellKnownPolicy {
    /// At least one address has to be tried (I10).
    pub(crate) fn max_open(&self) -> usize {
        usize::from(self.max_open.max(1))
    }
}

/// What is kept beyond a lookup, and for how long it may be used.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct CachePolicy {
    /// How far a default lifetime is moved at random, up or down, in percent, so that answers of one moment do not expire together.
    /// Default: 10; more than 100 counts as 100.
    pub ttl_jitter_percent: u8,
    /// The part of a fact's lifetime, in percent, after which its next use refreshes it; `None` refreshes expired facts alone. Default: 80,
    /// so that lookups of names in use never wait. A fact that is due is also refreshed where a lookup has to ask for another fact of the
    /// name.
    pub refresh_ahead_percent: Option<u8>,
    /// How long a lookup waits for a refresh before it uses the expired fact (RFC 8767 §5); `None` never uses it. Default: 1.8 s.
    #[serde(with = "duration::optional")]
    pub serve_stale_after: Option<Duration>,
    /// The age up to which an expired DNS fact may be used while its refresh fails. Default: 24 h.
    #[serde(with = "duration::required")]
    pub max_stale: Duration,
    /// The longest lifetime of a result that was finished without late addresses, while the same family stays silent. Default: 1 h.
    #[serde(with = "duration::required")]
    pub partial_result_ttl: Duration,
    /// Most facts kept; 0 keeps none. Default: 400,000, enough for about 100,000 names.
    pub max_facts: usize,
    /// Most results kept; 0 keeps none, and each lookup computes its result from facts. Default: 100,000.
    pub max_results: usize,
    /// Most memory, in bytes, for facts, for results and for reported failures each, as far as it can be counted. Default: 256 MiB.
    pub max_bytes: usize,
}

impl Default for CachePolicy {
    fn default() -> Self {
        Self {
            ttl_jitter_percent: 10,
            refresh_ahead_percent: Some(80),
            serve_stale_after: Some(Duration::from_millis(1800)),
            max_stale: HOUR.saturating_mul(24),
            partial_result_ttl: HOUR,
            max_facts: 400_000,
            max_results: 100_000,
            max_bytes: 256 * 1024 * 1024,
        }
    }
}

/// Bounds on lookups, queries and requests.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct LimitsPolicy {
    /// Most DNS queries of one lookup, retries included; with more it fails as [`TooManyQueries`](crate::ErrorKind::TooManyQueries).
    /// Default: 100; 16 SRV targets with both families take about 40, and hostile records could otherwise cause more than a thousand.
    pub max_queries_per_lookup: u32,
    /// The time after its first request at which a lookup has failed. Default: 40 s.
    #[serde(with = "duration::required")]
    pub lookup_deadline: Duration,
    /// The time after which a lookup without a slot has failed. Default: 60 s; `None` waits without limit, for batches.
    #[serde(with = "duration::optional")]
    pub queue_deadline: Option<Duration>,
    /// Most lookups at the same time; further ones fail as overloaded. Default: 20,000, twice the servers of the largest room.
    pub max_lookups: usize,
    /// Most DNS questions in flight. Default: 96; Docker's resolver takes 100.
    pub dns_slots: usize,
    /// Most GETs in flight. Default: 128.
    pub http_slots: usize,
    /// Most GETs in flight to one host. Default: 8; redirects may send many names to one host.
    pub http_slots_per_host: usize,
}

impl Default for LimitsPolicy {
    fn default() -> Self {
        Self {
            max_queries_per_lookup: 100,
            lookup_deadline: Duration::from_secs(40),
            queue_deadline: Some(Duration::from_secs(60)),
            max_lookups: 20_000,
            dns_slots: 96,
            http_slots: 128,
            http_slots_per_host: 8,
        }
    }
}

/// How long endpoints that callers report as failing are tried last.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct FeedbackPolicy {
    /// How long an endpoint is tried last after its first reported failure. It doubles with each further failure in a row. Also the least
    /// age of the facts behind a name before failures of all its endpoints cause a refresh, and the least time between two such refreshes,
    /// which doubles, too. Default: 1 min, as for a failed `.well-known` request (R41); 0 ignores reports.
    #[serde(with = "duration::required")]
    pub backoff: Duration,
    /// The longest of these times. Default: 1 h, as for `.well-known` failures (R40), within which a server that has moved is found again.
    #[serde(with = "duration::required")]
    pub max_backoff: Duration,
    /// Most endpoints, and most names, of which failures are kept. Default: 20,000, as many as lookups at the same time. Where more names
    /// fail within two hours, facts of the further ones are refreshed once they are as old as `max_backoff`.
    pub max_reports: usize,
}

impl Default for FeedbackPolicy {
    fn default() -> Self {
        Self { backoff: MINUTE, max_backoff: HOUR, max_reports: 20_000 }
    }
}

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(60 * 60);

impl Serialize for Policy {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        Self::serialize(self, to)
    }
}

impl<'de> Deserialize<'de> for Policy {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(from)?;
        let known = serde_json::to_value(Self::default()).map_err(D::Error::custom)?;
        if let (Value::Object(groups), Value::Object(known)) = (&value, &known) {
            known_keys("", groups, known).map_err(D::Error::custom)?;
            for (group, fields) in groups {
                if let (Value::Object(fields), Some(Value::Object(known))) =
                    (fields, known.get(group))
                {
                    known_keys(&format!("{group}."), fields, known).map_err(D::Error::custom)?;
                }
            }
        }
        Self::deserialize(value).map_err(D::Error::custom)
    }
}

type Object = serde_json::Map<String, Value>;

/// Refuses a key that the default does not have, and names the one that is spelled most like it.
fn known_keys(group: &str, given: &Object, known: &Object) -> Result<(), String> {
    let Some(key) = given.keys().find(|key| !known.contains_key(*key)) else { return Ok(()) };
    let distance = |other: &&String| strsim::damerau_levenshtein(key, other);
    let nearest = known.keys().min_by_key(distance).map_or("", String::as_str);
    Err(format!("unknown policy field `{group}{key}`; did you mean `{group}{nearest}`?"))
}

/// The consequence of a response with status 200 and an invalid document.
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

/// The consequence of a failed lookup, where the specification mentions "not found" alone.
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

/// The meaning of status 410 of a `.well-known` response.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum OnHttpGone {
    /// As any other status: on at step 4.
    AnyOtherStatus,
    /// The server is gone for good (MSC4188): the lookup fails.
    Dead,
}

/// How far questions are sent ahead of need. Results are the same in all modes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Speculation {
    /// Only what is needed: the fewest queries.
    Off,
    /// Also addresses that may be needed.
    Addresses,
    /// Also services that may be needed: the fewest waits.
    Full,
    /// The questions that decided the last lookup, if they are in the cache: the fewest waits without an additional query, unless answers
    /// have changed. As `Addresses` for a name that is not in the cache.
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

#[cfg(test)]
mod tests;
