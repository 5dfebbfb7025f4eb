//! Why a lookup has no result: the kind of failure, whose it is, and the decision that led to it.

use std::fmt;
use std::hash::{Hash, Hasher};

use serde::{Deserialize, Serialize};

use crate::fact::Fact;
use crate::name::InvalidServerName;
use crate::outcome::{Decision, Effect, Explanation, Step, Timeline};
use crate::util::Instant;

/// Why a lookup has no result: its kind, which side caused it, and whether a retry may succeed.
///
/// `Display` is one sentence with the fact that caused the error; the decisions are in
/// [`explanation`](Self::explanation). Two errors are equal when everything but their timelines is.
#[derive(Clone, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ResolveError {
    /// The kind of error.
    pub kind: ErrorKind,
    /// The earliest time at which a retry makes sense, as far as the facts tell.
    pub retry_after: Option<Instant>,
    /// Every decision taken, in the order of the specification.
    pub explanation: Explanation,
    /// When each question was asked and answered.
    pub timeline: Timeline,
}

/// The kinds of [`ResolveError`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ErrorKind {
    /// The text is not a server name. Handles that accept text report it; the machine accepts parsed names only.
    InvalidServerName,
    /// The name is a server name but cannot be resolved (`a..b`, `010.0.0.1`).
    UnresolvableName,
    /// There are no addresses: NXDOMAIN or NODATA.
    NoAddresses,
    /// A required DNS question has failed.
    DnsFailure,
    /// The service is declared as not offered, or no SRV record is usable.
    SrvUnavailable,
    /// The document is invalid, and the revision (or policy) aborts.
    WellKnownInvalid,
    /// The server declares itself gone for good (MSC4188), and the policy heeds it.
    Gone,
    /// Every address is denied by the address policy.
    Blocked,
    /// The name leads to more DNS queries than the policy allows one lookup (`limits.max_queries_per_lookup`).
    TooManyQueries,
    /// The lookup took too long.
    TimedOut,
    /// There were too many lookups, or this one got no slot in time.
    Overloaded,
    /// No request could be sent for a local reason.
    Local,
    /// The ticket was abandoned.
    Abandoned,
}

impl ErrorKind {
    /// The kind's stable name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::InvalidServerName => "invalid_server_name",
            Self::UnresolvableName => "unresolvable_name",
            Self::NoAddresses => "no_addresses",
            Self::DnsFailure => "dns_failure",
            Self::SrvUnavailable => "srv_unavailable",
            Self::WellKnownInvalid => "well_known_invalid",
            Self::Gone => "gone",
            Self::Blocked => "blocked",
            Self::TooManyQueries => "too_many_queries",
            Self::TimedOut => "timed_out",
            Self::Overloaded => "overloaded",
            Self::Local => "local",
            Self::Abandoned => "abandoned",
        }
    }

    /// Which side caused it.
    pub const fn origin(self) -> ErrorOrigin {
        match self {
            Self::NoAddresses
            | Self::DnsFailure
            | Self::SrvUnavailable
            | Self::WellKnownInvalid
            | Self::Gone
            | Self::TooManyQueries
            | Self::TimedOut => ErrorOrigin::Remote,
            Self::Local => ErrorOrigin::Local,
            Self::Blocked => ErrorOrigin::Policy,
            Self::InvalidServerName
            | Self::UnresolvableName
            | Self::Overloaded
            | Self::Abandoned => ErrorOrigin::Caller,
        }
    }

    /// Whether a later retry may succeed without a change of configuration.
    pub const fn is_temporary(self) -> bool {
        matches!(
            self,
            Self::DnsFailure
                | Self::TooManyQueries
                | Self::TimedOut
                | Self::Overloaded
                | Self::Local
        )
    }
}

/// Which side caused an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ErrorOrigin {
    /// The remote server: its DNS, its web server, its records.
    Remote,
    /// This machine or its network.
    Local,
    /// The policy, which refuses.
    Policy,
    /// The caller: a name that cannot be resolved, too many lookups.
    Caller,
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl fmt::Display for ErrorOrigin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Remote => "remote",
            Self::Local => "local",
            Self::Policy => "policy",
            Self::Caller => "caller",
        })
    }
}

impl ResolveError {
    pub(crate) fn new(
        kind: ErrorKind,
        retry_after: Option<Instant>,
        explanation: Explanation,
        timeline: Timeline,
    ) -> Self {
        Self { kind, retry_after, explanation, timeline }
    }

