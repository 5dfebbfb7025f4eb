//! What a lookup results in: where to connect, and how to prove that it is the right place.

use std::hash::{Hash, Hasher};
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, OnceLock};

use http::HeaderValue;
use serde::{Deserialize, Serialize};

use crate::name::{DnsName, ServerName, TlsName};
use crate::outcome::{Explanation, ResolveError, Route, Step, Timeline};
use crate::util::Instant;

/// The outcome of a lookup. Both sides are shared, because one lookup may serve many callers.
pub type Outcome = Result<Arc<Resolved>, Arc<ResolveError>>;

/// Where to connect, and how to verify the server (R24).
///
/// Two results are equal when everything but their timelines is.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Resolved {
    /// The server name of the lookup, unchanged: request signing needs it (R23).
    pub server_name: ServerName,
    /// Where to connect, in the order to try: at least one.
    pub targets: Box<[Target]>,
    /// The `Host` value, verbatim: never the SRV target, never normalised (R116; R30, R47, R49, R53, R58, R60).
    #[serde(with = "super::route::header_value")]
    pub host_header: HeaderValue,
    /// What the certificate must be valid for (R27, R31, R46, R50, R54, R58, R60).
    pub tls_name: TlsName,
    /// The step of the specification that decided.
    pub step: Step,
    /// When the result expires, on the clock of the instants that the machine was given; `None`: never (step 1).
    pub expires: Option<Instant>,
    /// Every decision taken.
    pub explanation: Explanation,
    /// When each question was asked and answered.
    pub timeline: Timeline,
    /// Made at the first call of [`route`](Self::route): most results are kept for names that are not connected to.
    #[serde(skip)]
    pub(crate) route: OnceLock<Arc<Route>>,
}

impl Resolved {
    /// The server name indication; none for an IP address (R19, R20).
    pub fn sni(&self) -> Option<&str> {
        self.tls_name.sni()
    }

    /// The value of `Host` as text.
    pub fn host_header_str(&self) -> &str {
        // Server names consist of visible ASCII characters alone.
        self.host_header.to_str().unwrap_or_default()
    }

    /// The key under which connections to this server may be kept and shared.
    ///
    /// Connections must not be pooled by host name: two server names can share a host, a port and a certificate name and still be
    /// two servers. Results with equal routes are served by the same connections, whatever their server names.
    pub fn route(&self) -> &Arc<Route> {
        self.route.get_or_init(|| Arc::new(Route::new(self)))
    }

    /// The addresses and ports to connect to, in the order to try (R89).
    pub fn socket_addrs(&self) -> impl Iterator<Item = SocketAddr> + '_ {
        self.targets.iter().flat_map(Target::socket_addrs)
    }
}

/// What two results are compared by.
type Parts<'a> = (
    &'a ServerName,
    &'a [Target],
    &'a HeaderValue,
    &'a TlsName,
    Step,
    Option<Instant>,
    &'a Explanation,
);

impl Resolved {
    fn parts(&self) -> Parts<'_> {
        let Self { server_name, targets, host_header, tls_name, step, expires, .. } = self;
        (server_name, targets, host_header, tls_name, *step, *expires, &self.explanation)
    }
}

impl PartialEq for Resolved {
    fn eq(&self, other: &Self) -> bool {
        self.parts() == other.parts()
    }
}

impl Eq for Resolved {}

impl Hash for Resolved {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.parts().hash(state);
    }
}

/// The rank of an SRV record among others (RFC 2782).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct SrvRank {
    /// Targets with a lower priority are tried first.
    pub priority: u16,
    /// The share among targets of one priority.
    pub weight: u16,
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
    pub srv: Option<SrvRank>,
    /// Its addresses, vetted and in the order to try. Empty where the policy leaves them to a proxy
    /// ([`resolve_hosts_only`](crate::AddressPolicy::resolve_hosts_only)).
    pub addresses: Box<[IpAddr]>,
}

impl Target {
    /// The addresses and ports to connect to, in the order to try.
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
