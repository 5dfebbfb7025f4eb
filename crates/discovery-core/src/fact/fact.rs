//! Facts: the answers to questions, when they were learnt and until when they may be used.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::address::Addresses;
use crate::fact::Question;
use crate::io::{DnsError, HttpError, Noticed, SrvRecord};
use crate::name::{BadUrl, DnsName, InvalidDnsName, InvalidServerName, ServerName, Url};
use crate::util::Instant;

/// The answer to a question.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Fact {
    /// Addresses, at least one, and the name that they belong to if the name in question is an alias.
    Addresses {
        /// In the order received, without duplicates.
        addresses: Addresses,
        /// The last name of the alias chain, if there was one.
        alias: Option<DnsName>,
    },
    /// SRV records, at least one, in the order received.
    Services(Arc<[SrvRecord]>),
    /// There are SRV records, but none with a usable host.
    UnusableServices,
    /// The name is an alias of this one, whose records are not in the reply.
    Alias(DnsName),
    /// There is no such record: NXDOMAIN or NODATA.
    NotFound(NotFound),
    /// A valid `.well-known` document, and its `m.server`.
    Document(ServerName),
    /// A redirect to this URL.
    Redirect(Url),
    /// An unusable HTTP response.
    Unusable(UnusableResponse),
    /// A temporary failure.
    Failed(Failure),
    /// The answer was late.
    Late,
}

/// Why there is no such record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum NotFound {
    /// The name does not exist.
    NxDomain,
    /// The name exists without records of this type.
    NoData,
    /// A name that is never queried: `.invalid`, `.onion`, an SRV record below `localhost` (R104–R106).
    SpecialName,
    /// The name has static addresses, and none of this family.
    Static,
    /// The hosts file has addresses of the name, and none of this family.
    HostsFile,
}

/// Why an HTTP response is unusable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum UnusableResponse {
    /// Its status is neither 200 nor a redirect that is followed.
    Status(u16),
    /// A 200 response with an invalid document (R42, R67).
    Document(DocumentError),
    /// A redirect that is not followed.
    Redirect(RedirectError),
}

/// Why a document is invalid.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum DocumentError {
    /// It has a content coding, although the request allowed none.
    ContentCoding,
    /// It is longer than the policy allows.
    TooLong,
    /// It is not UTF-8 (R22).
    NotUtf8,
    /// It starts with a byte order mark (R131).
    ByteOrderMark,
    /// It is not JSON.
    NotJson,
    /// It is JSON, but not an object (R68).
    NotAnObject,
    /// There is no `m.server` (R68).
    Missing,
    /// There is more than one `m.server`: readers would differ (R131).
    Duplicate,
    /// `m.server` is not a string (R68).
    NotAString,
    /// `m.server` is not a server name (R12).
    ServerName(InvalidServerName),
    /// `m.server` is a server name that cannot be resolved.
    Unresolvable(InvalidDnsName),
}

/// Why a redirect is not followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum RedirectError {
    /// There is no `Location`.
    NoLocation,
    /// There are several `Location` headers.
    ManyLocations,
    /// `Location` cannot be followed.
    Url(BadUrl),
}

/// Why a question failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Failure {
    /// No name server has answered; the most specific of their errors.
    Dns(DnsError),
    /// No address has answered; the error of the first address.
    Http(HttpError),
    /// The aliases form a loop (R94).
    AliasLoop,
    /// There are more aliases in a row than the policy allows.
    TooManyAliases,
    /// The alias is not a host name.
    UnusableAlias,
    /// The lookup had sent as many DNS queries as the policy allows.
    TooManyQueries,
}

impl UnusableResponse {
    /// Whether a later attempt may succeed: statuses that ask for one, and server errors.
    pub(crate) fn is_temporary(self) -> bool {
        matches!(self, Self::Status(408 | 425 | 429 | 500..=599))
    }
}

impl Failure {
    /// Whether the failure is local.
    pub fn is_local(self) -> bool {
        matches!(
            self,
            Self::Dns(
                DnsError::Local
                    | DnsError::NoServer
                    | DnsError::NoRoute
                    | DnsError::NotListening(_)
                    | DnsError::Rejected(_)
            ) | Self::Http(HttpError::Local | HttpError::NoRoute | HttpError::WrongClock)
        )
    }
}

/// A fact with its question, the time when it was learnt, and its expiry. Shared by the cache, lookups and explanations.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct CachedFact {
    pub(crate) question: Question,
    pub(crate) fact: Fact,
    pub(crate) learnt: Instant,
    /// None: for ever (static facts).
    pub(crate) expires: Option<Instant>,
    pub(crate) standing: Standing,
    /// What was noticed about the name server that it came from.
    pub(crate) noticed: Noticed,
}

/// How a fact may be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Standing {
    /// As it was learnt.
    Fresh,
    /// As it was learnt, and never to be used once it has expired (R120).
    NeverStale,
    /// As a stale fact, because its refresh failed.
    Stale,
}