    /// An error without an explanation, because nothing was asked. Drivers that end while lookups wait use it, too.
    pub fn bare(kind: ErrorKind) -> Self {
        Self::new(kind, None, Explanation::default(), Timeline::default())
    }

    /// Which side caused the error.
    pub const fn origin(&self) -> ErrorOrigin {
        self.kind.origin()
    }

    /// Whether a later retry may succeed without a change of configuration.
    pub const fn is_temporary(&self) -> bool {
        self.kind.is_temporary()
    }

    /// What two errors are compared by.
    fn parts(&self) -> (ErrorKind, Option<Instant>, &Explanation) {
        (self.kind, self.retry_after, &self.explanation)
    }

    /// The decision that best tells why, and what else to say.
    fn cause(&self) -> Option<&Decision> {
        let decisions = || self.explanation.decisions.iter().rev();
        let is_cause = |decision: &&Decision| match (&decision.effect, decision.fact()) {
            (Effect::Denied(_), _) => self.kind == ErrorKind::Blocked,
            (Effect::UnresolvableName(_) | Effect::InvalidServerName(_), _) => true,
            (_, Some(Fact::Failed(_) | Fact::Late)) => self.is_temporary(),
            _ => false,
        };
        decisions()
            .find(is_cause)
            .or_else(|| decisions().find(|decision| decision.question().is_some()))
    }
}

/// A text that is no server name fails like any other lookup, with the part of the grammar that it breaks.
impl From<InvalidServerName> for ResolveError {
    fn from(why: InvalidServerName) -> Self {
        let decision =
            Decision::without_fact(Step::IpLiteral, None, Effect::InvalidServerName(why));
        let explanation = Explanation { decisions: Box::new([decision]) };
        Self::new(ErrorKind::InvalidServerName, None, explanation, Timeline::default())
    }
}

impl fmt::Display for ResolveError {
    /// The kind in words, and the fact that caused it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.kind {
            ErrorKind::InvalidServerName => "not a server name",
            ErrorKind::UnresolvableName => "the name can't be resolved",
            ErrorKind::NoAddresses => "there are no addresses",
            ErrorKind::DnsFailure => "DNS failed, which may pass",
            ErrorKind::SrvUnavailable => "the service is not offered",
            ErrorKind::WellKnownInvalid => "the well-known document is invalid",
            ErrorKind::Gone => "the server is gone for good",
            ErrorKind::Blocked => "every address is denied by the address policy",
            ErrorKind::TooManyQueries => {
                "it needs more DNS queries than `limits.max_queries_per_lookup` of the policy allows"
            }
            ErrorKind::TimedOut => "it took too long, which may pass",
            ErrorKind::Overloaded => "too many lookups at once",
            ErrorKind::Local if self.explanation.decisions.is_empty() => {
                "the driver has ended, or the discovery was closed"
            }
            ErrorKind::Local => "no request could be sent from this machine",
            ErrorKind::Abandoned => "abandoned",
        })?;
        let Some(cause) = self.cause() else { return Ok(()) };
        match (&cause.effect, cause.question(), cause.fact()) {
            (Effect::Denied(denied), ..) => {
                write!(f, " ({denied}; `addresses.allow` of the policy may allow it)")
            }
            (Effect::UnresolvableName(why), ..) => write!(f, " ({why})"),
            (Effect::InvalidServerName(why), ..) => write!(f, " ({why})"),
            (_, Some(question), Some(fact)) => {
                write!(f, " ({question}: {fact}")?;
                if self.kind == ErrorKind::DnsFailure && cause.step == Step::WellKnown {
                    f.write_str(
                        "; `spec.well_known_dns_failure` of the policy may go on at step 4",
                    )?;
                }
                f.write_str(")")
            }
            (_, Some(question), None) => write!(f, " ({question})"),
            (_, None, _) => Ok(()),
        }
    }
}

impl fmt::Debug for ResolveError {
    /// Short, for it is what `unwrap` and a failing `main` print.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ResolveError({}: {self})", self.kind)
    }
}

impl PartialEq for ResolveError {
    fn eq(&self, other: &Self) -> bool {
        self.parts() == other.parts()
    }
}

impl Eq for ResolveError {}

impl Hash for ResolveError {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.parts().hash(state);
    }
}

impl std::error::Error for ResolveError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_invalid_server_name_is_named_in_the_failure() {
        let failed = ResolveError::from(InvalidServerName::EmptyHost);
        assert_eq!(failed.kind, ErrorKind::InvalidServerName);
        assert_eq!(failed.to_string(), "not a server name (the host is missing)");
    }
}
