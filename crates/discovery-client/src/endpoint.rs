//! Where a request was sent.

use std::fmt;
use std::net::SocketAddr;

use discovery_tokio::discovery_core::{Target, TlsName};

/// One address of a target, or its host and port where a proxy resolves names.
///
/// Each response carries the endpoint that it came from in its extensions.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Endpoint {
    /// The address; `None` with the policy's
    /// [`resolve_hosts_only`](discovery_tokio::discovery_core::AddressPolicy::resolve_hosts_only).
    pub address: Option<SocketAddr>,
    /// The host: of the SRV record, or of the (delegated) server name.
    pub host: TlsName,
    /// The port.
    pub port: u16,
}

impl Endpoint {
    /// The endpoints of a target, in the order to try.
    pub(crate) fn all(target: &Target) -> Vec<Self> {
        let of = |address| Self { address, host: target.host.clone(), port: target.port };
        if target.addresses.is_empty() {
            return vec![of(None)];
        }
        target.socket_addrs().map(|address| of(Some(address))).collect()
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.address {
            Some(address) => write!(f, "{address} ({})", self.host),
            None => write!(f, "{}:{}", self.host, self.port),
        }
    }
}

/// Whether the connection of a response had served another request before. In the extensions of each response.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Reused(pub bool);