impl CachedFact {
    pub(crate) fn new(
        question: Question,
        fact: Fact,
        learnt: Instant,
        expires: Option<Instant>,
    ) -> Self {
        Self {
            question,
            fact,
            learnt,
            expires,
            standing: Standing::Fresh,
            noticed: Noticed::default(),
        }
    }

    /// Its memory, in bytes.
    pub(crate) fn size(&self) -> usize {
        let counts = size_of::<[usize; 2]>();
        size_of::<Self>().saturating_add(counts).saturating_add(self.fact.size())
    }

    pub(crate) fn is_fresh(&self, now: Instant) -> bool {
        self.expires.is_none_or(|until| now < until)
    }
}

impl Fact {
    /// The heap memory of this value, in bytes.
    fn size(&self) -> usize {
        match self {
            Self::Addresses { addresses, .. } => addresses.size(),
            Self::Services(services) => {
                services.iter().fold(size_of_val(&**services), |sum, service| {
                    sum.saturating_add(service.target.as_str().len())
                })
            }
            Self::Alias(name) => name.as_str().len(),
            Self::Document(name) => name.as_str().len(),
            Self::Redirect(url) => url.size(),
            Self::UnusableServices
            | Self::NotFound(_)
            | Self::Unusable(_)
            | Self::Failed(_)
            | Self::Late => 0,
        }
    }

    /// Whether this is a temporary failure: it never replaces a good fact.
    pub(crate) fn is_temporary(&self) -> bool {
        match self {
            Self::Failed(_) | Self::Late => true,
            Self::Unusable(why) => why.is_temporary(),
            Self::Addresses { .. }
            | Self::Services(_)
            | Self::UnusableServices
            | Self::Alias(_)
            | Self::NotFound(_)
            | Self::Document(_)
            | Self::Redirect(_) => false,
        }
    }
}

impl fmt::Display for Fact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Addresses { addresses, alias } => {
                for (i, address) in addresses.iter().enumerate() {
                    write!(f, "{}{address}", if i == 0 { "" } else { ", " })?;
                }
                match alias {
                    Some(alias) => write!(f, " (an alias of {alias})"),
                    None => Ok(()),
                }
            }
            Self::Services(services) => {
                for (i, s) in services.iter().enumerate() {
                    let comma = if i == 0 { "" } else { ", " };
                    write!(f, "{comma}{} {} {} {}", s.priority, s.weight, s.port, s.target)?;
                }
                Ok(())
            }
            Self::UnusableServices => f.write_str("records whose targets no host can have"),
            Self::Alias(name) => write!(f, "an alias of {name}"),
            Self::NotFound(why) => why.fmt(f),
            Self::Document(name) => write!(f, "m.server {name}"),
            Self::Redirect(url) => write!(f, "redirect to {url}"),
            Self::Unusable(why) => why.fmt(f),
            Self::Failed(why) => why.fmt(f),
            Self::Late => f.write_str("late"),
        }
    }
}

impl fmt::Display for NotFound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NxDomain => "NXDOMAIN",
            Self::NoData => "NODATA",
            Self::SpecialName => "a special name, never asked for",
            Self::Static => "static addresses of the other family only",
            Self::HostsFile => "/etc/hosts has addresses of the other family only",
        })
    }
}

impl fmt::Display for UnusableResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Status(status) => write!(f, "status {status}"),
            Self::Document(why) => write!(f, "invalid document: {why}"),
            Self::Redirect(why) => write!(f, "redirect that leads nowhere: {why}"),
        }
    }
}

impl fmt::Display for DocumentError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ContentCoding => f.write_str("content coding"),
            Self::TooLong => f.write_str("too long"),
            Self::NotUtf8 => f.write_str("not UTF-8"),
            Self::ByteOrderMark => f.write_str("starts with a byte order mark"),
            Self::NotJson => f.write_str("not JSON"),
            Self::NotAnObject => f.write_str("not a JSON object"),
            Self::Missing => f.write_str("no m.server"),
            Self::Duplicate => f.write_str("more than one m.server"),
            Self::NotAString => f.write_str("m.server is not a string"),
            Self::ServerName(why) => write!(f, "m.server is not a server name: {why}"),
            Self::Unresolvable(why) => write!(f, "m.server can't be resolved: {why}"),
        }
    }
}

impl fmt::Display for RedirectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoLocation => f.write_str("no Location"),
            Self::ManyLocations => f.write_str("several Locations"),
            Self::Url(why) => why.fmt(f),
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Dns(error) => return error.fmt(f),
            Self::Http(error) => return error.fmt(f),
            Self::AliasLoop => "aliases lead in a circle",
            Self::TooManyAliases => "too many aliases in a row",
            Self::UnusableAlias => "an alias that names no host",
            Self::TooManyQueries => "the lookup's budget of DNS queries is used up",
        })
    }
}

impl std::error::Error for NotFound {}
impl std::error::Error for UnusableResponse {}
impl std::error::Error for DocumentError {}
impl std::error::Error for RedirectError {}
impl std::error::Error for Failure {}
