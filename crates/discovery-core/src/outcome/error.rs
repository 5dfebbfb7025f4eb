//! Why a lookup has no result: the kind of failure, whose it is, and the decision that led to it.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::fact::Fact;
use crate::name::InvalidServerName;
use crate::outcome::{Decision, Effect, Explanation, Step, Timeline};
use crate::util::Instant;

/// Why a lookup has no result.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Failed {
    /// In which way it failed.
    pub kind: FailureKind,
    /// Whose fault it is.
    pub fault: Fault,
    /// Whether asking again later may help without anybody mending anything.
    pub temporary: bool,
    /// When asking again makes sense at the earliest, as far as the facts tell.
    pub retry_at: Option<Instant>,
    /// Every decision taken.
    pub explanation: Explanation,
    /// When each question was asked and answered.
    pub timeline: Timeline,
}

/// In which way a lookup failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum FailureKind {
    /// The text is no server name. The machine takes parsed names only; this is for who reports both.
    InvalidServerName,
    /// The name obeys the grammar, but nothing can be asked for under it (`a..b`, `010.0.0.1`).
    UnresolvableName,
    /// There are no addresses: NXDOMAIN or NODATA.
    NoAddresses,
    /// A DNS question that had to be answered was not.
    DnsFailure,
    /// The service is declared as not offered, or no SRV record is of use.
    SrvUnavailable,
    /// The document is invalid, and the revision (or policy) aborts.
    WellKnownInvalid,
    /// The server declares itself gone for good (MSC4188), and the policy heeds it.
    Gone,
    /// Every address is denied by the address policy.
    Blocked,
    /// The name leads to more DNS queries than the policy allows one lookup (`max_queries_per_lookup`).
    TooManyQueries,
    /// The lookup took too long.
    TimedOut,
    /// There are too many lookups, or this one never got a slot.
    Overloaded,
    /// Our own side could not ask; nothing was learnt about the world.
    Local,
    /// The ticket was abandoned.
    Abandoned,
}

impl FailureKind {
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

    /// Whose fault it is.
    pub const fn fault(self) -> Fault {
        match self {
            Self::NoAddresses
            | Self::DnsFailure
            | Self::SrvUnavailable
            | Self::WellKnownInvalid
            | Self::Gone
            | Self::TooManyQueries
            | Self::TimedOut => Fault::Remote,
            Self::Local => Fault::Network,
            Self::Blocked => Fault::Policy,
            Self::InvalidServerName
            | Self::UnresolvableName
            | Self::Overloaded
            | Self::Abandoned => Fault::Caller,
        }
    }

    /// Whether asking again later may help without anybody mending anything.
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

/// Whose fault a failure is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fault {
    /// The other side's: its DNS, its web server, its records.
    Remote,
    /// Our own network or machine.
    Network,
    /// Nobody's: the policy refuses.
    Policy,
    /// The caller's: a name that can't be resolved, too many lookups.
    Caller,
}

impl fmt::Display for FailureKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Remote => "remote",
            Self::Network => "network",
            Self::Policy => "policy",
            Self::Caller => "caller",
        })
    }
}

impl Failed {
    pub(crate) fn new(
        kind: FailureKind,
        retry_at: Option<Instant>,
        explanation: Explanation,
        timeline: Timeline,
    ) -> Self {
        let (fault, temporary) = (kind.fault(), kind.is_temporary());
        Self { kind, fault, temporary, retry_at, explanation, timeline }
    }

    /// A failure of which nothing is to be explained: nothing was asked. For drivers too, whose own end nobody may wait for
    /// in silence.
    pub fn bare(kind: FailureKind) -> Self {
        Self::new(kind, None, Explanation::default(), Timeline::default())
    }

    /// The decision that best tells why, and what else to say.
    fn cause(&self) -> Option<&Decision> {
        let decisions = || self.explanation.decisions.iter().rev();
        let is_cause = |decision: &&Decision| match (&decision.effect, decision.fact()) {
            (Effect::Denied(_), _) => self.kind == FailureKind::Blocked,
            (Effect::UnresolvableName(_) | Effect::InvalidServerName(_), _) => true,
            (_, Some(Fact::Failed(_) | Fact::Late)) => self.temporary,
            _ => false,
        };
        decisions()
            .find(is_cause)
            .or_else(|| decisions().find(|decision| decision.question().is_some()))
    }
}

/// A text that is no server name fails like any other lookup, with the part of the grammar that it breaks.
impl From<InvalidServerName> for Failed {
    fn from(why: InvalidServerName) -> Self {
        let decision =
            Decision::without_fact(Step::IpLiteral, None, Effect::InvalidServerName(why));
        let explanation = Explanation { decisions: Box::new([decision]) };
        Self::new(FailureKind::InvalidServerName, None, explanation, Timeline::default())
    }
}

impl fmt::Display for Failed {
    /// The kind in words, and the fact that caused it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.kind {
            FailureKind::InvalidServerName => "not a server name",
            FailureKind::UnresolvableName => "the name can't be resolved",
            FailureKind::NoAddresses => "there are no addresses",
            FailureKind::DnsFailure => "DNS failed, which may pass",
            FailureKind::SrvUnavailable => "the service is not offered",
            FailureKind::WellKnownInvalid => "the well-known document is invalid",
            FailureKind::Gone => "the server is gone for good",
            FailureKind::Blocked => "every address is denied by the address policy",
            FailureKind::TooManyQueries => {
                "it needs more DNS queries than `max_queries_per_lookup` of the policy allows"
            }
            FailureKind::TimedOut => "it took too long, which may pass",
            FailureKind::Overloaded => "too many lookups at once",
            FailureKind::Local => "nothing could be asked from here",
            FailureKind::Abandoned => "abandoned",
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
                if self.kind == FailureKind::DnsFailure && cause.step == Step::WellKnown {
                    f.write_str("; `well_known_dns_failure` of the policy may go on at step 4")?;
                }
                f.write_str(")")
            }
            (_, Some(question), None) => write!(f, " ({question})"),
            (_, None, _) => Ok(()),
        }
    }
}

impl std::error::Error for Failed {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_invalid_server_name_is_named_in_the_failure() {
        let failed = Failed::from(InvalidServerName::EmptyHost);
        assert_eq!(failed.kind, FailureKind::InvalidServerName);
        assert_eq!(failed.to_string(), "not a server name (the host is missing)");
    }
}
