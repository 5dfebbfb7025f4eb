//! What comes out of a lookup: where to connect and how to prove that it is the right place, or why not.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::explain::{Decision, Effect, Explanation, Step};
use crate::name::{DnsName, InvalidServerName, ServerName, TlsName};
use crate::question::{Fact, Question};
use crate::time::Instant;

/// What a lookup ends with; shared, for one lookup may serve many tickets.
pub type Outcome = Arc<Result<Resolved, Failed>>;

/// Where to connect, and how to prove that it is the right place (R24).
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Resolved {
    /// The name that was asked for, unchanged: request signing needs it (R23).
    pub server_name: ServerName,
    /// Where to connect, in the order to try: at least one, each with at least one address.
    pub targets: Box<[Target]>,
    /// The `Host` value, verbatim: never the SRV target, never normalised (R116; R30, R47, R49, R53, R58, R60).
    pub host_header: Arc<str>,
    /// What the certificate must be valid for (R27, R31, R46, R50, R54, R58, R60).
    pub tls_name: TlsName,
    /// The step of the specification that decided.
    pub rule: Step,
    /// Until when the answer may be reused; None: for ever (step 1).
    pub fresh_until: Option<Instant>,
    /// Every decision taken.
    pub explanation: Explanation,
    /// When each question was asked and answered.
    pub timeline: Timeline,
}

impl Resolved {
    /// What to send as server name indication; nothing for an IP (R19, R20).
    pub fn sni(&self) -> Option<&str> {
        self.tls_name.sni()
    }

    /// The places to connect to, in the order to try (R89).
    pub fn socket_addrs(&self) -> impl Iterator<Item = SocketAddr> + '_ {
        self.targets.iter().flat_map(Target::socket_addrs)
    }
}

/// When each question was asked and answered: beside the explanation, for it differs from run to run. Any two timelines are
/// equal.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timeline {
    /// The questions, in the order in which they were asked.
    pub questions: Vec<Timed>,
}

/// When one question was asked and answered.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Timed {
    /// The question.
    pub question: Question,
    /// When its first request went out, or the lookup joined others that were waiting for it.
    pub asked: Instant,
    /// When its fact was there; None: it was not needed or not waited for any longer.
    pub answered: Option<Instant>,
    /// Whether it was asked ahead of need and never came to be needed.
    pub in_vain: bool,
}

impl PartialEq for Timeline {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Timeline {}

impl Hash for Timeline {
    fn hash<H: Hasher>(&self, _: &mut H) {}
}

/// One host and port to connect to.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Target {
    /// The host: of the SRV record, or of the (delegated) server name.
    pub host: TlsName,
    /// The port.
    pub port: u16,
    /// Priority and weight, if an SRV record named the target.
    pub srv: Option<(u16, u16)>,
    /// Its addresses, vetted and in the order to try.
    pub addresses: Box<[IpAddr]>,
}

impl Target {
    /// The places to connect to, in the order to try.
    pub fn socket_addrs(&self) -> impl Iterator<Item = SocketAddr> + '_ {
        self.addresses.iter().map(|address| SocketAddr::new(*address, self.port))
    }

    /// The host as a DNS name, unless it is an IP literal.
    pub fn dns_name(&self) -> Option<&DnsName> {
        match &self.host {
            TlsName::Dns(name) => Some(name),
            TlsName::Ip(_) => None,
        }
    }
}

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
