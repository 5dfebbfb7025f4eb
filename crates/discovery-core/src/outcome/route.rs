//! The identity of the connections to a server.

use std::net::SocketAddr;

use http::HeaderValue;
use serde::{Deserialize, Serialize};

use crate::name::TlsName;
use crate::outcome::Resolved;

/// Where requests to a server go and how the server proves its identity: the key of a connection pool.
///
/// Routes are equal when the certificate name, the `Host` value and the set of endpoints are. The order in which endpoints are tried
/// is not part of a route, so a refresh that draws another order of SRV targets (RFC 2782) gives an equal route.
/// ```
/// # use discovery_core::{Config, Event, Instant, Resolution};
/// let now = Instant::ORIGIN;
/// let mut resolution = Resolution::new("93.184.215.14:8448".parse()?, &Config::default(), now);
/// let Some(Event::Finished(_, outcome)) = resolution.poll() else { unreachable!("an address needs no request") };
/// let route = outcome?.route().clone();
/// assert_eq!(route.endpoints, ["93.184.215.14:8448".parse()?]);
/// assert_eq!(route.host_header, "93.184.215.14:8448");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Route {
    /// What the certificate must be valid for.
    pub tls_name: TlsName,
    /// The value of `Host`, and of `:authority` in HTTP/2.
    #[serde(with = "header_value")]
    pub host_header: HeaderValue,
    /// The addresses and ports of all targets, sorted and without duplicates.
    pub endpoints: Vec<SocketAddr>,
    /// The hosts and ports of targets without addresses, as `host:port`, sorted and without duplicates: for proxies that resolve names
    /// ([`resolve_hosts_only`](crate::AddressPolicy::resolve_hosts_only)).
    pub hosts: Vec<String>,
}

impl Route {
    pub(crate) fn new(resolved: &Resolved) -> Self {
        let mut endpoints: Vec<_> = resolved.socket_addrs().collect();
        endpoints.sort_unstable();
        endpoints.dedup();
        endpoints.shrink_to_fit();
        let unresolved = resolved.targets.iter().filter(|target| target.addresses.is_empty());
        let mut hosts: Vec<_> =
            unresolved.map(|target| format!("{}:{}", target.host, target.port)).collect();
        hosts.sort_unstable();
        hosts.dedup();
        Self {
            tls_name: resolved.tls_name.clone(),
            host_header: resolved.host_header.clone(),
            endpoints,
            hosts,
        }
    }
}

/// A header value as text: `http-serde` has header maps alone.
pub(crate) mod header_value {
    use http::HeaderValue;
    use serde::de::Error as _;
    use serde::ser::Error as _;
    use serde::{Deserialize, Deserializer, Serializer};

    pub(crate) fn serialize<S: Serializer>(value: &HeaderValue, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(value.to_str().map_err(S::Error::custom)?)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<HeaderValue, D::Error> {
        String::deserialize(from)?.try_into().map_err(D::Error::custom)
    }
}
