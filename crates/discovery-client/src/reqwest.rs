//! One `reqwest` client for each route, for programs that have to stay with `reqwest`.
//!
//! A `reqwest` client pools connections by host name, so one client for all servers can send a request to the wrong one. It is right as
//! long as a client sees one route only. Limits: a client tries the addresses of all targets as addresses of one host, so a port that
//! differs between SRV targets is lost (the first target's counts); it follows the results of one resolution, so it has to be asked for
//! again with each result; nothing is reported to the discovery.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use discovery_tokio::discovery_core::{Resolved, Route, TlsName};
use http::HeaderValue;
use reqwest::{Client, Url};
use rustls::ClientConfig;

/// A few clients, the one used last in front.
pub struct Clients {
    tls: Arc<ClientConfig>,
    limit: usize,
    clients: Mutex<VecDeque<(Arc<Route>, Client)>>,
}

/// What a request to one server needs.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Prepared {
    /// The client of the route.
    pub client: Client,
    /// The root of the server, with the certificate name as host: append the path.
    pub url: Url,
    /// The value of the `Host` header, which every request must set.
    pub host: HeaderValue,
}

impl Clients {
    /// Keeps at most `limit` clients, each with its own pool; 0 counts as 1. `tls` decides which certificate authorities are trusted.
    pub fn new(tls: Arc<ClientConfig>, limit: usize) -> Self {
        Self { tls, limit: limit.max(1), clients: Mutex::default() }
    }

    /// The client for a result, its URL and its `Host`.
    ///
    /// # Errors
    /// When the client cannot be built, or when the result has no address (`resolve_hosts_only`).
    pub fn client_for(
        &self,
        resolved: &Resolved,
    ) -> Result<Prepared, Box<dyn std::error::Error + Send + Sync>> {
        let target = resolved.targets.first().ok_or("a result without targets")?;
        let host = match &resolved.tls_name {
            TlsName::Ip(ip) if ip.is_ipv6() => format!("[{ip}]"),
            name @ (TlsName::Ip(_) | TlsName::Dns(_)) => name.to_string(),
        };
        let url = Url::parse(&format!("https://{host}:{}/", target.port))?;
        let client = self.of(resolved)?;
        Ok(Prepared { client, url, host: resolved.host_header.clone() })
    }

    fn of(&self, resolved: &Resolved) -> Result<Client, Box<dyn std::error::Error + Send + Sync>> {
        let route = resolved.route();
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        let place = clients.iter().position(|(other, _)| other == route);
        if let Some(known) = place.and_then(|place| clients.remove(place)) {
            let client = known.1.clone();
            clients.push_front(known);
            return Ok(client);
        }
        let addresses: Vec<SocketAddr> = resolved.socket_addrs().collect();
        if addresses.is_empty() {
            return Err("the result has hosts alone: a proxy has to resolve them".into());
        }
        let client = Client::builder()
            .tls_backend_preconfigured(ClientConfig::clone(&self.tls))
            .redirect(reqwest::redirect::Policy::none())
            .resolve_to_addrs(&resolved.tls_name.to_string(), &addresses)
            .build()?;
        clients.push_front((Arc::clone(route), client.clone()));
        clients.truncate(self.limit);
        Ok(client)
    }
}

impl std::fmt::Debug for Clients {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Clients").field("limit", &self.limit).finish_non_exhaustive()
    }
}
